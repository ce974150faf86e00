"""Rules between pods: required affinity and anti-affinity, and topology spread, at their worst within a wave.

What may be there: the pods that the wave finds, and its other arrivals. What surely stays: the pods that it finds and
does not move. Semantics: the Kubernetes documentation of inter-pod affinity and of pod topology spread constraints.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from powerplane.models.objects import TopologySpreadConstraint
from powerplane.solver.check.groups import Groups, affinity_terms, anti_affinity_terms
from powerplane.solver.check.ledger import Cluster, Ledger
from powerplane.solver.check.replay import Step, Wave

Finding = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Tally:
    """Pods of some templates by zone: found at the wave's start, arriving in it, leaving in it."""

    found: Counter[str]
    arriving: Counter[str]
    leaving: Counter[str]


class Between:
    """The rules of all templates, and the wave that they are judged in."""

    def __init__(self, cluster: Cluster) -> None:
        self.templates = cluster.snapshot.templates
        self.groups = Groups(cluster.snapshot)
        self.seats: list[dict[int, int]] = []
        self.arriving: dict[int, Counter[int]] = {}
        self.leaving: dict[int, Counter[int]] = {}
        self._tallies: dict[tuple[object, ...], Tally] = {}

    def begin(self, ledger: Ledger, wave: Wave) -> None:
        """Turn to a wave that starts from the ledger's state."""
        self.seats = ledger.seats
        self.arriving, self.leaving = defaultdict(Counter), defaultdict(Counter)
        self._tallies = {}
        for step in wave.steps:
            self.arriving[step.template][step.target] += 1
            self.leaving[step.template][step.source] += 1

    def findings(self, step: Step) -> Iterator[Finding]:
        """Judge one arrival."""
        yield from self._own_anti_affinity(step)
        yield from self._others_anti_affinity(step)
        yield from self._affinity(step)
        for index, constraint in enumerate(self.templates[step.template].spread):
            if constraint.when_unsatisfiable == "DoNotSchedule":
                yield from self._spread(step, index, constraint)

    def _own_anti_affinity(self, step: Step) -> Iterator[Finding]:
        """Ensures that no pod which an arriving pod's anti-affinity names may be in its zone."""
        for index, term in enumerate(anti_affinity_terms(self.templates[step.template].affinity)):
            group = self.groups.named_by(step.template, "anti-affinity", index, [term])
            if self._may_be_near(step, group, term.topology_key):
                yield "anti-affinity", f"a pod that its anti-affinity over {term.topology_key} names may be there"

    def _others_anti_affinity(self, step: Step) -> Iterator[Finding]:
        """Ensures that no pod whose anti-affinity names the arriving pod may be in its zone."""
        for carrier, key in self.groups.repelling(step.template):
            if self._may_be_near(step, (carrier,), key):
                owner = self.templates[carrier].owner or "a pod"
                yield "anti-affinity", f"the anti-affinity of {owner} over {key} names it and may be there"

    def _may_be_near(self, step: Step, group: tuple[int, ...], key: str) -> bool:
        zones = self.groups.zones(key)
        zone = zones[step.target]
        if zone is None:
            return False
        tally = self._tally(group, key, None)
        own = (1 + (zones[step.source] == zone)) if step.template in group else 0
        return tally.found[zone] + tally.arriving[zone] > own

    def _affinity(self, step: Step) -> Iterator[Finding]:
        """Ensures that a pod that all required terms name surely stays in each term's zone.

        The first pod of its own kind is excused: it matches its own terms, and no other pod does anywhere.
        """
        terms = affinity_terms(self.templates[step.template].affinity)
        if not terms:
            return
        group = self.groups.named_by(step.template, "affinity", 0, terms)
        alone = step.template in group
        missing = []
        for term in terms:
            zones, tally = self.groups.zones(term.topology_key), self._tally(group, term.topology_key, None)
            zone = zones[step.target]
            if zone is None or tally.found[zone] <= tally.leaving[zone]:
                missing.append(term.topology_key)
            own = 1 + (zones[step.source] is not None)
            alone = alone and zone is not None and tally.found.total() + tally.arriving.total() <= own
        if missing and not alone:
            yield "affinity", f"no pod that its affinity over {missing[0]} names surely stays there"

    def _spread(self, step: Step, index: int, constraint: TopologySpreadConstraint) -> Iterator[Finding]:
        """Ensures that the target's zone, at its fullest, exceeds the emptiest zone by no more than the skew.

        Where n is the pods that the selector chooses: n(zone) + 1 if it chooses the pod itself - min n <= maxSkew; the
        minimum is 0 where fewer zones count than minDomains.
        """
        key = constraint.topology_key
        counted = self.groups.counted(step.template, constraint)
        zones = self.groups.zones(key)
        zone = zones[step.target]
        if zone is None:
            yield "spread", f"the node has no label {key}"
            return
        group = self.groups.spread_over(step.template, index, constraint)
        tally = self._tally(group, key, counted)
        fullest = tally.found[zone] + tally.arriving[zone]
        if step.template in group:
            fullest -= (step.target in counted) + (step.source in counted and zones[step.source] == zone) - 1
        names = self.groups.counted_zones(step.template, constraint)
        emptiest = min((tally.found[name] - tally.leaving[name] for name in names), default=0)
        if len(names) < (constraint.min_domains or 1):
            emptiest = 0
        if fullest - emptiest > constraint.max_skew:
            detail = f"{key}={zone} may hold {fullest}, the emptiest {emptiest}, skew {constraint.max_skew}"
            yield "spread", detail

    def _tally(self, group: tuple[int, ...], key: str, counted: frozenset[int] | None) -> Tally:
        name = group, key, counted and id(counted)
        if name not in self._tallies:
            zones = self.groups.zones(key)
            counts = [Counter[str](), Counter[str](), Counter[str]()]
            for template in group:
                sources = [self.seats[template]]
                sources += [moving.get(template, Counter()) for moving in (self.arriving, self.leaving)]
                for count, nodes in zip(counts, sources, strict=True):
                    for node, pods in nodes.items():
                        zone = zones[node]
                        if zone is not None and pods and (counted is None or node in counted):
                            count[zone] += pods
            self._tallies[name] = Tally(*counts)
        return self._tallies[name]
