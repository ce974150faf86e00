"""Alarms of breaches to come, held against breaches that came: hits, misses, false alarms, lead time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]

ALARM_AT = 0.3
"""Probability of a breach from which an alarm is raised: a breach unforetold costs more than a false alarm."""


@dataclass(frozen=True, slots=True)
class AlarmRecord:
    """How alarms did.

    Parameters
    ----------
    hits : int
        Breaches that an alarm had announced, at most the horizon ahead.
    misses : int
        Breaches that none had.
    false_alarms : int
        Runs of alarms after which no breach came within the horizon.
    lead_steps : tuple of int
        For each hit, steps from the first alarm within the horizon to the breach.
    """

    hits: int
    misses: int
    false_alarms: int
    lead_steps: tuple[int, ...]

    def __add__(self, other: "AlarmRecord") -> "AlarmRecord":
        return AlarmRecord(
            self.hits + other.hits,
            self.misses + other.misses,
            self.false_alarms + other.false_alarms,
            self.lead_steps + other.lead_steps,
        )


NO_ALARMS = AlarmRecord(0, 0, 0, ())


def judge_alarms(alarm: Flags, over: Flags, horizon: int, quiet: int) -> AlarmRecord:
    """Hold one domain's alarms against its breaches.

    Parameters
    ----------
    alarm : bool array, shape (T,)
        Whether an alarm stood at each step; one that stands while the budget is passed announces nothing.
    over : bool array, shape (T,)
        Whether the budget was passed.
    horizon : int
        Steps ahead that an alarm speaks of.
    quiet : int
        Steps without a breach after which the next one is a new one, and without an alarm likewise.
    """
    useful = alarm & ~over
    leads = [_lead(useful, start, horizon) for start in _starts(over, quiet)]
    hits = tuple(lead for lead in leads if lead)
    false = sum(not over[start + 1 : end + horizon + 1].any() for start, end in _runs(useful, quiet))
    return AlarmRecord(len(hits), len(leads) - len(hits), false, hits)


def _lead(useful: Flags, start: int, horizon: int) -> int:
    """Steps between the first alarm within the horizon and the breach; 0 for none."""
    first = max(start - horizon, 0)
    before = np.flatnonzero(useful[first:start])
    return start - first - int(before[0]) if len(before) else 0


def _starts(flags: Flags, quiet: int) -> list[int]:
    return [start for start, _ in _runs(flags, quiet)]


def _runs(flags: Flags, quiet: int) -> list[tuple[int, int]]:
    """First and last step of each run; runs less than ``quiet`` apart are one."""
    at = np.flatnonzero(flags)
    if not len(at):
        return []
    breaks = np.flatnonzero(np.diff(at) > quiet)
    firsts, lasts = at[np.append(0, breaks + 1)], at[np.append(breaks, len(at) - 1)]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))
