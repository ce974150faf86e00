from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.objects import Container, PodSpec, ResourceRequirements
from powerplane.models.pod_watts import (
    PREDICTED_ANNOTATION,
    WattsNote,
    is_believed,
    larger_watts,
    least_watts,
    noted_watts,
    requested_watts,
    stated_watts,
)
from powerplane.models.requests import WATTS_RESOURCE, Amounts, pod_requests


def spec_of(watts: str | None, **more: object) -> PodSpec:
    requests = {"cpu": "1"} | ({} if watts is None else {WATTS_RESOURCE: watts})
    return msgspec.structs.replace(PodSpec(containers=(Container("c", ResourceRequirements(requests)),)), **more)


def test_a_pod_that_says_nothing_states_no_watts() -> None:
    assert stated_watts(pod_requests(spec_of(None)), None) is None
    assert stated_watts(pod_requests(spec_of(None)), {"a": "b"}) is None
    assert requested_watts(spec_of(None)) == 0


@pytest.mark.parametrize("text", ["", "-5", "1.5", "5W", "٣", "1e3", "9999999999", " 5"])
def test_an_annotation_that_is_no_whole_number_of_watts_is_as_none(text: str) -> None:
    assert noted_watts({PREDICTED_ANNOTATION: text}) == 0
    assert stated_watts(pod_requests(spec_of(None)), {PREDICTED_ANNOTATION: text}) is None


@given(st.none() | st.integers(0, 10**6), st.none() | st.integers(0, 10**6))
def test_of_request_and_annotation_the_larger_counts(requested: int | None, noted: int | None) -> None:
    amounts = pod_requests(spec_of(None if requested is None else str(requested)))
    annotations = {} if noted is None else {PREDICTED_ANNOTATION: str(noted)}
    found = stated_watts(amounts, annotations)
    assert (found or 0) == max(requested or 0, noted or 0)
    assert (found is None) == (requested is None and not noted)
    assert found == larger_watts(requested, noted or 0)


def test_of_the_annotations_nothing_else_is_read() -> None:
    wire = b'{"kubectl.kubernetes.io/last-applied-configuration": "{}", "powerplane.dev/predicted-watts": "40"}'
    assert noted_watts(msgspec.json.decode(wire, type=WattsNote)) == 40
    assert noted_watts(msgspec.json.decode(b"{}", type=WattsNote)) == 0


@pytest.mark.parametrize(
    "spec",
    [
        spec_of(None, overhead={WATTS_RESOURCE: "7"}),
        spec_of(None, resources=ResourceRequirements(requests={WATTS_RESOURCE: "7"})),
        spec_of(None, init_containers=(Container("i", ResourceRequirements(limits={WATTS_RESOURCE: "7"})),)),
        spec_of("7"),
    ],
)
def test_a_request_is_found_wherever_it_stands(spec: PodSpec) -> None:
    assert requested_watts(spec) == 7


@pytest.mark.parametrize(
    ("amounts", "least"),
    [
        ({}, 1),
        ({"cpu": Fraction(1, 10), "memory": Fraction(10**12)}, 1),
        ({"cpu": Fraction(4)}, 1),
        ({"cpu": Fraction(4001, 1000)}, 2),
        ({"nvidia.com/gpu": Fraction(2), "cpu": Fraction(8)}, 22),
        ({"alibabacloud.com/gpu-milli": Fraction(500)}, 5),
        ({"example.com/fpga": Fraction(8)}, 1),
    ],
)
def test_who_states_less_than_a_pod_must_draw_is_not_believed(amounts: Amounts, least: int) -> None:
    assert least_watts(amounts) == least
    assert is_believed(least, amounts)
    assert not is_believed(least - 1, amounts)
    assert not is_believed(None, amounts)
