"""The cluster's objects as the watches last showed them: what snapshots, trees and plans in course are made of."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from powerplane.adapters.cluster_kinds import KINDS
from powerplane.adapters.watch import Batch, Watched
from powerplane.models.api.capping_policy import (
    CappingPolicyObject,
    ClusterPowerCappingPolicyObject,
    PowerCappingPolicyObject,
)
from powerplane.models.api.kinds import CAPPING_POLICY, CLUSTER_CAPPING_POLICY, PLACEMENT_PLAN, POWER_DOMAIN
from powerplane.models.api.placement_plan import PlacementPlanObject
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.build import ClusterObjects
from powerplane.models.marks import OWN_NAMESPACE, STOP_ANNOTATION
from powerplane.models.objects import (
    Namespace,
    Narrow,
    Node,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
    PodDisruptionBudget,
    PriorityClass,
    ReplicaSet,
)
from powerplane.models.plain import printable

STRUCTS: dict[str, type[Narrow]] = {
    "nodes": Node,
    "pods": Pod,
    "namespaces": Namespace,
    "persistentvolumes": PersistentVolume,
    "persistentvolumeclaims": PersistentVolumeClaim,
    "poddisruptionbudgets": PodDisruptionBudget,
    "priorityclasses": PriorityClass,
    "replicasets": ReplicaSet,
}
"""Kinds that a snapshot is made of."""

OURS = (POWER_DOMAIN, CLUSTER_CAPPING_POLICY, CAPPING_POLICY, PLACEMENT_PLAN)
TELLING = frozenset(("namespaces", *(kind.plural for kind in OURS)))
"""Kinds of which a change is looked at soon; of the others the next look is early enough."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Everything at one moment.

    Parameters
    ----------
    cluster : ClusterObjects
    domains, policies, plans : tuples
        Ours; ``policies`` are of both kinds.
    stopped : str or None
        Why everything is to stand still; None where it is not.
    """

    cluster: ClusterObjects
    domains: tuple[PowerDomainObject, ...] = ()
    policies: tuple[CappingPolicyObject, ...] = ()
    plans: tuple[PlacementPlanObject, ...] = ()
    stopped: str | None = None

    @property
    def cluster_policies(self) -> tuple[ClusterPowerCappingPolicyObject, ...]:
        """Policies that racks may have."""
        return tuple(each for each in self.policies if isinstance(each, ClusterPowerCappingPolicyObject))


class Books:
    """Shelves by kind, filled on the watches' threads.

    Parameters
    ----------
    namespace : str
        Ours.
    changed : callable
        Called after a change that is to be looked at soon.
    """

    def __init__(self, namespace: str, changed: Callable[[], None] = lambda: None) -> None:
        self._namespace = namespace
        self._changed = changed
        self._lock = threading.Lock()
        self._shelves: dict[str, dict[tuple[str, str], Any]] = {}

    def sink(self, shelf: str) -> Callable[[Batch[Any]], None]:
        """Return what takes in batches of a kind, which is known by its plural."""
        kept = self._shelves.setdefault(shelf, {})

        def take(batch: Batch[Any]) -> None:
            with self._lock:
                if batch.replace:
                    kept.clear()
                for what, each in batch.changes:
                    key = (each.metadata.namespace, each.metadata.name)
                    kept.pop(key, None)
                    if what != "DELETED":
                        kept[key] = each
            if shelf in TELLING:
                self._changed()

        return take

    def seen(self) -> Seen:
        """Return everything as it is now."""
        with self._lock:
            all_of = {shelf: tuple(kept.values()) for shelf, kept in self._shelves.items()}
            namespaces = self._shelves.get("namespaces", {})
            # `powerplane stop` marks PowerPlane's own unless told another: neither mark may go unheard.
            own = [namespaces.get(("", name)) for name in (OWN_NAMESPACE, self._namespace)]
        said = [(each.metadata.annotations or {}).get(STOP_ANNOTATION) for each in own if each is not None]
        policies: list[CappingPolicyObject] = [
            *_of(all_of, CLUSTER_CAPPING_POLICY.plural, ClusterPowerCappingPolicyObject),
            *_of(all_of, CAPPING_POLICY.plural, PowerCappingPolicyObject),
        ]
        return Seen(
            cluster=ClusterObjects(
                nodes=tuple(each for each in all_of.get("nodes", ()) if each.metadata.name),
                pods=all_of.get("pods", ()),
                pod_disruption_budgets=all_of.get("poddisruptionbudgets", ()),
                priority_classes=all_of.get("priorityclasses", ()),
                replica_sets=all_of.get("replicasets", ()),
                namespaces=all_of.get("namespaces", ()),
                persistent_volumes=all_of.get("persistentvolumes", ()),
                persistent_volume_claims=all_of.get("persistentvolumeclaims", ()),
            ),
            domains=_of(all_of, POWER_DOMAIN.plural, PowerDomainObject),
            policies=tuple(policies),
            plans=_of(all_of, PLACEMENT_PLAN.plural, PlacementPlanObject),
            stopped=next((printable(reason) for reason in said if reason is not None), None),
        )


def watched() -> list[tuple[str, Watched[Any]]]:
    """Return what is watched, by shelf."""
    kinds = {kind.file: kind for kind in KINDS}
    found: list[tuple[str, Watched[Any]]] = [
        (file, Watched(kinds[file].path, kinds[file].kind, struct)) for file, struct in STRUCTS.items()
    ]
    return [*found, *((kind.plural, Watched(kind.list_path, kind.name, kind.struct)) for kind in OURS)]


def _of(all_of: dict[str, tuple[Any, ...]], shelf: str, struct: type[Any]) -> tuple[Any, ...]:
    return tuple(each for each in all_of.get(shelf, ()) if isinstance(each, struct))
