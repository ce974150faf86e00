"""The section of the results page about watts: a table a measurement, as Markdown."""

from collections.abc import Sequence

from powerplane.bench.page import table
from powerplane.bench.watts.table import WattsTable

INTRODUCTION = """\
## Watts

Written by `python -m powerplane.bench.watts`, each table by a process of its own; each says what is bold.
"""


def render_table(measured: WattsTable) -> str:
    """Return one table with its title, text and notes."""
    notes = ["", *(f"- {note}" for note in measured.notes)] if measured.notes else []
    parts = [f"### {measured.title}", "", measured.text.strip(), "", table(measured.headings, measured.rows), *notes]
    return "\n".join(parts) + "\n"


def render_section(tables: Sequence[WattsTable], head: Sequence[tuple[str, str]], skipped: Sequence[str] = ()) -> str:
    """Return the whole section.

    Parameters
    ----------
    tables : sequence of WattsTable
    head : sequence of (str, str)
        What was measured on, when and under which load.
    skipped : sequence of str
        What was left out and why, a sentence each.
    """
    lines = [f"- {name}: {line}" for name, line in head] + [f"- left out: {sentence}" for sentence in skipped]
    return "\n".join([INTRODUCTION, *lines, "", *(render_table(each) for each in tables)])
