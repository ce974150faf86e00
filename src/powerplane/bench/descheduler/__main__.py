"""``python -m powerplane.bench.descheduler``: a cut of a fifth, PowerPlane beside descheduler, and the page's section.

Outcomes are kept in a file of records, so that ``--only`` measures a part anew and ``--page`` only writes the section.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from powerplane.bench.command import as_command
from powerplane.bench.descheduler.arms import ARMS
from powerplane.bench.descheduler.cells import LEVELS, SIZES, Size, cut, draw_cluster
from powerplane.bench.descheduler.cycles import Runs
from powerplane.bench.descheduler.ours import plan_cell
from powerplane.bench.descheduler.outcome import Outcome, tell
from powerplane.bench.descheduler.page import render_section
from powerplane.bench.machine import load_line, machine_line
from powerplane.bench.sections import put_section
from powerplane.models.errors import UsageError
from powerplane.solver.formulate import formulate

SECTION = "descheduler"
FAMILIES = ("slack", "snug", "constrained")
SEEDS = {300: (1, 2, 3, 4, 5), 1_000: (1, 2, 3, 4, 5), 5_000: (1, 2, 3)}
"""By pods."""


class Records(msgspec.Struct, frozen=True):
    """All outcomes, and when and under which load each cell was measured."""

    conditions: dict[str, str] = msgspec.field(default_factory=dict)
    outcomes: tuple[Outcome, ...] = ()


@as_command
def main(arguments: list[str] | None = None) -> int:
    """Measure from the command line."""
    given = _parser().parse_args(arguments)
    _run(given)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m powerplane.bench.descheduler", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the smallest cells, one seed; seconds")
    parser.add_argument("--only", metavar="NAME", help="cells whose name contains this; the others are kept")
    parser.add_argument("--page", action="store_true", help="write the section from what is kept, and measure nothing")
    parser.add_argument("--seconds", type=float, default=5.0, help="for the solver, on each cell")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/RESULTS.md"), help="the page")
    parser.add_argument("--records", type=Path, default=Path("out/descheduler.json"), help="where outcomes are kept")
    return parser


def _run(given: argparse.Namespace) -> None:
    sizes, families = (SIZES[:1], FAMILIES[:1]) if given.quick else (SIZES, FAMILIES)
    cells = [(family, size) for family in families for size in sizes]
    chosen = [] if given.page else [pair for pair in cells if not given.only or given.only in cell_name(*pair)]
    if not chosen and not given.page:
        raise UsageError(
            f"no cell's name contains {given.only!r}", f"one of: {', '.join(cell_name(*pair) for pair in cells)}"
        )
    old = _read(given.records) if given.only or given.page else Records()
    kept = {_key(one): one for one in old.outcomes}
    conditions = dict(old.conditions)
    for family, size in chosen:
        began, load = time.strftime("%Y-%m-%d %H:%M", time.gmtime()), load_line()
        for seed in SEEDS[size.pods][: 1 if given.quick else None]:
            kept |= {_key(one): one for one in measure(family, size, seed, seconds=given.seconds)}
        ended = f"{time.strftime('%H:%M', time.gmtime())} UTC"
        told = f"{began} to {ended}, {machine_line()}; load {load} before, {load_line()} after"
        conditions[cell_name(family, size)] = told
        _write(given.records, Records(conditions, tuple(kept.values())))
    page = given.out.read_text(encoding="utf-8") if given.out.exists() else "# Results\n"
    order = [cell_name(*pair) for pair in cells]
    shown = [one for one in kept.values() if one.cell in order]
    shown.sort(key=lambda one: (LEVELS.index(one.level), order.index(one.cell), one.seed))
    given.out.write_text(put_section(page, SECTION, render_section(shown, conditions)), encoding="utf-8")
    _say(f"wrote {given.out}")


def measure(family: str, size: Size, seed: int, *, seconds: float) -> Iterator[Outcome]:
    """Cut each kind of domain of one cluster, and yield what each method comes to."""
    snapshot = draw_cluster(family, size, seed)
    named = (cell_name(family, size), seed)
    for level in LEVELS:
        cell = cut(snapshot, size, level, seed)
        formulation = formulate(cell.snapshot)
        outcomes = [plan_cell(cell, formulation, named, seconds=seconds, clock=time.monotonic)]
        for number, arm in enumerate(ARMS):
            story = Runs(cell, formulation, arm, np.random.default_rng([seed, number])).play()
            outcomes.append(tell(cell, formulation, arm, story, named))
        for one in outcomes:
            until = f"{one.seconds:.0f} s" if one.seconds is not None else f"never: {one.why}"
            checked = "checked" if one.checked else f"NOT SOUND: {one.note}"
            _say(f"{one.cell}, {level}, seed {seed}: {one.method}: {one.evictions} evictions, {until}, {checked}")
        yield from outcomes


def cell_name(family: str, size: Size) -> str:
    """Name of a cell, as tables print it."""
    return f"{family}-{size.name}"


def _key(one: Outcome) -> tuple[str, str, int, str]:
    return one.cell, one.level, one.seed, one.method


def _read(path: Path) -> Records:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Records)
    except FileNotFoundError:
        return Records()
    except msgspec.DecodeError as error:
        raise UsageError(f"{path} holds no outcomes: {error}", "remove it, or name another with --records") from error


def _write(path: Path, records: Records) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(records)))


def _say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
