"""Missing requests: filled in from history, and never anything that is there."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.admission.applying import apply, container, pod, review
from tests.admission.test_deciding import everywhere, table

from powerplane.admission.deciding import decide
from powerplane.admission.filling import Filler, Usual, roomiest
from powerplane.admission.review import read_review
from powerplane.models.api.capping_policy import AdmissionChoice
from powerplane.models.errors import InputError
from powerplane.models.objects import Pod
from powerplane.models.quantities import parse_quantity

OWNER = "default/StatefulSet/db"
KNOWN = Usual(0.5, 1e9)
GPU = "nvidia.com/gpu"


def bare(name="c", **resources):
    made: dict[str, Any] = {"name": name, "image": "i"}
    return made | ({"resources": resources} if resources else {})


def filler(known=KNOWN, **more):
    return Filler({OWNER: {"c": known, "d": known}}, **{"managed": frozenset(), **more})


def filled(made, own=None):
    return apply(made, (own or filler()).fill(apply(made, []), msgspec.convert(made, Pod), OWNER))


def requests(made, at=0):
    return made["spec"]["containers"][at].get("resources", {}).get("requests", {})


def test_a_container_that_states_nothing_is_given_its_history_and_a_margin():
    assert requests(filled(pod(bare()))) == {"cpu": "575m", "memory": "1097Mi"}


def test_floors_are_of_the_pod_and_split_over_its_containers():
    small = filler(Usual(0.001, 1e6))
    assert requests(filled(pod(bare()), small)) == {"cpu": "25m", "memory": "250Mi"}
    assert requests(filled(pod(bare(), bare("d")), small), 1) == {"cpu": "13m", "memory": "125Mi"}


def test_what_the_owner_wrote_stays_and_only_the_missing_is_filled():
    assert requests(filled(pod(bare(requests={"cpu": "10m"})))) == {"cpu": "10m", "memory": "1097Mi"}


def test_a_limit_alone_is_the_request_so_that_the_class_of_service_stays():
    made = filled(pod(bare(limits={"cpu": "100m", "memory": "64Mi"})))
    assert requests(made) == {"cpu": "100m", "memory": "64Mi"}


@pytest.mark.parametrize("side", ["requests", "limits"])
def test_an_accelerator_is_requested_as_much_as_it_is_limited_to(side):
    own = filled(pod(bare(**{side: {GPU: "2", "cpu": "1", "memory": "1Gi"}})))["spec"]["containers"][0]["resources"]
    assert own["requests"][GPU] == own["limits"][GPU] == "2"
    assert own["limits"].keys() == ({GPU} if side == "requests" else {GPU, "cpu", "memory"})


def test_what_a_pod_asks_for_as_a_whole_is_not_asked_for_again_by_its_containers():
    made = filled(pod(bare(), resources={"requests": {"cpu": "2"}}))
    assert requests(made) == {"memory": "1097Mi"}


@pytest.mark.parametrize(
    ("own", "annotations"),
    [
        (filler(managed=None), None),
        (filler(managed=frozenset([OWNER])), None),
        (filler(), {"vpaUpdates": "Pod resources updated by db: container 0: cpu request"}),
        (Filler(managed=frozenset()), None),
    ],
    ids=["not known who else fills", "an autoscaler's", "an autoscaler was here", "no history"],
)
def test_a_pod_that_is_anothers_to_fill_or_that_nothing_is_known_of_is_left(own, annotations):
    made = pod(bare())
    made["metadata"]["annotations"] = annotations
    assert own.fill(apply(made, []), msgspec.convert(made, Pod), OWNER) == []


def test_no_request_is_made_that_no_node_could_hold():
    rooms = roomiest([{"cpu": "400m", "memory": "1Gi"}, {"cpu": "300m", "memory": "2Gi"}, {"cpu": "x"}, {}])
    assert rooms == {"cpu": Fraction(2, 5), "memory": Fraction(2 << 30)}
    assert requests(filled(pod(bare()), filler(roomiest=rooms))) == {"memory": "1097Mi"}


def test_a_quantity_that_cannot_be_read_is_left_to_the_api_server():
    with pytest.raises(InputError):
        filled(pod(bare(limits={"cpu": "much"})))


AMOUNTS = st.integers(0, 5000).map(lambda milli: f"{milli}m")
LISTED = st.dictionaries(st.sampled_from(["cpu", "memory", GPU]), AMOUNTS)


@st.composite
def resources(draw):
    limits = draw(LISTED)
    asked = draw(LISTED)
    capped = {
        each: text for each, text in asked.items() if parse_quantity(text) <= parse_quantity(limits.get(each, text))
    }
    return {"requests": capped, "limits": limits}


USUAL = st.builds(Usual, st.none() | st.floats(0, 1e3), st.none() | st.floats(0, 1e12))


@given(st.lists(resources(), min_size=1, max_size=3), USUAL)
def test_nothing_that_is_there_is_touched_limits_hold_and_a_second_turn_changes_nothing(stated, known):
    made = pod(*(bare("cd"[at % 2], **each) for at, each in enumerate(stated)))
    after = filled(made, filler(known))
    for before, own in zip(stated, (each["resources"] for each in after["spec"]["containers"]), strict=True):
        for side in ("requests", "limits"):
            assert before[side].items() <= own[side].items()
        for each, limit in own["limits"].items():
            assert parse_quantity(own["requests"][each]) <= parse_quantity(limit)
    again = filler(known).fill(apply(after, []), msgspec.convert(after, Pod), OWNER)
    assert again == []


def test_a_policy_has_requests_filled_in_and_the_watts_follow_them():
    made = pod(bare(), owner=("StatefulSet", "db"))
    known = replace(table(everywhere(admission=AdmissionChoice(fill_requests=True))), filler=filler(Usual(4.0, None)))
    decision = decide(read_review(review(made)), known)
    after = apply(made, list(decision.verdict.patch))
    assert requests(after) == {"cpu": "4600m", "powerplane.dev/watts": "46"}
    assert decide(read_review(review(after)), known).result == "kept"
    without = replace(known, reaches=table().reaches)
    assert requests(apply(made, list(decide(read_review(review(made)), without).verdict.patch))) == {
        "powerplane.dev/watts": "1"
    }


def test_containers_without_a_history_of_their_own_are_left():
    assert requests(filled(pod(container("other")))) == {}
