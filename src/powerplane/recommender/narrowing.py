"""The snapshot as a plan may see it: what must not be touched is pinned and closed, and growth ahead is held back.

The solver plans, and the checker checks, on this very snapshot; so that whatever a plan moves, it may move.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from powerplane.models.draws import node_draws_mw, row_draws_mw
from powerplane.models.incidence import compile_incidence
from powerplane.models.objects import Node, NodeSpec
from powerplane.models.snapshot import NO_BUDGET, Snapshot
from powerplane.models.topology import PowerDomain, PowerTopology
from powerplane.recommender.allowing import Leave, only_allowed
from powerplane.recommender.trees import NO_ROOTS, Trees

BUSY = "its power tree is being planned for, or rests"
"""Why a pod stays where it is."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a plan must leave alone.

    Parameters
    ----------
    busy : set of str
        Roots of trees in which nothing is moved.
    untold : set of str
        Domains of which too little is measured: they may draw no more than now.
    growth_mw : mapping
        By domain: what it will draw more by the time that help could come.
    """

    busy: Set[str] = frozenset()
    untold: Set[str] = frozenset()
    growth_mw: Mapping[str, int] = field(default_factory=dict)


def narrowed(snapshot: Snapshot, leaves: Iterable[Leave | None], trees: Trees, limits: Limits) -> Snapshot:
    """Return the snapshot that is to be solved.

    Parameters
    ----------
    snapshot : Snapshot
        On measured watts.
    leaves : iterable of Leave or None
        By whom the pods of each template may be moved.
    trees : Trees
    limits : Limits
    """
    allowed = only_allowed(replace(snapshot, nodes=tuple(map(_open_if_ready, snapshot.nodes))), leaves)
    closed = np.array([bool(trees.of_node.get(name, NO_ROOTS) & limits.busy) for name in snapshot.node_names])
    shut = _shut(allowed, closed) if closed.any() else allowed
    return replace(shut, topology=_budgets(shut, trees, limits))


def overload_mw(snapshot: Snapshot) -> int:
    """Milliwatts above budgets, each domain at its worst row, nodes with budgets of their own too."""
    nodes = node_draws_mw(snapshot)
    over = int(np.maximum(nodes - snapshot.node_budget_mw, 0).sum())
    return over + sum(
        max(0, draw - domain.budget_mw)
        for domain, draw in zip(snapshot.topology.domains, _worst_rows(snapshot, nodes), strict=True)
    )


def worst_mw(snapshot: Snapshot) -> list[int]:
    """Milliwatts that each domain draws in its worst situation, in the topology's order."""
    return _worst_rows(snapshot, node_draws_mw(snapshot))


def _shut(snapshot: Snapshot, closed: NDArray[np.bool_]) -> Snapshot:
    """Put nothing on some nodes, and take nothing off them."""
    pods = snapshot.pods
    bound = pods.node >= 0
    on_closed = np.zeros(len(pods), dtype=np.bool_)
    on_closed[bound] = closed[pods.node[bound]]
    templates, number, template = list(snapshot.templates), dict[int, int](), pods.template.copy()
    for row in np.flatnonzero(on_closed).tolist():
        old = int(pods.template[row])
        if old not in number:
            number[old] = len(templates)
            templates.append(replace(templates[old], unmovable=templates[old].unmovable or BUSY))
        template[row] = number[old]
    return replace(
        snapshot,
        nodes=tuple(cordoned(node) if shut else node for node, shut in zip(snapshot.nodes, closed, strict=True)),
        node_budget_mw=np.where(closed, NO_BUDGET, snapshot.node_budget_mw),
        templates=tuple(templates),
        pods=replace(pods, template=template),
    )


def _open_if_ready(node: Node) -> Node:
    """Close a node whose kubelet does not report: its taint may come later than its condition."""
    silent = any(each.type == "Ready" and each.status != "True" for each in node.status.conditions or ())
    return cordoned(node) if silent else node


def cordoned(node: Node) -> Node:
    """Return a node that takes no pods."""
    spec: NodeSpec = msgspec.structs.replace(node.spec, unschedulable=True)
    return msgspec.structs.replace(node, spec=spec)


def _budgets(snapshot: Snapshot, trees: Trees, limits: Limits) -> PowerTopology:
    draws = _worst_rows(snapshot, node_draws_mw(snapshot)) if limits.untold else [0] * len(snapshot.topology.domains)

    def budget_mw(domain: PowerDomain, draw_mw: int) -> int:
        if domain.budget_mw == NO_BUDGET or trees.of_domain[domain.name] & limits.busy:
            return NO_BUDGET
        if domain.name in limits.untold:
            return max(domain.budget_mw, draw_mw)
        return max(0, domain.budget_mw - limits.growth_mw.get(domain.name, 0))

    domains = snapshot.topology.domains
    return PowerTopology(
        tuple(replace(domain, budget_mw=budget_mw(domain, mw)) for domain, mw in zip(domains, draws, strict=True))
    )


def _worst_rows(snapshot: Snapshot, node_mw: NDArray[np.int64]) -> list[int]:
    """Draw of each domain in its worst situation, in the topology's order."""
    incidence = compile_incidence(snapshot.topology, snapshot.node_names)
    worst: dict[str, int] = {}
    for name, mw in zip(incidence.domain, row_draws_mw(incidence, node_mw).tolist(), strict=True):
        worst[name] = max(worst.get(name, 0), mw)
    return [worst.get(domain.name, 0) for domain in snapshot.topology.domains]
