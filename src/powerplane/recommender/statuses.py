"""What statuses of domains and policies say of measuring, foreseeing and acting; written when it matters, and no more.

Merge patches of these fields alone: others write to the same statuses. Figures are written from time to time, and at
once where a budget is broken or a plan is under way, for whose actuator they are the proof.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from powerplane.models.api.capping_policy import CappingPolicyObject
from powerplane.models.api.capping_status import PolicyLedger, Recommendation
from powerplane.models.api.kinds import CAPPING_POLICY, CLUSTER_CAPPING_POLICY, POWER_DOMAIN
from powerplane.models.api.last_action import LastAction
from powerplane.models.api.policies import PolicyKey, domains_of, key_of
from powerplane.models.api.power_domain import BreachForecast, PowerDomainObject
from powerplane.models.plain import printable
from powerplane.models.quantities import MILLI
from powerplane.models.telemetry.domains import DomainReading
from powerplane.recommender.ledger import Sums
from powerplane.recommender.own_caps_facts import CapStanding, has_cap
from powerplane.recommender.performing import Standing
from powerplane.recommender.performing_told import met_of, performance_of
from powerplane.recommender.publishing import rfc3339

CALM_S, PRESSING_S = 30.0, 1.5
"""Between two writes of a domain's figures: as a rule, and where its budget is broken or a plan is under way."""

LONGEST_WHY = 1024

OF_CAPS = frozenset(("headroomWatts", "sourceAgeSeconds"))
"""Figures that a policy's own cap and its racks both have a word for."""


@dataclass(frozen=True, slots=True)
class Patch:
    """One status to merge into: path of its object, the fields, and the version that they hold for; "" for any."""

    path: str
    status: dict[str, Any]
    version: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """What happened last to a domain or by a policy.

    Parameters
    ----------
    what : str
        In one word: ``PlanPublished``.
    why : str
    plan : str
        Its name; "" for none.
    at_s : float
        Unix seconds.
    uid : str
        The plan's.
    """

    what: str
    why: str
    plan: str
    at_s: float
    uid: str = ""

    @property
    def wire(self) -> Any:
        """As the API has it."""
        return msgspec.to_builtins(
            LastAction(rfc3339(self.at_s), self.what, printable(self.why)[:LONGEST_WHY], self.plan)
        )


@dataclass(slots=True)
class DomainStatuses:
    """Which domains' statuses are to be written. Not for several threads at once."""

    actions: dict[str, Said] = field(default_factory=dict)
    _written_s: dict[str, float] = field(default_factory=dict)
    _acted: dict[str, Said] = field(default_factory=dict)

    def patches(
        self,
        objects: Iterable[PowerDomainObject],
        readings: Iterable[DomainReading],
        forecasts: Mapping[str, BreachForecast],
        pressing: Collection[str],
        now_s: float,
    ) -> list[Patch]:
        """Return what is to be written now.

        Parameters
        ----------
        objects : iterable of PowerDomainObject
        readings : iterable of DomainReading
        forecasts : mapping
            By domain.
        pressing : collection of str
            Domains whose figures somebody waits for.
        now_s : float
            Unix seconds.
        """
        known = {each.metadata.name for each in objects}
        for kept in (self.actions, self._written_s, self._acted):
            for gone in kept.keys() - known:
                del kept[gone]
        found = []
        for each in readings:
            if each.name not in known or not self._is_due(each, pressing, now_s):
                continue
            status: dict[str, Any] = {
                "measuredWatts": None if each.worst == each.nodes else -(-each.draw_mw // MILLI),
                "sourceAgeSeconds": math.ceil(each.age_s) if math.isfinite(each.age_s) else None,
                "measuredAt": rfc3339(now_s),
                "forecast": _told(forecasts.get(each.name)),
            }
            action = self.actions.get(each.name)
            if action is not None:
                status["lastAction"] = action.wire
            found.append(Patch(POWER_DOMAIN.path(each.name), status))
            self._written_s[each.name] = now_s
            if action is not None:
                self._acted[each.name] = action
        return found

    def forget(self, path: str) -> None:
        """Write a status again soon: it was not taken."""
        name = path.rpartition("/")[2]
        self._written_s.pop(name, None)
        self._acted.pop(name, None)

    def _is_due(self, reading: DomainReading, pressing: Collection[str], now_s: float) -> bool:
        if self.actions.get(reading.name) != self._acted.get(reading.name):
            return True
        every_s = PRESSING_S if reading.name in pressing or reading.is_broken else CALM_S
        last_s = self._written_s.get(reading.name)
        # A clock that was set back must not silence a status for hours.
        return last_s is None or not 0 <= now_s - last_s < every_s


def _told(forecast: BreachForecast | None) -> Any:
    return None if forecast is None else msgspec.to_builtins(forecast)


@dataclass(slots=True)
class PolicyStatuses:
    """Which policies' statuses are to be written. Not for several threads at once.

    Parameters
    ----------
    since_s : float
        Unix seconds from which the ledger counts.
    """

    since_s: float
    actions: dict[PolicyKey, Said] = field(default_factory=dict)
    recommendations: dict[PolicyKey, Recommendation] = field(default_factory=dict)
    performances: Mapping[PolicyKey, Standing] = field(default_factory=dict)
    _written: dict[PolicyKey, dict[str, Any]] = field(default_factory=dict)
    _written_s: dict[PolicyKey, float] = field(default_factory=dict)

    def patches(
        self,
        policies: Iterable[CappingPolicyObject],
        domains: Mapping[str, PowerDomainObject],
        readings: Iterable[DomainReading],
        sums: Mapping[PolicyKey, Sums],
        now_s: float,
        *,
        caps: Mapping[PolicyKey, CapStanding],
    ) -> list[Patch]:
        """Return what is to be written now: what is new, not more often than ``CALM_S`` where figures alone are.

        Parameters
        ----------
        policies : iterable of policies
        domains : mapping
            By name.
        readings : iterable of DomainReading
        sums : mapping
            Of the ledger, by policy.
        caps : mapping
            How policies' own caps stand.
        now_s : float
            Unix seconds.
        """
        by_name = {each.name: each for each in readings}
        labels = {name: each.metadata.labels or {} for name, each in domains.items()}
        found, keys = [], set()
        for policy in policies:
            key = key_of(policy)
            keys.add(key)
            status = with_cap(self._status(policy, key, labels, by_name, sums.get(key)), policy, caps.get(key))
            if self._is_due(key, status, now_s):
                found.append(Patch(policy_path(key), status))
                self._written[key], self._written_s[key] = status, now_s
        for kept in (self._written, self._written_s, self.actions, self.recommendations):
            for gone in kept.keys() - keys:
                del kept[gone]
        return found

    def forget(self, path: str) -> None:
        """Write a status again soon: it was not taken."""
        for key in [key for key in self._written if policy_path(key) == path]:
            del self._written[key]

    def _status(
        self,
        policy: CappingPolicyObject,
        key: PolicyKey,
        labels: Mapping[str, Mapping[str, str]],
        readings: Mapping[str, DomainReading],
        sums: Sums | None,
    ) -> dict[str, Any]:
        reached = [
            readings[name]
            for each in policy.spec.rack_constraints
            for name in domains_of(each, labels)
            if name in readings
        ]
        limited = [each.headroom_mw for each in reached if each.headroom_mw is not None]
        ages = [each.age_s for each in reached if math.isfinite(each.age_s)]
        status: dict[str, Any] = {
            # Of several racks the one that is tightest: their sum would hide it.
            "headroomWatts": min(limited) // MILLI if limited else None,
            "sourceAgeSeconds": math.ceil(max(ages)) if ages else None,
        }
        if (action := self.actions.get(key)) is not None:
            status["lastAction"] = action.wire
        if sums is not None and (sums.actions or sums.withheld):
            status["ledger"] = msgspec.to_builtins(
                PolicyLedger(
                    rfc3339(self.since_s),
                    sums.actions,
                    sums.withheld,
                    round(sums.watt_hours_held, 1),
                    round(sums.watt_hours_missed, 1),
                )
            )
        if policy.spec.mode == "Recommend":
            recommendation = self.recommendations.get(key)
            status["recommendation"] = None if recommendation is None else msgspec.to_builtins(recommendation)
        if (standing := self.performances.get(key)) is not None:
            status["performance"] = performance_of(standing)
        elif policy.status is not None and policy.status.performance is not None:
            status["performance"] = None
        return status

    def _is_due(self, key: PolicyKey, status: Mapping[str, Any], now_s: float) -> bool:
        written, last_s = self._written.get(key), self._written_s.get(key)
        if written is None or last_s is None or written == status:
            return written is None or last_s is None
        said = ("lastAction", "recommendation")
        if any(written.get(each) != status.get(each) for each in said) or met_of(written) != met_of(status):
            return True
        over = [(each.get("headroomWatts") or 0) < 0 for each in (written, status)]
        return over[0] != over[1] or not 0 <= now_s - last_s < CALM_S


def with_cap(status: Mapping[str, Any], policy: CappingPolicyObject, standing: CapStanding | None) -> dict[str, Any]:
    """Return what a status says, a policy's own cap counted in, which stands before whatever its racks say.

    While nothing is measured the last figures stand, with the time at which they were. The draw is rounded up, and the
    cap down.
    """
    if not has_cap(policy):
        none = {"capWatts": None, "drawWatts": None, "pods": None, "measuredAt": None, **status}
        return none | ({"averages": None} if policy.status is not None and policy.status.averages else {})
    if standing is None or standing.draw_mw is None:
        return {name: value for name, value in status.items() if name not in OF_CAPS}
    cap_watts = None if standing.cap.mw is None else standing.cap.mw // MILLI
    draw_watts = -(-standing.draw_mw // MILLI)
    figures: dict[str, Any] = {
        "capWatts": cap_watts,
        "drawWatts": draw_watts,
        "pods": standing.pods,
        "headroomWatts": None if cap_watts is None else cap_watts - draw_watts,
        "sourceAgeSeconds": math.ceil(standing.age_s) if math.isfinite(standing.age_s) else None,
        "measuredAt": rfc3339(standing.at_s),
    }
    if standing.averages or (policy.status is not None and policy.status.averages):
        figures["averages"] = msgspec.to_builtins(standing.averages) or None
    if policy.spec.mode == "Recommend" and standing.recommendation is not None:
        figures["recommendation"] = msgspec.to_builtins(standing.recommendation)
    return {**status, **figures}


def policy_path(key: PolicyKey) -> str:
    """Where a policy stands."""
    namespace, name = key
    return (CAPPING_POLICY if namespace else CLUSTER_CAPPING_POLICY).path(name, namespace)
