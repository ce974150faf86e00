"""From a new placement to waves of moves: budgets and capacities hold at every point, whatever order a wave runs in.

Within a wave any subset of its moves may have been carried out, and a pod in flight is at its source, nowhere, or
at its target, never at both. ``wave_ledger`` says when a move may join a wave; here moves are paired, queued by
urgency, and where a circle of moves waits for itself, a pod is parked on a third node.
"""

from collections import Counter

import numpy as np

from powerplane.solver.feasible import targets
from powerplane.solver.greedy import Stop
from powerplane.solver.result import Flow
from powerplane.solver.state import State
from powerplane.solver.tables import Ints
from powerplane.solver.wave_ledger import WaveLedger

Unit = tuple[int, int, int]
"""One pod's move: class, source, target."""


def order_waves(found: State, wanted: State, stop: Stop) -> tuple[tuple[Flow, ...], State]:
    """Order the moves that lead from one placement to another.

    Parameters
    ----------
    found, wanted : State
        Left as they are.
    stop : callable
        Says when the time is up; what is not ordered by then is left out.

    Returns
    -------
    flows : tuple of Flow
        In waves from 1.
    reached : State
        The placement that these flows lead to: ``wanted``, unless some moves could not be ordered safely.
    """
    state = found.copy()
    pending = pair(found, wanted)
    flows: list[Flow] = []
    wave = 0
    parked = 0
    limit = len(pending)
    while pending and not stop():
        admitted, waiting = _fill(state, pending, found.load)
        if not admitted:
            park = _park(state, pending, found.load) if parked < limit else None
            if park is None:
                break
            admitted, waiting = park
            parked += 1
        wave += 1
        for c, s, t in admitted:
            state.move(c, s, t)
        flows.extend(Flow(c, s, t, k, wave) for (c, s, t), k in sorted(Counter(admitted).items()))
        pending = waiting
    return tuple(flows), state


def pair(found: State, wanted: State) -> list[Unit]:
    """Pair the pods that leave with the places that wait for their class: what sheds most with what adds most.

    So pairs inside one domain differ as little as they can, and few of them add to it.
    """
    leaving: dict[int, list[int]] = {}
    coming: dict[int, list[int]] = {}
    for c, n in {**found.delta, **wanted.delta}:
        change = wanted.delta.get((c, n), 0) - found.delta.get((c, n), 0)
        side = coming if change > 0 else leaving
        side.setdefault(c, []).extend([n] * abs(change))
    pairs: list[Unit] = []
    for c in sorted(leaving):
        rise = wanted.rise(c)
        sources = sorted(leaving[c], key=lambda n: (int(rise[n]), n))
        places = sorted(coming.get(c, []), key=lambda n: (int(rise[n]), n))
        pairs.extend((c, s, t) for s, t in zip(sources, places, strict=True))
    return pairs


def _fill(state: State, pending: list[Unit], ceiling: Ints) -> tuple[list[Unit], list[Unit]]:
    """Take into one wave every move that may join it, the most urgent first."""
    ledger = WaveLedger(state, ceiling)
    room = state.node_room()
    admitted: list[Unit] = []
    waiting: list[Unit] = []
    for unit in sorted(pending, key=lambda u: (int(room[u[1]]), u)):
        (admitted if ledger.admit(*unit) else waiting).append(unit)
    return admitted, waiting


def _park(state: State, pending: list[Unit], ceiling: Ints) -> tuple[list[Unit], list[Unit]] | None:
    """Send one waiting pod to a third node, from where it goes on later; None when no node can take any."""
    for i, (c, s, t) in enumerate(pending):
        mask, rise, room = targets(state, c, ceiling=ceiling)
        mask = mask.copy()
        mask[[s, t]] = False
        for n in np.flatnonzero(mask)[np.argsort((rise / np.maximum(room, 1))[mask], kind="stable")][:8].tolist():
            if WaveLedger(state, ceiling).admit(c, s, n):
                return [(c, s, n)], [*pending[:i], *pending[i + 1 :], (c, n, t)]
    return None
