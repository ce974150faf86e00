"""Recorded telemetry of an accelerator as CSV: its limit, its watts and the work done, as DCGM or nvidia-smi log it."""

import csv
from collections.abc import Sequence
from io import StringIO
from math import isfinite, nan
from pathlib import Path
from statistics import mean

from powerplane.adapters.counters_csv import column_place, decoded, field_at
from powerplane.adapters.reading import MAX_FILE_BYTES, read_file
from powerplane.models.errors import InputError
from powerplane.models.watts.gpu_limit import LimitPoint

EXAMPLE = """\
DCGM_FI_DEV_POWER_MGMT_LIMIT,DCGM_FI_DEV_POWER_USAGE,tokens_per_second
400,381.2,2510
300,296.0,2404
"""

LIMIT_COLUMNS = ("limit_watts", "DCGM_FI_DEV_POWER_MGMT_LIMIT", "power.limit [W]", "enforced.power.limit [W]")
WATTS_COLUMNS = ("watts", "DCGM_FI_DEV_POWER_USAGE", "DCGM_FI_DEV_POWER_USAGE_INSTANT", "power.draw [W]")
"""Known names, tried in this order where none is given."""

LIMIT_STEP_WATTS = 1.0
"""Limits are told apart by whole watts: drivers report them with decimals that wander."""


def read_limits(
    path: Path, *, limit: str | None, watts: str | None, throughput: str | None, max_file_bytes: int = MAX_FILE_BYTES
) -> tuple[LimitPoint, ...]:
    """Read the mean watts and throughput at each limit.

    Parameters
    ----------
    path : Path
    limit, watts : str or None
        Columns; the names that DCGM and nvidia-smi use where None.
    throughput : str or None
        Column of work a second; not read where None.

    Returns
    -------
    tuple of LimitPoint
        By rising limit. Rows whose limit is no number are left out; so are figures that are no numbers, or 0 W.

    Raises
    ------
    InputError
        For a file that is missing or no CSV, lacks a column, or has no usable row.
    """
    rows = csv.reader(
        StringIO(decoded(read_file(path, example=EXAMPLE, max_file_bytes=max_file_bytes), path)), strict=True
    )
    try:
        header = [name.strip() for name in next(rows, [])]
        places = [
            column_place(header, limit or _known(header, LIMIT_COLUMNS, "--limit"), path),
            column_place(header, watts or _known(header, WATTS_COLUMNS, "--watts"), path),
        ]
        if throughput is not None:
            places.append(column_place(header, throughput, path))
        figures = [[_figure(field_at(fields, place)) for place in places] for fields in rows if fields]
    except csv.Error as error:
        raise InputError(f"{path} line {rows.line_num} is not CSV: {error}", "mend the line") from error
    by_limit: dict[float, list[list[float]]] = {}
    for row in figures:
        if isfinite(row[0]) and row[0] > 0:
            by_limit.setdefault(round(row[0] / LIMIT_STEP_WATTS) * LIMIT_STEP_WATTS, []).append(row)
    if not by_limit:
        raise InputError(f"{path} has no row with a limit in watts", "give a file such as:\n" + EXAMPLE)
    return tuple(
        LimitPoint(at, _mean([row[1] for row in group]), _mean([row[2] for row in group]) if throughput else nan)
        for at, group in sorted(by_limit.items())
    )


def _known(header: Sequence[str], names: Sequence[str], option: str) -> str:
    found = next((name for name in names if name in header), None)
    if found is None:
        raise InputError(
            f"no column is called {', '.join(names[:-1])} or {names[-1]}", f"name the column: {option} COLUMN"
        )
    return found


def _figure(text: str) -> float:
    """Read a number, with or without the unit that nvidia-smi writes behind it."""
    try:
        return float(text.removesuffix("W").strip())
    except ValueError:
        return nan


def _mean(values: list[float]) -> float:
    usable = [value for value in values if isfinite(value) and value > 0]
    return mean(usable) if usable else nan
