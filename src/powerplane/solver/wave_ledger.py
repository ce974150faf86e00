"""What a wave has promised so far: whether one more move may run at the same time as those admitted."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from powerplane.solver.feasible import counted_zones
from powerplane.solver.state import State
from powerplane.solver.tables import Ints


@dataclass(slots=True, eq=False)
class _Traffic:
    """A node's part in a wave: use that leaves and comes, requests and milliwatts that come, moves that touch it."""

    leaving: int = 0
    coming: int = 0
    requests: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    accelerator_mw: int = 0
    moves: list[int] = field(default_factory=list)


class WaveLedger:
    """Moves of one wave, admitted one by one.

    Parameters
    ----------
    state : State
        The placement at the wave's start.
    ceiling : int64 array, shape (K,)
        Each row's load before the plan: what was found over its budget may stay there, and never goes above.

    Notes
    -----
    A power row's worst case over all subsets of the wave is bounded by its draw now plus, for every move,
    max(0, rise at the target - fall at the source): the rise at the steepest slope that the target's curve has
    between the least and the greatest use it may see in this wave, the fall at the flattest of the source's.
    """

    def __init__(self, state: State, ceiling: Ints) -> None:
        self._state = state
        self._ceiling = np.maximum(state.tables.rows.limit, ceiling)
        self._problem = state.tables.problem
        self._use = state.use()
        self._node_mw = state.node_mw
        self._traffic: dict[int, _Traffic] = {}
        self._moves: list[tuple[int, int, int]] = []
        self._added: dict[int, float] = {}
        self._shares: list[dict[int, float]] = []
        self._disrupted: Counter[int] = Counter()
        self._budgets_of: dict[int, list[int]] = {}
        for b, budget in enumerate(self._problem.disruption_budgets):
            for c in budget.classes.tolist():
                self._budgets_of.setdefault(c, []).append(b)
        self._came: Counter[tuple[str, int, int]] = Counter()
        self._left: Counter[tuple[int, int]] = Counter()
        self._relied: set[tuple[int, int]] = set()
        self._carried: set[tuple[int, int]] = set()
        self._uncounted: set[tuple[int, int]] = set()

    def admit(self, pod_class: int, source: int, target: int) -> bool:
        """Let one pod's move join the wave, if everything still holds whichever moves have run; say whether it did."""
        if not (
            self._allowed(pod_class, target)
            and self._fits(pod_class, target)
            and self._pods_left_up(pod_class)
            and self._rules_hold(pod_class, source, target)
        ):
            return False
        if not self._budgets_hold(pod_class, source, target):
            return False
        for b in self._budgets_of.get(pod_class, ()):
            self._disrupted[b] += 1
        self._count_rules(pod_class, source, target)
        return True

    def _allowed(self, pod_class: int, target: int) -> bool:
        """Ensures that the target lets new pods of the class in."""
        return bool(self._problem.allowed[self._problem.allowed_set[pod_class], target])

    def _fits(self, pod_class: int, target: int) -> bool:
        """Ensures that what is on the target now and all that comes in this wave fit, as if nothing left it."""
        asked = self._problem.requests[pod_class]
        came = self._traffic[target].requests if target in self._traffic else 0
        left = self._state.free[target] - came - asked
        return bool(((left >= 0) | (asked == 0)).all())

    def _pods_left_up(self, pod_class: int) -> bool:
        """Ensures that no disruption budget has more pods down at once than it allows."""
        return all(
            self._disrupted[b] < self._problem.disruption_budgets[b].allowed
            for b in self._budgets_of.get(pod_class, ())
        )

    def _budgets_hold(self, pod_class: int, source: int, target: int) -> bool:
        """Ensures that the target's own budget and every row's hold in the worst case; records the move if they do."""
        problem = self._problem
        use, accelerator = int(problem.use_ucores[pod_class]), int(problem.accelerator_mw[pod_class])
        self._register(pod_class, source, target, use, accelerator)
        if self._node_holds(target) and self._rows_hold(source, target):
            return True
        self._forget(pod_class, source, target, use, accelerator)
        return False

    def _register(self, pod_class: int, source: int, target: int, use: int, accelerator: int) -> None:
        number = len(self._moves)
        self._moves.append((pod_class, source, target))
        self._shares.append({})
        for node in (source, target):
            if node not in self._traffic:
                self._traffic[node] = _Traffic(requests=np.zeros(self._problem.allocatable.shape[1], dtype=np.int64))
            self._traffic[node].moves.append(number)
        self._traffic[source].leaving += use
        here = self._traffic[target]
        here.coming += use
        here.accelerator_mw += accelerator
        here.requests += self._problem.requests[pod_class]

    def _forget(self, pod_class: int, source: int, target: int, use: int, accelerator: int) -> None:
        number = len(self._moves) - 1
        for node in (source, target):
            self._traffic[node].moves.remove(number)
        self._traffic[source].leaving -= use
        here = self._traffic[target]
        here.coming -= use
        here.accelerator_mw -= accelerator
        here.requests -= self._problem.requests[pod_class]
        self._moves.pop()
        self._shares.pop()

    def _node_holds(self, node: int) -> bool:
        traffic = self._traffic[node]
        draw = self._curve_mw(node, traffic.coming) + traffic.accelerator_mw
        return bool(draw + self._state.accelerator_mw[node] <= self._state.tables.node_limit[node])

    def _rows_hold(self, source: int, target: int) -> bool:
        """Re-estimate the moves that touch either node, and keep the new sums if every row still holds."""
        touched = sorted({*self._traffic[source].moves, *self._traffic[target].moves})
        fresh = {i: self._estimate(i) for i in touched}
        changes: dict[int, float] = {}
        for i in touched:
            for row, mw in fresh[i].items():
                changes[row] = changes.get(row, 0.0) + mw
            for row, mw in self._shares[i].items():
                changes[row] = changes.get(row, 0.0) - mw
        for row, change in changes.items():
            worst = float(self._state.load[row]) + self._added.get(row, 0.0) + change
            if change > 0 and worst > int(self._ceiling[row]):
                return False
        for row, change in changes.items():
            self._added[row] = self._added.get(row, 0.0) + change
        for i in touched:
            self._shares[i] = fresh[i]
        return True

    def _estimate(self, number: int) -> dict[int, float]:
        """Return the most that a move can add to each row: weight × milliwatts, never below 0."""
        pod_class, source, target = self._moves[number]
        use = int(self._problem.use_ucores[pod_class])
        accelerator = int(self._problem.accelerator_mw[pod_class])
        rise = self._rise(target, use) + accelerator
        fall = self._fall(source, use) + accelerator
        added: dict[int, float] = {}
        for row, weight in zip(*(part.tolist() for part in self._state.tables.rows.of(target)), strict=True):
            added[row] = weight * rise
        for row, weight in zip(*(part.tolist() for part in self._state.tables.rows.of(source)), strict=True):
            added[row] = added.get(row, 0.0) - weight * fall
        return {row: mw for row, mw in added.items() if mw > 0}

    def _rise(self, node: int, use: int) -> float:
        """Return the most that a pod's arrival adds to a node's draw, exact where it is alone there in this wave."""
        if len(self._traffic[node].moves) == 1:
            return float(self._curve_mw(node, use) - int(self._state.curve_mw[node]))
        # Draws are rounded up to whole milliwatts, so a difference of two may be off by one.
        return use * self._slopes(node)[1] + (1 if use else 0)

    def _fall(self, node: int, use: int) -> float:
        """Return the least that a pod's departure takes off a node's draw, exact where it is alone there."""
        if len(self._traffic[node].moves) == 1:
            return float(int(self._state.curve_mw[node]) - self._curve_mw(node, -use))
        return max(0.0, use * self._slopes(node)[0] - (1 if use else 0))

    def _curve_mw(self, node: int, change: int) -> int:
        """Return a node's draw, accelerators apart, with so many micro-cores more."""
        kind = self._problem.node_type[node : node + 1]
        return int(self._state.tables.curves.watts(kind, np.array([self._use[node] + change]))[0])

    def _slopes(self, node: int) -> tuple[float, float]:
        traffic = self._traffic[node]
        use = int(self._use[node])
        kind = int(self._problem.node_type[node])
        return self._state.tables.curves.slope_range(kind, use - traffic.leaving, use + traffic.coming)

    def _rules_hold(self, pod_class: int, source: int, target: int) -> bool:
        """Ensures that Kubernetes would accept the newcomer, whatever else of the wave has happened."""
        rules = self._state.tables.rules
        carried = all(self._carried_holds(i, pod_class, source, target) for i in rules.carried.get(pod_class, ()))
        return carried and all(
            self._targeted_holds(i, pod_class, source, target) for i in rules.targeted.get(pod_class, ())
        )

    def _present(self, kind: str, i: int, pod_class: int, source: int, zone: int) -> int:
        """Most pods of a rule's side that may be in a zone when the mover arrives, not counting itself."""
        counts = self._state.carriers[i] if kind == "carriers" else self._state.targets[i]
        members = self._state.tables.rules.carried if kind == "carriers" else self._state.tables.rules.targeted
        own = i in members.get(pod_class, ()) and int(self._problem.rules[i].zone[source]) == zone
        return int(counts[zone]) - int(own) + self._came[kind, i, zone]

    def _carried_holds(self, i: int, pod_class: int, source: int, target: int) -> bool:
        rule = self._problem.rules[i]
        zone = int(rule.zone[target])
        if rule.kind == "anti-affinity":
            return zone < 0 or self._present("targets", i, pod_class, source, zone) == 0
        if zone < 0:
            return False
        if rule.kind == "affinity":
            return self._company_stays(i, pod_class, source, zone)
        return self._skew_holds(i, pod_class, source, target)

    def _targeted_holds(self, i: int, pod_class: int, source: int, target: int) -> bool:
        rule = self._problem.rules[i]
        zone = int(rule.zone[target])
        if rule.kind == "anti-affinity":
            return zone < 0 or self._present("carriers", i, pod_class, source, zone) == 0
        if rule.kind == "affinity":
            here = int(rule.zone[source])
            relied = (i, here) in self._relied
            return not relied or int(self._state.targets[i][here]) - self._left[i, here] > 1
        return self._skew_holds(i, pod_class, source, target)

    def _company_stays(self, i: int, pod_class: int, source: int, zone: int) -> bool:
        own = i in self._state.tables.rules.targeted.get(pod_class, ())
        counts = self._state.targets[i]
        leaves = int(own and int(self._problem.rules[i].zone[source]) == zone)
        if int(counts[zone]) - self._left[i, zone] - leaves > 0:
            return True
        return own and int(counts.sum()) == 1

    def _skew_holds(self, i: int, pod_class: int, source: int, target: int) -> bool:
        """Check every zone that carriers come to, with this move counted in: all arrivals, and no departures.

        Only a pod that is the first to come to its own zone again is known to have left it.
        """
        rule, state = self._problem.rules[i], self._state
        targeted = i in state.tables.rules.targeted.get(pod_class, ())
        here, there = int(rule.zone[source]), int(rule.zone[target])
        zones = range(rule.zone_count)
        high = state.targets[i] + np.array([self._came["targets", i, z] for z in zones], dtype=np.int64)
        low = state.targets[i] - np.array([self._left[i, z] for z in zones], dtype=np.int64)
        returns = there == here and not self._came["targets", i, there] and (i, there) not in self._carried
        if targeted and there >= 0 and rule.counted[target] and not returns:
            high[there] += 1
        if targeted and here >= 0 and rule.counted[source]:
            low[here] -= 1
        counted = counted_zones(rule)
        least = int(low[counted].min()) if len(counted) and len(counted) >= rule.min_zones else 0
        watched = {z for j, z in self._carried if j == i}
        alone = {z for j, z in self._uncounted if j == i}
        if i in state.tables.rules.carried.get(pod_class, ()):
            watched = watched | {there}
            alone = alone | ({there} if targeted and not rule.counted[target] else set())
        return all(int(high[z]) + (z in alone) - least <= rule.max_skew for z in watched)

    def _count_rules(self, pod_class: int, source: int, target: int) -> None:
        rules = self._state.tables.rules
        for i in rules.carried.get(pod_class, ()):
            rule = self._problem.rules[i]
            zone = int(rule.zone[target])
            if zone >= 0:
                self._came["carriers", i, zone] += 1
                self._relied.add((i, zone))
                self._carried.add((i, zone))
                if rule.kind == "spread" and i in rules.targeted.get(pod_class, ()) and not rule.counted[target]:
                    # A newcomer counts itself, also where the rule does not count its node's pods.
                    self._uncounted.add((i, zone))
        for i in rules.targeted.get(pod_class, ()):
            rule = self._problem.rules[i]
            here, there = int(rule.zone[source]), int(rule.zone[target])
            if there >= 0 and (rule.kind != "spread" or rule.counted[target]):
                self._came["targets", i, there] += 1
            if here >= 0 and (rule.kind != "spread" or rule.counted[source]):
                self._left[i, here] += 1
