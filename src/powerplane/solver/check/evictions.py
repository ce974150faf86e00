"""Whether a wave's pods may be evicted: none that must stay, and no more than disruption budgets allow."""

from collections import Counter
from collections.abc import Iterator

from powerplane.models.snapshot import Snapshot
from powerplane.solver.check.replay import Wave
from powerplane.solver.check.report import Violation
from powerplane.solver.check.selectors import matches_labels


class Evictions:
    """The disruption budgets, matched once per template."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._covering: dict[int, tuple[int, ...]] = {}

    def check(self, wave: Wave) -> Iterator[Violation]:
        """Find the steps of a wave that the Eviction API would refuse."""
        yield from self._unmovable(wave)
        yield from self._covered_twice(wave)
        yield from self._budgets(wave)

    def _unmovable(self, wave: Wave) -> Iterator[Violation]:
        """Ensures that no pod moves that must stay."""
        for step in wave.steps:
            if reason := self.snapshot.templates[step.template].unmovable:
                yield Violation("unmovable", self._pod(step.pod), wave.number, f"must stay: {reason}")

    def _covered_twice(self, wave: Wave) -> Iterator[Violation]:
        """Ensures that no pod moves that two budgets cover: the Eviction API refuses such pods."""
        for step in wave.steps:
            if len(covering := self._budgets_over(step.template)) > 1:
                names = ", ".join(self._budget(row) for row in covering)
                detail = f"covered by {len(covering)} disruption budgets: {names}"
                yield Violation("covered-twice", self._pod(step.pod), wave.number, detail)

    def _budgets(self, wave: Wave) -> Iterator[Violation]:
        """Ensures that at most as many covered pods move in a wave as their budget allows."""
        moving = Counter(row for step in wave.steps for row in self._budgets_over(step.template))
        for row, count in moving.items():
            allowed = self.snapshot.disruption_budgets[row].status.disruptions_allowed
            if count > allowed:
                detail = f"{count} of its pods move, {allowed} may be down"
                yield Violation("disruption-budget", self._budget(row), wave.number, detail)

    def _budgets_over(self, template: int) -> tuple[int, ...]:
        if template not in self._covering:
            pod = self.snapshot.templates[template]
            labels = dict(pod.labels)
            self._covering[template] = tuple(
                row
                for row, budget in enumerate(self.snapshot.disruption_budgets)
                if budget.metadata.namespace == pod.namespace and matches_labels(budget.spec.selector, labels)
            )
        return self._covering[template]

    def _pod(self, pod: int) -> str:
        return f"{self.snapshot.pods.namespaces[pod]}/{self.snapshot.pods.names[pod]}"

    def _budget(self, row: int) -> str:
        metadata = self.snapshot.disruption_budgets[row].metadata
        return f"{metadata.namespace}/{metadata.name}"
