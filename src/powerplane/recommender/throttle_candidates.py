"""Which pods may be held down in place, by whose leave, and how low: read from policies and pods, before any choice."""

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace

from powerplane.models.api.capping_policy import CappingPolicyObject
from powerplane.models.cpu_limits import (
    Before,
    ContainerCpu,
    Cpus,
    before_of,
    changed,
    cpu_of,
    cpus_of,
    in_place,
    qos_of,
)
from powerplane.models.errors import InputError
from powerplane.models.marks import THROTTLED_ANNOTATION
from powerplane.models.mobility import DO_NOT_DISRUPT, unmovable_reason
from powerplane.models.objects import Pod, PodSpec
from powerplane.models.requests import SIDECAR
from powerplane.models.snapshot import Snapshot
from powerplane.recommender.allowing import RELIEVING, Allowing, Leave
from powerplane.recommender.throttling import Candidate
from powerplane.recommender.trees import NO_ROOTS, Trees

SYSTEM = "kube-system"
LEFT_ALONE = frozenset(("mirror pod", "terminating", "do-not-disrupt"))
"""Reasons to stay that count here too; whatever else keeps a pod on its node does not keep it from being resized."""


@dataclass(frozen=True, slots=True)
class May:
    """That a pod may be held down: by whose leave, and whether before any pod of the policy is moved."""

    leave: Leave
    first: bool


@dataclass(frozen=True, slots=True, eq=False)
class Throttling:
    """What is known of pods that may be held down.

    Parameters
    ----------
    policies : tuple of policies
    pods : mapping
        By UID.
    shunned : set of str
        UIDs of pods that would not be resized.
    """

    policies: tuple[CappingPolicyObject, ...]
    pods: Mapping[str, Pod]
    shunned: Set[str] = field(default_factory=frozenset)

    def candidates(self, snapshot: Snapshot, trees: Trees, busy: Set[str]) -> Iterator[tuple[Candidate, May]]:
        """Return who may be held down, in the order of the snapshot.

        Parameters
        ----------
        snapshot : Snapshot
        trees : Trees
        busy : set of str
            Roots of trees in which nothing is touched.
        """
        allowed = self._allowed(snapshot)
        closed = [bool(trees.of_node.get(name, NO_ROOTS) & busy) for name in snapshot.node_names]
        table = snapshot.pods
        for row, (uid, node, template) in enumerate(
            zip(table.uids, table.node.tolist(), table.template.tolist(), strict=True)
        ):
            may, pod = allowed[template], self.pods.get(uid)
            if may is None or pod is None or node < 0 or closed[node] or uid in self.shunned:
                continue
            made = candidate_of(pod, row, node, snapshot.templates[template].priority, int(table.use_ucores[row]))
            if made is not None:
                yield replace(made, worth=snapshot.templates[template].worth), may

    def _allowed(self, snapshot: Snapshot) -> list[May | None]:
        """By template."""
        throttle = Allowing(self.policies, levers=("throttle",)).of_templates(snapshot)
        any_lever = Allowing(self.policies, levers=RELIEVING).of_templates(snapshot)
        return [
            None if leave is None else May(leave, first is not None and first.lever == "throttle")
            for leave, first in zip(throttle, any_lever, strict=True)
        ]


def candidate_of(pod: Pod, row: int, node: int, priority: int, use: int) -> Candidate | None:
    """Return a pod as one that may be held down; None where it is left alone, or its use cannot be bounded."""
    spec = pod.spec
    cpus = cpus_of(spec)
    beside = _beside(spec)
    if not cpus or beside is None or spec.resources is not None or not resizes(pod):
        return None
    if unmovable_reason(pod) in LEFT_ALONE or _is_shielded(pod):
        return None
    floors = tuple(
        each.floor if in_place(container) else None
        for container, each in zip(spec.containers, _originals(pod, cpus), strict=True)
    )
    # Of what keeps what it has, and has no limit, nobody knows how much it will use.
    unbounded = any(floor is None and each.limit is None for floor, each in zip(floors, cpus, strict=True))
    if unbounded or all(floor is None for floor in floors):
        return None
    return Candidate(row, pod.metadata.uid, node, priority, use, cpus, floors, _apart(spec, cpus), beside)


def _is_shielded(pod: Pod) -> bool:
    """Whether it is of the system, or its owner wants it left as it is, whatever else keeps it where it is."""
    annotations = pod.metadata.annotations or {}
    return pod.metadata.namespace == SYSTEM or any(annotations.get(key) == "true" for key in DO_NOT_DISRUPT)


def resizes(pod: Pod) -> bool:
    """Whether its node resizes pods in place: the API server tells by what the kubelet reports of containers."""
    statuses = pod.status.container_statuses or ()
    return pod.status.phase == "Running" and bool(statuses) and all(each.resources is not None for each in statuses)


def held_down(pod: Pod) -> Before | None:
    """What a pod had before it was held down; None for one that is not."""
    text = (pod.metadata.annotations or {}).get(THROTTLED_ANNOTATION)
    return before_of(text) if text else None


def _originals(pod: Pod, cpus: Cpus) -> Cpus:
    before = held_down(pod)
    return cpus if before is None else changed(cpus, before.cpus)


def _beside(spec: PodSpec) -> int | None:
    """What sidecars may use; None where one has no limit, or none that can be read."""
    sidecars = [each for each in spec.init_containers or () if each.restart_policy == SIDECAR]
    found = [cpu_of(each.name, each.resources) for each in sidecars]
    return None if any(each is None or each.limit is None for each in found) else sum(_limits(found))


def _limits(cpus: Iterable[ContainerCpu | None]) -> Iterator[int]:
    return (each.limit for each in cpus if each is not None and each.limit is not None)


def _apart(spec: PodSpec, cpus: Cpus) -> bool:
    """Whether a pod that is not Guaranteed would be so if its containers' limits were what they request."""
    try:
        even = tuple(ContainerCpu(each.container, each.request, each.request) for each in cpus)
        return qos_of(spec) != "Guaranteed" and qos_of(spec, even) == "Guaranteed"
    except InputError:
        return True
