"""What pods use: measured, or assumed and said so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.api_objects import LINE, node, pod, snapshot_of

from powerplane.models.build import NodePower
from powerplane.models.errors import InputError
from powerplane.models.quantities import MICRO
from powerplane.models.usage import UsageRow, devices_milli, parse_use


def gpu_pod(name="p1", on="n1", resource="nvidia.com/gpu"):
    return pod(name, on=on, spec={"containers": [{"resources": {"limits": {resource: "2"}}}]})


def test_a_row_says_what_a_pod_uses():
    snapshot = snapshot_of(gpu_pod(), usage=[UsageRow("default", "p1", 123, 456)])
    assert snapshot.pods.use_ucores.tolist() == [123]
    assert snapshot.pods.accelerator_mw.tolist() == [456]
    assert snapshot.pods.measured.tolist() == [True]
    assert snapshot.assumptions == ()


def test_a_pod_without_a_row_counts_by_its_request_and_one_sentence_says_how_many():
    snapshot = snapshot_of(pod("p1", cpu="250m"), pod("p2", cpu="1"), usage=[UsageRow("default", "p2", 7)])
    assert snapshot.pods.use_ucores.tolist() == [250_000, 7]
    assert snapshot.pods.measured.tolist() == [False, True]
    assert snapshot.assumptions == ("Pods without a row of use: 1 of 2; they count by CPU request or limit.",)


def test_a_pod_with_a_limit_only_counts_by_it():
    limited = pod(spec={"containers": [{"resources": {"limits": {"cpu": "2"}}}]})
    assert snapshot_of(limited).pods.use_ucores.tolist() == [2 * MICRO]


def test_a_pod_with_neither_counts_by_a_tenth_of_a_core_and_that_is_said():
    snapshot = snapshot_of(pod())
    assert snapshot.pods.use_ucores.tolist() == [100_000]
    assert "1 of them, with neither, by 100m" in snapshot.assumptions[0]


def test_a_row_of_a_pod_of_another_namespace_is_not_this_pods():
    snapshot = snapshot_of(pod(cpu="1"), usage=[UsageRow("other", "p1", 7)])
    assert snapshot.pods.use_ucores.tolist() == [MICRO]
    assert "Rows of use of pods that are not running here: 1; they are left out." in snapshot.assumptions


def test_two_rows_of_one_pod_are_refused_with_their_lines():
    rows = [UsageRow("default", "p1", 1, origin="usage.csv line 2"), UsageRow("default", "p1", 1, origin="line 9")]
    with pytest.raises(InputError, match=r"pod default/p1 has two rows of use \(usage.csv line 2 and line 9\)"):
        snapshot_of(pod(), usage=rows)


def test_accelerators_without_a_measurement_draw_what_their_node_says():
    snapshot = snapshot_of(gpu_pod(), power={"n1": NodePower(LINE, accelerator_peak_mw=300_000)})
    assert snapshot.pods.accelerator_mw.tolist() == [600_000]
    said = "Pods with accelerators and no measured draw: 1; they count by 300 W a whole device."
    assert said in snapshot.assumptions


def test_accelerators_of_which_nothing_is_stated_draw_700_watts_each():
    snapshot = snapshot_of(gpu_pod(), usage=[UsageRow("default", "p1", 1, None)])
    assert snapshot.pods.accelerator_mw.tolist() == [1_400_000]
    assert "they count by 700 W a whole device" in snapshot.assumptions[-1]


def test_accelerators_of_a_waiting_pod_draw_the_most_that_any_node_says():
    power = {"n1": NodePower(LINE, accelerator_peak_mw=300_000), "n2": NodePower(LINE, accelerator_peak_mw=400_000)}
    snapshot = snapshot_of(gpu_pod(on=""), nodes=(node("n1"), node("n2")), power=power)
    assert snapshot.pods.accelerator_mw.tolist() == [800_000]


def test_a_pod_without_accelerators_draws_none_unless_a_row_says_so():
    snapshot = snapshot_of(pod("p1"), pod("p2"), usage=[UsageRow("default", "p2", 1, 9)])
    assert snapshot.pods.accelerator_mw.tolist() == [0, 9]


def test_devices_whose_draw_is_not_known_are_named_and_never_silently_zero():
    said = "Pods that request google.com/tpu and have no measured draw: 1; no watts are counted for these."
    assert said in snapshot_of(gpu_pod(resource="google.com/tpu")).assumptions
    measured = [UsageRow("default", "p1", 1, 9)]
    assert snapshot_of(gpu_pod(resource="google.com/tpu"), usage=measured).assumptions == ()


def test_resources_that_are_no_devices_are_not_taken_for_such():
    measured = [UsageRow("default", "p1", 1)]
    for resource in ("powerplane.dev/watts", "hugepages-2Mi", "scheduling.kubernetes.io/foo"):
        assert snapshot_of(gpu_pod(resource=resource), usage=measured).assumptions == ()


@pytest.mark.parametrize(
    ("units", "milli"),
    [
        ({"cpu": 4000, "pods": 1}, 0),
        ({"nvidia.com/gpu": 2}, 2000),
        ({"gpu.intel.com/i915": 1}, 1000),
        ({"example.com/GPU": 1}, 1000),
        ({"alibabacloud.com/gpu-milli": 250}, 250),
        ({"alibabacloud.com/gpu-milli": 500, "alibabacloud.com/gpu-count": 1}, 1000),
        ({"nvidia.com/gpumem": 8000}, 1000),
        ({"nvidia.com/gpu": 2, "nvidia.com/gpumem": 8000, "nvidia.com/gpucores": 30}, 2000),
        ({"nvidia.com/gpu": 0, "nvidia.com/gpumem": 0}, 0),
        ({"google.com/tpu": 4}, 0),
    ],
)
def test_devices_are_counted_once_however_they_are_described(units, milli):
    assert devices_milli(units) == milli


@pytest.mark.parametrize(
    ("text", "ucores"), [("1.25", 1_250_000), ("0", 0), ("0.0000001", 1), ("1e-3", 1000), (" 2 ", 2_000_000)]
)
def test_use_is_read_exactly_and_rounded_up(text, ucores):
    assert parse_use(text, MICRO) == ucores


@pytest.mark.parametrize("text", ["NaN", "inf", "-inf", "-1", "-0.0000001", "", "two", "1,5", "1e60"])
def test_use_that_cannot_be_is_refused_by_its_text(text):
    with pytest.raises(InputError) as caught:
        parse_use(text, MICRO)
    assert text in caught.value.problem


@given(st.integers(0, 10**12))
def test_use_in_whole_micro_cores_is_read_back(ucores):
    assert parse_use(f"{ucores // MICRO}.{ucores % MICRO:06d}", MICRO) == ucores
