"""``powerplane doctor``: whether somebody plans and moves pods, where policies let them be moved."""

from collections.abc import Iterator, Sequence

from powerplane.adapters.lease_look import LeaseLives
from powerplane.cli.doctor_cluster.saying import fail, listed, ok, report, unseen, warn
from powerplane.cli.doctor_cluster.seen import Cluster
from powerplane.cli.doctor_section import Finding, SectionReport
from powerplane.models.api.capping_policy import CappingPolicyObject
from powerplane.models.marks import ACTUATOR_LEASE, RECOMMENDER_LEASE, STOP_ANNOTATION
from powerplane.models.plan import Wire
from powerplane.models.rights import NAMESPACE

MOVING = frozenset(("throttle", "migrate", "evict"))
PARTS = ((RECOMMENDER_LEASE, "makes plans"), (ACTUATOR_LEASE, "moves pods"))
"""Whose Lease it is; what whoever holds it does, which is the name of the finding as well."""

FILE = "deploy/rbac-operator.yaml"


class OperatorView(Wire, frozen=True):
    """Who plans and who acts.

    Attributes
    ----------
    stopped : str or None
        Why nothing is moved; None where it is not stopped.
    policies : tuple of str
        Those that let running pods be moved.
    holders : dict of str
        By Lease: the replica that holds it; "" for none that lives.
    """

    stopped: str | None
    policies: tuple[str, ...]
    holders: dict[str, str]


def examine_operator(cluster: Cluster) -> SectionReport:
    """Report on the operator.

    Parameters
    ----------
    cluster : Cluster
    """
    every: list[CappingPolicyObject] = [*cluster.cluster_policies.items]
    every += cluster.policies.items
    policies = tuple(_shown(each) for each in every if _moves(each))
    holders = {name: _holder(cluster, name) for name, _ in PARTS}
    view = OperatorView(stopped=_stopped(cluster), policies=policies, holders=holders)
    return report("operator", "Operator", [*_stop(cluster, view), *_parts(cluster, view)], view)


def _stop(cluster: Cluster, view: OperatorView) -> Iterator[Finding]:
    if not cluster.namespaces.seen:
        yield unseen("stopped", "namespaces", cluster.namespaces.told)
    elif view.stopped is not None:
        yield warn("stopped", f"no pod is moved: {view.stopped or 'no reason is given'}", "powerplane resume")


def _parts(cluster: Cluster, view: OperatorView) -> Iterator[Finding]:
    if not cluster.leases.seen:
        for _, does in PARTS:
            yield unseen(does, f"who {does}, because Leases of {NAMESPACE},", cluster.leases.told)
        return
    for name, does in PARTS:
        yield _part(name, does, view.holders[name], view.policies, there=cluster.lease(name) is not None)


def _part(name: str, does: str, holder: str, policies: Sequence[str], *, there: bool) -> Finding:
    if holder:
        return ok(does, f"{holder} {does}")
    if not policies:
        return ok(does, f"nobody {does}; no policy in mode Enforce lets running pods be moved")
    text = f"nobody {does}, and policies let pods be moved: {listed(policies, 3)}"
    if not there:
        return fail(does, f"{text}; Lease {name} is not there", f"kubectl apply -f {FILE}")
    return fail(does, text, "see whether `powerplane operate` runs, and its log")


def _holder(cluster: Cluster, name: str) -> str:
    now_s = cluster.now_s if cluster.server_s is None else cluster.server_s
    lease = cluster.lease(name)
    alive = LeaseLives(lambda: 0.0, lambda: now_s).lives(name, lease)
    return lease.holder if lease is not None and alive else ""


def _stopped(cluster: Cluster) -> str | None:
    own = next((each for each in cluster.namespaces.items if each.metadata.name == NAMESPACE), None)
    return (own.metadata.annotations or {}).get(STOP_ANNOTATION) if own is not None else None


def _moves(policy: CappingPolicyObject) -> bool:
    return policy.spec.mode == "Enforce" and bool(MOVING & set(policy.spec.levers))


def _shown(policy: CappingPolicyObject) -> str:
    meta = policy.metadata
    return f"{meta.namespace}/{meta.name}" if meta.namespace else meta.name
