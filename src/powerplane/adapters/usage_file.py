"""usage.csv: what pods were measured to use."""

import csv
from collections.abc import Iterator
from io import StringIO
from sys import intern

from powerplane.models.errors import InputError
from powerplane.models.quantities import MICRO, MILLI, shown
from powerplane.models.usage import UsageRow, parse_use

COLUMNS = ("namespace", "pod", "cpu_cores", "accelerator_watts")


def parse_usage(data: bytes, source: str = "usage.csv") -> Iterator[UsageRow]:
    """Read rows of use.

    Parameters
    ----------
    data : bytes
        UTF-8 CSV with the header ``namespace,pod,cpu_cores,accelerator_watts``. An empty accelerator_watts means that
        it was not measured.

    Raises
    ------
    InputError
        For a wrong header, a wrong number of fields, and figures that cannot be used, with the line.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{source} is not UTF-8 text (byte {error.start})", "save it as UTF-8") from error
    lines = csv.reader(StringIO(text, newline=""), strict=True)
    try:
        header = tuple(next(lines, ()))
        if header != COLUMNS:
            raise InputError(
                f"{source} begins with {shown(','.join(header))}", f"let its first line be {','.join(COLUMNS)}"
            )
        for fields in lines:
            if fields:
                yield _row(fields, f"{source} line {lines.line_num}")
    except csv.Error as error:
        raise InputError(f"{source} line {lines.line_num} is not CSV: {error}", "mend the line") from error


def _row(fields: list[str], origin: str) -> UsageRow:
    if len(fields) != len(COLUMNS):
        raise InputError(
            f"{origin} has {len(fields)} fields, not {len(COLUMNS)}", f"write {','.join(COLUMNS)} on every line"
        )
    namespace, pod, cores, watts = fields
    column = "cpu_cores"
    try:
        use_ucores = parse_use(cores, MICRO)
        column = "accelerator_watts"
        accelerator_mw = parse_use(watts, MILLI) if watts.strip() else None
    except InputError as error:
        raise InputError(
            f"{origin}, pod {namespace}/{pod}: {column}: {error.problem}", "correct the figure, or leave the row out"
        ) from error
    return UsageRow(intern(namespace), pod, use_ucores, accelerator_mw, origin)
