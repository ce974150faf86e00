"""What pods drew over the last hours: nodes' watts and pods' cores on one grid, parted at each of its steps."""

from dataclasses import dataclass

import numpy as np

from powerplane.models.demand.history import PodHistory
from powerplane.models.demand.node_history import NodeHistory
from powerplane.models.draws import NodeKind, curve_mw, node_kinds
from powerplane.models.quantities import MICRO, MILLI
from powerplane.models.snapshot import Snapshot
from powerplane.models.telemetry.readings import Floats, Integers
from powerplane.models.watts.attribution import NodeUse, attribute

BLOCK_S = 300.0


@dataclass(frozen=True, slots=True, eq=False)
class OverTime:
    """P pods over T steps.

    Parameters
    ----------
    at_s : float64 array, shape (T,)
        The middle of each step.
    pod_watts : float64 array, shape (P, T)
        Dynamic; NaN where they are not known.
    """

    at_s: Floats
    pod_watts: Floats


def watts_over_time(
    snapshot: Snapshot, nodes: NodeHistory, pods: PodHistory, node_cores: Floats | None = None
) -> OverTime:
    """Part what nodes drew among the pods that run there now.

    Parameters
    ----------
    snapshot : Snapshot
        Rows of the histories are its nodes and its pods; curves as stated.
    nodes : NodeHistory
    pods : PodHistory
    node_cores : float64 array, shape (N, T), or None
        CPU in use on each node, on the grid of its watts: what ran beside these pods, and has gone, had its part, too.

    Notes
    -----
    A pod that ran elsewhere or not at all has no use in the history then, and no watts.
    """
    step_s = max(BLOCK_S, nodes.step_s, pods.step_s)
    node_s = nodes.last_s - nodes.step_s * np.arange(nodes.watts.shape[1], dtype=np.float64)[::-1]
    pod_s = pods.start_s + pods.step_s * np.arange(pods.cores.shape[1], dtype=np.float64)
    first = np.floor(max(node_s[0], pod_s[0]) / step_s)
    steps = int(np.floor(min(node_s[-1], pod_s[-1]) / step_s) - first) + 1
    if steps < 1:
        return OverTime(np.empty(0), np.empty((len(pods.cores), 0)))
    known = np.where(nodes.filled | nodes.unmeasured[:, None], np.nan, nodes.watts)
    drawn = _blocks(known, node_s, step_s, first, steps)
    cores = _blocks(pods.cores, pod_s, step_s, first, steps)
    cards = _blocks(pods.accelerator_watts, pod_s, step_s, first, steps)
    busy = np.full(drawn.shape, np.nan)
    if node_cores is not None:
        busy = _blocks(node_cores, node_s, step_s, first, steps)
    parting = _Parting(snapshot, node_kinds(snapshot))
    watts = np.empty((len(pods.cores), steps))
    for step in range(steps):
        watts[:, step] = parting.at(drawn[:, step], busy[:, step], cores[:, step], cards[:, step])
    return OverTime((first + np.arange(steps) + 0.5) * step_s, watts)


@dataclass(frozen=True, slots=True, eq=False)
class _Parting:
    """Parts nodes' watts among their pods, a step at a time."""

    snapshot: Snapshot
    kinds: tuple[NodeKind, ...]

    def at(self, drawn: Floats, busy: Floats, cores: Floats, cards: Floats) -> Floats:
        """Watts of each pod, NaN where they are not known."""
        node, told = self.snapshot.pods.node.astype(np.int64), np.isfinite(drawn)
        placed, used = node >= 0, np.where(np.isfinite(cores), cores, 0.0)
        of_pods = np.bincount(node[placed], used[placed], minlength=len(drawn))
        use = (np.fmax(of_pods, busy) * MICRO).astype(np.int64)
        found = attribute(
            NodeUse(
                measured_mw=np.round(np.where(told, drawn, 0.0) * MILLI).astype(np.int64),
                idle_mw=np.array([curve.idle_mw for curve in self.snapshot.node_curve], dtype=np.int64),
                modelled_mw=curve_mw(self.kinds, np.arange(len(drawn), dtype=np.int32), use),
                cores=busy,
                pod_node=node,
                pod_cores=used,
                pod_accelerator_mw=np.round(np.nan_to_num(cards) * MILLI).astype(np.int64),
            )
        )
        sure = placed & np.append(told, False)[node] & (np.isfinite(cores) | np.isfinite(cards))
        watts: Floats = np.where(sure, found.pod_mw / MILLI, np.nan)
        return watts


def _blocks(values: Floats, at_s: Floats, step_s: float, first: float, steps: int) -> Floats:
    """Mean of what is known within each step, NaN where nothing is."""
    block = np.floor(at_s / step_s - first).astype(np.int64)
    result = np.full((len(values), steps), np.nan)
    for step in range(steps):
        inside = values[:, block == step]
        known = np.isfinite(inside)
        count = known.sum(axis=1)
        total = np.where(known, inside, 0.0).sum(axis=1)
        np.divide(total, count, out=result[:, step], where=count > 0)
    return result


def together(over: OverTime, rates: PodHistory | None, row_of_pod: Integers, count: int) -> tuple[Floats, Floats]:
    """Return workloads' rates and the watts of the pods that they are of, each of shape (count, T).

    Parameters
    ----------
    over : OverTime
    rates : PodHistory or None
        A quantity of pods, in the place of cores; None where nobody tells it.
    row_of_pod : int64 array, shape (P,)
        Workload of each pod, -1 for one that does not count.
    count : int
        Workloads.

    Notes
    -----
    At each step the pods count of which both are known, so that neither is set against what the other lacks. A
    workload none of whose pods has a rate keeps its watts, and its rate is NaN.
    """
    steps = len(over.at_s)
    rate = np.full(over.pod_watts.shape, np.nan)
    if rates is not None and steps:
        step_s = float(over.at_s[1] - over.at_s[0]) if steps > 1 else BLOCK_S
        at_s = rates.start_s + rates.step_s * np.arange(rates.cores.shape[1], dtype=np.float64)
        rate = _blocks(rates.cores, at_s, step_s, float(np.round(over.at_s[0] / step_s - 0.5)), steps)
    both = np.isfinite(rate) & np.isfinite(over.pod_watts)
    some = _sums(np.isfinite(rate).any(axis=1)[:, None].astype(np.float64), row_of_pod, count) > 0
    counted = np.where(np.append(some[:, 0], False)[row_of_pod][:, None], both, np.isfinite(over.pod_watts))
    watts, tellers = (
        _sums(np.where(counted, each, 0.0), row_of_pod, count) for each in (over.pod_watts, np.ones_like(rate))
    )
    done, doers = (_sums(np.where(both, each, 0.0), row_of_pod, count) for each in (rate, np.ones_like(rate)))
    return np.where(doers > 0, done, np.nan), np.where(tellers > 0, watts, np.nan)


def _sums(values: Floats, row_of_pod: Integers, count: int) -> Floats:
    total = np.zeros((count, values.shape[1]))
    counts = row_of_pod >= 0
    np.add.at(total, row_of_pod[counts], values[counts])
    return total
