"""Plans that empty a node which is to sleep: wholly or not at all, one node at a time, and only while nothing presses.

The solver is given a budget for the node of what it draws without the pods that may be moved, and each of these draws
one milliwatt more than it does, so that none may stay; all other budgets hold as ever.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from powerplane.models.draws import node_draws_mw
from powerplane.models.plan import Plan
from powerplane.models.sleeping import is_wanted
from powerplane.models.snapshot import Snapshot
from powerplane.recommender.allowing import Allowing, Leave
from powerplane.recommender.narrowing import Limits, cordoned, narrowed
from powerplane.recommender.outside import Solves
from powerplane.recommender.proposing import Proposal, leaves_of
from powerplane.recommender.trees import NO_ROOTS, Trees

OWN = ("DaemonSet", "mirror pod")
"""Why pods do not move that go to sleep with their node."""

MOST_TOLD = 3


@dataclass(frozen=True, slots=True)
class DrainHow:
    """How plans are made.

    Parameters
    ----------
    solver : Solves
    deadline_s : float
    seed : int
    """

    solver: Solves
    deadline_s: float
    seed: int


def drain(snapshot: Snapshot, allowing: Allowing, trees: Trees, limits: Limits, how: DrainHow) -> Iterator[Proposal]:
    """Yield what solving came to for each node that is to sleep and holds pods still.

    Parameters
    ----------
    snapshot : Snapshot
        On measured watts.
    allowing : Allowing
    trees : Trees
    limits : Limits
    how : DrainHow
    """
    leaves = allowing.of_templates(snapshot)
    wanted = np.array([is_wanted(node) for node in snapshot.nodes], dtype=np.bool_)
    for row in np.flatnonzero(wanted).tolist():
        name = snapshot.node_names[row]
        if trees.of_node.get(name, NO_ROOTS) & limits.busy or not _working(snapshot, row):
            continue
        held = staying(snapshot, leaves, row)
        if held:
            more = f" and {len(held) - MOST_TOLD} more" if len(held) > MOST_TOLD else ""
            yield Proposal("none", None, f"sleep {name}; it cannot be emptied: {', '.join(held[:MOST_TOLD])}{more}", {})
            continue
        problem = emptied(narrowed(snapshot, leaves, trees, limits), row, wanted)
        answer = how.solver.solve(problem, how.deadline_s, how.seed)
        yield _proposal(name, snapshot, leaves, answer.plan, answer.trouble)


def staying(snapshot: Snapshot, leaves: Sequence[Leave | None], row: int) -> list[str]:
    """Return the pods that keep a node from being emptied, and why each does.

    Parameters
    ----------
    snapshot : Snapshot
    leaves : sequence of Leave or None
        By whom the pods of each template may be moved.
    row : int
        Of the node.
    """
    found = []
    pods = snapshot.pods
    for pod in np.flatnonzero(pods.node == row).tolist():
        template = snapshot.templates[int(pods.template[pod])]
        leave = leaves[int(pods.template[pod])]
        why = template.unmovable or ("" if leave is not None else "no policy in mode Enforce lets it be moved")
        if why and why not in OWN and not template.terminating:
            found.append(f"{pods.namespaces[pod]}/{pods.names[pod]} ({why})")
    return found


def emptied(snapshot: Snapshot, row: int, closed: NDArray[np.bool_]) -> Snapshot:
    """Return the snapshot in which no pod may stay on a node that may be moved.

    Parameters
    ----------
    snapshot : Snapshot
        What may not be moved is pinned.
    row : int
        Of the node.
    closed : bool array, shape (N,)
        Nodes that take no pods: all that are to sleep.
    """
    pods = snapshot.pods
    movable = np.array([not each.unmovable for each in snapshot.templates], dtype=np.bool_)
    leaving = (pods.node == row) & movable[pods.template]
    without = replace(snapshot, pods=replace(pods, node=np.where(leaving, -1, pods.node).astype(np.int32)))
    budgets = snapshot.node_budget_mw.copy()
    budgets[row] = node_draws_mw(without)[row]
    nodes = tuple(cordoned(node) if shut else node for node, shut in zip(snapshot.nodes, closed, strict=True))
    more = np.where(leaving, pods.accelerator_mw + 1, pods.accelerator_mw)
    return replace(snapshot, nodes=nodes, node_budget_mw=budgets, pods=replace(pods, accelerator_mw=more))


def _working(snapshot: Snapshot, row: int) -> bool:
    """Whether a node holds pods that are not its own."""
    templates = snapshot.pods.template[snapshot.pods.node == row]
    return any(snapshot.templates[each].unmovable not in OWN for each in np.unique(templates).tolist())


def _proposal(
    name: str, snapshot: Snapshot, leaves: tuple[Leave | None, ...], plan: Plan | None, trouble: str
) -> Proposal:
    told = f"sleep {name}"
    if plan is None:
        return Proposal("failed", None, f"{told}; no plan: {trouble}", {})
    if plan.status not in ("optimal", "feasible") or not any(move.source == name for move in plan.moves):
        members = plan.conflict.members[:MOST_TOLD] if plan.conflict is not None else ()
        why = f"no plan holds {', '.join(members)}" if members else "no plan that empties it was found"
        return Proposal("none", plan, f"{told}; {why}", {})
    moves = tuple(msgspec.structs.replace(move, because=_because(told, name, move.because)) for move in plan.moves)
    plan = msgspec.structs.replace(plan, moves=moves)
    return Proposal("plan", plan, f"{told}; {len(moves)} moves empty it", leaves_of(plan, snapshot, leaves))


def _because(told: str, name: str, because: Iterable[str]) -> tuple[str, ...]:
    others = [each for each in because if each != f"node {name}" and not each.startswith("drain of ")]
    return (told, *others)
