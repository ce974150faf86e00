"""What one workload's pods use, and the watts that this is on a node."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from powerplane.models.curves import PowerCurve
from powerplane.models.demand.arrays import Floats
from powerplane.models.demand.buckets import CORES, WATTS
from powerplane.models.demand.confidence import RULES, BoundRules
from powerplane.models.demand.histogram import DecayingHistogram


@dataclass(frozen=True, slots=True)
class PodWatts:
    """What one pod adds to a node's draw, in watts.

    Parameters
    ----------
    mean, variance : float
        Watts, and watts squared; NaN where nothing is known.
    lower, target, upper : float
        Bounds that widen with little data; the upper one is infinite where nothing is known.
    """

    mean: float
    variance: float
    lower: float
    target: float
    upper: float

    @property
    def deviation(self) -> float:
        """Standard deviation in watts."""
        return float(np.sqrt(self.variance))


@dataclass(frozen=True, slots=True, eq=False)
class WorkloadDemand:
    """Demand of one pod of a workload.

    Parameters
    ----------
    owner : str
        ``namespace/Kind/name``.
    cores : DecayingHistogram
        CPU of a pod.
    accelerator : DecayingHistogram
        Watts of a pod's accelerators; without samples where it has none.
    """

    owner: str
    cores: DecayingHistogram = field(default_factory=lambda: DecayingHistogram(CORES))
    accelerator: DecayingHistogram = field(default_factory=lambda: DecayingHistogram(WATTS))

    def watts(
        self, curve: PowerCurve, capacity_cores: float, busy_cores: float = 0.0, rules: BoundRules = RULES
    ) -> PodWatts:
        """Return what one more pod draws on a node: its step up the curve, plus its accelerators.

        Parameters
        ----------
        curve : PowerCurve
            The node type's.
        capacity_cores : float
            Allocatable CPU of the node; more than 0.
        busy_cores : float
            Use of what else runs there: a curve is steeper at some loads than at others.
        rules : BoundRules

        Notes
        -----
        CPU and accelerators of a pod are taken to rise and fall together, which errs on the side of more variance.
        A pod that was never seen with an accelerator has none.
        """

        def step(cores: Floats) -> Floats:
            return _curve_watts(curve, (busy_cores + cores) / capacity_cores) - _curve_watts(
                curve, np.array([busy_cores / capacity_cores])
            )

        mean, deviation = _moments(self.cores, step)
        bounds = step(np.array(self.cores.bounds(rules)))
        if self.accelerator.samples:
            mean += self.accelerator.mean
            deviation += float(np.sqrt(self.accelerator.variance))
            bounds = bounds + np.array(self.accelerator.bounds(rules))
        lower, target, upper = bounds.tolist()
        # What was never seen can be anything, though the curve ends at its peak.
        known = bool(self.cores.samples)
        return PodWatts(mean, deviation**2, lower, target, upper if known else np.inf)


def _moments(cores: DecayingHistogram, step: Callable[[Floats], Floats]) -> tuple[float, float]:
    if cores.weights is None or not cores.weights.sum() > 0:
        return np.nan, np.nan
    watts, weights = step(cores.buckets.middles), cores.weights
    mean = float(np.average(watts, weights=weights))
    return mean, float(np.sqrt(np.average((watts - mean) ** 2, weights=weights)))


def _curve_watts(curve: PowerCurve, utilisation: Floats) -> Floats:
    knots = [float(share) for share in curve.utilisation]
    return np.interp(utilisation, knots, np.array(curve.milliwatts) / 1000)
