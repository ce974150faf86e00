"""What domains will draw in the next hours, and which budgets that breaks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerplane.models.demand.ahead import Ahead
from powerplane.models.demand.node_history import complete
from powerplane.models.demand.outlook import breach_by, look_ahead
from powerplane.models.incidence import compile_incidence
from powerplane.models.telemetry.facts import NodeFacts
from powerplane.models.topology import PowerDomain, PowerTopology

STEP_S, DAY = 900.0, 96
NOW = 1_700_000_000.0 // 86_400 * 86_400 + 9 * 3600
NODES = ("n1", "n2")
FACTS = tuple(NodeFacts(name, 100, 200) for name in NODES)
TREE = compile_incidence(
    PowerTopology(
        (
            PowerDomain("feed-a", "feed", 10**9),
            PowerDomain("feed-b", "feed", 10**9),
            PowerDomain("rack", "rack", 10**9, parents=("feed-a", "feed-b"), nodes=NODES, feed_load="shared"),
        )
    ),
    NODES,
)
RACK = TREE.domain.index("rack")


def season(days, noise=2.0, seed=0):
    """Two nodes that draw most at three in the afternoon."""
    at_s = NOW + STEP_S * np.arange(1 - round(days * DAY), 1)
    random = np.random.default_rng(seed)
    one = 150 + 30 * np.cos(2 * np.pi * (at_s / 86_400 - 15 / 24))
    return one + random.normal(0, noise, (2, len(at_s)))


def outlook(watts, budget=np.inf, horizon=24):
    history = complete(watts, FACTS, NOW, STEP_S)
    return look_ahead(history, TREE, np.full(len(TREE.domain), budget), horizon)


@settings(max_examples=25, deadline=None)
@given(
    days=st.sampled_from([1 / 96, 2 / 96, 0.3, 1.0, 3.0]),
    gaps=st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1), st.integers(1, 60)), max_size=4),
    budget=st.floats(0, 500),
    seed=st.integers(0, 99),
)
def test_bands_hold_what_is_expected_and_never_exceed_what_nodes_can_draw(days, gaps, budget, seed):
    watts = season(days, seed=seed)
    for node, start, length in gaps:
        first = int(start * watts.shape[1])
        watts[node, first : first + length] = np.nan
    found = outlook(watts, budget)
    assert (found.lower_watts >= 0).all()
    assert (found.lower_watts <= found.expected_watts).all()
    assert (found.expected_watts <= found.upper_watts).all()
    assert (found.upper_watts <= found.most_watts[:, None]).all()
    known = found.breach[np.isfinite(found.breach).all(axis=1)]
    assert ((known >= 0) & (known <= 1)).all()
    assert (np.diff(known, axis=1) >= 0).all()


@settings(max_examples=20, deadline=None)
@given(low=st.floats(0, 500), more=st.floats(0, 200), seed=st.integers(0, 9))
def test_a_higher_budget_is_never_likelier_to_be_passed(low, more, seed):
    watts = season(4, seed=seed)
    assert (outlook(watts, low + more).breach <= outlook(watts, low).breach).all()


def test_a_breach_of_the_season_is_foreseen_when_it_comes():
    # The rack draws 345 W at a quarter past twelve: 300 + 60·cos(2.75/24 of a turn).
    found = outlook(season(14), 345.0)
    when = int(np.flatnonzero(found.breach[RACK] > 0.5)[0])
    assert 11 <= when <= 14
    assert found.breach[RACK, -1] > 0.99
    assert found.breach[RACK, 4] < 0.05


def test_with_a_feed_lost_the_other_one_carries_the_whole_rack():
    found = outlook(season(14))
    alone = [row for row, lost in enumerate(TREE.lost) if lost]
    shared = [row for row, name in enumerate(TREE.domain) if name.startswith("feed") and not TREE.lost[row]]
    assert len(alone) == len(shared) == 2
    assert found.now_watts[alone] == pytest.approx(2 * found.now_watts[shared])
    assert found.expected_watts[alone] == pytest.approx(2 * found.expected_watts[shared])


def test_a_budget_that_nodes_cannot_pass_is_safe_however_little_is_known():
    assert (outlook(season(1 / 96), 400.0).breach == 0).all()


def test_a_budget_that_is_passed_now_is_broken_for_certain():
    assert (outlook(season(5), 100.0).breach == 1).all()


def test_too_little_history_carries_the_last_value_on_and_knows_no_probability():
    found = outlook(season(5 / 96), 350.0)
    assert not found.seasonal.any()
    assert found.expected_watts[RACK] == pytest.approx(found.now_watts[RACK])
    assert np.isnan(found.breach[RACK]).all()
    assert found.upper_watts[RACK] == pytest.approx(400)


def test_unmeasured_nodes_count_at_their_worst_case_now_and_ahead():
    watts = season(14)
    watts[1] = np.nan
    found = outlook(watts)
    assert found.worst_case_watts[RACK] == 200
    assert found.now_watts[RACK] == pytest.approx(watts[0, -1] + 200)
    assert (found.expected_watts[RACK] > 300).all()


def test_long_gaps_of_a_rack_are_gaps_and_no_change_of_its_draw():
    watts = season(14)
    watts[0, 400:600] = np.nan
    found = outlook(watts)
    # The first two hours are held.
    assert found.gap_share[RACK] == pytest.approx(192 / (14 * DAY))
    assert found.expected_watts[RACK] == pytest.approx(outlook(season(14)).expected_watts[RACK], rel=0.03)


@given(st.floats(-50, 50), st.floats(0, 400))
def test_breaches_are_counted_along_paths_as_far_as_they_reach(error, budget):
    errors = np.array([[[0.0, error]] * 10 + [[0.0, np.nan]] * 10])
    ahead = Ahead(np.zeros(2), np.array([[200.0, 200.0]]), errors, np.ones(1))
    found = breach_by(ahead, np.array([budget]), np.array([0.0]), np.array([1e9]))[0]
    first = (20 * (budget < 200) + 0.5) / 21
    second = (10 * (budget < max(200, 200 + error)) + 0.5) / 11
    assert found == pytest.approx([first, max(first, second)])


def test_few_paths_tell_no_probability():
    ahead = Ahead(np.zeros(1), np.array([[200.0]]), np.full((1, 9, 1), 100.0), np.ones(1))
    assert np.isnan(breach_by(ahead, np.array([250.0]), np.array([0.0]), np.array([1e9]))).all()
