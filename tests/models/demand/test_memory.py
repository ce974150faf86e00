"""What is remembered of workloads."""

import numpy as np
import pytest
from tests.models.snapshots import TinyNode, TinyPod, tiny_snapshot

from powerplane.models.demand.confidence import BoundRules
from powerplane.models.demand.memory import FORGET_S, STALE_S, DemandMemory, owners
from powerplane.models.telemetry.node_readings import PodReadings

NOW = 1_700_000_000.0


def readings(cores, watts=None, ages=None, names=None) -> PodReadings:
    count = len(cores)
    pods = tuple(names or (f"p{at}" for at in range(count)))
    nothing = np.full(count, np.nan)
    return PodReadings(
        namespaces=("default",) * count,
        pods=pods,
        uids=("",) * count,
        nodes=("n1",) * count,
        cpu_cores=np.array(cores, dtype=float),
        gpu_watts=nothing if watts is None else np.array(watts, dtype=float),
        share_watts=nothing,
        age_s=np.zeros(count) if ages is None else np.array(ages, dtype=float),
    )


OWNER_OF = {("default", f"p{at}"): "default/Deployment/app" for at in range(4)}


def test_history_outlives_the_pods_it_was_learnt_from():
    memory = DemandMemory()
    memory.observe_pods(readings([1.0, 3.0]), OWNER_OF, NOW)
    later = {("default", "q0"): "default/Deployment/app"}
    memory.observe_pods(readings([2.0], names=["q0"]), later, NOW + 60)
    demand = memory.workload("default/Deployment/app")
    assert demand.cores.samples == 3
    assert demand.cores.mean == pytest.approx(2, abs=0.01)


def test_pods_that_are_stale_or_of_no_known_owner_are_left_out_and_counted():
    memory = DemandMemory()
    ages = [0, STALE_S + 1, np.nan, np.inf, 0]
    left_out = memory.observe_pods(readings([1.0] * 5, ages=ages), OWNER_OF, NOW)
    assert left_out == 4
    assert memory.workload("default/Deployment/app").cores.samples == 1


def test_what_was_not_measured_is_no_use_of_zero():
    memory = DemandMemory()
    memory.observe_pods(readings([np.nan, 2.0], watts=[np.nan, 300.0]), OWNER_OF, NOW)
    demand = memory.demand()
    assert demand.cores.mean.tolist() == [2.0]
    assert demand.watts.mean.tolist() == [300.0]
    assert memory.cores.refused == 0


def test_a_workload_without_accelerators_has_no_watts_of_them_not_zero():
    memory = DemandMemory()
    memory.observe_pods(readings([1.0, 1.0]), OWNER_OF, NOW)
    assert np.isnan(memory.demand().watts.mean).all()
    assert memory.workload("default/Deployment/app").accelerator.samples == 0


def test_absurd_samples_are_refused_and_counted():
    memory = DemandMemory()
    memory.observe_pods(readings([-1.0, np.inf, 2.0]), OWNER_OF, NOW)
    assert memory.cores.refused == 2
    assert memory.demand().cores.mean.tolist() == [2.0]


def test_a_workload_that_was_never_seen_is_unknown():
    demand = DemandMemory().workload("default/Deployment/other")
    assert demand.cores.samples == 0
    assert DemandMemory().demand().rows(["default/Deployment/other"]).tolist() == [-1]


def test_workloads_are_forgotten_after_a_week_of_silence_and_the_others_keep_their_rows():
    memory = DemandMemory()
    rows = memory.rows(["a", "b", "c"])
    memory.observe(rows, np.array([1.0, 2.0, 3.0]), np.full(3, np.nan), NOW)
    memory.observe(rows[[0, 2]], np.array([1.0, 3.0]), np.full(2, np.nan), NOW + FORGET_S)
    assert memory.forget(NOW + FORGET_S + 60) == 1
    assert memory.row_of == {"a": 0, "c": 1}
    assert memory.demand().cores.mean == pytest.approx([1.0, 3.0])
    memory.observe(memory.rows(["c", "d"]), np.array([3.0, 9.0]), np.full(2, np.nan), NOW + FORGET_S + 60)
    assert memory.workload("d").cores.mean == 9.0
    assert memory.forget(NOW) == 0


def test_the_variance_that_is_told_is_wider_with_a_day_than_with_a_week():
    rng = np.random.default_rng(0)

    def widened(days):
        memory = DemandMemory(BoundRules(sample_s=900.0))
        rows = memory.rows(["a"] * 10)
        for step in range(days * 96):
            memory.observe(rows, 2 + 0.3 * rng.standard_normal(10), np.full(10, np.nan), NOW + step * 900.0)
        demand = memory.demand()
        return demand.cores.shares.variance[0] / demand.cores.variance[0]

    assert widened(1) == pytest.approx(2, rel=0.03)
    assert widened(7) == pytest.approx(1 + 1 / 7, rel=0.03)


def test_a_bare_pod_is_its_own_owner():
    pods = [TinyPod("p1", "n1"), TinyPod("p2", "n1", owner="")]
    assert owners(tiny_snapshot([TinyNode("n1")], pods)) == ("default/Deployment/app", "default/Pod/p2")


def test_rows_belong_to_owners_for_as_long_as_they_are_known():
    memory = DemandMemory()
    assert memory.rows(["a", "b", "a"]).tolist() == [0, 1, 0]
    assert memory.rows(["b", "c"]).tolist() == [1, 2]
    assert len(memory.cores) == 3
    assert memory.demand().cores.bounds[2].tolist()[2] == np.inf
