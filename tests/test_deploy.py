"""The deployment files name what the code names: a guard that names another account or key guards nothing."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from powerplane.adapters.webhook_lease import WEBHOOK_LEASE
from powerplane.admission.certificates.cluster import CONFIGURATIONS, INJECTED_ANNOTATION
from powerplane.admission.certificates.keys import FIELDS
from powerplane.admission.certificates.run import LEASE as CERTIFICATES_LEASE
from powerplane.admission.certificates.run import SECRET
from powerplane.admission.gates.facts import GRANTED_ANNOTATION
from powerplane.admission.gates.gating import GATE
from powerplane.admission.gates.release_run import LEASE as GATES_LEASE
from powerplane.admission.lock_watch import CLAIMS_LEASE
from powerplane.admission.planned import PLANNED_ANNOTATION
from powerplane.admission.scope import ADMISSION_LABEL
from powerplane.cli.main import build_app
from powerplane.cli.serve_certificates import SERVICE
from powerplane.models.api.kinds import KINDS
from powerplane.models.marks import (
    ACTUATOR_LEASE,
    DETACHED_ANNOTATION,
    HOLD_GATE,
    MOVE_GATE,
    RECOMMENDER_LEASE,
    SURGE_ANNOTATION,
    THROTTLED_ANNOTATION,
)
from powerplane.models.mobility import DO_NOT_DISRUPT
from powerplane.models.pod_watts import PREDICTED_ANNOTATION
from powerplane.models.quantities import parse_quantity
from powerplane.models.sleeping import ASLEEP_TAINT, MARKS_ANNOTATION, READY_ANNOTATION, SLEEP_ANNOTATION
from powerplane.node_watts.facts import CLOSED_TAINT
from powerplane.node_watts.run import LEASE
from powerplane.recommender.solving import MOST_BYTES
from powerplane.scheduler_extender.run import HEADROOM_ANNOTATION, RunSettings

DEPLOY = Path(__file__).parents[1] / "deploy"
NAMESPACE = "powerplane-system"
OTHERS = {("kube-system", "resource-claim-controller"), ("kube-system", "generic-garbage-collector")}
"""Controllers of the cluster that policies let pass."""

POLICIES = (DEPLOY / "admission-policies.yaml").read_text(encoding="utf-8")


def documents(*names):
    return [each for name in names for each in yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8"))]


RIGHTS = documents("rbac.yaml", "rbac-binder.yaml")
SLEEPING = (ASLEEP_TAINT, MARKS_ANNOTATION, READY_ANNOTATION, SLEEP_ANNOTATION)
OPERATOR = (RECOMMENDER_LEASE, ACTUATOR_LEASE)
"""Leases, and the accounts of the same names."""


def names(kind):
    return {each["metadata"]["name"] for each in RIGHTS if each["kind"] == kind}


def test_every_account_that_a_policy_names_is_one_that_there_is():
    named = set(re.findall(r"system:serviceaccount:([\w-]+):([\w-]+)", POLICIES)) - OTHERS
    assert named == {(NAMESPACE, account) for account in {*names("ServiceAccount"), *OPERATOR, CLAIMS_LEASE}}
    assert set(re.findall(r"system:serviceaccounts:([\w-]+)", POLICIES)) == {NAMESPACE}


def test_policies_name_the_taint_and_the_annotations_that_the_code_writes_and_reads():
    taints = set(re.findall(r"status-taint\.[\w./-]+", POLICIES))
    assert taints == {CLOSED_TAINT}
    keys = set(re.findall(r"powerplane\.dev/[\w-]+", POLICIES))
    shield = next(key for key in DO_NOT_DISRUPT if key.startswith("powerplane.dev/"))
    ours = {
        HEADROOM_ANNOTATION,
        GRANTED_ANNOTATION,
        PREDICTED_ANNOTATION,
        PLANNED_ANNOTATION,
        ADMISSION_LABEL,
        GATE,
        MOVE_GATE,
        HOLD_GATE,
        SURGE_ANNOTATION,
        DETACHED_ANNOTATION,
        *SLEEPING,
        THROTTLED_ANNOTATION,
    }
    assert keys == {"powerplane.dev/watts", "powerplane.dev/allow-node-name", shield} | ours


def test_every_lease_of_the_code_is_made_and_granted_to_its_account():
    settings = {field.name: field.default for field in fields(RunSettings)}
    assert names("Lease") == {LEASE, GATES_LEASE, WEBHOOK_LEASE, settings["lease"]}
    assert settings["namespace"] == NAMESPACE
    granted = {
        rule["resourceNames"][0]
        for each in RIGHTS
        if each["kind"] == "Role"
        for rule in each["rules"]
        if rule["resources"] == ["leases"] and set(rule["verbs"]) == {"get", "update", "patch"}
    }
    assert granted == names("Lease")


OWN_CERTIFICATES = documents("webhook-own-certificates.yaml")
SHIPPED_HOOKS = [each for each in documents("webhook.yaml") if each["kind"].endswith("WebhookConfiguration")]


def identity(configuration):
    return f"{configuration['kind'].lower()}s/{configuration['metadata']['name']}"


def configurations(rules):
    return {f"{rule['resources'][0]}/{name}" for rule in rules for name in rule["resourceNames"]}


def test_what_makes_certificates_may_write_one_secret_one_lease_and_our_own_configurations():
    (role,) = (each for each in OWN_CERTIFICATES if each["kind"] == "Role")
    held = {(rule["resources"][0], *rule["resourceNames"]): set(rule["verbs"]) for rule in role["rules"]}
    three = {"get", "update", "patch"}
    assert held == {("secrets", SECRET): three, ("leases", CERTIFICATES_LEASE): three}
    (wide,) = (each for each in OWN_CERTIFICATES if each["kind"] == "ClusterRole")
    assert configurations(wide["rules"]) == set(CONFIGURATIONS)
    assert all(rule["verbs"] == ["patch"] for rule in wide["rules"])
    (secret,) = (each for each in OWN_CERTIFICATES if each["kind"] == "Secret")
    assert secret["metadata"]["name"] == SECRET
    assert not {"data", "stringData"} & secret.keys()
    assert not set(FIELDS) - {f"{name}.{kind}" for name in ("tls", "ca", "next", "old") for kind in ("crt", "key")}


def test_every_configuration_that_ships_is_one_that_is_looked_at_and_may_be_read():
    reading = next(each for each in RIGHTS if each["metadata"]["name"] == "powerplane:configurations")
    assert configurations(reading["rules"]) == set(CONFIGURATIONS)
    assert set(map(identity, SHIPPED_HOOKS)) == set(CONFIGURATIONS)
    for each in SHIPPED_HOOKS:
        for hook in each["webhooks"]:
            assert "caBundle" not in hook["clientConfig"]
            assert (hook["clientConfig"]["service"]["name"], hook["failurePolicy"]) == (SERVICE, "Ignore")


def test_a_new_pod_costs_the_api_server_one_call():
    asked = [
        hook["name"]
        for each in SHIPPED_HOOKS
        for hook in each["webhooks"]
        for rule in hook["rules"]
        if "" in rule["apiGroups"] and "CREATE" in rule["operations"]
    ]
    assert asked == ["pods.powerplane.dev"]


def test_cert_manager_is_told_of_every_configuration_and_makes_an_authority_apart():
    made = documents("webhook-cert-manager.yaml")
    told = {identity(each): each for each in made if each["kind"].endswith("WebhookConfiguration")}
    assert set(told) == set(map(identity, SHIPPED_HOOKS))
    leaf = next(each for each in made if each["kind"] == "Certificate" and not each["spec"].get("isCA"))
    for each in told.values():
        assert each["metadata"]["annotations"] == {INJECTED_ANNOTATION: f"{NAMESPACE}/{leaf['metadata']['name']}"}
        assert "webhooks" not in each
    assert f"{SERVICE}.{NAMESPACE}.svc" in leaf["spec"]["dnsNames"]


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


def test_the_operators_leases_are_made_and_each_may_write_its_own_alone():
    made = documents("rbac-operator.yaml")
    assert {each["metadata"]["name"] for each in made if each["kind"] == "Lease"} == set(OPERATOR)
    held = {
        (each["metadata"]["name"], name)
        for each in made
        if each["kind"] == "Role"
        for rule in each["rules"]
        if "update" in rule["verbs"]
        for name in rule["resourceNames"]
    }
    assert held == {(f"powerplane:{name.removeprefix('powerplane-')}-lease", name) for name in OPERATOR}


@pytest.mark.parametrize("account", OPERATOR)
def test_the_operator_runs_in_parts_each_under_its_account_as_its_namespace_lets_it(account):
    deployments = {each["metadata"]["name"]: each for each in documents("operator.yaml")}
    assert set(deployments) == set(OPERATOR)
    deployment = deployments[account]
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert deployment["metadata"]["namespace"] == NAMESPACE
    assert pod["serviceAccountName"] == account
    assert deployment["spec"]["selector"]["matchLabels"].items() <= (
        deployment["spec"]["template"]["metadata"]["labels"].items()
    )
    assert f"--only={account.removeprefix('powerplane-')}" in container["args"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    limits = container["securityContext"]
    assert limits["allowPrivilegeEscalation"] is False
    assert limits["readOnlyRootFilesystem"] is True
    assert limits["capabilities"] == {"drop": ["ALL"]}
    told = next(each for each in container["args"] if each.startswith("--metrics-address="))
    (port,) = container["ports"]
    assert told == f"--metrics-address=:{port['containerPort']}"


def test_the_recommenders_limit_has_room_for_all_that_its_solver_may_ask_for_and_as_much_for_itself():
    (deployment,) = [each for each in documents("operator.yaml") if each["metadata"]["name"].endswith("recommender")]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert not any(each.startswith("--solver-memory") for each in container["args"])
    assert parse_quantity(container["resources"]["limits"]["memory"]) >= 2 * MOST_BYTES


@pytest.mark.parametrize("account", OPERATOR)
def test_what_the_deployment_types_is_a_command_line_that_there_is(account):
    deployments = {each["metadata"]["name"]: each for each in documents("operator.yaml")}
    (container,) = deployments[account]["spec"]["template"]["spec"]["containers"]
    _, bound, _ = build_app().parse_args(container["args"], exit_on_error=False, print_error=False)
    assert bound.arguments["only"] == account.removeprefix("powerplane-")
