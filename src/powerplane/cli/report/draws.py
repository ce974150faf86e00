"""Watts of every node and domain before a plan and after each of its waves, added up from the snapshot."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from powerplane.models.draws import draws_mw, node_kinds, node_loads, row_draws_mw
from powerplane.models.errors import InputError
from powerplane.models.incidence import PowerIncidence, compile_incidence
from powerplane.models.plan import Move, Plan
from powerplane.models.snapshot import Snapshot

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Draw in milliwatts at W + 1 moments: before, and after each of W waves.

    Parameters
    ----------
    waves : tuple of int
        The waves' numbers, rising.
    node_mw : int64 array, shape (W + 1, N)
    row_mw : int64 array, shape (W + 1, K)
        Of each power row: a domain in one situation.
    rows : dict
        Power row by (domain, lost feed).
    """

    waves: tuple[int, ...]
    node_mw: NDArray[np.int64]
    row_mw: NDArray[np.int64]
    rows: dict[tuple[str, str], int]

    def domain_watts(self, domain: str, lost: str) -> NDArray[np.float64]:
        """Draw of a domain at each moment with a feed lost, in watts, shape (W + 1,)."""
        row = self.rows.get((domain, lost), self.rows[domain, ""])
        result: NDArray[np.float64] = self.row_mw[:, row] / 1000
        return result


def add_up(snapshot: Snapshot, plan: Plan) -> Draws:
    """Add up every draw from the snapshot's pods and the plan's moves.

    Raises
    ------
    InputError
        When the plan was made from another snapshot, or moves what this one does not have.
    """
    if plan.snapshot != snapshot.digest:
        raise InputError(
            f"the plan was made from snapshot {plan.snapshot!r}, and this one is {snapshot.digest!r}",
            "plan again from this snapshot, or give the snapshot that the plan was made from",
        )
    waves = tuple(sorted({move.wave for move in plan.moves}))
    use, accelerators = _use_by_wave(snapshot, plan.moves, waves)
    kinds = node_kinds(snapshot)
    node_mw = np.array([draws_mw(kinds, *loads) for loads in zip(use, accelerators, strict=True)])
    incidence = compile_incidence(snapshot.topology, snapshot.node_names)
    return Draws(waves, node_mw, row_draws_mw(incidence, node_mw.T).T, _rows(incidence))


def _rows(incidence: PowerIncidence) -> dict[tuple[str, str], int]:
    return {key: row for row, key in enumerate(zip(incidence.domain, incidence.lost, strict=True))}


def _use_by_wave(
    snapshot: Snapshot, moves: tuple[Move, ...], waves: tuple[int, ...]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """CPU use (micro-cores) and accelerator draw (milliwatts) of each node at each moment, shape (W + 1, N)."""
    pods = snapshot.pods
    shape = (len(waves) + 1, len(snapshot.nodes))
    use, accelerators = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    use[0], accelerators[0] = node_loads(snapshot)
    node_row = {name: row for row, name in enumerate(snapshot.node_names)}
    pod_row = {key: row for row, key in enumerate(zip(pods.namespaces, pods.names, strict=True))}
    moment = {wave: i + 1 for i, wave in enumerate(waves)}
    for move in moves:
        pod = _find(pod_row, (move.namespace, move.pod), "pod", f"{move.namespace}/{move.pod}")
        for name, sign in ((move.source, -1), (move.target, 1)):
            if name:  # a pod that waited for a node leaves none
                node = _find(node_row, name, "node", name)
                use[moment[move.wave], node] += sign * pods.use_ucores[pod]
                accelerators[moment[move.wave], node] += sign * pods.accelerator_mw[pod]
    return np.cumsum(use, axis=0), np.cumsum(accelerators, axis=0)


def _find(rows: dict[Key, int], key: Key, kind: str, name: str) -> int:
    try:
        return rows[key]
    except KeyError:
        raise InputError(
            f"the plan moves {kind} {name!r}, which the snapshot does not have",
            "give the snapshot that the plan was made from",
        ) from None
