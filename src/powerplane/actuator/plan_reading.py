"""PlacementPlans as decisions see them."""

from powerplane.actuator.facts import Move, MoveState, Note, Plan, PlannedDomain, PlanState
from powerplane.actuator.words import PHASE_OF, STEP_OF
from powerplane.models.api.placement_plan import PlacementPlanObject, PlacementPlanStatus
from powerplane.models.cpu_limits import ContainerCpu
from powerplane.models.errors import InputError
from powerplane.models.marks import TRACEPARENT_ANNOTATION
from powerplane.models.timestamps import parse_moment

PROGRESSING = "Progressing"


def read_plan(plan: PlacementPlanObject) -> Plan:
    """Return a plan as decisions see it; one whose expiry cannot be read has expired."""
    meta, spec = plan.metadata, plan.spec
    return Plan(
        name=meta.name,
        uid=meta.uid,
        version=meta.resource_version,
        generation=meta.generation,
        created_s=_seconds(meta.creation_timestamp),
        expires_s=_seconds(spec.expires_at),
        trees=tuple(spec.trees),
        moves=tuple(
            Move(
                namespace=each.namespace,
                pod=each.pod,
                uid=each.uid,
                source=each.source,
                target=each.to,
                owner=each.owner_uid,
                owner_kind=each.owner_kind,
                watts=each.watts,
                wave=each.wave,
                lever=each.lever,
                policy=each.policy,
                priority=each.priority,
                before=tuple(
                    ContainerCpu(cpu.container, cpu.request_before_milli, cpu.limit_before_milli)
                    for cpu in each.resources
                ),
                after=tuple(ContainerCpu(cpu.container, cpu.request_milli, cpu.limit_milli) for cpu in each.resources),
                used_milli=each.used_milli,
                surge=each.surge,
            )
            for each in spec.moves
        ),
        domains=tuple(
            PlannedDomain(each.name, each.budget_watts or 0.0, each.before_watts or 0.0, each.after_watts or 0.0)
            for each in spec.domains
        ),
        state=_read_state(plan.status or PlacementPlanStatus()),
        traceparent=(meta.annotations or {}).get(TRACEPARENT_ANNOTATION, ""),
    )


def _read_state(status: PlacementPlanStatus) -> PlanState:
    notes = {each.type: Note(each.status, each.reason, each.message) for each in status.conditions or ()}
    progress = notes.get(PROGRESSING)
    return PlanState(
        # A word of another version ends what it is about: what it means nobody knows.
        phase=PHASE_OF.get(status.phase, "Failed"),
        token=status.token,
        generation=status.observed_generation,
        wave=status.wave,
        started_s=_seconds(status.started_at),
        finished_s=_seconds(status.finished_at),
        moves={
            each.uid: MoveState(
                uid=each.uid,
                step=STEP_OF.get(each.step, "Failed"),
                reason=each.reason,
                message=each.message,
                successor=each.successor,
                successor_uid=each.successor_uid,
                node=each.node,
                attempts=each.attempts,
                at_s=_seconds(each.at),
                begun_s=_seconds(each.started_at),
                watts_before=each.watts_before,
                watts_after=each.watts_after,
            )
            for each in status.moves
        },
        notes=notes,
        closing=progress.reason if progress and progress.status == "False" and status.phase == "Running" else "",
        measured=tuple((each.name, float(each.measured_watts or 0), _seconds(each.at)) for each in status.domains),
    )


def _seconds(text: str | None) -> float:
    try:
        return parse_moment(text or "")
    except InputError:
        return 0.0
