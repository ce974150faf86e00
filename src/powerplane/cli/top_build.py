"""From readings to what ``powerplane top`` says: every figure with its budget, its breaker and what it rests on."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from powerplane.cli.top_tree import Order, tree_order
from powerplane.cli.top_view import (
    BreakerView,
    DomainState,
    DomainView,
    LossView,
    NodeView,
    SourceShare,
    StateCount,
    TopView,
)
from powerplane.models.breakers import Breaker
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.telemetry.domains import DomainBook, DomainReading, node_milliwatts, read_domains
from powerplane.models.telemetry.node_readings import NodeReadings, NodeState
from powerplane.simulator.breaker import seconds_to_trip


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of it is asked for.

    Parameters
    ----------
    order : Order
        Of domains, and of the nodes of each.
    nodes : bool
        Whether each node is listed.
    """

    order: Order = "topology"
    nodes: bool = False


def build_view(
    book: DomainBook,
    readings: NodeReadings,
    node_budget_mw: Mapping[str, int],
    wanted: Wanted,
    *,
    notes: tuple[str, ...] = (),
    trouble: str = "",
) -> tuple[TopView, tuple[tuple[str, int], ...]]:
    """Return the view, and the names of its domains in the order in which they are shown, each with its depth.

    Parameters
    ----------
    book : DomainBook
    readings : NodeReadings
        Of the book's nodes.
    node_budget_mw : mapping
        Each node's own budget in milliwatts; a node that is not in it may draw anything.
    wanted : Wanted
    notes : tuple of str
        What was assumed of nodes and domains.
    trouble : str
        Why no source answered.
    """
    rows = read_domains(book, readings)
    tree = tree_order(book.topology, rows, wanted.order)
    by_name = {row.name: row for row in rows}
    node_mw = node_milliwatts(readings).tolist()
    over = [i for i, name in enumerate(readings.nodes) if node_mw[i] > node_budget_mw.get(name, NO_BUDGET)]
    assumed = [i for i in over if readings.state[i] == "worst"]
    parents = {domain.name: domain.parents for domain in book.topology.domains}
    view = TopView(
        at_seconds=readings.at_s,
        draw_watts=sum(node_mw) / 1000,
        node_states=_count(readings.state),
        broken=(*(name for name, _ in tree if by_name[name].is_broken), *(readings.nodes[i] for i in over)),
        broken_by_assumption=(
            *(name for name, _ in tree if by_name[name].is_broken_by_assumption),
            *(readings.nodes[i] for i in assumed),
        ),
        domains=tuple(_domain(by_name[name], parents[name]) for name, _ in tree),
        outside=book.outside,
        found={f"{source}: {reason}": count for (source, reason), count in sorted(readings.found.items())},
        assumptions=notes,
        trouble=trouble,
        nodes=_nodes(book, readings, node_mw, node_budget_mw, wanted.order) if wanted.nodes else None,
    )
    return view, tree


def _domain(row: DomainReading, parents: tuple[str, ...]) -> DomainView:
    headroom = row.headroom_mw
    return DomainView(
        name=row.name,
        kind=row.kind,
        parents=parents,
        state=_state(row),
        budget_watts=_watts(row.budget_mw),
        draw_watts=row.draw_mw / 1000,
        worst_case_watts=row.worst_case_mw / 1000,
        headroom_watts=None if headroom is None else headroom / 1000,
        share=None if headroom is None else row.draw_mw / row.budget_mw,
        if_lost=_loss(row),
        breaker=_breaker(row.breaker, row.draw_mw),
        node_states=StateCount(measured=row.measured, held=row.held, worst=row.worst),
        sources=tuple(
            SourceShare(source=part.source, nodes=part.nodes, watts=part.draw_mw / 1000) for part in row.sources
        ),
        age_seconds=_age(row.age_s),
    )


def _state(row: DomainReading) -> DomainState:
    if row.budget_mw == NO_BUDGET:
        return "no budget"
    if row.is_broken:
        return "broken by assumption" if row.is_broken_by_assumption else "broken"
    return "at risk" if row.breaks_when_lost else "held"


def _loss(row: DomainReading) -> LossView | None:
    if not row.lost:
        return None
    return LossView(
        feed=row.lost,
        draw_watts=row.lost_mw / 1000,
        headroom_watts=None if row.budget_mw == NO_BUDGET else (row.budget_mw - row.lost_mw) / 1000,
        trips_in_seconds=_trip(row.breaker, row.lost_mw),
    )


def _breaker(breaker: Breaker | None, draw_mw: int) -> BreakerView | None:
    if breaker is None:
        return None
    return BreakerView(
        rating_watts=breaker.rating_mw / 1000,
        times_rating=draw_mw / breaker.rating_mw,
        trips_in_seconds=_trip(breaker, draw_mw),
    )


def _trip(breaker: Breaker | None, load_mw: int) -> float | None:
    seconds = math.inf if breaker is None else seconds_to_trip(breaker, load_mw)
    return None if math.isinf(seconds) else seconds


def _nodes(
    book: DomainBook,
    readings: NodeReadings,
    node_mw: Sequence[int],
    budget_mw: Mapping[str, int],
    order: Order,
) -> tuple[NodeView, ...]:
    domain_of = {node: domain.name for domain in book.topology.domains for node in domain.nodes}
    views = [
        NodeView(
            name=name,
            domain=domain_of.get(name, ""),
            state=readings.state[i],
            draw_watts=node_mw[i] / 1000,
            budget_watts=_watts(budget_mw.get(name, NO_BUDGET)),
            source=readings.source[i],
            age_seconds=_age(float(readings.age_s[i])),
            why=readings.why[i],
        )
        for i, name in enumerate(readings.nodes)
    ]
    return tuple(sorted(views, key=lambda node: _node_key(node, order)))


def _node_key(node: NodeView, order: Order) -> tuple[float, str]:
    if order == "headroom":
        return (math.inf if node.budget_watts is None else node.budget_watts - node.draw_watts, node.name)
    return (-node.draw_watts if order == "draw" else 0, node.name if order == "name" else "")


def _count(states: Sequence[NodeState]) -> StateCount:
    return StateCount(measured=states.count("measured"), held=states.count("held"), worst=states.count("worst"))


def _watts(budget_mw: int) -> float | None:
    return None if budget_mw == NO_BUDGET else budget_mw / 1000


def _age(age_s: float) -> float | None:
    return age_s if math.isfinite(age_s) else None
