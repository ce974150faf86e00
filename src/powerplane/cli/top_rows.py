"""The rows of ``powerplane top``: domains with their nodes, and which of them are shown where they do not all fit."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from powerplane.cli.top_view import DomainView, NodeView, TopView

Tree = Sequence[tuple[str, int]]
"""Names of domains with their depth, in the order of the rows."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: a domain, or one of its nodes.

    Parameters
    ----------
    item : DomainView or NodeView
    depth : int
    parent : int
        Row that it stands under; -1 for none.
    past : sequence of float
        Watts of the last rounds.
    """

    item: DomainView | NodeView
    depth: int
    parent: int
    past: Sequence[float] = ()


def list_rows(view: TopView, tree: Tree, history: Mapping[str, Sequence[float]]) -> list[Row]:
    """Return all rows in order: each domain, and below it its nodes where they are listed; last, nodes in none."""
    by_name = {domain.name: domain for domain in view.domains}
    nodes: dict[str, list[NodeView]] = defaultdict(list)
    for node in view.nodes or ():
        nodes[node.domain].append(node)
    rows: list[Row] = []
    path: list[int] = []
    for name, depth in tree:
        here = len(rows)
        path = [*path[:depth], here]
        rows.append(Row(by_name[name], depth, path[depth - 1] if depth else -1, history.get(name, ())))
        rows += [Row(node, depth + 1, here) for node in nodes.get(name, ())]
    return rows + [Row(node, 0, -1) for node in nodes.get("", ())]


def most_pressing(rows: Sequence[Row], room: int) -> list[Row]:
    """Choose rows that fit: the most pressing first, each with what it hangs in; they keep their order."""
    if len(rows) <= room:
        return list(rows)
    kept: set[int] = set()
    for i in sorted(range(len(rows)), key=lambda i: _urgency(rows[i])):
        chain = _with_ancestors(rows, i) - kept
        if len(kept) + len(chain) <= room:
            kept |= chain
    return [rows[i] for i in sorted(kept)]


def _with_ancestors(rows: Sequence[Row], i: int) -> set[int]:
    chain = set()
    while i >= 0:
        chain.add(i)
        i = rows[i].parent
    return chain


def _urgency(row: Row) -> tuple[int, int, float]:
    """Broken first, then what the loss of a feed breaks, then by depth, so that feeds stay in sight, then by share."""
    item = row.item
    share = item.draw_watts / item.budget_watts if item.budget_watts else 0.0
    if isinstance(item, NodeView):
        return (0 if share > 1 else 3, row.depth, -share)
    rank = 0 if "broken" in item.state else 1 if item.state == "at risk" else 2
    return (rank, row.depth if rank else 0, -share)
