"""The scheduler's questions as they come over the wire, read defensively.

Source: k8s.io/kube-scheduler/extender/v1/types.go. Its structs have no JSON tags, so the extender's own level has Go's
field names (``Pod``, ``NodeNames``), in any case, while the objects inside keep the API's. A body is read strictly
first, as kube-scheduler writes it; only one that does not read so is read a second time with names in any case.

A key that stands twice would let two readers see two pods, so it is refused: at the extender's own level, in the pod
and among the victims. Of full Node objects only the name is read, and the last one counts, as in Go.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, Final, TypeVar

import msgspec

from powerplane.models.objects import Narrow, ObjectMeta, PodSpec
from powerplane.scheduler_extender.limits import DEFAULT_LIMITS, Limits

T = TypeVar("T")

NULL: Final = b"null"
SHORTEST_NAME: Final = 3
"""Bytes of a name in a list, quotes and comma included; counting takes time, so short lists are not counted."""

MOST_MEMBERS: Final = 64
"""Members at the extender's own level; the protocol has nine, and each unknown one costs time."""

_BLANK: Final = re.compile(rb"[ \t\r\n]*")


class MalformedError(ValueError):
    """A body that is not what the protocol says; its text is a short sentence for the sender."""


class WaitingPodStatus(Narrow, frozen=True):
    """The node that preemption or a plan has named for the pod."""

    nominated_node_name: str = ""


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


class _Question(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    """The members of every request, unread; in Go's order, which is the order on the wire."""

    pod: msgspec.Raw = msgspec.Raw()
    nodes: msgspec.Raw = msgspec.Raw()
    node_names: msgspec.Raw = msgspec.Raw()
    node_name_to_victims: msgspec.Raw = msgspec.Raw()
    node_name_to_meta_victims: msgspec.Raw = msgspec.Raw()
    pod_name: msgspec.Raw = msgspec.Raw()
    pod_namespace: msgspec.Raw = msgspec.Raw()
    pod_uid: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="PodUID")
    node: msgspec.Raw = msgspec.Raw()


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


_FIELDS: Final = tuple(field.encode_name for field in msgspec.structs.fields(_Question))
_QUESTION: Final = msgspec.json.Decoder(_Question)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS: Final = msgspec.json.Decoder(tuple[msgspec.Raw, ...])
_NAMES: Final = msgspec.json.Decoder(tuple[str, ...])
_NODES: Final = msgspec.json.Decoder(_NodeList)
_POD: Final = msgspec.json.Decoder(WaitingPod)
_META: Final = msgspec.json.Decoder(dict[str, _MetaVictims])
_UNTYPED: Final = msgspec.json.Decoder()
_ENCODER: Final = msgspec.json.Encoder()

Members = dict[str, bytes]
"""The extender's own level of a request: Go's name to the JSON beneath it; nulls are left out."""


def read_filter(body: bytes, limits: Limits = DEFAULT_LIMITS) -> FilterArgs:
    """Read the body of filter or prioritize.

    Raises
    ------
    MalformedError
        For anything but ExtenderArgs within the limits.
    """
    members = _members(body, limits)
    pod = _pod(members, limits)
    names, nodes = members.get("NodeNames", b""), members.get("Nodes", b"")
    if names:
        if len(names) > SHORTEST_NAME * limits.nodes and names.count(b",") >= limits.nodes:
            raise MalformedError(f"NodeNames holds more than {limits.nodes} names")
        return FilterArgs(pod, _read(_NAMES, names, "NodeNames"), raw_names=names)
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
    members = _members(body, limits)
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
    members = _members(body, limits)
    fields = {name: _convert(_read(_UNTYPED, raw, name), str, name) for name, raw in members.items()}
    for name in ("PodName", "PodNamespace", "PodUID", "Node"):
        if not fields.get(name):
            raise MalformedError(f"{name} is missing or empty")
    return BindArgs(fields["PodName"], fields["PodNamespace"], fields["PodUID"], fields["Node"])


def node_items(raw_nodes: bytes) -> tuple[msgspec.Raw, ...]:
    """Return the Node objects of a NodeList, each as it came, in the order of `FilterArgs.node_names`."""
    members = _read(_MEMBERS, raw_nodes, "Nodes")
    return _read(_ITEMS, members["items"], "Nodes") if bytes(members.get("items", NULL)) != NULL else ()


def _members(body: bytes, limits: Limits) -> Members:
    """The extender's own level: as kube-scheduler writes it if it can be, else with names in any case."""
    question = _read(_QUESTION, body, "the body")
    strict = {name: bytes(raw) for name, raw in zip(_FIELDS, msgspec.structs.astuple(question), strict=True)}
    strict = {name: raw for name, raw in strict.items() if raw}
    if _is_whole(body, strict):
        return _without_null(strict)
    if len(body) > limits.odd_body_bytes:
        raise MalformedError("the body is too large to be read in a form that kube-scheduler does not write")
    return _without_null(_any_case(body))


def _any_case(body: bytes) -> Members:
    """Members by name in any case, as Go's decoder takes them; a name that is there twice is refused."""
    found = {name: bytes(raw) for name, raw in _read(_MEMBERS, body, "the body").items()}
    if len(found) > MOST_MEMBERS:
        raise MalformedError(f"the body has more than {MOST_MEMBERS} members")
    if found and not _is_whole(body, found):
        raise MalformedError("a key is there twice, or is written with escapes")
    canonical = {name.lower(): name for name in _FIELDS}
    members: Members = {}
    for name, raw in found.items():
        known = canonical.get(name.lower())
        if known in members:
            raise MalformedError(f"{known} is there twice, in different case")
        if known is not None:
            members[known] = raw
    return members


def _is_whole(body: bytes, members: Members) -> bool:
    """Whether the object is these members in this order and nothing else, so that no key can be there twice."""
    position, opening = 0, b"{"
    for name, raw in members.items():
        for token in (opening, b'"%s"' % name.encode(), b":", raw):
            position = _blank_end(body, position)
            if not body.startswith(token, position):
                return False
            position += len(token)
        opening = b","
    position = _blank_end(body, position)
    return body.startswith(b"}", position) and _blank_end(body, position + 1) == len(body)


def _blank_end(body: bytes, position: int) -> int:
    blank = _BLANK.match(body, position)  # a loop over bytes would take seconds for a body of blanks
    return blank.end() if blank else position


def _without_null(members: Members) -> Members:
    return {name: raw for name, raw in members.items() if raw != NULL}


def _pod(members: Members, limits: Limits) -> WaitingPod:
    raw = members.get("Pod")
    if raw is None:
        raise MalformedError("there is no Pod")
    if len(raw) > limits.pod_bytes:
        raise MalformedError(f"the Pod is larger than {limits.pod_bytes} bytes")
    _refuse_twice(raw, "Pod")
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
            raise MalformedError(_told(error, "Pod")) from error
    return _convert(_nulls_removed(_read(_UNTYPED, raw, "Pod")), WaitingPod, "Pod")


def _nulls_removed(value: Any) -> Any:
    """Leave out each null member; the depth is bounded by the decoder that made the value."""
    if isinstance(value, dict):
        return {key: _nulls_removed(member) for key, member in value.items() if member is not None}
    return [_nulls_removed(item) for item in value if item is not None] if isinstance(value, list) else value


def _node_names(raw: bytes, limits: Limits) -> tuple[str, ...]:
    try:
        raw.decode()  # what is not read of a node is sent back, so it must be text at least
    except UnicodeError as error:
        raise MalformedError(_told(error, "Nodes")) from error
    names = tuple(node.metadata.name for node in _read(_NODES, raw, "Nodes").items or ())
    if len(names) > limits.nodes:
        raise MalformedError(f"Nodes holds more than {limits.nodes} nodes")
    return names


def _victims(raw: bytes, what: str, limits: Limits, *, full: bool) -> dict[str, Victims]:
    """Victims by node; their own level (Pods, UID, NumPDBViolations) in any case, pods inside as the API has them."""
    if len(raw) > limits.victims_bytes:
        raise MalformedError(f"{what} is larger than {limits.victims_bytes} bytes")
    _refuse_twice(raw, what)
    if not full and (strict := _meta_victims(raw)) is not None:
        return strict
    if not full and len(raw) > limits.odd_body_bytes:
        raise MalformedError(f"{what} is too large to be read in a form that kube-scheduler does not write")
    by_node = _convert(_read(_UNTYPED, raw, what), dict[str, dict[str, Any] | None], what)
    return {node: _node_victims(_folded(found or {}, what), what, full=full) for node, found in by_node.items()}


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
        uids = [pod.metadata.uid for pod in _convert(pods, list[_FullVictim], what)]
    else:
        uids = [_convert(_folded(pod, what), _Uid, what).uid for pod in _convert(pods, list[dict[str, Any]], what)]
    violations = found.get("numpdbviolations")
    return Victims(tuple(uids), _convert(0 if violations is None else violations, int, what))


def _folded(members: dict[str, Any], what: str) -> dict[str, Any]:
    folded = {name.lower(): value for name, value in members.items()}
    if len(folded) < len(members):
        raise MalformedError(f"{what} has a key twice, in different case")
    return folded


def _refuse_twice(raw: bytes, what: str) -> None:
    """Refuse JSON in which a key is there twice.

    What encodes to the same bytes again has lost no key. Go writes ``&``, ``<`` and ``>`` as escapes, which the encoder
    does not, so that such pods, and pretty-printed ones, take the slower way.
    """
    if _ENCODER.encode(_read(_UNTYPED, raw, what)) == raw:
        return
    try:
        json.loads(raw, object_pairs_hook=_once, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedError(_told(error, what)) from error


def _once(pairs: Iterable[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise MalformedError("a key is there twice")
        seen.add(key)


def _refuse_constant(text: str) -> None:
    raise MalformedError(f"{text} is no JSON")


def _read(decoder: msgspec.json.Decoder[T], raw: bytes | msgspec.Raw, what: str) -> T:
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise MalformedError(_told(error, what)) from error


def _convert(value: Any, form: type[T], what: str) -> T:
    try:
        return msgspec.convert(value, form)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise MalformedError(_told(error, what)) from error


def _told(error: Exception, what: str) -> str:
    """One short line; the sender's own text in it is cut, and has no control characters."""
    if isinstance(error, RecursionError):
        return f"{what} is nested too deep"
    line = "".join(letter if letter.isprintable() else "?" for letter in str(error))
    return f"{what}: {line[:200]}"
