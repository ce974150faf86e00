"""Child processes: one measurement each, or one command timed from start to exit."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from powerplane.bench.cell_spec import CellSpec
from powerplane.bench.measurement import Measurement
from powerplane.bench.suite import Case, TraceSpec
from powerplane.models.errors import PowerPlaneError

GRACE_SECONDS = 300.0
"""Beyond ten times its limit, a method is taken as hung and killed."""


@dataclass(frozen=True, slots=True)
class Timed:
    """A command's wall-clock seconds, peak memory and exit code."""

    seconds: float
    rss_mib: float
    code: int


def write_cell_apart(directory: Path, spec: CellSpec | TraceSpec, seed: int, data_dir: Path | None) -> None:
    """Write a cell in a child process: memory that this process once held would count as its children's peak.

    Parameters
    ----------
    data_dir : Path or None
        Where the recorded data sets are; needed for a ``TraceSpec`` only.

    Raises
    ------
    PowerPlaneError
        With the generator's own words, when it fails.
    """
    module = "powerplane.bench.cells" if isinstance(spec, CellSpec) else "powerplane.bench.trace_cells"
    more = ("--seed", str(seed)) if isinstance(spec, CellSpec) else ("--data", str(data_dir))
    done = _python(module, str(directory), "--spec", msgspec.json.encode(spec).decode(), *more)
    if done.returncode:
        raise PowerPlaneError(
            f"cell {spec.name}, seed {seed}, cannot be written: {done.stderr.strip()}", "mend the cell's specification"
        )


def measure_apart(directory: Path, case: Case, method: str, seed: int, workers: int = 2) -> Measurement:
    """Run one method on a cell in a child process. What ends without a result is a failure, told as such."""
    given = ("--method", method, "--objective", case.objective, "--seconds", f"{case.seconds:g}")
    failed = Measurement(method=method, objective=case.objective, seed=seed, cell=case.name, status="failed")
    try:
        done = _python(
            "powerplane.bench.measure",
            str(directory),
            *given,
            *("--seed", str(seed), "--workers", str(workers)),
            timeout=10 * case.seconds + GRACE_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        return msgspec.structs.replace(failed, note=f"no answer after {error.timeout:.0f} s")
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return msgspec.structs.replace(failed, note=lines[-1])
    return msgspec.structs.replace(msgspec.json.decode(done.stdout, type=Measurement), cell=case.name)


def time_command(*arguments: str) -> Timed:
    """Run ``powerplane`` with some arguments, output thrown away."""
    began = time.monotonic()
    child = subprocess.Popen(
        [sys.executable, "-m", "powerplane", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return Timed(time.monotonic() - began, usage.ru_maxrss / 1024, child.returncode)


def _python(module: str, *arguments: str, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, timeout=timeout, check=False
    )
