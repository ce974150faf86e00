"""What the releaser keeps of a node and of a pod: a few numbers, taken from the watch and let go of the rest."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from sys import intern
from typing import Final

from powerplane.adapters.node_rates import Devices, Draw, offered_devices, told_draw
from powerplane.admission.gates.gating import GATE
from powerplane.admission.planned import planned_nodes
from powerplane.admission.scope import owner_name
from powerplane.models.errors import InputError
from powerplane.models.marks import HOLD_GATE, MOVE_GATE
from powerplane.models.objects import Narrow, Node, ObjectMeta, PodSpec, PodStatus
from powerplane.models.pod_reading import (
    FINISHED,
    GatedPodSpec,
    Wish,
    readable_requests,
    room_asked,
    room_offered,
    wish_of,
)
from powerplane.models.requests import Amounts, whole_units
from powerplane.models.timestamps import parse_seconds

GRANTED_ANNOTATION: Final = "powerplane.dev/granted"
"""On a pod that was let go: ``SENT`` or ``ANYWHERE`` while watts are kept for it, else why it went without."""

SENT: Final = "headroom"
"""It was sent to nodes that have the watts, and can go to no other."""

ANYWHERE: Final = "anywhere"
"""It may go wherever its own rules let it: every node has plenty."""

HOSTNAME = "kubernetes.io/hostname"


class SeenPodStatus(PodStatus, frozen=True):
    """A pod's status with the node that it is expected on."""

    nominated_node_name: str = ""


class SeenPod(Narrow, frozen=True):
    """A pod as the watch brings it."""

    metadata: ObjectMeta
    spec: GatedPodSpec = GatedPodSpec()
    status: SeenPodStatus = SeenPodStatus()


@dataclass(frozen=True, slots=True)
class PodFact:
    """A pod that holds something, or waits for it.

    Parameters
    ----------
    uid, namespace, name, version : str
    labels : dict
        Of a pod that is not bound; empty of another.
    node : str
        Where it is bound, or has room held by a nomination while gates of moves keep it; "" for nowhere.
    priority : int
    created_s : float
        By the server's clock.
    draw : Draw
    requests : tuple of int
        Of ``ROOM``.
    gate : int
        Place of our gate among its gates; -1 where it has none.
    other_gates : int
    leaving : bool
        Its deletion has begun.
    granted : str
        What ``GRANTED_ANNOTATION`` says.
    annotated : bool
        Whether it has annotations at all.
    wish : Wish or None
        Of a pod that waits or was let go, and is not bound.
    planned : tuple of str
        Nodes that a plan wants it on.
    owner : str
        ``namespace/Kind/name`` of the workload that it is of, where it has or had our gate; else "".
    """

    uid: str
    namespace: str
    name: str
    version: str
    labels: dict[str, str]
    node: str
    priority: int
    created_s: float
    draw: Draw
    requests: tuple[int, ...]
    gate: int
    other_gates: int
    leaving: bool
    granted: str
    annotated: bool
    wish: Wish | None
    planned: tuple[str, ...] = ()
    owner: str = ""

    @property
    def waits(self) -> bool:
        """Whether it stands behind our gate."""
        return self.gate >= 0 and not self.node and not self.leaving

    @property
    def on_its_way(self) -> bool:
        """Whether it was let go and may be bound at any moment."""
        return self.gate < 0 and bool(self.granted) and not self.node


@dataclass(frozen=True, slots=True)
class NodeFact:
    """A node: what decides who may go there, its cores, what it offers of ``ROOM``, and its accelerators."""

    node: Node
    mcores: int
    offers: tuple[int, ...]
    devices: Devices = ()

    @property
    def name(self) -> str:
        """Its name."""
        return self.node.metadata.name

    @property
    def hostname(self) -> str:
        """Its hostname's label; "" where it has none."""
        return (self.node.metadata.labels or {}).get(HOSTNAME, "")


def pod_fact(pod: SeenPod) -> PodFact | None:
    """Reduce a pod; None for one that neither holds nor waits for anything."""
    meta, spec = pod.metadata, pod.spec
    if pod.status.phase in FINISHED:
        return None
    gates = [gate.name for gate in spec.scheduling_gates or ()]
    granted = (meta.annotations or {}).get(GRANTED_ANNOTATION, "")
    gate = gates.index(GATE) if GATE in gates else -1
    expected = gate < 0 and (MOVE_GATE in gates or HOLD_GATE in gates)
    node = spec.node_name or (pod.status.nominated_node_name if expected else "")
    interesting = not node and (gate >= 0 or bool(granted))
    if not node and not interesting:
        return None
    amounts = readable_requests(spec)
    return PodFact(
        uid=meta.uid,
        namespace=meta.namespace,
        name=meta.name,
        version=meta.resource_version,
        labels=meta.labels or {} if interesting else {},
        node=node,
        priority=spec.priority or 0,
        created_s=_seconds(meta.creation_timestamp),
        draw=_draw(amounts, meta.annotations),
        requests=room_asked(amounts),
        gate=gate,
        other_gates=len(gates) - (gate >= 0),
        leaving=meta.deletion_timestamp is not None,
        granted=granted,
        annotated=meta.annotations is not None,
        wish=wish_of(spec) if interesting else None,
        planned=planned_nodes(meta.annotations) if interesting else (),
        owner=intern(f"{meta.namespace}/{owner_name(meta)}") if gate >= 0 or granted else "",
    )


@dataclass(frozen=True, slots=True)
class Asks:
    """What a pod asks for that is not there yet: as of a ``PodFact``."""

    draw: Draw
    requests: tuple[int, ...]
    wish: Wish


def asks_of(spec: PodSpec, annotations: Mapping[str, str] | None) -> Asks:
    """Reduce a template of pods."""
    amounts = readable_requests(spec)
    return Asks(_draw(amounts, annotations), room_asked(amounts), wish_of(spec))


def sent_to(wish: Wish) -> Iterator[str]:
    """Hostnames that a pod's required affinity names."""
    affinity = wish.affinity.node_affinity if wish.affinity else None
    for term in affinity.required.node_selector_terms if affinity and affinity.required else ():
        for each in term.match_expressions or ():
            if each.key == HOSTNAME and each.operator == "In":
                yield from each.values or ()


def node_fact(node: Node) -> NodeFact:
    """Reduce a node; what cannot be read of it counts as nothing."""
    allocatable = node.status.allocatable or {}
    slim = Node(ObjectMeta(name=node.metadata.name, labels=node.metadata.labels), node.spec)
    offers = room_offered(allocatable)
    return NodeFact(slim, offers[0], offers, offered_devices(allocatable))


def _draw(amounts: Amounts, annotations: Mapping[str, str] | None) -> Draw:
    try:
        return told_draw(amounts, annotations)
    except InputError:
        return Draw(None, whole_units("cpu", amounts["cpu"]) if "cpu" in amounts else 0)


def _seconds(text: str | None) -> float:
    try:
        return float(parse_seconds(text or ""))
    except InputError:
        return 0.0
