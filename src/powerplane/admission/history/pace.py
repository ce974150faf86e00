"""How far history has been read, and in what steps: a piece at a time, so that none takes long or fills memory."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from powerplane.models.demand.confidence import BoundRules
from powerplane.models.demand.history import PodHistory
from powerplane.models.demand.memory import FORGET_S

STEP_S: Final = 300.0
BACK_S: Final = FORGET_S
"""How far back reading begins."""

LATE_S: Final = 60.0
"""Samples may come so late."""

MOST_VALUES: Final = 2_000_000
"""Values in one piece, of each quantity."""

RULES: Final = BoundRules(sample_s=STEP_S)

Span = tuple[float, float, float]
"""Start, end and step."""


@dataclass(slots=True)
class Pace:
    """How far something has been read. Starts with what is ``BACK_S`` ago."""

    until_s: float = -np.inf

    def next(self, series: int, now_s: float) -> tuple[Span, bool] | None:
        """Return the next piece, whose first step has been read already, and whether it is not the last; None: wait."""
        begin = max(self.until_s, now_s - BACK_S)
        steps = int((now_s - LATE_S - begin) // STEP_S)
        most = max(2, MOST_VALUES // max(series, 1))
        if steps < 1:
            return None
        return (begin, begin + min(steps, most) * STEP_S, STEP_S), steps > most


def since(used: PodHistory | None, span: Span) -> PodHistory | None:
    """Leave out the step with which a piece begins: the piece before ended with it, and only a counter needs it."""
    if used is None or used.start_s > span[0] + span[2] / 2:
        return used
    later, cores, watts = used.start_s + used.step_s, used.cores[:, 1:], used.accelerator_watts[:, 1:]
    return replace(used, start_s=later, cores=cores, accelerator_watts=watts)
