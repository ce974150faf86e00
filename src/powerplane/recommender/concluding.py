"""What comes of a solve: a plan is published, once and by the leader alone, or people are told why there is none."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from powerplane.models.api.placement_plan import PlacementPlanObject
from powerplane.models.api.policies import key_of
from powerplane.models.errors import InputError
from powerplane.models.objects import ObjectMeta
from powerplane.models.surge import why_no_surge
from powerplane.recommender.allowing import Allowing
from powerplane.recommender.books import Seen
from powerplane.recommender.courses import Course, course_of
from powerplane.recommender.keeping import PlanKeeper, by_uid
from powerplane.recommender.ledger import Ledger
from powerplane.recommender.outside import Parts
from powerplane.recommender.proposing import Proposal, cuts_mw
from powerplane.recommender.publishing import Context, publishable
from powerplane.recommender.recommending import entry_of
from powerplane.recommender.reporting import Reporter
from powerplane.recommender.seeing import Ground
from powerplane.recommender.statuses import Said
from powerplane.recommender.surging import surging
from powerplane.recommender.violations import Found, Violation

LOG = logging.getLogger(__name__)

TOLD = {"none": "NoPlanHelps", "withheld": "PlanWithheld", "failed": "PlanFailed"}


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """What one solve is about.

    Parameters
    ----------
    seen : Seen
    ground : Ground
    found : Found
    wanted : tuple of Violation
        What is to be acted on.
    allowing : Allowing
    courses : list of Course
        Plans as they stand.
    """

    seen: Seen
    ground: Ground
    found: Found
    wanted: tuple[Violation, ...]
    allowing: Allowing
    courses: list[Course]


@dataclass(frozen=True, slots=True)
class Concluding:
    """Concludes solves. Not for several threads at once.

    Parameters
    ----------
    parts : Parts
    keeper : PlanKeeper
    reporter : Reporter
    ledger : Ledger
    """

    parts: Parts
    keeper: PlanKeeper
    reporter: Reporter
    ledger: Ledger

    def conclude(self, proposal: Proposal, case: Case) -> bool:
        """Publish, or tell why not; return whether that is the last word."""
        if proposal.outcome == "plan":
            return self._publish(proposal, case)
        LOG.info("no plan: %s", proposal.why)
        self.parts.metrics.planned(proposal.outcome)
        policies, now_s = {leave.policy for leave in proposal.leaves.values()}, self.parts.now()
        said = Said(TOLD[proposal.outcome], proposal.why, "", now_s)
        self.reporter.concluded(said, case.seen, case.wanted, policies)
        if proposal.outcome == "withheld" and (entry := entry_of(proposal, {}, now_s)) is not None:
            self.ledger.withheld(entry)
        return proposal.outcome != "failed"

    def _publish(self, proposal: Proposal, case: Case) -> bool:
        plan, outside, now_s = proposal.plan, self.parts.outside, self.parts.now()
        assert plan is not None
        try:
            body = publishable(plan, proposal.why, self._context(proposal, case, now_s), proposal.in_place)
        except InputError as error:
            return self._refused(error.problem, case)
        name, trees = body["metadata"]["name"], frozenset(body["spec"].get("trees", ()))
        others = outside.plans()
        if others is None or clashes(others, case.ground, trees, now_s):
            return self._refused("another plan is under way, or it is not known whether one is", case)
        if not outside.leads():
            return False
        written = outside.publish(body)
        self.parts.metrics.wrote("create", written.outcome)
        if not written.ok:
            return self._refused(f"the API server does not take it: {written.told}", case)
        LOG.info("plan %s is published: %s", name, proposal.why)
        self.parts.metrics.planned("published")
        count = len(plan.moves) + len(proposal.in_place)
        self.keeper.published(Course(name, trees, frozenset(cuts_mw(plan)), "Pending", count))
        leaves = {leave.policy for leave in proposal.leaves.values()}
        said = Said("PlanPublished", proposal.why, name, now_s, uid_of(written.body))
        self.reporter.concluded(said, case.seen, case.wanted, leaves)
        return True

    @staticmethod
    def _context(proposal: Proposal, case: Case, now_s: float) -> Context:
        seen, named = case.seen, {each.name for each in case.wanted}
        pods, plan, ground = by_uid(seen), proposal.plan, case.ground
        bear_it = (uid for uid, pod in pods.items() if not why_no_surge(pod.metadata, pod.spec))
        return Context(
            pods=pods,
            surging=surging(plan, bear_it, ground.topology, ground.budgets_mw) if plan else frozenset(),
            leaves=proposal.leaves,
            policies={key_of(each): each for each in seen.policies},
            trees=ground.trees,
            budgets_mw=ground.budgets_mw,
            asked={each.metadata.name: each.metadata.uid for each in seen.domains if each.metadata.name in named},
            now_s=now_s,
        )

    def _refused(self, why: str, case: Case) -> bool:
        LOG.warning("a plan is not published: %s", why)
        self.parts.metrics.planned("refused")
        said = Said("PlanRefused", why, "", self.parts.now())
        self.reporter.concluded(said, case.seen, case.wanted, ())
        return False


class _Created(msgspec.Struct, frozen=True):
    metadata: ObjectMeta = ObjectMeta()


def uid_of(body: bytes) -> str:
    """Return the UID in the answer to a create; "" where there is none."""
    try:
        return msgspec.json.decode(body, type=_Created).metadata.uid
    except msgspec.MsgspecError:
        return ""


def clashes(others: Iterable[PlacementPlanObject], ground: Ground, trees: frozenset[str], now_s: float) -> bool:
    """Whether a plan is open for one of these trees: asked of the API server itself, not of a watch."""
    open_ = (course_of(plan, ground.trees, now_s) for plan in others)
    return any(course.trees & trees for course in open_ if not course.over)
