"""Pods that come in place of moved ones: they are drawn to the nodes that a plan names, and held until they are told.

A preferred affinity is soft: where the target cannot take the pod any more, it goes where any pod may, and once it runs
nothing of it counts. A controller's successors are told apart by nobody before they have a node, so that each is drawn
to all targets of its controller's open moves, and the scheduler's own accounts part them; a StatefulSet's pod, and a
bare one, is drawn to its own.

A plan that an actuator carries out needs more: its moves' successors wait behind a gate until each is nominated to its
node, so that none is bound before. The affinity stays for whoever is let go unnominated.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from powerplane.admission.patch import Patch
from powerplane.models.api.placement_plan import PlacementPlanObject, PlannedMove
from powerplane.models.errors import InputError
from powerplane.models.timestamps import parse_seconds

Json = dict[str, Any]
Key = tuple[str, str]

PLANNED_ANNOTATION: Final = "powerplane.dev/planned-nodes"
"""Set on new pods by the webhook alone: names of nodes, parted by commas. The gate's releaser reads it."""

HEAVIEST: Final = 100
"""The greatest weight of a preference that there is."""

MOST_TARGETS: Final = 16
OVER = ("Done", "Failed", "Expired", "Stopped")
"""Phases of a plan that steers nothing any more."""

RUNNING: Final = "Running"
RESOLVED: Final = ("Bound", "Ready", "Done", "RolledBack", "Failed", "Skipped")
"""Steps of a move whose successor is there, or is not waited for."""

MIGRATE: Final = "migrate"
STATEFUL_SET: Final = "StatefulSet"


@dataclass(frozen=True, slots=True)
class Targets:
    """Nodes by who is to come there; immutable.

    Parameters
    ----------
    by_owner : mapping of (namespace, UID) to names of nodes
        By the controller of pods that leave.
    by_name : mapping of (namespace, name) to name of a node
        By the pod that leaves.
    until_s : float
        When the first of these plans ends, Unix time; infinite for never.
    held_owners, held_names : frozenset of (namespace, UID) and of (namespace, name)
        Whose next pods wait until an actuator has told them their node.
    """

    by_owner: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)
    by_name: Mapping[Key, str] = field(default_factory=dict)
    until_s: float = float("inf")
    held_owners: frozenset[Key] = frozenset()
    held_names: frozenset[Key] = frozenset()

    def holds(self, namespace: str, name: str, owner: str) -> bool:
        """Whether a new pod is to wait until it is told its node; parameters as of ``nodes_for``."""
        named = bool(name) and (namespace, name) in self.held_names
        return named or (bool(owner) and (namespace, owner) in self.held_owners)

    def nodes_for(self, namespace: str, name: str, owner: str) -> tuple[str, ...]:
        """Nodes that a new pod is to be drawn to.

        Parameters
        ----------
        namespace, name : str
            The name may be empty.
        owner : str
            UID of its controller; "" for a bare pod.
        """
        own = self.by_name.get((namespace, name)) if name else None
        if own is not None:
            return (own,)
        return self.by_owner.get((namespace, owner), ()) if owner else ()


def targets_of(plans: Iterable[PlacementPlanObject], now_s: float) -> Targets:
    """Return where the open plans of a moment (Unix time) want whose successors."""
    by_owner: dict[Key, dict[str, None]] = {}
    by_name: dict[Key, str] = {}
    until_s = float("inf")
    held: list[PlannedMove] = []
    for plan in plans:
        ends_s = _end(plan)
        if ends_s <= now_s or (plan.status is not None and plan.status.phase in OVER):
            continue
        until_s = min(until_s, ends_s)
        unresolved = _unresolved(plan)
        for move in (each for each in unresolved if each.to):
            if move.owner_uid:
                by_owner.setdefault((move.namespace, move.owner_uid), {})[move.to] = None
            by_name[(move.namespace, move.pod)] = move.to
        if plan.status is not None and plan.status.phase == RUNNING:
            held += [move for move in unresolved if move.lever == MIGRATE]
    few = {key: tuple(nodes)[:MOST_TARGETS] for key, nodes in by_owner.items()}
    # A StatefulSet's pods keep their names: its others have nothing to wait for.
    owners = frozenset((move.namespace, move.owner_uid) for move in held if move.owner_kind != STATEFUL_SET)
    return Targets(few, by_name, until_s, owners, frozenset((move.namespace, move.pod) for move in held))


def draw_to(pod: Json, nodes: tuple[str, ...]) -> list[Json]:
    """Let a pod prefer some nodes, and say so in an annotation; returns the operations.

    Parameters
    ----------
    pod : dict
        As in the review; changed in place.
    nodes : tuple of str

    Raises
    ------
    InputError
        For an affinity that cannot be read: the API server refuses the pod itself.
    """
    patch = Patch(pod)
    if not nodes:
        return patch.operations
    path = ("spec", "affinity", "nodeAffinity", "preferredDuringSchedulingIgnoredDuringExecution")
    there = _list_at(pod, path)
    for node in nodes:
        term = {
            "weight": HEAVIEST,
            "preference": {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]},
        }
        if term not in there:
            patch.append(term, *path)
            there = _list_at(pod, path)
    patch.put(",".join(nodes), "metadata", "annotations", PLANNED_ANNOTATION)
    return patch.operations


def planned_nodes(annotations: Mapping[str, str] | None) -> tuple[str, ...]:
    """Names of the nodes that a pod's annotation says."""
    text = (annotations or {}).get(PLANNED_ANNOTATION, "")
    return tuple(each for each in text.split(",")[:MOST_TARGETS] if each)


def _unresolved(plan: PlacementPlanObject) -> list[PlannedMove]:
    """Moves whose successors are still to come."""
    told = plan.status.moves if plan.status is not None else ()
    over = {each.uid for each in told if each.step in RESOLVED or each.successor_uid}
    return [move for move in plan.spec.moves if move.uid not in over]


def _end(plan: PlacementPlanObject) -> float:
    try:
        return float(parse_seconds(plan.spec.expires_at))
    except InputError:
        return float("-inf")


def _list_at(pod: Json, path: tuple[str, ...]) -> list[Any]:
    at: Any = pod
    for key in path:
        if at is None:
            return []
        if not isinstance(at, dict):
            raise InputError(f"{key} is in no object", "write the affinity as the API has it")
        at = at.get(key)
    if at is not None and not isinstance(at, list):
        raise InputError("preferences of nodes are no list", "write a list of terms")
    return at or []
