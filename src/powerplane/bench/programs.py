"""Whole programs, from start to exit: what a user waits for, imports and reading and checking included."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from powerplane.bench.cell_spec import cell
from powerplane.bench.processes import Timed, measure_apart, time_command, write_cell_apart
from powerplane.bench.suite import LARGE, MEDIUM, Case

HELP_RUNS = 5
Row = tuple[str, ...]


def program_rows(*, quick: bool, say: Callable[[str], None]) -> tuple[Row, ...]:
    """Time ``powerplane --help``, the reading of snapshots, and whole plans.

    Returns
    -------
    tuple of (program, wall seconds, peak MiB, exit code)
    """
    say("programs: --help")
    rows = [_help_row()]
    for size, deadline in ((MEDIUM, "10s"),) if quick else ((MEDIUM, "10s"), (LARGE, "30s")):
        say(f"programs: {size[0]} pods on {size[1]} nodes")
        rows += _cell_rows(*size, deadline)
    return tuple(rows)


def _help_row() -> Row:
    runs = [time_command("--help") for _ in range(HELP_RUNS)]
    middle = Timed(median(run.seconds for run in runs), max(run.rss_mib for run in runs), max(run.code for run in runs))
    return _row(f"powerplane --help (median of {HELP_RUNS})", middle)


def _cell_rows(pods: int, nodes: int, deadline: str) -> list[Row]:
    spec = cell("slack", pods, nodes)
    with tempfile.TemporaryDirectory(prefix="powerplane-cell-") as directory:
        write_cell_apart(Path(directory), spec, 1, None)
        built = measure_apart(Path(directory), Case(spec, "disruption", 60.0, ("snapshot",)), "snapshot", 1)
        planned = time_command("plan", "--snapshot", directory, "--deadline", deadline, "-o", "json")
    return [
        (f"snapshot of {spec.name}, read", f"{built.snapshot_seconds:.2f}", f"{built.snapshot_rss_mib:.0f}", "–"),
        (f"problem of {spec.name}, stated", f"{built.formulate_seconds:.2f}", f"{built.rss_mib:.0f}", "–"),
        _row(f"powerplane plan, {spec.name}, --deadline {deadline}", planned),
    ]


def _row(name: str, timed: Timed) -> Row:
    return name, f"{timed.seconds:.2f}", f"{timed.rss_mib:.0f}", str(timed.code)
