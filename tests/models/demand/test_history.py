import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.demand.history import take_history
from powerplane.models.demand.memory import DemandMemory
from powerplane.models.telemetry.metrics import meanings_for
from powerplane.models.telemetry.readings import Entity, SeriesBlock

CORES = next(row for row in meanings_for("pod cpu cores") if row.kind == "counter")
GPU = next(row for row in meanings_for("gpu watts") if row.source == "dcgm" and row.kind == "gauge")
OWNERS = {("shop", "a-1"): "shop/Deployment/a", ("shop", "a-2"): "shop/Deployment/a", ("shop", "b-1"): "shop/Job/b"}
STEP_S = 60.0


def block(meaning, series):
    """Series of (pod, device, values at equal steps, None for a gap)."""
    entities, times, values, offsets = [], [], [], [0]
    for pod, device, samples in series:
        entities.append(Entity(namespace="shop", pod=pod, device=device))
        known = [(i * STEP_S, value) for i, value in enumerate(samples) if value is not None]
        times += [at for at, _ in known]
        values += [value for _, value in known]
        offsets.append(len(times))
    return SeriesBlock(
        meaning, tuple(entities), np.array(offsets), np.array(times, dtype=float), np.array(values, dtype=float)
    )


def counter(cores):
    return list(np.concatenate([[0.0], np.cumsum(np.array(cores) * STEP_S)]))


def taken(cores=(), watts=()):
    memory = DemandMemory()
    steps = take_history(memory, OWNERS, cores, watts, STEP_S)
    return memory, steps


def test_a_counter_becomes_the_cores_that_its_workload_used():
    memory, steps = taken([block(CORES, [("a-1", "", counter([2, 2, 2])), ("a-2", "", counter([4, 4, 4]))])])
    assert steps == 3
    demand = memory.demand()
    assert demand.cores.mean[demand.row_of["shop/Deployment/a"]] == pytest.approx(3, rel=0.06)


def test_a_counter_that_was_reset_is_no_use_below_zero_and_none_above_what_was_used():
    samples = counter([2, 2, 2])
    samples += [5.0, 5.0 + 2 * STEP_S]
    memory, _ = taken([block(CORES, [("a-1", "", samples)])])
    demand = memory.demand()
    row = demand.row_of["shop/Deployment/a"]
    assert demand.cores.mean[row] == pytest.approx(2, rel=0.06)
    assert demand.cores.peak[row] < 2.3


def test_a_gap_says_nothing_about_the_steps_within_it():
    samples = [*counter([2, 2]), None, None, None, None, 100 * STEP_S]
    memory, steps = taken([block(CORES, [("a-1", "", samples)])])
    assert steps == 2
    assert memory.demand().cores.peak[0] < 2.3


def test_devices_of_a_pod_add_up_and_a_second_source_of_the_same_pod_is_passed_over():
    first = block(GPU, [("a-1", "gpu-0", [300, 300]), ("a-1", "gpu-1", [200, 200])])
    second = block(GPU, [("a-1", "gpu-0", [900, 900]), ("b-1", "gpu-2", [100, 100])])
    memory, _ = taken(watts=[first, second])
    demand = memory.demand()
    assert demand.watts.mean[demand.row_of["shop/Deployment/a"]] == pytest.approx(500, rel=0.06)
    assert demand.watts.mean[demand.row_of["shop/Job/b"]] == pytest.approx(100, rel=0.06)


def test_pods_that_the_cluster_does_not_have_are_passed_over():
    memory, steps = taken([block(CORES, [("gone", "", counter([9, 9]))])])
    assert steps == 0
    assert not np.isfinite(memory.demand().cores.mean).any()


values = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.floats(-1e9, 1e9))


@given(st.lists(st.tuples(st.sampled_from(["a-1", "a-2", "b-1", "gone"]), st.lists(values, max_size=6)), max_size=5))
def test_whatever_the_samples_no_mean_is_negative_or_endless(series):
    blocks = [(pod, str(i), samples) for i, (pod, samples) in enumerate(series)]
    memory, _ = taken([block(CORES, blocks)], [block(GPU, blocks)])
    demand = memory.demand()
    for mean in (demand.cores.mean, demand.watts.mean):
        known = mean[~np.isnan(mean)]
        assert (known >= 0).all()
        assert np.isfinite(known).all()
