"""The cells of ``powerplane top``: figures with their units, and marks that can be seen without colour, too."""

from collections.abc import Sequence

from rich.text import Text

from powerplane.cli.report import words
from powerplane.cli.top_remarks import STYLES, span
from powerplane.cli.top_rows import Row
from powerplane.cli.top_view import DomainView, NodeView
from powerplane.models.plain import printable
from powerplane.models.telemetry.domains import WORST

NEARLY_FULL = 0.95
LEVELS = "▁▂▃▄▅▆▇█"
LEAST_SPAN = 0.05
STATE_STYLES = {"measured": "", "held": "yellow", "worst": "bold magenta"}


def sparkline(values: Sequence[float]) -> str:
    """Draw values as a line of blocks, from the lowest of them to the highest.

    The scale spans a twentieth of the highest at the least, so that a meter's noise does not look like a swing.
    """
    low, high = min(values, default=0.0), max(values, default=0.0)
    spare = max(LEAST_SPAN * high - (high - low), 0.0)
    low, span_ = low - spare / 2, high - low + spare
    if span_ <= 0:
        return LEVELS[0] * len(values)
    return "".join(LEVELS[round((value - low) / span_ * (len(LEVELS) - 1))] for value in values)


def name(row: Row) -> Text:
    """Name, and the kind where the name does not say it, indented by the depth."""
    indent, item = "  " * row.depth, row.item
    if isinstance(item, NodeView):
        return Text.assemble(indent, (printable(item.name), "dim"))
    kind = "" if item.kind in item.name else f" {printable(item.kind)}"
    return Text.assemble(indent, printable(item.name), (kind, "dim"))


def draw(row: Row) -> Text:
    """What it draws; a mark where that is above the budget."""
    item = row.item
    over = words.is_over(item.draw_watts, item.budget_watts)
    return Text(f"▲ {words.watts(item.draw_watts)}" if over else words.watts(item.draw_watts), _style(row))


def headroom(row: Row) -> Text:
    """Budget less draw; nothing without a budget."""
    item = row.item
    return amount(None if item.budget_watts is None else item.budget_watts - item.draw_watts, "")


def share(row: Row, width: int) -> Text:
    """Draw over budget: a bar of ``width`` columns, and the figure."""
    item = row.item
    if not item.budget_watts:
        return Text()
    share = item.draw_watts / item.budget_watts
    full = min(round(share * width), width)
    return Text.assemble(("█" * full, _style(row)), ("░" * (width - full), "dim"), f" {words.share(share):>6}")


def _style(row: Row) -> str:
    item = row.item
    share = item.draw_watts / item.budget_watts if item.budget_watts else 0.0
    if isinstance(item, DomainView) and item.state != "held":
        return STYLES[item.state]
    return STYLES["broken"] if share > 1 else "yellow" if share > NEARLY_FULL else "green" if share else ""


def loss(row: Row) -> Text:
    """What it would draw with a feed lost, and which; a mark where that breaks its budget."""
    loss = None if isinstance(row.item, NodeView) else row.item.if_lost
    if loss is None:
        return Text()
    over = loss.headroom_watts is not None and loss.headroom_watts < 0
    mark, style = ("△ ", STYLES["at risk"]) if over else ("", "")
    return Text.assemble((f"{mark}{words.watts(loss.draw_watts)}", style), (f" ({printable(loss.feed)})", "dim"))


def breaker(row: Row) -> Text:
    """How long its breaker would bear what it draws now."""
    breaker = None if isinstance(row.item, NodeView) else row.item.breaker
    if breaker is None:
        return Text()
    if breaker.trips_in_seconds is None:
        return Text("bears it", style="dim")
    return Text(f"trips in {words.seconds(breaker.trips_in_seconds)}", style=STYLES["broken"])


def source(row: Row) -> Text:
    """Who measured it: of a domain, how many nodes each source, what is only assumed first."""
    item = row.item
    if isinstance(item, NodeView):
        source = "worst case" if item.state == "worst" else item.source + (", held" if item.state == "held" else "")
        why = f" ({item.why})" if item.why else ""
        return Text.assemble((printable(source), STATE_STYLES[item.state]), (printable(why), "dim"))
    # What is assumed comes first: it must not be what a narrow screen cuts off.
    parts = [
        ("worst case" if part.source == WORST else printable(part.source), part.nodes, part.source == WORST)
        for part in sorted(item.sources, key=lambda part: part.source != WORST)
    ]
    text = Text(", ").join(
        Text(f"{name} {nodes}", STATE_STYLES["worst"] if worst else "") for name, nodes, worst in parts
    )
    return text.append(f" ({item.node_states.held} held)", "yellow") if item.node_states.held else text


def age(row: Row) -> Text:
    """Of the oldest sample that it rests on."""
    age_s = row.item.age_seconds
    return Text("" if age_s is None else span(age_s))


def amount(watts: float | None, without: str = "none") -> Text:
    """Watts with their unit; ``without`` where there are none."""
    return Text(without if watts is None else words.watts(watts))
