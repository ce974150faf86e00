"""Rules between pods in the twin, at the end of the plan.

The placement found may break a rule. A plan must not break one anew: only zones that take newcomers are bound.
"""

import pulp

from powerplane.solver.problem import TopologyRule
from powerplane.solver.twin_model import TwinModel


class Zones:
    """A rule's zones as the model counts them."""

    def __init__(self, model: TwinModel, number: int, rule: TopologyRule) -> None:
        self.model, self.rule, self.number = model, rule, number
        self.carriers, self.targets = set(rule.carriers.tolist()), set(rule.targets.tolist())
        self.zone: list[int] = rule.zone.tolist()

    def count(self, classes: set[int], zone: int, *, counted_only: bool = False) -> pulp.LpAffineExpression:
        """Pods of some classes in a zone."""
        terms = [
            (variable, 1.0)
            for (c, n), variable in self.model.pods.items()
            if c in classes and self.zone[n] == zone and (self.rule.counted[n] or not counted_only)
        ]
        return self.model.sum(terms)

    def all(self, classes: set[int]) -> int:
        """Pods of some classes in the whole cluster."""
        return sum(self.model.totals[c] for c in classes)

    def opened(self, classes: set[int], zone: int, word: str, *, uncounted: bool = False) -> pulp.LpVariable | None:
        """Return a binary that is 1 when a pod of some classes is new on a node of a zone; None where none can be.

        With ``uncounted``, only nodes whose pods the rule does not count.
        """
        model = self.model
        nodes = {n for n, z in enumerate(self.zone) if z == zone and not (uncounted and self.rule.counted[n])}
        cells = [(c, n) for c, n in model.pods if c in classes and n in nodes and model.problem.movable[c]]
        cells = [(c, n) for c, n in cells if model.pods[c, n].upBound > model.found.get((c, n), 0)]
        if not cells:
            return None
        binary = model.lp.add_variable(f"{word}_{self.number}_{zone}", 0, 1, pulp.LpInteger)
        for c, n in cells:
            model.lp.addConstraint(model.newcomers(c, n) <= model.totals[c] * binary)
        return binary

    def close_unzoned(self) -> None:
        """Let no newcomer that carries the rule onto a node without the topology key."""
        for c, n in self.model.pods:
            if c in self.carriers and self.zone[n] < 0:
                self.model.lp.addConstraint(self.model.newcomers(c, n) <= 0)


def keep_rules(model: TwinModel) -> None:
    """Ensures that no rule between pods is broken anew."""
    keep = {"anti-affinity": keep_apart, "affinity": keep_together, "spread": keep_spread}
    for number, rule in enumerate(model.problem.rules):
        keep[rule.kind](Zones(model, number, rule))


def keep_apart(zones: Zones) -> None:
    """Ensures that no carrier and another target meet in a zone that either is new in.

    A new carrier: targets(zone) ≤ 1 if it is a target itself, else 0. A new target: carriers(zone) likewise.
    """
    both = zones.carriers & zones.targets
    groups = (
        ("both", both, zones.targets, 1),
        ("both2", both, zones.carriers, 1),
        ("carrier", zones.carriers - both, zones.targets, 0),
        ("target", zones.targets - both, zones.carriers, 0),
    )
    for zone in range(zones.rule.zone_count):
        for word, newcomers, others, most in groups:
            opened = zones.opened(newcomers, zone, word)
            if opened is not None and (count := zones.all(others)):
                zones.model.lp.addConstraint(zones.count(others, zone) <= count - (count - most) * opened)


def keep_together(zones: Zones) -> None:
    """Ensures that a zone with a new carrier holds a target: one besides it, unless it is the first of its own.

    targets(zone) ≥ 1 for a carrier that is no target, or the only one there is; ≥ 2 for any other.
    """
    zones.close_unzoned()
    both = zones.carriers & zones.targets
    least = 2 if zones.all(zones.targets) > 1 else 1
    for zone in range(zones.rule.zone_count):
        for word, newcomers, enough in (("near", zones.carriers - both, 1), ("own", both, least)):
            opened = zones.opened(newcomers, zone, word)
            if opened is not None:
                zones.model.lp.addConstraint(zones.count(zones.targets, zone) >= enough * opened)


def keep_spread(zones: Zones) -> None:
    """Ensures that a zone with a new carrier holds at most maxSkew targets more than the emptiest counted zone.

    targets(zone) - emptiest ≤ maxSkew, emptiest ≤ targets(z) for every counted zone z; 0 with too few of them. A new
    carrier that is a target counts itself, also where the rule does not count its node's pods: maxSkew - 1 there.
    """
    zones.close_unzoned()
    model, rule = zones.model, zones.rule
    counted = {zone for zone, counts in zip(zones.zone, rule.counted.tolist(), strict=True) if counts and zone >= 0}
    everyone = zones.all(zones.targets)
    most = everyone if len(counted) >= max(rule.min_zones, 1) else 0
    emptiest = model.lp.add_variable(f"emptiest_{zones.number}", 0, most)
    held = {zone: zones.count(zones.targets, zone, counted_only=True) for zone in range(rule.zone_count)}
    if most:
        for zone in counted:
            model.lp.addConstraint(emptiest <= held[zone])
    for zone in range(rule.zone_count):
        opened = zones.opened(zones.carriers, zone, "spread")
        if opened is not None:
            model.lp.addConstraint(held[zone] - emptiest <= rule.max_skew + everyone * (1 - opened))
        apart = zones.opened(zones.carriers & zones.targets, zone, "apart", uncounted=True)
        if apart is not None:
            model.lp.addConstraint(held[zone] - emptiest <= rule.max_skew - 1 + (everyone + 1) * (1 - apart))
