"""``powerplane sleep`` and ``powerplane wake``."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import Parameter

from powerplane.adapters.cluster_access import ClusterAccess, open_cluster
from powerplane.adapters.cluster_writes import Writer, Written, node_path
from powerplane.cli.asking import get_bytes, list_of
from powerplane.cli.exit_codes import OK
from powerplane.cli.options import Context, Kubeconfig
from powerplane.cli.output import print_text, warn
from powerplane.models.api.capping_policy import (
    CappingPolicyObject,
    ClusterPowerCappingPolicyObject,
    PowerCappingPolicyObject,
)
from powerplane.models.api.kinds import CAPPING_POLICY, CLUSTER_CAPPING_POLICY
from powerplane.models.errors import InputError, UnreachableError, UsageError
from powerplane.models.mobility import unmovable_reason
from powerplane.models.objects import Namespace, Node, Pod
from powerplane.models.sleeping import SLEEP_ANNOTATION, WANTED, is_ours, is_wanted, opening
from powerplane.models.sleeping import why_not as why_not_closed
from powerplane.recommender.allowing import Allowing
from powerplane.recommender.publishing import policy_title

ATTEMPTS = 5
CHANGED = (409, 422)
"""Answers where somebody else has written it meanwhile."""

OWN = ("DaemonSet", "mirror pod")
ENDED = ("Succeeded", "Failed")

What = Literal["moves", "stays", "holds"]


@dataclass(frozen=True, slots=True)
class Standing:
    """What becomes of one pod: it moves, it stays with its node, or it holds the node awake; and why."""

    pod: str
    what: What
    why: str


def sleep(
    *node: Annotated[str, Parameter(help="Names of nodes.")],
    yes: Annotated[bool, Parameter(negative=(), help="Do it; without this it is only said what would move.")] = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> int:
    """Empty nodes, so that their owner can let them sleep.

    The operator closes a node for new pods, tells autoscalers to leave it alone, and plans to move its pods: by leave
    of policies in mode Enforce, within every budget, and all of them or none. Once nothing is left but DaemonSets and
    static pods, the node says so (annotation powerplane.dev/asleep-ready). PowerPlane powers nothing off.

    Without --yes nothing is changed: the pods are named that would move, and those that would hold a node awake.
    """
    access = open_cluster(kubeconfig, context)
    nodes = {each.metadata.name: each for each in list_of(access, "/api/v1/nodes", Node)}
    for name in _known(node, nodes):
        why = why_not_closed(nodes[name], nodes.values())
        if why:
            raise InputError(f"node {name} cannot be put to sleep: {why}", "wake another first, or leave this one")
        _show(name, list(_standings(access, name)))
        if yes and not is_wanted(nodes[name]):
            _written(access, name, Writer(access).merge_patch(node_path(name), _wish(WANTED)))
    if not yes:
        warn("nothing is changed: add --yes to do it")
    return OK


def wake(
    *node: Annotated[str, Parameter(help="Names of nodes.")],
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> int:
    """Let nodes take pods again, after `powerplane sleep`.

    It takes off them what PowerPlane has set, and nobody else's marks. It needs the API server only, and works while
    everything is stopped. Moves that are under way end as planned; nothing is moved back.
    """
    access = open_cluster(kubeconfig, context)
    nodes = {each.metadata.name: each for each in list_of(access, "/api/v1/nodes", Node)}
    for name in _known(node, nodes):
        if not is_wanted(nodes[name]) and not is_ours(nodes[name]):
            print_text(f"{name} is awake")
            continue
        _wake(access, name)
        print_text(f"{name} wakes")
    return OK


def _wake(access: ClusterAccess, name: str) -> None:
    """Take off a node what is ours; whoever writes it meanwhile is not overwritten."""
    for _ in range(ATTEMPTS):
        found = msgspec.json.decode(get_bytes(access, node_path(name)), type=Node)
        written = Writer(access).json_patch(node_path(name), opening(found, asked=True))
        if written.status not in CHANGED:
            break
    _written(access, name, written)


def _standings(access: ClusterAccess, name: str) -> Iterator[Standing]:
    """What becomes of each pod of a node."""
    policies: list[CappingPolicyObject] = [
        *list_of(access, CLUSTER_CAPPING_POLICY.list_path, ClusterPowerCappingPolicyObject),
        *list_of(access, CAPPING_POLICY.list_path, PowerCappingPolicyObject),
    ]
    allowing = Allowing(policies)
    namespaces = list_of(access, "/api/v1/namespaces", Namespace)
    labels = {each.metadata.name: each.metadata.labels or {} for each in namespaces}
    for pod in list_of(access, "/api/v1/pods", Pod, ("fieldSelector", f"spec.nodeName={name}")):
        meta = pod.metadata
        if pod.status.phase in ENDED:
            continue
        told, why = f"{meta.namespace}/{meta.name}", unmovable_reason(pod)
        leave = allowing.of(meta.namespace, labels.get(meta.namespace, {}), meta.labels or {})
        if why in OWN:
            yield Standing(told, "stays", why)
        elif why or leave is None:
            yield Standing(told, "holds", why or "no policy in mode Enforce lets it be moved")
        else:
            yield Standing(told, "moves", policy_title(leave.policy))


def _show(name: str, standings: Sequence[Standing]) -> None:
    counts = {what: sum(each.what == what for each in standings) for what in ("moves", "stays", "holds")}
    print_text(f"{name}: {counts['moves']} move, {counts['stays']} stay with it, {counts['holds']} hold it awake")
    for each in sorted(standings, key=lambda each: (each.what, each.pod)):
        print_text(f"  {each.what}  {each.pod}  ({each.why})")
    if counts["holds"]:
        warn(f"{name} is not emptied while pods hold it awake")


def _known(names: Sequence[str], nodes: dict[str, Node]) -> Sequence[str]:
    if not names:
        raise UsageError("no node is named", "kubectl get nodes")
    for name in names:
        if name not in nodes:
            raise InputError(f"there is no node {name}", "kubectl get nodes")
    return names


def _wish(value: str | None) -> dict[str, Any]:
    return {"metadata": {"annotations": {SLEEP_ANNOTATION: value}}}


def _written(access: ClusterAccess, name: str, written: Written) -> None:
    if written.ok:
        return
    if written.status == 0:
        raise UnreachableError(f"{access.server} does not answer: {written.told}", "check --kubeconfig and --context")
    raise InputError(
        f"node {name} cannot be changed: {written.told}",
        f"ask somebody who may: kubectl auth can-i patch node/{name}; powerplane.dev/ keys on nodes are for who may "
        "update PowerDomains",
    )
