"""How good each sensor is: its noise, its steps, what it averages over, how late and how often it speaks.

Figures are of the kind that makers and measurements name, not of one product: DCMI's power reading is an average over
a sliding window that the BMC states (DCMI 1.5, "Get Power Reading"); BMCs count in steps of one to four watts; RAPL is
within a few per cent of the packages' draw and wraps at ``max_energy_range_uj`` (Linux, Documentation/power/powercap);
NVML states ±5 W; DCGM's exporter collects every 30 s.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

SIGMAS = 4.0
"""Standard deviations within which a reading is said to lie: one in 16,000 does not."""


@dataclass(frozen=True, slots=True)
class SensorModel:
    """One kind of sensor.

    Parameters
    ----------
    device : str
        Sensors that read one piece of hardware share its calibration.
    gain_share : float
        Standard deviation of a device's own calibration, as a share of the reading; it never changes.
    noise_share, noise : float
        Standard deviation of each reading's noise: as a share of it, and in its own unit. Gauges only.
    step : float
        Readings are multiples of it; 0 for none.
    window_s : float
        A gauge says the mean of so many seconds; 0 for the moment.
    delay_s : float
        How long ago that window ended.
    period_s : float
        A reading is taken so often, by each device at a moment of its own, and said again in between; 0: always.
    dropout_share : float
        Share of the readings that do not come.
    wrap : float
        A counter starts again from 0 here; 0: never.
    """

    device: str
    gain_share: float = 0.0
    noise_share: float = 0.0
    noise: float = 0.0
    step: float = 0.0
    window_s: float = 0.0
    delay_s: float = 0.0
    period_s: float = 0.0
    dropout_share: float = 0.0
    wrap: float = 0.0

    def error(self, value: float) -> float:
        """How far from the mean of its window a reading of ``value`` may be, in its own unit, at ``SIGMAS``."""
        return SIGMAS * (abs(value) * (self.gain_share + self.noise_share) + self.noise) + self.step / 2

    @property
    def age_s(self) -> float:
        """How old the oldest watt may be that a reading counts, in seconds."""
        return self.window_s + self.delay_s + self.period_s


EXACT = SensorModel("exact")
"""Counts of the kernel and of the API server."""

RAPL_WRAP_J = 262_143.328850
"""``max_energy_range_uj`` of packages, in joules."""

RAPL_DRAM_WRAP_J = 65_712.999613

SENSORS: Mapping[str, SensorModel] = {
    "bmc": SensorModel("bmc", gain_share=0.005, noise_share=0.002, step=2, window_s=5, delay_s=1, period_s=1),
    "polled bmc": SensorModel("bmc", gain_share=0.005, noise_share=0.002, step=2, window_s=5, delay_s=1, period_s=10),
    "meter": SensorModel("bmc", gain_share=0.005, step=1, window_s=1, delay_s=1, period_s=1),
    "rapl": SensorModel("rapl", gain_share=0.005, noise_share=0.001, window_s=3),
    "rapl counter": SensorModel("rapl", gain_share=0.005, step=6.1e-5, wrap=RAPL_WRAP_J),
    "rapl dram counter": SensorModel("rapl", gain_share=0.005, step=6.1e-5, wrap=RAPL_DRAM_WRAP_J),
    "rapl total": SensorModel("rapl", gain_share=0.005, step=1e-6),
    "platform total": SensorModel("bmc", gain_share=0.005),
    "gpu": SensorModel("gpu", gain_share=0.004, noise=0.5, step=0.001, window_s=1, period_s=1),
    "gpu total": SensorModel("gpu", gain_share=0.004, step=1, period_s=1),
    "gpu state": SensorModel("gpu", step=1, period_s=1),
    "thermometer": SensorModel("thermometer", noise=0.25, step=1, period_s=1),
    "fan": SensorModel("fan", noise=30, step=60, period_s=1),
    "cpu time": SensorModel("kernel", step=0.01),
    "container time": SensorModel("kernel", step=1e-9, period_s=5),
    "exact": EXACT,
}
"""By the name that channels use."""


def with_changes(models: Mapping[str, SensorModel] = SENSORS, /, **changes: Any) -> dict[str, SensorModel]:
    """Return all models with some figures changed: ``with_changes(noise=0, noise_share=0)`` measures exactly."""
    return {name: replace(model, **changes) for name, model in models.items()}
