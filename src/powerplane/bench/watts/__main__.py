"""``python -m powerplane.bench.watts``: measure how good the watts are, and write that section of the results page.

Each measurement runs in a process of its own and is kept in ``out/watts``, so that ``--only`` measures a part anew.
"""

import argparse
import os
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import msgspec

from powerplane.bench.command import as_command
from powerplane.bench.machine import load_line, machine_line, version_line
from powerplane.bench.sections import put_section
from powerplane.bench.suite import DATA_VARIABLE
from powerplane.bench.watts.page import render_section
from powerplane.bench.watts.table import WattsTable
from powerplane.models.errors import UsageError

MEASUREMENTS = (
    "nodes",
    "gpu_limits",
    "quantiles",
    "plan_quantiles",
    "admission",
    "forecasts",
    "rounds",
    "simulator_speed",
)
"""Modules of this package with a function ``measure(data) -> WattsTable``, in the order of the page."""

SECTION = "watts"
LIMIT_S = 1800.0
"""For one measurement."""


class Record(msgspec.Struct, frozen=True):
    """One measurement, and the load average before and after it."""

    table: WattsTable
    measured: str
    load: str


@as_command
def main(arguments: list[str] | None = None) -> int:
    """Run the measurements from the command line."""
    given = _parser().parse_args(arguments)
    if given.one:
        _measure_here(given.one, given.data, given.records)
    else:
        _run(given)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m powerplane.bench.watts", description=__doc__)
    parser.add_argument("--only", metavar="NAME", choices=MEASUREMENTS, help="one measurement; the others are kept")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/RESULTS.md"), help="the page")
    parser.add_argument("--records", type=Path, default=Path("out/watts"), help="where measurements are kept")
    parser.add_argument("--data", type=Path, default=_data(), help=f"the recorded data sets; default: {DATA_VARIABLE}")
    parser.add_argument("--one", choices=MEASUREMENTS, help=argparse.SUPPRESS)
    return parser


def _data() -> Path | None:
    named = os.environ.get(DATA_VARIABLE)
    return Path(named) if named else None


def _run(given: argparse.Namespace) -> None:
    if given.data is None or not given.data.is_dir():
        raise UsageError(
            "no recorded data sets to measure on",
            f"give --data DIR, or {DATA_VARIABLE}=DIR; they are not shipped with the project",
        )
    given.records.mkdir(parents=True, exist_ok=True)
    failed = [name for name in (MEASUREMENTS if not given.only else (given.only,)) if not _measure_apart(name, given)]
    records = [_read(given.records / f"{name}.json") for name in MEASUREMENTS]
    known = [record for record in records if record is not None]
    head = (
        ("machine", machine_line()),
        ("software", version_line()),
        *((record.table.title, f"{record.measured}; load averages {record.load}") for record in known),
    )
    left_out = [f"{name} failed" for name in failed]
    page = given.out.read_text(encoding="utf-8") if given.out.exists() else "# Results\n"
    section = render_section([record.table for record in known], head, left_out)
    given.out.write_text(put_section(page, SECTION, section), encoding="utf-8")
    _say(f"wrote {given.out}")
    if failed:
        raise UsageError(f"{', '.join(failed)} did not finish", "read what was printed above, and run it with --only")


def _measure_apart(name: str, given: argparse.Namespace) -> bool:
    _say(f"{name}: measuring")
    command = [sys.executable, "-m", "powerplane.bench.watts", "--one", name, "--data", str(given.data)]
    try:
        done = subprocess.run([*command, "--records", str(given.records)], timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        _say(f"{name}: not done within {LIMIT_S:g} s")
        return False
    return done.returncode == 0


def _measure_here(name: str, data: Path, records: Path) -> None:
    began, load = time.strftime("%Y-%m-%d %H:%M", time.gmtime()), load_line()
    measured: WattsTable = import_module(f"powerplane.bench.watts.{name}").measure(data)
    record = Record(measured, f"{began} to {time.strftime('%H:%M', time.gmtime())} UTC", f"{load}; {load_line()}")
    (records / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(record)))


def _read(path: Path) -> Record | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise UsageError(f"{path} holds no measurement: {error}", "remove it, and measure again") from error


def _say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
