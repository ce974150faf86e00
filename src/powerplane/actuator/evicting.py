"""What an answer of the Eviction API means for a move.

The answers: 200 or 201, the deletion is accepted; 404 and 409, another pod stands there, or none; 429 with the cause
DisruptionBudget, no budget allows it now; 429 without, the server asks to wait; 500, more than one budget covers the
pod, or the server failed; 422, refused for good; 403, for good if it stays so, since a server that has just started
forbids everything until it has read its roles; 401 and 408, ask again. A VM that moves itself away answers 429 as well,
and its text says that the eviction has triggered an evacuation: it is accepted. Source: Kubernetes, "API-
initiated eviction", and registry/core/pod/storage/eviction.go.
"""

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from powerplane.actuator.acts import Evict

Verdict = Literal["accepted", "gone", "budget", "later", "forbidden", "never"]

PASSING = (401, 408)
"""Credentials that are being renewed, and a request that came too slowly: neither is about the pod."""

EVACUATES = "triggered evacuation"
SEVERAL_BUDGETS = "more than one PodDisruptionBudget"
BUDGET_PAUSE_S = 0.5
"""After the first refusal; see `Recall.answered`."""

LATER_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
ACCEPTED_PAUSE_S = 5.0
"""Until an accepted eviction that nothing came of is asked for again."""

EVACUATION_PAUSE_S = 600.0


class _Cause(msgspec.Struct, frozen=True):
    reason: str = ""
    message: str = ""


class _Details(msgspec.Struct, frozen=True, rename="camel"):
    causes: tuple[_Cause, ...] | None = None
    retry_after_seconds: int = 0


class _Status(msgspec.Struct, frozen=True):
    message: str = ""
    details: _Details | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request to evict.

    Parameters
    ----------
    verdict : str
        "accepted"; "gone": the pod of that UID is not there; "budget": no disruption budget allows it now; "later":
        nothing is known, or the server asks to wait; "forbidden": see `Recall.answered`; "never": no use asking again.
    reason, message : str
        Why not, in a word and in words.
    pause_s : float
        How long to wait before the next request.
    """

    verdict: Verdict
    reason: str = ""
    message: str = ""
    pause_s: float = 0.0


def read_answer(status: int, body: bytes) -> Answer:
    """Return what an answer means.

    Parameters
    ----------
    status : int
        Of HTTP; 0 where none came.
    body : bytes
    """
    said = _read(body)
    details = said.details or _Details()
    pause_s = min(max(float(details.retry_after_seconds), 0.0), LONGEST_PAUSE_S)
    if 200 <= status < 300:
        return Answer("accepted", pause_s=ACCEPTED_PAUSE_S)
    if status in (404, 409):
        return Answer("gone", "PodGone", said.message, LATER_PAUSE_S)
    if status == 429:
        if EVACUATES in said.message:
            return Answer("accepted", "Evacuates", said.message, EVACUATION_PAUSE_S)
        if any(cause.reason == "DisruptionBudget" for cause in details.causes or ()):
            return Answer("budget", "DisruptionBudget", said.message, max(pause_s, BUDGET_PAUSE_S))
        return Answer("later", "TooManyRequests", said.message, max(pause_s, LATER_PAUSE_S))
    if status == 500 and SEVERAL_BUDGETS in said.message:
        return Answer("never", "SeveralBudgets", said.message)
    if status == 403:
        return Answer("forbidden", "Refused", said.message or "HTTP 403", max(pause_s, LATER_PAUSE_S))
    if 400 <= status < 500 and status not in PASSING:
        return Answer("never", "Refused", said.message or f"HTTP {status}")
    return Answer("later", "NoAnswer", said.message or f"HTTP {status}", max(pause_s, LATER_PAUSE_S))


def eviction_body(act: Evict) -> dict[str, Any]:
    """Return the Eviction of a pod: its own grace period holds, and its UID is a precondition."""
    return {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": act.pod, "namespace": act.namespace},
        "deleteOptions": {"preconditions": {"uid": act.uid}},
    }


def _read(body: bytes) -> _Status:
    try:
        return msgspec.json.decode(body, type=_Status)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Status()
