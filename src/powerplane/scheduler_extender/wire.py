"""The scheduler's questions as they come over the wire, read defensively.

Source: k8s.io/kube-scheduler/extender/v1/types.go. Its structs have no JSON tags, so the extender's own level has Go's
field names (``Pod``, ``NodeNames``), in any case, while the objects inside keep the API's. A body is read strictly
first, as kube-scheduler writes it; only one that does not read so is read a second time with names in any case.

A key that stands twice would let two readers see two pods, so it is refused: at the extender's own level, in the pod
and among the victims. Of full Node objects only the name is read, and the last one counts, as in Go.
"""

from typing import Any, Final

import msgspec

from powerplane.adapters.strict_json import UNTYPED, MalformedError, convert, read, refuse_twice, told
from powerplane.models.objects import Narrow, ObjectMeta, PodSpec
from powerplane.scheduler_extender.facts import PodCondition
from powerplane.scheduler_extender.limits import DEFAULT_LIMITS, Limits
from powerplane.scheduler_extender.wire_json import MEMBERS, NULL, Members, folded, read_members

SHORTEST_NAME: Final = 3
"""Bytes of a name in a list, quotes and comma included; counting takes time, so short lists are not counted."""


class WaitingPodStatus(Narrow, frozen=True):
    """The node that preemption or a plan has named for the pod, and how earlier attempts ended."""

    nominated_node_name: str = ""
    conditions: tuple[PodCondition, ...] | None = None


class WaitingPod(Narrow, frozen=True):
    """The pod that the scheduler seeks a node for."""

    metadata: ObjectMeta
    spec: PodSpec = PodSpec()
    status: WaitingPodStatus = WaitingPodStatus()


class FilterArgs(msgspec.Struct, frozen=True, gc=False):
    """ExtenderArgs: the question of filter and of prioritize.

    Parameters
    ----------
    pod : WaitingPod
        The pod; its UID is never empty.
    node_names : tuple of str
        The candidates.
    raw_names : bytes
        ``NodeNames`` as it came, to send back unchanged; empty where the scheduler sent full nodes.
    raw_nodes : bytes
        ``Nodes`` as it came, where the scheduler sent full nodes (nodeCacheCapable: false); else empty.
    """

    pod: WaitingPod
    node_names: tuple[str, ...]
    raw_names: bytes = b""
    raw_nodes: bytes = b""


class Victims(msgspec.Struct, frozen=True, gc=False):
    """Pods that would leave a node, by UID, and how many disruption budgets that breaks."""

    uids: tuple[str, ...]
    pdb_violations: int = 0


class PreemptArgs(msgspec.Struct, frozen=True):
    """ExtenderPreemptionArgs: the pod, and by node the victims that the scheduler proposes."""

    pod: WaitingPod
    victims: dict[str, Victims]


class BindArgs(msgspec.Struct, frozen=True, rename="pascal"):
    """ExtenderBindingArgs: the pod and the node that was chosen for it."""

    pod_name: str
    pod_namespace: str
    pod_uid: str = msgspec.field(name="PodUID")
    node: str


class _Name(msgspec.Struct, frozen=True, gc=False):
    name: str


class _NamedNode(msgspec.Struct, frozen=True, gc=False):
    metadata: _Name


class _NodeList(msgspec.Struct, frozen=True, gc=False):
    items: tuple[_NamedNode, ...] | None = None


class _Uid(msgspec.Struct, frozen=True, gc=False):
    uid: str


class _MetaPod(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    uid: str = msgspec.field(name="UID")


class _MetaVictims(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Victims as kube-scheduler writes them; anything else is read the slower way."""

    pods: tuple[_MetaPod, ...] | None = msgspec.field(name="Pods")
    violations: int = msgspec.field(name="NumPDBViolations")


class _FullVictim(msgspec.Struct, frozen=True, gc=False):
    metadata: _Uid


_ITEMS: Final = msgspec.json.Decoder(tuple[msgspec.Raw, ...])
_NAMES: Final = msgspec.json.Decoder(tuple[str, ...])
_NODES: Final = msgspec.json.Decoder(_NodeList)
_POD: Final = msgspec.json.Decoder(WaitingPod)
_META: Final = msgspec.json.Decoder(dict[str, _MetaVictims])


class NameReader:
    """Reads lists of node names, and knows the last one again: prioritize mostly asks about what filter let through."""

    def __init__(self) -> None:
        self._last: tuple[bytes, tuple[str, ...]] = (b"[]", ())

    def read(self, raw: bytes) -> tuple[str, ...]:
        """Return the names; the same object for the same bytes as the last time."""
        if raw != self._last[0]:
            self._last = (raw, read(_NAMES, raw, "NodeNames"))
        return self._last[1]


def read_filter(body: bytes, limits: Limits = DEFAULT_LIMITS, names: NameReader | None = None) -> FilterArgs:
    """Read the body of filter or prioritize.

    Parameters
    ----------
    body : bytes
    limits : Limits
    names : NameReader, optional
        Kept from question to question.

    Raises
    ------
    MalformedError
        For anything but ExtenderArgs within the limits.
    """
    members = read_members(body, limits)
    pod = _pod(members, limits)
    raw, nodes = members.get("NodeNames", b""), members.get("Nodes", b"")
    if raw:
        if len(raw) > SHORTEST_NAME * limits.nodes and raw.count(b",") >= limits.nodes:
            raise MalformedError(f"NodeNames holds more than {limits.nodes} names")
        return FilterArgs(pod, (names or NameReader()).read(raw), raw_names=raw)
    if nodes:
        return FilterArgs(pod, _node_names(nodes, limits), raw_nodes=nodes)
    raise MalformedError("there is neither NodeNames nor Nodes")


def read_preempt(body: bytes, limits: Limits = DEFAULT_LIMITS) -> PreemptArgs:
    """Read the body of preempt.

    Raises
    ------
    MalformedError
        For anything but ExtenderPreemptionArgs within the limits.
    """
    members = read_members(body, limits)
    pod = _pod(members, limits)
    if raw := members.get("NodeNameToMetaVictims"):
        return PreemptArgs(pod, _victims(raw, "NodeNameToMetaVictims", limits, full=False))
    if raw := members.get("NodeNameToVictims"):
        return PreemptArgs(pod, _victims(raw, "NodeNameToVictims", limits, full=True))
    raise MalformedError("there is neither NodeNameToMetaVictims nor NodeNameToVictims")


def read_bind(body: bytes, limits: Limits = DEFAULT_LIMITS) -> BindArgs:
    """Read the body of bind.

    Raises
    ------
    MalformedError
        For anything but ExtenderBindingArgs, and where a part of it is empty.
    """
    members = read_members(body, limits)
    fields = {name: convert(read(UNTYPED, raw, name), str, name) for name, raw in members.items()}
    for name in ("PodName", "PodNamespace", "PodUID", "Node"):
        if not fields.get(name):
            raise MalformedError(f"{name} is missing or empty")
    return BindArgs(fields["PodName"], fields["PodNamespace"], fields["PodUID"], fields["Node"])


def node_items(raw_nodes: bytes) -> tuple[msgspec.Raw, ...]:
    """Return the Node objects of a NodeList, each as it came, in the order of `FilterArgs.node_names`."""
    members = read(MEMBERS, raw_nodes, "Nodes")
    return read(_ITEMS, members["items"], "Nodes") if bytes(members.get("items", NULL)) != NULL else ()


def _pod(members: Members, limits: Limits) -> WaitingPod:
    raw = members.get("Pod")
    if raw is None:
        raise MalformedError("there is no Pod")
    if len(raw) > limits.pod_bytes:
        raise MalformedError(f"the Pod is larger than {limits.pod_bytes} bytes")
    refuse_twice(raw, "Pod")
    pod = _read_pod(raw)
    if not pod.metadata.uid:
        raise MalformedError("the Pod has no metadata.uid")
    return pod


def _read_pod(raw: bytes) -> WaitingPod:
    """Read a pod; where a null stands for an empty list, as Go writes nil slices, read it again without nulls."""
    try:
        return _POD.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        if NULL not in raw:
            raise MalformedError(told(error, "Pod")) from error
    return convert(_nulls_removed(read(UNTYPED, raw, "Pod")), WaitingPod, "Pod")


def _nulls_removed(value: Any) -> Any:
    """Leave out each null member; the depth is bounded by the decoder that made the value."""
    if isinstance(value, dict):
        return {key: _nulls_removed(member) for key, member in value.items() if member is not None}
    return [_nulls_removed(item) for item in value if item is not None] if isinstance(value, list) else value


def _node_names(raw: bytes, limits: Limits) -> tuple[str, ...]:
    try:
        raw.decode()  # what is not read of a node is sent back, so it must be text at least
    except UnicodeError as error:
        raise MalformedError(told(error, "Nodes")) from error
    names = tuple(node.metadata.name for node in read(_NODES, raw, "Nodes").items or ())
    if len(names) > limits.nodes:
        raise MalformedError(f"Nodes holds more than {limits.nodes} nodes")
    return names


def _victims(raw: bytes, what: str, limits: Limits, *, full: bool) -> dict[str, Victims]:
    """Victims by node; their own level (Pods, UID, NumPDBViolations) in any case, pods inside as the API has them."""
    if len(raw) > limits.victims_bytes:
        raise MalformedError(f"{what} is larger than {limits.victims_bytes} bytes")
    refuse_twice(raw, what)
    if not full and (strict := _meta_victims(raw)) is not None:
        return strict
    if not full and len(raw) > limits.odd_body_bytes:
        raise MalformedError(f"{what} is too large to be read in a form that kube-scheduler does not write")
    by_node = convert(read(UNTYPED, raw, what), dict[str, dict[str, Any] | None], what)
    return {node: _node_victims(folded(found or {}, what), what, full=full) for node, found in by_node.items()}


def _meta_victims(raw: bytes) -> dict[str, Victims] | None:
    try:
        found = _META.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return {
        node: Victims(tuple([pod.uid for pod in victims.pods or ()]), victims.violations)
        for node, victims in found.items()
    }


def _node_victims(found: dict[str, Any], what: str, *, full: bool) -> Victims:
    pods = found.get("pods") or []
    if full:
        uids = [pod.metadata.uid for pod in convert(pods, list[_FullVictim], what)]
    else:
        uids = [convert(folded(pod, what), _Uid, what).uid for pod in convert(pods, list[dict[str, Any]], what)]
    violations = found.get("numpdbviolations")
    return Victims(tuple(uids), convert(0 if violations is None else violations, int, what))
