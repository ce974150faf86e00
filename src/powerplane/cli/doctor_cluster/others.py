"""``powerplane doctor``: other controllers that undo what we do, or that we would stand in the way of.

What each does, and what answers it, was found in its sources and issue threads; see docs/how-to/watch-and-diagnose.md.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from powerplane.admission.lock_watch import NAMESPACE
from powerplane.cli.doctor_cluster.saying import fail, listed, ok, report, unseen, warn
from powerplane.cli.doctor_cluster.seen import Cluster, DoctorPod, HookSeen, OthersSeen
from powerplane.cli.doctor_cluster.standing import PolicyStanding, has_watts
from powerplane.cli.doctor_cluster.webhook import CONFIGURATION, our_hook
from powerplane.cli.doctor_section import Finding, SectionReport
from powerplane.cli.report import words
from powerplane.models.api.capping_policy import ACTING
from powerplane.models.plan import Wire
from powerplane.models.requests import WATTS_RESOURCE
from powerplane.node_watts.facts import CLOSED_TAINT

DEFAULT_SCHEDULER = "default-scheduler"
NODE_TAINTS = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")
"""Kubernetes' own, which say that a node is ill."""

PREFIX = WATTS_RESOURCE.partition("/")[0]
APP_LABELS = ("app.kubernetes.io/name", "k8s-app", "app")
QUEUES = {
    "scheduling.volcano.sh": "Volcano",
    "scheduling.run.ai": "KAI",
    "kai.scheduler": "KAI",
    "scheduling.koordinator.sh": "Koordinator",
    "scheduling.x-k8s.io": "the coscheduling plugins",
}
"""Groups of schedulers that never ask an extender of kube-scheduler's."""


class OthersView(Wire, frozen=True):
    """What else is there.

    Attributes
    ----------
    found : tuple of str
        Controllers, by name.
    schedulers : dict of int
        Pods by the scheduler that they name.
    webhooks : tuple of str
        Other configurations that change new pods, in the order in which they are called.
    """

    found: tuple[str, ...]
    schedulers: dict[str, int]
    webhooks: tuple[str, ...]


def examine_others(
    seen: OthersSeen, hooks: HookSeen, cluster: Cluster, policies: Sequence[PolicyStanding]
) -> SectionReport:
    """Report on other controllers.

    Parameters
    ----------
    seen : OthersSeen
    hooks : HookSeen
    cluster : Cluster
    policies : sequence of PolicyStanding
    """
    acts = our_hook(hooks) is not None
    schedulers = Counter(pod.spec.scheduler_name or DEFAULT_SCHEDULER for pod in cluster.pods.items)
    findings = [
        *_karpenter(seen, acts),
        *_autoscaler(seen, cluster),
        *_descheduler(cluster),
        *_vertical(seen),
        *_kueue(seen),
        *_schedulers(seen, cluster, policies),
        *_webhooks(hooks),
        *_taints(cluster),
    ]
    view = OthersView(found=tuple(_names(seen, cluster)), schedulers=dict(schedulers), webhooks=_other_hooks(hooks))
    return report("others", "Other controllers", findings or [ok("other controllers", "none that bites")], view)


def _names(seen: OthersSeen, cluster: Cluster) -> Iterator[str]:
    if "karpenter.sh" in seen.groups:
        yield "Karpenter"
    if _has_autoscaler(seen, cluster):
        yield "cluster-autoscaler"
    if any(_is_of(pod, "descheduler") for pod in cluster.pods.items):
        yield "descheduler"
    if "autoscaling.k8s.io" in seen.groups:
        yield "VPA"
    if "kueue.x-k8s.io" in seen.groups:
        yield "Kueue"
    yield from dict.fromkeys(name for group, name in QUEUES.items() if group in seen.groups)


def _karpenter(seen: OthersSeen, acts: bool) -> Iterator[Finding]:
    if "karpenter.sh" not in seen.groups:
        return
    if not seen.node_pools.seen:
        yield unseen("Karpenter", "NodePools", seen.node_pools.told)
    elif not seen.node_pools.items:
        yield ok("Karpenter", "it is there, without a NodePool")
    elif not seen.node_overlays.items:
        pools = listed([each.metadata.name for each in seen.node_pools.items])
        text = (
            f"NodePools {pools} without a NodeOverlay: Karpenter knows no {WATTS_RESOURCE}, and adds no node for a pod "
            "that requests them"
        )
        then = f"make a NodeOverlay whose capacity names {WATTS_RESOURCE}, one NodePool a rack with a limit of watts"
        yield fail("Karpenter", text, then) if acts else warn("Karpenter", text, f"before the webhook goes on: {then}")
    else:
        yield ok("Karpenter", f"{words.count(len(seen.node_overlays.items), 'NodeOverlay')} there")


def _has_autoscaler(seen: OthersSeen, cluster: Cluster) -> bool:
    return bool(seen.autoscaler.items) or any(_is_of(pod, "cluster-autoscaler") for pod in cluster.pods.items)


def _autoscaler(seen: OthersSeen, cluster: Cluster) -> Iterator[Finding]:
    if not _has_autoscaler(seen, cluster):
        return
    text = (
        "cluster-autoscaler is there: it does not ask extenders, and a node that is Ready before its watts are written "
        "makes it add the next"
    )
    yield warn(
        "cluster-autoscaler",
        text,
        "let nodes join with a taint startup-taint.cluster-autoscaler.kubernetes.io/powerplane, bound its groups by "
        f"what budgets hold, and list {WATTS_RESOURCE} under ignoredResources where power shall never add nodes",
    )


def _descheduler(cluster: Cluster) -> Iterator[Finding]:
    if any(_is_of(pod, "descheduler") for pod in cluster.pods.items):
        text = "descheduler is there: it evicts from nodes with our taint, and spreads what was packed"
        yield warn(
            "descheduler",
            text,
            f"in its policy: excludedTaints: [{CLOSED_TAINT}], nodeFit: true, and a minPodAge above our cool-down",
        )


def _vertical(seen: OthersSeen) -> Iterator[Finding]:
    if "autoscaling.k8s.io" in seen.groups:
        yield ok("VPA", "it changes CPU and memory, never watts; what it makes anew is predicted anew")


def _kueue(seen: OthersSeen) -> Iterator[Finding]:
    if "kueue.x-k8s.io" not in seen.groups:
        return
    then = f"in its configuration: resources: {{excludeResourcePrefixes: [{PREFIX}/]}}"
    if seen.kueue.told.refused:
        yield unseen("Kueue", "its configuration (ConfigMap kueue-manager-config)", seen.kueue.told)
    elif any(PREFIX in text for each in seen.kueue.items for text in (each.data or {}).values()):
        yield ok("Kueue", f"it leaves {PREFIX}/ out of its quotas")
    else:
        text = f"Kueue admits no workload that requests {WATTS_RESOURCE}, unless a ClusterQueue covers it"
        yield warn("Kueue", text, then)


def _schedulers(seen: OthersSeen, cluster: Cluster, policies: Sequence[PolicyStanding]) -> Iterator[Finding]:
    theirs = dict.fromkeys(name for group, name in QUEUES.items() if group in seen.groups)
    others = Counter(
        pod.spec.scheduler_name
        for pod in cluster.pods.items
        if pod.spec.scheduler_name not in ("", DEFAULT_SCHEDULER) and has_watts(pod)
    )
    if not others and not theirs:
        return
    rests = [each for each in policies if each.mode in ACTING and each.lock == "Extender"]
    told = [f"{name} ({words.count(count, 'pod')} with watts)" for name, count in others.most_common()] or [*theirs]
    then = "give nodes' watts (powerplane node-watts run): every scheduler counts those"
    if rests:
        text = f"other schedulers never ask our extender, which {rests[0].shown} rests on: {listed(told)}"
        yield warn("other schedulers", text, f"{then}; or see that it has our extender in its configuration")
    else:
        yield ok("other schedulers", f"{listed(told)}; what nodes list, and gates, hold for them too")


def _other_hooks(hooks: HookSeen) -> tuple[str, ...]:
    return tuple(
        each.metadata.name
        for each in sorted(hooks.configurations.items, key=lambda each: each.metadata.name)
        if each.metadata.name != CONFIGURATION and any(hook.is_for_new_pods() for hook in each.webhooks or ())
    )


def _webhooks(hooks: HookSeen) -> Iterator[Finding]:
    ours, others = our_hook(hooks), _other_hooks(hooks)
    if ours is None or not others:
        return
    after = [name for name in others if name > CONFIGURATION]
    if ours.reinvocation_policy != "IfNeeded" and after:
        text = f"webhooks that come after ours may add containers, which get no watts: {listed(after)}"
        yield warn("other webhooks", text, "reinvocationPolicy: IfNeeded in ours: kubectl apply -f deploy/webhook.yaml")
    else:
        yield ok("other webhooks", f"{listed(others)} change new pods, too; ours is asked again after them")


def _taints(cluster: Cluster) -> Iterator[Finding]:
    evicting: dict[str, list[str]] = {}
    closed = []
    for node in cluster.nodes.items:
        for taint in node.spec.taints or ():
            if taint.effect == "NoExecute" and not taint.key.startswith(NODE_TAINTS):
                evicting.setdefault(taint.key, []).append(node.metadata.name)
            if taint.key == CLOSED_TAINT:
                closed.append(node.metadata.name)
    for key, nodes in evicting.items():
        text = f"taint {key} (NoExecute) ends pods past their disruption budgets on {listed(nodes)}"
        yield warn(
            "NoExecute taints", text, f"use NoSchedule and evict: kubectl taint node {nodes[0]} {key}:NoExecute-"
        )
    if closed:
        lives = cluster.lease("powerplane-node-watts")
        if lives is None or not lives.holder:
            text = f"our taint is on {listed(closed)}, and nobody writes nodes' watts who would take it off"
            then = f"powerplane node-watts run; or kubectl taint node {closed[0]} {CLOSED_TAINT}-"
            yield warn("our taint", text, then)
        else:
            text = f"{words.count(len(closed), 'node')} closed for a moment, while watts are moved: {listed(closed)}"
            yield ok("our taint", text)


def _is_of(pod: DoctorPod, program: str) -> bool:
    """Whether a pod is a program's, by its labels."""
    labels = pod.metadata.labels or {}
    return pod.metadata.namespace != NAMESPACE and any(program in labels.get(key, "") for key in APP_LABELS)
