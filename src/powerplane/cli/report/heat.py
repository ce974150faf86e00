"""The heat map: every domain and node coloured by its share of what it may draw, at one moment."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from powerplane.cli.report import words
from powerplane.cli.report.floor import FloorPlan
from powerplane.cli.report.svg import element, picture
from powerplane.models.plan import DomainDraw
from powerplane.models.snapshot import NO_BUDGET, Snapshot

STEPS = (0.5, 0.7, 0.8, 0.9, 0.95)
"""Shares at which the colour changes; finest where the headroom ends."""

LEGEND = ("below 50 %", "50 to 70 %", "70 to 80 %", "80 to 90 %", "90 to 95 %", "95 to 100 %")
OVER, NONE = "over", "none"

ROOMY_NODES = 100
"""Up to this many nodes, each is drawn large enough to carry its figure."""

MOST_NODES = 1500
"""Beyond this many nodes, each rack shows how many of its nodes are in each colour instead of every node."""


@dataclass(frozen=True, slots=True)
class Heat:
    """One coloured cell: its class, its figures, and a sentence with both."""

    name: str
    shade: str
    watts: str
    share: str
    excess: str
    sentence: str


@dataclass(frozen=True, slots=True)
class RackCell:
    """A rack and the drawing of its nodes."""

    heat: Heat
    nodes: Markup


@dataclass(frozen=True, slots=True)
class HeatMap:
    """The power tree at one moment.

    Parameters
    ----------
    moment : str
    levels : tuple of (kind, cells)
    bands : tuple of (heads, racks)
    """

    moment: str
    summary: str
    levels: tuple[tuple[str, tuple[Heat, ...]], ...]
    bands: tuple[tuple[tuple[Heat, ...], tuple[RackCell, ...]], ...]


@dataclass(frozen=True, slots=True, eq=False)
class NodeLimits:
    """What each node's colour is a share of: its budget, or its curve's peak where it has none (watts)."""

    names: tuple[str, ...]
    watts: NDArray[np.float64]
    has_budget: NDArray[np.bool_]


def node_limits(snapshot: Snapshot) -> NodeLimits:
    """Collect the nodes' budgets and peaks."""
    has_budget = snapshot.node_budget_mw != NO_BUDGET
    peaks = np.array([curve.peak_mw for curve in snapshot.node_curve], dtype=np.int64)
    return NodeLimits(snapshot.node_names, np.where(has_budget, snapshot.node_budget_mw, peaks) / 1000, has_budget)


def shade(share: float) -> str:
    """Class of a share of up to 1: ``h0`` to ``h5``."""
    return f"h{sum(share >= step for step in STEPS)}"


def domain_heat(name: str, draw: float, budget: float | None, lost: str = "") -> Heat:
    """Colour a domain by its share of its budget, both in watts; without a budget it has no colour."""
    situation = f" with {lost} lost" if lost else ""
    if budget is None:
        text = f"{name}: {words.watts(draw)}{situation}, no budget"
        return Heat(name, NONE, words.watts(draw), "no budget", "", text)
    over = words.is_over(draw, budget)
    part = words.share(draw / budget) if budget > 0 else "—"
    text = f"{name}: {words.watts(draw)} of {words.watts(budget)}{situation}, {part}"
    excess = f"+{words.watts(draw - budget)}" if over else ""
    colour = OVER if over else shade(draw / budget if budget > 0 else 1.0)
    return Heat(name, colour, words.watts(draw), part, excess, text)


def heat_map(
    moment: str,
    *,
    floor: FloorPlan,
    domains: dict[str, DomainDraw],
    after: bool,
    node_watts: NDArray[np.float64],
    limits: NodeLimits,
) -> HeatMap:
    """Draw the power tree at one moment; domains that the plan does not list are shown without figures."""

    def cell(name: str) -> Heat:
        draw = domains.get(name)
        if draw is None:
            return Heat(name, NONE, "", "not in the plan", "", f"{name}: not in the plan")
        return domain_heat(name, draw.after_watts if after else draw.before_watts, draw.budget_watts, draw.lost)

    draw_nodes = _node_drawing(len(node_watts))
    nodes_of = floor.nodes_of
    levels = tuple((kind, tuple(cell(name) for name in names)) for kind, names in floor.levels)
    bands = tuple(
        (
            tuple(cell(head) for head in band.heads),
            tuple(RackCell(cell(rack), draw_nodes(rack, nodes_of[rack], node_watts, limits)) for rack in band.racks),
        )
        for band in floor.bands
    )
    cells = [*(c for _, level in levels for c in level), *(r.heat for _, racks in bands for r in racks)]
    return HeatMap(moment, _summary(cells), levels, bands)


def _summary(cells: list[Heat]) -> str:
    over = sum(cell.shade == OVER for cell in cells)
    return f"{over:,} over budget" if over else "none over budget"


Drawing = Callable[[str, list[int], NDArray[np.float64], NodeLimits], Markup]


def _node_drawing(node_count: int) -> Drawing:
    if node_count > MOST_NODES:
        return draw_shares
    return draw_figures if node_count <= ROOMY_NODES else draw_squares


def draw_figures(rack: str, nodes: list[int], node_watts: NDArray[np.float64], limits: NodeLimits) -> Markup:
    """Draw each node as a box with its share in it."""
    return _grid(rack, nodes, node_watts, limits, columns=4, size=(40.0, 20.0), figures=True)


def draw_squares(rack: str, nodes: list[int], node_watts: NDArray[np.float64], limits: NodeLimits) -> Markup:
    """Draw each node as a small square."""
    columns = max(10, ceil((len(nodes) * 2.5) ** 0.5))
    return _grid(rack, nodes, node_watts, limits, columns=columns, size=(11.0, 11.0), figures=False)


def draw_shares(rack: str, nodes: list[int], node_watts: NDArray[np.float64], limits: NodeLimits) -> Markup:
    """Draw how many of a rack's nodes are in each colour, as one strip."""
    shades = [_node_shade(node_watts[node], limits.watts[node], bool(limits.has_budget[node])) for node in nodes]
    parts, x = [], 0.0
    for name in (*(f"h{i}" for i in range(len(LEGEND))), OVER):
        width = 100 * shades.count(name) / len(nodes)
        if width:
            parts.append(element("rect", x=x, y=0, width=width, height=8, class_=name))
        x += width
    return picture(f"Nodes of {rack}", _in_words(shades), 100, 8, *parts, class_="shares")


def _grid(
    rack: str,
    nodes: list[int],
    node_watts: NDArray[np.float64],
    limits: NodeLimits,
    *,
    columns: int,
    size: tuple[float, float],
    figures: bool,
) -> Markup:
    width, height = size
    lines = max(1, ceil(len(nodes) / columns))
    columns = max(1, ceil(len(nodes) / lines))  # so that the last line is nearly as long as the others
    parts, shades = [], []
    for i, node in enumerate(nodes):
        x, y = (i % columns) * (width + 2) + 1, (i // columns) * (height + 2) + 1
        draw = float(node_watts[node])
        shades.append(_node_shade(draw, float(limits.watts[node]), bool(limits.has_budget[node])))
        parts.append(_node(node, draw, limits, shades[-1], box=(x, y, width, height), figures=figures))
    box = (columns * (width + 2), lines * (height + 2))
    kind = "nodes figures" if figures else "nodes"
    return picture(f"Nodes of {rack}", _in_words(shades), *box, *parts, class_=kind)


def _node(
    node: int, draw: float, limits: NodeLimits, colour: str, *, box: tuple[float, float, float, float], figures: bool
) -> Markup:
    x, y, width, height = box
    limit = float(limits.watts[node])
    part = words.share(draw / limit) if limit > 0 else "—"
    of = "of" if limits.has_budget[node] else "of a peak of"
    title = element("title", f"{limits.names[node]}: {words.watts(draw)} {of} {words.watts(limit)}, {part}")
    shapes = [element("rect", title, x=x, y=y, width=width, height=height, class_=colour)]
    if figures:
        shapes.append(element("text", part, x=x + width / 2, y=y + height / 2 + 3.5, class_=f"on-{colour}"))
    elif colour == OVER:
        shapes.append(
            element(
                "path",
                d=f"M{x + 2:g} {y + height - 2:g}h{width - 4:g}l{2 - width / 2:g}-{height - 4:g}z",
                class_="mark",
            )
        )
    return Markup().join(shapes)


def _node_shade(draw: float, limit: float, has_budget: bool) -> str:
    if has_budget and words.is_over(draw, limit):
        return OVER
    return shade(draw / limit if limit > 0 else 1.0)


def _in_words(shades: list[str]) -> str:
    names = {f"h{i}": text for i, text in enumerate(LEGEND)} | {OVER: "over budget"}
    parts = [f"{shades.count(key)} {text}" for key, text in names.items() if key in shades]
    return f"{words.count(len(shades), 'node')}: {', '.join(parts)}"
