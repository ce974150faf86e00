"""Pods and nodes as the watches bring them, and what is kept of each."""

from functools import lru_cache

from powerplane.actuator.facts import Amounts, NodeFact, PodFact
from powerplane.models.api.kinds import PLACEMENT_PLAN
from powerplane.models.cpu_limits import Cpus, cpu_of, cpus_of
from powerplane.models.errors import InputError
from powerplane.models.marks import (
    HOLD_FOR_ANNOTATION,
    HOLD_LABEL,
    OWN_NAMESPACE,
    THROTTLED_ANNOTATION,
)
from powerplane.models.mobility import controller_of, unmovable_reason
from powerplane.models.objects import Narrow, Node, ObjectMeta, Pod, PodSpec, PodStatus
from powerplane.models.quantities import LARGEST, parse_quantity
from powerplane.models.requests import Amounts as Exact
from powerplane.models.requests import pod_requests, whole_units
from powerplane.models.sleeping import is_closed
from powerplane.models.surge import detached_from, why_no_surge
from powerplane.models.timestamps import parse_seconds

FINISHED = ("Succeeded", "Failed")
RESIZE_CONDITIONS = ("PodResizePending", "PodResizeInProgress")


class SeenGate(Narrow, frozen=True):
    """A scheduling gate."""

    name: str = ""


class SeenSpec(PodSpec, frozen=True):
    """A pod's spec with its gates."""

    scheduling_gates: tuple[SeenGate, ...] | None = None


class SeenCondition(Narrow, frozen=True):
    """A condition of a pod."""

    type: str = ""
    status: str = ""
    reason: str = ""


class SeenStatus(PodStatus, frozen=True):
    """A pod's status with its conditions, and where it is nominated to."""

    conditions: tuple[SeenCondition, ...] | None = None
    nominated_node_name: str = ""


class SeenPod(Narrow, frozen=True):
    """A pod as the watch brings it."""

    metadata: ObjectMeta
    spec: SeenSpec = SeenSpec()
    status: SeenStatus = SeenStatus()


def pod_fact(pod: SeenPod) -> PodFact:
    """Reduce a pod."""
    meta, spec, status = pod.metadata, pod.spec, pod.status
    owner = controller_of(meta.owner_references)
    holds = meta.namespace == OWN_NAMESPACE and HOLD_LABEL in (meta.labels or {})
    leaving = meta.deletion_timestamp is not None
    return PodFact(
        uid=meta.uid,
        namespace=meta.namespace,
        name=meta.name,
        node=spec.node_name,
        nominated=status.nominated_node_name,
        owner=owner.uid if owner else "",
        owner_kind=owner.kind if owner else "",
        created_s=_seconds(meta.creation_timestamp),
        labels=_shared(tuple(sorted((meta.labels or {}).items()))),
        gates=tuple(gate.name for gate in spec.scheduling_gates or ()),
        requests=_shared_amounts(_requests(spec)),
        priority=spec.priority or 0,
        ready=any(each.type == "Ready" and each.status == "True" for each in status.conditions or ()),
        leaving=leaving,
        finished=status.phase in FINISHED,
        stays="" if leaving else unmovable_reason(Pod(meta, spec, status)),
        hold_of=_plan_of(meta) if holds else "",
        hold_for=(meta.annotations or {}).get(HOLD_FOR_ANNOTATION, "") if holds else "",
        surges=not why_no_surge(meta, spec),
        detached=_detached(meta),
        cpus=_shared_cpus(cpus_of(spec)),
        given=_shared_cpus(given_to(status)),
        throttled=(meta.annotations or {}).get(THROTTLED_ANNOTATION, ""),
        resize=_resize_of(status),
        version=meta.resource_version,
    )


def node_fact(node: Node) -> NodeFact:
    """Reduce a node; an amount that cannot be read counts as nothing."""
    ready = any(each.type == "Ready" and each.status == "True" for each in node.status.conditions or ())
    usable = ready and not node.spec.unschedulable and not is_closed(node)
    offers = ((name, _units(name, text)) for name, text in (node.status.allocatable or {}).items())
    return NodeFact(node.metadata.name, usable, tuple(sorted(offers)))


def _detached(meta: ObjectMeta) -> str:
    """What says that a pod was taken out of its ReplicaSet; a pod that has the label has been given back."""
    found = detached_from(meta)
    return found.told() if found is not None else ""


def given_to(status: PodStatus) -> Cpus:
    """Return the CPU that containers have, by their kubelet; none where it does not say so of all of them."""
    statuses = status.container_statuses or ()
    found = [cpu_of(each.name, each.resources) for each in statuses if each.resources is not None]
    return tuple(each for each in found if each is not None) if len(found) == len(statuses) else ()


def _resize_of(status: SeenStatus) -> str:
    """Why a resize is not done: KEP-1287's conditions PodResizePending and PodResizeInProgress."""
    told = (each for each in status.conditions or () if each.type in RESIZE_CONDITIONS and each.status == "True")
    return next((each.reason for each in told if each.reason), "")


def _plan_of(meta: ObjectMeta) -> str:
    owners = meta.owner_references or ()
    return next((each.name for each in owners if each.kind == PLACEMENT_PLAN.name), "")


def _requests(spec: PodSpec) -> Amounts:
    """Requests; none where they cannot be read: the API server lets no such pod through."""
    try:
        exact: Exact = pod_requests(spec)
        return tuple(sorted((name, whole_units(name, amount)) for name, amount in exact.items()))
    except InputError:
        return ()


def _units(resource: str, text: object) -> int:
    try:
        amount = parse_quantity(text if isinstance(text, str | int | float) else "")
        return max(0, min(whole_units(resource, amount), LARGEST))
    except InputError:
        return 0


def _seconds(text: str | None) -> float:
    try:
        return float(parse_seconds(text or ""))
    except InputError:
        return 0.0


@lru_cache(maxsize=1 << 14)
def _shared(pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Pods of one owner share what is alike."""
    return pairs


@lru_cache(maxsize=1 << 12)
def _shared_amounts(amounts: Amounts) -> Amounts:
    return amounts


@lru_cache(maxsize=1 << 14)
def _shared_cpus(cpus: Cpus) -> Cpus:
    return cpus
