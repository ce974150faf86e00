"""What a node draws beyond its stated base and its pods' requests: tightened at once, loosened slowly.

``drift = measured − (base + requests)``, and what no pod may be promised is ``base + max(0, drift)``. A pod that has
gone still warms its node for a scrape or two, so the requests are the most of the last while. Without fresh
measurements nothing is loosened, and after three missed scrapes the worst is assumed.
"""

from dataclasses import dataclass

MISSED = 3
"""Scrapes missed in a row after which a node counts at its worst (Prometheus marks a series stale after five minutes,
which is too late here)."""


@dataclass(frozen=True, slots=True)
class DriftRules:
    """How drift follows the measurements.

    Parameters
    ----------
    scrape_s : float
        Time between two measurements.
    loosen_mw_s : float
        The most by which drift falls in a second.
    smooth_s : float
        Time constant of the measurement's smoothing; what is above the smoothed value counts at half at once.
    lag_s : float
        How long a measurement may still show pods that have gone.
    """

    scrape_s: float = 15.0
    loosen_mw_s: float = 500.0
    smooth_s: float = 30.0
    lag_s: float = 45.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement of a node: milliwatts, and when."""

    mw: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Drift:
    """What is known of one node.

    Parameters
    ----------
    mw : int
        The drift in force, never below 0.
    smooth_mw : float
        Smoothed measurement.
    sample_s : float or None
        When the last sample was taken; None before the first.
    since_s : float
        When the node was first looked at.
    requests : tuple of (float, int)
        Moments and requested milliwatts of the last while, newest last.
    """

    mw: int = 0
    smooth_mw: float = 0.0
    sample_s: float | None = None
    since_s: float = 0.0
    requests: tuple[tuple[float, int], ...] = ()


def follow(
    drift: Drift, sample: Sample | None, *, base_mw: int, bound_mw: int, now_s: float, rules: DriftRules
) -> Drift:
    """Take in a moment.

    Parameters
    ----------
    drift : Drift
    sample : Sample or None
        The latest measurement, the same as before where there is no newer one. One that is negative, or from the
        future, is not used.
    base_mw : int
        What the node draws by what is stated.
    bound_mw : int
        Requests of its pods.
    now_s : float
    rules : DriftRules
    """
    requests = (*((at, mw) for at, mw in drift.requests if at >= now_s - rules.lag_s), (now_s, bound_mw))
    # Of moments with the same requests the newest is enough: that keeps the history short.
    requests = tuple(pair for i, pair in enumerate(requests) if i + 1 == len(requests) or requests[i + 1][1] != pair[1])
    if sample is None or sample.mw < 0 or sample.at_s > now_s or sample.at_s <= (drift.sample_s or float("-inf")):
        return Drift(drift.mw, drift.smooth_mw, drift.sample_s, drift.since_s or now_s, requests)
    if drift.sample_s is None:
        elapsed_s, smooth = 0.0, float(sample.mw)
    else:
        elapsed_s = sample.at_s - drift.sample_s
        part = min(1.0, elapsed_s / rules.smooth_s)
        smooth = drift.smooth_mw + part * (sample.mw - drift.smooth_mw)
    measured = int(max(smooth, (smooth + sample.mw) / 2))
    raw = max(0, measured - base_mw - max(mw for _, mw in requests))
    loosest = drift.mw - int(rules.loosen_mw_s * elapsed_s)
    return Drift(max(raw, loosest), smooth, sample.at_s, drift.since_s or now_s, requests)


def is_stale(drift: Drift, now_s: float, rules: DriftRules) -> bool:
    """Whether a node that has been measured before has missed too many scrapes."""
    return drift.sample_s is not None and now_s - drift.sample_s > MISSED * rules.scrape_s


def effective_base_mw(
    drift: Drift, *, base_mw: int, bound_mw: int, peak_mw: int | None, now_s: float, rules: DriftRules
) -> int:
    """Milliwatts of a node that no pod may be promised.

    Of a node whose measurements are stale: so much that it and its pods' requests together make its peak, where the
    peak is known, and in any case no less than before.
    """
    base = base_mw + drift.mw
    if is_stale(drift, now_s, rules) and peak_mw is not None:
        return max(base, peak_mw - bound_mw)
    return base
