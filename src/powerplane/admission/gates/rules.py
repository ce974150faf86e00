"""Domains, policies, namespaces and quotas kept in step with the watches: budgets, who has to wait, and shares."""

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from powerplane.adapters.watch import Batch
from powerplane.adapters.watch_kinds import by_names
from powerplane.admission.gates.books import Moment
from powerplane.admission.gates.cap_rooms import CapRules
from powerplane.admission.gates.facts import PodFact
from powerplane.admission.gates.ground import Ground, Lie, budgets_now, ground_of, lie_of
from powerplane.admission.gates.surges import Surge, Surges
from powerplane.admission.own_caps import own_caps
from powerplane.admission.table import Table, reaches_of
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.api.tree import Specs
from powerplane.models.errors import InputError
from powerplane.models.objects import Narrow, ObjectMeta, RawQuantity
from powerplane.models.quantities import parse_quantity
from powerplane.models.requests import WATTS_RESOURCE, whole_units

LINGER_S = 30.0
"""How long a domain still holds that is gone: as a rule it is made anew, as by ``kubectl replace --force``."""

GATING = ("Gate", "Auto")
"""Locks by which pods may come to wait behind our gate."""

QUOTA_KEY = f"requests.{WATTS_RESOURCE}"


class QuotaSpec(Narrow, frozen=True):
    """What a namespace may hold."""

    hard: dict[str, RawQuantity] | None = None


class Quota(Narrow, frozen=True):
    """core/v1 ResourceQuota."""

    metadata: ObjectMeta
    spec: QuotaSpec = QuotaSpec()


class GateRules:
    """What the watches of everything but nodes and pods told.

    Parameters
    ----------
    changed : callable
    """

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self._lock = threading.Lock()
        self._changed = changed
        self._kept: dict[str, dict[tuple[str, str], Any]] = {}
        self._versions: dict[str, int] = {}
        self._accepted: Specs = {}
        self._stood: dict[str, tuple[PowerDomainObject, float | None]] = {}
        self._lie: tuple[object, Lie] | None = None
        self._ground: tuple[object, Ground] | None = None
        self._table: tuple[object, Table] | None = None
        self._surges = Surges()

    def sink(self, shelf: str) -> Callable[[Batch[Any]], None]:
        """Return what takes in batches of a kind: namespaces, domains, policies, own (ones), quotas, deployments."""
        self._kept[shelf], self._versions[shelf] = {}, 0

        def take(batch: Batch[Any]) -> None:
            with self._lock:
                batch.into(self._kept[shelf], by_names)
                self._versions[shelf] += 1
            self._changed()

        return take

    def ground(self, moment: Moment, now: datetime) -> Ground:
        """Return the budgets in force over the nodes of a moment."""
        domains, policies = self._domains(now.timestamp()), self._all("policies")
        specs = {each.metadata.name: each.spec for each in domains}
        key = (specs, moment.shape)
        if self._lie is None or self._lie[0] != key:
            lie = lie_of(domains, moment.nodes, self._accepted)
            if lie.reading.in_force != "none":
                self._accepted = lie.reading.specs
            self._lie = (key, lie)
        lie = self._lie[1]
        budgets = budgets_now(lie.reading, domains, policies, now)
        if self._ground is None or self._ground[0] != (id(lie), budgets):
            self._ground = ((id(lie), budgets), ground_of(lie, budgets, moment.gone))
        return self._ground[1]

    def _domains(self, now_s: float) -> list[PowerDomainObject]:
        """All domains, and those that went a moment ago."""
        stood: dict[str, tuple[PowerDomainObject, float | None]] = {
            each.metadata.name: (each, None) for each in self._all("domains")
        }
        for name, (domain, gone_s) in self._stood.items():
            since_s = now_s if gone_s is None else min(gone_s, now_s)
            if name not in stood and now_s - since_s < LINGER_S:
                stood[name] = (domain, since_s)
        self._stood = stood
        return [domain for domain, _ in stood.values()]

    def gated_for(self) -> Callable[[PodFact], float | None]:
        """Return what says how long a pod may be held; None where no policy asks it to wait."""
        table = self._known()

        def most_s(pod: PodFact) -> float | None:
            choice = table.choice_for(pod.namespace, pod.labels)
            return None if choice is None else float(choice.max_gate_seconds)

        return most_s

    def surges(
        self, waiting: Iterable[PodFact], most_of: Callable[[str], tuple[int, int]], clock_s: float
    ) -> tuple[Surge, ...]:
        """Return what is held back for roll-outs of pods that wait behind our gate; see ``Surges.held``."""
        table = self._known()

        def is_gated(namespace: str, labels: Mapping[str, str]) -> bool:
            choice = table.choice_for(namespace, labels)
            return choice is not None and choice.lock in GATING

        return self._surges.held(self._all("deployments"), tuple(waiting), most_of, is_gated, clock_s)

    def own_caps(self, now_s: float) -> CapRules:
        """Return policies' own caps of a moment (Unix seconds)."""
        caps = own_caps([*self._all("policies"), *self._all("own")], now_s)
        table = self._known()

        def alone(pod: PodFact) -> bool:
            choice = table.choice_for(pod.namespace, pod.labels)
            return choice is not None and choice.lock not in GATING

        return CapRules(caps, table.labels_of, alone)

    def _known(self) -> Table:
        key = tuple(self._versions.get(shelf, 0) for shelf in ("namespaces", "policies", "own"))
        if self._table is None or self._table[0] != key:
            namespaces = {each.metadata.name: each.metadata.labels or {} for each in self._all("namespaces")}
            reaches = reaches_of([*self._all("policies"), *self._all("own")])
            self._table = (key, Table(namespaces, reaches))
        return self._table[1]

    def weights(self) -> Mapping[str, int]:
        """Return each namespace's quota of watts, the smallest where it has several."""
        found: dict[str, int] = {}
        for quota in self._all("quotas"):
            text = (quota.spec.hard or {}).get(QUOTA_KEY)
            watts = _watts(text) if text is not None else 0
            if watts > 0:
                name = quota.metadata.namespace
                found[name] = min(found.get(name, watts), watts)
        return found

    def _all(self, shelf: str) -> list[Any]:
        with self._lock:
            return list(self._kept.get(shelf, {}).values())


def _watts(text: RawQuantity) -> int:
    try:
        return whole_units(WATTS_RESOURCE, parse_quantity(text))
    except InputError:
        return 0
