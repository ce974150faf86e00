"""What people are told: events, the statuses of domains and policies, and the metrics of how they stand."""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from powerplane.models.api.capping_policy import CappingPolicyObject, ClusterPowerCappingPolicyObject
from powerplane.models.api.capping_status import Recommendation
from powerplane.models.api.kinds import CAPPING_POLICY, CLUSTER_CAPPING_POLICY, PLACEMENT_PLAN, POWER_DOMAIN
from powerplane.models.api.policies import PolicyKey, key_of
from powerplane.models.api.power_domain import BreachForecast
from powerplane.models.telemetry.domains import DomainReading
from powerplane.recommender.books import Seen
from powerplane.recommender.conditions import Circumstances, ConditionKeeper
from powerplane.recommender.ledger import Ledger
from powerplane.recommender.outside import Parts
from powerplane.recommender.own_caps_facts import CapStanding
from powerplane.recommender.performing import Standing, none_kept
from powerplane.recommender.performing_told import BELOW, conditions_of, words_of
from powerplane.recommender.publishing import policy_title
from powerplane.recommender.statuses import DomainStatuses, Patch, PolicyStatuses, Said
from powerplane.recommender.telling import Subject
from powerplane.recommender.violations import NODE, Violation

LOG = logging.getLogger(__name__)

WRITES_S = 2.0
"""For the statuses of one round; what is left is written in the next."""

WARNINGS = frozenset(
    (BELOW, "NoPlanHelps", "PlanWithheld", "PlanFailed", "NoTelemetry", "NoTree", "Stopped", "PlanRefused")
)


@dataclass(slots=True)
class Reporter:
    """Tells people. Not for several threads at once.

    Parameters
    ----------
    parts : Parts
    ledger : Ledger
    performances : callable
        How policies' work per watt stands at a moment.
    """

    parts: Parts
    ledger: Ledger
    performances: Callable[[Collection[CappingPolicyObject], float], Mapping[PolicyKey, Standing]] = none_kept
    _domains: DomainStatuses = field(default_factory=DomainStatuses)
    _policies: PolicyStatuses = field(init=False)
    _conditions: ConditionKeeper = field(default_factory=ConditionKeeper)

    def __post_init__(self) -> None:
        self._policies = PolicyStatuses(self.parts.now())

    def concluded(self, said: Said, seen: Seen, about: Iterable[Violation], policies: Collection[PolicyKey]) -> None:
        """Tell what was done, or why nothing was, to the domains and policies that it is about.

        Parameters
        ----------
        said : Said
        seen : Seen
        about : iterable of Violation
        policies : collection of PolicyKey
            By whose leave.
        uid : str
            The plan's.
        """
        note = f"plan {said.plan}: {said.why}" if said.plan else said.why
        uids = {each.metadata.name: each.metadata.uid for each in seen.domains}
        for each in about:
            if each.kind != NODE and each.name in uids:
                self._tell(Subject(POWER_DOMAIN, each.name, uid=uids[each.name]), said.what, note, said.at_s)
                self._note(self._domains.actions, each.name, said)
        for key in policies:
            self._note(self._policies.actions, key, said)
        if said.plan:
            self._tell(Subject(PLACEMENT_PLAN, said.plan, uid=said.uid), said.what, said.why, said.at_s)

    def idle(self, what: str, trouble: str, seen: Seen) -> None:
        """Tell the policies that act that nobody acts for them now.

        Parameters
        ----------
        what : str
            In one word.
        trouble : str
            In words.
        seen : Seen
        """
        note, now_s = f"nothing is planned: {trouble}", self.parts.now()
        for policy in seen.policies:
            if policy.spec.mode == "Enforce":
                self._tell(subject_of(policy), what, note, now_s)
                self._note(self._policies.actions, key_of(policy), Said(what, note, "", now_s))

    def recommend(self, found: Mapping[PolicyKey, Recommendation], seen: Seen) -> None:
        """Tell what plans would do for policies that only recommend; what is not there is not recommended any more."""
        self._policies.recommendations = dict(found)
        for policy in seen.policies:
            if (each := found.get(key_of(policy))) is not None:
                self._tell(subject_of(policy), "PlanRecommended", each.summary, self.parts.now())

    def write(
        self,
        seen: Seen,
        readings: Iterable[DomainReading],
        forecasts: Mapping[str, BreachForecast],
        pressing: Collection[str],
        *,
        caps: Mapping[PolicyKey, CapStanding],
        trouble: str = "",
    ) -> None:
        """Write the statuses that are due.

        Parameters
        ----------
        seen : Seen
        readings : iterable of DomainReading
        forecasts : mapping
            By domain.
        pressing : collection of str
            Domains that plans under way change.
        caps : mapping
            How policies' own caps stand.
        trouble : str
            Why nothing is measured; "" where something is.
        """
        now_s, readings = self.parts.now(), tuple(readings)
        domains = {each.metadata.name: each for each in seen.domains}
        self.ledger.keep({policy_title(key_of(each)) for each in seen.policies})
        sums = {key_of(each): self.ledger.sums(policy_title(key_of(each))) for each in seen.policies}
        self._policies.performances = self.performances(seen.policies, now_s)
        self._tell_of_work(seen, now_s)
        patches = self._domains.patches(seen.domains, readings, forecasts, pressing, now_s)
        patches += self._policies.patches(seen.policies, domains, readings, sums, now_s, caps=caps)
        more = conditions_of(seen.policies, self._policies.performances)
        around = Circumstances(seen.stopped, trouble, frozenset(domains), more)
        patches += self._conditions.of_policies(seen.policies, caps, around, now_s)
        patches += self._conditions.of_domains(seen.domains, readings, trouble, now_s)
        until_s, refused = self.parts.clock() + WRITES_S, False
        for patch in patches:
            # A server that is slow or gone must not keep the next look waiting.
            if refused or self.parts.clock() > until_s or not self.parts.outside.leads():
                self._forget(patch)
            else:
                refused = not self._write(patch)

    def _write(self, patch: Patch) -> bool:
        """Write one; return whether the server answers."""
        written = self.parts.outside.patch_status(patch.path, patch.status, patch.version)
        self.parts.metrics.wrote("status", written.outcome)
        if not written.ok:
            # Somebody else's write came first: the next look shows it.
            level = logging.DEBUG if patch.version and written.conflict else logging.WARNING
            LOG.log(level, "status of %s is not written: %s", patch.path, written.told)
            self._forget(patch)
        return written.outcome != "failed"

    def _forget(self, patch: Patch) -> None:
        self._domains.forget(patch.path)
        self._policies.forget(patch.path)

    def of_policy(self, policy: CappingPolicyObject, said: Said) -> None:
        """Tell of one policy what was done to hold its own cap, or why nothing was."""
        note = f"plan {said.plan}: {said.why}" if said.plan else said.why
        self._tell(subject_of(policy), said.what, note, said.at_s)
        self._note(self._policies.actions, key_of(policy), said)
        if said.plan:
            self._tell(Subject(PLACEMENT_PLAN, said.plan, uid=said.uid), said.what, said.why, said.at_s)

    def _tell_of_work(self, seen: Seen, now_s: float) -> None:
        for policy in seen.policies:
            standing = self._policies.performances.get(key_of(policy))
            if standing is not None and standing.met is False:
                self._tell(subject_of(policy), BELOW, words_of(standing), now_s)

    def _tell(self, subject: Subject, reason: str, note: str, now_s: float) -> None:
        self.parts.teller.tell(subject, reason, note, now_s, warning=reason in WARNINGS)

    @staticmethod
    def _note(actions: dict[PolicyKey, Said] | dict[str, Said], key: PolicyKey | str, said: Said) -> None:
        """Note what happened; the same again keeps the time at which it first did."""
        kept: dict[PolicyKey | str, Said] = actions  # type: ignore[assignment]  # each dict has keys of one kind
        last = kept.get(key)
        if last is None or (last.what, last.plan) != (said.what, said.plan):
            kept[key] = said


def subject_of(policy: CappingPolicyObject) -> Subject:
    """A policy as the subject of an event."""
    kind = CLUSTER_CAPPING_POLICY if isinstance(policy, ClusterPowerCappingPolicyObject) else CAPPING_POLICY
    return Subject(kind, policy.metadata.name, policy.metadata.namespace, policy.metadata.uid)
