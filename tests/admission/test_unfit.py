"""Pods that can never fit are told of, or refused, in the call that gives them their watts."""

from dataclasses import replace

import pytest
from tests.admission.applying import apply, container, pod, review
from tests.admission.test_deciding import everywhere, table
from tests.models.api.domains import domain

from powerplane.admission.deciding import decide
from powerplane.admission.review import read_review
from powerplane.admission.validation.ground import LONGEST_SELECTOR, MOST_KEPT, GroundBook
from powerplane.models.api.capping_policy import AdmissionChoice
from powerplane.models.objects import PodSpec
from powerplane.models.requests import WATTS_RESOURCE

PER_CORE_WATTS = 10
NODES = {"n1": {"size": "small"}, "n2": {"size": "large"}}
FLOOR = (
    domain("r1", budget="400W", nodeNames=["n1"], node={"idle": "100W"}),
    domain("r2", budget="600W", nodeNames=["n2"], node={"idle": "100W"}),
)
TOLD = "powerplane: 510 W fit nowhere: rack r2 gives one pod 500 W at most"


def ask(made, unfit="Warn", lock="Partition", *, listed=True):
    policies = (everywhere(admission=AdmissionChoice(lock=lock, unfit=unfit)),)
    ground = GroundBook().ground(NODES.items(), FLOOR, policies)
    return decide(read_review(review(made)), replace(table(*policies), ground=ground, listed=listed))


@pytest.mark.parametrize("lock", ["Partition", "Extender", "Gate", "Claims"])
def test_a_pod_that_will_draw_more_than_any_place_gives_gets_its_watts_and_a_warning(lock):
    decision = ask(pod(container(cpu="51")), lock=lock)
    assert (decision.result, decision.watts) == ("warned", 51 * PER_CORE_WATTS)
    assert decision.verdict.warnings == (TOLD,)
    assert decision.verdict.patch
    assert not ask(pod(container(cpu="50")), lock=lock).verdict.warnings


def test_asked_again_about_its_own_answer_it_says_the_same_and_changes_nothing():
    made = pod(container(cpu="51"))
    after = apply(made, list(ask(made).verdict.patch))
    again = ask(after)
    assert again.verdict.warnings == (TOLD,)
    assert not again.verdict.patch


def test_where_its_policy_says_deny_it_is_refused_and_nothing_is_counted_as_let_in():
    decision = ask(pod(container(cpu="51")), unfit="Deny")
    assert (decision.result, decision.watts, decision.source) == ("denied", 0, "")
    assert decision.verdict.denied.startswith(TOLD)
    assert not decision.verdict.patch
    assert ask(pod(container(cpu="50")), unfit="Deny").result == "changed"


def test_the_systems_own_pods_come_in_whatever_they_draw():
    decision = ask(pod(container(cpu="51"), priorityClassName="system-node-critical"), unfit="Deny")
    assert decision.result == "warned"
    assert decision.verdict.patch


def test_what_an_owner_states_counts_where_it_is_more_than_what_is_foretold():
    stated = container(cpu="1")
    stated["resources"] = {name: {WATTS_RESOURCE: "510"} for name in ("requests", "limits")}
    assert ask(pod(stated)).verdict.warnings == (TOLD,)
    noted = pod(container(cpu="1"))
    noted["metadata"]["annotations"] = {"powerplane.dev/predicted-watts": "510"}
    assert ask(noted).verdict.warnings == (TOLD,)


def test_an_affinity_too_long_to_be_held_against_every_node_is_not_judged():
    def far(count):
        values = [f"s{at}" for at in range(count - 1)]
        term = {"matchExpressions": [{"key": "size", "operator": "In", "values": ["large", *values]}]}
        return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}

    assert ask(pod(container(cpu="51"), affinity=far(LONGEST_SELECTOR - 1))).verdict.warnings == (TOLD,)
    assert not ask(pod(container(cpu="51"), affinity=far(LONGEST_SELECTOR))).verdict.warnings


def test_what_is_kept_of_places_is_bounded_and_pods_that_ask_otherwise_are_answered_apart():
    places = GroundBook().ground(NODES.items(), FLOOR, ()).places
    for at in range(3 * MOST_KEPT):
        places.too_small(400, PodSpec(node_selector={"size": f"s{at}"}))
    assert len(places._kept) <= MOST_KEPT
    small, large = (PodSpec(node_selector={"size": size}) for size in ("small", "large"))
    for _ in range(2):
        assert places.too_small(400, small).budget == "rack r1"
        assert places.too_small(400, large) is None


def test_a_node_selector_narrows_where_it_may_go():
    (told,) = ask(pod(container(cpu="40"), nodeSelector={"size": "small"})).verdict.warnings
    assert "rack r1 gives one pod 300 W" in told
    assert not ask(pod(container(cpu="40"), nodeSelector={"size": "large"})).verdict.warnings
