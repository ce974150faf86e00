"""A plan on the terminal: the sentence, the moves, the domains. Names are shown as they are, never as markup."""

import os
from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from powerplane.cli.report import words
from powerplane.cli.report.floor import lay_out
from powerplane.models.plain import printable
from powerplane.models.plan import DomainDraw, Move, NodeDraw, Plan, Status
from powerplane.models.snapshot import Snapshot

MOST_MOVES = 20
MOST_DOMAINS = 40
MOST_NODES = 20
PIPE_WIDTH = 160
MORE = "-o json, or --report"

STATUS_STYLES: dict[Status, str] = {
    "optimal": "bold green",
    "feasible": "bold green",
    "infeasible": "bold red",
    "unknown": "bold yellow",
}

STATE_STYLES = {"measured": "", "held": "yellow", "worst": "bold red"}


def print_plan_table(snapshot: Snapshot, plan: Plan, *, console: Console | None = None) -> None:
    """Print the plan: domains, moves, what stands in its way, and last, where the eye ends, the answer.

    Parameters
    ----------
    snapshot : Snapshot
    plan : Plan
    console : Console, optional
        Standard output by default; without a terminal, wide enough that names need no folding.
    """
    console = console or _stdout()
    console.print(domains_table(plan))
    if plan.nodes:
        console.print(nodes_table(plan))
    if plan.moves:
        console.print(plan_table(plan, snapshot))
    for line in _remarks(plan):
        console.print(line)
    console.print(verdict_line(plan))
    console.print(figures_line(plan))


def figures_line(plan: Plan) -> Text:
    """Return cost, bound, gap, time and seed."""
    cost, bound = (words.amount(value, plan.objective) for value in (plan.cost, plan.bound))
    figures = f"cost {cost} · bound {bound} · gap {words.gap(plan.gap)}"
    return Text(f"{figures} · {words.seconds(plan.seconds)} · seed {plan.seed}", style="dim")


def verdict_line(plan: Plan) -> Text:
    """Return the status and the sentence that answers."""
    return Text.assemble((plan.status, STATUS_STYLES[plan.status]), "  ", printable(words.verdict(plan)))


def plan_table(plan: Plan, snapshot: Snapshot, *, limit: int = MOST_MOVES) -> Table:
    """Return the moves by wave, each node with its rack.

    Parameters
    ----------
    plan : Plan
    snapshot : Snapshot
        For the racks of the nodes.
    limit : int
        Moves to show; a line below counts the others.
    """
    racks = dict(zip(snapshot.node_names, lay_out(snapshot.topology, snapshot.node_names).rack_of, strict=True))
    table = _table()
    table.add_column("wave", justify="right")
    table.add_column("pod", overflow="fold")
    table.add_column("from", overflow="fold")
    table.add_column("to", overflow="fold")
    table.add_column("watts", justify="right", no_wrap=True)
    table.add_column("because of", overflow="fold")
    moves = sorted(plan.moves, key=lambda move: move.wave)
    for move in moves[:limit]:
        table.add_row(*_move_row(move, racks))
    _count_the_rest(table, len(moves) - limit)
    return table


def domains_table(plan: Plan, *, limit: int = MOST_DOMAINS) -> Table:
    """Return the domains: all when few, else those that are over budget, then the fullest; a line below counts others.

    Parameters
    ----------
    plan : Plan
    limit : int
        Domains to show.
    """
    table = _table()
    for heading in ("domain", "kind"):
        table.add_column(heading, overflow="fold")
    for heading in ("budget", "before", "after", "headroom", "share"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("worst case", overflow="fold")
    domains = plan.domains if len(plan.domains) <= limit else sorted(plan.domains, key=_urgency)
    for draw in domains[:limit]:
        table.add_row(*_domain_row(draw))
    _count_the_rest(table, len(domains) - limit)
    return table


def nodes_table(plan: Plan, *, limit: int = MOST_NODES) -> Table:
    """Return what was measured of nodes: all when few, else those first that no good sample speaks for.

    Parameters
    ----------
    plan : Plan
    limit : int
        Nodes to show; a line below counts the others.
    """
    table = _table()
    table.add_column("node", overflow="fold")
    table.add_column("counts as", justify="right", no_wrap=True)
    table.add_column("state")
    table.add_column("measured by", overflow="fold")
    table.add_column("age", justify="right", no_wrap=True)
    table.add_column("what was wrong", overflow="fold")
    nodes = plan.nodes if len(plan.nodes) <= limit else sorted(plan.nodes, key=_doubt)
    for node in nodes[:limit]:
        table.add_row(
            _name(node.name),
            Text(words.watts(node.watts)),
            Text(node.state, style=STATE_STYLES[node.state]),
            _name(node.source or "nobody"),
            Text("" if node.age_seconds is None else words.seconds(node.age_seconds)),
            _name(node.why),
        )
    _count_the_rest(table, len(nodes) - limit)
    return table


def _doubt(node: NodeDraw) -> tuple[int, bool, float]:
    return -("measured", "held", "worst").index(node.state), not node.why, -node.watts


def _stdout() -> Console:
    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    return console


def _remarks(plan: Plan) -> Iterator[Text]:
    """Conflict, pods not placed, nodes that may sleep, assumptions."""
    if plan.conflict:
        yield Text("cannot hold together:", style="bold")
        yield from (_name(f"  {member}") for member in plan.conflict.members)
        for remedy in plan.conflict.remedies:
            yield _name(f"  would make room: {remedy}")
    for pod in plan.unplaced[:MOST_MOVES]:
        yield _name(f"not placed: {pod.namespace}/{pod.pod}: {pod.reason}")
    if (more := len(plan.unplaced) - MOST_MOVES) > 0:
        yield Text(f"… and {more:,} more not placed: {MORE}", style="dim")
    if plan.sleepable:
        yield Text(f"{words.count(len(plan.sleepable), 'node')} may sleep: {MORE}")
    yield from (Text.assemble(("assumed: ", "dim"), _name(text)) for text in plan.assumptions)


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")


def _count_the_rest(table: Table, left_out: int) -> None:
    if left_out > 0:
        table.caption = Text(f"… and {left_out:,} more: {MORE}", style="dim")
        table.caption_justify = "left"


def _move_row(move: Move, racks: dict[str, str]) -> tuple[Text, ...]:
    return (
        Text(str(move.wave)),
        _name(f"{move.namespace}/{move.pod}"),
        _place(move.source, racks),
        _place(move.target, racks),
        Text(words.watts(move.watts)),
        _name(", ".join(move.because)),
    )


def _place(node: str, racks: dict[str, str]) -> Text:
    rack = racks.get(node, "")
    return Text.assemble(_name(node or "waiting"), (f" ({printable(rack)})" if rack else "", "dim"))


def _domain_row(draw: DomainDraw) -> tuple[Text, ...]:
    budget = draw.budget_watts
    return (
        _name(draw.name),
        _name(draw.kind),
        Text("none" if budget is None else words.watts(budget)),
        _watts(draw.before_watts, budget),
        _watts(draw.after_watts, budget),
        Text("" if budget is None else words.watts(budget - draw.after_watts)),
        Text(words.share(draw.after_watts / budget) if budget else ""),
        _name(f"{draw.lost} lost" if draw.lost else ""),
    )


def _watts(draw: float, budget: float | None) -> Text:
    over = words.is_over(draw, budget)
    return Text(f"▲ {words.watts(draw)}" if over else words.watts(draw), style="bold red" if over else "")


def _urgency(draw: DomainDraw) -> tuple[bool, bool, float]:
    budget = draw.budget_watts
    fullness = draw.after_watts / budget if budget else 0.0
    return not words.is_over(draw.after_watts, budget), not words.is_over(draw.before_watts, budget), -fullness


def _name(text: str) -> Text:
    return Text(printable(text))
