"""``powerplane top`` on a screen: the domains as an indented tree, and as many of them as fit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import wrap

from rich import box
from rich.console import Group, OverflowMethod, RenderableType
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
FAIR, SHORTEST = 19, 10
"""Columns that names and sources should have each before something is spared, and at the least."""
MAY_BE_SPARED = 2
"""Columns of the table that are dropped later than that are worth more than long names."""
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
        taken = sum(max(1, len(wrap(line.plain, screen.width))) for line in (head, *said))
        room = max(FEWEST_ROWS, screen.height - FRAME_LINES - taken)
    return Group(head, domains_table(screen, room), *said)


def domains_table(screen: Screen, room: int | None = None) -> Table:
    """Return the table of at most ``room`` rows: where they do not fit, the most pressing and what they hang in."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")
    rows = list_rows(screen.view, screen.tree, screen.history)
    shown = rows if room is None else most_pressing(rows, room)
    columns = _fitting(_columns(screen, shown), screen.width)
    # On a screen of a fixed height a line is a line; elsewhere nothing is cut off.
    overflow: OverflowMethod = "fold" if screen.height is None else "ellipsis"
    for column, width in zip(columns, _widths(columns, screen.width), strict=True):
        table.add_column(
            column.heading,
            justify="right" if column.is_figures else "left",
            width=width,
            no_wrap=screen.height is not None,
            overflow=overflow,
        )
    for i in range(len(shown)):
        table.add_row(*(column.cells[i] for column in columns))
    if len(shown) < len(rows):
        left_out = words.count(len(rows) - len(shown), "row")
        table.caption = Text(f"… and {left_out} more: --once shows all", style="dim")
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
    item, bar = [row.item for row in rows], BAR_WIDTH if screen.width >= MEDIUM else SHORT_BAR
    columns = [
        Column(DOMAIN, [cells.name(row) for row in rows]),
        Column("draw", [cells.draw(row) for row in rows], is_figures=True),
        Column("budget", [cells.amount(each.budget_watts) for each in item], is_figures=True, drop=1),
        Column("headroom", [cells.headroom(row) for row in rows], is_figures=True),
        Column("share", [cells.share(row, bar) for row in rows], drop=2),
        Column("last rounds", [Text(cells.sparkline(row.past), style="cyan") for row in rows], drop=4),
        Column("with a feed lost", [cells.loss(row) for row in rows], drop=3),
        Column("breaker", [cells.breaker(row) for row in rows], drop=5),
    ]
    spoken = [column for column in columns if not column.drop or any(cell.plain for cell in column.cells)]
    return [
        *spoken,
        Column(SOURCES, [cells.source(row) for row in rows]),
        Column("age", [cells.age(row) for row in rows], is_figures=True),
    ]


def _fitting(columns: list[Column], width: int) -> list[Column]:
    """Leave columns out, those that the remarks make up for first, until names and sources have room."""
    while droppable := [column for column in columns if column.drop]:
        last = max(droppable, key=lambda column: column.drop)
        least = FAIR if last.drop > MAY_BE_SPARED else SHORTEST
        if _needed(columns, least) <= width:
            break
        columns = [column for column in columns if column is not last]
    return columns


def _needed(columns: list[Column], least: int) -> int:
    flexible = (DOMAIN, SOURCES)
    each = [min(column.width, least) if column.heading in flexible else column.width for column in columns]
    return EDGES + sum(each) + GAP * (len(columns) - 1)


def _widths(columns: list[Column], width: int) -> list[int]:
    """Figures whole; names and sources share what is left."""
    needed = {column.heading: column.width for column in columns}
    figures = sum(size for heading, size in needed.items() if heading not in (DOMAIN, SOURCES))
    left = width - EDGES - GAP * (len(columns) - 1) - figures
    needed[DOMAIN] = max(SHORTEST, min(needed[DOMAIN], max(left // 2, left - needed[SOURCES])))
    needed[SOURCES] = max(SHORTEST, min(needed[SOURCES], left - needed[DOMAIN]))
    return list(needed.values())
