"""Do stated quantiles of domains hold, and what do they save: ``python -m powerplane.bench.watts.quantiles DATA``."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.stats import binomtest

from powerplane.bench.watts import daily_use, request_use
from powerplane.bench.watts.daily_use import Use
from powerplane.bench.watts.held_out import Followed, Timing, follow
from powerplane.bench.watts.page import render_table
from powerplane.bench.watts.site import LEVELS, RACK_NODES, RACKS_PER_ROW, ROWS_PER_FEED, Floats, Site, read_site
from powerplane.bench.watts.table import WattsTable
from powerplane.models.demand.calibration import start_calibration
from powerplane.models.demand.margins import margins_at
from powerplane.models.demand.spreads import SiteSpreads, spreads_over
from powerplane.models.demand.together import normal_factor

LEVEL = 0.95
SEEDS = (1, 2, 3)
"""Rules and rates were set on seed 100 of the made-up use and of the requests, never on these."""

WARM_WINDOWS = 300
HELD_WINDOWS = 1000
DAILY = Timing(step_s=300.0, learning=7 * 288, window=2, warm=WARM_WINDOWS, held=HELD_WINDOWS, again=36)
REQUESTS = Timing(step_s=60.0, learning=48 * 60, window=2, warm=WARM_WINDOWS, held=HELD_WINDOWS, again=45)


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """What came of one run, over the held-out windows; V windows, K domains.

    Parameters
    ----------
    kind : tuple of str, shape (K,)
        Level of each domain; only domains that vary.
    within, model_within : bool arrays, shape (V, K)
        Windows within the calibrated quantile, and within the model's own.
    busy : bool array, shape (V, K)
        The tenth of each domain's windows in which it drew most.
    kept : float64 array, shape (V, K)
        What is kept back, as a share of the mean.
    """

    kind: NDArray[np.str_]
    within: NDArray[np.bool_]
    model_within: NDArray[np.bool_]
    busy: NDArray[np.bool_]
    kept: Floats


@dataclass(frozen=True, slots=True)
class Fit:
    """How many servers one domain's budget holds: the sum of the peaks of ``servers``.

    Parameters
    ----------
    level : str
    servers, by_quantiles, together : int
        By the sum of servers' peaks, the sum of servers' quantiles, and the quantile of the sum.
    within : float
        Share of the held-out windows in which ``together`` servers kept the budget.
    """

    level: str
    servers: int
    by_quantiles: int
    together: int
    within: float


def measure(data: Path) -> WattsTable:
    """Run all seeds on both traces."""
    rows: list[tuple[str, ...]] = []
    requests = request_use.read_requests(data)
    traces: tuple[tuple[str, Timing, Callable[[Site, np.random.Generator], Iterator[Use]]], ...] = (
        ("days, made up", DAILY, lambda site, random: daily_use.daily_use(site, 17, random)),
        ("Azure requests", REQUESTS, lambda site, random: request_use.request_use(site, requests, 96, random)),
    )
    for name, timing, uses in traces:
        held, fits = [], []
        for seed in SEEDS:
            random = np.random.default_rng(seed)
            site = read_site(data, random)
            followed = follow(site, uses(site, random), timing)
            judged, factors = judge(site, followed)
            held.append(judged)
            fits += fit_servers(site, followed, factors, random)
        rows += [_row(name, level, held, [fit for fit in fits if fit.level == level]) for level in LEVELS]
    return _table(rows)


def judge(site: Site, followed: Followed) -> tuple[Held, dict[str, float]]:
    """Calibrate window by window, each on those before it; return what held, and the factors when judging began."""
    first, warm = followed.spreads[0], followed.timing.warm
    calibration = start_calibration(LEVEL, first.skewness)
    normal = normal_factor(LEVEL, first.skewness)
    taken: dict[str, float] = {}
    within, model, kept = [], [], []
    for window, drawn in enumerate(followed.drawn):
        spreads = followed.at(window)
        if window == warm:
            taken = dict(zip(spreads.domain, calibration.lasting(normal).tolist(), strict=True))
        keep = margins_at(spreads, calibration.factors()).keep_mw
        within.append(drawn * 1000 <= spreads.mean_mw + keep)
        model.append(drawn * 1000 <= spreads.mean_mw + margins_at(spreads, normal).keep_mw)
        kept.append(keep / spreads.mean_mw)
        with np.errstate(divide="ignore", invalid="ignore"):
            calibration = calibration.learn((drawn * 1000 - spreads.mean_mw) / spreads.deviation_mw)
    # What never varies cannot be missed, and would flatter the share.
    varies = np.flatnonzero(followed.drawn.std(axis=0) > 0.001 * followed.drawn.mean(axis=0))
    late = slice(warm, None)
    drawn = followed.drawn[late][:, varies]
    return Held(
        kind=np.array([site.kinds[name] for name in first.domain])[varies],
        within=np.array(within)[late][:, varies],
        model_within=np.array(model)[late][:, varies],
        busy=drawn >= np.quantile(drawn, 0.9, axis=0),
        kept=np.array(kept)[late][:, varies],
    ), taken


def fit_servers(site: Site, followed: Followed, factors: dict[str, float], random: np.random.Generator) -> list[Fit]:
    """Fill budgets with more servers of the site, as far as each way to count lets in.

    The budget is the sum of the peaks that a domain's servers had before the held-out windows, so that by the sum of
    peaks it is full. Feeds are halved, since a site has few servers beside them.
    """
    timing, spreads = followed.timing, followed.at(followed.timing.warm)
    before = timing.before
    seen, later = followed.node_watts[:, :before], followed.node_watts[:, before:]
    peak, quantile = seen.max(axis=1).astype(np.float64), np.quantile(seen, LEVEL, axis=1)
    topology, names = site.snapshot.topology, {name: at for at, name in enumerate(site.snapshot.node_names)}
    result = []
    for domain in topology.domains:
        own = random.permutation([names[name] for name in topology.nodes_under(domain.name)])
        own = own[: len(own) // 2] if domain.kind == "feed" else own
        if domain.name not in spreads.domain or not seen[own].std(axis=1).any():
            continue
        others = np.setdiff1d(np.arange(len(names)), own)
        order = np.concatenate([own, random.permutation(others)])
        budget = float(peak[own].sum())
        by_quantiles = int((np.cumsum(quantile[order]) <= budget + 1e-6).sum())
        together = _most(followed.site, order, budget, factors[domain.name], len(own))
        drawn = later[order[:together]].sum(axis=0, dtype=np.float64).reshape(-1, timing.window).max(axis=1)
        result.append(Fit(domain.kind, len(own), by_quantiles, together, float((drawn <= budget).mean())))
    return result


def _most(site: SiteSpreads, order: NDArray[np.int64], budget: float, factor: float, start: int) -> int:
    """How many servers, in order, the quantile of the sum lets in."""
    low, high = 1, len(order)
    counts = np.unique(np.linspace(max(start // 2, 1), min(3 * start, high), 60).astype(np.int64))
    while True:
        rows, columns = np.repeat(np.arange(len(counts)), counts), np.concatenate([order[:count] for count in counts])
        part = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(counts), len(order)))
        label = ("",) * len(counts)
        spreads = spreads_over(site, part, label, label)
        fits = (spreads.mean_mw + margins_at(spreads, np.full(len(counts), factor)).keep_mw) <= budget * 1000
        low = max(low, int(counts[fits].max(initial=low)))
        high = min(high, int(counts[~fits].min(initial=high + 1)) - 1)
        if low >= high:
            return low
        counts = np.unique(np.linspace(low + 1, high, 60).astype(np.int64))


def _row(trace: str, level: str, held: list[Held], fits: list[Fit]) -> tuple[str, ...]:
    random = np.random.default_rng(0)
    within, model = _pooled(held, level, "within"), _pooled(held, level, "model_within")
    hits = int(within[np.arange(HELD_WINDOWS), random.integers(within.shape[1], size=HELD_WINDOWS)].sum())
    bounds = binomtest(hits, HELD_WINDOWS).proportion_ci(method="wilson")
    each = within.mean(axis=0)
    busy = within[_pooled(held, level, "busy").astype(np.bool_)].mean()
    servers = sum(fit.servers for fit in fits)
    more = [sum(getattr(fit, name) for fit in fits) / servers - 1 for name in ("by_quantiles", "together")]
    held_share = float(np.mean([fit.within for fit in fits]))
    share = f"{hits / HELD_WINDOWS:.1%} ({bounds.low:.1%} to {bounds.high:.1%})"
    return (
        trace,
        level,
        share if 0.93 <= hits / HELD_WINDOWS <= 0.97 else f"**{share}**",
        f"{within.mean():.1%} of {within.size:,}",
        f"{each.min():.1%} to {each.max():.1%}",
        f"{model.mean():.1%}",
        f"{busy:.0%}",
        f"{_pooled(held, level, 'kept').mean():.1%}",
        f"{more[0]:+.0%}",
        f"{more[1]:+.0%}" if more[1] > more[0] else f"**{more[1]:+.0%}**",
        f"{held_share:.1%}",
    )


def _pooled(held: list[Held], level: str, name: str) -> NDArray[np.float64]:
    return np.concatenate([getattr(one, name)[:, one.kind == level] for one in held], axis=1)


def _table(rows: list[tuple[str, ...]]) -> WattsTable:
    return WattsTable(
        title="Quantiles of what domains draw together",
        text=(
            f"The openb trace's pods on its servers: racks of {RACK_NODES} servers, rows of {RACKS_PER_ROW} racks, "
            f"feeds of {ROWS_PER_FEED} rows; seeds {', '.join(map(str, SEEDS))}. Use over time: made-up days "
            "(five-minute steps, a week of history), and the Azure LLM requests (one-minute steps, two days of "
            "history) as stated in `bench/watts/daily_use.py` and `request_use.py`; neither these seeds nor their "
            f"draws were used to set anything. A window is two steps, and counts by its highest; {WARM_WINDOWS} "
            f"windows warm the calibration, {HELD_WINDOWS:,} are held out, each foretold from what came before it. "
            "*1,000 windows*: one domain of the level, at random, in each held-out window; the interval is Wilson's "
            "at 95 %. *Model alone*: without calibration. *Busiest tenth*: the windows in which the domain drew "
            "most (a quantile that never moved would hold in half of them). *Fit*: servers that a budget holds "
            "beyond those that it holds by the sum of the servers' own peaks, when one adds up the servers' 95 % "
            "quantiles, and by the quantile of the sum, with the lasting factor; *held* is how often the latter "
            "then kept the budget in the held-out windows, its placement never changed."
        ),
        headings=(
            "use",
            "level",
            "1,000 windows",
            "all windows",
            "domains",
            "model alone",
            "busiest tenth",
            "kept back",
            "fit, sum of quantiles",
            "fit, together",
            "held",
        ),
        rows=tuple(rows),
        notes=(
            "Misses come in runs: they fall on the busiest hours, since the quantile is one over the whole day. What a"
            " budget must hold in its busiest hour takes the forecast, or a higher level.",
            "openb tells no use over time, and the Azure trace is one hour: days are made of them, as stated.",
        ),
    )


def main() -> int:
    """Print the table."""
    sys.stdout.write(render_table(measure(Path(sys.argv[1]))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
