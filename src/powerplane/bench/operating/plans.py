"""Plans and statuses between recommender and actuator, as the API server keeps them: the recommender's `Outside`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from powerplane.actuator.engine import Wrote
from powerplane.actuator.facts import Plan, PlanState
from powerplane.actuator.plan_writing import status_of
from powerplane.actuator.words import OVER
from powerplane.adapters.cluster_writes import Written
from powerplane.bench.operating.watches import Sinks, Watches, send
from powerplane.models.api.demand_checkpoint import DemandCheckpointObject
from powerplane.models.api.kinds import POWER_DOMAIN
from powerplane.models.api.placement_plan import PlacementPlanObject, PlacementPlanStatus
from powerplane.models.api.power_domain import PowerDomainStatus
from powerplane.recommender.publishing import rfc3339

Json = dict[str, Any]


@dataclass(slots=True)
class Tally:
    """What was done.

    Parameters
    ----------
    plans : int
        Published.
    ended : dict of int
        Plans by the phase that they ended in.
    moves : int
        Moves that were done.
    evictions, refusals : int
        Accepted, and refused for a disruption budget.
    down_s : list of float
        For each move that was done, seconds between the end of the pod that left and its successor's being ready; 0
        where that was ready before.
    """

    plans: int = 0
    ended: dict[str, int] = field(default_factory=dict)
    moves: int = 0
    evictions: int = 0
    refusals: int = 0
    down_s: list[float] = field(default_factory=list)


class Shelf:
    """Plans, statuses of domains, checkpoints.

    Parameters
    ----------
    watches : Watches
    sinks : Sinks
    tally : Tally
    """

    def __init__(self, watches: Watches, sinks: Sinks, tally: Tally) -> None:
        self._watches, self._sinks, self._tally = watches, sinks, tally
        self._plans: dict[str, PlacementPlanObject] = {}
        self._checkpoints: dict[str, DemandCheckpointObject] = {}
        self._version = 0

    def open_plans(self) -> bool:
        """Whether a plan is under way, or waits to be."""
        return any(plan.status is None or plan.status.phase not in OVER for plan in self._plans.values())

    # -- what the recommender writes

    def leads(self) -> bool:
        """Whether it may write: there is one of it."""
        return True

    def plans(self) -> tuple[PlacementPlanObject, ...]:
        """All plans."""
        return tuple(self._plans.values())

    def publish(self, body: Mapping[str, Any]) -> Written:
        """Create a plan."""
        if body["metadata"]["name"] in self._plans:
            return Written(409, b"")
        self._tally.plans += 1
        born = {"uid": f"plan-{self._tally.plans}", "generation": 1, "creationTimestamp": rfc3339(self._watches.now_s)}
        meta = {**body["metadata"], **born}
        self._keep(msgspec.convert({**body, "metadata": meta}, PlacementPlanObject))
        return Written(201, msgspec.json.encode({"metadata": meta}))

    def delete(self, name: str) -> Written:
        """Delete a plan; the placeholders of one that has not begun are none."""
        plan = self._plans.pop(name, None)
        if plan is None:
            return Written(404, b"")
        send(self._sinks.plans, [("DELETED", plan)])
        return Written(200, b"")

    def patch_status(self, path: str, status: Mapping[str, Any], version: str = "") -> Written:
        """Merge into the status of a domain; those of policies are for people alone. Nobody else writes them."""
        del version
        kind, _, name = path.removesuffix("/status").rpartition("/")
        if kind.endswith(f"/{POWER_DOMAIN.plural}"):
            before = msgspec.to_builtins(self._watches.statuses.get(name, PowerDomainStatus()))
            merged = {key: value for key, value in {**before, **status}.items() if value is not None}
            self._watches.statuses[name] = msgspec.convert(merged, PowerDomainStatus)
        return Written(200, b"")

    def resizes(self) -> bool:
        """Whether pods are resized in place: the simulated cluster's are not."""
        return False

    def checkpoints(self) -> list[Json]:
        """All checkpoints."""
        return [msgspec.to_builtins(each) for each in self._checkpoints.values()]

    def write_checkpoint(self, checkpoint: DemandCheckpointObject) -> Written:
        """Create or replace a checkpoint."""
        self._checkpoints[checkpoint.metadata.name] = checkpoint
        return Written(201, b"")

    def delete_checkpoint(self, name: str) -> Written:
        """Delete a checkpoint."""
        self._checkpoints.pop(name, None)
        return Written(200, b"")

    # -- what the actuator writes

    def write(self, plan: Plan, state: PlanState) -> Wrote:
        """Write a plan's status, if the plan is still of the version that was seen."""
        stored = self._plans.get(plan.name)
        if stored is None or stored.metadata.resource_version != plan.version:
            return Wrote(False, told="HTTP 409")
        conditions = tuple(stored.status.conditions or ()) if stored.status else ()
        before = msgspec.to_builtins(stored.status) if stored.status else {}
        status = before | status_of(plan, state, conditions, self._watches.now_s)
        kept = self._keep(msgspec.structs.replace(stored, status=msgspec.convert(status, PlacementPlanStatus)))
        self._count(plan, state)
        return Wrote(True, kept.metadata.resource_version)

    def _keep(self, plan: PlacementPlanObject) -> PlacementPlanObject:
        self._version += 1
        meta = msgspec.structs.replace(plan.metadata, resource_version=str(self._version))
        kept: PlacementPlanObject = msgspec.structs.replace(plan, metadata=meta)
        self._plans[meta.name] = kept
        send(self._sinks.plans, [("MODIFIED", kept)])
        return kept

    def _count(self, plan: Plan, state: PlanState) -> None:
        tally, watches = self._tally, self._watches
        if state.finished_s and not plan.state.finished_s:
            tally.ended[state.phase] = tally.ended.get(state.phase, 0) + 1
        for uid, move in state.moves.items():
            if move.step == "Done" and plan.state.of(uid).step != "Done":
                tally.moves += 1
                if (ready_s := watches.ready_s.get(move.successor_uid)) is not None:
                    tally.down_s.append(max(0.0, ready_s - watches.gone_s.get(uid, ready_s)))
