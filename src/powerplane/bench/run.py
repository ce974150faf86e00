"""``python -m powerplane.bench.run``: run the suite, each run in a process of its own, and write the results page.

Runs are kept one by one in a file of records, so that ``--only`` can measure a part anew and the page still shows all.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from powerplane.bench.command import as_command
from powerplane.bench.machine import load_line, machine_line, version_line
from powerplane.bench.measurement import Measurement
from powerplane.bench.page import Page, render
from powerplane.bench.processes import measure_apart, write_cell_apart
from powerplane.bench.programs import program_rows
from powerplane.bench.sections import with_sections_of
from powerplane.bench.suite import DATA_VARIABLE, Case, TraceSpec, choose, full_suite, quick_suite, standard_suite
from powerplane.models.errors import UsageError

OTHERS = ("webhook-latency", "webhook-create-rate", "webhook-controller-rate", "watts", "descheduler", "llm-day")
"""Sections of the page that other commands write."""

RunKey = tuple[str, str, int]
"""Cell, method and seed."""


class Records(msgspec.Struct, frozen=True):
    """All runs of a page, and the conditions that they were measured under."""

    head: tuple[tuple[str, str], ...] = ()
    runs: tuple[Measurement, ...] = ()
    programs: tuple[tuple[str, ...], ...] = ()


@as_command
def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark from the command line."""
    given = _parser().parse_args(arguments)
    _run(given)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m powerplane.bench.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few seeds of the small cells; a few minutes")
    parser.add_argument("--full", action="store_true", help="every family at every size; about two hours")
    parser.add_argument("--only", metavar="NAME", help="cells whose name contains this; 'programs' for whole programs")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/RESULTS.md"), help="the page")
    parser.add_argument("--records", type=Path, default=Path("out/bench.json"), help="where runs are kept")
    parser.add_argument("--data", type=Path, help=f"the recorded data sets; default: {DATA_VARIABLE}")
    parser.add_argument("--workers", type=int, default=2, help="threads that PowerPlane may use")
    parser.add_argument("--list", action="store_true", help="name the cells and stop")
    return parser


def _run(given: argparse.Namespace) -> None:
    suite = quick_suite() if given.quick else full_suite() if given.full else standard_suite()
    if given.list:
        sys.stdout.writelines(f"{case.name}\n" for case in suite)
        return
    chosen, programs = choose(suite, given.only), not given.only or given.only == "programs"
    if not chosen and not programs:
        raise UsageError(f"no cell's name contains {given.only!r}", "see the names with --list")
    data_dir, skipped = _data(given.data, chosen)
    old = _read(given.records) if given.only else Records()
    began, load = time.strftime("%Y-%m-%d %H:%M", time.gmtime()), load_line()

    def keep(runs: dict[RunKey, Measurement], rows: tuple[tuple[str, ...], ...]) -> None:
        """Write records and page, also half-way: hours of runs should not hang on the last."""
        head = (
            ("machine", machine_line()),
            ("software", version_line()),
            ("measured", f"{began} to {time.strftime('%H:%M', time.gmtime())} UTC"),
            ("load averages before and after", f"{load}; {load_line()}"),
        )
        records = Records(head, tuple(runs.values()), rows)
        _write(given.records, msgspec.json.format(msgspec.json.encode(records)))
        page = render(Page(head, suite, records.runs, rows, skipped))
        _write(given.out, with_sections_of(page, given.out, OTHERS).encode())

    runs: dict[RunKey, Measurement] = {(run.cell, run.method, run.seed): run for run in old.runs}
    for case in chosen:
        if isinstance(case.spec, TraceSpec) and data_dir is None:
            continue
        runs |= {(run.cell, run.method, run.seed): run for run in _measure_case(case, data_dir, given.workers)}
        keep(runs, old.programs)
    keep(runs, program_rows(quick=given.quick, say=_say) if programs else old.programs)
    _say(f"wrote {given.out}")


def _measure_case(case: Case, data_dir: Path | None, workers: int) -> Iterator[Measurement]:
    for seed in case.seeds:
        with tempfile.TemporaryDirectory(prefix="powerplane-cell-") as directory:
            _say(f"{case.name}, seed {seed}: writing the cell")
            write_cell_apart(Path(directory), case.spec, seed, data_dir)
            for method in case.methods:
                run = measure_apart(Path(directory), case, method, seed, workers)
                told = f"cost {run.cost:.3f}, overload {run.overload_watts:.1f} W, {run.solve_seconds:.2f} s {run.note}"
                _say(f"{case.name}, seed {seed}: {method}: {run.status}, {told}")
                yield run


def _data(named: Path | None, cases: tuple[Case, ...]) -> tuple[Path | None, tuple[str, ...]]:
    """Find the recorded data sets, and say by name what cannot be run without them."""
    variable = os.environ.get(DATA_VARIABLE)
    data_dir = named or (Path(variable) if variable else None)
    if data_dir and (data_dir / "openb").is_dir():
        return data_dir, ()
    missing = [case.name for case in cases if isinstance(case.spec, TraceSpec)]
    where = f"give --data DIR or {DATA_VARIABLE}=DIR with openb/ in it"
    skipped = tuple(f"{name}: the trace is not shipped with the project; {where}." for name in missing)
    for sentence in skipped:
        _say(f"skipped: {sentence}")
    return None, skipped


def _read(path: Path) -> Records:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Records)
    except FileNotFoundError:
        return Records()
    except msgspec.DecodeError as error:
        raise UsageError(
            f"{path} holds no records of runs: {error}", "remove it, or name another with --records"
        ) from error


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
