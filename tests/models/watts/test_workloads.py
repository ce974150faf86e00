"""Workloads' watts, idle and the rest add up to what was measured, to the milliwatt."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.snapshots import TinyNode, TinyPod, tiny_snapshot

from powerplane.models.demand.history import PodHistory
from powerplane.models.demand.memory import DemandMemory, owners
from powerplane.models.demand.node_history import NodeHistory
from powerplane.models.demand.owner_bounds import bounds_watts
from powerplane.models.telemetry.node_readings import NodeReadings
from powerplane.models.watts.over_time import together, watts_over_time
from powerplane.models.watts.workloads import workload_watts

NAMES = ("n0", "n1", "n2")


def site(uses, cards=0.0):
    """Three nodes of eight cores, 100 W to 300 W; web on n0 and n1, db on n1, one pod that waits."""
    owner = {"web": "Deployment/web", "db": "StatefulSet/db"}
    where = [("web", "n0"), ("web", "n1"), ("db", "n1"), ("web", "n2"), ("db", "")]
    pods = [
        TinyPod(f"{kind}-{i}", node, owner=owner[kind], use=use, accelerator_watts=cards if kind == "db" else 0)
        for i, ((kind, node), use) in enumerate(zip(where, uses, strict=True))
    ]
    return tiny_snapshot([TinyNode(name, cpu=8) for name in NAMES], pods)


def readings(watts, states=("measured", "measured", "measured"), cards=np.nan):
    return NodeReadings(
        at_s=0.0,
        nodes=NAMES,
        watts=np.array(watts, dtype=float),
        state=tuple(states),
        source=("ipmi",) * 3,
        age_s=np.zeros(3),
        cpu_watts=np.full(3, np.nan),
        dram_watts=np.full(3, np.nan),
        gpu_watts=np.full(3, cards),
        why=("",) * 3,
    )


@given(
    st.lists(st.floats(0, 8), min_size=5, max_size=5),
    st.lists(st.floats(0, 1000), min_size=3, max_size=3),
    st.lists(st.sampled_from(["measured", "held", "worst"]), min_size=3, max_size=3),
    st.floats(0, 300),
)
def test_the_parts_add_up_to_what_was_measured(uses, watts, states, cards):
    found = workload_watts(site(uses, cards), readings(watts, states))
    told = sum(round(each * 1000) for each, state in zip(watts, states, strict=True) if state != "worst")
    assert found.measured_mw.sum() == told
    assert found.idle_mw.sum() + found.unattributed_mw.sum() + found.dynamic_mw.sum() == told
    assert min(found.idle_mw.min(), found.unattributed_mw.min(), found.dynamic_mw.min()) >= 0
    assert found.owners == ("default/Deployment/web", "default/StatefulSet/db")
    assert found.pods.tolist() == [3, 1]


def test_dynamic_watts_go_by_cores_in_use_and_idle_to_nobody():
    found = workload_watts(site([4, 2, 6, 0, 0]), readings([200, 300, 100]))
    # n0: 100 W above idle, all of web; n1: 200 W above idle, a quarter of web, the rest of db.
    assert found.dynamic_mw.tolist() == [150_000, 150_000]
    assert found.idle_mw.tolist() == [100_000] * 3
    assert found.cores.tolist() == [6, 6]


def test_cards_that_no_pod_holds_are_unattributed():
    found = workload_watts(site([4, 0, 6, 0, 0]), readings([220, 250, 100], cards=20.0))
    assert found.dynamic_mw.tolist() == [100_000, 150_000]
    assert found.unattributed_mw.tolist() == [20_000, 0, 0]
    held = workload_watts(site([4, 0, 0, 0, 0], cards=20.0), readings([200, 150, 100], cards=20.0))
    assert held.dynamic_mw.tolist() == [100_000, 20_000]


def test_pods_on_nodes_that_nobody_measures_are_counted_apart():
    found = workload_watts(site([4, 2, 6, 1, 0]), readings([200, 300, 300], ["measured", "worst", "measured"]))
    assert found.unmeasured_pods.tolist() == [1, 1]
    assert found.dynamic_mw.tolist()[1] == 0
    assert found.measured.tolist() == [True, False, True]


def demand_of(snapshot, cores):
    memory = DemandMemory()
    rows = memory.rows(owners(snapshot))
    for step in range(288 * 3):
        memory.observe(rows, np.array(cores[step % len(cores)]), np.full(len(rows), np.nan), 1e9 + 300.0 * step)
    return memory.demand()


def test_bounds_are_steps_up_each_pods_own_curve_in_their_order():
    snapshot = site([1, 1, 1, 1, 1])
    watts = workload_watts(snapshot, readings([125, 150, 125]))
    found = bounds_watts(snapshot, demand_of(snapshot, [[1] * 5, [2] * 5]), watts.row_of_pod, 2)
    assert (np.diff(found, axis=1) >= 0).all()
    # A core is 25 W on any of these nodes; web has three pods, whose nine tenths are two cores.
    assert found[0, 1] == pytest.approx(3 * 50, rel=0.15)
    assert found[1, 1] == pytest.approx(50, rel=0.15)


def test_a_workload_that_was_never_seen_has_no_bounds_and_a_young_one_no_upper():
    snapshot = site([1, 1, 1, 1, 1])
    watts = workload_watts(snapshot, readings([125, 150, 125]))
    memory = DemandMemory()
    rows = memory.rows(owners(snapshot)[:1])
    memory.observe(rows, np.array([1.0]), np.array([np.nan]), 1e9)
    found = bounds_watts(snapshot, memory.demand(), watts.row_of_pod, 2)
    assert np.isnan(found[1]).all()
    assert found[0, 2] > 10 * found[0, 1] or np.isinf(found[0, 2]) or found[0, 2] == pytest.approx(3 * 175)


def history(steps, web, db, watts):
    cores = np.array(
        [np.full(steps, web), np.full(steps, web), np.full(steps, db), np.full(steps, web), np.full(steps, 0)]
    )
    pods = PodHistory(300_000.0, 60.0, cores, np.full(cores.shape, np.nan))
    none = np.zeros((3, steps // 5), dtype=bool)
    nodes = NodeHistory(
        300_000.0 + 60.0 * (steps - 1), 300.0, np.tile(np.array(watts, dtype=float)[:, None], steps // 5), none,
        np.zeros(3, dtype=bool), np.full(3, 300.0),
    )  # fmt: skip
    return nodes, pods


def over(site_snapshot, nodes, pods):
    now = workload_watts(site_snapshot, readings([200, 300, 100]))
    return watts_over_time(site_snapshot, nodes, pods), now.row_of_pod


def test_over_time_the_parts_are_those_of_a_moment():
    found, row_of_pod = over(site([4, 2, 6, 0, 0]), *history(60, 2.0, 6.0, [200, 300, 100]))
    rate, watts = together(found, None, row_of_pod, 2)
    assert watts[0] == pytest.approx(150)
    assert watts[1] == pytest.approx(150)
    assert np.isnan(rate).all()
    assert (np.diff(found.at_s) == 300).all()


def test_a_rate_is_set_against_the_watts_of_the_very_pods_that_tell_it():
    nodes, pods = history(60, 2.0, 6.0, [200, 300, 100])
    found, row_of_pod = over(site([4, 2, 6, 0, 0]), nodes, pods)
    done = np.full(pods.cores.shape, np.nan)
    done[0], done[2] = 300.0, 75.0
    rate, watts = together(found, PodHistory(pods.start_s, 60.0, done, np.full(done.shape, np.nan)), row_of_pod, 2)
    # Of web only the pod on n0 tells its rate: 100 W of its 150 W.
    assert rate[0] == pytest.approx(300)
    assert watts[0] == pytest.approx(100)
    assert (rate[1] / watts[1]) == pytest.approx(0.5)


def test_over_time_what_is_not_known_is_no_figure():
    nodes, pods = history(60, 2.0, 6.0, [200, 300, 100])
    nodes.filled[1, 4:] = True
    found, row_of_pod = over(site([4, 2, 6, 0, 0]), nodes, pods)
    _, watts = together(found, None, row_of_pod, 2)
    assert np.isfinite(watts[:, 2]).all()
    # db is on n1 alone; of web the pod on n0 is still known.
    assert np.isnan(watts[1, 6:]).all()
    assert watts[0, 6:] == pytest.approx(100)


def test_histories_that_do_not_meet_have_no_steps():
    nodes, pods = history(60, 1.0, 1.0, [200, 300, 100])
    late = PodHistory(9e8, 60.0, pods.cores, pods.accelerator_watts)
    found, row_of_pod = over(site([1] * 5), nodes, late)
    rate, watts = together(found, late, row_of_pod, 2)
    assert rate.shape == watts.shape == (2, 0)


def test_what_ran_beside_a_pod_and_has_gone_had_its_part_of_the_watts():
    nodes, pods = history(60, 2.0, 2.0, [150, 200, 100])
    snapshot = site([4, 2, 2, 0, 0])
    busy = np.tile(np.array([[4.0], [4.0], [0.0]]), nodes.watts.shape[1])
    now = workload_watts(snapshot, readings([200, 200, 100]))
    _, alone = together(watts_over_time(snapshot, nodes, pods), None, now.row_of_pod, 2)
    _, beside = together(watts_over_time(snapshot, nodes, pods, busy), None, now.row_of_pod, 2)
    # Half of n0's cores in use were of a pod that is not there any more.
    assert alone[0] == pytest.approx(100)
    assert beside[0] == pytest.approx(75)
    assert (beside[1] == alone[1]).all()
