"""A node type's power curve, learned online from its own telemetry.

Nothing here looks ahead: the error that is stated is that of predictions made before the sample was seen.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil, inf
from typing import Self

import numpy as np

from powerplane.models.curves import PowerCurve
from powerplane.models.errors import InputError
from powerplane.models.telemetry.readings import Floats
from powerplane.models.watts.additive import AdditiveModel, fit_additive, scale_of
from powerplane.models.watts.correction import Load
from powerplane.models.watts.fit_error import FitError, fit_error
from powerplane.models.watts.memory import Memory
from powerplane.models.watts.neighbours import Neighbours, learn_neighbours
from powerplane.models.watts.rules import FitRules
from powerplane.models.watts.samples import NodeSamples
from powerplane.models.watts.timing import aligned, choose_timing

FEWEST_NEW = 16
NEW_SHARE = 0.05
"""A fit is made anew once that many samples, or that share of what is remembered, have come; at first once they have
doubled."""

TIMING_GROWTH = 1.25
"""The meter's timing is looked for anew once that many times as many samples have come."""

SHARP = 0.002
"""Threshold at which the loss is a quantile's, as a share of the typical watts."""

KNOT_STEPS = 10_000
"""Knots of curves are multiples of one over this."""


@dataclass(frozen=True, slots=True, eq=False)
class NodeFit:
    """What is known of the power of one node type. An immutable value; ``follow`` returns the next one.

    Parameters
    ----------
    prior : PowerCurve
        Where it started: over the first counter.
    rules : FitRules
    full_scale : tuple of float or None
        Value of each counter that is the whole machine (1.0 for a utilisation); None for the largest seen.
    memory : Memory
    curve_model : AdditiveModel
        Over the first counter alone.
    model : AdditiveModel
        Over all counters.
    neighbours : Neighbours or None
        What the model cannot say.
    timing : float
        How the meter stands to the counters, in intervals; see ``timing``.
    seen, timed : int
        Samples followed so far, and those after which the timing was last looked for.
    refused : mapping of str to int
        Samples not learned from, by reason.
    """

    prior: PowerCurve
    rules: FitRules
    full_scale: tuple[float, ...] | None
    memory: Memory
    curve_model: AdditiveModel
    model: AdditiveModel
    neighbours: Neighbours | None = None
    timing: float = 0.0
    seen: int = 0
    timed: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def start(
        cls,
        prior: PowerCurve,
        *,
        counters: int = 1,
        full_scale: Sequence[float] | None = (1.0,),
        rules: FitRules | None = None,
    ) -> Self:
        """Begin with a catalogue's curve and no samples.

        Raises
        ------
        InputError
            When the full scales are not one positive number a counter.
        """
        scale = tuple(full_scale) if full_scale is not None else None
        if scale is not None and (len(scale) != counters or not all(0 < value < inf for value in scale)):
            raise InputError(f"{counters} counters cannot have the full scales {scale}", "give one above 0 for each")
        rules = rules or FitRules()
        empty = Memory.empty(counters)
        curve, model = _models(empty, prior, scale, rules, 0.0)
        return cls(prior, rules, scale, empty, curve, model)

    def follow(self, samples: NodeSamples) -> Self:
        """Learn from more samples, in order of their times, each predicted before it is learned from.

        Raises
        ------
        InputError
            When they have other counters than the fit began with.
        """
        counters = self.memory.samples.now.shape[1]
        if samples.now.shape[1] != counters:
            raise InputError(
                f"samples with {samples.now.shape[1]} counters do not go with a fit of {counters}",
                "give the counters that the fit began with",
            )
        good, refused = samples.believable()
        good = good[np.argsort(good.at_s, kind="stable")]
        fit, start = self, 0
        while start < len(good):
            size = max(1, min(FEWEST_NEW, len(fit.memory)), int(NEW_SHARE * len(fit.memory)))
            fit = fit._learned(good[start : start + size])
            start += size
        return replace(fit, refused=dict(Counter(self.refused) + Counter(refused)))

    def watts(self, now: Floats, before: Floats | None = None) -> Floats:
        """Return the watts that counters mean, as well as they can say.

        Parameters
        ----------
        now, before : float64 arrays, shape (M, C)
            ``before``, of the sample before, is ``now`` where it is not known.
        """
        before = now if before is None else before
        modelled = self.model.watts(self._aligned(now, before))
        if self.neighbours is None:
            return modelled
        corrected: Floats = np.maximum(modelled + self.neighbours.watts(now, before), 0.0)
        return corrected

    def load(self, now: Floats, before: Floats) -> Load:
        """Return what the latest measurements are held against; counters of shape (N, C)."""
        idle = self.model.idle_watts
        return Load(
            self.watts(now, before),
            np.full(len(now), idle),
            self.model.watts(self._aligned(now, before)) - idle,
            self.model.watts(before) - idle,
            np.full(len(now), self.model.peak_watts - idle),
        )

    def curve_watts(self, first: Floats, before: Floats | None = None) -> Floats:
        """Return the watts of the curve alone.

        Parameters
        ----------
        first, before : float64 arrays, shape (M,)
            The first counter, now and at the sample before; without the latter, of a load that stays.
        """
        steady = first if before is None else before
        return self.curve_model.watts(aligned(first[:, None], steady[:, None], self.timing, self.curve_model.scale))

    def curve(self, quantile: float | None = None) -> PowerCurve:
        """Return the curve over the first counter's share of its scale, in whole milliwatts, rounded up.

        Parameters
        ----------
        quantile : float, optional
            Share of the samples that is to lie below the curve; the typical draw by default. Never below that.
        """
        model = self.curve_model
        steps = np.round(model.knots[0] * KNOT_STEPS).astype(np.int64)
        watts = np.cumsum(model.increments)
        if quantile is not None:
            sharp = replace(self.rules, threshold_share=SHARP)
            high = _fit(self.memory, model.scale, self.prior, sharp, self.timing, quantile=quantile)
            watts = np.maximum(watts, np.cumsum(high.increments))
        milliwatts = np.maximum.accumulate([max(1, ceil(round(value * 1000, 6))) for value in watts])
        return PowerCurve(
            self.prior.name, tuple(Fraction(int(s), KNOT_STEPS) for s in steps), tuple(int(mw) for mw in milliwatts)
        )

    @property
    def error(self) -> FitError:
        """How wrong its predictions were, made before each sample was seen."""
        return fit_error(self.memory, self.rules)

    def _aligned(self, now: Floats, before: Floats) -> Floats:
        return aligned(now, before, self.timing, self.model.scale)

    def _learned(self, samples: NodeSamples) -> Self:
        memory = self.memory.with_more(
            samples,
            samples.watts - self.watts(samples.now, samples.before),
            samples.watts - self.curve_watts(samples.now[:, 0], samples.before[:, 0]),
            self.rules.memory,
            self.rules.half_life_s,
        )
        seen = self.seen + len(samples)
        timing, timed = self.timing, self.timed
        if seen >= TIMING_GROWTH * timed:
            timing, timed = self._timing_of(memory), seen
        curve, model = _models(memory, self.prior, self.full_scale, self.rules, timing)
        kept = memory.samples
        residuals = kept.watts - model.watts(aligned(kept.now, kept.before, timing, model.scale))
        return replace(
            self,
            memory=memory,
            curve_model=curve,
            model=model,
            neighbours=learn_neighbours(kept.now, kept.before, residuals, model.scale, self.rules.neighbours),
            timing=timing,
            seen=seen,
            timed=timed,
        )

    def _timing_of(self, memory: Memory) -> float:
        """Timing that explains what is remembered best, by the model of all counters."""
        samples, weights = memory.samples, memory.weights(self.rules.half_life_s)
        scale = scale_of(samples.now, self.full_scale)

        def loss(timing: float) -> float:
            model = _fit(memory, scale, self.prior, self.rules, timing)
            missed = samples.watts - model.watts(aligned(samples.now, samples.before, timing, scale))
            return float(weights @ np.abs(missed))

        return choose_timing(loss, len(memory), self.timing)


def _models(
    memory: Memory, prior: PowerCurve, full_scale: tuple[float, ...] | None, rules: FitRules, timing: float
) -> tuple[AdditiveModel, AdditiveModel]:
    """Fit the curve of the first counter, and the model of all where there are more."""
    scale = scale_of(memory.samples.now, full_scale)
    curve = _fit(memory, scale[:1], prior, rules, timing)
    return curve, curve if len(scale) == 1 else _fit(memory, scale, prior, rules, timing)


def _fit(
    memory: Memory, scale: Floats, prior: PowerCurve, rules: FitRules, timing: float, *, quantile: float = 0.5
) -> AdditiveModel:
    """Fit a model of as many counters as there are scales to what is remembered."""
    samples, count = memory.samples, len(scale)
    return fit_additive(
        aligned(samples.now[:, :count], samples.before[:, :count], timing, scale),
        samples.watts,
        memory.weights(rules.half_life_s),
        scale=scale,
        prior=prior,
        prior_samples=rules.prior_samples,
        threshold_share=rules.threshold_share,
        quantile=quantile,
    )
