"""Recorded counters and watts as CSV: one row a sample, columns named by whoever reads them."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from math import isnan, nan
from pathlib import Path

import numpy as np

from powerplane.adapters.reading import MAX_FILE_BYTES, read_file
from powerplane.models.errors import InputError
from powerplane.models.quantities import shown
from powerplane.models.telemetry.readings import Floats
from powerplane.models.timestamps import parse_seconds
from powerplane.models.watts.samples import NodeSamples

EXAMPLE = """\
timestamp,cpu_seconds,instructions,watts
1695115663,1.32,2.1e9,190
"""

TICKS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
"""Numbers of time from which on they are nanoseconds, microseconds, milliseconds since 1970."""


RATE = re.compile(r"rate\(\s*(.+?)\s*\)")
"""How a column that counts up is asked for."""


@dataclass(frozen=True, slots=True)
class CsvColumns:
    """Which columns mean what.

    Parameters
    ----------
    watts : str
    counters : tuple of str
        What the watts are explained by, the utilisation first. ``rate(NAME)`` is the rise a second of a column that
        counts up.
    time : str
        Unix time in seconds, or a moment such as ``2026-05-01T12:00:00Z``.
    node, node_type : str
        Columns that tell nodes and their types apart; where the file has them.
    """

    watts: str
    counters: tuple[str, ...]
    time: str = "timestamp"
    node: str = "node"
    node_type: str = "node_type"


def read_counters(path: Path, columns: CsvColumns, *, max_file_bytes: int = MAX_FILE_BYTES) -> dict[str, NodeSamples]:
    """Read the samples of each node type.

    Parameters
    ----------
    path : Path
    columns : CsvColumns
    max_file_bytes : int

    Returns
    -------
    dict of NodeSamples
        By the value of the type's column; by the file's name where there is no such column. A field that is no
        number is NaN.

    Raises
    ------
    InputError
        For a file that is missing or no CSV, lacks a column that was named, or has no rows.
    """
    data = read_file(path, example=EXAMPLE, max_file_bytes=max_file_bytes)
    rows = csv.reader(StringIO(decoded(data, path), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(rows, [])]
        rates = [RATE.fullmatch(name) for name in columns.counters]
        names = [found[1] if found else name for found, name in zip(rates, columns.counters, strict=True)]
        wanted = [columns.time, columns.watts, *names]
        places = [column_place(header, name, path) for name in wanted]
        groups = [header.index(name) if name in header else None for name in (columns.node_type, columns.node)]
        series = _series(rows, places, groups, path.stem)
    except csv.Error as error:
        raise InputError(f"{path} line {rows.line_num} is not CSV: {error}", "mend the line") from error
    if not series:
        raise InputError(f"{path} has no rows", "give a file with samples below its header")
    by_type: dict[str, list[NodeSamples]] = {}
    for (node_type, _), values in series.items():
        table = np.array(values, dtype=np.float64)
        table[:, 0] = _seconds(table[:, 0])
        table = table[np.argsort(table[:, 0], kind="stable")]
        for place, found in enumerate(rates, start=2):
            if found:
                table[:, place] = _risen(table[:, 0], table[:, place])
        by_type.setdefault(node_type, []).append(NodeSamples.of_series(table[:, 0], table[:, 2:], table[:, 1]))
    return {node_type: NodeSamples.joined(parts) for node_type, parts in by_type.items()}


def decoded(data: bytes, path: Path) -> str:
    """Return a file's text.

    Raises
    ------
    InputError
        When it is not UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start})", "save it as UTF-8") from error


def column_place(header: Sequence[str], name: str, path: Path) -> int:
    """Return where a column stands.

    Raises
    ------
    InputError
        When there is none of that name, or more than one.
    """
    if header.count(name) != 1:
        found = ", ".join(shown(column) for column in header[:20]) or "nothing"
        many = "no column" if name not in header else "more than one column"
        raise InputError(f"{path} has {many} {name!r}", f"name one of its columns: {found}")
    return header.index(name)


def _series(
    rows: Iterator[list[str]], places: list[int], groups: list[int | None], alone: str
) -> dict[tuple[str, str], list[list[float]]]:
    """Figures of each (type, node); a row that is too short counts as one without numbers."""
    found: dict[tuple[str, str], list[list[float]]] = {}
    for fields in rows:
        if fields:
            node_type, node = (field_at(fields, place) if place is not None else "" for place in groups)
            figures = [_time(field_at(fields, places[0])), *(_number(field_at(fields, place)) for place in places[1:])]
            found.setdefault((node_type or alone, node), []).append(figures)
    return found


def field_at(fields: Sequence[str], place: int) -> str:
    """Return a field without blanks; "" where the row ends before it."""
    return fields[place].strip() if place < len(fields) else ""


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return nan


def _time(text: str) -> float:
    seconds = _number(text)
    if not isnan(seconds) or not text:
        return seconds
    try:
        return float(parse_seconds(text))
    except InputError:
        return nan


def _seconds(times: Floats) -> Floats:
    """Unix time in seconds, whatever it was counted in."""
    finite = times[np.isfinite(times)]
    middle = float(np.median(finite)) if len(finite) else 0.0
    divisor = next((divisor for least, divisor in TICKS if middle > least), 1.0)
    return times / divisor


def _risen(at_s: Floats, values: Floats) -> Floats:
    """Rise a second since the row before, in order of time; NaN for the first row and where it fell (a restart)."""
    seconds, rise = np.diff(at_s, prepend=np.nan), np.diff(values, prepend=np.nan)
    usable = (seconds > 0) & (rise >= 0)
    rates: Floats = np.divide(rise, seconds, out=np.full(len(values), nan), where=usable)
    return rates
