"""Who is limited, and how far: the least important nodes first, and of those the ones that draw most."""

import numpy as np
from numpy.typing import NDArray

from powerplane.simulator.limits import NO_LIMIT

Floats = NDArray[np.float64]

HALVINGS = 50


def cut(watts: Floats, shares: Floats, need: float, lowest: Floats, groups: NDArray[np.int64]) -> Floats:
    """Find limits that take some watts off a domain.

    Within a group of one priority all nodes above one level are brought down to it: the highest first, as in Dynamo's
    high-bucket-first, with buckets of no width. No node goes below its lowest.

    Parameters
    ----------
    watts : float64 array, shape (N,)
        What nodes draw.
    shares : float64 array, shape (N,)
        Share of each node's watts that the domain carries.
    need : float
        Watts of the domain to take off.
    lowest : float64 array, shape (N,)
    groups : int64 array, shape (N,)
        Priority of each node; lower ones are limited first.

    Returns
    -------
    float64 array, shape (N,)
        Limits; ``NO_LIMIT`` for nodes that are left alone.
    """
    limits = np.full(len(watts), NO_LIMIT)
    inside = shares > 0
    for group in np.unique(groups[inside]).tolist():
        if need <= 0:
            break
        rows = np.flatnonzero(inside & (groups == group) & (watts > lowest))
        if not len(rows):
            continue
        level = _level(watts[rows], shares[rows], need, lowest[rows])
        held = np.maximum(level, lowest[rows])
        limited = rows[watts[rows] > held]
        limits[limited] = np.maximum(level, lowest[limited])
        need -= float((shares[limited] * (watts[limited] - limits[limited])).sum())
    return limits


def _level(watts: Floats, shares: Floats, need: float, lowest: Floats) -> float:
    """Level above which lies what is needed, down to each node's lowest; 0 when that is too little."""
    low, high = 0.0, float(watts.max())
    if float((shares * (watts - lowest)).sum()) <= need:
        return low
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if float((shares * np.maximum(watts - np.maximum(middle, lowest), 0.0)).sum()) >= need:
            low = middle
        else:
            high = middle
    return low
