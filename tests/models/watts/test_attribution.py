"""Three parts that add up to what was measured, to the milliwatt, whatever comes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.watts.synthetic import PRIOR

from powerplane.models.watts.attribution import Attribution, NodeUse, attribute, moved_mw

MILLIWATTS = st.integers(-5, 3_000_000)


@st.composite
def uses(draw: Any) -> NodeUse:
    nodes, pods = draw(st.integers(1, 5)), draw(st.integers(0, 12))

    def ints(count: int, strategy: Any = MILLIWATTS) -> Any:
        return np.array(draw(st.lists(strategy, min_size=count, max_size=count)), dtype=np.int64)

    def floats(count: int) -> Any:
        return np.array(draw(st.lists(st.one_of(st.floats(0, 128), st.just(np.nan)), min_size=count, max_size=count)))

    idle = ints(nodes)
    return NodeUse(
        ints(nodes),
        idle,
        idle + ints(nodes),
        floats(nodes),
        ints(pods, st.integers(-1, nodes - 1)),
        floats(pods),
        ints(pods),
        draw(st.none() | st.just(True)) and ints(nodes),
    )


def sums(use: NodeUse, found: Attribution) -> Any:
    pods = np.zeros(len(use.measured_mw), dtype=np.int64)
    np.add.at(pods, use.pod_node[use.pod_node >= 0], found.pod_mw[use.pod_node >= 0])
    return found.idle_mw + pods + found.unattributed_mw


@given(uses())
def test_the_parts_add_up_to_what_was_measured_and_none_is_negative(use: NodeUse) -> None:
    found = attribute(use)
    assert sums(use, found).tolist() == np.maximum(use.measured_mw, 0).tolist()
    assert min(found.idle_mw.min(), found.unattributed_mw.min(), found.pod_mw.min(initial=0)) >= 0
    assert (found.pod_mw[use.pod_node < 0] == 0).all()


def one_node(measured: int, idle: int, modelled: int, cores: float, pods: list[tuple[float, int]]) -> Attribution:
    whole = [np.array([value], dtype=np.int64) for value in (measured, idle, modelled)]
    used, cards = (np.array([pod[place] for pod in pods]) for place in (0, 1))
    return attribute(
        NodeUse(*whole, np.array([cores]), np.zeros(len(pods), np.int64), used.astype(float), cards.astype(np.int64))
    )


def test_the_dynamic_part_goes_by_cores_and_the_systems_own_stays_unattributed() -> None:
    found = one_node(200_000, 100_000, 200_000, 10.0, [(4.0, 0), (4.0, 0)])
    assert (found.idle_mw.tolist(), found.pod_mw.tolist()) == ([100_000], [40_000, 40_000])
    assert found.unattributed_mw.tolist() == [20_000]


def test_milliwatts_that_do_not_divide_go_to_the_first_of_equals() -> None:
    found = one_node(100_100, 100_000, 100_100, 3.0, [(1.0, 0), (1.0, 0), (1.0, 0)])
    assert found.pod_mw.tolist() == [34, 33, 33]
    assert found.unattributed_mw.tolist() == [0]


def test_accelerator_watts_are_the_pods_own() -> None:
    found = one_node(500_000, 100_000, 150_000, 2.0, [(1.0, 300_000), (1.0, 0)])
    assert found.pod_mw.tolist() == [350_000, 50_000]


def test_where_two_meters_disagree_accelerators_keep_their_proportion() -> None:
    found = one_node(200_000, 100_000, 100_000, 0.0, [(0.0, 300_000), (0.0, 100_000)])
    assert found.pod_mw.tolist() == [75_000, 25_000]


def test_a_node_below_its_idle_is_all_idle() -> None:
    found = one_node(80_000, 100_000, 150_000, 2.0, [(2.0, 0)])
    assert (found.idle_mw.tolist(), found.pod_mw.tolist(), found.unattributed_mw.tolist()) == ([80_000], [0], [0])


def test_a_little_cpu_does_not_answer_for_watts_that_no_curve_explains() -> None:
    found = one_node(300_000, 100_000, 101_000, 0.1, [(0.1, 0)])
    assert (found.pod_mw.tolist(), found.unattributed_mw.tolist()) == ([2_000], [198_000])


def test_what_a_move_frees_is_what_it_costs_to_move_back() -> None:
    cores = 36 * 1_000_000
    freed = moved_mw(PRIOR, cores, 20_000_000, -4_000_000)
    assert freed < 0
    assert moved_mw(PRIOR, cores, 16_000_000, 4_000_000) == -freed
    assert moved_mw(PRIOR, cores, 1_000_000, -5_000_000) == moved_mw(PRIOR, cores, 1_000_000, -1_000_000)


@pytest.mark.parametrize("nodes", [1000])
def test_a_large_cluster_is_parted_exactly(nodes: int) -> None:
    random = np.random.default_rng(1)
    home = random.integers(0, nodes, 20 * nodes)
    measured = random.integers(100_000, 900_000, nodes)
    use = NodeUse(
        measured,
        np.full(nodes, 150_000),
        measured,
        np.full(nodes, 60.0),
        home,
        random.exponential(2.0, 20 * nodes),
        np.zeros(20 * nodes, np.int64),
    )
    assert (sums(use, attribute(use)) == measured).all()


def test_accelerators_that_nobody_holds_charge_no_pod_for_what_lies_beyond_the_curve() -> None:
    def dynamic(unheld: int, modelled: int = 150_000) -> int:
        one = [np.array([each], dtype=np.int64) for each in (200_000, 100_000, modelled, unheld)]
        pods = (np.array([0]), np.array([2.0]), np.array([0]))
        found = attribute(NodeUse(one[0], one[1], one[2], np.array([np.nan]), *pods, one[3]))
        return int(found.pod_mw[0])

    # The node draws 100 W above idle, and its curve says 50 W of the CPU in use.
    assert dynamic(0) == 100_000
    assert dynamic(30_000) == 70_000
    assert dynamic(80_000) == 50_000
    # A curve that has their idle draw leaves nothing for them to explain.
    assert dynamic(80_000, modelled=200_000) == 100_000
