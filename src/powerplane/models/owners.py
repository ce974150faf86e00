"""Owners: the topmost object that stands behind a pod, as far as the objects at hand tell."""

from collections.abc import Iterable
from sys import intern

from powerplane.models.mobility import controller_of
from powerplane.models.objects import Pod, ReplicaSet


class OwnerBook:
    """Looks up the owners of pods."""

    def __init__(self, replica_sets: Iterable[ReplicaSet]) -> None:
        self._above: dict[tuple[str, str], str] = {}
        for replica_set in replica_sets:
            meta = replica_set.metadata
            if owner := controller_of(meta.owner_references):
                self._above[meta.namespace, meta.name] = intern(f"{owner.kind}/{owner.name}")

    def of(self, pod: Pod) -> str:
        """Return ``Kind/name`` of the topmost known owner, "" for a bare pod."""
        owner = controller_of(pod.metadata.owner_references)
        if owner is None:
            return ""
        itself = f"{owner.kind}/{owner.name}"
        return self._above.get((pod.metadata.namespace, owner.name), itself) if owner.kind == "ReplicaSet" else itself
