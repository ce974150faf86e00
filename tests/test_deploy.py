"""The deployment files name what the code names: a guard that names another account or key guards nothing."""

import re
from dataclasses import fields
from pathlib import Path

import yaml

from powerplane.admission.gate_facts import GRANTED_ANNOTATION
from powerplane.admission.gating import GATE, PREDICTED_ANNOTATION
from powerplane.admission.lock_watch import CLAIMS_LEASE
from powerplane.admission.planned import PLANNED_ANNOTATION
from powerplane.admission.release_run import LEASE as GATES_LEASE
from powerplane.admission.scope import ADMISSION_LABEL
from powerplane.models.api.kinds import KINDS
from powerplane.models.mobility import DO_NOT_DISRUPT
from powerplane.node_watts.facts import CLOSED_TAINT
from powerplane.node_watts.run import LEASE
from powerplane.scheduler_extender.run import HEADROOM_ANNOTATION, RunSettings

DEPLOY = Path(__file__).parents[1] / "deploy"
NAMESPACE = "powerplane-system"
CLAIM_CONTROLLER = ("kube-system", "resource-claim-controller")
POLICIES = (DEPLOY / "admission-policies.yaml").read_text(encoding="utf-8")


def documents(*names):
    return [each for name in names for each in yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8"))]


RIGHTS = documents("rbac.yaml", "rbac-binder.yaml")


def names(kind):
    return {each["metadata"]["name"] for each in RIGHTS if each["kind"] == kind}


def test_every_account_that_a_policy_names_is_one_that_there_is():
    named = set(re.findall(r"system:serviceaccount:([\w-]+):([\w-]+)", POLICIES)) - {CLAIM_CONTROLLER}
    assert named == {(NAMESPACE, account) for account in {*names("ServiceAccount"), CLAIMS_LEASE}}
    assert set(re.findall(r"system:serviceaccounts:([\w-]+)", POLICIES)) == {NAMESPACE}


def test_policies_name_the_taint_and_the_annotations_that_the_code_writes_and_reads():
    taints = set(re.findall(r"status-taint\.[\w./-]+", POLICIES))
    assert taints == {CLOSED_TAINT}
    keys = set(re.findall(r"powerplane\.dev/[\w-]+", POLICIES))
    shield = next(key for key in DO_NOT_DISRUPT if key.startswith("powerplane.dev/"))
    ours = {HEADROOM_ANNOTATION, GRANTED_ANNOTATION, PREDICTED_ANNOTATION, PLANNED_ANNOTATION, GATE, ADMISSION_LABEL}
    assert keys == {"powerplane.dev/watts", "powerplane.dev/allow-node-name", shield} | ours


def test_every_lease_of_the_code_is_made_and_granted_to_its_account():
    settings = {field.name: field.default for field in fields(RunSettings)}
    assert names("Lease") == {LEASE, GATES_LEASE, settings["lease"]}
    assert settings["namespace"] == NAMESPACE
    granted = {
        rule["resourceNames"][0]
        for each in RIGHTS
        if each["kind"] == "Role"
        for rule in each["rules"]
        if rule["resources"] == ["leases"] and set(rule["verbs"]) == {"get", "update", "patch"}
    }
    assert granted == names("Lease")


def test_every_binding_leads_from_an_account_to_a_role_that_there_are():
    bindings = [each for each in RIGHTS if each["kind"].endswith("Binding")]
    for each in bindings:
        assert each["roleRef"]["name"] in names(each["roleRef"]["kind"])
        for subject in each["subjects"]:
            assert (subject["kind"], subject["namespace"]) == ("ServiceAccount", NAMESPACE)
            assert subject["name"] in names("ServiceAccount")
    bound = {each["roleRef"]["name"] for each in bindings}
    assert names("ClusterRole") - bound == {"powerplane:view", "powerplane:edit"}


def test_no_role_is_wide_and_none_holds_what_ours_must_not():
    rules = [rule for each in RIGHTS if each["kind"] in ("Role", "ClusterRole") for rule in each["rules"]]
    for rule in rules:
        told = [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
        assert "*" not in told
        assert not {"secrets", "nodes/proxy", "pods/exec", "serviceaccounts/token"} & set(rule["resources"])
        assert not {"escalate", "bind", "impersonate"} & set(rule["verbs"])


def test_plans_are_never_in_edit_and_every_kind_is_in_view():
    by_name = {each["metadata"]["name"]: each for each in RIGHTS if each["kind"] == "ClusterRole"}
    edit = {resource for rule in by_name["powerplane:edit"]["rules"] for resource in rule["resources"]}
    assert edit == {kind.plural for kind in KINDS if kind.namespaced}
    view = {resource for rule in by_name["powerplane:view"]["rules"] for resource in rule["resources"]}
    assert view == {kind.plural for kind in KINDS}
