"""Pod templates: pods that Kubernetes would treat alike, told apart once and then shared.

A template's key is the pod's spec without what differs from replica to replica (its node, the random names of its
volumes), with what its volumes, owner and annotations amount to.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import blake2b

import msgspec

from powerplane.models.mobility import unmovable_reason
from powerplane.models.objects import (
    Affinity,
    Pod,
    PodAffinity,
    PodSpec,
    PriorityClass,
    TopologySpreadConstraint,
)
from powerplane.models.owners import OwnerBook
from powerplane.models.requests import SIDECAR, claims_devices, held_beyond, pod_requests, whole_units
from powerplane.models.snapshot import PodTemplate
from powerplane.models.volumes import NOWHERE, PodVolumes, VolumeBook

BUILT_IN_PRIORITIES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
EVERY_ADDRESS = "0.0.0.0"


@dataclass(frozen=True, slots=True)
class Draft:
    """A template whose requests are still by name, because the snapshot's resources are not known yet.

    Parameters
    ----------
    template : PodTemplate
        Without requests.
    units : dict of int by resource
        Requests in the snapshot's units.
    unknown_volume, unknown_priority : bool
        Whether something that the pods refer to was not among the objects.
    """

    template: PodTemplate
    units: dict[str, int]
    unknown_volume: bool
    unknown_priority: bool


class TemplateBook:
    """Collects the templates of pods, in the order in which they are first seen."""

    def __init__(self, owners: OwnerBook, volumes: VolumeBook, priority_classes: Iterable[PriorityClass] = ()) -> None:
        self.drafts: list[Draft] = []
        self._owners = owners
        self._volumes = volumes
        self._priorities = _priorities(priority_classes)
        self._rows: dict[bytes, int] = {}
        self._encoder = msgspec.json.Encoder(order="deterministic")

    def row_of(self, pod: Pod) -> int:
        """Return the row of a pod's template, which is drafted when it is new.

        Raises
        ------
        InputError
            For a request that cannot be used.
        """
        owner = self._owners.of(pod)
        volumes = self._volumes.of(pod)
        unmovable = unmovable_reason(pod, waits_for_volume=volumes.waiting)
        key = self._key(pod, owner, volumes, unmovable)
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = len(self.drafts)
            self.drafts.append(self._draft(pod, owner, volumes, unmovable))
        return row

    def _key(self, pod: Pod, owner: str, volumes: PodVolumes, unmovable: str) -> bytes:
        spec = msgspec.structs.replace(pod.spec, node_name="", volumes=None)
        going = pod.metadata.deletion_timestamp is not None
        held = held_beyond(pod.spec, pod.status)
        parts = (pod.metadata.namespace, owner, unmovable, going, volumes, pod.metadata.labels, spec, held)
        return blake2b(self._encoder.encode(parts), digest_size=16).digest()

    def _draft(self, pod: Pod, owner: str, volumes: PodVolumes, unmovable: str) -> Draft:
        spec = pod.spec
        priority = spec.priority if spec.priority is not None else self._priorities.get(spec.priority_class_name)
        template = PodTemplate(
            namespace=pod.metadata.namespace,
            owner=owner,
            labels=_sorted(pod.metadata.labels),
            requests=(),
            priority=priority or 0,
            node_selector=_sorted(spec.node_selector),
            affinity=required_affinity(spec.affinity),
            tolerations=spec.tolerations or (),
            spread=required_spread(spec),
            host_ports=host_ports(spec),
            volume_selectors=volumes.selectors + ((NOWHERE,) if claims_devices(spec) else ()),
            unmovable=unmovable,
            terminating=pod.metadata.deletion_timestamp is not None,
            exclusive_claims=volumes.exclusive,
        )
        amounts = pod_requests(spec, held_beyond(spec, pod.status))
        units = {resource: whole_units(resource, amount) for resource, amount in amounts.items()}
        return Draft(template, units, volumes.unknown, priority is None and bool(spec.priority_class_name))


def extra_resources(drafts: Iterable[Draft], known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the sorted resources that any template requests, beyond the known ones."""
    return tuple(sorted({resource for draft in drafts for resource in draft.units} - set(known)))


def with_requests(draft: Draft, resources: tuple[str, ...]) -> PodTemplate:
    """Return the template with its requests in the snapshot's units."""
    return replace(draft.template, requests=tuple(draft.units.get(resource, 0) for resource in resources))


def required_affinity(affinity: Affinity | None) -> Affinity | None:
    """Return the affinity without empty parts; None where nothing is required."""
    if affinity is None:
        return None
    node = affinity.node_affinity if affinity.node_affinity and affinity.node_affinity.required else None
    near, far = _required_terms(affinity.pod_affinity), _required_terms(affinity.pod_anti_affinity)
    return Affinity(node, near, far) if node or near or far else None


def required_spread(spec: PodSpec) -> tuple[TopologySpreadConstraint, ...]:
    """Return the spread constraints that forbid a place, not those that only prefer another."""
    return tuple(c for c in spec.topology_spread_constraints or () if c.when_unsatisfiable == "DoNotSchedule")


def host_ports(spec: PodSpec) -> tuple[tuple[str, str, int], ...]:
    """Return (protocol, address, port) of what containers and sidecars bind on the node, sorted."""
    sidecars = (container for container in spec.init_containers or () if container.restart_policy == SIDECAR)
    ports = (port for container in (*spec.containers, *sidecars) for port in container.ports or ())
    return tuple(
        sorted({(port.protocol, port.host_ip or EVERY_ADDRESS, port.host_port) for port in ports if port.host_port})
    )


def _required_terms(affinity: PodAffinity | None) -> PodAffinity | None:
    return affinity if affinity and affinity.required else None


def _sorted(labels: dict[str, str] | None) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items())) if labels else ()


def _priorities(classes: Iterable[PriorityClass]) -> dict[str, int]:
    """Priorities by class name; "" stands for the global default."""
    listed = tuple(classes)
    default = next((entry.value for entry in listed if entry.global_default), 0)
    return BUILT_IN_PRIORITIES | {entry.metadata.name: entry.value for entry in listed} | {"": default}
