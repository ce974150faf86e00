"""What domains will draw in the next hours, with all feeds alive and with one lost, and which budgets that breaks.

Every row of the topology, a domain in one situation, has a history of its own: what its nodes drew, by its shares of
them. Forecasts are bounded by what its nodes can draw together, so that a budget above that is never foreseen broken,
however little is known.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.models.demand.ahead import Ahead
from powerplane.models.demand.arrays import Floats
from powerplane.models.demand.confidence import DAY_S
from powerplane.models.demand.forecast import History, fit_forecast
from powerplane.models.demand.node_history import NodeHistory
from powerplane.models.incidence import PowerIncidence

GAP_SHARE = 0.1
"""Of what a row's measured nodes draw: a step of which more is filled in is a gap."""

LEAST_PATHS = 10
"""Fewer tell no probability."""

UPPER = 0.95
HALF_A_MILLIWATT = 0.0005


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """K rows, H steps ahead.

    Parameters
    ----------
    at_s : float64 array, shape (H,)
        Unix seconds.
    past : History
        Of the rows, NaN in gaps.
    now_watts, worst_case_watts, most_watts : float64 arrays, shape (K,)
        The draw now; the part of it that unmeasured nodes are assumed to draw; the most that a row's nodes can draw.
    expected_watts, lower_watts, upper_watts : float64 arrays, shape (K, H)
        The latter two are passed downwards and upwards by one draw in twenty each.
    breach : float64 array, shape (K, H)
        Probability that the budget is passed by each step; it never falls. NaN where nothing is known.
    seasonal : bool array, shape (K,)
        Rows with history enough for seasons; the others take the last value.
    days, gap_share : float64 arrays, shape (K,)
        Of history without gaps; and which share of the history is gaps.
    """

    at_s: Floats
    past: History
    now_watts: Floats
    worst_case_watts: Floats
    most_watts: Floats
    expected_watts: Floats
    lower_watts: Floats
    upper_watts: Floats
    breach: Floats
    seasonal: NDArray[np.bool_]
    days: Floats
    gap_share: Floats


def look_ahead(nodes: NodeHistory, incidence: PowerIncidence, budget_watts: Floats, horizon: int) -> Outlook:
    """Foretell every row.

    Parameters
    ----------
    nodes : NodeHistory
        Of the incidence's nodes, in its order.
    incidence : PowerIncidence
    budget_watts : float64 array, shape (K,)
        Infinite for none.
    horizon : int
        Steps ahead; 1 or more.
    """
    shares = incidence.weights / incidence.scale
    watts = np.asarray(shares @ nodes.watts, dtype=np.float64)
    assumed = np.asarray(shares @ np.where(nodes.unmeasured, nodes.peak_watts, 0.0), dtype=np.float64)
    filled = np.asarray(shares @ np.where(nodes.filled, nodes.watts, 0.0), dtype=np.float64)
    past = History(nodes.last_s, nodes.step_s, np.where(filled > GAP_SHARE * (watts - assumed[:, None]), np.nan, watts))
    now = watts[:, -1]
    most = np.maximum(np.asarray(shares @ nodes.peak_watts, dtype=np.float64), watts.max(axis=1))
    model = fit_forecast(past, horizon)
    ahead = model.ahead(past)
    expected = np.clip(np.where(np.isfinite(ahead.watts), ahead.watts, now[:, None]), 0.0, most[:, None])
    low, high = ahead.interval(2 * UPPER - 1)
    seen = np.isfinite(past.watts)
    measured = np.asarray(shares @ (~nodes.unmeasured).astype(np.float64)) > 0
    return Outlook(
        at_s=ahead.at_s,
        past=past,
        now_watts=now,
        worst_case_watts=assumed,
        most_watts=most,
        expected_watts=expected,
        lower_watts=np.clip(np.where(np.isnan(low), 0.0, low), 0.0, expected),
        upper_watts=np.clip(np.where(np.isnan(high), np.inf, high), expected, most[:, None]),
        breach=breach_by(ahead, budget_watts, now, most),
        seasonal=model.seasonal,
        days=np.where(measured, seen.sum(axis=1) * nodes.step_s / DAY_S, 0.0),
        gap_share=np.where(measured, 1 - seen.mean(axis=1), 1.0),
    )


def breach_by(ahead: Ahead, budget_watts: Floats, now_watts: Floats, most_watts: Floats) -> Floats:
    """Probability that each budget is passed by each step, shape (K, H).

    Parameters
    ----------
    ahead : Ahead
        Of K rows.
    budget_watts, now_watts, most_watts : float64 arrays, shape (K,)

    Returns
    -------
    float64 array
        1 where it is passed already, 0 where nothing can pass it; else from the paths of errors as they were made, one
        more of which nothing is known counting half; NaN where too few reach that far.
    """
    doubt = np.where(np.isfinite(ahead.doubt), ahead.doubt, 0.0)
    paths = ahead.watts[:, None, :] + np.nan_to_num(ahead.errors) * doubt[:, None, None]
    whole = np.logical_and.accumulate(np.isfinite(ahead.errors), axis=2) & np.isfinite(ahead.doubt)[:, None, None]
    with np.errstate(invalid="ignore"):
        over = np.logical_or.accumulate(whole & (paths > budget_watts[:, None, None]), axis=2) & whole
    count = whole.sum(axis=1)
    found = np.where(count >= LEAST_PATHS, (over.sum(axis=1) + 0.5) / (count + 1), np.nan)
    # Fewer paths reach farther: what was likely by one step is so by the next.
    found = np.where(np.isnan(found), np.nan, np.fmax.accumulate(found, axis=1))
    limit = budget_watts + HALF_A_MILLIWATT
    found = np.where((most_watts <= limit)[:, None], 0.0, found)
    return np.where((now_watts > limit)[:, None], 1.0, found)
