"""``python -m powerplane.bench.llm_day``: a day under several policies and numbers of servers, for the page."""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from powerplane.bench.command import as_command
from powerplane.bench.llm_day.curves import render_curves
from powerplane.bench.llm_day.day import FIRST_TRIP, read_day, tokens_a_second, write_day
from powerplane.bench.llm_day.page import render_section
from powerplane.bench.llm_day.served import DAYS, Served, run_day
from powerplane.bench.machine import load_line, machine_line
from powerplane.bench.sections import put_section
from powerplane.recommender.planning import planner_of
from powerplane.simulator.planning import Planner

SECTION = "llm-day"
PER_RACK = (6, 8, 10, 12)
SHOWN = ("none", "static", "by-hand", "throttle", "plan+throttle", "operate", "operate+throttle")
PLAN_S = 0.5


class Records(msgspec.Struct, frozen=True):
    """All days, and when and on what they were run."""

    conditions: str = ""
    days: tuple[Served, ...] = ()


@as_command
def main(arguments: list[str] | None = None) -> int:
    """Run from the command line."""
    given = _parser().parse_args(arguments)
    _run(given)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m powerplane.bench.llm_day", description=__doc__)
    data = Path(os.environ.get("POWERPLANE_DATA", "."))
    parser.add_argument("--data", type=Path, default=data, help="directory with azure-llm/; $POWERPLANE_DATA")
    parser.add_argument("--per-rack", type=int, nargs="+", default=list(PER_RACK), help="servers in a rack")
    parser.add_argument("--policy", choices=DAYS, nargs="+", default=list(SHOWN))
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument(
        "--scenario", type=Path, help="only write the scenarios there, for powerplane simulate --report"
    )
    parser.add_argument("--curves", type=Path, help="directory for the days' curves, a picture for each size and seed")
    parser.add_argument("--page", action="store_true", help="write the section from what is kept, and run nothing")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/RESULTS.md"), help="the page")
    parser.add_argument("--records", type=Path, default=Path("out/llm-day.json"), help="where days are kept")
    return parser


def _run(given: argparse.Namespace) -> None:
    if given.scenario is not None:
        for per_rack in given.per_rack:
            _say(f"wrote {write_day(given.scenario, given.data, per_rack, given.seed[0], given.hours)}")
        return
    old = msgspec.json.decode(given.records.read_bytes(), type=Records) if given.records.exists() else Records()
    kept = {_key(day): day for day in old.days}
    conditions, began = old.conditions, time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    for per_rack in [] if given.page else given.per_rack:
        for seed in given.seed:
            for policy in given.policy:
                day = _day(given, per_rack, seed, policy)
                kept[_key(day)] = day
                conditions = f"Last run began {began} UTC, {machine_line()}; load {load_line()} at its end."
                given.records.parent.mkdir(parents=True, exist_ok=True)
                given.records.write_bytes(msgspec.json.encode(Records(conditions, tuple(kept.values()))))
    if given.curves is not None:
        _draw(given.curves, kept.values())
    page = given.out.read_text(encoding="utf-8") if given.out.exists() else "# Results\n"
    section = render_section(tuple(kept.values()), conditions)
    given.out.write_text(put_section(page, SECTION, section), encoding="utf-8")


def _day(given: argparse.Namespace, per_rack: int, seed: int, policy: str) -> Served:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        study = read_day(write_day(directory, given.data, per_rack, seed, given.hours))
        day, _ = run_day(study, policy, planner(seed), directory, tokens_a_second(given.data))
    _say(f"{day.servers} servers, {policy}, seed {seed}: {day.trips} trips, {time.monotonic() - began:.0f} s")
    return day


def _draw(directory: Path, days: Iterable[Served]) -> None:
    alike: dict[tuple[int, int], list[Served]] = {}
    for day in days:
        alike.setdefault((day.servers, day.seed), []).append(day)
    directory.mkdir(parents=True, exist_ok=True)
    for (servers, seed), drawn in sorted(alike.items()):
        path = directory / f"llm-day-{servers}-{seed}.svg"
        path.write_text(render_curves(drawn, FIRST_TRIP), encoding="utf-8")
        _say(f"wrote {path}")


def planner(seed: int) -> Planner:
    """Return PowerPlane's planner, with half a second for each plan; what the checker refuses is no plan."""
    return planner_of(seed, PLAN_S, _say)


def _key(day: Served) -> tuple[int, int, str]:
    return day.servers, day.seed, day.policy


def _say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
