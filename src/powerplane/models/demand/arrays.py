"""The two array operations that demand is made of: sums by row, and ratios that are unknown instead of wrong."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


def sums_by_row(rows: NDArray[np.integer], values: Floats | float, count: int) -> Floats:
    """Sum of values by row, shape (count,)."""
    weights = np.broadcast_to(np.asarray(values, dtype=np.float64), rows.shape)
    result: Floats = np.bincount(rows, weights, minlength=count).astype(np.float64)
    return result


def ratio(above: Floats, below: Floats, otherwise: float = np.nan) -> Floats:
    """Return above / below, and ``otherwise`` where below is not positive."""
    result: Floats = np.full(np.broadcast_shapes(above.shape, below.shape), otherwise, dtype=np.float64)
    return np.divide(above, below, out=result, where=below > 0)
