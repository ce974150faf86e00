"""PowerPlane's rights and admission policies on a rig, and calls as somebody else."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from tests.rig.api import JSON, Answer
from tests.rig.objects import apply
from tests.rig.processes import wait_for
from tests.rig.rig import Rig

DEPLOY = Path(__file__).parents[2] / "deploy"
SERVING = "system:serviceaccount:powerplane-system:powerplane"
NODE_WRITER = "system:serviceaccount:powerplane-system:powerplane-node-writer"
GATE_RELEASER = "system:serviceaccount:powerplane-system:powerplane-gate-releaser"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
POLICIES = f"{ADMISSION}/validatingadmissionpolicies"

PATHS = {
    "Namespace": "/api/v1/namespaces",
    "Secret": "/api/v1/namespaces/{namespace}/secrets",
    "ServiceAccount": "/api/v1/namespaces/{namespace}/serviceaccounts",
    "ClusterRole": f"{RBAC}/clusterroles",
    "ClusterRoleBinding": f"{RBAC}/clusterrolebindings",
    "Role": f"{RBAC}/namespaces/{{namespace}}/roles",
    "RoleBinding": f"{RBAC}/namespaces/{{namespace}}/rolebindings",
    "Lease": "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases",
    "DeviceClass": "/apis/resource.k8s.io/v1/deviceclasses",
    "Service": "/api/v1/namespaces/{namespace}/services",
    "MutatingWebhookConfiguration": f"{ADMISSION}/mutatingwebhookconfigurations",
    "ValidatingWebhookConfiguration": f"{ADMISSION}/validatingwebhookconfigurations",
    "ValidatingAdmissionPolicy": POLICIES,
    "ValidatingAdmissionPolicyBinding": f"{ADMISSION}/validatingadmissionpolicybindings",
}


PROBE = "rig-probe"
LAST: tuple[dict[str, Any], ...] = (
    {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": PROBE},
        "spec": {
            "matchConstraints": {
                "resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
                ]
            },
            "validations": [{"expression": f"object.metadata.name != '{PROBE}'"}],
        },
    },
    {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": PROBE},
        "spec": {"policyName": PROBE, "validationActions": ["Deny"]},
    },
)
"""A policy of the tests' own, applied after all others."""


def documents(name: str) -> list[dict[str, Any]]:
    """The objects of one of our deployment files."""
    return list(yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8")))


def path_of(document: Mapping[str, Any]) -> str:
    """Path of one such object."""
    metadata = document["metadata"]
    return f"{PATHS[document['kind']].format(namespace=metadata.get('namespace', ''))}/{metadata['name']}"


@contextmanager
def applied(rig: Rig, *names: str) -> Iterator[list[str]]:
    """Our deployment files applied for as long as the block runs; gives the server's warnings.

    Our namespace stays, for ``clear`` to empty.
    """
    wanted = [document for name in names for document in documents(name)]
    try:
        yield [warning for document in wanted for warning in apply(rig, path_of(document), document)]
    finally:
        for document in reversed([each for each in wanted if each["kind"] != "Namespace"]):
            rig.api.call("DELETE", path_of(document))


def grant(rig: Rig, user: str, role: str, namespace: str = "") -> None:
    """Bind a cluster role to a user, in one namespace or everywhere."""
    name = f"{role}-{user}".replace(":", "-")
    scope, kind = (f"namespaces/{namespace}/rolebindings", "RoleBinding") if namespace else ("", "ClusterRoleBinding")
    body = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }
    apply(rig, f"{RBAC}/{scope or 'clusterrolebindings'}/{name}", body)


def as_user(rig: Rig, user: str, method: str, path: str, body: Any = None, content_type: str = JSON) -> Answer:
    """A call as another user, by impersonation; a service account comes with its groups."""
    return rig.api.call(method, path, body, content_type, Impersonate_User=user)


def guards_are_up(rig: Rig) -> bool:
    """Whether the server has read every policy and holds it: it refuses what each of them refuses first."""
    found = rig.api.items(POLICIES)
    return all(each["status"].get("observedGeneration") == each["metadata"]["generation"] for each in found)


def wait_for_guards(rig: Rig) -> None:
    """Wait until every policy and binding that was applied is in force.

    The server reads both in the order in which they came: once the last of each holds, so do all before.
    """
    for document in LAST:
        apply(rig, path_of(document), document)
    try:
        up = wait_for(lambda: guards_are_up(rig) and not _passes(rig), 60.0, 0.3)
        assert up, "the admission policies do not hold"
    finally:
        for document in LAST:
            rig.api.call("DELETE", path_of(document))


def _passes(rig: Rig) -> bool:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": PROBE}}
    return rig.api.call("POST", "/api/v1/namespaces/default/configmaps?dryRun=All", body).ok
