"""What is remembered of the things that one metric measures, put beside what is said of them now."""

import numpy as np

from powerplane.models.telemetry.figures import Figures, Things
from powerplane.models.telemetry.readings import Floats, Integers
from powerplane.models.telemetry.remembered import SeriesMemory
from powerplane.models.telemetry.samples import Leads, Samples, with_remembered


class Past:
    """What is remembered of things that are judged.

    Parameters
    ----------
    memory : SeriesMemory
    things : Things
    until_s : float
        Samples of later than that, by the source's clock, are not believed.
    """

    def __init__(self, memory: SeriesMemory, things: Things, until_s: float) -> None:
        rows = (memory.rows.get(entity, -1) for entity in things.entities)
        self._memory = memory
        self._row = np.fromiter(rows, np.int64, len(things))
        self._known = self._row >= 0
        self._alone = ~things.several
        self._until_s = until_s

    def joined_to(self, samples: Samples) -> Samples:
        """Add the last sample of things that have one series or none."""
        slots = np.flatnonzero(self._known & self._alone)
        at_s, value = self._memory.at_s[self._row[slots]], self._memory.value[self._row[slots]]
        # A clock that was put back leaves remembered samples in its future.
        good = ~np.isnan(value) & (at_s <= self._until_s)
        return with_remembered(samples, slots[good], at_s[good], value[good])

    def since_s(self, figures: Figures) -> Floats:
        """Since when each value has been the same: from before the samples that there are, where that is known."""
        result = figures.since_s.copy()
        things = np.flatnonzero(self._known)
        rows = self._row[things]
        same = figures.whole[things] & (self._memory.value[rows] == figures.raw[things])
        result[things[same]] = np.fmin(result[things[same]], self._memory.since_s[rows[same]])
        return result

    def leads(self, thing: Integers) -> Leads:
        """How far the clocks of series of some things were ahead, and of when their newest samples were."""
        row = self._row[thing]
        known = row >= 0
        newest_s, lead_s = np.full(len(thing), np.nan), np.zeros(len(thing))
        newest_s[known], lead_s[known] = self._memory.newest_s[row[known]], self._memory.lead_s[row[known]]
        return Leads(newest_s, lead_s)

    def renewed(self, name: str, thing: Integers, now: Floats) -> Floats:
        """A remembered column: the highest of each thing's series in this answer, as it was for those without one."""
        old: Floats = getattr(self._memory, name)
        result = np.full(len(self._row), -np.inf)
        np.maximum.at(result, thing, now)
        gone = np.flatnonzero(self._known & (np.bincount(thing, minlength=len(result)) == 0))
        result[gone] = old[self._row[gone]]
        return result
