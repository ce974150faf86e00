"""The demo: a row of racks loses a feed in a heat wave, once without PowerPlane and once with it."""

import time
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from powerplane.cli.demo_facts import Fact, conclude, find_facts, went_well
from powerplane.cli.demo_live import Stage, play, tell_lines
from powerplane.cli.demo_words import clock, opening, planning
from powerplane.cli.exit_codes import OK, OVERLOADED
from powerplane.cli.progress import progress
from powerplane.cli.report import write_report
from powerplane.models.errors import UsageError
from powerplane.models.frames import Comparison
from powerplane.models.plan import Plan
from powerplane.models.snapshot import Snapshot
from powerplane.recommender.planning import make_plan
from powerplane.simulator.run import simulate
from powerplane.simulator.story import HOT_ROW, heat_wave_story

DEADLINE_S = 6.0
"""Wall-clock seconds for the plan: less than the scenario grants, so that a live run could keep its pace."""

TITLE = "PowerPlane demo: a feed is lost in a heat wave"
REPORT_NAME = "powerplane-demo.html"


def run_demo(*, out: Path, seed: int, speed: float, no_live: bool, console: Console) -> int:
    """Run the demo and write its report.

    Parameters
    ----------
    out : Path
        The report's file, or a directory for it.
    seed : int
        Chooses the cluster.
    speed : float
        Simulated seconds per second, on a terminal.
    no_live : bool
        Tell the runs in lines, also on a terminal.
    console : Console

    Returns
    -------
    int
        ``OK`` when the plan passed its check, was carried out whole and every budget held; ``OVERLOADED`` otherwise.

    Raises
    ------
    UsageError
        For a negative seed, or a directory that does not exist.
    PowerPlaneError
        When the plan fails its check, or the report cannot be written.
    """
    path = _report_path(out)
    if seed < 0:
        raise UsageError(f"--seed is {seed}, which is negative", "give 0 or more")
    story = heat_wave_story(seed)
    _tell(console, opening(story))
    snapshot = story.snapshot_at(story.seen_at_s)
    plan = _plan(snapshot, seed)
    _tell(console, planning(story, plan))
    with progress("simulating"):
        stage = Stage(story, simulate(story), simulate(story, plan))
    _show(stage, console, speed, live=console.is_terminal and not no_live)
    facts = find_facts(story, HOT_ROW, stage.alone, stage.guarded)
    console.print(_table(facts))
    console.print(conclude(HOT_ROW, plan, stage.alone, stage.guarded), style="bold", highlight=False)
    comparison = Comparison(stage.alone.frames(), stage.guarded.frames(), facts)
    write_report(path, snapshot, plan, title=TITLE, comparison=comparison)
    console.print(f"Report: {escape(str(path))}", soft_wrap=True, highlight=False)
    return OK if went_well(plan, stage.guarded) else OVERLOADED


def _report_path(out: Path) -> Path:
    """Where the report goes; told at once when it cannot go there, not after the show."""
    path = out / REPORT_NAME if out.is_dir() else out
    if not path.parent.is_dir():
        raise UsageError(f"--out is {str(out)!r}, and {str(path.parent)!r} is no directory", "give one that exists")
    return path


def _plan(snapshot: Snapshot, seed: int) -> Plan:
    began = time.monotonic()
    with progress("planning") as say:
        return make_plan(
            snapshot,
            objective="disruption",
            deadline_s=DEADLINE_S,
            seed=seed,
            say=say,
            clock=lambda: time.monotonic() - began,
        )


def _tell(console: Console, sentences: Iterable[tuple[int, str]]) -> None:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="right", width=5)
    grid.add_column(overflow="fold")
    for second, sentence in sentences:
        grid.add_row(clock(second), escape(sentence))
    console.print(grid)


def _show(stage: Stage, console: Console, speed: float, *, live: bool) -> None:
    if live:
        play(stage, console, speed)
        return
    for line in tell_lines(stage):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _table(facts: tuple[Fact, ...]) -> Table:
    table = Table(title="What came of it")
    for heading in ("", "without PowerPlane", "with PowerPlane"):
        table.add_column(heading)
    for fact in facts:
        table.add_row(*(escape(cell) for cell in fact))
    return table
