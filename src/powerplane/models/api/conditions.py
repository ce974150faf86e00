"""Conditions: what a controller says of an object (Kubernetes API conventions, "Typical status properties")."""

from collections.abc import Iterable
from typing import Annotated

from powerplane.models.api.fields import ApiStruct, Moment, bounded

READY = "Ready"
ACCEPTED = "Accepted"
CONFLICTED = "Conflicted"
ENFORCING = "Enforcing"
HELD = "Held"
MEASURED = "Measured"
PERFORMANCE_MET = "PerformanceMet"

LONGEST_MESSAGE = 4096
"""Characters of a condition's message, so that a thousand defects do not make an object too large to store."""

Status = Annotated[str, bounded(enum=["True", "False", "Unknown"])]


class Condition(ApiStruct, frozen=True):
    """One thing that is so, or is not.

    Attributes
    ----------
    type
        What is said: Accepted, Ready, Conflicted, Enforcing, Held, Measured, PerformanceMet.
    status
        True, False or Unknown.
    reason
        Why, as one word that programs can read.
    message
        Why, as a sentence for people.
    last_transition_time
        When the status last changed.
    observed_generation
        The generation of the object that this was said of.
    """

    type: Annotated[str, bounded(minLength=1, maxLength=64)]
    status: Status
    reason: Annotated[str, bounded(maxLength=64)] = ""
    message: Annotated[str, bounded(maxLength=LONGEST_MESSAGE)] = ""
    last_transition_time: Moment | None = None
    observed_generation: int = 0


Conditions = Annotated[
    tuple[Condition, ...],
    bounded(**{"maxItems": 16, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
]
"""What is said of an object, each thing once."""


def condition(kind: str, *, holds: bool, reason: str, message: str, generation: int) -> Condition:
    """Return a condition that has no transition time yet; its message is cut where it is too long."""
    told = message if len(message) <= LONGEST_MESSAGE else f"{message[: LONGEST_MESSAGE - 1]}…"
    return Condition(kind, "True" if holds else "False", reason, told, observed_generation=generation)


def with_condition(conditions: Iterable[Condition] | None, new: Condition, now_rfc3339: str) -> tuple[Condition, ...]:
    """Return the conditions with one of them said anew.

    Parameters
    ----------
    conditions : iterable of Condition or None
        As they were; their order is kept.
    new : Condition
        Takes the place of the one of its type, or comes last.
    now_rfc3339 : str
        Becomes its transition time, unless the status is what it was: then the old one stays.
    """
    kept = {old.type: old for old in conditions or ()}
    old = kept.get(new.type)
    same = old is not None and old.status == new.status and old.last_transition_time
    kept[new.type] = Condition(
        new.type,
        new.status,
        new.reason,
        new.message,
        old.last_transition_time if old is not None and same else now_rfc3339,
        new.observed_generation,
    )
    return tuple(kept.values())
