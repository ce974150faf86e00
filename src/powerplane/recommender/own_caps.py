"""Policies' own caps: looked at again and again, and held by evictions where pods draw more together than they may.

A look at pods costs more than one at nodes: it is had every quarter of a minute, at each look while a cap is broken,
and never so often that it takes more than a tenth of the time.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from powerplane.models.api.capping_policy import CappingPolicyObject
from powerplane.models.api.capping_status import Recommendation
from powerplane.models.api.placement_plan import MOST_PUBLISHED, PlacementPlanObject
from powerplane.models.api.policies import PolicyKey, key_of
from powerplane.models.quantities import MILLI
from powerplane.recommender.books import Seen
from powerplane.recommender.concluding import clashes, uid_of
from powerplane.recommender.courses import Course
from powerplane.recommender.hysteresis import Calm, Hysteresis, Pauses, is_worth
from powerplane.recommender.keeping import PlanKeeper, by_uid
from powerplane.recommender.outside import Parts
from powerplane.recommender.own_caps_facts import (
    CapStanding,
    candidates,
    in_rank,
)
from powerplane.recommender.own_caps_look import CapLooks, Shown
from powerplane.recommender.own_caps_plan import EVICT, Shedding, body_of
from powerplane.recommender.publishing import Context, policy_title, rfc3339
from powerplane.recommender.reporting import Reporter
from powerplane.recommender.seeing import Ground, Learned
from powerplane.recommender.shedding import choose_evictions
from powerplane.recommender.statuses import Said
from powerplane.recommender.violations import Violation, whole_watts

LOG = logging.getLogger(__name__)

CALM_S = 15.0
"""Between two looks at pods while every cap holds."""

MOST_SHARE = 0.1
"""Of the time that looking at pods may take."""

HELD_S = 600.0
"""For so long a cap must have held for evictions before that to count no more against the next ones."""


@dataclass(slots=True)
class OwnCaps:
    """Holds policies' own caps by evictions. Not for several threads at once.

    Parameters
    ----------
    parts : Parts
    calm : Calm
    keeper : PlanKeeper
    reporter : Reporter
    hot : frozenset of str
        Titles of the policies whose cap is broken, not only for a moment.
    """

    parts: Parts
    calm: Calm
    keeper: PlanKeeper
    reporter: Reporter
    hot: frozenset[str] = frozenset()
    _hysteresis: Hysteresis = field(init=False)
    _pauses: Pauses = field(init=False)
    _looks: CapLooks = field(init=False)
    _open: dict[str, str] = field(default_factory=dict)
    _held_since: dict[str, float] = field(default_factory=dict)
    _plans: dict[str, int] = field(default_factory=dict)
    _recommended: dict[PolicyKey, Recommendation] = field(default_factory=dict)
    _next_s: float = float("-inf")

    def __post_init__(self) -> None:
        self._looks = CapLooks(self.parts)
        self._hysteresis = Hysteresis(self.calm)
        self._pauses = Pauses(self.calm)

    @property
    def standings(self) -> dict[PolicyKey, CapStanding]:
        """How each cap stood at the last look."""
        return self._looks.standings

    def turn(self, seen: Seen, ground: Ground, courses: Iterable[Course], learned: Callable[[], Learned]) -> None:
        """Look, where it is time to, and act where that is called for.

        Parameters
        ----------
        seen : Seen
        ground : Ground
        courses : iterable of Course
            Plans as they stand.
        learned : callable
            Returns what was learned of curves and workloads.
        """
        policies, clock_s = in_rank(seen.policies), self.parts.clock()
        self._follow(seen, courses)
        if not policies:
            self._looks.forget()
            self.hot = frozenset()
            return
        if clock_s < self._next_s and {key_of(each) for each in policies} == self.standings.keys():
            return
        shown = self._looks.look(policies, seen, ground, learned())
        broken = [
            violation
            for key, each in self.standings.items()
            if (violation := each.violation(policy_title(key))) is not None
        ]
        lasting = self._hysteresis.follow(broken)
        self.hot = frozenset(each.name for each in lasting)
        if shown is not None:
            self._recommend(policies, {each.name: each for each in lasting}, shown)
        if shown is not None and seen.stopped is None:
            self._act(policies, {each.name: each for each in lasting}, shown, tuple(courses))
        took_s = self.parts.clock() - clock_s
        self._next_s = clock_s + max(0.0 if broken else CALM_S, took_s / MOST_SHARE)

    def blind(self, policies: Iterable[CappingPolicyObject], trouble: str) -> None:
        """Take in that nothing is measured."""
        self._looks.blind(policies, trouble)

    def trees_of(self, plans: Iterable[PlacementPlanObject], ground: Ground) -> frozenset[str]:
        """Roots of the trees in which somebody waits for evictions: their plans are not taken back."""
        waited = (plan for plan in plans if self.hot & _titles(plan))
        return ground.trees.roots(move.source for plan in waited for move in plan.spec.moves)

    # -- plans of ours

    def _follow(self, seen: Seen, courses: Iterable[Course]) -> None:
        """Follow plans of ours: while one is open nothing more is planned for its policy, and after it that rests."""
        clock_s = self.parts.clock()
        standing = {course.name: course for course in courses}
        now = {
            title: plan.metadata.name
            for plan in seen.plans
            if not standing[plan.metadata.name].over
            for title in _titles(plan)
        }
        for title, name in list(self._open.items()):
            course = standing.get(name)
            if course is not None and not course.over:
                now.setdefault(title, name)
        for title in self._open.keys() - now.keys():
            # The first plan may have been made for a measurement that was not the last word.
            again = self._plans.get(title, 0) > 1
            self._pauses.ended((title,), clock_s, failed=again)
        self._open = now
        known = {policy_title(key_of(policy)) for policy in seen.policies}
        for kept in (self._held_since, self._plans):
            for gone in kept.keys() - known:
                del kept[gone]

    def _act(
        self,
        policies: list[CappingPolicyObject],
        lasting: Mapping[str, Violation],
        shown: Shown,
        courses: tuple[Course, ...],
    ) -> None:
        """Publish a plan for the first policy, by rank, whose pods are to go; one at a time."""
        clock_s = self.parts.clock()
        resting = self._pauses.resting(clock_s)
        for policy in policies:
            title = policy_title(key_of(policy))
            violation = lasting.get(title)
            self._calm_down(title, clock_s, broken=violation is not None)
            if violation is None or title in self._open or title in resting:
                continue
            if policy.spec.mode != "Enforce" or EVICT not in policy.spec.levers:
                continue
            found = self._shed(policy, violation, shown)
            if found is None or found.trees & self.keeper.busy(courses):
                continue
            if self._publish(found, shown):
                return

    def _recommend(self, policies: list[CappingPolicyObject], lasting: Mapping[str, Violation], shown: Shown) -> None:
        """Say who would be evicted by policies in mode Recommend; the same again keeps the time of the first."""
        told: dict[PolicyKey, Recommendation] = {}
        for policy in policies:
            key = key_of(policy)
            violation = lasting.get(policy_title(key))
            if violation is None or policy.spec.mode != "Recommend" or EVICT not in policy.spec.levers:
                continue
            if (found := self._shed(policy, violation, shown)) is None:
                continue
            watts, moves = found.mw // MILLI, len(found.chosen)
            summary = f"{moves} pods would be evicted, which takes {whole_watts(found.mw)} off"
            last = self._recommended.get(key)
            same = last is not None and (last.moves, last.watts) == (moves, watts)
            told[key] = last if same and last else Recommendation(rfc3339(shown.at_s), moves, watts, summary)
            self.standings[key] = replace(self.standings[key], recommendation=told[key])
            self._tell(policy, "PlanRecommended", f"{violation.name} {violation.why}; {summary}")
        self._recommended = told

    def _calm_down(self, title: str, clock_s: float, *, broken: bool) -> None:
        if broken:
            self._held_since.pop(title, None)
        elif clock_s - self._held_since.setdefault(title, clock_s) >= HELD_S:
            self._plans.pop(title, None)
            self._pauses.ended((title,), clock_s - self.calm.settle_s, failed=False)

    def _shed(self, policy: CappingPolicyObject, violation: Violation, shown: Shown) -> Shedding | None:
        pods = by_uid(shown.seen)
        rows = shown.rows[key_of(policy)]
        found, allowed = candidates(rows, shown.snapshot, shown.watts, pods)
        chosen = choose_evictions(found, violation.over_mw, allowed, MOST_PUBLISHED)
        freed_mw = sum(each.mw for each in chosen)
        told = f"{violation.name} {violation.why}"
        after_mw = max(0, violation.over_mw - freed_mw)
        if not is_worth(violation.over_mw, after_mw, len(chosen), self.calm):
            why = "no pod may be evicted" if not chosen else f"{len(chosen)} evictions would not be worth it"
            self._tell(policy, "NoPlanHelps", f"{told}; {why}: {len(found)} pods could go but for disruption budgets")
            return None
        left = f"; {whole_watts(after_mw)} stay above it" if after_mw else ""
        reason = f"{told}; {len(chosen)} evictions take {whole_watts(freed_mw)} off{left}"
        sources = [pods[each.uid].spec.node_name for each in chosen]
        return Shedding(policy, chosen, reason, shown.ground.trees.roots(sources))

    def _publish(self, found: Shedding, shown: Shown) -> bool:
        seen, now_s, outside = shown.seen, self.parts.now(), self.parts.outside
        others = outside.plans()
        if others is None or clashes(others, shown.ground, found.trees, now_s) or not outside.leads():
            return False
        uids = {each.metadata.name: each.metadata.uid for each in seen.domains}
        named = {key_of(each): each for each in seen.policies}
        asked = {name: uids[name] for name in sorted(found.trees) if name in uids}
        context = Context(by_uid(seen), {}, named, shown.ground.trees, {}, asked, now_s)
        body = body_of(found, context)
        written = outside.publish(body)
        self.parts.metrics.wrote("create", written.outcome)
        if not written.ok:
            self._tell(found.policy, "PlanRefused", f"the API server does not take the plan: {written.told}")
            return False
        name = body["metadata"]["name"]
        LOG.info("plan %s is published: %s", name, found.reason)
        self.parts.metrics.planned("published")
        self.keeper.published(Course(name, found.trees, frozenset(), "Pending", len(found.chosen)))
        self._open[found.title] = name
        self._plans[found.title] = self._plans.get(found.title, 0) + 1
        self._tell(found.policy, "PlanPublished", found.reason, plan=name, uid=uid_of(written.body))
        return True

    def _tell(self, policy: CappingPolicyObject, what: str, why: str, *, plan: str = "", uid: str = "") -> None:
        self.reporter.of_policy(policy, Said(what, why, plan, self.parts.now(), uid))


def _titles(plan: PlacementPlanObject) -> frozenset[str]:
    """Policies whose own caps a plan is for."""
    return frozenset(move.policy for move in plan.spec.moves if move.lever == EVICT and not move.to)
