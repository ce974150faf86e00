"""Nodes whose true curve is known."""

import numpy as np

from powerplane.models.catalogue import server_curve
from powerplane.models.curves import PowerCurve
from powerplane.models.telemetry.readings import Floats
from powerplane.models.watts.samples import NodeSamples

PRIOR: PowerCurve = server_curve("fujitsu-rx2520m5-5220")
KNOTS = np.array([0.0, 0.1, 0.5, 1.0])
TRUE_WATTS = np.array([120.0, 190.0, 260.0, 400.0])


def true_watts(utilisation: Floats) -> Floats:
    """Watts of the node without noise."""
    return np.interp(utilisation, KNOTS, TRUE_WATTS)


def walk(count: int, seed: int, *, noise_watts: float = 3.0, step_s: float = 15.0) -> NodeSamples:
    """Samples of a load that jumps now and then and wobbles in between."""
    random = np.random.default_rng(seed)
    levels = np.repeat(random.uniform(0, 1, count // 10 + 1), 10)[:count]
    utilisation = np.clip(levels + random.normal(0, 0.02, count), 0, 1)
    watts = true_watts(utilisation) + random.normal(0, noise_watts, count)
    return NodeSamples.of_series(np.arange(count) * step_s, utilisation, watts)
