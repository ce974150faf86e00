"""The trace of a plan, as far as the actuator goes: the plan, its waves, their moves, and what was done in each.

All of it is told from what stands in the plan's status, when a step ends. So whoever takes over goes on in the same
trace, with the times at which things were begun before it.
"""

from collections.abc import Iterator
from typing import Final

from powerplane.actuator.facts import Move, MoveState, Plan, PlanState
from powerplane.actuator.words import ENDED, OVER, Step
from powerplane.models.spans import Span, TraceParent, Value, derived_span_id, derived_trace_id, read_traceparent

ACT_OF: Final[dict[str, str]] = {
    "Reserving": "reserve",
    "Reserved": "hold",
    "Surging": "surge",
    "Evicting": "evict",
    "Evicted": "evict",
    "Steering": "steer",
    "Resizing": "resize",
    "Bound": "start",
    "Ready": "confirm",
}
"""What is done while a move is at a step; evict lasts until a pod has come in the place of the one that was evicted."""

UNTROUBLED = ("Done", "Skipped")


def trace_of(plan: Plan) -> TraceParent:
    """Return where a plan stands in a trace: as it is annotated, else in one of its own."""
    found = read_traceparent(plan.traceparent)
    if found is None:
        return TraceParent(derived_trace_id(plan.uid), 0, sampled=False)
    # A span that nobody tells is nobody's parent.
    return found if found.sampled else TraceParent(found.trace_id, 0, sampled=False)


def ended_spans(plan: Plan, state: PlanState, now_s: float) -> Iterator[Span]:
    """Yield what has ended with a write to a plan's status.

    Parameters
    ----------
    plan : Plan
        As it was.
    state : PlanState
        As it was written.
    now_s : float
        Unix seconds.
    """
    trace = trace_of(plan)
    for move in plan.moves:
        before, after = plan.state.of(move.uid), state.of(move.uid)
        if after == before:
            continue
        if (act := _act(trace, plan, move, before, after)) is not None:
            yield act
        if after.ended and not before.ended and not _never_begun(before, after):
            yield _move(trace, plan, move, after)
    for wave in sorted({move.wave for move in plan.moves}):
        if _is_past(state, wave) and not _is_past(plan.state, wave):
            yield from _wave(trace, plan, state, wave, now_s)
    if state.phase in OVER and plan.state.phase not in OVER:
        yield _plan(trace, plan, state, now_s)


def _act(trace: TraceParent, plan: Plan, move: Move, before: MoveState, after: MoveState) -> Span | None:
    """What was done while a move was at the step that it has left; an eviction goes on until a successor is there."""
    step, to = before.step, after.step
    if step == to or step not in ACT_OF or (step, to) == ("Evicting", "Evicted") or not before.at_s:
        return None
    about = _about(plan, move)
    about["powerplane.step"] = step
    if after.reason:
        about["powerplane.reason"] = after.reason
    return Span(
        ACT_OF[step],
        trace.trace_id,
        derived_span_id(trace.trace_id, "act", plan.uid, move.uid, step, str(before.attempts)),
        _move_id(trace, plan, move),
        before.at_s,
        after.at_s,
        about,
        _trouble(after) if after.ended else "",
    )


def _move(trace: TraceParent, plan: Plan, move: Move, state: MoveState) -> Span:
    about = _about(plan, move)
    about |= {"powerplane.result": state.step, "powerplane.attempts": state.attempts}
    found = {"powerplane.reason": state.reason, "powerplane.successor": state.successor, "powerplane.node": state.node}
    about |= {name: value for name, value in found.items() if value}
    return Span(
        "move",
        trace.trace_id,
        _move_id(trace, plan, move),
        _wave_id(trace, plan, move.wave),
        state.begun_s or state.at_s,
        state.at_s,
        about,
        _trouble(state),
    )


def _wave(trace: TraceParent, plan: Plan, state: PlanState, wave: int, now_s: float) -> Iterator[Span]:
    """A wave of which something was begun."""
    begun = [state.of(move.uid).begun_s for move in plan.moves if move.wave == wave]
    begun = [each for each in begun if each]
    if not begun:
        return
    about: dict[str, Value] = {"powerplane.plan": plan.name, "powerplane.wave": wave, "powerplane.moves": len(begun)}
    if wave == plan.state.wave and state.measured != plan.state.measured:
        about |= {f"powerplane.measured_watts.{name}": watts for name, watts, _ in state.measured[:16]}
    span_id = _wave_id(trace, plan, wave)
    yield Span("wave", trace.trace_id, span_id, _plan_id(trace, plan), min(begun), now_s, about)


def _plan(trace: TraceParent, plan: Plan, state: PlanState, now_s: float) -> Span:
    end_s = state.finished_s or now_s
    steps = [state.of(move.uid).step for move in plan.moves]
    about: dict[str, Value] = {"powerplane.plan": plan.name, "powerplane.phase": state.phase}
    about |= {f"powerplane.moves.{step.lower()}": steps.count(step) for step in sorted(ENDED) if step in steps}
    if state.closing:
        about["powerplane.reason"] = state.closing
    trouble = "" if state.phase == "Done" else state.closing or state.phase
    start_s = state.started_s or end_s
    return Span("plan", trace.trace_id, _plan_id(trace, plan), trace.span_id, start_s, end_s, about, trouble)


def _about(plan: Plan, move: Move) -> dict[str, Value]:
    return {
        "powerplane.plan": plan.name,
        "powerplane.wave": move.wave,
        "powerplane.lever": move.lever,
        "powerplane.from": move.source,
        "powerplane.to": move.target,
        "k8s.namespace.name": move.namespace,
        "k8s.pod.name": move.pod,
        "k8s.pod.uid": move.uid,
    }


def _is_past(state: PlanState, wave: int) -> bool:
    return state.phase in OVER or state.wave > wave


def _never_begun(before: MoveState, after: MoveState) -> bool:
    begun: Step = "Waiting"
    return before.step == begun and after.step == "Skipped"


def _trouble(state: MoveState) -> str:
    return "" if state.step in UNTROUBLED else state.reason or state.step


def _plan_id(trace: TraceParent, plan: Plan) -> int:
    return derived_span_id(trace.trace_id, "plan", plan.uid)


def _wave_id(trace: TraceParent, plan: Plan, wave: int) -> int:
    return derived_span_id(trace.trace_id, "wave", plan.uid, str(wave))


def _move_id(trace: TraceParent, plan: Plan, move: Move) -> int:
    return derived_span_id(trace.trace_id, "move", plan.uid, move.uid)
