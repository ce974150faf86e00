"""What each of our accounts must be able to do in a cluster, and what none of them may: one table.

``deploy/`` grants the former and no more (a test holds both against each other); ``powerplane doctor`` asks
the API server about both.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from powerplane.models.api.kinds import (
    CAPPING_POLICY,
    CLUSTER_CAPPING_POLICY,
    DEMAND_CHECKPOINT,
    GROUP,
    KINDS,
    PLACEMENT_PLAN,
    POWER_DOMAIN,
)

NAMESPACE = "powerplane-system"
READ = ("get", "list", "watch")
HOLD = ("get", "update", "patch")
LEASES = "coordination.k8s.io"
ADMISSION = "admissionregistration.k8s.io"
CLAIMS = "resource.k8s.io"


class Right(NamedTuple):
    """One verb on one resource.

    Parameters
    ----------
    verb, resource : str
        The resource with its subresource, where it is meant: ``pods/eviction``.
    group : str
    namespace : str
        "" for the whole cluster.
    name : str
        "" for every object.
    """

    verb: str
    resource: str
    group: str = ""
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        """As ``kubectl auth can-i`` takes it."""
        kind, _, sub = self.resource.partition("/")
        what = f"{kind}.{self.group}" if self.group else kind
        name = f"/{self.name}" if self.name else ""
        within = f" -n {self.namespace}" if self.namespace else ""
        return f"{self.verb} {what}{name}{f' --subresource={sub}' if sub else ''}{within}"


@dataclass(frozen=True, slots=True)
class Extra:
    """Rights that an account has where a file of its own is applied: all of them, or none.

    Parameters
    ----------
    does : str
        What they are for.
    rights : tuple of Right
    file : str
        The deployment file that grants them.
    """

    does: str
    rights: tuple[Right, ...]
    file: str


@dataclass(frozen=True, slots=True)
class Account:
    """A service account of ours.

    Parameters
    ----------
    name : str
    does : str
        What it is for.
    rights : tuple of Right
        What it needs, and all that it is granted by that file.
    file : str
        The deployment file that grants it.
    is_needed : bool
        Whether nothing works without it.
    extras : tuple of Extra
        What other files grant it.
    """

    name: str
    does: str
    rights: tuple[Right, ...]
    file: str = "deploy/rbac.yaml"
    is_needed: bool = False
    extras: tuple[Extra, ...] = ()

    @property
    def user(self) -> str:
        """Its name to the API server."""
        return f"system:serviceaccount:{NAMESPACE}:{self.name}"


def rights(
    verbs: Iterable[str], resources: Iterable[str], group: str = "", namespace: str = "", name: str = ""
) -> tuple[Right, ...]:
    """Return each verb on each resource."""
    return tuple(Right(verb, resource, group, namespace, name) for resource in resources for verb in verbs)


def lease(*names: str, verbs: Iterable[str] = HOLD) -> tuple[Right, ...]:
    """Return what holding these Leases needs."""
    return tuple(right for name in names for right in rights(verbs, ["leases"], LEASES, NAMESPACE, name))


OUR_KINDS = tuple(kind.plural for kind in KINDS if kind is not DEMAND_CHECKPOINT)
"""All but what one of our programs keeps for itself."""

READER = (*rights(READ, ["nodes", "pods", "namespaces"]), *rights(READ, OUR_KINDS, GROUP))
STATUSES = tuple(f"{kind.plural}/status" for kind in (POWER_DOMAIN, CAPPING_POLICY, CLUSTER_CAPPING_POLICY))

OWN_CERTIFICATES = Extra(
    "renews its own certificates",
    (
        *rights(HOLD, ["secrets"], "", NAMESPACE, "powerplane-webhook"),
        *lease("powerplane-certificates"),
        *rights(["patch"], ["mutatingwebhookconfigurations"], ADMISSION, name="powerplane"),
        *rights(["patch"], ["validatingwebhookconfigurations"], ADMISSION, name="powerplane"),
        *rights(["patch"], ["validatingwebhookconfigurations"], ADMISSION, name="powerplane-rollouts"),
    ),
    "deploy/webhook-own-certificates.yaml",
)
BINDER = Extra("binds pods itself", rights(["create"], ["pods/binding"]), "deploy/rbac-binder.yaml")

ACCOUNTS = (
    Account(
        "powerplane",
        "answers the scheduler and the API server",
        (
            *READER,
            *rights(READ, ["deployments"], "apps"),
            *rights(["list"], ["verticalpodautoscalers"], "autoscaling.k8s.io"),
            *rights(["patch"], STATUSES, GROUP),
            *rights(["patch"], ["nodes"]),
            *lease("powerplane", "powerplane-webhook"),
            *rights(["get"], ["mutatingwebhookconfigurations"], ADMISSION, name="powerplane"),
            *rights(["get"], ["validatingwebhookconfigurations"], ADMISSION, name="powerplane"),
            *rights(["get"], ["validatingwebhookconfigurations"], ADMISSION, name="powerplane-rollouts"),
            *lease("powerplane-claims", "powerplane-gates", verbs=["get"]),
        ),
        is_needed=True,
        extras=(OWN_CERTIFICATES, BINDER),
    ),
    Account(
        "powerplane-node-writer",
        "writes nodes' watts",
        (*READER, *rights(["patch"], ["nodes", "nodes/status"]), *lease("powerplane-node-watts")),
    ),
    Account(
        "powerplane-gate-releaser",
        "lets gated pods go",
        (
            *READER,
            *rights(["patch"], ["pods"]),
            *rights(READ, ["resourcequotas"]),
            *rights(READ, ["deployments"], "apps"),
            *rights(["create", "patch"], ["events"], "events.k8s.io"),
            *lease("powerplane-gates"),
            *lease("powerplane-actuator", verbs=["get"]),
        ),
    ),
    Account(
        "powerplane-alerts",
        "sends alerts",
        (*READER, *rights(["create", "patch"], ["events"], "events.k8s.io")),
        "deploy/rbac-alerts.yaml",
    ),
    Account(
        "powerplane-claims",
        "keeps budgets as devices to claim from",
        (
            *READER,
            *rights([*READ, "create", "patch", "delete"], ["resourceslices"], CLAIMS),
            *rights([*READ, "create", "delete"], ["resourceclaimtemplates"], CLAIMS),
            *rights(READ, ["resourceclaims"], CLAIMS),
            *lease("powerplane-claims"),
        ),
        "deploy/rbac-claims.yaml",
    ),
    Account(
        "powerplane-recommender",
        "makes plans",
        (
            *READER,
            *rights(READ, ["persistentvolumes", "persistentvolumeclaims"]),
            *rights(READ, ["poddisruptionbudgets"], "policy"),
            *rights(READ, ["priorityclasses"], "scheduling.k8s.io"),
            *rights(READ, ["replicasets"], "apps"),
            *rights(["create", "delete"], [PLACEMENT_PLAN.plural], GROUP),
            *rights([*READ, "create", "patch", "delete"], [DEMAND_CHECKPOINT.plural], GROUP),
            *rights(["patch"], STATUSES, GROUP),
            *rights(["create", "patch"], ["events"], "events.k8s.io"),
            *lease("powerplane-recommender"),
        ),
        "deploy/rbac-operator.yaml",
    ),
    Account(
        "powerplane-actuator",
        "carries plans out",
        (
            *READER,
            *rights(["patch"], ["pods", "pods/status", "pods/resize"]),
            *rights(["create"], ["pods/eviction"]),
            *rights(["patch"], ["nodes"]),
            *rights(["get"], ["replicasets", "deployments"], "apps"),
            *rights(["list"], ["services"]),
            *rights(["create", "delete"], ["pods"], namespace=NAMESPACE),
            *rights(["patch"], [f"{PLACEMENT_PLAN.plural}/status"], GROUP),
            *rights(["create", "patch"], ["events"], "events.k8s.io"),
            *lease("powerplane-actuator"),
            *lease("powerplane", "powerplane-webhook", verbs=["get"]),
        ),
        "deploy/rbac-operator.yaml",
    ),
)
"""Every account that ``deploy/`` makes."""

RBAC = "rbac.authorization.k8s.io"

DANGEROUS: tuple[tuple[Right, str], ...] = (
    (Right("list", "secrets"), "every credential of the cluster can be read"),
    (Right("get", "nodes/proxy"), "whoever reaches a kubelet may run anything in any pod"),
    (Right("create", "pods/exec"), "anything may be run in any pod"),
    (Right("delete", "pods"), "pods can be ended past their disruption budgets"),
    (Right("create", "pods"), "a pod may take the rights of any account of its namespace"),
    (Right("create", "mutatingwebhookconfigurations", ADMISSION), "every object could be rewritten on its way in"),
    (Right("create", "validatingwebhookconfigurations", ADMISSION), "every write could be refused"),
    (Right("update", "customresourcedefinitions", "apiextensions.k8s.io"), "our objects' rules could be taken away"),
    (Right("impersonate", "users"), "it could act as anybody"),
    (Right("escalate", "clusterroles", RBAC), "it could give itself any right"),
    (Right("bind", "clusterroles", RBAC), "it could give itself any role"),
    (Right("create", "serviceaccounts/token"), "it could act as any account"),
)
"""What none of our accounts may do, and why."""

DOCTOR = (
    *rights(["list"], ["nodes", "pods", "namespaces"]),
    *rights(["list"], OUR_KINDS, GROUP),
    *rights(["get"], ["customresourcedefinitions"], "apiextensions.k8s.io"),
    *rights(["list"], [f"{kind}webhookconfigurations" for kind in ("mutating", "validating")], ADMISSION),
    *rights(["list"], ["validatingadmissionpolicies"], ADMISSION),
    *rights(["list"], ["leases"], LEASES, NAMESPACE),
    *rights(["list"], ["leases"], LEASES, "kube-node-lease"),
    *rights(["list"], ["endpointslices"], "discovery.k8s.io", NAMESPACE),
    *rights(["get"], ["services/proxy"], "", NAMESPACE),
    *rights(["get"], ["serviceaccounts"], "", NAMESPACE),
    *rights(["create"], ["subjectaccessreviews"], "authorization.k8s.io"),
)
"""What whoever runs ``powerplane doctor`` needs to see everything; without some of it, less is seen."""
