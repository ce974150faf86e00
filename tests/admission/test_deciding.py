"""One review, one decision."""

from dataclasses import replace

import pytest
from tests.admission.applying import apply, container, pod, review

from powerplane.adapters.node_rates import Rates
from powerplane.admission.deciding import decide
from powerplane.admission.planned import PLANNED_ANNOTATION, Targets
from powerplane.admission.predicting import Bounds, KnownDemand, Predictor
from powerplane.admission.review import read_review
from powerplane.admission.table import Table, reaches_of
from powerplane.models.api.capping_policy import (
    AdmissionChoice,
    ClusterPowerCappingPolicyObject,
    ClusterPowerCappingPolicySpec,
    PowerCap,
    PowerCappingPolicyObject,
    PowerCappingPolicySpec,
)
from powerplane.models.objects import LabelSelector, ObjectMeta
from powerplane.models.requests import WATTS_RESOURCE

CAP = PowerCap(watts="10kW")


def everywhere(mode="Initial", **spec):
    made = ClusterPowerCappingPolicySpec(cap=CAP, mode=mode, **spec)
    return ClusterPowerCappingPolicyObject(ObjectMeta(name="all"), made)


def table(*policies, known=None, namespaces=None):
    return Table(namespaces or {}, reaches_of(policies or [everywhere()]), Predictor(Rates(10_000), known or {}))


def ask(made, known=None, **more):
    return decide(read_review(review(made, **more)), known or table())


def test_a_new_pod_is_given_its_watts_and_the_audit_log_says_from_what():
    made = pod(container(cpu="2"))
    decision = ask(made)
    assert (decision.result, decision.watts) == ("changed", 20)
    after = apply(made, list(decision.verdict.patch))
    assert after["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "2", WATTS_RESOURCE: "20"}
    assert decision.verdict.audit == {"predicted-watts": "20", "predicted-from": "requests"}


def test_the_history_of_its_workload_counts():
    made = pod(container(cpu="2"), owner=("StatefulSet", "db"))
    known = table(known={"default/StatefulSet/db": KnownDemand(cores=Bounds(3.3, 4.4))})
    decision = ask(made, known)
    assert (decision.watts, decision.verdict.audit["predicted-from"]) == (33, "history")


@pytest.mark.parametrize("mode", ["Observe", "Recommend"])
def test_without_an_acting_policy_nothing_is_changed(mode):
    assert ask(pod(), table(everywhere(mode))).result == "no_policy"


def test_policies_reach_by_namespace_and_by_label():
    mine = PowerCappingPolicyObject(
        ObjectMeta(name="m", namespace="mine"), PowerCappingPolicySpec(cap=CAP, mode="Enforce")
    )
    assert ask(pod(), table(mine), namespace="mine").result == "changed"
    assert ask(pod(), table(mine), namespace="other").result == "no_policy"
    llm = everywhere(selector=LabelSelector(match_labels={"app": "llm"}))
    assert ask(pod(), table(llm)).result == "no_policy"
    team = everywhere(namespace_selector=LabelSelector(match_labels={"team": "a"}))
    assert ask(pod(), table(team, namespaces={"default": {"team": "a"}})).result == "changed"
    assert ask(pod(), table(team, namespaces={"default": {"team": "b"}})).result == "no_policy"


def test_a_namespace_too_new_to_be_known_is_acted_on_by_its_name():
    named = everywhere(namespace_selector=LabelSelector(match_labels={"kubernetes.io/metadata.name": "fresh"}))
    assert ask(pod(), table(named), namespace="fresh").result == "changed"


def test_an_opted_out_namespace_is_left_alone():
    known = table(namespaces={"default": {"powerplane.dev/admission": "ignore"}})
    assert ask(pod(), known).result == "namespace"


@pytest.mark.parametrize(
    ("more", "result"),
    [
        ({"operation": "UPDATE"}, "other_operation"),
        ({"operation": "DELETE", "object": None}, "other_kind"),
        ({"subResource": "binding"}, "other_kind"),
        ({"kind": {"group": "apps", "version": "v1", "kind": "Deployment"}}, "other_kind"),
    ],
)
def test_what_is_no_new_pod_is_left_alone(more, result):
    decision = ask(pod(), **more)
    assert (decision.result, list(decision.verdict.patch)) == (result, [])


def test_a_quantity_that_the_api_server_refuses_is_left_to_it():
    assert ask(pod(container(cpu="two"))).result == "unreadable"
    assert ask({"metadata": {}, "spec": {"containers": []}}).result == "unreadable"


def planned(lock):
    policy = everywhere(admission=AdmissionChoice(lock=lock, scheduler_name="watts-scheduler"))
    return replace(table(policy), targets=Targets(by_owner={("default", "o"): ("n7",)}))


@pytest.mark.parametrize("lock", ["Partition", "Claims", "Gate"])
def test_a_planned_pod_is_drawn_to_its_target_where_no_extender_steers(lock):
    made = pod(container(cpu="1"), owner=("ReplicaSet", "web-1"))
    after = apply(made, list(ask(made, planned(lock)).verdict.patch))
    assert after["metadata"]["annotations"][PLANNED_ANNOTATION] == "n7"
    assert after["spec"]["schedulerName"] == "watts-scheduler"


@pytest.mark.parametrize("lock", ["Partition", "Extender", "Claims", "Gate"])
def test_a_pod_that_is_awaited_waits_behind_the_gate_of_moves_under_every_lock(lock):
    known = planned(lock)
    known = replace(known, targets=replace(known.targets, held_owners=frozenset({("default", "o")})))
    made = pod(owner=("ReplicaSet", "web"))
    after = apply(made, list(ask(made, known).verdict.patch))
    gates = [gate["name"] for gate in after["spec"]["schedulingGates"]]
    assert gates == (["powerplane.dev/power"] if lock == "Gate" else []) + ["powerplane.dev/move"]
    assert not [each for each in ask(after, known).verdict.patch if "schedulingGates" in each["path"]]
    other = pod(owner=("ReplicaSet", "web"))
    other["metadata"]["ownerReferences"][0]["uid"] = "another"
    assert "powerplane.dev/move" not in str(apply(other, list(ask(other, known).verdict.patch)))


def test_the_extender_steers_planned_pods_itself():
    made = pod(container(cpu="1"), owner=("ReplicaSet", "web-1"))
    after = apply(made, list(ask(made, planned("Extender")).verdict.patch))
    assert "affinity" not in after["spec"]
    assert after["spec"]["schedulerName"] == "watts-scheduler"
