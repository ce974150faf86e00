"""What is written of workloads comes back; what nobody can have written is named and changes nothing."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerplane.models.api.demand_checkpoint import LONGEST_WEIGHTS, DemandCheckpointObject
from powerplane.models.api.kinds import DEMAND_CHECKPOINT
from powerplane.models.demand.buckets import CORES, WATTS
from powerplane.models.demand.checkpoint import (
    checkpoint_name,
    checkpoint_of,
    due,
    outlived,
    put_all_back,
    put_back,
)
from powerplane.models.demand.confidence import DAY_S
from powerplane.models.demand.memory import FORGET_S, DemandMemory
from powerplane.models.errors import InputError

NOW, AT = 1_700_000_000.0, "2030-01-01T00:00:00Z"
WEB, TRAIN = "shop/Deployment/web", "ml/Job/train"

uses = st.lists(
    st.tuples(st.floats(0, 900), st.one_of(st.just(np.nan), st.floats(0, 1000)), st.floats(0, 20 * DAY_S)),
    min_size=1,
    max_size=30,
)


def learned(rows, owner=WEB):
    memory = DemandMemory()
    for cores, watts, later in sorted(rows, key=lambda row: row[2]):
        memory.observe(memory.rows([owner]), np.array([cores]), np.array([watts]), NOW + later)
    return memory


def of(memory, owner=WEB):
    """A workload's checkpoint, over the wire and back."""
    written = checkpoint_of(memory, owner, AT)
    assert written is not None
    return msgspec.json.decode(msgspec.json.encode(DEMAND_CHECKPOINT.wire(written)), type=DemandCheckpointObject)


def changed(checkpoint, **fields):
    spec = checkpoint.spec
    return msgspec.structs.replace(
        checkpoint, spec=msgspec.structs.replace(spec, cores=msgspec.structs.replace(spec.cores, **fields))
    )


@settings(max_examples=60)
@given(uses)
def test_what_was_learned_comes_back_within_a_bucket(rows):
    before = learned(rows)
    after = DemandMemory()
    assert put_back(after, of(before))
    for left, right in zip(parts(before), parts(after), strict=True):
        assert right.samples == left.samples
        assert right.refused == left.refused or not left.samples
        assert (right.first_s, right.last_s) == (left.first_s, left.last_s)
        if left.samples:
            assert right.mean == pytest.approx(left.mean, rel=1e-9, abs=1e-9)
            drop = 0.5e-4 * len(left.buckets)
            for share in (0.5, 0.9, 0.95):
                low, high = left.percentile(max(share - drop, 0)), left.percentile(min(share + drop, 1))
                assert low - 1e-9 <= right.percentile(share) <= high + 1e-9


def parts(memory):
    known = memory.workload(WEB)
    return known.cores, known.accelerator


@settings(max_examples=40)
@given(uses)
def test_a_second_trip_changes_nothing_more(rows):
    once, twice = DemandMemory(), DemandMemory()
    put_back(once, of(learned(rows)))
    first = of(once)
    put_back(twice, first)
    second = of(twice)
    for part in ("cores", "accelerator_watts"):
        left, right = getattr(first.spec, part), getattr(second.spec, part)
        assert (left is None) == (right is None)
        if left is not None:
            assert left.weights == right.weights
            assert left.total == pytest.approx(right.total, rel=1e-9)


@settings(max_examples=40)
@given(uses, uses)
def test_what_was_put_back_and_what_is_learned_then_are_one_history(earlier, later):
    whole, parted = learned(earlier), DemandMemory()
    put_back(parted, of(whole))
    end = NOW + 21 * DAY_S
    for memory in (whole, parted):
        for cores, _, after in later:
            memory.observe(memory.rows([WEB]), np.array([cores]), np.array([np.nan]), end + after)
    left, right = whole.workload(WEB).cores, parted.workload(WEB).cores
    assert right.samples == left.samples
    assert right.mean == pytest.approx(left.mean, rel=1e-6, abs=1e-6)


@given(uses)
def test_a_checkpoint_fits_its_field_whatever_was_seen(rows):
    stored = of(learned(rows)).spec.cores
    assert len(stored.weights) <= LONGEST_WEIGHTS


def test_the_longest_weights_that_there_can_be_fit():
    for buckets in (CORES, WATTS):
        assert sum(len(f"{bucket}:10000 ") for bucket in range(len(buckets))) <= LONGEST_WEIGHTS


@pytest.mark.parametrize(
    "fields",
    [
        {"buckets": "other"},
        {"weights": "3"},
        {"weights": "3:-4"},
        {"weights": "3:1 3:1"},
        {"weights": "9999:1"},
        {"weights": "3:0"},
        {"weights": ""},
        {"total": float("nan")},
        {"total": -1.0},
        {"half_life_seconds": 1.0},
        {"variance": -1.0},
        {"reference_seconds": 0.0},
        {"reference_seconds": float("nan")},
        {"last_seconds": float("inf")},
        {"last_seconds": NOW + 400 * DAY_S},
        {"first_seconds": NOW + 300 * DAY_S},
        {"samples": 0},
        {"samples": -1},
        {"refused": -1},
    ],
)
def test_what_no_memory_can_have_written_is_refused_by_name_and_changes_nothing(fields):
    good = of(learned([(1.0, 200.0, 0.0), (2.0, 300.0, 60.0)]))
    memory = DemandMemory()
    with pytest.raises(InputError, match=good.metadata.name):
        put_back(memory, changed(good, **fields), NOW + 30 * DAY_S)
    assert memory.row_of == {}


@pytest.mark.parametrize("owner", ["", "web", "shop/web", "shop/Deployment/web/more", "shop//web", "a b/Job/c"])
def test_a_checkpoint_of_no_workload_is_refused(owner):
    good = of(learned([(1.0, np.nan, 0.0)]))
    with pytest.raises(InputError, match="DemandCheckpoint"):
        put_back(DemandMemory(), msgspec.structs.replace(good, spec=msgspec.structs.replace(good.spec, owner=owner)))


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
known_fields = st.fixed_dictionaries(
    {"metadata": st.just({"name": "odd"}), "spec": st.dictionaries(st.sampled_from(["owner", "cores"]), junk)}
)


@settings(max_examples=80)
@given(st.lists(known_fields | st.dictionaries(st.text(max_size=8), junk, max_size=3), max_size=3))
def test_whatever_stands_beside_it_a_sound_checkpoint_is_read(oddities):
    sound = DEMAND_CHECKPOINT.wire(of(learned([(1.0, np.nan, 0.0)])))
    memory = DemandMemory()
    refused = put_all_back(memory, [*oddities, sound])
    assert len(refused) == len(oddities)
    assert memory.workload(WEB).cores.samples == 1


def test_those_written_longest_ago_are_due_first_and_those_that_learned_nothing_are_not():
    memory = DemandMemory()
    for at, owner in enumerate((WEB, TRAIN, "a/Job/b", "a/Job/c")):
        memory.observe(memory.rows([owner]), np.array([1.0]), np.array([np.nan]), NOW + at)
    written = {WEB: NOW - 50, TRAIN: NOW - 100, "a/Job/c": NOW + 3}
    assert due(memory, written, 3) == ("a/Job/b", TRAIN, WEB)
    assert due(memory, written, 1) == ("a/Job/b",)


def test_a_workload_without_samples_has_no_checkpoint():
    memory = DemandMemory()
    memory.rows([WEB])
    assert checkpoint_of(memory, WEB, AT) is None
    assert checkpoint_of(memory, "never/Seen/it", AT) is None


def test_a_checkpoint_that_a_memory_would_have_forgotten_has_outlived_its_use():
    checkpoint = of(learned([(1.0, np.nan, 0.0)]))
    assert not outlived(checkpoint, NOW + FORGET_S)
    assert outlived(checkpoint, NOW + FORGET_S + 1)


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=300), min_size=2, max_size=2, unique=True))
def test_names_are_names_of_objects_and_no_two_workloads_share_one(owners):
    one, other = (checkpoint_name(owner) for owner in owners)
    assert one != other
    assert len(one) <= 253
    assert one.strip("abcdefghijklmnopqrstuvwxyz0123456789-") == ""
    assert one[0] != "-"


def test_what_pods_have_in_common_is_learned_anew():
    after = DemandMemory()
    put_back(after, of(learned([(float(1 + at % 3), np.nan, 600.0 * at) for at in range(300)])))
    demand = after.demand()
    assert np.isfinite(demand.cores.mean).all()
    assert demand.cores.shares.correlation.tolist() == [pytest.approx(0.5)]
