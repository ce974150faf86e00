"""A plan's status as it is written."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from powerplane.actuator.facts import MoveState, Note, Plan, PlanState
from powerplane.models.api.conditions import Condition, condition, with_condition
from powerplane.models.plain import printable

Json = dict[str, Any]
LONGEST_MESSAGE = 512
"""Characters of a move's message: a thousand of them must not make a plan too large to store."""


def status_of(plan: Plan, state: PlanState, conditions: Iterable[Condition], now_s: float) -> Json:
    """Return a plan's status, for a merge patch.

    Parameters
    ----------
    plan : Plan
    state : PlanState
        What it is to say. Moves that have not begun are left out.
    conditions : iterable of Condition
        As they stand.
    now_s : float
        Unix seconds.
    """
    steps = [state.of(move.uid).step for move in plan.moves]
    kept = tuple(conditions)
    for kind, note in state.notes.items():
        kept = with_condition(kept, _condition(kind, note, plan.generation), moment(now_s))
    body: Json = {
        "phase": state.phase,
        "token": state.token,
        "observedGeneration": state.generation,
        "wave": state.wave,
        "done": steps.count("Done"),
        "failed": steps.count("Failed") + steps.count("RolledBack"),
        "total": len(steps),
        "moves": [_move(state.moves[move.uid]) for move in plan.moves if move.uid in state.moves],
        "domains": [
            {"name": name, "measuredWatts": round(watts), "at": moment(at_s)} for name, watts, at_s in state.measured
        ],
        "conditions": msgspec.to_builtins(kept),
    }
    if state.started_s:
        body["startedAt"] = moment(state.started_s)
    if state.finished_s:
        body["finishedAt"] = moment(state.finished_s)
    return body


def moment(seconds: float) -> str:
    """Unix seconds as RFC 3339, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _move(state: MoveState) -> Json:
    body = {
        "uid": state.uid,
        "step": state.step,
        "reason": state.reason,
        "message": printable(state.message)[:LONGEST_MESSAGE],
        "successor": state.successor,
        "successorUid": state.successor_uid,
        "node": state.node,
        "attempts": state.attempts,
        "at": moment(state.at_s) if state.at_s else None,
        "startedAt": moment(state.begun_s) if state.begun_s else None,
        "wattsBefore": state.watts_before,
        "wattsAfter": state.watts_after,
    }
    return {field: value for field, value in body.items() if value not in ("", None)}


def _condition(kind: str, note: Note, generation: int) -> Condition:
    made = condition(kind, holds=note.status == "True", reason=note.reason, message=note.message, generation=generation)
    return made if note.status in ("True", "False") else msgspec.structs.replace(made, status=note.status)
