"""Throttling over rounds: whether the cluster can do it, who may be held down now, and when it is taken back."""

import logging
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field

from powerplane.models.api.capping_policy import CappingPolicyObject
from powerplane.models.snapshot import Snapshot
from powerplane.recommender.allowing import Allowing
from powerplane.recommender.books import Seen
from powerplane.recommender.keeping import by_uid
from powerplane.recommender.outside import Parts
from powerplane.recommender.proposing import Proposal
from powerplane.recommender.reporting import Reporter
from powerplane.recommender.restoring import Restoring, held_in, refused_of, restored
from powerplane.recommender.seeing import Ground
from powerplane.recommender.statuses import Said
from powerplane.recommender.throttle_candidates import Throttling, held_down
from powerplane.recommender.trees import NO_ROOTS
from powerplane.recommender.violations import Violation

LOG = logging.getLogger(__name__)

ASKED_S = 600.0
"""Until the API server is asked again whether pods can be resized in place."""

UNAVAILABLE = "ThrottleUnavailable"
WHY_NOT = "the lever throttle is passed over: this API server resizes no pods in place (it has no pods/resize)"


@dataclass(slots=True)
class ThrottleKeeper:
    """Follows throttles. Not for several threads at once.

    Parameters
    ----------
    parts : Parts
    reporter : Reporter
    """

    parts: Parts
    reporter: Reporter
    _restoring: Restoring = field(default_factory=Restoring)
    _resizes: bool | None = None
    _asked_s: float = float("-inf")

    def throttling(self, seen: Seen) -> Throttling | None:
        """Return what is known of pods that may be held down; None where none may be, or none can be.

        Parameters
        ----------
        seen : Seen
        """
        asking = [each for each in seen.policies if _throttles(each)]
        if not asking or not self._can(asking):
            return None
        return Throttling(seen.policies, by_uid(seen), refused_of(seen.plans))

    def restored(
        self, seen: Seen, ground: Ground, snapshot: Snapshot, violations: Iterable[Violation], busy: Set[str]
    ) -> Proposal | None:
        """Return what gives pods back what they had; None where none is to be given anything.

        Parameters
        ----------
        seen : Seen
        ground : Ground
        snapshot : Snapshot
            On measured watts, with the budgets in force.
        violations : iterable of Violation
            All that were found.
        busy : set of str
            Roots of trees in which nothing is touched.
        """
        pods = {pod.metadata.uid: pod for pod in seen.cluster.pods if held_down(pod) is not None}
        if not pods:
            return None
        leaves = Allowing(seen.policies, levers=("throttle",)).of_templates(snapshot)
        held = held_in(snapshot, pods, leaves, ground.trees, busy)
        warm = ground.trees.roots(each.name for each in violations)
        hot = {row for row, name in enumerate(snapshot.node_names) if ground.trees.of_node.get(name, NO_ROOTS) & warm}
        chosen = self._restoring.follow(snapshot, held, hot, refused_of(seen.plans), self.parts.clock())
        return restored(snapshot, chosen) if chosen else None

    def _can(self, asking: Sequence[CappingPolicyObject]) -> bool:
        """Whether pods can be resized; where they cannot, the policies that ask for it are told."""
        clock_s = self.parts.clock()
        if self._resizes is None or clock_s - self._asked_s >= ASKED_S:
            answer = self.parts.outside.resizes()
            if answer is not None:
                self._resizes, self._asked_s = answer, clock_s
        if self._resizes is False:
            LOG.warning("%s", WHY_NOT)
            for policy in asking:
                self.reporter.of_policy(policy, Said(UNAVAILABLE, WHY_NOT, "", self.parts.now()))
        return bool(self._resizes)


def _throttles(policy: CappingPolicyObject) -> bool:
    return policy.spec.mode == "Enforce" and "throttle" in policy.spec.levers
