"""Spans of a trace as plain data, and how a trace is named from one program to the next (W3C, "Trace Context", 2021).

A span is made when what it tells of has ended, from times that were written down where it happened. Ids come from the
names of what a span stands for: whoever goes on after a restart gives the same span the same id, so that what was told
before hangs below what is told later.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

Value = str | int | float | bool

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_SAMPLED = 0x01


@dataclass(frozen=True, slots=True)
class TraceParent:
    """A place in a trace below which another program goes on.

    Parameters
    ----------
    trace_id, span_id : int
        Of 128 and 64 bits; 0 is none.
    sampled : bool
        Whether the span was, or will be, told to anybody.
    """

    trace_id: int
    span_id: int
    sampled: bool = True

    @property
    def trace(self) -> str:
        """The trace's id as logs and collectors write it."""
        return f"{self.trace_id:032x}"

    def text(self) -> str:
        """As the header ``traceparent``, version 00."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{_SAMPLED if self.sampled else 0:02x}"


@dataclass(frozen=True, slots=True)
class Span:
    """Something that took its time and is over.

    Parameters
    ----------
    name : str
    trace_id, span_id : int
    parent_id : int
        0 for none.
    start_s, end_s : float
        Unix seconds.
    attributes : mapping
    trouble : str
        Why it did not end well; "" where it did.
    """

    name: str
    trace_id: int
    span_id: int
    parent_id: int
    start_s: float
    end_s: float
    attributes: Mapping[str, Value] = field(default_factory=dict)
    trouble: str = ""


class Spans(Protocol):
    """Where spans go. Taking one in neither waits nor fails."""

    def take(self, span: Span) -> None:
        """Take in a span."""
        ...


def read_traceparent(text: str | None) -> TraceParent | None:
    """Read a header ``traceparent``; None for none, and for what cannot be read."""
    found = _TRACEPARENT.fullmatch(text or "")
    if found is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    return TraceParent(trace_id, span_id, bool(flags & _SAMPLED)) if trace_id and span_id else None


def derived_trace_id(*names: str) -> int:
    """Return the id of the trace of something, which has these names and nothing else has."""
    return _derived(names, 16)


def derived_span_id(trace_id: int, *names: str) -> int:
    """Return the id of the span that stands for something in a trace."""
    return _derived((f"{trace_id:032x}", *names), 8)


def _derived(names: tuple[str, ...], size: int) -> int:
    found = int.from_bytes(hashlib.sha256("\0".join(names).encode()).digest()[:size], "big")
    return found or 1
