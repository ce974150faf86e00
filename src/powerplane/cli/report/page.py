"""The page as data: every figure and drawing that the templates place, made once from a snapshot and a plan."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from powerplane.cli.report import words
from powerplane.cli.report.charts import draw_bar
from powerplane.cli.report.draws import Draws, add_up
from powerplane.cli.report.floor import FloorPlan, kinds_from_the_top, lay_out
from powerplane.cli.report.heat import HeatMap, NodeLimits, heat_map, node_limits
from powerplane.cli.report.time_panels import TimePanel, time_panels
from powerplane.cli.report.wave_panels import wave_panels
from powerplane.models.frames import Comparison, DrawFrame
from powerplane.models.plan import DomainDraw, Move, Plan
from powerplane.models.snapshot import Snapshot

MOST_MOVES = 2000
"""Up to this many moves, the page lists them all."""

MOST_MOVES_A_WAVE = 500
"""Beyond, it lists the first of each wave."""


LONGEST_BAR = 2.0
"""Share of a budget at which a bar is cut off."""


@dataclass(frozen=True, slots=True)
class DomainRow:
    """A row of the table of domains."""

    draw: DomainDraw
    headroom: float | None
    over_before: bool
    over_after: bool
    bar: Markup


@dataclass(frozen=True, slots=True)
class MoveRow:
    """A move with the racks that it leaves and reaches."""

    move: Move
    source_rack: str
    target_rack: str


@dataclass(frozen=True, slots=True)
class WaveRows:
    """The moves of one wave that the page lists, and what all of them come to."""

    number: int
    rows: tuple[MoveRow, ...]
    count: int
    watts: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """Runs side by side: titles of the columns, a row of panels a domain, and how many domains were left out."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[TimePanel, ...]], ...]
    left_out: int
    has_rating: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Everything on the page."""

    title: str
    plan: Plan
    as_of: str
    sentence: str
    overload_before: float
    over_before: int
    over_after: int
    maps: tuple[HeatMap, ...]
    node_count: int
    nodes_without_budget: int
    domains: tuple[DomainRow, ...]
    panels: tuple[tuple[DomainDraw, Markup], ...]
    panels_left_out: int
    waves: tuple[WaveRows, ...]
    moves_left_out: int
    run: Timeline | None
    comparison: Timeline | None
    facts: tuple[tuple[str, str, str], ...]


def build_page(
    snapshot: Snapshot,
    plan: Plan,
    *,
    title: str,
    frames: tuple[DrawFrame, ...] = (),
    comparison: Comparison | None = None,
) -> Page:
    """Compute the page.

    Raises
    ------
    InputError
        When the plan was made from another snapshot.
    """
    draws = add_up(snapshot, plan)
    floor = lay_out(snapshot.topology, snapshot.node_names)
    limits = node_limits(snapshot)
    node_watts = draws.node_mw / 1000
    over = np.where(limits.has_budget, np.maximum(node_watts - limits.watts, 0), 0)
    freed = int(((over[0] > words.HALF_A_MILLIWATT) & (over[-1] <= words.HALF_A_MILLIWATT)).sum())
    panels, panels_left_out = wave_panels(plan, draws)
    waves = _waves(plan, floor, snapshot)
    return Page(
        title=title,
        plan=plan,
        as_of=f"{datetime.fromtimestamp(snapshot.as_of_s, tz=UTC):%Y-%m-%d %H:%M:%S} UTC",
        sentence=words.verdict(plan, freed),
        overload_before=_domain_overload(plan) + float(over[0].sum()),
        over_before=len(words.over_before(plan)) + _many_over(over[0]),
        over_after=len(words.over_after(plan)) + _many_over(over[-1]),
        maps=_maps(floor, plan, draws, limits),
        node_count=len(snapshot.nodes),
        nodes_without_budget=int((~limits.has_budget).sum()),
        domains=_domain_rows(snapshot, plan),
        panels=panels,
        panels_left_out=panels_left_out,
        waves=waves,
        moves_left_out=len(plan.moves) - sum(len(wave.rows) for wave in waves),
        run=_timeline(("This run",), (frames,), snapshot) if frames else None,
        comparison=_comparison(comparison, snapshot),
        facts=comparison.facts if comparison else (),
    )


def _many_over(over: NDArray[np.float64]) -> int:
    return int((over > words.HALF_A_MILLIWATT).sum())


def _domain_overload(plan: Plan) -> float:
    return sum(d.before_watts - (d.budget_watts or 0.0) for d in words.over_before(plan))


def _maps(floor: FloorPlan, plan: Plan, draws: Draws, limits: NodeLimits) -> tuple[HeatMap, ...]:
    domains = {draw.name: draw for draw in plan.domains}
    node_watts = draws.node_mw / 1000
    before = heat_map("Before", floor=floor, domains=domains, after=False, node_watts=node_watts[0], limits=limits)
    after = heat_map("After", floor=floor, domains=domains, after=True, node_watts=node_watts[-1], limits=limits)
    return before, after


def _domain_rows(snapshot: Snapshot, plan: Plan) -> tuple[DomainRow, ...]:
    """Rows from the feeds down; within a kind, the fullest first."""
    rank = {kind: i for i, kind in enumerate(kinds_from_the_top(snapshot.topology))}

    def order(draw: DomainDraw) -> tuple[int, float]:
        fullness = draw.before_watts / draw.budget_watts if draw.budget_watts else 0.0
        return rank.get(draw.kind, len(rank)), -fullness

    fullest = max((order(draw)[1] for draw in plan.domains), key=abs, default=0.0)
    longest = min(max(1.1, -fullest), LONGEST_BAR)
    return tuple(
        DomainRow(
            draw,
            None if draw.budget_watts is None else draw.budget_watts - draw.after_watts,
            words.is_over(draw.before_watts, draw.budget_watts),
            words.is_over(draw.after_watts, draw.budget_watts),
            draw_bar(draw, longest),
        )
        for draw in sorted(plan.domains, key=order)
    )


def _waves(plan: Plan, floor: FloorPlan, snapshot: Snapshot) -> tuple[WaveRows, ...]:
    rack = dict(zip(snapshot.node_names, floor.rack_of, strict=True))
    most = len(plan.moves) if len(plan.moves) <= MOST_MOVES else MOST_MOVES_A_WAVE
    by_wave: dict[int, list[Move]] = {}
    for move in sorted(plan.moves, key=lambda m: m.wave):
        by_wave.setdefault(move.wave, []).append(move)
    return tuple(
        WaveRows(
            number,
            tuple(MoveRow(m, rack.get(m.source, ""), rack.get(m.target, "")) for m in moves[:most]),
            len(moves),
            sum(m.watts for m in moves),
        )
        for number, moves in by_wave.items()
    )


def _comparison(comparison: Comparison | None, snapshot: Snapshot) -> Timeline | None:
    if comparison is None:
        return None
    runs = (comparison.without, comparison.with_powerplane)
    return _timeline(("Without PowerPlane", "With PowerPlane"), runs, snapshot)


def _timeline(columns: tuple[str, ...], runs: tuple[tuple[DrawFrame, ...], ...], snapshot: Snapshot) -> Timeline:
    rows, left_out = time_panels(runs, snapshot.topology)
    by_name = snapshot.topology.by_name
    has_rating = any(name in by_name and by_name[name].breaker for name, _ in rows)
    return Timeline(columns, rows, left_out, has_rating)
