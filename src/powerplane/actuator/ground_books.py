"""Namespaces, policies, domains and Leases kept in step, and what follows: whether anything may be begun now."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from powerplane.actuator.allowing import Leaves
from powerplane.actuator.facts import Grounds, Measurement, Move, PodFact
from powerplane.actuator.windows import Window, is_open
from powerplane.actuator.words import EXTENDER_LEASE
from powerplane.adapters.lease_look import Lease, LeaseLives
from powerplane.adapters.watch import Batch
from powerplane.adapters.webhook_lease import STALE_S, WEBHOOK_LEASE, admission_is_alive
from powerplane.models.api.capping_policy import ACTING, CappingPolicyObject
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.marks import OWN_NAMESPACE, STOP_ANNOTATION
from powerplane.models.plain import printable

EXTENDER = "Extender"
NO_REASON = "no reason given"


@dataclass(frozen=True, slots=True)
class Demands:
    """What is demanded before anything is begun.

    Parameters
    ----------
    policy : bool
        That a policy in mode Enforce names the move's lever for the pod.
    webhook : bool
        That the webhook's Lease is alive.
    extender : bool
        That the extender's Lease is alive, whatever policies say; they demand it where their lock is Extender.
    windows : tuple of Window
        Hours in which pods may be moved; always, where there is none.
    """

    policy: bool = True
    webhook: bool = True
    extender: bool = False
    windows: tuple[Window, ...] = ()


@dataclass(frozen=True, slots=True)
class _Read:
    """What a domain's status said, and when it was first seen."""

    watts: int | None
    age_s: int | None
    at: str | None
    seen_s: float


class GroundBooks:
    """What the watches of everything but pods, nodes and plans told.

    Parameters
    ----------
    demands : Demands
    clock : callable
        Seconds that only go on.
    now : callable
        Unix seconds.
    changed : callable
    namespace : str
        Where this program runs: a stop counts there as well as on PowerPlane's own.
    """

    def __init__(
        self,
        demands: Demands,
        clock: Callable[[], float],
        now: Callable[[], float],
        changed: Callable[[], None] = lambda: None,
        namespace: str = OWN_NAMESPACE,
    ) -> None:
        self._demands = demands
        self._clock = clock
        self._now = now
        self._changed = changed
        self._namespaces = tuple(dict.fromkeys((OWN_NAMESPACE, namespace)))
        self._lock = threading.Lock()
        self._kept: dict[str, dict[tuple[str, str], Any]] = {}
        self._versions: dict[str, int] = {}
        self._reads: dict[str, _Read] = {}
        self._leaves: tuple[object, Leaves] | None = None
        self._webhook = LeaseLives(clock, now, STALE_S)
        self._extender = LeaseLives(clock, now)
        self._leases: dict[str, Lease | None] = {}
        self.paused = "nothing was looked at yet"

    def sink(self, shelf: str) -> Callable[[Batch[Any]], None]:
        """Return what takes in batches of one kind: namespaces, policies, own (policies), domains."""
        self._kept[shelf], self._versions[shelf] = {}, 0

        def take(batch: Batch[Any]) -> None:
            with self._lock:
                kept = self._kept[shelf]
                if batch.replace:
                    kept.clear()
                for what, each in batch.changes:
                    key = (each.metadata.namespace, each.metadata.name)
                    kept.pop(key, None)
                    if what != "DELETED":
                        kept[key] = each
                        if isinstance(each, PowerDomainObject):
                            self._read(each)
                self._versions[shelf] += 1
                if shelf == "domains":
                    there = {name for _, name in kept}
                    self._reads = {name: read for name, read in self._reads.items() if name in there}
            self._changed()

        return take

    def leases(self, webhook: Lease | None, extender: Lease | None) -> None:
        """Take in how the Leases stand; None where there is none, or it cannot be read."""
        self._leases = {WEBHOOK_LEASE: webhook, EXTENDER_LEASE: extender}

    def stop(self) -> str:
        """Why all is stopped; "" where it is not."""
        with self._lock:
            found = [self._kept.get("namespaces", {}).get(("", name)) for name in self._namespaces]
        said = [(each.metadata.annotations or {}).get(STOP_ANNOTATION) for each in found if each is not None]
        return next((printable(reason) or NO_REASON for reason in said if reason is not None), "")

    def _pause(self) -> str:
        webhook, extender = self._leases.get(WEBHOOK_LEASE), self._leases.get(EXTENDER_LEASE)
        # Both are looked at each time: what is not looked at counts as unchanged.
        # By its time and by its changes: a clock that was set, here or there, must not make a dead webhook live.
        told = admission_is_alive(webhook, datetime.fromtimestamp(self._now(), UTC))
        webhook_lives = self._webhook.lives(WEBHOOK_LEASE, webhook) and told
        extender_lives = self._extender.lives(EXTENDER_LEASE, extender)
        if self._demands.webhook and not webhook_lives:
            return f"nobody renews the Lease {WEBHOOK_LEASE}: new pods would come in without watts"
        if self._extender_is_demanded(extender) and not extender_lives:
            return f"nobody renews the Lease {EXTENDER_LEASE}: nobody would hold the budgets for new pods"
        if not is_open(self._demands.windows, datetime.fromtimestamp(self._now(), UTC)):
            return "outside of the maintenance windows"
        return ""

    def grounds(self) -> Grounds:
        """Return what must hold before anything is begun, at this moment; ``paused`` says the same until the next."""
        self.paused = self._pause()
        return Grounds(
            now_s=self._now(),
            clock_s=self._clock(),
            stop=self.stop(),
            pause=self.paused,
            forbids=self._forbids(),
            measured=self._measured(),
        )

    def _extender_is_demanded(self, lease: Lease | None) -> bool:
        """By a policy, or as it holds the Lease: one that was killed has not given it up."""
        locks = {each.spec.admission.lock for each in self._policies() if each.spec.admission and _acts(each)}
        return self._demands.extender or EXTENDER in locks or (lease is not None and bool(lease.holder))

    def _forbids(self) -> Callable[[Move, PodFact], str]:
        if not self._demands.policy:
            return lambda _move, _pod: ""
        key = tuple(self._versions.get(shelf, 0) for shelf in ("namespaces", "policies", "own"))
        if self._leaves is None or self._leaves[0] != key:
            labels = {each.metadata.name: each.metadata.labels or {} for each in self._all("namespaces")}
            self._leaves = (key, Leaves(self._policies(), labels))
        return self._leaves[1].forbids

    def _measured(self) -> dict[str, Measurement]:
        with self._lock:
            reads = dict(self._reads)
        domains: Mapping[str, PowerDomainObject] = {each.metadata.name: each for each in self._all("domains")}
        found = {}
        for name, read in reads.items():
            domain = domains.get(name)
            # Watts of which nobody says how old they are may be of an hour ago.
            if domain is not None and read.watts is not None and read.age_s is not None:
                budget = domain.status.budget_watts if domain.status else None
                found[name] = Measurement(
                    float(read.watts), read.seen_s - max(float(read.age_s), 0.0), float(budget or 0)
                )
        return found

    def _read(self, domain: PowerDomainObject) -> None:
        status, name = domain.status, domain.metadata.name
        none = (None, None, None)
        said = (status.measured_watts, status.source_age_seconds, status.measured_at) if status else none
        before = self._reads.get(name)
        # Others write to the same status: only what was measured anew is new.
        if before is None or (before.watts, before.age_s, before.at) != said:
            self._reads[name] = _Read(*said, self._clock())

    def _policies(self) -> Iterable[CappingPolicyObject]:
        return [*self._all("policies"), *self._all("own")]

    def _all(self, shelf: str) -> list[Any]:
        with self._lock:
            return list(self._kept.get(shelf, {}).values())


def _acts(policy: CappingPolicyObject) -> bool:
    return policy.spec.mode in ACTING
