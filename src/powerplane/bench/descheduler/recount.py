"""A story of evictions told again from the snapshot alone, with arithmetic of its own.

It shares no code with what simulates descheduler: pods one by one, fractions instead of arrays, the power tree walked
from its leaves, labels and taints read from the objects.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby, pairwise

from powerplane.bench.descheduler.cells import LEVELS
from powerplane.bench.descheduler.cycles import Event, Look, Story
from powerplane.models.curves import PowerCurve
from powerplane.models.objects import PodDisruptionBudget
from powerplane.models.snapshot import NO_BUDGET, PodTemplate, Snapshot

ROUNDING_MW = 2
"""For each node: what rounding up to whole milliwatts may add."""


@dataclass(frozen=True, slots=True)
class Recount:
    """What was found: differences in words, none when the story holds."""

    differences: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


def recount(snapshot: Snapshot, story: Story) -> Recount:
    """Carry a story's events out again, and compare each look's figures with what comes of it."""
    books = _Books(snapshot)
    found: list[str] = []
    looks = {look.cycle: look for look in story.looks}
    events = {cycle: list(group) for cycle, group in groupby(story.events, key=lambda event: event.cycle)}
    found += books.compare_mw("at the beginning", story.first_overload_mw)
    evictions = 0
    for cycle, look in sorted(looks.items()):
        of_cycle = events.get(cycle, [])
        found += books.carry_out(of_cycle)
        evictions += sum(event.source >= 0 for event in of_cycle)
        found += books.compare(look, evictions)
    if len(story.events) != sum(len(events.get(cycle, ())) for cycle in looks):
        found.append("events of runs that nobody looked at")
    return Recount(tuple(found))


class _Books:
    """Each pod's node, each node's use and requests, and who was over at the beginning."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.node_of = snapshot.pods.node.tolist()
        self.bound = sum(node >= 0 for node in self.node_of)
        self.use: dict[int, int] = defaultdict(int)
        self.taken: dict[int, list[int]] = defaultdict(lambda: [0] * len(snapshot.resources))
        for pod, node in enumerate(self.node_of):
            if node >= 0:
                self._count(pod, node, 1)
        self.under = _nodes_under(snapshot)
        self.at_first = self.over_mw()

    def _template(self, pod: int) -> PodTemplate:
        return self.snapshot.templates[int(self.snapshot.pods.template[pod])]

    def _count(self, pod: int, node: int, sign: int) -> None:
        self.use[node] += sign * int(self.snapshot.pods.use_ucores[pod])
        for resource, amount in enumerate(self._template(pod).requests):
            self.taken[node][resource] += sign * amount

    def carry_out(self, events: Iterable[Event]) -> list[str]:
        """Move the pods of a run; tell what could not have been."""
        found: list[str] = []
        evicted = []
        for event in events:
            if self.node_of[event.pod] != event.source:
                found.append(f"run {event.cycle}: pod {event.pod} is not where it was evicted from")
            if event.source >= 0:
                evicted.append(event.pod)
                self._count(event.pod, event.source, -1)
                if self._template(event.pod).unmovable:
                    found.append(
                        f"run {event.cycle}: pod {event.pod} was evicted, {self._template(event.pod).unmovable}"
                    )
            if event.target >= 0:
                self._count(event.pod, event.target, 1)
                if not self._tolerates(event.pod, event.target):
                    found.append(f"run {event.cycle}: pod {event.pod} does not tolerate node {event.target}'s taint")
            self.node_of[event.pod] = event.target
        found += [f"node {event.target} is too full" for event in events if self._too_full(event.target)]
        return found + self._budgets_passed(evicted)

    def _tolerates(self, pod: int, node: int) -> bool:
        keys = {toleration.key for toleration in self._template(pod).tolerations}
        taints = self.snapshot.nodes[node].spec.taints or ()
        return all(taint.key in keys for taint in taints if taint.effect != "PreferNoSchedule")

    def _too_full(self, node: int) -> bool:
        if node < 0:
            return False
        offered = self.snapshot.allocatable[node].tolist()
        return any(taken > have for taken, have in zip(self.taken[node], offered, strict=True))

    def _budgets_passed(self, evicted: list[int]) -> list[str]:
        """Tell of disruption budgets passed by what one run evicted."""
        found = []
        for budget in self.snapshot.disruption_budgets:
            down = sum(_covers(budget, self._template(pod)) for pod in evicted)
            if down > budget.status.disruptions_allowed:
                found.append(f"{down} pods of disruption budget {budget.metadata.name} down at once")
        return found

    def compare(self, look: Look, evictions: int) -> list[str]:
        """Hold a look against the books."""
        found = self.compare_mw(f"run {look.cycle}", look.overload_mw) + self.compare_broken(look)
        if evictions != look.evictions:
            found.append(f"run {look.cycle}: {evictions} evictions, not {look.evictions}")
        running = sum(node >= 0 for node in self.node_of)
        if running + look.waiting != self.bound:
            found.append(f"run {look.cycle}: {running} pods run and {look.waiting} wait, of {self.bound}")
        return found

    def compare_mw(self, when: str, told_mw: int) -> list[str]:
        """Hold watts above budgets against the books."""
        counted = sum(self.over_mw().values(), Fraction(0))
        if abs(counted - told_mw) <= self._rounding_mw():
            return []
        return [f"{when}: {float(counted):.0f} mW above budgets, not {told_mw}"]

    def compare_broken(self, look: Look) -> list[str]:
        """Hold the budgets that a look says are broken anew against the books."""
        over = {name: mw for name, mw in self.over_mw().items() if name not in self.at_first}
        most = self._rounding_mw()
        named = {name for name, mw in over.items() if mw > most}
        # What is over by no more than rounding adds may be told or not.
        wrong = (named - set(look.broken)) | (set(look.broken) & set(self.at_first))
        if wrong or abs(sum(over.values(), Fraction(0)) - look.broken_mw) > most:
            return [f"run {look.cycle}: {', '.join(sorted(over)) or 'nothing'} is broken anew, not {look.broken}"]
        return []

    def _rounding_mw(self) -> int:
        return ROUNDING_MW * len(self.snapshot.nodes) * len(LEVELS)

    def over_mw(self) -> dict[str, Fraction]:
        """Milliwatts above their budgets of the domains and nodes that are over."""
        draw = [self._draw_mw(node) for node in range(len(self.snapshot.nodes))]
        told = [(name, budget, sum((draw[node] for node in nodes), Fraction(0))) for name, budget, nodes in self.under]
        own = self.snapshot.node_budget_mw.tolist()
        told += [(f"node {node}", budget, draw[node]) for node, budget in enumerate(own) if budget != NO_BUDGET]
        return {name: drawn - budget for name, budget, drawn in told if drawn > budget}

    def _draw_mw(self, node: int) -> Fraction:
        cores_milli = int(self.snapshot.allocatable[node, self.snapshot.resources.index("cpu")])
        return _watts_of(self.snapshot.node_curve[node], Fraction(self.use[node], cores_milli * 1000))


def _watts_of(curve: PowerCurve, utilisation: Fraction) -> Fraction:
    for (left, low), (right, high) in pairwise(zip(curve.utilisation, curve.milliwatts, strict=True)):
        if utilisation <= right:
            return low + (high - low) * (utilisation - left) / (right - left)
    return Fraction(curve.milliwatts[-1])


def _nodes_under(snapshot: Snapshot) -> list[tuple[str, int, tuple[int, ...]]]:
    """Name, budget and nodes of each domain; a domain here has one parent, or none."""
    row_of = {name: row for row, name in enumerate(snapshot.node_names)}
    members: dict[str, list[int]] = defaultdict(list)
    by_name = {domain.name: domain for domain in snapshot.topology.domains}
    for domain in snapshot.topology.domains:
        at, rows = domain, [row_of[name] for name in domain.nodes]
        members[at.name] += rows
        while at.parents:
            (parent,) = at.parents
            at = by_name[parent]
            members[at.name] += rows
    return [
        (domain.name, domain.budget_mw, tuple(members[domain.name]))
        for domain in snapshot.topology.domains
        if domain.budget_mw != NO_BUDGET
    ]


def _covers(budget: PodDisruptionBudget, template: PodTemplate) -> bool:
    wanted = (budget.spec.selector.match_labels if budget.spec.selector else None) or {}
    labels = dict(template.labels)
    same = budget.metadata.namespace == template.namespace
    return same and bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())
