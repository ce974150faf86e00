"""What our objects' statuses say: conditions at once, figures when they have changed enough to matter."""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any

import msgspec
import numpy as np
from msgspec import structs

from powerplane.adapters.cluster_writes import Writer
from powerplane.models.api.capping_policy import CappingPolicyObject, ClusterPowerCappingPolicyObject
from powerplane.models.api.conditions import ENFORCING, Condition, with_condition
from powerplane.models.api.kinds import CAPPING_POLICY, CLUSTER_CAPPING_POLICY, POWER_DOMAIN
from powerplane.models.api.policies import PolicyConflict, find_conflicts, key_of
from powerplane.models.api.power_domain import PowerDomainObject, PowerDomainStatus
from powerplane.models.api.standing import domain_conditions, policy_conditions
from powerplane.models.power_tree import PowerTree
from powerplane.models.snapshot import NO_BUDGET
from powerplane.scheduler_extender.tree_keeper import Ground, Standing

LOG = logging.getLogger(__name__)

Headroom = Mapping[str, tuple[str, int, int]]
MW = 1000
MOST_WRITES = 1000
"""Writes in one round; they follow one another, which paces them."""

FIGURES_S = 30.0
"""How often draws are written, which change with every pod; the metrics have them at once."""

ENOUGH = 0.01
"""Part of the budget by which a draw must change to be written."""


OURS = ("conditions", "observedGeneration", "nodes", "budgetWatts", "drawWatts", "headroomWatts", "acceptedSpec")
"""Fields of a domain's status that are written here."""


@dataclass(frozen=True, slots=True)
class StatusWrite:
    """One status to write.

    Parameters
    ----------
    path : str
        Of its object.
    status : dict
        What it shall say.
    gone : tuple of str
        Fields that it says, and shall say no more.
    fresh : bool
        Whether the object has no status yet.
    """

    path: str
    status: dict[str, Any]
    gone: tuple[str, ...] = ()
    fresh: bool = False

    @property
    def operations(self) -> list[dict[str, Any]]:
        """Its JSON patch: each field whole, since a merge would keep, inside acceptedSpec, what the spec has lost.

        Fields that are not ours stay: others write to the same status.
        """
        if self.fresh:
            return [{"op": "add", "path": "/status", "value": self.status}]
        said = [{"op": "add", "path": f"/status/{field}", "value": value} for field, value in self.status.items()]
        return [*said, *({"op": "remove", "path": f"/status/{field}"} for field in self.gone)]


class StatusKeeper:
    """Writes statuses, one round at a time.

    Parameters
    ----------
    writer : Writer
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._last_s = self._figures_s = float("-inf")
        self._running = False

    def due(
        self, now_s: float, every_s: float, ground: Ground, standing: Standing, headroom: Callable[[], Headroom]
    ) -> Callable[[], None] | None:
        """The round that is due, to be run on a thread; None while there is none."""
        if self._running or now_s - self._last_s < every_s:
            return None
        self._last_s, self._running = now_s, True
        domains = dict(ground.domains)
        policies: list[CappingPolicyObject] = [*ground.policies.values(), *ground.tenant_policies.values()]
        left, figures = headroom(), now_s - self._figures_s >= FIGURES_S
        self._figures_s = now_s if figures else self._figures_s

        def run() -> None:
            try:
                self._write(domains, policies, standing, left, figures=figures)
            except Exception:
                LOG.exception("a round of statuses failed; the next follows")
            finally:
                self._running = False

        return run

    def _write(
        self,
        domains: Mapping[str, PowerDomainObject],
        policies: list[CappingPolicyObject],
        standing: Standing,
        left: Headroom,
        *,
        figures: bool,
    ) -> None:
        moment = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        of_domains = domain_writes(domains, standing, left, moment, figures=figures)
        wanted = chain(of_domains, policy_writes(policies, domains, moment))
        for write in islice(wanted, MOST_WRITES):
            answer = self._writer.json_patch(f"{write.path}/status", write.operations)
            if not answer.ok:
                LOG.warning("status of %s not written: %s", write.path, answer.told)


def domain_writes(
    domains: Mapping[str, PowerDomainObject], standing: Standing, left: Headroom, moment: str, *, figures: bool = True
) -> Iterator[StatusWrite]:
    """Statuses of domains that say something else than they should.

    Parameters
    ----------
    domains : mapping of name to PowerDomainObject
        As they are now, status and all.
    standing : Standing
    left : mapping
        Kind, budget and headroom of each domain, in milliwatts.
    moment : str
        Now, as RFC 3339.
    figures : bool
        Whether draws that have changed are a reason to write, or only conditions, budgets and what is over.
    """
    under = _node_counts(standing.tree)
    for name, domain in sorted(domains.items()):
        old = domain.status or PowerDomainStatus()
        budget, draw, headroom = _figures(left.get(name), old, figures=figures)
        status = structs.replace(
            old,
            conditions=_conditions(old.conditions, domain_conditions(domain, standing.reading), moment),
            observed_generation=domain.metadata.generation,
            nodes=under.get(name, 0),
            budget_watts=budget,
            draw_watts=draw,
            headroom_watts=headroom,
            accepted_spec=standing.reading.specs.get(name, old.accepted_spec),
        )
        if status != old:
            said, was = _ours(status), _ours(old)
            gone = tuple(field for field in was if field not in said)
            yield StatusWrite(POWER_DOMAIN.path(name), said, gone, fresh=domain.status is None)


def policy_writes(
    policies: list[CappingPolicyObject],
    domains: Mapping[str, PowerDomainObject],
    moment: str,
) -> Iterator[StatusWrite]:
    """Statuses of policies that say something else than they should."""
    labels = {name: domain.metadata.labels or {} for name, domain in domains.items()}
    conflicts = find_conflicts(policies, labels)
    for policy in policies:
        said = policy.status.conditions if policy.status else ()
        conditions = _conditions(said, _told_here(policy, conflicts.get(key_of(policy), ()), labels), moment)
        if (
            policy.status is None
            or conditions != said
            or policy.status.observed_generation != policy.metadata.generation
        ):
            kind = CLUSTER_CAPPING_POLICY if isinstance(policy, ClusterPowerCappingPolicyObject) else CAPPING_POLICY
            body = {
                "conditions": msgspec.to_builtins(conditions),
                "observedGeneration": policy.metadata.generation,
            }
            path = kind.path(policy.metadata.name, policy.metadata.namespace)
            yield StatusWrite(path, body, fresh=policy.status is None)


def _told_here(
    policy: CappingPolicyObject, conflicts: Iterable[PolicyConflict], labels: Collection[str]
) -> tuple[Condition, ...]:
    """What is said of a policy here: whoever acts on running pods says whether one that asks for that is enforced."""
    found = policy_conditions(policy, conflicts, labels)
    return tuple(each for each in found if each.type != ENFORCING or policy.spec.mode != "Enforce")


def _ours(status: PowerDomainStatus) -> dict[str, Any]:
    """What this program says in a domain's status."""
    said = msgspec.to_builtins(status)
    return {field: said[field] for field in OURS if field in said}


def _node_counts(tree: PowerTree) -> dict[str, int]:
    """Nodes under each domain."""
    if tree.weights is None:
        return {}
    sizes = np.diff(tree.weights.indptr).tolist()
    rows = zip(tree.row_domain, tree.row_lost, sizes, strict=True)
    return {domain: size for domain, lost, size in rows if not lost}


def _figures(
    found: tuple[str, int, int] | None, old: PowerDomainStatus, *, figures: bool
) -> tuple[int | None, int | None, int | None]:
    """Budget, draw and headroom in watts; the old ones where they changed too little to matter."""
    if found is None or found[1] >= NO_BUDGET:
        return None, None, None
    budget, headroom = found[1] // MW, found[2] // MW
    draw = budget - headroom
    known = old.budget_watts == budget and old.draw_watts is not None
    if known and (abs(draw - (old.draw_watts or 0)) < ENOUGH * budget or not (figures or headroom < 0)):
        return old.budget_watts, old.draw_watts, old.headroom_watts
    return budget, draw, headroom


def _conditions(old: tuple[Condition, ...], new: tuple[Condition, ...], moment: str) -> tuple[Condition, ...]:
    conditions = old
    for each in new:
        conditions = with_condition(conditions, each, moment)
    return conditions
