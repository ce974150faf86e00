"""``plan --quantile``: budgets that have to hold for a share of the time, by what pods used over the last hours."""

import time
from collections.abc import Sequence
from typing import Annotated, Protocol, runtime_checkable

from cyclopts import Parameter

from powerplane.cli.options import parse_duration
from powerplane.cli.progress import Say
from powerplane.cli.watts_source import TELEMETRY, Opened
from powerplane.models.demand.confidence import BoundRules
from powerplane.models.demand.held_back import hold_back
from powerplane.models.demand.history import take_history
from powerplane.models.demand.memory import DemandMemory, owners
from powerplane.models.errors import InputError, UsageError
from powerplane.models.snapshot import Snapshot
from powerplane.models.telemetry.metrics import MEANINGS
from powerplane.models.telemetry.precedence import GPU_SOURCES, POD_USE_SOURCES
from powerplane.models.telemetry.readings import Meaning, PowerSource, Quantity, SeriesBlock

MOST_VALUES = 5_000_000
"""Values of pods that are read, at the most: the step between them grows with the number of pods."""

LEAST_STEP_S, USUAL_STEP_S = 60.0, 300.0
LONGEST_S = 30 * 86_400.0
USUAL_HISTORY = "24h"

Quantile = Annotated[
    float | None,
    Parameter(
        name="--quantile",
        group=TELEMETRY,
        help="Hold budgets for this share of the time, such as 0.95, by what pods used before; without: by now.",
    ),
]
HistoryLength = Annotated[
    str | None,
    Parameter(name="--history", group=TELEMETRY, help=f"How far back --quantile looks; default {USUAL_HISTORY}."),
]


@runtime_checkable
class Historian(Protocol):
    """A source that can be asked for values at equal steps."""

    def history(self, meaning: Meaning, start_s: float, end_s: float, step_s: float) -> SeriesBlock:
        """Ask for one metric."""
        ...


def check_quantile(level: float | None, history: str | None, opened: Opened | None) -> float:
    """Return the seconds of history to look at, before anything is read.

    Raises
    ------
    UsageError
        For a level out of range, a history that is none or too long, or no source to take it from.
    """
    if level is None:
        if history is not None:
            raise UsageError("--history goes with --quantile", "give a quantile as well, such as --quantile 0.95")
        return 0.0
    if opened is None:
        raise UsageError("--quantile needs a history of what pods used", "give --prometheus URL, or --telemetry DIR")
    if not opened.moments and not isinstance(opened.source, Historian):
        raise UsageError("--quantile looks into a Prometheus alone, and BMCs are given", "leave --redfish out")
    if not 0.5 <= level < 1:
        raise UsageError(f"--quantile {level:g} is not from 0.5 up to 1", "give one such as --quantile 0.95")
    seconds = parse_duration(history or USUAL_HISTORY, "--history")
    if seconds > LONGEST_S:
        raise UsageError(f"--history {history} is more than 30 days", "give a shorter one: demand forgets in days")
    return seconds


def at_quantile(snapshot: Snapshot, opened: Opened, level: float, history_s: float, say: Say) -> Snapshot:
    """Lessen a snapshot's budgets so that a plan on it holds at a quantile.

    Parameters
    ----------
    snapshot : Snapshot
    opened : Opened
    level : float
    history_s : float
    say : Say

    Raises
    ------
    InputError
        When the source has no history of pods.
    UnreachableError
        When it does not answer.
    """
    pods = snapshot.pods
    owner_of = dict(zip(zip(pods.namespaces, pods.names, strict=True), owners(snapshot), strict=True))
    step_s = max(_step_s(history_s), history_s * len(owner_of) / MOST_VALUES)
    ask = _Recorded(opened, history_s) if opened.moments else _Live(opened.source, history_s, step_s, say)
    memory = DemandMemory(BoundRules(sample_s=ask.step_s))
    cores, watts = ask.blocks("pod cpu cores", POD_USE_SOURCES), ask.blocks("gpu watts", GPU_SOURCES)
    if not take_history(memory, owner_of, cores, watts, ask.step_s):
        raise InputError(
            f"{opened.where} has no history of what this cluster's pods used",
            "leave --quantile out, or see what is missing: powerplane doctor",
        )
    return hold_back(snapshot, memory.demand(), level).snapshot


class _Live:
    """A Prometheus, asked at equal steps; the first source that has a quantity is enough."""

    def __init__(self, source: PowerSource, history_s: float, step_s: float, say: Say) -> None:
        assert isinstance(source, Historian)
        self._source = source
        self._end_s = time.time()
        self._history_s = history_s
        self._say = say
        self.step_s = step_s

    def blocks(self, quantity: Quantity, sources: Sequence[str]) -> list[SeriesBlock]:
        for source in sources:
            rows = [row for row in MEANINGS if row.source == source and row.quantity == quantity and row.pod]
            for row in rows:
                self._say(f"reading the history of {row.metric}")
                block = self._source.history(row, self._end_s - self._history_s, self._end_s, self.step_s)
                if block.entities:
                    return [block]
        return []


class _Recorded:
    """A recording: all of its samples within the history."""

    def __init__(self, opened: Opened, history_s: float) -> None:
        last_s = opened.moments[-1]
        answers = opened.source.read(last_s, history_s)
        self._blocks = [block for answer in answers for block in answer.blocks if block.meaning.pod]
        spaced = [b - a for a, b in zip(opened.moments, opened.moments[1:], strict=False) if b > a]
        self.step_s = min(spaced, default=LEAST_STEP_S)

    def blocks(self, quantity: Quantity, sources: Sequence[str]) -> list[SeriesBlock]:
        found = [b for b in self._blocks if b.meaning.quantity == quantity and b.meaning.source in sources]
        return sorted(found, key=lambda block: sources.index(block.meaning.source))


def _step_s(history_s: float) -> float:
    """Five minutes, or less where the history would have too few steps."""
    return min(USUAL_STEP_S, max(LEAST_STEP_S, history_s / 100))
