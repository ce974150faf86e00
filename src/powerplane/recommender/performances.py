"""Work per watt in the recommender's rounds: taken in with each snapshot, told, and weighed where moves are planned."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from powerplane.models.api.capping_policy import CappingPolicyObject, Mode
from powerplane.models.api.policies import PolicyKey
from powerplane.models.snapshot import Snapshot
from powerplane.models.telemetry.readings import Floats
from powerplane.recommender.performing import Performing, Standing
from powerplane.recommender.publishing import policy_title
from powerplane.recommender.weighing import weighed
from powerplane.recommender.work_metrics import WorkMetrics

ENFORCED: tuple[Mode, ...] = ("Enforce",)
"""Modes in which a policy has a say over running pods."""


@dataclass(slots=True)
class Performances:
    """What is done with watts. Not for several threads at once.

    Parameters
    ----------
    performing : Performing
    metrics : WorkMetrics
    """

    performing: Performing
    metrics: WorkMetrics
    standings: dict[PolicyKey, Standing] = field(default_factory=dict)
    """How policies' ratios stood last."""

    def follow(
        self, policies: Collection[CappingPolicyObject], snapshot: Snapshot, watts: Floats, now_s: float
    ) -> Snapshot:
        """Take in a round as ``Performing.follow`` does, and return the snapshot with prices that follow."""
        self.performing.follow(policies, snapshot, watts, now_s)
        self.look(policies, now_s)
        told = [
            ((policy_title(key), each.metric), each.performance, each.target)
            for key, each in self.standings.items()
            if each.performance is not None
        ]
        self.metrics.performed(told, self.performing.workloads(now_s))
        return self.weighed(snapshot, policies, ENFORCED, now_s)

    def look(self, policies: Iterable[CappingPolicyObject], now_s: float) -> dict[PolicyKey, Standing]:
        """Return how policies' ratios stand; what is too old is not known any more."""
        self.standings = self.performing.standings(policies, now_s)
        return self.standings

    def weighed(
        self, snapshot: Snapshot, policies: Iterable[CappingPolicyObject], modes: Collection[Mode], now_s: float
    ) -> Snapshot:
        """Return the snapshot with prices that keep work per watt; see ``weighing.weighed``."""
        return weighed(snapshot, policies, self.standings, self.performing.workloads(now_s), modes)
