"""Claims and volumes: from where the volumes that a pod uses can be reached."""

from collections.abc import Iterable
from dataclasses import dataclass

from powerplane.models.objects import NodeSelector, PersistentVolume, PersistentVolumeClaim, Pod


@dataclass(frozen=True, slots=True)
class PodVolumes:
    """What a pod's claims say about where it can run.

    Parameters
    ----------
    selectors : tuple of NodeSelector
        One for each bound volume that not every node reaches; all must hold.
    waiting : bool
        A claim has no volume yet.
    unknown : bool
        A claim, or its volume, is not among the objects, so nothing is known of where it can be reached.
    """

    selectors: tuple[NodeSelector, ...] = ()
    waiting: bool = False
    unknown: bool = False


NO_VOLUMES = PodVolumes()


class VolumeBook:
    """Looks up the claims of pods."""

    def __init__(self, volumes: Iterable[PersistentVolume], claims: Iterable[PersistentVolumeClaim]) -> None:
        self._selectors = {volume.metadata.name: _required(volume) for volume in volumes}
        self._bound = {
            (claim.metadata.namespace, claim.metadata.name): claim.spec.volume_name or "" for claim in claims
        }

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
        bound = [self._bound.get((namespace, name)) for name in names]
        selectors = [self._selectors.get(volume) for volume in bound if volume in self._selectors]
        return PodVolumes(
            selectors=tuple(selector for selector in selectors if selector is not None),
            waiting="" in bound,
            unknown=any(volume is None or (volume and volume not in self._selectors) for volume in bound),
        )


def _required(volume: PersistentVolume) -> NodeSelector | None:
    return volume.spec.node_affinity.required if volume.spec.node_affinity else None
