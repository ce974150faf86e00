"""Events of the actuator: on pods that are evicted or given other CPU, and on plans that begin or end."""

from powerplane.actuator.acts import Evict, Resize
from powerplane.actuator.facts import Plan, PlanState
from powerplane.adapters.cluster_events import ClusterEvent
from powerplane.models.api.kinds import API_VERSION, PLACEMENT_PLAN

CONTROLLER = "powerplane.dev/actuator"
MOST_NAMED = 8


def eviction_event(act: Evict, plan: Plan | None, now_s: float) -> ClusterEvent:
    """Tell on a pod that it was evicted, and why."""
    move = next((each for each in plan.moves if each.uid == act.uid), None) if plan else None
    towards = f" to {move.target}" if move is not None and move.migrates else ""
    note = f"evicted from {move.source if move else 'its node'}{towards} by plan {plan.name if plan else 'unknown'}"
    if move is not None and move.policy:
        note = f"{note}, as {move.policy} lets it"
    regarding = {"apiVersion": "v1", "kind": "Pod", "namespace": act.namespace, "name": act.pod, "uid": act.uid}
    return ClusterEvent(
        stem=act.pod,
        suffix=f"{act.uid}.evicted",
        regarding=regarding,
        controller=CONTROLLER,
        action="Evict",
        reason="EvictedForPower",
        note=note,
        warning=False,
        at_s=now_s,
    )


def resize_event(act: Resize, plan: Plan | None, now_s: float) -> ClusterEvent:
    """Tell on a pod that it was given other CPU in place, and why."""
    move = next((each for each in plan.moves if each.uid == act.uid), None) if plan else None
    down = move is not None and move.lever == "throttle"
    given = ", ".join(f"{each.container} {each.limit}m" for each in act.cpus[:MOST_NAMED])
    note = f"{'held down to' if down else 'given back'} CPU {given} by plan {plan.name if plan else 'unknown'}"
    if move is not None and move.policy:
        note = f"{note}, as {move.policy} lets it"
    return ClusterEvent(
        stem=act.pod,
        suffix=f"{act.uid}.{'throttled' if down else 'restored'}",
        regarding={"apiVersion": "v1", "kind": "Pod", "namespace": act.namespace, "name": act.pod, "uid": act.uid},
        controller=CONTROLLER,
        action="Resize",
        reason="ThrottledForPower" if down else "RestoredCpu",
        note=note,
        warning=False,
        at_s=now_s,
    )


def plan_event(plan: Plan, state: PlanState, now_s: float) -> ClusterEvent | None:
    """Tell on a plan that its phase has changed; None where it has not."""
    if state.phase == plan.state.phase:
        return None
    steps = [(move, state.of(move.uid)) for move in plan.moves]
    done = sum(each.step == "Done" for _, each in steps)
    bad = [f"{move.namespace}/{move.pod}: {each.reason}" for move, each in steps if each.ended and each.step != "Done"]
    note = f"{done} of {len(steps)} moves are done"
    if bad and state.finished_s:
        note = f"{note}; not done: {', '.join(bad[:MOST_NAMED])}"
    if state.closing:
        note = f"{note} ({state.closing})"
    return ClusterEvent(
        stem=plan.name,
        suffix=f"{plan.uid}.{state.phase.lower()}",
        regarding={"apiVersion": API_VERSION, "kind": PLACEMENT_PLAN.name, "name": plan.name, "uid": plan.uid},
        controller=CONTROLLER,
        action="CarryOut",
        reason=f"Plan{state.phase}",
        note=note,
        warning=state.phase in ("Failed", "Expired", "Stopped"),
        at_s=now_s,
    )
