"""``powerplane doctor``: policies: which lock holds for each and why, pods without watts, pods that wait."""

from collections.abc import Iterator, Sequence

from powerplane.adapters.lease_look import seconds_of
from powerplane.cli.doctor_cluster.saying import fail, listed, ok, report, unseen, warn
from powerplane.cli.doctor_cluster.seen import Cluster, DoctorPod
from powerplane.cli.doctor_cluster.standing import PolicyStanding, waits
from powerplane.cli.doctor_section import Finding, SectionReport
from powerplane.cli.report import words
from powerplane.cli.top_remarks import span
from powerplane.models.api.capping_policy import ACTING, Lock
from powerplane.models.plan import Wire

MOST_LONG_S = 900.0
"""Behind a gate for longer than this: longer than the ten minutes after which pods are let go, where nothing else is
said."""

LOCKS = "docs/explanation/new-pods.md"
MIXED = "docs/explanation/power-claims.md"
OPEN = {
    "Partition": "powerplane node-watts run writes them: kubectl -n powerplane-system get lease powerplane-node-watts",
    "Extender": "powerplane serve answers the scheduler: docs/how-to/configure-the-scheduler.md",
    "Claims": "docs/how-to/hold-budgets-on-new-pods.md",
    "Gate": "powerplane serve --release-gates, or powerplane release --run",
}


class PolicyView(Wire, frozen=True):
    """One policy.

    Attributes
    ----------
    lock : str
        What holds for its pods; "Auto" for nothing.
    without_watts : int
        Pods that came in without watts while it acted.
    """

    namespace: str
    name: str
    mode: str
    lock: str
    why: str
    pods: int
    without_watts: int


class PoliciesView(Wire, frozen=True):
    """All of them.

    Attributes
    ----------
    waiting : int
        Pods behind our gate.
    longest_seconds : float
        How long the first of them has been there.
    """

    policies: tuple[PolicyView, ...]
    waiting: int
    longest_seconds: float


def examine_policies(cluster: Cluster, policies: Sequence[PolicyStanding]) -> SectionReport:
    """Report on policies.

    Parameters
    ----------
    cluster : Cluster
    policies : sequence of PolicyStanding
    """
    gated = [pod for pod in cluster.pods.items if waits(pod)]
    longest_s = max((_age_s(pod, cluster) for pod in gated), default=0.0)
    view = PoliciesView(
        policies=tuple(
            PolicyView(
                namespace=each.namespace,
                name=each.name,
                mode=each.mode,
                lock=each.lock,
                why=each.why,
                pods=each.pods,
                without_watts=len(each.without),
            )
            for each in policies
        ),
        waiting=len(gated),
        longest_seconds=round(longest_s, 1),
    )
    findings = [*_seen(cluster), *_policies(cluster, policies), *_gated(cluster, gated, longest_s)]
    return report("policies", "Policies and new pods", findings, view)


def _seen(cluster: Cluster) -> Iterator[Finding]:
    kinds = (
        (cluster.cluster_policies, "ClusterPowerCappingPolicies"),
        (cluster.policies, "PowerCappingPolicies"),
        (cluster.namespaces, "namespaces"),
        (cluster.pods, "pods"),
    )
    for found, what in kinds:
        if not found.seen:
            yield unseen("policies", what, found.told)


def _policies(cluster: Cluster, policies: Sequence[PolicyStanding]) -> Iterator[Finding]:
    acting = [each for each in policies if each.mode in ACTING]
    passive = len(policies) - len(acting)
    if not policies and cluster.cluster_policies.seen and cluster.policies.seen:
        yield ok("policies", "there are none: nothing is done about new or running pods")
    elif passive:
        yield ok(
            "policies", f"{passive} only watch (Observe, Recommend): they tell, by `powerplane alert`, and hold nothing"
        )
    yield from _mixed(cluster, acting)
    for each in acting:
        yield _lock(cluster, each)
        if each.without:
            count = words.count(len(each.without), "pod")
            text = f"{count} came in without watts though {each.shown} acts on them: {listed(each.without)}"
            yield warn("pods without watts", text, "restart them once the webhook answers: kubectl rollout restart")


def _mixed(cluster: Cluster, acting: Sequence[PolicyStanding]) -> Iterator[Finding]:
    """Locks that differ see each other's pods in time only where nodes list watts, for which all of them ask."""
    locks = sorted({each.lock for each in acting} - {"Auto"})
    if len(locks) > 1 and cluster.nodes.seen and not _is_open(cluster, "Partition"):
        text = f"policies hold by {' and '.join(locks)}, and no account sees the pods of all before they are bound"
        action = f"choose one lock for all that share budgets; or {OPEN['Partition']} ({MIXED})"
        yield warn("lock", f"{text}: the last watts of a budget may be given twice", action)


def _lock(cluster: Cluster, each: PolicyStanding) -> Finding:
    pods = words.count(each.pods, "pod")
    what = f"{each.shown} ({each.mode}, {pods}) is held by {each.lock}: {each.why}"
    for found, kind in ((cluster.nodes, "nodes"), (cluster.leases, "our Leases")):
        if not found.seen:
            return unseen("lock", f"which lock holds for {each.shown}, because {kind},", found.told)
    if each.lock == "Auto":
        text = f"{each.shown} ({each.mode}, {pods}): nothing holds budgets for new pods: {each.why}"
        return fail("lock", text, f"open one, the first is the best: {OPEN['Partition']}; or {OPEN['Gate']} ({LOCKS})")
    if each.chosen != "Auto" and not _is_open(cluster, each.chosen):
        text = f"{each.shown} ({each.mode}, {pods}) asks for {each.chosen}, which the cluster does not offer"
        return fail("lock", text, f"open it: {OPEN[each.chosen]}; or take what is there: spec.admission.lock: Auto")
    return ok("lock", what)


def _is_open(cluster: Cluster, lock: Lock) -> bool:
    signs = cluster.signs
    return {
        "Partition": bool(signs.nodes) and signs.listing == signs.nodes,
        "Extender": signs.asks,
        "Claims": signs.claims,
        "Gate": signs.releaser,
    }.get(lock, True)


def _gated(cluster: Cluster, gated: Sequence[DoctorPod], longest_s: float) -> Iterator[Finding]:
    if not gated:
        if cluster.pods.seen:
            yield ok("waiting pods", "nobody waits behind our gate")
        return
    oldest = max(gated, key=lambda pod: _age_s(pod, cluster))
    name = f"{oldest.metadata.namespace}/{oldest.metadata.name}"
    text = f"{words.count(len(gated), 'pod')} behind our gate, the oldest, {name}, for {span(longest_s)}"
    if not cluster.signs.releaser:
        yield fail(
            "waiting pods", f"{text}, and nobody lets them go", f"{OPEN['Gate']}; at once: powerplane release --all"
        )
    elif longest_s > MOST_LONG_S:
        yield warn("waiting pods", text, "see the budgets that they wait for: kubectl get powerdomains")
    else:
        yield ok("waiting pods", text)


def _age_s(pod: DoctorPod, cluster: Cluster) -> float:
    created_s = seconds_of(pod.metadata.creation_timestamp)
    now_s = cluster.now_s if cluster.server_s is None else cluster.server_s
    return 0.0 if created_s is None else max(0.0, now_s - created_s)
