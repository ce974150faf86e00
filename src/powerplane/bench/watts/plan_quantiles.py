"""Does what ``plan --quantile`` keeps back hold on the day after: a plan each midnight, by the command's function."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from powerplane.bench.watts import daily_use, request_use
from powerplane.bench.watts.daily_use import Use
from powerplane.bench.watts.held_out import node_watts
from powerplane.bench.watts.page import render_table
from powerplane.bench.watts.quantiles import LEVEL, SEEDS
from powerplane.bench.watts.site import LEVELS, Floats, Site, read_site
from powerplane.bench.watts.table import WattsTable
from powerplane.models.demand.held_back import hold_back
from powerplane.models.demand.history import PodHistory
from powerplane.models.demand.memory import DemandMemory, owners
from powerplane.models.draws import node_draws_mw, node_kinds, row_draws_mw
from powerplane.models.incidence import compile_incidence
from powerplane.models.quantities import MICRO, MILLI
from powerplane.models.snapshot import Snapshot
from powerplane.models.topology import PowerTopology

WINDOW = 2
STEP_S, PER_DAY = 300.0, 288
HISTORIES = (1, 7)
"""Days of history to look at."""

ROOMY_MW = 10**12
"""A budget that nothing reaches: what is kept back is told of domains with a budget alone."""

AT_ONCE = 288


Singles = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Course:
    """One kind of use, and the mornings on which a plan is made.

    Parameters
    ----------
    name : str
    uses : callable
        Use of a site, stretch by stretch.
    every : int
        Steps of the use that make one of ``STEP_S``, by their mean.
    days : int
        In all; the first plan is made after the longest history, then one each day.
    """

    name: str
    uses: Callable[[Site, np.random.Generator], Iterator[Use]]
    every: int
    days: int


@dataclass(frozen=True, slots=True, eq=False)
class Day:
    """What came of one plan on the day after it.

    Parameters
    ----------
    history_days : int
    within, model_within : dict of level to bool array
        Windows of all domains of a level that what was kept back held.
    kept : dict of level to float
        What was kept back, as a share of what was drawn on average.
    """

    history_days: int
    within: dict[str, NDArray[np.bool_]]
    model_within: dict[str, NDArray[np.bool_]]
    kept: dict[str, float]


def measure(data: Path) -> WattsTable:
    """Run all seeds on both kinds of use."""
    requests = request_use.read_requests(data)
    courses = (
        Course("days, made up", lambda site, random: daily_use.daily_use(site, 15, random), 1, 15),
        Course("Azure requests", lambda site, random: request_use.request_use(site, requests, 216, random), 5, 9),
    )
    rows: list[tuple[str, ...]] = []
    for course in courses:
        found = [day for seed in SEEDS for day in follow(course, data, seed)]
        for days in HISTORIES:
            own = [day for day in found if day.history_days == days]
            rows += [_row(course.name, days, level, own) for level in LEVELS]
    return _table(rows)


def follow(course: Course, data: Path, seed: int) -> list[Day]:
    """Plan on each morning, by each length of history, and see the day."""
    random = np.random.default_rng(seed)
    site = read_site(data, random)
    snapshot = _with_budgets(site.snapshot)
    cores, watts = _columns(course, site, random)
    drawn = _domains(site, cores, watts)
    found = []
    for day in range(max(HISTORIES), course.days):
        now = day * PER_DAY
        on_the_day = drawn[:, now : now + PER_DAY]
        for length in HISTORIES:
            first = now - length * PER_DAY
            used, drew = (each[:, first:now].astype(np.float64) for each in (cores, watts))
            history = PodHistory(first * STEP_S, STEP_S, used, drew)
            found.append(_judge(site, _used(snapshot, history), history, on_the_day, length))
    return found


def _judge(site: Site, snapshot: Snapshot, history: PodHistory, drawn: Floats, length: int) -> Day:
    memory = DemandMemory()
    history.teach(memory, owners(snapshot))
    demand = memory.demand()
    incidence = compile_incidence(snapshot.topology, snapshot.node_names)
    alive = [row for row, lost in enumerate(incidence.lost) if not lost]
    now = row_draws_mw(incidence, node_draws_mw(snapshot))[alive] / MILLI
    names = [incidence.domain[row] for row in alive]
    kinds = np.array([site.kinds[name] for name in names])
    highest = drawn.reshape(len(drawn), -1, WINDOW).max(axis=2)
    held = []
    for used in (history, None):
        kept = hold_back(snapshot, demand, LEVEL, used).kept_mw
        held.append(now + np.array([kept[name] / MILLI for name in names]))
    # What never varies cannot be missed, and would flatter the share.
    varies = drawn.std(axis=1) > 0.001 * drawn.mean(axis=1)
    ours, model = (highest <= limit[:, None] for limit in held)
    of = {level: varies & (kinds == level) for level in LEVELS}
    return Day(
        length,
        {level: ours[rows] for level, rows in of.items()},
        {level: model[rows] for level, rows in of.items()},
        {level: float((held[0][rows] / drawn[rows].mean(axis=1) - 1).mean()) for level, rows in of.items()},
    )


def _columns(course: Course, site: Site, random: np.random.Generator) -> tuple[Singles, Singles]:
    """Cores and accelerators' watts of all pods at all steps; NaN for pods without accelerators."""
    steps, count = course.days * PER_DAY, 0
    cores: list[Singles] = []
    watts: list[Singles] = []
    for use in course.uses(site, random):
        cards = np.where(site.card_watts[:, None] > 0, use.watts, np.nan)
        for kept, values in ((cores, use.cores), (watts, cards)):
            kept.append(values.reshape(len(values), -1, course.every).mean(axis=2).astype(np.float32))
        count += cores[-1].shape[1]
        if count >= steps:
            break
    return np.concatenate(cores, axis=1)[:, :steps], np.concatenate(watts, axis=1)[:, :steps]


def _domains(site: Site, cores: Singles, watts: Singles) -> Floats:
    """Watts of each domain with all feeds alive, shape (K, T)."""
    snapshot, placed = site.snapshot, site.placed
    incidence, kinds = compile_incidence(snapshot.topology, snapshot.node_names), node_kinds(snapshot)
    alive = [row for row, lost in enumerate(incidence.lost) if not lost]
    part = sparse.csr_array(incidence.weights.astype(np.float64) * (1 / incidence.scale))[alive]
    drawn = np.empty((len(alive), cores.shape[1]))
    for at in range(0, cores.shape[1], AT_ONCE):
        now = slice(at, at + AT_ONCE)
        used, drew = placed @ cores[:, now].astype(np.float64), placed @ np.nan_to_num(watts[:, now]).astype(np.float64)
        drawn[:, now] = part @ node_watts(kinds, used, drew)
    return drawn


def _used(snapshot: Snapshot, history: PodHistory) -> Snapshot:
    """The snapshot with what its pods use at the history's end."""
    cores, watts = history.cores[:, -1], np.nan_to_num(history.accelerator_watts[:, -1])
    pods = replace(
        snapshot.pods,
        use_ucores=np.round(cores * MICRO).astype(np.int64),
        accelerator_mw=np.round(watts * MILLI).astype(np.int64),
    )
    return replace(snapshot, pods=pods)


def _with_budgets(snapshot: Snapshot) -> Snapshot:
    domains = tuple(replace(domain, budget_mw=ROOMY_MW) for domain in snapshot.topology.domains)
    return replace(snapshot, topology=PowerTopology(domains))


def _row(name: str, length: int, level: str, days: list[Day]) -> tuple[str, ...]:
    each = [float(day.within[level].mean()) for day in days]
    within = np.concatenate([day.within[level].ravel() for day in days])
    model = np.concatenate([day.model_within[level].ravel() for day in days])
    share = f"{within.mean():.1%}"
    return (
        name,
        "1 day" if length == 1 else f"{length} days",
        level,
        share if within.mean() >= 0.93 else f"**{share}**",
        f"{within.size:,}",
        f"{min(each):.1%} to {max(each):.1%}",
        f"{model.mean():.1%}",
        f"{np.mean([day.kept[level] for day in days]):.1%}",
    )


def _table(rows: list[tuple[str, ...]]) -> WattsTable:
    return WattsTable(
        title="What plan --quantile 0.95 keeps back, on the next day",
        text=(
            "The same sites and use as in the table before, by the very function that the command calls: a plan is "
            "made each midnight, on the use of that moment and one or seven days of history, and what the domains draw "
            "on the day after, their pods where they were, is held against what was drawn at midnight and kept back. "
            f"Seeds {', '.join(map(str, SEEDS))}; rules were set on seed 100. A window is two steps, and counts by its "
            "highest. *Days*: the share on the worst day and on the best. *Model alone*: without playing the history "
            "again. *Kept*: the watts held, beyond the day's mean. In bold: less than 93 %."
        ),
        headings=("use", "history", "level", "held", "windows", "days", "model alone", "kept"),
        rows=tuple(rows),
        notes=(
            "A share above 95 % is the price of days that differ: a weekend after working days holds nearly always, "
            "a Monday after a weekend less often.",
        ),
    )


def main() -> int:
    """Print the table."""
    sys.stdout.write(render_table(measure(Path(sys.argv[1]))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
