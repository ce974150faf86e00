"""What is left of the watts: spread like water towards those who can use it, and numbers changed only for a reason."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.solver.partition_needs import Ground
from powerplane.solver.partition_rows import PLENTY, Ints, PartitionRows

ROUNDS = 12
"""Rounds of the fill; each at least halves what the tightest row of a node still leaves it, in practice."""


@dataclass(frozen=True, slots=True)
class Change:
    """When a number that holds is changed all the same.

    A node's number is raised towards its share when it lacks at least ``least_watts`` and a quarter of the share, and
    only with ``level`` lowered to it when it is above by as much.

    Parameters
    ----------
    least_watts : int
    reserve_percent : int
        Part of what is left that no node lists, so that a waiting pod gets its watts by one write.
    level : bool
        Whether nodes that list more than their share give it back.
    """

    least_watts: int = 20
    reserve_percent: int = 30
    level: bool = False


def spread(ground: Ground, ability: Ints, reserve_percent: int) -> Ints:
    """Return each node's floor and its share of the rest.

    Every node gets a watt first where that fits under its rows (Karpenter takes a node for ready only when a resource
    is not zero); 0 stands for "do not list".

    Parameters
    ----------
    ground : Ground
    ability : int64 array, shape (N,)
        Watts above the floor that nodes could use.
    reserve_percent : int
    """
    slack = np.maximum(ground.rows.slack(ground.floor), 0)
    least = ((ground.floor == 0) & (ground.cap > 0)).astype(np.int64)
    first = fill(ground.rows, slack, least, least)
    slack = slack - ground.rows.load(first)
    rest = np.maximum(slack * (100 - reserve_percent) // 100, 0)
    useful = np.clip(np.minimum(ability, ground.cap - ground.floor - first), 0, None)
    return np.asarray(ground.floor + first + fill(ground.rows, rest, useful, useful))


def fill(rows: PartitionRows, slack: Ints, room: Ints, weight: Ints) -> Ints:
    """Pour what rows leave over nodes in proportion to their weights, none above its room.

    A node takes the least that any of its rows would give it; that never overdraws a row, as the parts that a row
    would give add up to what it leaves. What rows then still leave goes round again.

    Parameters
    ----------
    rows : PartitionRows
    slack : int64 array, shape (K,)
        None below 0.
    room, weight : int64 arrays, shape (N,)
    """
    poured = np.zeros_like(room)
    slack = slack.copy()
    # Weights of at most 2^16 keep slack × weight within 63 bits.
    weight = -(-weight * (1 << 16) // max(1 << 16, int(weight.max(initial=0))))
    for _ in range(ROUNDS):
        active = np.where((room > poured) & (rows.room(slack) > 0), weight, 0)
        part = np.minimum(_parts(rows, slack, active), room - poured)
        if not part.any():
            break
        poured += part
        slack -= rows.load(part)
    return poured


def _parts(rows: PartitionRows, slack: Ints, weight: Ints) -> Ints:
    """Return the least that the rows of each node give it."""
    total = np.append(rows.load(weight), 1)
    left = np.append(np.minimum(slack, PLENTY), PLENTY)
    part = np.where(weight > 0, PLENTY, 0)
    for row in rows.wide_row.T:
        given = left[row] * weight // np.maximum(total[row], 1)
        part = np.minimum(part, np.where(row < len(slack), given, part))
    return np.asarray(part, dtype=np.int64)


def adjust(ground: Ground, current: Ints, ideal: Ints, change: Change) -> Ints:
    """Change as few of the current numbers as the budgets, the floors and the rule of ``Change`` allow.

    Parameters
    ----------
    ground : Ground
        Its floor is all that is needed.
    current, ideal : int64 arrays, shape (N,)
    change : Change
    """
    target = np.maximum(ground.floor, np.minimum(current, ground.cap))
    if change.level:
        target = np.where(_far(target - ideal, ideal, change), np.maximum(ideal, ground.floor), target)
    target = _shrink(ground, target, ideal)
    slack = np.maximum(ground.rows.slack(target), 0)
    lacking = np.where(_far(ideal - target, ideal, change) | (current == 0), np.maximum(ideal - target, 0), 0)
    return np.asarray(target + fill(ground.rows, slack, lacking, lacking))


def _far(distance: Ints, ideal: Ints, change: Change) -> NDArray[np.bool_]:
    far: NDArray[np.bool_] = (distance >= change.least_watts) & (4 * distance >= ideal)
    return far


def _shrink(ground: Ground, target: Ints, ideal: Ints) -> Ints:
    """Take back, row by row from the smallest, what a row lacks: of those with most to give, so that few give."""
    target = target.copy()
    size = np.diff(ground.rows.weights.indptr)
    least = np.maximum(ground.floor, np.minimum(target, 1))
    for keep in (np.maximum(ideal, ground.floor), least, ground.floor):
        over = -ground.rows.slack(target)
        for row in sorted(np.flatnonzero(over > 0).tolist(), key=lambda k: (size[k], k)):
            _give(ground.rows, row, target, keep)
    return target


def _give(rows: PartitionRows, row: int, target: Ints, keep: Ints) -> None:
    nodes, weights = rows.members(row)
    over = int(weights @ target[nodes]) - int(rows.limit[row])
    give = np.maximum(target[nodes] - keep[nodes], 0)
    for i in np.argsort(-give * weights, kind="stable").tolist():
        if over <= 0 or not give[i]:
            break
        given = min(int(give[i]), -(-over // int(weights[i])))
        target[nodes[i]] -= given
        over -= given * int(weights[i])
