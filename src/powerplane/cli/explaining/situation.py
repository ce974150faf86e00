"""What the cluster draws with every pod at a given place: the ground for explanations."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from powerplane.models.draws import NodeKind, draws_mw, node_kinds, row_draws_mw
from powerplane.models.errors import InputError
from powerplane.models.incidence import PowerIncidence, compile_incidence
from powerplane.models.plan import Move
from powerplane.models.quantities import format_watts
from powerplane.models.snapshot import NO_BUDGET, Snapshot

Places = NDArray[np.int32]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Excess:
    """Something above its limit.

    Parameters
    ----------
    what : str
        For example "rack rack-3", or "rack rack-3 when feed-a is lost".
    amount, limit : int
        Milliwatts.
    """

    what: str
    amount: int
    limit: int

    def __str__(self) -> str:
        over = format_watts(self.amount - self.limit)
        return f"{self.what}: {format_watts(self.amount)} of {format_watts(self.limit)}, {over} over"


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """A snapshot with its lookups.

    Parameters
    ----------
    snapshot : Snapshot
    kinds : tuple of NodeKind
    incidence : PowerIncidence
    """

    snapshot: Snapshot
    kinds: tuple[NodeKind, ...]
    incidence: PowerIncidence

    def node_mw(self, places: Places) -> Integers:
        """Draw of each node in milliwatts, shape (N,), with the pods at ``places``."""
        pods, bound = self.snapshot.pods, places >= 0
        use = np.zeros(len(self.snapshot.nodes), dtype=np.int64)
        accelerator = np.zeros_like(use)
        np.add.at(use, places[bound], pods.use_ucores[bound])
        np.add.at(accelerator, places[bound], pods.accelerator_mw[bound])
        return draws_mw(self.kinds, use, accelerator)

    def row_mw(self, node_mw: Integers) -> Integers:
        """Draw of each row of domains in milliwatts, rounded up, shape (K,)."""
        return row_draws_mw(self.incidence, node_mw)

    def row_name(self, row: int) -> str:
        """Kind and name of a row's domain, and the feed that it takes as lost."""
        domain = self.snapshot.topology.by_name[self.incidence.domain[row]]
        lost = self.incidence.lost[row]
        return f"{domain.kind} {domain.name}" + (f" when {lost} is lost" if lost else "")

    def pod_name(self, pod: int) -> str:
        """Return namespace/name of a pod's row."""
        return f"{self.snapshot.pods.namespaces[pod]}/{self.snapshot.pods.names[pod]}"


def stand_on(snapshot: Snapshot) -> Ground:
    """Compile the lookups of a snapshot."""
    return Ground(snapshot, node_kinds(snapshot), compile_incidence(snapshot.topology, snapshot.node_names))


def find_pod(snapshot: Snapshot, name: str) -> int:
    """Row of the pod ``namespace/name``; InputError where there is none, naming those that are spelled alike."""
    namespace, slash, pod = name.partition("/")
    if not slash:
        raise InputError(f"{name!r} names no pod", "give the pod as namespace/name")
    for row, (its_namespace, its_name) in enumerate(zip(snapshot.pods.namespaces, snapshot.pods.names, strict=True)):
        if (its_namespace, its_name) == (namespace, pod):
            return row
    known = [f"{a}/{b}" for a, b in zip(snapshot.pods.namespaces, snapshot.pods.names, strict=True)]
    raise InputError(f"the snapshot has no pod {name!r}", _did_you_mean(name, known, "list them: kubectl get pods -A"))


def find_domain(snapshot: Snapshot, name: str) -> str:
    """Return the name, if a domain has it; InputError otherwise."""
    names = list(snapshot.topology.by_name)
    if name in names:
        return name
    raise InputError(f"the topology has no domain {name!r}", _did_you_mean(name, names, "see topology.yaml"))


def places_after(snapshot: Snapshot, moves: Iterable[Move], without: int = -1) -> Places:
    """Node of each pod after a plan's moves, in the order of their waves, less those of the pod in row ``without``.

    Raises
    ------
    InputError
        When a move names a pod or node that the snapshot does not have.
    """
    places = snapshot.pods.node.copy()
    row_of = {uid: row for row, uid in enumerate(snapshot.pods.uids)}
    node_of = {name: row for row, name in enumerate(snapshot.node_names)}
    for move in sorted(moves, key=lambda one: one.wave):
        row, target = row_of.get(move.uid), node_of.get(move.target)
        if row is None or target is None:
            missing = f"pod {move.namespace}/{move.pod}" if row is None else f"node {move.target!r}"
            raise InputError(
                f"the plan names {missing}, which the snapshot does not have", "give the snapshot that it was made from"
            )
        if row != without:
            places[row] = target
    return places


def broken_budgets(ground: Ground, places: Places) -> list[Excess]:
    """Nodes and rows of domains above their budgets."""
    node_mw = ground.node_mw(places)
    row_mw, budget = ground.row_mw(node_mw), ground.incidence.budget_mw
    nodes = ground.snapshot.node_budget_mw
    found = [
        Excess(ground.row_name(row), int(row_mw[row]), int(budget[row]))
        for row in np.flatnonzero((budget != NO_BUDGET) & (row_mw > budget)).tolist()
    ]
    return found + [
        Excess(f"node {ground.snapshot.node_names[row]}", int(node_mw[row]), int(nodes[row]))
        for row in np.flatnonzero((nodes != NO_BUDGET) & (node_mw > nodes)).tolist()
    ]


def _did_you_mean(name: str, known: list[str], otherwise: str) -> str:
    close = get_close_matches(name, known, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(close)}?" if close else otherwise
