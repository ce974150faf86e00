"""The recommender's round: load, look at the meters, foresee, judge, solve, publish; each step timed, none skipped."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from powerplane.adapters.site import Site
from powerplane.models.demand.alarms import ALARM_AT
from powerplane.models.errors import InputError
from powerplane.models.snapshot import Snapshot
from powerplane.models.work.performance import SPAN_S
from powerplane.recommender.allowing import Allowing
from powerplane.recommender.books import Seen
from powerplane.recommender.concluding import Case, Concluding
from powerplane.recommender.courses import Course
from powerplane.recommender.curving import Curving
from powerplane.recommender.demanding import Demanding
from powerplane.recommender.draining import DrainHow, drain
from powerplane.recommender.due import Due
from powerplane.recommender.foreseeing import Foreseeing
from powerplane.recommender.hysteresis import Calm, Hysteresis
from powerplane.recommender.keeping import PlanKeeper
from powerplane.recommender.ledger import Ledger
from powerplane.recommender.looking import Look
from powerplane.recommender.narrowing import Limits
from powerplane.recommender.outside import Parts
from powerplane.recommender.own_caps import OwnCaps
from powerplane.recommender.performances import Performances
from powerplane.recommender.performing import Performing
from powerplane.recommender.performing_facts import pod_watts
from powerplane.recommender.portioning import Portion, propose_portion
from powerplane.recommender.proposing import Proposal, Task
from powerplane.recommender.recommending import MOVED, Recommending, entry_of, recommendations
from powerplane.recommender.reporting import Reporter
from powerplane.recommender.seeing import Ground, GroundKeeper, Learned, snapshot_of
from powerplane.recommender.sparing import spared, spared_owners
from powerplane.recommender.throttle_candidates import Throttling
from powerplane.recommender.throttle_keeper import ThrottleKeeper
from powerplane.recommender.violations import Found, Violation, find_violations, node_violations

LOG = logging.getLogger(__name__)

MOST_FAILURES = 3
ROUNDS_OF_WORK = 5
"""Of which the work per watt is told, where they are rarer than usual."""

AGAIN_S = 60.0
"""Until the log says again that nothing can be planned, and why."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often and how long.

    Parameters
    ----------
    look_s, pressing_s : float
        Between two looks at nodes' watts: as a rule, and while a plan is open, whose actuator waits for what they show.
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
    pressing_s: float = 2.0
    period_s: float = 60.0
    deadline_s: float = 4.0
    lead_s: float = 180.0
    alarm_at: float = ALARM_AT
    seed: int = 0


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
        self._due = Due(pace.period_s)
        self._foreseeing = Foreseeing(pace.lead_s, parts.prospects)
        self._demand: Demanding | None = None
        self._curving = Curving()
        self._recommending = Recommending(calm, power_file)
        self._last: tuple[object, float, Look] | None = None
        self._lasting: tuple[Violation, ...] = ()
        self._failures = 0
        self._pressing = False
        self._ends = 0
        self._told = ("", float("-inf"))
        self.ledger = Ledger()
        self._keeper = PlanKeeper(parts, calm, self.ledger)
        self._reporter = Reporter(parts, self.ledger)
        self._concluding = Concluding(parts, self._keeper, self._reporter, self.ledger)
        self._throttles = ThrottleKeeper(parts, self._reporter)
        self._own_caps = OwnCaps(parts, calm, self._keeper, self._reporter)
        span_s = max(SPAN_S, ROUNDS_OF_WORK * pace.period_s)
        self._performances = Performances(Performing(parts.work, span_s), parts.metrics.work)
        self._reporter.performances = self._performances.look
        self.last_proposal: Proposal | None = None
        """What the last solve came to."""

    @property
    def site(self) -> Site | None:
        """Nodes and domains as they were last known; from any thread."""
        last = self._grounds.last
        return last.site if last is not None else None

    def once(self) -> None:
        """Do one round."""
        metrics, now_s = self._parts.metrics, self._parts.now()
        with metrics.step("load"):
            seen = self._parts.books.seen()
            metrics.stopped(seen.stopped is not None)
            ground = self._ground(seen, now_s)
        if ground is None:
            return
        with metrics.step("telemetry"):
            before = self._last
            look = self._look(ground)
            fresh = self._last is not before
        courses = self._keeper.follow(seen, ground, now_s)
        self._pressing = any(not course.over for course in courses)
        if self._keeper.ends != self._ends:
            self._ends = self._keeper.ends
            self._due.forget()
        if look.trouble:
            self._idle("NoTelemetry", look.trouble, seen)
            return
        with metrics.step("forecast"):
            foreseen = self._foreseeing.of(look)
        with metrics.step("violations"):
            found = self._judge(ground, look)
            wanted = self._wanted(found, ground, courses, fresh=fresh)
        self._account(look, found, now_s)
        if fresh:
            hot = ground.trees.roots(each.name for each in found.violations)
            self._keeper.take_back(seen, hot | self._own_caps.trees_of(seen.plans, ground), courses)
        if seen.stopped is not None:
            self._reporter.idle("Stopped", f"everything is stopped: {seen.stopped}", seen)
        elif self._due.is_due(wanted, self._parts.clock()):
            self._try(Case(seen, ground, found, wanted, Allowing(seen.policies), courses))
        with metrics.step("caps"):
            # After plans for domains: breakers come first.
            self._own_caps.turn(seen, ground, courses, lambda: self._learned(self._demand, seen))
        with metrics.step("statuses"):
            pressing = frozenset().union(*(course.domains for course in courses if not course.over))
            forecasts = {name: each.forecast for name, each in foreseen.items() if each.forecast is not None}
            self._reporter.write(seen, look.domains, forecasts, pressing, caps=self._own_caps.standings)

    # -- the look

    def _ground(self, seen: Seen, now_s: float) -> Ground | None:
        try:
            return self._grounds.ground(seen, now_s)
        except InputError as error:
            self._idle("NoTree", error.problem, seen)
            return None

    def _idle(self, what: str, trouble: str, seen: Seen) -> None:
        clock_s = self._parts.clock()
        if self._told[0] != trouble or clock_s - self._told[1] >= AGAIN_S:
            LOG.warning("no plan: %s", trouble)
            self._told = (trouble, clock_s)
        self._parts.metrics.planned("blind")
        self._reporter.idle(what, trouble, seen)
        self._own_caps.blind(seen.policies, trouble)
        self._reporter.write(seen, (), {}, (), caps=self._own_caps.standings, trouble=trouble)

    def _look(self, ground: Ground) -> Look:
        """The last look while it is young and of the same tree, else a new one."""
        clock_s, book = self._parts.clock(), ground.site.book
        young_s = 0.9 * (self._pace.pressing_s if self._pressing else self._pace.look_s)
        if self._last is not None and self._last[0] is book and clock_s - self._last[1] < young_s:
            return self._last[2]
        look = self._parts.looker.look(ground)
        self._foreseeing.follow(look, book, clock_s)
        self._last = (book, clock_s, look)
        return look

    def _judge(self, ground: Ground, look: Look) -> Found:
        foreseen, pace = self._foreseeing.of(look), self._pace
        of_domains = find_violations(look.domains, foreseen, pace.alarm_at, pace.lead_s)
        of_nodes = node_violations(look.round.nodes, ground.site.node_budget_mw)
        return Found((*of_domains.violations, *of_nodes), of_domains.untold)

    def _wanted(self, found: Found, ground: Ground, courses: Iterable[Course], *, fresh: bool) -> tuple[Violation, ...]:
        """What is to be acted on: no noise, and nothing in a tree that is being planned for or rests."""
        busy = self._keeper.busy(courses)
        if fresh:
            # A look that is looked at again, as whoever is woken does, shows nothing twice.
            self._lasting = self._hysteresis.follow(found.violations)
        lasting = self._lasting
        return tuple(each for each in lasting if not ground.trees.roots((each.name,)) & busy)

    def _account(self, look: Look, found: Found, now_s: float) -> None:
        self.ledger.follow(now_s)
        self._keeper.hold_to_word(look.domains, now_s)
        others_mw = self.ledger.others_mw({each.name: each.draw_mw for each in look.domains})
        self._parts.metrics.looked(look.domains, others_mw, len(found.violations))

    # -- the whole round

    def _try(self, case: Case) -> None:
        """Do a whole round; what cannot be used is told, and holds up no figures that others wait for."""
        try:
            self._whole(case)
        except InputError as error:
            LOG.warning("no plan: %s; %s", error.problem, error.next_step)
            self._parts.metrics.planned("blind")
            self._reporter.idle("NoSnapshot", error.problem, case.seen)
            self._failures += 1
            self._settle(case)

    def _whole(self, case: Case) -> None:
        metrics, now_s = self._parts.metrics, self._parts.now()
        with metrics.step("telemetry"):
            look = self._parts.looker.whole(case.ground)
        if look.trouble:
            self._idle("NoTelemetry", look.trouble, case.seen)
            return
        demand = self._demanding(now_s)
        learned = self._learned(demand, case.seen)
        with metrics.step("snapshot"):
            snapshot = snapshot_of(case.seen, case.ground, look.round, now_s, learned)
            drawn = pod_watts(snapshot, case.ground, look.round.nodes, learned)
            snapshot = self._performances.follow(case.seen.policies, snapshot, drawn, now_s)
        if case.wanted:
            throttling = self._throttles.throttling(case.seen)
            growth = growth_mw(case.wanted, look)
            left = spared(snapshot, case.seen.cluster.pods, spared_owners(case.seen.plans, now_s))
            portion = self._solve(case, left, growth, throttling)
            if left is not snapshot and portion.proposal.outcome == "none":
                # Nobody else can be moved: another actuator may know nothing of what failed.
                portion = self._solve(case, snapshot, growth, throttling)
            # What is left of it is wanted still: it is solved for at the next look.
            case, self.last_proposal = replace(case, wanted=portion.wanted), portion.proposal
            with metrics.step("publish"):
                concluded = self._concluding.conclude(portion.proposal, case)
            self._failures = 0 if concluded else self._failures + 1
        else:
            self._recommend(case, look, learned, now_s)
            with metrics.step("remember"):
                self._remember(demand, case.seen, look, now_s)
                self._curving.learn(snapshot, case.ground.power, look.round.nodes, now_s)
                metrics.fitted(self._curving.errors)
            self._restore(case, snapshot)
            self._drain(case, snapshot)
        self._settle(case)

    def _restore(self, case: Case, snapshot: Snapshot) -> None:
        """Give pods back what they had before they were held down, where there is room for it."""
        busy = self._keeper.busy(case.courses)
        proposal = self._throttles.restored(case.seen, case.ground, snapshot, case.found.violations, busy)
        if proposal is not None:
            self._concluding.conclude(proposal, case)

    def _drain(self, case: Case, snapshot: Snapshot) -> None:
        """Empty the next node that is to sleep."""
        limits = Limits(self._keeper.busy(case.courses), frozenset(case.found.untold))
        how = DrainHow(self._parts.solver, self._pace.deadline_s, self._pace.seed)
        for proposal in drain(snapshot, case.allowing, case.ground.trees, limits, how):
            self._concluding.conclude(proposal, case)
            if proposal.outcome == "plan":
                return

    def _learned(self, demand: Demanding | None, seen: Seen) -> Learned:
        return Learned(demand.usual(seen) if demand is not None else (), self._curving.fitted)

    def _settle(self, case: Case) -> None:
        # What failed for want of an answer is tried again at the next look, a few times.
        again = 0 < self._failures < MOST_FAILURES
        self._due.done(() if again else case.wanted, self._parts.clock())

    def _solve(
        self, case: Case, snapshot: Snapshot, growth: Mapping[str, int], throttling: Throttling | None = None
    ) -> Portion:
        began_s = self._parts.clock()
        with self._parts.metrics.step("solve"):
            task = Task(
                snapshot,
                case.allowing,
                case.ground.trees,
                Limits(self._keeper.busy(case.courses), frozenset(case.found.untold), growth),
                case.wanted,
                self._parts.solver,
                self._pace.deadline_s,
                self._pace.seed,
                self._calm,
            )
            portion = propose_portion(task, throttling=throttling)
        self._parts.metrics.solved(portion.proposal.plan, self._parts.clock() - began_s, self._parts.solver.starts)
        return portion

    def _recommend(self, case: Case, look: Look, learned: Learned, now_s: float) -> None:
        """Say what policies in mode Recommend would have done, when nothing presses."""
        as_if = self._recommending.case(case.seen, look.round.nodes, now_s, self._pace.lead_s)
        if as_if is None:
            self._reporter.recommend({}, case.seen)
            return
        snapshot = snapshot_of(case.seen, as_if.ground, look.round, now_s, learned)
        snapshot = self._performances.weighed(snapshot, case.seen.policies, MOVED, now_s)
        theirs = Case(case.seen, as_if.ground, as_if.found, as_if.wanted, as_if.allowing, case.courses)
        proposal = self._solve(theirs, snapshot, {}).proposal
        found = recommendations(proposal, case.seen, now_s)
        self._reporter.recommend(found, case.seen)
        if found and (entry := entry_of(proposal, found, now_s)) is not None:
            self._parts.metrics.planned("recommended")
            self.ledger.withheld(entry)

    # -- what is remembered

    def _demanding(self, now_s: float) -> Demanding | None:
        """The memory of demand: from checkpoints at first, and from history once that is read.

        None until checkpoints could be read: an empty memory would be written over them.
        """
        lessons, outside = self._parts.lessons, self._parts.outside
        if self._demand is None:
            if (items := outside.checkpoints()) is None:
                return None
            self._demand = Demanding()
            for name in self._demand.put_back(items, now_s):
                self._parts.metrics.wrote("checkpoint", outside.delete_checkpoint(name).outcome)
            if lessons is not None:
                lessons.begin()
        if lessons is not None and (learned := lessons.learned()) is not None:
            self._demand.adopt(learned, now_s)
        return self._demand

    def _remember(self, demand: Demanding | None, seen: Seen, look: Look, now_s: float) -> None:
        if demand is None:
            return
        demand.observe(seen, look.round.pods, now_s)
        for checkpoint in demand.to_write(now_s):
            if not self._parts.outside.leads():
                return
            written = self._parts.outside.write_checkpoint(checkpoint)
            self._parts.metrics.wrote("checkpoint", written.outcome)
            if written.outcome == "failed":
                return
            if written.ok:
                demand.written(checkpoint)


def growth_mw(wanted: Iterable[Violation], look: Look) -> dict[str, int]:
    """What domains that are broken ahead will draw more than now: a plan must make room for it."""
    draws = {each.name: each.draw_mw for each in look.domains}
    return {
        each.name: max(0, each.draw_mw - draws[each.name])
        for each in wanted
        if each.when == "ahead" and each.name in draws
    }
