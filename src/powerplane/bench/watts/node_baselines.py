"""What the fit is held against: the last value, a straight line, published weights, boosted trees.

Each is a function of (counters, counters before, watts to learn from, counters and counters before to answer) to watts.
scikit-learn is imported when a tree is grown: it is no dependency of the product.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from powerplane.models.telemetry.readings import Floats
from powerplane.models.watts.samples import NodeSamples

Answer = Callable[[NodeSamples], Floats]
Learner = Callable[[NodeSamples, int], Answer]
"""Learns from samples with a seed; answers samples whose watts it does not look at."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """One rival.

    Parameters
    ----------
    name : str
    learn : Learner
    seeds : int
        How often it is run; 1 where nothing is random.
    """

    name: str
    learn: Learner
    seeds: int = 1


def straight_line(samples: NodeSamples, seed: int) -> Answer:
    """Least squares on all counters."""
    del seed
    columns = np.column_stack([np.ones(len(samples)), samples.now])
    weights, *_ = np.linalg.lstsq(columns, samples.watts, rcond=None)
    return lambda asked: np.asarray(np.column_stack([np.ones(len(asked)), asked.now]) @ weights)


def published_line(base_watts: float, slope_watts: float, scale: float) -> Learner:
    """Weights as they were published, for a first counter in milliseconds of CPU a second.

    Kepler 0.7 falls back on these for a node without a meter; they are from another machine, and are not refitted.
    """

    def learn(samples: NodeSamples, seed: int) -> Answer:
        del samples, seed
        return lambda asked: base_watts + slope_watts * asked.now[:, 0] / scale

    return learn


def boosted_tree(samples: NodeSamples, seed: int, *, with_before: bool) -> Answer:
    """Gradient-boosted regression trees, as scikit-learn has them by default."""
    from sklearn.ensemble import GradientBoostingRegressor  # type: ignore[import-untyped] # noqa: PLC0415  # no dependency

    def inputs(of: NodeSamples) -> Floats:
        return np.hstack([of.now, of.before]) if with_before else of.now

    model = GradientBoostingRegressor(random_state=seed, subsample=1.0).fit(inputs(samples), samples.watts)
    return lambda asked: np.asarray(model.predict(inputs(asked)))


def monotone_tree(samples: NodeSamples, seed: int) -> Answer:
    """Boosted trees that may not fall as a counter rises, for the least absolute deviation: what monotony costs."""
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415  # no dependency

    model = HistGradientBoostingRegressor(
        loss="absolute_error",
        monotonic_cst=[1] * samples.now.shape[1],
        min_samples_leaf=10,
        early_stopping=False,
        random_state=seed,
    ).fit(samples.now, samples.watts)
    return lambda asked: np.asarray(model.predict(asked.now))


TREES = (
    Baseline("gradient-boosted tree", partial(boosted_tree, with_before=False), 3),
    Baseline("gradient-boosted tree, with the sample before", partial(boosted_tree, with_before=True), 3),
)
LINE = Baseline("straight line", straight_line)
MONOTONE = Baseline("monotone boosted tree (least absolute deviation)", monotone_tree, 1)
