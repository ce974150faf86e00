"""A running simulation as a planner sees it: a snapshot of what is where, with watts as sensors said."""

from dataclasses import replace
from hashlib import sha256

import numpy as np

from powerplane.models.curves import PowerCurve
from powerplane.models.objects import DisruptionBudgetStatus, Node, NodeSpec, PodDisruptionBudget
from powerplane.models.snapshot import NO_BUDGET, PodTable, Snapshot
from powerplane.models.topology import PowerDomain, PowerTopology
from powerplane.simulator.breaker import derate
from powerplane.simulator.observing import Observer
from powerplane.simulator.pods import Phase
from powerplane.simulator.power import surviving
from powerplane.simulator.world import World

LEAST_UCORES = 1000
"""Use of a pod of which nothing has been seen yet, where its template tells nothing either."""


def seen_snapshot(world: World, observer: Observer, margin: float = 0.0) -> Snapshot:
    """Return the cluster as sensors and the API show it now; nodes without power are not in it.

    Parameters
    ----------
    world : World
    observer : Observer
    margin : float
        Share of each budget to leave free.
    """
    base = world.spec.base
    lit = world.supply.lit
    rows = np.flatnonzero(lit)
    number = np.full(len(lit), -1, dtype=np.int32)
    number[rows] = np.arange(len(rows))
    nodes = tuple(_node(base.nodes[row], ready=bool(world.ready[row])) for row in rows.tolist())
    pods = _pods(world, observer, number)
    lines = [*sorted(node.metadata.name for node in nodes), *pods.uids, *(str(n) for n in pods.node.tolist())]
    return replace(
        base,
        digest=sha256("\n".join(lines).encode()).hexdigest()[:16],
        as_of_s=base.as_of_s + int(world.now_s),
        nodes=nodes,
        allocatable=base.allocatable[rows],
        node_curve=_curves(world, observer, rows.tolist()),
        node_budget_mw=base.node_budget_mw[rows],
        topology=_topology(world, 1.0 - margin),
        pods=pods,
        disruption_budgets=tuple(_allowed(world, budget) for budget in base.disruption_budgets),
    )


def _node(node: Node, *, ready: bool) -> Node:
    if ready:
        return node
    return Node(metadata=node.metadata, spec=NodeSpec(unschedulable=True, taints=node.spec.taints), status=node.status)


def _pods(world: World, observer: Observer, number: "np.typing.NDArray[np.int32]") -> PodTable:
    table, base = world.pods, world.spec.base
    rows = table.rows(Phase.STARTING, Phase.RUNNING)
    rows = rows[number[table.node[rows]] >= 0]
    names = [table.name_and_uid(row) for row in rows.tolist()]
    template = table.template[rows]
    seen = observer.pod_cores[rows]
    expected = np.maximum(world.demand.cores[template], LEAST_UCORES / 1e6)
    use = np.where(seen > 0, seen, expected)
    return PodTable(
        namespaces=tuple(base.templates[t].namespace for t in template.tolist()),
        names=tuple(name for name, _ in names),
        uids=tuple(uid for _, uid in names),
        node=number[table.node[rows]],
        template=template.astype(np.int32),
        use_ucores=np.ceil(use * 1e6).astype(np.int64),
        accelerator_mw=np.ceil(observer.pod_device_watts[rows] * 1e3).astype(np.int64),
        measured=seen > 0,
        started_s=(base.as_of_s + table.began_s[rows]).astype(np.int64),
    )


def _curves(world: World, observer: Observer, rows: list[int]) -> tuple[PowerCurve, ...]:
    """Curves raised by idle accelerators and by what no pod accounts for, in whole watts."""
    more = np.ceil(world.machines.device_idle + observer.unattributed).astype(np.int64)
    made: dict[tuple[int, int], PowerCurve] = {}
    for row in rows:
        curve, watts = world.spec.base.node_curve[row], int(more[row])
        key = (id(curve), watts)
        if key not in made:
            made[key] = replace(curve, milliwatts=tuple(knot + 1000 * watts for knot in curve.milliwatts))
    return tuple(made[id(world.spec.base.node_curve[row]), int(more[row])] for row in rows)


def _topology(world: World, part: float) -> PowerTopology:
    budgets, factors = world.supply.budget_watts.tolist(), world.factors().tolist()
    domains = [
        _domain(domain, budget * part, factor)
        for domain, budget, factor in zip(world.domains(), budgets, factors, strict=True)
    ]
    return surviving(PowerTopology(tuple(domains)), world.supply.lost)


def _domain(domain: PowerDomain, budget_watts: float, factor: float) -> PowerDomain:
    budget = NO_BUDGET if budget_watts == np.inf else int(budget_watts * factor * 1000)
    breaker = domain.breaker and (derate(domain.breaker, factor) if factor != 1.0 else domain.breaker)
    return replace(domain, budget_mw=budget, breaker=breaker)


def _allowed(world: World, budget: PodDisruptionBudget) -> PodDisruptionBudget:
    """The budget less its pods that are down already."""
    labels = (budget.spec.selector.match_labels if budget.spec.selector else None) or {}
    mine = [
        i
        for i, template in enumerate(world.spec.base.templates)
        if template.namespace == budget.metadata.namespace and labels.items() <= dict(template.labels).items()
    ]
    table = world.pods
    away = np.isin(table.phase, (Phase.WAITING, Phase.STARTING, Phase.DARK, Phase.LEAVING))
    down = np.isin(table.template, mine) & away
    left = max(budget.status.disruptions_allowed - int(down.sum()), 0)
    return PodDisruptionBudget(budget.metadata, budget.spec, DisruptionBudgetStatus(disruptions_allowed=left))
