"""Claims and volumes: from where the volumes that a pod uses can be reached.

Kubernetes API reference, core/v1 PersistentVolumeClaim and PersistentVolume; the zone labels of volumes as the
scheduler's VolumeZone filter reads them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from powerplane.models.objects import (
    NodeSelector,
    NodeSelectorTerm,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
    Requirement,
)

NOWHERE = NodeSelector()
"""Chooses no node: from where a volume can be reached that is not there yet."""

UNREADY = ("Pending", "Lost")
"""Phases of claims whose volume cannot be used."""

ONE_POD_AT_A_TIME = "ReadWriteOncePod"

OLD_ZONE_KEYS = {
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
}
ZONE_KEYS = (*OLD_ZONE_KEYS, *OLD_ZONE_KEYS.values())
ZONE_SEPARATOR = "__"


@dataclass(frozen=True, slots=True)
class PodVolumes:
    """What a pod's claims say about where it can run.

    Parameters
    ----------
    selectors : tuple of NodeSelector
        One for each bound volume that not every node reaches, ``NOWHERE`` for one that waits; all must hold.
    waiting : bool
        A claim has no usable volume yet, or is not there.
    unknown : bool
        Claims, or volumes, were not listed, so nothing is known of where they can be reached.
    exclusive : tuple of str
        Claims that one pod at a time may use (ReadWriteOncePod), sorted.
    """

    selectors: tuple[NodeSelector, ...] = ()
    waiting: bool = False
    unknown: bool = False
    exclusive: tuple[str, ...] = ()


NO_VOLUMES = PodVolumes()


class VolumeBook:
    """Looks up the claims of pods. A list without any entry is taken for one that was not read."""

    def __init__(self, volumes: Iterable[PersistentVolume], claims: Iterable[PersistentVolumeClaim]) -> None:
        self._selectors = {volume.metadata.name: _reachable(volume) for volume in volumes}
        self._claims = {(claim.metadata.namespace, claim.metadata.name): claim for claim in claims}

    def of(self, pod: Pod) -> PodVolumes:
        """Return what a pod's claims say; a generic ephemeral volume's claim is named after pod and volume."""
        names = [
            volume.persistent_volume_claim.claim_name
            if volume.persistent_volume_claim
            else f"{pod.metadata.name}-{volume.name}"
            for volume in pod.spec.volumes or ()
            if volume.persistent_volume_claim or volume.ephemeral is not None
        ]
        return self._resolve(pod.metadata.namespace, names) if names else NO_VOLUMES

    def _resolve(self, namespace: str, names: list[str]) -> PodVolumes:
        found = [self._claims.get((namespace, name)) for name in names]
        selectors = [self._selectors_of(claim) for claim in found]
        exclusive = {
            claim.metadata.name for claim in found if claim and ONE_POD_AT_A_TIME in (claim.spec.access_modes or ())
        }
        known = tuple(selector for each in selectors if each is not None for selector in each)
        return PodVolumes(
            selectors=known,
            waiting=NOWHERE in known,
            unknown=None in selectors,
            exclusive=tuple(sorted(exclusive)),
        )

    def _selectors_of(self, claim: PersistentVolumeClaim | None) -> tuple[NodeSelector, ...] | None:
        """From where a claim's volume can be reached; None where nothing is known of it."""
        if claim is None:
            return (NOWHERE,) if self._claims else None
        volume = claim.spec.volume_name
        if not volume or claim.status.phase in UNREADY:
            return (NOWHERE,)
        return self._selectors.get(volume, (NOWHERE,) if self._selectors else None)


def _reachable(volume: PersistentVolume) -> tuple[NodeSelector, ...]:
    required = volume.spec.node_affinity.required if volume.spec.node_affinity else None
    return tuple(one for one in (required, _zones(volume)) if one is not None)


def _zones(volume: PersistentVolume) -> NodeSelector | None:
    """Ensures that a volume with zone labels is used from its zones only, or from a node that names no zone at all."""
    labels = volume.metadata.labels or {}
    choices = [_in_zone(key, values) for key in ZONE_KEYS if (values := _zone_values(labels.get(key, "")))]
    if not choices:
        return None
    nameless = tuple(Requirement(key, "DoesNotExist") for key in ZONE_KEYS)
    either = [nameless, *(tuple(part for parts in chosen for part in parts) for chosen in product(*choices))]
    return NodeSelector(tuple(NodeSelectorTerm(match_expressions=expressions) for expressions in either))


def _zone_values(value: str) -> tuple[str, ...]:
    """The zones of a label's value; none where a part of it is empty, which the scheduler passes over."""
    zones = sorted({zone.strip() for zone in value.split(ZONE_SEPARATOR)})
    return tuple(zones) if all(zones) else ()


def _in_zone(key: str, zones: tuple[str, ...]) -> list[tuple[Requirement, ...]]:
    """Ways in which a node is in a volume's zone: by the same label or, where it lacks an old one, by its heir."""
    same = (Requirement(key, "In", zones),)
    heir = OLD_ZONE_KEYS.get(key)
    return [same] if heir is None else [same, (Requirement(key, "DoesNotExist"), Requirement(heir, "In", zones))]
