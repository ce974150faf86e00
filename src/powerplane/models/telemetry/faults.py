"""Why things that are measured have no value to use."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.models.telemetry.figures import Figures
from powerplane.models.telemetry.readings import Floats, Meaning
from powerplane.models.telemetry.rules import NOISY, Rules

Mask = NDArray[np.bool_]

LATE_SCRAPES = 1.5
"""A sample older than that many scrapes is late: one has been missed."""

LEAST_PROCESSOR_WATTS, TINY = 1.0, 1e-6
"""No processor of a lit server draws less."""

UNLIT_WATTS = 25.0
"""A reading of a whole node below that may be one of its management controller alone, which may well stay the same."""

SAMPLE_FAULTS = ("undated", "future", "nan", "infinite", "blank", "negative", "absurd")


@dataclass(frozen=True, slots=True, eq=False)
class ThingStates:
    """What is known of the things of one metric before it is said which may be used."""

    meaning: Meaning
    value: Floats
    age_s: Floats
    still_s: Floats
    figures: Figures
    here: Mask
    interval_s: float

    def late(self, rules: Rules) -> Mask:
        """Older than it should be, and still held."""
        young = self.age_s < rules.missed * self.interval_s
        return ~np.isnan(self.value) & (self.age_s > LATE_SCRAPES * self.interval_s) & young

    def longest_same_s(self, rules: Rules) -> Floats:
        """For how long each value may stay the same to the bit."""
        raw = self.figures.raw
        if self.meaning.kind == "counter":
            return np.full(len(raw), max(rules.still_s, rules.missed * self.interval_s))
        longest = np.where(raw == np.floor(raw), rules.frozen_whole_s, rules.frozen_s)
        return np.maximum(longest, (rules.missed + 1) * self.interval_s)


def faults(state: ThingStates, notes: Mapping[str, Mask], rules: Rules) -> dict[str, Mask]:
    """Why things have no value to use, by verdict; the first that fits is the reason."""
    meaning, here = state.meaning, state.here
    none, power = np.isnan(state.value), meaning.quantity in NOISY
    old = ~none & (state.age_s >= rules.missed * state.interval_s)
    part = power and meaning.quantity != "node watts"
    lit = part | (state.value >= UNLIT_WATTS)
    blamed = {name: none & mask for name, mask in notes.items() if name in SAMPLE_FAULTS}
    return blamed | {
        "short": none & state.figures.sampled & here & (meaning.kind == "counter"),
        "missing": ((none | old) & ~here) | (none & ~state.figures.sampled),
        "stale": old & here,
        "frozen": ~none & power & lit & (state.still_s >= state.longest_same_s(rules)),
        "zero": ~none & part & (state.value < (LEAST_PROCESSOR_WATTS if meaning.quantity == "cpu watts" else TINY)),
    }
