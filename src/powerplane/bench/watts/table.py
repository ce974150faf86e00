"""One table of the results page about watts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WattsTable:
    """What a measurement found.

    Parameters
    ----------
    title : str
    text : str
        What was measured, on which data, with which seeds, and how to read it; Markdown.
    headings : tuple of str
    rows : tuple of tuple of str
        Cells of Markdown, lost ones in bold.
    notes : tuple of str
        What falls short, a sentence each.
    """

    title: str
    text: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
