"""The gate on a new pod."""

import pytest
from tests.admission.applying import apply, container, pod, review
from tests.admission.test_deciding import everywhere, table

from powerplane.admission.deciding import decide
from powerplane.admission.gates.gating import GATE
from powerplane.admission.review import read_review
from powerplane.admission.table import Table, reaches_of
from powerplane.models.api.capping_policy import AdmissionChoice
from powerplane.models.pod_watts import PREDICTED_ANNOTATION
from powerplane.models.requests import WATTS_RESOURCE

GATED = AdmissionChoice(lock="Gate")


def known(*, listed=True, offered="Auto", **choice):
    made = AdmissionChoice(**{"lock": "Gate", **choice})
    base = table()
    return Table(base.namespaces, reaches_of([everywhere(admission=made)]), base.predictor, offered, listed)


def gated(made, rules=None, **more):
    decision = decide(read_review(review(made, **more)), rules or known())
    return apply(made, list(decision.verdict.patch)), decision


def gates(made):
    return [each["name"] for each in made["spec"].get("schedulingGates", [])]


def test_a_pod_whose_policy_asks_for_gates_waits_with_its_watts_requested():
    after, decision = gated(pod(container(cpu="2")))
    assert gates(after) == [GATE]
    assert after["spec"]["containers"][0]["resources"]["requests"][WATTS_RESOURCE] == "20"
    assert decision.watts == 20


def test_where_nodes_list_no_watts_they_are_noted_and_not_requested():
    after, decision = gated(pod(container(cpu="2")), known(listed=False))
    assert gates(after) == [GATE]
    assert after["metadata"]["annotations"] == {PREDICTED_ANNOTATION: "20"}
    assert WATTS_RESOURCE not in after["spec"]["containers"][0]["resources"]["requests"]
    assert decision.watts == 20


@pytest.mark.parametrize(("noted", "kept"), [("5", "20"), ("50", "50"), ("x", "20"), ("-3", "20"), ("9" * 12, "20")])
def test_a_note_of_the_tenants_counts_where_it_is_more_and_never_where_it_is_less(noted, kept):
    made = pod(container(cpu="2"))
    made["metadata"]["annotations"] = {PREDICTED_ANNOTATION: noted}
    assert gated(made, known(listed=False))[0]["metadata"]["annotations"] == {PREDICTED_ANNOTATION: kept}


@pytest.mark.parametrize("listed", [True, False])
def test_a_second_turn_changes_nothing(listed):
    after, _ = gated(pod(container(cpu="2")), known(listed=listed))
    again, decision = gated(after, known(listed=listed))
    assert (again, decision.result) == (after, "kept")


def test_gates_of_others_stay_where_they_are():
    after, _ = gated(pod(container(cpu="2"), schedulingGates=[{"name": "kueue.x-k8s.io/admission"}]))
    assert gates(after) == ["kueue.x-k8s.io/admission", GATE]


@pytest.mark.parametrize("gates", [None, [], "x", 3, 0, False, "", {}, {"a": 1}, [None, 5]])
def test_whatever_stands_for_gates_there_is_an_answer(gates):
    made = pod(container(cpu="2"), schedulingGates=gates)
    decision = decide(read_review(review(made)), known())
    assert decision.result == ("changed" if gates is None or isinstance(gates, list) else "unreadable")


@pytest.mark.parametrize(
    "spec",
    [
        {"priorityClassName": "system-cluster-critical"},
        {"priorityClassName": "system-node-critical"},
        {"priority": 2_000_001_000},
    ],
)
def test_the_systems_own_pods_never_wait(spec):
    assert gates(gated(pod(container(cpu="2"), **spec))[0]) == []


def test_daemons_mirrors_and_bound_pods_are_left_as_they_are():
    mirror = pod(container(cpu="2"))
    mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "h"}
    for made in (pod(owner=("DaemonSet", "d")), mirror, pod(nodeName="n1")):
        assert gated(made)[0] == made


def test_a_gate_is_set_at_creation_only():
    made = pod(container(cpu="2"))
    assert gated(made, operation="UPDATE", oldObject=made)[0] == made


@pytest.mark.parametrize(
    ("lock", "offered", "waits"),
    [("Gate", "Partition", True), ("Auto", "Gate", True), ("Auto", "Auto", False), ("Partition", "Gate", False)],
)
def test_the_policy_chooses_the_lock_and_auto_takes_what_the_cluster_offers(lock, offered, waits):
    after, _ = gated(pod(container(cpu="2")), known(lock=lock, offered=offered))
    assert gates(after) == [GATE] * waits


def test_of_several_policies_the_cluster_wide_one_of_the_highest_priority_chooses():
    base = table()
    policies = [everywhere(priority=1, admission=GATED), everywhere(priority=2)]
    rules = Table(base.namespaces, reaches_of(policies), base.predictor)
    assert gates(gated(pod(container(cpu="2")), rules)[0]) == []
