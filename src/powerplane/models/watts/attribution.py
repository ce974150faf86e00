"""Whose watts a node's watts are: idle, each pod's dynamic part, and what nobody is known to draw.

``measured = idle + Σ dynamic(pod) + unattributed``, to the milliwatt. A pod's accelerator watts are its own; the rest
of the dynamic part is shared by CPU in use, the system's own use included, which stays unattributed. A share is not
what a move would free: that is a difference along the node's curve, and comes from ``moved_mw``.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.models.curves import PowerCurve, milliwatts_at
from powerplane.models.telemetry.readings import Floats, Integers

MOST_OVER_CURVE = 2.0
"""CPU's dynamic watts beyond that many times what the curve says of the CPU in use are no pod's: fans, disks, a wrong
idle."""

MICRO = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class NodeUse:
    """N nodes with P pods on them.

    Parameters
    ----------
    measured_mw : int64 array, shape (N,)
        What each node draws; not negative.
    idle_mw : int64 array, shape (N,)
        What it draws without any pod, by its curve, its accelerators' idle draw included.
    modelled_mw : int64 array, shape (N,)
        What its curve says at the CPU in use.
    cores : float64 array, shape (N,)
        All CPU in use, the system's own included; NaN where only the pods' is known.
    pod_node : int64 array, shape (P,)
        Row of each pod's node, -1 for none.
    pod_cores : float64 array, shape (P,)
        CPU in use; NaN counts as none.
    pod_accelerator_mw : int64 array, shape (P,)
        What its accelerators draw above their idle; not negative.
    unheld_mw : int64 array, shape (N,), or None
        What accelerators draw that no pod is known to hold. Of what is measured beyond the curve so much is no pod's;
        a curve that has their idle draw explains it already.
    """

    measured_mw: Integers
    idle_mw: Integers
    modelled_mw: Integers
    cores: Floats
    pod_node: Integers
    pod_cores: Floats
    pod_accelerator_mw: Integers
    unheld_mw: Integers | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """Three parts of N nodes that add up to what was measured, in milliwatts; none is negative.

    Parameters
    ----------
    idle_mw, unattributed_mw : int64 arrays, shape (N,)
    pod_mw : int64 array, shape (P,)
        Dynamic, accelerators included; 0 for a pod on no node.
    """

    idle_mw: Integers
    unattributed_mw: Integers
    pod_mw: Integers


def attribute(use: NodeUse) -> Attribution:
    """Part what was measured.

    Parameters
    ----------
    use : NodeUse

    Notes
    -----
    A node below its idle is all idle. Where accelerators alone exceed what is left above idle (two meters disagree),
    each pod keeps its proportion. The shares are whole milliwatts by the largest remainder, the first pod first.
    """
    nodes = len(use.measured_mw)
    measured = np.maximum(use.measured_mw, 0)
    idle = np.minimum(np.maximum(use.idle_mw, 0), measured)
    placed = (use.pod_node >= 0) & (use.pod_node < nodes)
    home = np.where(placed, use.pod_node, 0)
    cards = np.where(placed, np.maximum(use.pod_accelerator_mw, 0), 0)
    wanted = np.bincount(home, cards, minlength=nodes).astype(np.int64)
    of_cards = _parted(np.minimum(wanted, measured - idle), cards.astype(np.float64), wanted.astype(np.float64), home)
    left = measured - idle - _sums(home, of_cards, nodes)
    modelled = np.maximum(use.modelled_mw - use.idle_mw, 0)
    shared = np.minimum(left, (modelled * MOST_OVER_CURVE).astype(np.int64))
    if use.unheld_mw is not None:
        shared = np.minimum(shared, np.maximum(modelled, left - np.maximum(use.unheld_mw, 0)))
    cores = np.where(placed & np.isfinite(use.pod_cores), np.maximum(use.pod_cores, 0.0), 0.0)
    of_pods = np.bincount(home, cores, minlength=nodes)
    in_use = np.fmax(np.nan_to_num(use.cores, nan=0.0), of_pods)
    of_cpu = _parted(shared, cores, in_use, home)
    return Attribution(idle, left - _sums(home, of_cpu, nodes), of_cards + of_cpu)


def moved_mw(curve: PowerCurve, capacity_ucores: int, use_ucores: int, change_ucores: int) -> int:
    """Return what a node's draw changes by when CPU use comes (above 0) or goes (below 0), in milliwatts.

    Parameters
    ----------
    curve : PowerCurve
    capacity_ucores : int
        Allocatable CPU of the node, in micro-cores.
    use_ucores : int
        In use before.
    change_ucores : int
        A pod's; what would leave less than nothing in use leaves nothing.
    """
    knots = curve.knots_ucores(capacity_ucores)
    milliwatts = np.array(curve.milliwatts, dtype=np.int64)
    before, after = milliwatts_at(knots, milliwatts, np.array([use_ucores, max(0, use_ucores + change_ucores)]))
    return int(after - before)


def _parted(whole: Integers, parts: Floats, of: Floats, home: Integers) -> Integers:
    """Part each node's whole milliwatts by ``parts / of``, exactly where the parts make up all of ``of``."""
    share = np.divide(parts, of[home], out=np.zeros_like(parts), where=of[home] > 0)
    exact = whole[home] * np.minimum(share, 1.0)
    floors = np.floor(exact).astype(np.int64)
    nodes = len(whole)
    # What the parts together have a right to, to the milliwatt: all of the whole only where nothing else uses it.
    due = np.minimum(np.rint(np.bincount(home, exact, minlength=nodes)).astype(np.int64), whole)
    short = due - _sums(home, floors, nodes)
    order = np.lexsort((np.arange(len(parts)), -(exact - floors), home))
    starts = np.searchsorted(home[order], np.arange(nodes))
    rank = np.arange(len(parts)) - starts[home[order]]
    floors[order] += (rank < short[home[order]]) & (parts[order] > 0)
    return floors


def _sums(home: Integers, values: NDArray[np.int64], nodes: int) -> Integers:
    """Sum by node, in whole milliwatts."""
    sums = np.zeros(nodes, dtype=np.int64)
    np.add.at(sums, home, values)
    return sums
