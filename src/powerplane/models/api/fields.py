"""What the fields of our objects may hold: the base of their structs, and types that carry their own rules.

A rule here is for the API server (CEL, in the CRD): it refuses at the door, with words. Decoding stays lenient, so
that one object of an older or a newer version never makes a whole list unreadable; what decoding lets through is
checked again by whoever reads the value. CEL: Kubernetes' "Validation rules" of CustomResourceDefinition v1.
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import msgspec

VALIDATIONS = "x-kubernetes-validations"
PRESERVE = "x-kubernetes-preserve-unknown-fields"
"""Marks what the API server keeps as it comes, unread."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A CEL rule that holds for every object which the API server keeps.

    Parameters
    ----------
    rule : str
        CEL over ``self``.
    message : str
        What a person reads when it does not hold.
    """

    rule: str
    message: str

    def wire(self) -> dict[str, str]:
        """Return the rule as a CRD holds it."""
        return {"rule": self.rule, "message": self.message}


class ApiStruct(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """Base: immutable, camelCase on the wire, left out when default, unknown fields passed over."""

    rules: ClassVar[tuple[Rule, ...]] = ()


def ruled(*rules: Rule, **schema: Any) -> msgspec.Meta:
    """Meta of a type that carries its rules and bounds into the CRD."""
    return msgspec.Meta(extra_json_schema=schema | {VALIDATIONS: [rule.wire() for rule in rules]})


def bounded(**schema: Any) -> msgspec.Meta:
    """Meta of a type that carries only bounds into the CRD."""
    return msgspec.Meta(extra_json_schema=schema)


POWER_PATTERN = (
    r"^([0-9]{1,13}mW|[0-9]{1,10}(\\.[0-9]{1,3})?W|[0-9]{1,7}(\\.[0-9]{1,6})?kW|[0-9]{1,4}(\\.[0-9]{1,9})?MW)$"
)
"""Up to 10 GW and down to whole milliwatts, so that nothing is rounded; written for a CEL string."""

NAME_SET = {"x-kubernetes-list-type": "set"}
"""A list that names nothing twice; the API server says which it does."""

Power = Annotated[
    str,
    ruled(
        Rule(
            f"self.matches('{POWER_PATTERN}') && self.matches('[1-9]')",
            "must be a power above zero with its unit (mW, W, kW or MW), for example 12kW or 450W",
        ),
        maxLength=24,
    ),
]
"""Watts with their unit."""

Name = Annotated[str, bounded(minLength=1, maxLength=253)]
"""Name of an object."""

Window = Annotated[
    str,
    ruled(Rule("self.matches('^[1-9][0-9]{0,3}(m|h|d)$')", "must be a time such as 30m, 24h or 7d"), maxLength=8),
]
"""A stretch of time."""

TimeOfDay = Annotated[
    str,
    ruled(Rule("self.matches('^([01][0-9]|2[0-3]):[0-5][0-9]$')", "must be a time of day HH:MM"), maxLength=5),
]
"""Hours and minutes on a wall clock."""

Moment = Annotated[str, bounded(format="date-time", maxLength=40)]
"""A moment as RFC 3339."""
