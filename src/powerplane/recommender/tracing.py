"""The trace of a plan, as far as the recommender goes: the round that made it, with its steps.

The plan carries the round's place in the trace as an annotation, so that whoever carries it out goes on below it.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from powerplane.models.marks import TRACEPARENT_ANNOTATION
from powerplane.models.spans import Span, Spans, TraceParent, Value, derived_span_id

MOST_STEPS = 64
SOLUTION = ("status", "cost", "bound", "gap", "seconds")


@dataclass(frozen=True, slots=True)
class _Step:
    """A step of the round, and the number of the one that it is part of, or -1."""

    name: str
    within: int
    start_s: float
    end_s: float
    trouble: str


class RoundTrace:
    """Traces of the plans that one round publishes. Not for several threads at once.

    Parameters
    ----------
    spans : Spans or None
        Where they go; None for nowhere: plans are marked all the same, since logs name traces too.
    now : callable
        Unix seconds.
    draw : callable
        A random number of 128 bits.
    """

    def __init__(
        self,
        spans: Spans | None = None,
        now: Callable[[], float] = time.time,
        draw: Callable[[], int] = lambda: secrets.randbits(128),
    ) -> None:
        self._spans = spans
        self._now = now
        self._draw = draw
        self._steps: list[_Step] = []
        self._open: list[int] = []
        self._published: list[tuple[TraceParent, Mapping[str, Any]]] = []

    @contextmanager
    def round(self) -> Iterator[None]:
        """Follow a round; what it published is told at its end."""
        self._steps, self._open, self._published = [], [], []
        start_s = self._now()
        try:
            yield
        finally:
            self._tell(start_s)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Follow a step of the round."""
        if self._spans is None or len(self._steps) >= MOST_STEPS:
            yield
            return
        start_s, number, trouble = self._now(), len(self._steps), ""
        self._steps.append(_Step(name, self._open[-1] if self._open else -1, start_s, start_s, ""))
        self._open.append(number)
        try:
            yield
        except BaseException as error:
            trouble = type(error).__name__
            raise
        finally:
            self._open.pop()
            self._steps[number] = replace(self._steps[number], end_s=self._now(), trouble=trouble)

    def mark(self, body: Mapping[str, Any]) -> tuple[dict[str, Any], TraceParent]:
        """Return a plan that carries its trace, and the trace."""
        trace_id = self._draw() or 1
        parent = TraceParent(trace_id, derived_span_id(trace_id, "round"), sampled=self._spans is not None)
        metadata = dict(body["metadata"])
        annotations = {**metadata.get("annotations", {}), TRACEPARENT_ANNOTATION: parent.text()}
        return {**body, "metadata": {**metadata, "annotations": annotations}}, parent

    def published(self, body: Mapping[str, Any], parent: TraceParent) -> None:
        """Note that a plan was published under this trace."""
        self._published.append((parent, body))

    def _tell(self, start_s: float) -> None:
        if self._spans is None or not self._published:
            return
        end_s = self._now()
        for parent, body in self._published:
            about = _about(body)
            trace_id = parent.trace_id
            self._spans.take(Span("round", trace_id, parent.span_id, 0, start_s, end_s, about))
            for number, step in enumerate(self._steps):
                above = parent.span_id if step.within < 0 else _step_id(trace_id, step.within)
                self._spans.take(
                    Span(
                        step.name,
                        trace_id,
                        _step_id(trace_id, number),
                        above,
                        step.start_s,
                        step.end_s,
                        {"powerplane.plan": about["powerplane.plan"]},
                        step.trouble,
                    )
                )


def _step_id(trace_id: int, number: int) -> int:
    return derived_span_id(trace_id, "step", str(number))


def _about(body: Mapping[str, Any]) -> dict[str, Value]:
    spec = body.get("spec", {})
    about: dict[str, Value] = {
        "powerplane.plan": body["metadata"]["name"],
        "powerplane.moves": len(spec.get("moves", ())),
        "powerplane.reason": spec.get("reason", ""),
    }
    solution = spec.get("solution") or {}
    return about | {
        f"powerplane.solution.{name}": solution[name] for name in SOLUTION if solution.get(name) is not None
    }
