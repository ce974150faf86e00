"""What a workload drew over the last hours: nodes' watts and pods' cores on one grid, parted at each of its steps."""

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
KNOWN = 0.9
"""Share of a workload's pods whose watts must be known for its own to be."""


@dataclass(frozen=True, slots=True, eq=False)
class OverTime:
    """W workloads over T steps.

    Parameters
    ----------
    at_s : float64 array, shape (T,)
        The middle of each step.
    watts : float64 array, shape (W, T)
        Dynamic; NaN where they are not known.
    """

    at_s: Floats
    watts: Floats


def watts_over_time(
    snapshot: Snapshot, nodes: NodeHistory, pods: PodHistory, row_of_pod: Integers, count: int
) -> OverTime:
    """Part what nodes drew among the workloads whose pods run there now.

    Parameters
    ----------
    snapshot : Snapshot
        Rows of the histories are its nodes and its pods; curves as stated.
    nodes : NodeHistory
    pods : PodHistory
    row_of_pod : int64 array, shape (P,)
        Workload of each pod, -1 for one that does not count.
    count : int
        Workloads.

    Notes
    -----
    A pod that ran elsewhere or not at all has no use in the history, and counts by what it has.
    """
    step_s = max(BLOCK_S, nodes.step_s, pods.step_s)
    node_s = nodes.last_s - nodes.step_s * np.arange(nodes.watts.shape[1], dtype=np.float64)[::-1]
    pod_s = pods.start_s + pods.step_s * np.arange(pods.cores.shape[1], dtype=np.float64)
    first = np.floor(max(node_s[0], pod_s[0]) / step_s)
    steps = int(np.floor(min(node_s[-1], pod_s[-1]) / step_s) - first) + 1
    if steps < 1:
        return OverTime(np.empty(0), np.empty((count, 0)))
    known = np.where(nodes.filled | nodes.unmeasured[:, None], np.nan, nodes.watts)
    drawn = _blocks(known, node_s, step_s, first, steps)
    cores = _blocks(pods.cores, pod_s, step_s, first, steps)
    cards = _blocks(pods.accelerator_watts, pod_s, step_s, first, steps)
    watts = np.full((count, steps), np.nan)
    parting = _Parting(snapshot, node_kinds(snapshot), row_of_pod, count)
    for step in range(steps):
        watts[:, step] = parting.at(drawn[:, step], cores[:, step], cards[:, step])
    return OverTime((first + np.arange(steps) + 0.5) * step_s, watts)


@dataclass(frozen=True, slots=True, eq=False)
class _Parting:
    """Parts nodes' watts among workloads, a step at a time."""

    snapshot: Snapshot
    kinds: tuple[NodeKind, ...]
    row_of_pod: Integers
    count: int

    def at(self, drawn: Floats, cores: Floats, cards: Floats) -> Floats:
        """Watts of each workload, NaN where they are not known."""
        node, told = self.snapshot.pods.node.astype(np.int64), np.isfinite(drawn)
        placed, used = node >= 0, np.where(np.isfinite(cores), cores, 0.0)
        use = np.bincount(node[placed], used[placed] * MICRO, minlength=len(drawn)).astype(np.int64)
        found = attribute(
            NodeUse(
                measured_mw=np.round(np.where(told, drawn, 0.0) * MILLI).astype(np.int64),
                idle_mw=np.array([curve.idle_mw for curve in self.snapshot.node_curve], dtype=np.int64),
                modelled_mw=curve_mw(self.kinds, np.arange(len(drawn), dtype=np.int32), use),
                cores=np.full(len(drawn), np.nan),
                pod_node=node,
                pod_cores=used,
                pod_accelerator_mw=np.round(np.nan_to_num(cards) * MILLI).astype(np.int64),
            )
        )
        counts = self.row_of_pod >= 0
        sure = counts & placed & np.append(told, False)[node] & (np.isfinite(cores) | np.isfinite(cards))
        pods, known = (np.bincount(self.row_of_pod[which], minlength=self.count) for which in (counts, sure))
        watts = np.bincount(self.row_of_pod[sure], found.pod_mw[sure], minlength=self.count) / MILLI
        result: Floats = np.where(known >= KNOWN * np.maximum(pods, 1), watts, np.nan)
        return result


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
