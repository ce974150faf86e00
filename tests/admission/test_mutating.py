"""A pod asks for what it will draw: enough, once, and never less than before."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.admission.applying import apply, container, pod

from powerplane.admission.mutating import give_watts
from powerplane.admission.predicting import Prediction
from powerplane.models.errors import InputError
from powerplane.models.objects import Pod
from powerplane.models.requests import WATTS_RESOURCE, pod_requests

WATTS = st.none() | st.integers(0, 500)


def asked(raw) -> int:
    return int(pod_requests(msgspec.convert(raw, Pod).spec).get(WATTS_RESOURCE, 0))


def give(raw, watts):
    copy = msgspec.json.decode(msgspec.json.encode(raw))
    return give_watts(copy, msgspec.convert(raw, Pod).spec, Prediction(watts, "requests"))


@st.composite
def pods(draw):
    def one(name, **more):
        watts = draw(WATTS)
        made = container(name, cpu="1", **({} if watts is None else {WATTS_RESOURCE: str(watts)}))
        if watts is not None:
            made["resources"]["limits"] = {WATTS_RESOURCE: str(watts)}
        if draw(st.booleans()) and watts is None:
            del made["resources"]
        return made | more

    made = pod(*[one(f"c{i}") for i in range(draw(st.integers(1, 3)))])
    before = [one("i"), one("s", restartPolicy="Always")][: draw(st.integers(0, 2))]
    return made | {"spec": made["spec"] | ({"initContainers": before} if before else {})}


@given(pods(), st.integers(1, 1000))
def test_a_pod_asks_for_at_least_what_is_foretold_and_what_it_asked_for(raw, watts):
    mutation = give(raw, watts)
    made = apply(raw, mutation.operations)
    assert asked(made) >= max(watts, asked(raw))
    # Exactly so, but for what init containers ask for before.
    assert asked(made) <= max(watts, asked(raw))
    assert mutation.watts == asked(made)


@given(pods(), st.integers(1, 1000))
def test_a_second_turn_changes_nothing(raw, watts):
    made = apply(raw, give(raw, watts).operations)
    assert give(made, watts).operations == []


@given(pods(), st.integers(1, 1000))
def test_requests_equal_limits_and_nothing_else_is_touched(raw, watts):
    made = apply(raw, give(raw, watts).operations)
    for before, after in zip(raw["spec"]["containers"], made["spec"]["containers"], strict=True):
        resources = after.get("resources", {})
        requests, limits = (dict(resources.get(kind) or {}) for kind in ("requests", "limits"))
        assert requests.pop(WATTS_RESOURCE, None) == limits.pop(WATTS_RESOURCE, None)
        old = dict((before.get("resources") or {}).get("requests") or {})
        old.pop(WATTS_RESOURCE, None)
        assert (requests, limits) == (old, {})
    assert {k: v for k, v in made["spec"].items() if k != "containers"} == {
        k: v for k, v in raw["spec"].items() if k != "containers"
    }


def test_what_a_tenant_asks_for_beyond_is_kept():
    assert give(pod(container(cpu="1", **{WATTS_RESOURCE: "900"})), 40).operations == []


def test_what_a_tenant_asks_for_below_is_raised():
    raw = pod(container("a", **{WATTS_RESOURCE: "5"}), container("b", **{WATTS_RESOURCE: "10"}))
    mutation = give(raw, 40)
    assert [(each["path"].rsplit("/", 2)[1], each["value"]) for each in mutation.operations] == [
        ("resources", {WATTS_RESOURCE: "30"}),
        ("requests", "30"),
    ]


def test_what_cannot_be_read_is_told():
    with pytest.raises(InputError):
        give(pod(container(**{WATTS_RESOURCE: "two"})), 40)
