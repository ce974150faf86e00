"""The recommender's round: load, look at the meters, foresee, judge, solve, publish; each step timed, none skipped."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from powerplane.adapters.cluster_writes import Written
from powerplane.models.api.kinds import CLUSTER_CAPPING_POLICY, PLACEMENT_PLAN, POWER_DOMAIN
from powerplane.models.api.placement_plan import PlacementPlanObject
from powerplane.models.api.policies import key_of
from powerplane.models.demand.alarms import ALARM_AT
from powerplane.models.errors import InputError
from powerplane.models.objects import Pod
from powerplane.models.quantities import MILLI
from powerplane.models.snapshot import Snapshot
from powerplane.recommender.allowing import Allowing
from powerplane.recommender.books import Books, Seen
from powerplane.recommender.courses import Course, course_of, ended_s, is_outdated, to_clear
from powerplane.recommender.due import Due
from powerplane.recommender.hysteresis import Calm, Hysteresis, Pauses
from powerplane.recommender.ledger import HORIZON_S, Entry, Ledger
from powerplane.recommender.looking import Look, Looker
from powerplane.recommender.metrics import RecommenderMetrics
from powerplane.recommender.narrowing import Limits
from powerplane.recommender.proposing import Proposal, cuts_mw, propose
from powerplane.recommender.publishing import Context, policy_title, publishable
from powerplane.recommender.seeing import Ground, GroundKeeper, snapshot_of
from powerplane.recommender.solving import Solver
from powerplane.recommender.telling import Subject, Teller
from powerplane.recommender.trend import Record
from powerplane.recommender.violations import NODE, Foreseen, Found, Violation, find_violations, node_violations

LOG = logging.getLogger(__name__)

SEEN_WITHIN_S = 30.0
"""How long a plan that was published counts although no watch shows it yet."""

EASED_LOOKS = 12
"""Looks in a row without a violation in its trees after which a plan that has not begun is taken back."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often and how long.

    Parameters
    ----------
    look_s : float
        Between two looks at nodes' watts.
    period_s : float
        Between two whole rounds where nothing presses.
    deadline_s : float
        For solving.
    lead_s : float
        The time it takes to act: budgets that will be broken within it are acted on now.
    alarm_at : float
        Probability of a breach within it from which on it counts.
    seed : int
    """

    look_s: float = 5.0
    period_s: float = 60.0
    deadline_s: float = 4.0
    lead_s: float = 180.0
    alarm_at: float = ALARM_AT
    seed: int = 0


class Outside(Protocol):
    """What a round writes to."""

    def leads(self) -> bool:
        """Whether this replica may write at this instant."""
        ...

    def plans(self) -> tuple[PlacementPlanObject, ...] | None:
        """All plans as the API server has them now; None where it does not say."""
        ...

    def publish(self, body: Mapping[str, Any]) -> Written:
        """Create a plan."""
        ...

    def delete(self, name: str) -> Written:
        """Delete a plan."""
        ...


@dataclass(slots=True)
class Judgement:
    """What a look came to, for whoever tells of it.

    Parameters
    ----------
    at_s : float
        Unix seconds.
    ground : Ground
    look : Look
    found : Found
    """

    at_s: float
    ground: Ground
    look: Look
    found: Found


@dataclass(slots=True)
class Parts:
    """What a round works with.

    Parameters
    ----------
    books : Books
    looker : Looker
    solver : Solver
    outside : Outside
    teller : Teller
    metrics : RecommenderMetrics
    clock : callable
        Seconds that only go on.
    now : callable
        Unix seconds.
    """

    books: Books
    looker: Looker
    solver: Solver
    outside: Outside
    teller: Teller
    metrics: RecommenderMetrics
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time


@dataclass(slots=True)
class _Memory:
    """What is remembered from look to look."""

    record: Record = field(default_factory=Record)
    book: object = None
    look: Look | None = None
    looked_s: float = float("-inf")
    courses: dict[str, Course] | None = None
    published: dict[str, tuple[Course, float]] = field(default_factory=dict)
    eased: dict[str, int] = field(default_factory=dict)


class Rounds:
    """Does rounds. Not for several threads at once.

    Parameters
    ----------
    parts : Parts
    pace : Pace
    calm : Calm
    power_file : Path or None
        power.yaml, where PowerDomains do not say what nodes draw.
    """

    def __init__(self, parts: Parts, pace: Pace, calm: Calm, power_file: Path | None = None) -> None:
        self._parts = parts
        self._pace = pace
        self._calm = calm
        self._grounds = GroundKeeper(power_file)
        self._hysteresis = Hysteresis(calm)
        self._pauses = Pauses(calm)
        self._due = Due(pace.period_s)
        self._memory = _Memory()
        self.ledger = Ledger()
        self.judgement: Judgement | None = None
        """What the last look came to."""
        self.last_proposal: Proposal | None = None
        """What the last solve came to."""

    def once(self) -> None:
        """Do one round."""
        metrics, now_s = self._parts.metrics, self._parts.now()
        with metrics.step("load"):
            seen = self._parts.books.seen()
            metrics.stopped(seen.stopped is not None)
            try:
                ground = self._grounds.ground(seen, now_s)
            except InputError as error:
                LOG.warning("no plan: %s", error.problem)
                self._parts.metrics.planned("no ground")
                return
        with metrics.step("telemetry"):
            look = self._look(ground)
        courses = self._follow_courses(seen, ground, now_s)
        if look.trouble:
            LOG.warning("no plan: %s", look.trouble)
            metrics.planned("no telemetry")
            self._tell_untold(seen, look.trouble)
            return
        with metrics.step("forecast"):
            foreseen = self._foresee(look)
        with metrics.step("violations"):
            found = self._judge(ground, look, foreseen)
            wanted = self._wanted(found, ground, courses)
        self.judgement = Judgement(now_s, ground, look, found)
        self.ledger.follow(now_s)
        drawn = {each.name: each.draw_mw for each in look.domains}
        metrics.looked(look.domains, self.ledger.others_mw(drawn), len(found.violations))
        self._take_back(seen, ground, found, courses)
        if seen.stopped is not None:
            return
        if self._due.is_due(wanted, self._parts.clock()):
            self._whole(seen, ground, found, wanted, courses)

    # -- the look

    def _look(self, ground: Ground) -> Look:
        """The last look while it is young and of the same tree, else a new one."""
        memory, clock_s = self._memory, self._parts.clock()
        same = memory.book is ground.site.book
        if memory.look is None or not same or clock_s - memory.looked_s >= self._pace.look_s * 0.9:
            memory.look = self._parts.looker.look(ground)
            memory.looked_s = clock_s
            if not same:
                memory.record.clear()
            memory.book = ground.site.book
            if not memory.look.trouble:
                memory.record.add(clock_s, memory.look.watts)
        return memory.look

    def _foresee(self, look: Look) -> dict[str, Foreseen]:
        sure = self._memory.record.surely_by(self._pace.lead_s)
        if len(sure) != len(look.domains):
            return {}
        known = np.isfinite(sure)
        return {
            each.name: Foreseen(sure_mw=int(watts * MILLI))
            for each, watts, told in zip(look.domains, sure.tolist(), known.tolist(), strict=True)
            if told
        }

    def _judge(self, ground: Ground, look: Look, foreseen: Mapping[str, Foreseen]) -> Found:
        of_domains = find_violations(look.domains, foreseen, self._pace.alarm_at, self._pace.lead_s)
        of_nodes = node_violations(look.round.nodes, ground.site.node_budget_mw)
        return Found((*of_domains.violations, *of_nodes), of_domains.untold)

    def _wanted(self, found: Found, ground: Ground, courses: Iterable[Course]) -> tuple[Violation, ...]:
        """What is to be acted on: no noise, and nothing in a tree that is being planned for or rests."""
        lasting = self._hysteresis.follow(found.violations)
        busy = self._busy(courses)
        return tuple(each for each in lasting if not ground.trees.roots((each.name,)) & busy)

    def _busy(self, courses: Iterable[Course]) -> frozenset[str]:
        trees = [course.trees for course in courses if not course.over]
        return frozenset().union(*trees, self._pauses.resting(self._parts.clock()))

    # -- plans in course

    def _follow_courses(self, seen: Seen, ground: Ground, now_s: float) -> list[Course]:
        """How all plans stand; one that ended since the last look is noted."""
        memory, clock_s = self._memory, self._parts.clock()
        now = {plan.metadata.name: course_of(plan, ground.trees, now_s) for plan in seen.plans}
        before = {name: course for name, (course, _) in memory.published.items()} | (memory.courses or {})
        memory.published = {
            name: (course, at_s)
            for name, (course, at_s) in memory.published.items()
            if name not in now and clock_s - at_s < SEEN_WITHIN_S
        }
        if memory.courses is None:
            self._recall(seen, now, now_s)
        for name, course in before.items():
            after = now.get(name)
            if course.over or name in memory.published or (after is not None and not after.over):
                continue
            self._ended(course if after is None else after, after is None, seen, now_s)
        memory.courses = now
        return [*now.values(), *(course for course, _ in memory.published.values())]

    def _recall(self, seen: Seen, courses: Mapping[str, Course], now_s: float) -> None:
        """Take over from whoever planned before: trees whose plan failed a while ago rest."""
        for plan in seen.plans:
            course = courses[plan.metadata.name]
            if course.failed and now_s - ended_s(plan) < self._calm.first_pause_s:
                self._pauses.ended(course.trees, self._parts.clock(), failed=True)

    def _ended(self, course: Course, gone: bool, seen: Seen, now_s: float) -> None:
        self._parts.metrics.planned("deleted" if gone else course.phase.lower())
        self._pauses.ended(course.trees, self._parts.clock(), failed=course.failed and not gone)
        plan = next((each for each in seen.plans if each.metadata.name == course.name), None)
        if plan is None or not course.done:
            return
        cut = {each.name: (each.before_watts - each.after_watts) * MILLI for each in plan.spec.domains}
        self.ledger.taken(
            Entry(
                name=course.name,
                choice="taken",
                policies=tuple(sorted({move.policy for move in plan.spec.moves})),
                cut_mw=cut,
                moves=course.moves,
                since_s=now_s,
                until_s=now_s + HORIZON_S,
                share=course.done / max(course.moves, 1),
            )
        )

    def _take_back(self, seen: Seen, ground: Ground, found: Found, courses: Iterable[Course]) -> None:
        """Delete plans that have not begun and that nothing asks for any more, and those that are long over."""
        pods = _by_uid(seen)
        hot = ground.trees.roots(each.name for each in found.violations)
        known = {course.name: course for course in courses}
        for plan in seen.plans:
            name, course = plan.metadata.name, known[plan.metadata.name]
            if course.over or course.begun:
                self._memory.eased.pop(name, None)
                continue
            eased = 0 if course.trees & hot else self._memory.eased.get(name, 0) + 1
            self._memory.eased[name] = eased
            if eased >= EASED_LOOKS:
                self._delete(name, "no budget is broken any more")
            elif is_outdated(plan, pods):
                self._delete(name, "pods that it moves are gone, or elsewhere")
        for name in to_clear(seen.plans, known, self._parts.now()):
            self._delete(name, "it is long over")

    def _delete(self, name: str, why: str) -> None:
        if not self._parts.outside.leads():
            return
        written = self._parts.outside.delete(name)
        self._parts.metrics.wrote("delete", written.outcome)
        LOG.info("plan %s is deleted (%s): %s", name, why, written.outcome)

    # -- the whole round

    def _whole(
        self,
        seen: Seen,
        ground: Ground,
        found: Found,
        wanted: tuple[Violation, ...],
        courses: list[Course],
    ) -> None:
        metrics = self._parts.metrics
        with metrics.step("telemetry"):
            look = self._parts.looker.whole(ground)
        if look.trouble:
            LOG.warning("no plan: %s", look.trouble)
            metrics.planned("no telemetry")
            return
        if wanted:
            with metrics.step("snapshot"):
                snapshot = snapshot_of(seen, ground, look.round, self._parts.now())
            limits = Limits(self._busy(courses), frozenset(found.untold), growth_mw(wanted, look))
            proposal = self.last_proposal = self._solve(seen, snapshot, ground, limits, wanted)
            with metrics.step("publish"):
                self._conclude(proposal, seen, ground, wanted)
        self._due.done(wanted, self._parts.clock())

    def _solve(
        self, seen: Seen, snapshot: Snapshot, ground: Ground, limits: Limits, wanted: tuple[Violation, ...]
    ) -> Proposal:
        began_s = self._parts.clock()
        with self._parts.metrics.step("solve"):
            proposal = propose(
                snapshot,
                Allowing(seen.policies),
                ground.trees,
                limits,
                wanted,
                solver=self._parts.solver,
                deadline_s=self._pace.deadline_s,
                seed=self._pace.seed,
                calm=self._calm,
            )
        self._parts.metrics.solved(proposal.plan, self._parts.clock() - began_s, self._parts.solver.starts)
        return proposal

    def _conclude(self, proposal: Proposal, seen: Seen, ground: Ground, wanted: tuple[Violation, ...]) -> None:
        now_s = self._parts.now()
        if proposal.outcome == "plan":
            self._publish(proposal, seen, ground, wanted, now_s)
            return
        LOG.info("no plan: %s", proposal.why)
        self._parts.metrics.planned(proposal.outcome)
        reason = {"none": "NoPlanHelps", "withheld": "PlanWithheld", "failed": "PlanFailed"}[proposal.outcome]
        self._tell(wanted, seen, reason, proposal.why, now_s, warning=True)
        if proposal.outcome == "withheld" and proposal.plan is not None:
            self.ledger.withheld(_withheld(proposal, now_s))

    def _publish(
        self, proposal: Proposal, seen: Seen, ground: Ground, wanted: tuple[Violation, ...], now_s: float
    ) -> None:
        plan, outside, metrics = proposal.plan, self._parts.outside, self._parts.metrics
        assert plan is not None
        policies = {key_of(each): each for each in seen.policies}
        context = Context(_by_uid(seen), proposal.leaves, policies, ground.trees, ground.budgets_mw, now_s)
        try:
            body = publishable(plan, proposal.why, context)
        except InputError as error:
            LOG.warning("no plan: %s", error.problem)
            metrics.planned("refused")
            return
        name, trees = body["metadata"]["name"], frozenset(body["spec"].get("trees", ()))
        others = outside.plans()
        if others is None or self._clashes(others, ground, trees, now_s):
            LOG.info("plan %s is not published: another is under way, or it is not known whether one is", name)
            metrics.planned("refused")
            return
        if not outside.leads():
            return
        written = outside.publish(body)
        metrics.wrote("create", written.outcome)
        metrics.planned("published" if written.ok else "refused")
        if not written.ok:
            LOG.warning("plan %s is not published: %s", name, written.told)
            return
        LOG.info("plan %s is published: %s", name, proposal.why)
        course = Course(name, trees, frozenset(cuts_mw(plan)), "Pending", len(plan.moves))
        self._memory.published[name] = (course, self._parts.clock())
        self._tell(wanted, seen, "PlanPublished", f"plan {name}: {proposal.why}", now_s)
        self._parts.teller.tell(Subject(PLACEMENT_PLAN, name), "Published", proposal.why, now_s)

    @staticmethod
    def _clashes(others: Iterable[PlacementPlanObject], ground: Ground, trees: frozenset[str], now_s: float) -> bool:
        """Whether a plan is open for one of these trees: asked of the API server itself, not of a watch."""
        open_ = (course_of(plan, ground.trees, now_s) for plan in others)
        return any(course.trees & trees for course in open_ if not course.over)

    # -- telling

    def _tell(
        self, about: Iterable[Violation], seen: Seen, reason: str, note: str, now_s: float, *, warning: bool = False
    ) -> None:
        uids = {each.metadata.name: each.metadata.uid for each in seen.domains}
        for each in about:
            if each.kind != NODE and each.name in uids:
                subject = Subject(POWER_DOMAIN, each.name, uid=uids[each.name])
                self._parts.teller.tell(subject, reason, note, now_s, warning=warning)

    def _tell_untold(self, seen: Seen, trouble: str) -> None:
        """Tell the policies that act that nobody acts for them now."""
        for policy in seen.cluster_policies:
            if policy.spec.mode == "Enforce":
                subject = Subject(CLUSTER_CAPPING_POLICY, policy.metadata.name, uid=policy.metadata.uid)
                note = f"nothing is planned: {trouble}"
                self._parts.teller.tell(subject, "NoTelemetry", note, self._parts.now(), warning=True)


def growth_mw(wanted: Iterable[Violation], look: Look) -> dict[str, int]:
    """What domains that are broken ahead will draw more than now: a plan must make room for it."""
    draws = {each.name: each.draw_mw for each in look.domains}
    return {
        each.name: max(0, each.draw_mw - draws[each.name])
        for each in wanted
        if each.when == "ahead" and each.name in draws
    }


def _by_uid(seen: Seen) -> dict[str, Pod]:
    return {pod.metadata.uid: pod for pod in seen.cluster.pods}


def _withheld(proposal: Proposal, now_s: float) -> Entry:
    plan = proposal.plan
    assert plan is not None
    cut = cuts_mw(plan)
    where = max(cut, key=lambda name: cut[name], default="")
    policies = tuple(sorted({policy_title(leave.policy) for leave in proposal.leaves.values()}))
    return Entry(f"withheld {where}", "withheld", policies, cut, len(plan.moves), now_s, now_s + HORIZON_S)
