"""A histogram that forgets: a sample's weight halves with every half-life.

Weights are kept relative to a reference, ``2**((t - reference)/half_life)``, so that nothing has to be touched while
time passes; the reference moves on, by whole half-lives, before exponents grow large. Dividing by a power of two is
exact, so moving it changes no percentile (autoscaler, ``pkg/recommender/util/decaying_histogram.go``).
"""

from dataclasses import dataclass, replace

import msgspec
import numpy as np

from powerplane.models.demand.arrays import Floats, sums_by_row
from powerplane.models.demand.buckets import Buckets, believable, percentiles
from powerplane.models.demand.confidence import DAY_S, RULES, BoundRules, confidence, widened_lower, widened_upper
from powerplane.models.errors import InputError

HALF_LIFE_S = DAY_S
LARGEST_EXPONENT = 100
FULL = 10_000
"""Weight of the fullest bucket in a checkpoint; buckets below half a ten-thousandth of it are left out."""


class HistogramCheckpoint(msgspec.Struct, frozen=True):
    """A histogram as it is kept between runs.

    Parameters
    ----------
    buckets : str
        ``Buckets.name``.
    half_life_s, reference_s : float
    weights : dict
        Whole weights by bucket number, the fullest of ``FULL``.
    total : float
        Weight of all buckets at the reference.
    mean, variance : float
        In the quantity's unit, and its square.
    first_s, last_s : float
    samples, refused : int
    """

    buckets: str
    half_life_s: float
    reference_s: float
    weights: dict[str, int]
    total: float
    mean: float
    variance: float
    first_s: float
    last_s: float
    samples: int
    refused: int


@dataclass(frozen=True, slots=True, eq=False)
class DecayingHistogram:
    """What one quantity of one workload was, newer samples counting more.

    Parameters
    ----------
    buckets : Buckets
    half_life_s : float
    weights : float64 array, shape (B,), optional
        At the reference.
    moments : tuple of three float
        Σw, Σwx, Σwx² at the reference.
    reference_s : float
        A multiple of the half-life.
    first_s, last_s : float
        Times of the oldest and newest sample.
    samples : int
    refused : int
        Samples that were NaN, infinite or negative, or had no such time; they count for nothing else.
    """

    buckets: Buckets
    half_life_s: float = HALF_LIFE_S
    weights: Floats | None = None
    moments: tuple[float, float, float] = (0.0, 0.0, 0.0)
    reference_s: float = 0.0
    first_s: float = np.inf
    last_s: float = -np.inf
    samples: int = 0
    refused: int = 0

    def add(self, values: Floats, at_s: Floats) -> "DecayingHistogram":
        """Return the histogram with more samples.

        Parameters
        ----------
        values, at_s : float64 arrays, shape (M,)
            Samples in the quantity's unit, and their Unix seconds; in any order.
        """
        good = believable(values) & np.isfinite(at_s)
        refused = self.refused + int((~good).sum())
        if not good.any():
            return replace(self, refused=refused)
        value, moment = values[good], at_s[good]
        newest = float(moment.max())
        base = self if self.samples else replace(self, reference_s=reference_for(newest, self.half_life_s))
        base = base._moved(newest)
        weight = np.exp2((moment - base.reference_s) / self.half_life_s)
        added = sums_by_row(self.buckets.index(value), weight, len(self.buckets))
        sums = (float(weight.sum()), float((weight * value).sum()), float((weight * value * value).sum()))
        return replace(
            base,
            weights=added if base.weights is None else base.weights + added,
            moments=_plus(base.moments, sums),
            first_s=min(base.first_s, float(moment.min())),
            last_s=max(base.last_s, newest),
            samples=base.samples + len(value),
            refused=refused,
        )

    def merge(self, other: "DecayingHistogram") -> "DecayingHistogram":
        """Return the histogram of both histograms' samples.

        Raises
        ------
        InputError
            When buckets or half-lives differ.
        """
        if self.buckets.name != other.buckets.name or self.half_life_s != other.half_life_s:
            raise InputError("histograms with other buckets or another half-life cannot be merged", "use one kind")
        refused = self.refused + other.refused
        if not (self.samples and other.samples):
            return replace(self if self.samples else other, refused=refused)
        ahead, behind = (self, other) if self.reference_s >= other.reference_s else (other, self)
        behind = behind._at(ahead.reference_s)
        return replace(
            ahead,
            weights=_weights(ahead) + _weights(behind),
            moments=_plus(ahead.moments, behind.moments),
            first_s=min(ahead.first_s, behind.first_s),
            last_s=max(ahead.last_s, behind.last_s),
            samples=ahead.samples + behind.samples,
            refused=refused,
        )

    def percentile(self, share: float) -> float:
        """End of the bucket in which a share (0 to 1) of the weight is reached; NaN without samples."""
        return float(percentiles(self.buckets, _weights(self)[None, :], (share,))[0, 0])

    @property
    def mean(self) -> float:
        """Weighted mean of the samples themselves, not of buckets; NaN without samples."""
        weight, first, _ = self.moments
        return first / weight if weight > 0 else np.nan

    @property
    def variance(self) -> float:
        """Weighted variance of the samples; NaN without samples."""
        weight, _, second = self.moments
        return max(second / weight - self.mean**2, 0.0) if weight > 0 else np.nan

    def bounds(self, rules: BoundRules = RULES) -> tuple[float, float, float]:
        """Lower bound, target and upper bound; (0, NaN, infinity) without samples."""
        spans = (np.array([self.first_s]), np.array([self.last_s]), np.array([float(self.samples)]))
        days = confidence(*spans, rules=rules)
        more = 1 + rules.margin
        low, target, high = (np.array([self.percentile(p) * more]) for p in (rules.lower, rules.target, rules.upper))
        return float(widened_lower(low, days)[0]), float(target[0]), float(widened_upper(high, days)[0])

    def checkpoint(self) -> HistogramCheckpoint:
        """Return the histogram as a small struct: weights to a ten-thousandth of the fullest bucket."""
        weights = _weights(self)
        fullest = float(weights.max())
        whole = np.rint(weights / fullest * FULL).astype(np.int64) if fullest > 0 else np.zeros(0, dtype=np.int64)
        return HistogramCheckpoint(
            buckets=self.buckets.name,
            half_life_s=self.half_life_s,
            reference_s=self.reference_s,
            weights={str(bucket): int(whole[bucket]) for bucket in np.flatnonzero(whole).tolist()},
            total=self.moments[0],
            mean=self.mean if self.samples else 0.0,
            variance=self.variance if self.samples else 0.0,
            first_s=self.first_s if self.samples else 0.0,
            last_s=self.last_s if self.samples else 0.0,
            samples=self.samples,
            refused=self.refused,
        )

    def _moved(self, newest_s: float) -> "DecayingHistogram":
        """The reference moved on where an exponent would grow too large."""
        if (newest_s - self.reference_s) / self.half_life_s <= LARGEST_EXPONENT:
            return self
        return self._at(reference_for(newest_s, self.half_life_s))

    def _at(self, reference_s: float) -> "DecayingHistogram":
        scale = float(np.exp2((self.reference_s - reference_s) / self.half_life_s))
        weight, first, second = self.moments
        return replace(
            self,
            weights=None if self.weights is None else self.weights * scale,
            moments=(weight * scale, first * scale, second * scale),
            reference_s=reference_s,
        )


def restored(checkpoint: HistogramCheckpoint, buckets: Buckets) -> DecayingHistogram:
    """Return the histogram of a checkpoint.

    Raises
    ------
    InputError
        For a checkpoint of other buckets, or one that no histogram can have written.
    """
    next_step = "delete the checkpoint; the history is gathered anew"
    if checkpoint.buckets != buckets.name:
        raise InputError(f"the checkpoint has buckets {checkpoint.buckets!r}, not {buckets.name!r}", next_step)
    weights = np.zeros(len(buckets))
    for key, weight in checkpoint.weights.items():
        if not (key.isascii() and key.isdigit() and int(key) < len(buckets) and weight > 0):
            raise InputError(f"the checkpoint has the weight {weight} in bucket {key[:20]!r}", next_step)
        weights[int(key)] = weight
    amounts = (checkpoint.half_life_s, checkpoint.total, checkpoint.mean, checkpoint.variance)
    times = (checkpoint.reference_s, checkpoint.first_s, checkpoint.last_s)
    if not np.isfinite([*amounts, *times]).all() or min(amounts) < 0 or checkpoint.half_life_s <= 0:
        raise InputError("the checkpoint has amounts that are negative or not finite", next_step)
    if min(checkpoint.samples, checkpoint.refused) < 0 or bool(checkpoint.samples) != bool(weights.any()):
        raise InputError("the checkpoint's count of samples does not go with its weights", next_step)
    empty = DecayingHistogram(buckets, checkpoint.half_life_s, refused=checkpoint.refused)
    if not checkpoint.samples:
        return empty
    total, mean = checkpoint.total, checkpoint.mean
    return replace(
        empty,
        weights=weights * (total / weights.sum()),
        moments=(total, total * mean, total * (checkpoint.variance + mean * mean)),
        reference_s=checkpoint.reference_s,
        first_s=checkpoint.first_s,
        last_s=checkpoint.last_s,
        samples=checkpoint.samples,
    )


def reference_for(moment_s: float, half_life_s: float) -> float:
    """Multiple of the half-life nearest to a moment, in Unix seconds."""
    return round(moment_s / half_life_s) * half_life_s


def _weights(histogram: DecayingHistogram) -> Floats:
    return np.zeros(len(histogram.buckets)) if histogram.weights is None else histogram.weights


def _plus(left: tuple[float, float, float], right: tuple[float, float, float]) -> tuple[float, float, float]:
    return left[0] + right[0], left[1] + right[1], left[2] + right[2]
