"""What forecasts learn from: the watts of every node over the last weeks, from Prometheus or a recording."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from powerplane.adapters.telemetry.following import Opened
from powerplane.adapters.telemetry.prometheus_source import PrometheusSource
from powerplane.adapters.telemetry.unanswered import no_answer
from powerplane.models.demand.forecast import STALE_S
from powerplane.models.demand.node_history import Mask, NodeHistory, believed, complete, thawed, whole_watts
from powerplane.models.errors import InputError
from powerplane.models.telemetry.coverage import with_told_aliases
from powerplane.models.telemetry.facts import NodeFacts
from powerplane.models.telemetry.metrics import SCRAPED
from powerplane.models.telemetry.node_names import NodeNames
from powerplane.models.telemetry.precedence import GPU_SOURCES, NODE_USE_SOURCES, PART_SOURCES, WALL_SOURCES
from powerplane.models.telemetry.readings import Floats, Meaning, Quantity, SeriesBlock
from powerplane.models.watts.from_history import ENOUGH, Grid, choose_watts, tabulate

USUAL_STEP_S, LEAST_STEP_S = 900.0, 60.0
FEWEST_STEPS = 96
"""Steps that a history is parted into at the least, unless its samples are farther apart."""

MOST_AHEAD = 96
"""Steps ahead at the most: beyond, steps grow."""

NAMES_WINDOW_S = 300.0
NAMES = tuple(row for row in SCRAPED if row.metric in ("kube_node_info", "node_uname_info"))
"""What tells names of nodes; all that is asked of the present."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Every node's history, and who measured it.

    Parameters
    ----------
    nodes : NodeHistory
    sources : tuple of str
        Of each node; "" for none.
    """

    nodes: NodeHistory
    sources: tuple[str, ...]


Say = Callable[[str], None]
"""Told what is being read."""

Ask = Callable[[Meaning], SeriesBlock | None]


def choose_step(span_s: float, ahead_s: float, spacing_s: float) -> float:
    """Seconds of a step: a quarter of an hour, less for a short history, more to look far ahead.

    Parameters
    ----------
    span_s : float
        Of the history.
    ahead_s : float
    spacing_s : float
        Between samples: no step is shorter.
    """
    return max(min(USUAL_STEP_S, span_s / FEWEST_STEPS, ahead_s / 2), ahead_s / MOST_AHEAD, spacing_s)


def read_history(opened: Opened, facts: Sequence[NodeFacts], history_s: float, ahead_s: float, say: Say) -> Found:
    """Read what all nodes drew.

    Raises
    ------
    UnreachableError
        When a question has no answer.
    InputError
        When no node has a sample that can be believed.
    """
    if opened.moments:
        ask, grid, told = _recorded(opened, facts, history_s, ahead_s)
    else:
        ask, grid, told = _live(opened, facts, history_s, ahead_s, say)
    names = [node.name for node in told]
    match = NodeNames({node.name: node.aliases for node in told}).match
    tables, chosen = _Tables(ask, names, grid, match), [""] * len(told)
    by_source = _by_source(tables, told)
    if by_source:
        chosen, watts = choose_watts(_alive(by_source, grid.step_s), len(told))
    if not any(chosen):
        raise InputError(
            f"{opened.where} has no watts in that history of any of {len(told):,} nodes that can be believed",
            "see what is there and what is missing: powerplane doctor",
        )
    return Found(complete(watts, told, float(grid.at_s[-1]), grid.step_s), tuple(chosen))


def read_cores(opened: Opened, facts: Sequence[NodeFacts], history_s: float, ahead_s: float, say: Say) -> Floats:
    """Read CPU in use on all nodes, the system's own included, on the grid of ``read_history``, shape (N, T).

    Raises
    ------
    UnreachableError
        When a question has no answer.
    """
    asked = _recorded(opened, facts, history_s, ahead_s) if opened.moments else None
    ask, grid, told = asked or _live(opened, facts, history_s, ahead_s, say)
    match = NodeNames({node.name: node.aliases for node in told}).match
    tables = _Tables(ask, [node.name for node in told], grid, match)
    found = np.full((len(told), grid.count), np.nan)
    for source in NODE_USE_SOURCES:
        cores = tables.total("node cpu cores", (source,))
        found = np.where(np.isfinite(found), found, cores)
        if np.isfinite(found).mean() >= ENOUGH:
            break
    return found


@dataclass(slots=True)
class _Tables:
    """Quantities of all nodes on one grid."""

    ask: Ask
    names: list[str]
    grid: Grid
    match: Callable[[str], str]

    def total(self, quantity: Quantity, sources: tuple[str, ...]) -> Floats:
        rows = [row for source in sources for row in SCRAPED if row.source == source and row.quantity == quantity]
        answers = [self.ask(row) for row in rows]
        return tabulate([block for block in answers if block is not None], self.names, self.grid, self.match).total


def _by_source(tables: _Tables, facts: Sequence[NodeFacts]) -> dict[str, Floats]:
    """Whole nodes by each source, walls first; no more sources than it takes to cover every node."""
    found: dict[str, Floats] = {}
    step_s = tables.grid.step_s

    def add(source: str, watts: Floats) -> bool:
        sound = believed(watts, facts)
        if np.isfinite(sound).any():
            found[source] = sound
        enough = np.isfinite(sound).sum(axis=1) >= ENOUGH * tables.grid.count
        return bool((enough & _is_recent(sound, step_s)).all())

    for source in WALL_SOURCES:
        if add(source, thawed(tables.total("node watts", (source,)), step_s)):
            return found
    cards = tables.total("gpu watts", GPU_SOURCES)
    for source in PART_SOURCES:
        packages = tables.total("cpu watts", (source,))
        if np.isfinite(packages).any():
            memory = tables.total("dram watts", (source,))
            if add(source, whole_watts(packages, memory, cards, facts)):
                break
    return found


def _is_recent(watts: Floats, step_s: float) -> Mask:
    """Whether each node has a sample that still counts."""
    return np.asarray(np.isfinite(watts[:, -1 - int(STALE_S // step_s) :]).any(axis=1), dtype=np.bool_)


def _alive(tables: dict[str, Floats], step_s: float) -> dict[str, Floats]:
    """Leave out of each source the nodes that it tells no more, where another still does."""
    recent = {source: _is_recent(watts, step_s) for source, watts in tables.items()}
    any_recent = np.array(list(recent.values())).any(axis=0)
    return {
        source: np.where((any_recent & ~recent[source])[:, None], np.nan, watts) for source, watts in tables.items()
    }


def _live(
    opened: Opened, facts: Sequence[NodeFacts], history_s: float, ahead_s: float, say: Say
) -> tuple[Ask, Grid, tuple[NodeFacts, ...]]:
    """A Prometheus, asked at equal steps up to now."""
    source = opened.source
    assert isinstance(source, PrometheusSource)
    say("reading what nodes are called")
    answers = source.read(time.time(), NAMES_WINDOW_S)
    errors = [answer.error for answer in answers if answer.error]
    if errors and len(errors) == len(answers):
        raise no_answer(opened, errors[0])
    # By the server's own clock: ours may be ahead of its samples.
    now_s = float(int(answers[0].evaluated_s))
    grid = _grid(now_s, history_s, choose_step(history_s, ahead_s, LEAST_STEP_S))

    def ask(meaning: Meaning) -> SeriesBlock:
        say(f"reading the history of {meaning.metric}")
        return source.history(meaning, grid.start_s, now_s, grid.step_s)

    return ask, grid, with_told_aliases(facts, answers)


def _recorded(
    opened: Opened, facts: Sequence[NodeFacts], history_s: float, ahead_s: float
) -> tuple[Ask, Grid, tuple[NodeFacts, ...]]:
    """A recording: its samples within the history, up to its last moment."""
    last_s = opened.moments[-1]
    moments = [at_s for at_s in opened.moments if at_s >= last_s - history_s]
    spaced = np.diff(moments)
    spacing_s = float(np.median(spaced)) if len(spaced) else LEAST_STEP_S
    span_s = min(history_s, max(moments[-1] - moments[0], spacing_s))
    answers = opened.source.read(last_s, history_s)
    blocks = {block.meaning: block for answer in answers for block in answer.blocks}
    return blocks.get, _grid(last_s, span_s, choose_step(span_s, ahead_s, spacing_s)), with_told_aliases(facts, answers)


def _grid(end_s: float, span_s: float, step_s: float) -> Grid:
    count = int(span_s / step_s + 1e-9) + 1
    return Grid(end_s - (count - 1) * step_s, step_s, count)
