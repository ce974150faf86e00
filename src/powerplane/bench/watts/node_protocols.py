"""How node watts are scored: contiguous blocks held out, and online without any look ahead."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from powerplane.bench.watts.node_baselines import Answer, Baseline
from powerplane.models.curves import PowerCurve
from powerplane.models.telemetry.readings import Floats
from powerplane.models.watts.correction import Correction
from powerplane.models.watts.node_fit import FEWEST_NEW, NEW_SHARE, NodeFit
from powerplane.models.watts.rules import FitRules
from powerplane.models.watts.samples import NodeSamples
from powerplane.models.watts.timing import aligned

BLOCKS = 10
FIRST_SAMPLES = 16
"""Online baselines answer with the mean of what they have seen before they have seen that many."""

FRESH_SHARE = 0.05
"""Online, everything is fitted anew once that share of new samples has come, like the fit itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """Predictions of all M samples, in order, with what was measured; shape (M,) each."""

    predicted: Floats
    measured: Floats

    @property
    def errors(self) -> Floats:
        """Relative errors, not negative."""
        return np.abs(self.predicted - self.measured) / self.measured

    @property
    def mape(self) -> float:
        """Mean relative error."""
        return float(self.errors.mean())

    def stretches(self, count: int) -> list[float]:
        """Mean relative error of that many equal stretches of time."""
        return [float(part.mean()) for part in np.array_split(self.errors, count)]

    @property
    def bias_watts(self) -> float:
        """Mean of measured less predicted."""
        return float((self.measured - self.predicted).mean())


def held_out(samples: NodeSamples, learn: Callable[[NodeSamples], Answer]) -> Score:
    """Predict each of ten contiguous blocks by what was learned from the nine others, earlier and later."""
    predicted = np.empty(len(samples))
    for block in np.array_split(np.arange(len(samples)), BLOCKS):
        if len(block):
            rest = NodeSamples.joined([samples[: int(block[0])], samples[int(block[-1]) + 1 :]])
            predicted[block] = learn(rest)(_cut_off(samples[block]))
    return Score(predicted, samples.watts)


def online(samples: NodeSamples, learn: Callable[[NodeSamples], Answer]) -> Score:
    """Predict each sample by what was learned from those before it."""
    predicted = np.empty(len(samples))
    start = 0
    while start < len(samples):
        end = min(len(samples), start + max(FIRST_SAMPLES, int(FRESH_SHARE * start)))
        past, asked = samples[:start], samples[start:end]
        if start >= FIRST_SAMPLES:
            predicted[start:end] = learn(past)(asked)
        else:
            # Nothing to learn from: the value before, and for the very first its own, which costs a rival nothing.
            predicted[start:end] = np.concatenate([asked.watts[:1], asked.watts[:-1]])
        start = end
    return Score(predicted, samples.watts)


def best_monotone(samples: NodeSamples) -> Score:
    """Return the monotone function of the first counter whose mean relative error on these very samples is least.

    No monotone curve can do better, whatever it learned from. It is the weighted isotonic regression for absolute
    deviations, by the slopes of its convex cost: each sample adds a kink of twice its weight, and what is steeper than
    its weight is cut off.
    """
    order = np.argsort(samples.now[:, 0], kind="stable")
    kinks: list[tuple[float, float]] = []
    highest = np.empty(len(order))
    for place, watts in enumerate(samples.watts[order].tolist()):
        weight = 1.0 / watts
        heapq.heappush(kinks, (-watts, 2.0 * weight))
        while weight > 0:
            value, own = heapq.heappop(kinks)
            if own > weight:
                heapq.heappush(kinks, (value, own - weight))
            weight -= own
        highest[place] = -kinks[0][0]
    predicted = np.empty(len(order))
    predicted[order] = np.minimum.accumulate(highest[::-1])[::-1]
    return Score(predicted, samples.watts)


def last_value(samples: NodeSamples, steps: int) -> Score:
    """Predict what was measured some samples before."""
    late = np.concatenate([np.repeat(samples.watts[0], steps), samples.watts[:-steps]])[: len(samples)]
    return Score(late, samples.watts)


@dataclass(frozen=True, slots=True)
class Start:
    """What the fit starts from."""

    prior: PowerCurve
    full_scale: tuple[float, ...] | None
    rules: FitRules | None = None

    def fit(self, samples: NodeSamples) -> NodeFit:
        """Return the fit before any sample."""
        counters = samples.now.shape[1]
        return NodeFit.start(self.prior, counters=counters, full_scale=self.full_scale, rules=self.rules)


def whole_model(samples: NodeSamples, start: Start) -> Answer:
    """Everything that the counters say."""
    fit = start.fit(samples).follow(samples)
    return lambda asked: fit.watts(asked.now, asked.before)


def curve_alone(samples: NodeSamples, start: Start) -> Answer:
    """The monotone curve over the first counter, which is what plans compute with."""
    fit = start.fit(samples).follow(samples)
    return lambda asked: fit.curve_watts(asked.now[:, 0], asked.before[:, 0])


def monotone_alone(samples: NodeSamples, start: Start) -> Answer:
    """The sum of monotone curves of all counters."""
    fit = start.fit(samples).follow(samples)
    return lambda asked: fit.model.watts(aligned(asked.now, asked.before, fit.timing, fit.model.scale))


def fit_online(samples: NodeSamples, start: Start) -> tuple[Score, Score]:
    """Return the scores of the whole model and of the curve alone, each sample predicted before it is learned.

    What the fit remembers of its own errors is no score: of a long recording it keeps a part, the rare loads first.
    """
    fit, whole, curve, first = start.fit(samples), np.empty(len(samples)), np.empty(len(samples)), 0
    while first < len(samples):
        known = len(fit.memory)
        end = first + max(1, min(FEWEST_NEW, known), int(NEW_SHARE * known))
        asked = samples[first:end]
        whole[first:end] = fit.watts(asked.now, asked.before)
        curve[first:end] = fit.curve_watts(asked.now[:, 0], asked.before[:, 0])
        fit, first = fit.follow(asked), end
    return Score(whole, samples.watts), Score(curve, samples.watts)


def fit_with_latest(samples: NodeSamples, start: Start, steps: int) -> Score:
    """Predict by the counters now and the watts measured some samples ago, online; the fit knows no newer ones."""
    fit, correction = start.fit(samples), Correction.start(1)
    known = [correction]
    predicted = np.empty(len(samples))
    learned = 0
    for i in range(len(samples)):
        row = slice(i, i + 1)
        load = fit.load(samples.now[row], samples.before[row])
        said = known[max(0, i + 1 - steps)].predict(load, float(samples.at_s[i]))
        predicted[i] = said.watts[0]
        known.append(known[-1].followed(load, said, samples.watts[row], float(samples.at_s[i])))
        end = i + 2 - steps
        if end - learned >= max(1, min(FIRST_SAMPLES, learned), FRESH_SHARE * learned):
            fit, learned = fit.follow(samples[learned:end]), end
    return Score(predicted, samples.watts)


def seeded(baseline: Baseline, samples: NodeSamples, protocol: Callable[..., Score]) -> list[Score]:
    """Return a baseline's scores, one a seed."""
    return [protocol(samples, _seeded(baseline, seed)) for seed in range(baseline.seeds)]


def _seeded(baseline: Baseline, seed: int) -> Callable[[NodeSamples], Answer]:
    return lambda samples: baseline.learn(samples, seed)


def _cut_off(block: NodeSamples) -> NodeSamples:
    """Return a block whose first sample does not know the one before it, which others learned from."""
    before = block.before.copy()
    before[0] = block.now[0]
    return NodeSamples(block.at_s, block.now, before, block.watts)
