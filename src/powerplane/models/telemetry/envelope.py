"""What a node can draw at its present load: readings outside of it are refused, and an error of unit is named."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.models.telemetry.facts import NodeFacts
from powerplane.models.telemetry.readings import Floats
from powerplane.models.telemetry.rules import Rules

Mask = NDArray[np.bool_]

FACTORS = (10.0, 100.0, 1e3, 1e6, 0.1, 0.01, 1e-3, 1e-6)
"""By which a reading in another unit, or one that lost a decimal, is too high."""

TIGHT_LOW, TIGHT_HIGH = 0.8, 1.05
"""Parts of idle and of peak between which a reading has to fall, taken back by a factor, for the factor to be named."""


@dataclass(frozen=True, slots=True, eq=False)
class Envelopes:
    """Of N nodes; float64 arrays of shape (N,).

    Parameters
    ----------
    idle, peak : watts
        Lit and without work, without accelerators; at most, with accelerators.
    server_peak : watts
        At most without accelerators.
    accelerators : float64 array
        How many.
    accelerator_peak : watts
        Of one; 0 where not known.
    cores : float64 array
        0 where not known.
    ready : bool array
    scrape_s : float64 array
        NaN where it is to be told from the samples.
    """

    idle: Floats
    peak: Floats
    server_peak: Floats
    accelerators: Floats
    accelerator_peak: Floats
    cores: Floats
    ready: Mask
    scrape_s: Floats

    @classmethod
    def of(cls, nodes: Sequence[NodeFacts]) -> "Envelopes":
        """Columns of facts."""
        columns = np.array(
            [
                (n.idle_watts, n.peak_watts, n.accelerators, n.accelerator_peak_watts, n.cores, n.scrape_s or np.nan)
                for n in nodes
            ],
            dtype=np.float64,
        ).reshape(len(nodes), 6)
        idle, peak, accelerators, accelerator_peak, cores, scrape_s = columns.T
        server_peak = np.maximum(peak - accelerators * accelerator_peak, idle)
        ready = np.array([node.ready for node in nodes], dtype=np.bool_)
        return cls(idle, peak, server_peak, accelerators, accelerator_peak, cores, ready, scrape_s)

    def least(self, busy_cores: Floats, gpu_watts: Floats, rules: Rules) -> Floats:
        """Draw to be expected at the least at a use, limits included; idle where the use is not known (NaN)."""
        share = np.divide(busy_cores, self.cores, out=np.zeros(len(self.idle)), where=self.cores > 0)
        work = rules.load_share * np.clip(np.nan_to_num(share), 0.0, 1.0)
        watts: Floats = self.idle + work * (self.server_peak - self.idle) + np.nan_to_num(gpu_watts)
        return watts

    def faults(self, watts: Floats, least: Floats, rules: Rules) -> NDArray[np.object_]:
        """Why each reading cannot be: "too low", "too high", "wrong unit" and the factor; "" where it can, or is NaN.

        Parameters
        ----------
        watts, least : float64 arrays, shape (N,)
            The reading, and what is expected at the least at the node's load.
        """
        low = watts < rules.low_share * np.minimum(least, self.peak)
        high = watts > rules.high_share * self.peak
        reason = np.full(len(watts), "", dtype=object)
        reason[low], reason[high] = "too low", "too high"
        for row in np.flatnonzero(low | high).tolist():
            if factor := _factor(float(watts[row]), float(self.idle[row]), float(self.peak[row])):
                reason[row] = f"wrong unit (×{factor:g})"
        return reason

    def device_faults(self, watts: Floats, node: NDArray[np.int64], busy: Floats, rules: Rules) -> NDArray[np.object_]:
        """The same for single accelerators.

        Parameters
        ----------
        watts : float64 array, shape (D,)
        node : int64 array, shape (D,)
            Row of each one's node.
        busy : float64 array, shape (D,)
            Share of time in which it works; NaN where not known.
        """
        most = self.accelerator_peak[node]
        working = np.clip(np.nan_to_num(busy), 0.0, 1.0) * rules.device_busy_share
        least = most * np.maximum(rules.device_low_share, working)
        wrong = (most > 0) & ((watts > rules.high_share * most) | (watts < least))
        reason = np.full(len(watts), "", dtype=object)
        for row in np.flatnonzero(wrong).tolist():
            factor = _factor(float(watts[row]), float(least[row]) / TIGHT_LOW, float(most[row]))
            extreme = "too high" if watts[row] > most[row] else "too low"
            reason[row] = f"wrong unit (×{factor:g})" if factor else extreme
        return reason


def _factor(watts: float, idle: float, peak: float) -> float:
    """By which power of ten a reading is too high; 0 for none."""
    return next((f for f in FACTORS if TIGHT_LOW * idle <= watts / f <= TIGHT_HIGH * peak), 0.0)
