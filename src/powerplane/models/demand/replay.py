"""The past played again on the placement of now: what domains would have drawn, and how far above the mean that is.

Where pods run now is put together with what they used at each step of a history. The stated level's quantile of what
comes of it, in deviations above the model's mean, is the factor to take: it has every correlation and every shape that
the history had, which the model only estimates. It is the quantile that split conformal prediction takes (Vovk,
Gammerman and Shafer, *Algorithmic learning in a random world*, 2005, chapter 4), over the whole history and over its
last day, whichever asks for more: after a weekend the week's quantile is too low.

A history that is shorter than a week, or has gaps, cannot tell what the days that it lacks are like (on a Monday after
a Sunday, 26 % of windows held by that Sunday alone where 95 % were stated). It may raise the model's own factor then,
never lower it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from powerplane.models.demand.arrays import Floats
from powerplane.models.demand.history import PodHistory
from powerplane.models.demand.spreads import DomainSpreads
from powerplane.models.demand.together import normal_factor
from powerplane.models.draws import NodeKind, node_kinds
from powerplane.models.incidence import compile_incidence
from powerplane.models.quantities import MICRO, MILLI
from powerplane.models.snapshot import Snapshot

WINDOW = 2
"""Steps of a window, which counts by its highest."""

DAY_S = 86_400.0
WHOLE_DAYS = 6.5
"""A history of fewer days is not one of a week."""

KNOWN = 0.9
"""Share of a domain's pods of which a step must tell for it to count."""

FEWEST_WINDOWS = 100
AT_ONCE = 512
"""Steps that are added up at a time, which bounds memory."""


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """What a replay taught.

    Parameters
    ----------
    factors : dict of str to float
        Deviations above the mean to take, by domain; of domains that vary and were seen.
    windows : dict of str to int
        Windows that each rests on.
    short : int
        Domains whose history is too short or has gaps, so that nothing is lowered by it.
    """

    factors: dict[str, float]
    windows: dict[str, int]
    short: int


def learn_factors(snapshot: Snapshot, spreads: DomainSpreads, history: PodHistory, level: float) -> Learnt:
    """Return the factors to take for a placement that stays.

    Parameters
    ----------
    snapshot : Snapshot
        Where pods run; rows of the history are its pods.
    spreads : DomainSpreads
        What the model says of it.
    history : PodHistory
    level : float
        From 0.5 up to, not including, 1.
    """
    drawn = replay_mw(snapshot, history)
    per_day = max(1, round(DAY_S / (WINDOW * history.step_s)))
    normal = normal_factor(level, spreads.skewness)
    factors: dict[str, float] = {}
    windows: dict[str, int] = {}
    short = 0
    for row, (domain, lost) in enumerate(zip(spreads.domain, spreads.lost, strict=True)):
        if lost or not spreads.deviation_mw[row] > 0:
            continue
        highest = _highest(drawn[row])
        seen = highest[np.isfinite(highest)]
        if not len(seen):
            continue
        scores = (seen - spreads.mean_mw[row] - spreads.extra_mw[row]) / spreads.deviation_mw[row]
        whole = len(seen) >= max(FEWEST_WINDOWS, WHOLE_DAYS * per_day)
        short += not whole
        found = max(_quantile(scores, level), _quantile(scores[-per_day:], level))
        factors[domain] = found if whole else max(found, float(normal[row]))
        windows[domain] = len(seen)
    return Learnt(factors, windows, short)


def replay_mw(snapshot: Snapshot, history: PodHistory) -> Floats:
    """Return what each row of domains would have drawn at each step, shape (K, T).

    Notes
    -----
    A pod without a figure at a step counts by its own mean, one without any by what the snapshot says it uses. A step
    that tells of less than ``KNOWN`` of a row's pods is NaN.
    """
    pods, kinds = snapshot.pods, node_kinds(snapshot)
    incidence = compile_incidence(snapshot.topology, snapshot.node_names)
    part = sparse.csr_array(incidence.weights.astype(np.float64) * (1 / incidence.scale))
    placed = _placed(snapshot)
    under = sparse.csr_array(((part @ placed) > 0).astype(np.float64))
    cores = _filled(history.cores, pods.use_ucores / MICRO)
    watts = _filled(history.accelerator_watts, pods.accelerator_mw / MILLI)
    result = np.empty((part.shape[0], history.cores.shape[1]))
    known = np.isfinite(history.cores) | np.isfinite(history.accelerator_watts)
    with_history = np.asarray(known.any(axis=1), dtype=np.float64)
    seen, all_pods = np.asarray(under @ with_history), np.asarray(under.sum(axis=1))
    least = np.where(all_pods > 0, np.maximum(KNOWN * seen, 1), 0)
    for first in range(0, result.shape[1], AT_ONCE):
        steps = slice(first, first + AT_ONCE)
        result[:, steps] = part @ _node_mw(kinds, placed @ cores[:, steps], placed @ watts[:, steps])
        told = under @ known[:, steps].astype(np.float64)
        result[:, steps][told < least[:, None]] = np.nan
    return result


def _placed(snapshot: Snapshot) -> sparse.csr_array:
    """1 where a pod (column) runs on a node (row)."""
    pods = snapshot.pods
    on = np.flatnonzero(pods.node >= 0)
    shape = (len(snapshot.nodes), len(pods))
    return sparse.csr_array((np.ones(len(on)), (pods.node[on], on)), shape=shape)


def _filled(values: Floats, otherwise: Floats) -> Floats:
    known = np.isfinite(values)
    count = known.sum(axis=1)
    mean = np.where(known, values, 0.0).sum(axis=1) / np.maximum(count, 1)
    return np.where(known, values, np.where(count > 0, mean, otherwise)[:, None])


def _node_mw(kinds: tuple[NodeKind, ...], cores: Floats, watts: Floats) -> Floats:
    result = watts * MILLI
    for kind in kinds:
        result[kind.nodes] += np.interp(cores[kind.nodes] * MICRO, kind.knots_ucores, kind.knots_mw)
    return result


def _highest(drawn_mw: Floats) -> NDArray[np.float64]:
    """Highest step of each window, NaN where any of it is not known; a last half window is left out."""
    count = len(drawn_mw) // WINDOW
    highest: Floats = drawn_mw[len(drawn_mw) - count * WINDOW :].reshape(count, WINDOW).max(axis=1)
    return highest


def _quantile(scores: Floats, level: float) -> float:
    """Score that the next one stays within with the stated probability: of n scores that of rank ⌈level·(n + 1)⌉."""
    rank = min(int(np.ceil(level * (len(scores) + 1))), len(scores))
    return float(np.sort(scores)[rank - 1])


def told(learnt: Mapping[str, int], short: int) -> str:
    """Say in a sentence what factors rest on."""
    if not learnt:
        return "No history shows what domains would have drawn, so the model's own spread is taken."
    fewest = min(learnt.values())
    if short:
        return (
            f"The history is shorter than a week or has gaps ({fewest:,} windows at the fewest): it may raise the "
            "model's own spread, and lowers it nowhere."
        )
    return f"How far beyond the mean was taken from the history played again on this placement, {fewest:,} windows."
