"""Rules between pods, as the baselines keep them: each move is allowed only where every rule still holds after it."""

import numpy as np
from numpy.typing import NDArray

from powerplane.solver.problem import Problem, TopologyRule

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


class PodRules:
    """Counts of carriers and targets by zone, kept move by move.

    Attributes
    ----------
    movable : bool array, shape (C,)
        Classes that a baseline may move: those that the problem lets move, less those under a disruption budget that
        allows nothing, and less the targets of a required affinity, whose carriers would be left alone.
    """

    def __init__(self, problem: Problem, counts: Ints) -> None:
        self.rules = problem.rules
        self._node_count = problem.node_count
        self.carried = [np.isin(np.arange(problem.class_count), rule.carriers) for rule in problem.rules]
        self.targeted = [np.isin(np.arange(problem.class_count), rule.targets) for rule in problem.rules]
        self.movable: Mask = problem.movable.copy()
        for budget in problem.disruption_budgets:
            if budget.allowed <= 0:
                self.movable[budget.classes] = False
        for rule in problem.rules:
            if rule.kind == "affinity":
                self.movable[rule.targets] = False
        self.carriers = [_by_zone(rule, counts[mask]) for rule, mask in zip(self.rules, self.carried, strict=True)]
        self.targets = [_by_zone(rule, counts[mask]) for rule, mask in zip(self.rules, self.targeted, strict=True)]
        self._concerned = [
            [i for i in range(len(self.rules)) if self.carried[i][c] or self.targeted[i][c]]
            for c in range(problem.class_count)
        ]

    def put(self, pod_class: int, node: int, count: int) -> None:
        """Count pods that come, or go where ``count`` is negative."""
        for i in self._concerned[pod_class]:
            rule = self.rules[i]
            if (zone := rule.zone[node]) < 0:
                continue
            self.carriers[i][zone] += count * self.carried[i][pod_class]
            if rule.kind != "spread" or rule.counted[node]:
                self.targets[i][zone] += count * self.targeted[i][pod_class]

    def open_nodes(self, pod_class: int, source: int) -> Mask:
        """Nodes where a pod of a class, coming from ``source``, breaks no rule; -1 for a pod that is nowhere."""
        nodes: Mask = np.ones(self._node_count, dtype=np.bool_)
        for i in self._concerned[pod_class]:
            zones, elsewhere = self._open_zones(i, pod_class, source)
            nodes &= np.where(self.rules[i].zone >= 0, zones[self.rules[i].zone], elsewhere)
        return nodes

    def nodes_for_new(self, pod_class: int) -> Mask:
        """Nodes that kube-scheduler's filters leave to a new pod of a class.

        Unlike in ``open_nodes``, a spread that is uneven already bars only the zones where the pod would be one too
        many (PodTopologySpread: matching pods, itself included, less those of the emptiest zone).
        """
        nodes: Mask = np.ones(self._node_count, dtype=np.bool_)
        for i in self._concerned[pod_class]:
            rule = self.rules[i]
            if rule.kind != "spread":
                zones, elsewhere = self._open_zones(i, pod_class, -1)
            elif self.carried[i][pod_class]:
                seen = self.targets[i] + self.targeted[i][pod_class]
                zones, elsewhere = seen <= _least(rule, self.targets[i]) + rule.max_skew, False
            else:
                continue
            nodes &= np.where(rule.zone >= 0, zones[rule.zone], elsewhere)
        return nodes

    def _open_zones(self, i: int, pod_class: int, source: int) -> tuple[Mask, bool]:
        """Zones that may take the pod, and whether a node without the topology key may."""
        rule, carriers, targets = self.rules[i], self.carriers[i].copy(), self.targets[i].copy()
        carries, counts = bool(self.carried[i][pod_class]), bool(self.targeted[i][pod_class])
        zone = int(rule.zone[source]) if source >= 0 else -1
        if zone >= 0:
            carriers[zone] -= carries
            targets[zone] -= counts and (rule.kind != "spread" or bool(rule.counted[source]))
        if rule.kind == "anti-affinity":
            return ~((carries & (targets > 0)) | (counts & (carriers > 0))), True
        if rule.kind == "affinity":
            return (targets > 0) | (not carries), not carries
        zones, even = _even_zones(rule, targets, zone, counts)
        return zones, even and not carries


def _even_zones(rule: TopologyRule, targets: Ints, source_zone: int, counts: bool) -> tuple[Mask, bool]:
    """Zones that may take one more pod, and whether all are even without it.

    Taking a pod off the emptiest zone must not make another too full either.
    """
    counted = _counted(rule)
    if not counted.any():
        return np.ones(rule.zone_count, dtype=np.bool_), True
    least = _least(rule, targets)
    even = int(targets[counted].max()) <= least + rule.max_skew
    zones: Mask = targets + counts <= least + rule.max_skew
    if not even:
        zones &= np.arange(rule.zone_count) == source_zone
    return zones, even


def _counted(rule: TopologyRule) -> Mask:
    counted: Mask = np.zeros(rule.zone_count, dtype=np.bool_)
    counted[rule.zone[rule.counted & (rule.zone >= 0)]] = True
    return counted


def _least(rule: TopologyRule, targets: Ints) -> int:
    """Pods in the emptiest counted zone."""
    counted = _counted(rule)
    return 0 if not counted.any() or counted.sum() < rule.min_zones else int(targets[counted].min())


def _by_zone(rule: TopologyRule, counts: Ints) -> Ints:
    pods = counts.sum(axis=0)
    seen = rule.zone >= 0
    if rule.kind == "spread":
        seen &= rule.counted
    return np.bincount(rule.zone[seen], weights=pods[seen], minlength=rule.zone_count).astype(np.int64)
