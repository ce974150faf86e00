"""What the extender keeps of a pod and of a node: a few numbers, taken from the watch and let go of the rest."""

from collections.abc import Mapping
from dataclasses import dataclass
from sys import intern

from powerplane.adapters.node_rates import Draw, told_draw
from powerplane.models.errors import InputError
from powerplane.models.mobility import is_its_nodes_own
from powerplane.models.objects import Container, Narrow, OwnerReference, PodSpec, RawQuantity, ResourceRequirements
from powerplane.models.pod_reading import FINISHED, UNSCHEDULABLE, SeenCondition
from powerplane.models.pod_watts import WattsNote, larger_watts, least_watts_of, noted_watts
from powerplane.models.quantities import parse_quantity
from powerplane.models.requests import FIRST_RESOURCES, WATTS_RESOURCE, pod_requests, whole_units
from powerplane.models.usage import is_gpu

MW = 1000
MCORES = 1000
PLAIN = {*FIRST_RESOURCES, WATTS_RESOURCE}
UNREADABLE_MW = 10**10
"""What a pod counts as whose requests cannot be read: 10 MW, so that it fits nowhere rather than everywhere."""


class SlimMeta(Narrow, frozen=True):
    """Who an object is, without labels, and of its annotations the watts alone."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    deletion_timestamp: str | None = None
    owner_references: tuple[OwnerReference, ...] | None = None
    annotations: WattsNote | None = None


class PodCondition(SeenCondition, frozen=True):
    """A condition of a pod's status, and what it says."""

    message: str = ""


class SeenPodStatus(Narrow, frozen=True):
    """How far the pod is."""

    phase: str = ""
    nominated_node_name: str = ""
    conditions: tuple[PodCondition, ...] | None = None


class SlimPodSpec(Narrow, frozen=True):
    """What a pod asks for, and where it is."""

    node_name: str = ""
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] | None = None
    overhead: dict[str, RawQuantity] | None = None
    resources: ResourceRequirements | None = None
    priority: int | None = None


class SeenPod(Narrow, frozen=True):
    """A pod as the watch brings it."""

    metadata: SlimMeta
    spec: SlimPodSpec = SlimPodSpec()
    status: SeenPodStatus = SeenPodStatus()


class SeenNodeMeta(Narrow, frozen=True):
    """A node's name and labels."""

    name: str = ""
    labels: dict[str, str] | None = None


class SeenNodeStatus(Narrow, frozen=True):
    """What a node offers."""

    allocatable: dict[str, str | int | float] | None = None


class SeenNode(Narrow, frozen=True):
    """A node as the watch brings it."""

    metadata: SeenNodeMeta
    status: SeenNodeStatus = SeenNodeStatus()


@dataclass(frozen=True, slots=True)
class PodFact:
    """A pod.

    Parameters
    ----------
    uid, namespace, name : str
    node : str
        Where it is bound; "" while it waits.
    nominated : str
        Where it is expected; "" if nowhere.
    demand : Draw
    priority : int
    finished : bool
        It holds nothing any more.
    leaving : bool
        Its deletion has begun.
    refusal : str
        What the scheduler said when it last found no node; "" where it has not. It stands there through later attempts.
    version : int
        Its resourceVersion; larger is newer.
    owner : str
        UID of its controller; "" for a bare pod.
    own : bool
        Its node's own: of a DaemonSet, or a static pod.
    """

    uid: str
    namespace: str
    name: str
    node: str
    nominated: str
    demand: Draw
    priority: int
    finished: bool
    leaving: bool
    refusal: str
    version: int
    owner: str
    own: bool


@dataclass(frozen=True, slots=True)
class NodeFact:
    """A node: name, labels, cores, and the accelerators that it offers."""

    name: str
    labels: tuple[tuple[str, str], ...]
    mcores: int
    devices: tuple[tuple[str, RawQuantity], ...] = ()


def pod_fact(pod: SeenPod) -> PodFact:
    """Reduce a pod."""
    meta, spec, status = pod.metadata, pod.spec, pod.status
    # Texts that many pods share are kept once: of 100,000 pods that is half of the memory.
    return PodFact(
        uid=meta.uid,
        namespace=intern(meta.namespace),
        name=meta.name,
        node=intern(spec.node_name),
        nominated=status.nominated_node_name,
        demand=demand_of(spec, meta.annotations),
        priority=spec.priority or 0,
        finished=status.phase in FINISHED,
        leaving=meta.deletion_timestamp is not None,
        refusal=refusal_of(status.conditions),
        version=version_of(meta.resource_version),
        owner=intern(owner_of(meta.owner_references)),
        own=is_its_nodes_own(meta.owner_references),
    )


def node_fact(node: SeenNode) -> NodeFact:
    """Reduce a node."""
    labels = tuple(sorted((node.metadata.labels or {}).items()))
    allocatable = node.status.allocatable or {}
    cpu = allocatable.get("cpu", 0)
    try:
        mcores = whole_units("cpu", parse_quantity(cpu))
    except InputError:
        mcores = 0
    devices = tuple((resource, amount) for resource, amount in allocatable.items() if is_gpu(resource))
    return NodeFact(node.metadata.name, labels, mcores, devices)


def demand_of(spec: PodSpec | SlimPodSpec, annotations: Mapping[str, str] | WattsNote | None) -> Draw:
    """What a pod's requests and annotation say of its draw; garbage counts as more than any node may draw."""
    plain = _plain(spec)
    try:
        if plain is not None:
            watts = larger_watts(plain[0], noted_watts(annotations)) or 0
            if watts >= least_watts_of(plain[1]):
                return Draw(watts * MW)
        return told_draw(pod_requests(_as_spec(spec)), annotations)
    except InputError:
        return Draw(UNREADABLE_MW)


def owner_of(references: tuple[OwnerReference, ...] | None) -> str:
    """UID of the controller among an object's owners; "" where it has none."""
    return next((each.uid for each in references or () if each.controller), "")


def version_of(text: str) -> int:
    """A resourceVersion as a number: of one kind of object they can be compared (KEP-5504); 0 where it is none."""
    return int(text) if text.isascii() and text.isdigit() else 0


def _plain(spec: PodSpec | SlimPodSpec) -> tuple[int, int] | None:
    """Watts and milli-cores of the plainest pod, whose containers write whole numbers of the plainest resources.

    These are nearly all pods, at a tenth of the cost.
    """
    if spec.init_containers or spec.overhead or spec.resources:
        return None
    total, mcores, found = 0, 0, False
    for container in spec.containers:
        if container.resources is None:
            continue
        requests, limits = container.resources.requests or {}, container.resources.limits
        # What is limited alone is requested, too.
        if not requests.keys() <= PLAIN or (limits and not limits.keys() <= requests.keys()):
            return None
        text, cores = requests.get(WATTS_RESOURCE), _plain_mcores(requests.get("cpu", "0"))
        if cores is None:
            return None
        mcores += cores
        if text is None:
            continue
        if not isinstance(text, str) or not (text.isascii() and text.isdigit() and len(text) <= 9):
            return None
        total, found = total + int(text), True
    return (total, mcores) if found else None


def _plain_mcores(text: RawQuantity) -> int | None:
    """Milli-cores of ``2`` or ``500m``."""
    if not isinstance(text, str) or len(text) > 9:
        return None
    number, each = (text[:-1], 1) if text[-1:] == "m" else (text, MCORES)
    return int(number) * each if number.isascii() and number.isdigit() else None


def _as_spec(spec: PodSpec | SlimPodSpec) -> PodSpec:
    if isinstance(spec, PodSpec):
        return spec
    return PodSpec(
        containers=spec.containers,
        init_containers=spec.init_containers,
        overhead=spec.overhead,
        resources=spec.resources,
    )


def refusal_of(conditions: tuple[PodCondition, ...] | None) -> str:
    """What the scheduler said when it last found no node for a pod; "" where it has not."""
    for each in conditions or ():
        if each.refuses:
            return each.message or UNSCHEDULABLE
    return ""
