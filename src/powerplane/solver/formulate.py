"""From a snapshot to a problem: what Kubernetes would refuse and what power allows, as integer arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.models.classes import PodClasses, classify
from powerplane.models.draws import NodeKind, node_kinds, node_loads
from powerplane.models.eligibility import NodeIndex
from powerplane.models.incidence import PowerIncidence, compile_incidence
from powerplane.models.pricing import DEFAULT_PRICING, Pricing
from powerplane.models.snapshot import NO_BUDGET, PodTemplate, Snapshot
from powerplane.models.traits import TemplateTraits, trait_templates
from powerplane.solver.problem import NodeType, Problem
from powerplane.solver.rules import disruption_budgets, topology_rules

CPU_USE = "cpu-use"
"""Name of the problem's last resource: predicted use in micro-cores."""

ANY_ADDRESS = "0.0.0.0"

HostPort = tuple[str, str, int]
Integers = NDArray[np.int64]

AMBIENT = ("DaemonSet", "mirror pod")
"""Why pods do not move that need no other place when their node goes to sleep."""


@dataclass(frozen=True, slots=True, eq=False)
class Formulation:
    """A problem, and the way back from its rows to the cluster.

    Parameters
    ----------
    problem : Problem
    classes : PodClasses
    incidence : PowerIncidence
        All rows of domains, also of those without a budget.
    budgeted : int array, shape (K,)
        Row of ``incidence`` of each of the problem's power rows.
    pricing : Pricing
    """

    problem: Problem
    classes: PodClasses
    incidence: PowerIncidence
    budgeted: NDArray[np.intp]
    pricing: Pricing


def formulate(snapshot: Snapshot, pricing: Pricing = DEFAULT_PRICING) -> Formulation:
    """Formulate the problem of a snapshot. Pods that wait for a node are no part of it.

    Parameters
    ----------
    snapshot : Snapshot
    pricing : Pricing
        What moves cost.
    """
    nodes = NodeIndex(snapshot.nodes)
    traits = trait_templates(snapshot, nodes)
    classes = classify(snapshot, traits, pricing)
    incidence = compile_incidence(snapshot.topology, snapshot.node_names)
    budgeted = np.flatnonzero(incidence.budget_mw != NO_BUDGET)
    problem = _problem(snapshot, nodes, traits, classes, _PowerRows(incidence, budgeted))
    return Formulation(problem, classes, incidence, budgeted, pricing)


@dataclass(frozen=True, slots=True, eq=False)
class _PowerRows:
    """Ensures that no domain draws more than its budget, all feeds alive or one of them lost.

    Σ share · watts of its nodes ≤ budget, for each row of the incidence whose domain has a budget.
    """

    incidence: PowerIncidence
    rows: NDArray[np.intp]


def _problem(
    snapshot: Snapshot, nodes: NodeIndex, traits: TemplateTraits, classes: PodClasses, power: _PowerRows
) -> Problem:
    names, allocatable, requests = resources(snapshot, classes)
    kinds = node_kinds(snapshot)
    cell_node, cell_class, cell_count = cells(snapshot, classes)
    allowed_set, allowed = allowed_nodes(traits, classes)
    return Problem(
        node_names=snapshot.node_names,
        resource_names=names,
        class_names=classes.names,
        allocatable=allocatable,
        node_type=_type_of_node(kinds, len(snapshot.nodes)),
        types=node_types(kinds),
        node_budget_mw=snapshot.node_budget_mw,
        requests=requests,
        use_ucores=classes.use_ucores,
        accelerator_mw=classes.accelerator_mw,
        move_cost=classes.move_cost,
        movable=classes.movable,
        allowed_set=allowed_set,
        allowed=allowed,
        cell_node=cell_node,
        cell_class=cell_class,
        cell_count=cell_count,
        row_weights=power.incidence.weights[power.rows],
        row_scale=power.incidence.scale,
        row_budget_mw=power.incidence.budget_mw[power.rows],
        row_domain=tuple(power.incidence.domain[row] for row in power.rows),
        row_lost=tuple(power.incidence.lost[row] for row in power.rows),
        rules=topology_rules(snapshot, nodes, traits, classes),
        disruption_budgets=disruption_budgets(snapshot, traits, classes),
        ambient=np.array([reason in AMBIENT for reason in classes.reasons], dtype=np.bool_),
    )


def resources(snapshot: Snapshot, classes: PodClasses) -> tuple[tuple[str, ...], Integers, Integers]:
    """Ensures that no node is given more than it offers of any resource, host port or core.

    Σ requests of its pods ≤ allocatable, for each resource that some pod requests.

    Returns
    -------
    names : tuple of str
    allocatable : int64 array, shape (N, R)
    requests : int64 array, shape (C, R)
    """
    parts = [_requested(snapshot, classes), _host_ports(snapshot, classes), _cpu_use(snapshot, classes)]
    names = tuple(name for part in parts for name in part[0])
    return names, np.hstack([part[1] for part in parts]), np.hstack([part[2] for part in parts])


def _requested(snapshot: Snapshot, classes: PodClasses) -> tuple[tuple[str, ...], Integers, Integers]:
    """The resources that some pod requests."""
    rows = [snapshot.templates[row].requests for row in classes.template.tolist()]
    requests = np.array(rows, dtype=np.int64).reshape(len(rows), len(snapshot.resources))
    kept = np.flatnonzero(requests.any(axis=0))
    return tuple(snapshot.resources[i] for i in kept), snapshot.allocatable[:, kept], requests[:, kept]


def _host_ports(snapshot: Snapshot, classes: PodClasses) -> tuple[tuple[str, ...], Integers, Integers]:
    """Ensures that two pods on a node never bind the same port of the same address.

    One column of capacity 1 for each protocol, port and address. A pod that binds every address takes all columns of
    its port, so it meets those that bind one address and those that bind all. Ports of pods that stay are left out.
    """
    templates = [snapshot.templates[row] for row in classes.template.tolist()]
    columns = sorted({port for template in templates for port in template.host_ports})
    taken = {id(template): _takes(template, columns) for template in templates if template.host_ports}
    none = np.zeros(len(columns), dtype=np.int64)
    rows = [taken.get(id(template), none) for template in templates]
    requests = np.array(rows, dtype=np.int64).reshape(len(rows), len(columns))
    kept = np.flatnonzero(requests[classes.movable].any(axis=0))
    names = tuple(_port_name(columns[i]) for i in kept)
    return names, np.ones((len(snapshot.nodes), len(kept)), dtype=np.int64), requests[:, kept]


def _takes(template: PodTemplate, columns: list[HostPort]) -> Integers:
    own = set(template.host_ports)
    broad = {(protocol, port) for protocol, address, port in own if address == ANY_ADDRESS}
    return np.array([one in own or (one[0], one[2]) in broad for one in columns], dtype=np.int64)


def _port_name(port: HostPort) -> str:
    protocol, address, number = port
    return f"host port {number}/{protocol}" + ("" if address == ANY_ADDRESS else f" of {address}")


def _cpu_use(snapshot: Snapshot, classes: PodClasses) -> tuple[tuple[str, ...], Integers, Integers]:
    """Ensures that no node is given more predicted use than it has cores, or than it has already."""
    cores = snapshot.allocatable[:, snapshot.resources.index("cpu")] * 1000
    present, _ = node_loads(snapshot)
    return (CPU_USE,), np.maximum(cores, present)[:, None], classes.use_ucores[:, None]


def node_types(kinds: tuple[NodeKind, ...]) -> tuple[NodeType, ...]:
    """The power curve of each kind of node, at its size."""
    return tuple(
        NodeType(f"{kind.curve.name} with {kind.capacity_ucores / 1e6:g} cores", kind.knots_ucores, kind.knots_mw)
        for kind in kinds
    )


def _type_of_node(kinds: tuple[NodeKind, ...], count: int) -> NDArray[np.int32]:
    result = np.empty(count, dtype=np.int32)
    for number, kind in enumerate(kinds):
        result[kind.nodes] = number
    return result


def allowed_nodes(traits: TemplateTraits, classes: PodClasses) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Ensures that a pod lands only where taints, the cordon, node affinity and its volumes let it.

    Returns
    -------
    allowed_set : int32 array, shape (C,)
    allowed : bool array, shape (S, N)
        The sets that some class has.
    """
    used, allowed_set = np.unique(traits.allowed_set[classes.template], return_inverse=True)
    return allowed_set.astype(np.int32), traits.allowed[used]


def cells(snapshot: Snapshot, classes: PodClasses) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """The placement found: node, class and number of pods, sorted by node, then class."""
    bound = snapshot.pods.node >= 0
    keys = snapshot.pods.node[bound].astype(np.int64) * max(len(classes), 1) + classes.of_pod[bound]
    cell, count = np.unique(keys, return_counts=True)
    node, pod_class = np.divmod(cell, max(len(classes), 1))
    return node.astype(np.int32), pod_class.astype(np.int32), count.astype(np.int32)
