"""``powerplane top`` on a screen: the domains as an indented tree, and as many of them as fit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from powerplane.cli import top_cells as cells
from powerplane.cli.report import words
from powerplane.cli.top_remarks import headline, remarks
from powerplane.cli.top_rows import Row, Tree, list_rows, most_pressing
from powerplane.cli.top_view import TopView

BAR_WIDTH, SHORT_BAR = 14, 6
MEDIUM = 130
"""Columns from which the bar is a long one."""
FRAME_LINES = 6
"""Of a screen's lines, those that are neither rows nor words: heading, rule, blanks, what is left out, the cursor's."""
FEWEST_ROWS = 5
EDGES, GAP = 2, 2
"""Columns beside the table, and between its columns."""
FAIR_NAME, FAIR_SOURCES, SHORTEST = 22, 16, 8
"""Columns that a domain's name and its sources should have before others are left out; and at the very least."""
DOMAIN, SOURCES = "domain", "measured by"


@dataclass(frozen=True, slots=True)
class Screen:
    """What is to be shown, and where.

    Parameters
    ----------
    view : TopView
    tree : Tree
    width : int
        Columns of the screen.
    height : int or None
        Its lines; None where it may be as long as it likes.
    history : dict
        Draws of the last rounds in watts, by domain; empty: no column for them.
    """

    view: TopView
    tree: Tree
    width: int
    height: int | None = None
    history: Mapping[str, Sequence[float]] = field(default_factory=dict)


def render(screen: Screen) -> RenderableType:
    """Return the whole screen: headline, table, and what has to be said in words, last, where the eye ends."""
    head, said = headline(screen.view), remarks(screen.view)
    room = None
    if screen.height is not None:
        taken = sum(-(-line.cell_len // screen.width) for line in (head, *said))
        room = max(FEWEST_ROWS, screen.height - FRAME_LINES - taken)
    return Group(head, domains_table(screen, room), *said)


def domains_table(screen: Screen, room: int | None = None) -> Table:
    """Return the table of at most ``room`` rows: where they do not fit, the most pressing and what they hang in."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")
    rows = list_rows(screen.view, screen.tree, screen.history)
    shown = rows if room is None else most_pressing(rows, room)
    columns = _fitting(_columns(screen, shown), screen.width)
    for column, width in zip(columns, _widths(columns, screen.width), strict=True):
        table.add_column(
            column.heading,
            justify="right" if column.is_figures else "left",
            width=width,
            no_wrap=screen.height is not None,
            overflow="ellipsis",
        )
    for i in range(len(shown)):
        table.add_row(*(column.cells[i] for column in columns))
    if len(shown) < len(rows):
        left_out = words.count(len(rows) - len(shown), "row")
        table.caption = Text(f"… and {left_out} more, under less pressure: enlarge the window, or --once", style="dim")
        table.caption_justify = "left"
    return table


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table.

    Parameters
    ----------
    heading : str
    cells : list of Text
    is_figures : bool
        Aligned right, and never cut.
    drop : int
        On a screen that is too narrow the column with the highest goes first; 0 stays.
    """

    heading: str
    cells: list[Text]
    is_figures: bool = False
    drop: int = 0

    @property
    def width(self) -> int:
        """Columns of the screen that it needs."""
        return max(len(self.heading), *(cell.cell_len for cell in self.cells), 0)


def _columns(screen: Screen, rows: Sequence[Row]) -> list[Column]:
    """All columns that have something to say; of the last two, the sources give way before the age does."""
    item = [row.item for row in rows]
    columns = [
        Column(DOMAIN, [cells.name(row) for row in rows]),
        Column("draw", [cells.draw(row) for row in rows], is_figures=True),
        Column("budget", [cells.amount(each.budget_watts) for each in item], is_figures=True),
        Column("headroom", [cells.headroom(row) for row in rows], is_figures=True),
        Column("share", [cells.share(row, BAR_WIDTH if screen.width >= MEDIUM else SHORT_BAR) for row in rows]),
        Column("last rounds", [Text(cells.sparkline(row.past), style="cyan") for row in rows], drop=2),
        Column("with a feed lost", [cells.loss(row) for row in rows], drop=1),
        Column("breaker", [cells.breaker(row) for row in rows], drop=3),
    ]
    spoken = [column for column in columns if not column.drop or any(cell.plain for cell in column.cells)]
    return [
        *spoken,
        Column(SOURCES, [cells.source(row) for row in rows]),
        Column("age", [cells.age(row) for row in rows], is_figures=True),
    ]


def _fitting(columns: list[Column], width: int) -> list[Column]:
    """Leave columns out, those that the remarks make up for first, until names and sources have room."""
    while (droppable := [column for column in columns if column.drop]) and _needed(columns) > width:
        last = max(droppable, key=lambda column: column.drop)
        columns = [column for column in columns if column is not last]
    return columns


def _needed(columns: list[Column]) -> int:
    least = {DOMAIN: FAIR_NAME, SOURCES: FAIR_SOURCES}
    return EDGES + sum(min(column.width, least.get(column.heading, column.width)) + GAP for column in columns) - GAP


def _widths(columns: list[Column], width: int) -> list[int]:
    """Figures whole; names and sources share what is left."""
    needed = {column.heading: column.width for column in columns}
    figures = sum(size for heading, size in needed.items() if heading not in (DOMAIN, SOURCES))
    left = width - EDGES - GAP * (len(columns) - 1) - figures
    needed[DOMAIN] = max(SHORTEST, min(needed[DOMAIN], max(left // 2, left - needed[SOURCES])))
    needed[SOURCES] = max(SHORTEST, min(needed[SOURCES], left - needed[DOMAIN]))
    return list(needed.values())
