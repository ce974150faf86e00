"""Plans once published: followed until they end, taken back where nothing asks for them, held to their word."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from powerplane.models.api.placement_plan import PlacementPlanObject
from powerplane.models.objects import Pod
from powerplane.models.quantities import MILLI
from powerplane.models.telemetry.domains import DomainReading
from powerplane.recommender.books import Seen
from powerplane.recommender.courses import Course, course_of, ended_s, is_outdated, to_clear
from powerplane.recommender.hysteresis import Calm, Pauses
from powerplane.recommender.ledger import HORIZON_S, Entry, Ledger
from powerplane.recommender.outside import Parts
from powerplane.recommender.seeing import Ground

LOG = logging.getLogger(__name__)

SEEN_WITHIN_S = 30.0
"""How long a plan that was published counts although no watch shows it yet."""

EASED_S = 60.0
"""Time without a violation in its trees after which a plan that has not begun is taken back."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What a plan that ran foretold, to be held against the meters at a time.

    Parameters
    ----------
    due_s : float
    after_watts, budget_watts : dict
        By domain.
    """

    due_s: float
    after_watts: dict[str, int]
    budget_watts: dict[str, int]


@dataclass(slots=True)
class PlanKeeper:
    """Follows plans. Not for several threads at once.

    Parameters
    ----------
    parts : Parts
    calm : Calm
    ledger : Ledger
    ends : int
        Plans that have ended since the start.
    """

    parts: Parts
    calm: Calm
    ledger: Ledger
    ends: int = 0
    _pauses: Pauses = field(init=False)
    _courses: dict[str, Course] | None = None
    _published: dict[str, tuple[Course, float]] = field(default_factory=dict)
    _eased: dict[str, float] = field(default_factory=dict)
    _promises: list[Promise] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._pauses = Pauses(self.calm)

    def follow(self, seen: Seen, ground: Ground, now_s: float) -> list[Course]:
        """Return how all plans stand; one that ended since the last look is noted.

        Parameters
        ----------
        seen : Seen
        ground : Ground
        now_s : float
            Unix seconds.
        """
        clock_s = self.parts.clock()
        now = {plan.metadata.name: course_of(plan, ground.trees, now_s) for plan in seen.plans}
        before = {name: course for name, (course, _) in self._published.items()} | (self._courses or {})
        self._published = {
            name: (course, at_s)
            for name, (course, at_s) in self._published.items()
            if name not in now and clock_s - at_s < SEEN_WITHIN_S
        }
        if self._courses is None:
            self._recall(seen, now, now_s)
        for name, course in before.items():
            after = now.get(name)
            if course.over or name in self._published or (after is not None and not after.over):
                continue
            self._ended(course if after is None else after, after is None, seen, now_s)
        self._courses = now
        return [*now.values(), *(course for course, _ in self._published.values())]

    def busy(self, courses: Iterable[Course]) -> frozenset[str]:
        """Return the trees that are being planned for, or rest."""
        trees = [course.trees for course in courses if not course.over]
        return frozenset().union(*trees, self._pauses.resting(self.parts.clock()))

    def published(self, course: Course) -> None:
        """Note a plan that was published: it counts before any watch shows it."""
        self._published[course.name] = (course, self.parts.clock())

    def take_back(self, seen: Seen, hot: frozenset[str], courses: Iterable[Course]) -> None:
        """Delete plans that have not begun and that nothing asks for any more, and those that are long over.

        Parameters
        ----------
        seen : Seen
        hot : frozenset of str
            Trees in which a budget is broken, now or ahead.
        courses : iterable of Course
        """
        pods = by_uid(seen)
        known = {course.name: course for course in courses}
        self._eased = {name: at_s for name, at_s in self._eased.items() if name in known}
        for plan in seen.plans:
            if why := self._why_back(plan, known[plan.metadata.name], hot, pods):
                self._delete(plan.metadata.name, why)
        for name in to_clear(seen.plans, known, self.parts.now()):
            self._delete(name, "it is long over")

    def hold_to_word(self, readings: Iterable[DomainReading], now_s: float) -> None:
        """Measure how far domains came out from what plans foretold, once meters can show it."""
        due = [each for each in self._promises if each.due_s <= now_s]
        if not due:
            return
        drawn = {each.name: each.draw_mw / MILLI for each in readings if not each.worst}
        for promise in due:
            for name, after in promise.after_watts.items():
                if name in drawn:
                    self.parts.metrics.erred((drawn[name] - after) / promise.budget_watts[name])
        self._promises = [each for each in self._promises if each.due_s > now_s]

    def _why_back(self, plan: PlacementPlanObject, course: Course, hot: frozenset[str], pods: Mapping[str, Pod]) -> str:
        name = course.name
        if course.over or course.begun:
            self._eased.pop(name, None)
            return ""
        clock_s = self.parts.clock()
        if course.trees & hot:
            self._eased.pop(name, None)
        elif clock_s - self._eased.setdefault(name, clock_s) >= EASED_S:
            return "no budget is broken any more"
        return "pods that it moves are gone, or elsewhere" if is_outdated(plan, pods) else ""

    def _delete(self, name: str, why: str) -> None:
        if not self.parts.outside.leads():
            return
        written = self.parts.outside.delete(name)
        self.parts.metrics.wrote("delete", written.outcome)
        self._eased.pop(name, None)
        LOG.info("plan %s is deleted (%s): %s", name, why, written.outcome)

    def _recall(self, seen: Seen, courses: Mapping[str, Course], now_s: float) -> None:
        """Take over from whoever planned before: trees whose plan failed a moment ago rest."""
        for plan in seen.plans:
            course, ago_s = courses[plan.metadata.name], max(0.0, now_s - ended_s(plan))
            if course.failed and ago_s < self.calm.first_pause_s:
                self._pauses.ended(course.trees, self.parts.clock() - ago_s, failed=True)

    def _ended(self, course: Course, gone: bool, seen: Seen, now_s: float) -> None:
        self.ends += 1
        self.parts.metrics.planned("deleted" if gone else course.phase.lower())
        self._pauses.ended(course.trees, self.parts.clock(), failed=course.failed and not gone)
        plan = next((each for each in seen.plans if each.metadata.name == course.name), None)
        if plan is None or not course.done:
            return
        self.ledger.taken(_taken(plan, course, now_s))
        if course.phase == "Done":
            budgets = {each.name: each.budget_watts for each in plan.spec.domains if each.budget_watts}
            after = {each.name: each.after_watts for each in plan.spec.domains if each.name in budgets}
            self._promises.append(Promise(now_s + self.calm.settle_s, after, budgets))


def by_uid(seen: Seen) -> dict[str, Pod]:
    """Return the pods by their UIDs."""
    return {pod.metadata.uid: pod for pod in seen.cluster.pods}


def _taken(plan: PlacementPlanObject, course: Course, now_s: float) -> Entry:
    return Entry(
        name=course.name,
        choice="taken",
        policies=tuple(sorted({move.policy for move in plan.spec.moves if move.lever != "restore"})),
        cut_mw={each.name: (each.before_watts - each.after_watts) * MILLI for each in plan.spec.domains},
        moves=course.moves,
        since_s=now_s,
        until_s=now_s + HORIZON_S,
        share=course.done / max(course.moves, 1),
    )
