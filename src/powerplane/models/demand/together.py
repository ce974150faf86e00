"""The quantile of a sum: what pods draw together, which is less than the sum of what each draws at its highest.

With X_i = μ_i + Σ_k c_ik F_k + l_i G_w(i) + o_i E_i, all factors uncorrelated, of mean 0 and variance 1, the sum over a
domain with shares s_i has the mean Σ s_i μ_i and the variance

    Σ_k (Σ_i s_i c_ik)² + Σ_w (Σ_{i in w} s_i l_i)² + Σ_i s_i² o_i².

Its quantile is mean + z·√variance, z being the normal quantile corrected for skewness (Cornish and Fisher 1938).
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.special import ndtri

from powerplane.models.demand.arrays import Floats, Rows, ratio, sums_by_row

MOST_SKEWNESS = 1.0
"""Beyond it the expansion is no longer monotone enough to trust; sums of many pods stay far below."""


@dataclass(frozen=True, slots=True, eq=False)
class PodSpreads:
    """P pods, in watts, each column of shape (P,).

    Parameters
    ----------
    workload : int64 array
        Row of each pod's workload.
    mean : float64 array
    common : float64 array, shape (P, F)
        Loadings on common factors; of either sign.
    level, own : float64 arrays
        Deviations shared with the workload, and the pod's own.
    skewness : float64 array
        Of the pod as a whole.
    """

    workload: Rows
    mean: Floats
    common: Floats
    level: Floats
    own: Floats
    skewness: Floats


@dataclass(frozen=True, slots=True, eq=False)
class SumSpreads:
    """K sums, in watts: mean, deviation and skewness, each of shape (K,)."""

    mean: Floats
    deviation: Floats
    skewness: Floats


def spread_of_sums(pods: PodSpreads, shares: sparse.csr_array) -> SumSpreads:
    """Mean, deviation and skewness of sums of pods.

    Parameters
    ----------
    pods : PodSpreads
        A pod of which something is NaN makes the sums that it is in NaN.
    shares : float64 CSR array, shape (K, P)
        Part of each pod's watts that each sum carries.

    Notes
    -----
    Skewness adds up by third cumulants. A pod's own is spread over its three parts as if each had the same, which is
    ``skewness·σ³ / (|c|³ + l³ + o³)``; the common factors' is the mean of what the pods say, weighted by how far their
    loadings point the sum's way.
    """
    by_workload = _by_workload(pods.workload)
    part = _part_skewness(pods)
    common = shares @ pods.common
    levels = _times(shares, pods.level) @ by_workload
    own2 = _times(shares, pods.own)
    common2 = (common**2).sum(axis=1)
    variance = common2 + _row_sum(levels, 2) + _row_sum(own2, 2)
    # Cube roots let the skewness ride along inside the sum that is cubed.
    root = np.cbrt(part)
    third = _row_sum(_times(shares, pods.level * root) @ by_workload, 3) + _row_sum(_times(own2, root), 3)
    said = ((shares @ (pods.common * part[:, None])) * common).sum(axis=1)
    third += common2 * ratio(said, shares @ np.linalg.norm(pods.common, axis=1), otherwise=0.0)
    deviation = np.sqrt(variance)
    skewness = ratio(third, deviation**3, otherwise=0.0)
    return SumSpreads(shares @ pods.mean, deviation, np.where(np.isnan(deviation), np.nan, skewness))


def normal_factor(level: float, skewness: Floats) -> Floats:
    """Deviations above the mean at which a share ``level`` lies below, any shape.

    Parameters
    ----------
    level : float
        Between 0 and 1, both excluded.
    skewness : float64 array
        Limited to ±``MOST_SKEWNESS``.
    """
    z = float(ndtri(level))
    skew = np.clip(skewness, -MOST_SKEWNESS, MOST_SKEWNESS)
    result: Floats = z + (z * z - 1) * skew / 6 - (2 * z**3 - 5 * z) * skew**2 / 36
    return result


def quantile_of_sum(spreads: SumSpreads, level: float, factor: Floats | None = None) -> Floats:
    """Watts that sums stay within with probability ``level``, shape (K,).

    Parameters
    ----------
    spreads : SumSpreads
    level : float
        From 0.5 up to, not including, 1: a quantile below the mean keeps nothing back.
    factor : float64 array, shape (K,), optional
        Deviations above the mean to take instead of the normal ones: a ``Calibration``'s.
    """
    if not 0.5 <= level < 1:
        raise ValueError(f"level is {level}, which is not from 0.5 up to 1")
    taken = normal_factor(level, spreads.skewness) if factor is None else factor
    return spreads.mean + np.maximum(taken, 0) * spreads.deviation


def _by_workload(workload: Rows) -> sparse.csr_array:
    _, column = np.unique(workload, return_inverse=True)
    count = len(workload)
    shape = (count, int(column.max(initial=-1)) + 1)
    return sparse.csr_array((np.ones(count), (np.arange(count), column)), shape=shape)


def _part_skewness(pods: PodSpreads) -> Floats:
    common = np.linalg.norm(pods.common, axis=1)
    whole = (common**2 + pods.level**2 + pods.own**2) ** 1.5
    parts = common**3 + pods.level**3 + pods.own**3
    return pods.skewness * ratio(whole, parts, otherwise=1.0)


def _times(shares: sparse.csr_array, columns: Floats) -> sparse.csr_array:
    return sparse.csr_array((shares.data * columns[shares.indices], shares.indices, shares.indptr), shape=shares.shape)


def _row_sum(array: sparse.csr_array, power: int) -> Floats:
    row = np.repeat(np.arange(array.shape[0]), np.diff(array.indptr))
    return sums_by_row(row, array.data**power, array.shape[0])
