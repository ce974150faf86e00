"""What a pod counts as, whether it may move, where it could go, and what keeps it from everywhere else."""

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain

import numpy as np

from powerplane.cli.explaining.domain import pod_watts
from powerplane.cli.explaining.situation import Ground, Places, find_pod
from powerplane.models.eligibility import Mask, NodeIndex, node_affinity
from powerplane.models.plan import Plan
from powerplane.models.pricing import is_settling
from powerplane.models.quantities import format_quantity, format_watts
from powerplane.models.snapshot import PodTemplate
from powerplane.solver.feasible import finds_company, not_repelled, repels_nobody, skew_holds
from powerplane.solver.formulate import Formulation
from powerplane.solver.state import State, found_state
from powerplane.solver.tables import compile_tables

NODES_SHOWN = 5


def explain_pod(ground: Ground, formulation: Formulation, plan: Plan | None, places: Places, name: str) -> list[str]:
    """Return what a pod counts as and where it could go, a line each.

    Parameters
    ----------
    ground : Ground
    formulation : Formulation
        Of the ground's snapshot.
    plan : Plan or None
    places : int32 array, shape (P,)
        Node of each pod after the plan.
    name : str
        The pod as namespace/name.
    """
    pod = find_pod(ground.snapshot, name)
    pod_class = int(formulation.classes.of_pod[pod])
    if pod_class < 0:
        return [f"{name} waits for the scheduler: it has no node, counts with no watts, and no plan moves it"]
    lines = [_standing(ground, pod, name), *_class(ground, formulation, pod, pod_class)]
    lines += _in_plan(ground, plan, pod)
    return lines + _elsewhere(ground, formulation, places, pod, pod_class)


def _standing(ground: Ground, pod: int, name: str) -> str:
    snapshot = ground.snapshot
    pods = snapshot.pods
    watts = format_watts(int(pod_watts(ground, pods.node, np.array([pod]))[0]))
    known = "measured" if pods.measured[pod] else "assumed from its requests"
    cores = pods.use_ucores[pod] / 1e6
    return f"{name} on {snapshot.node_names[pods.node[pod]]}: uses {cores:g} cores ({known}), {watts} go with it"


def _class(ground: Ground, formulation: Formulation, pod: int, pod_class: int) -> list[str]:
    classes, snapshot = formulation.classes, ground.snapshot
    alike = int((classes.of_pod == pod_class).sum())
    template = snapshot.templates[snapshot.pods.template[pod]]
    asked = (_amount(r, n) for r, n in zip(snapshot.resources, template.requests, strict=True) if n)
    lines = [
        f"class {classes.names[pod_class]}: {alike} pods that the solver does not tell apart",
        f"requests {', '.join(asked)}",
    ]
    if reason := classes.reasons[pod_class]:
        return [*lines, f"may not move: {reason}"]
    return [*lines, f"may move, at a cost of {classes.move_cost[pod_class] / 1000:g}: {_terms(ground, template, pod)}"]


def _amount(resource: str, amount: int) -> str:
    value = Fraction(amount, 1000 if resource == "cpu" else 1)
    return f"{resource} {format_quantity(value, binary='memory' in resource or 'storage' in resource)}"


def _terms(ground: Ground, template: PodTemplate, pod: int) -> str:
    snapshot = ground.snapshot
    age = "settling" if is_settling(int(snapshot.pods.started_s[pod]), snapshot.as_of_s) else "settled"
    owner = template.owner or "no controller"
    memory = template.requests[snapshot.resources.index("memory")] / (1 << 30)
    return f"priority {template.priority}, {age}, {memory:g} GiB of memory, {owner}"


def _in_plan(ground: Ground, plan: Plan | None, pod: int) -> list[str]:
    if plan is None:
        return []
    moves = [move for move in plan.moves if move.uid == ground.snapshot.pods.uids[pod]]
    told = [f"the plan moves it to {move.target} in wave {move.wave}: {', '.join(move.because)}" for move in moves]
    return told or ["the plan leaves it where it is"]


def _elsewhere(ground: Ground, formulation: Formulation, places: Places, pod: int, pod_class: int) -> list[str]:
    """Where the pod could go with all others where the plan leaves them, and what keeps it from the other nodes."""
    state = state_at(ground, formulation, places)
    state.put(pod_class, int(places[pod]), -1)
    open_to = np.ones(len(ground.snapshot.nodes), dtype=np.bool_)
    open_to[[int(ground.snapshot.pods.node[pod]), int(places[pod])]] = False
    others, counts = int(open_to.sum()), Counter[str]()
    for reason, holds in chain(_rules(ground, state, pod, pod_class), _budgets(ground, formulation, state, pod_class)):
        if kept := int((open_to & ~holds).sum()):
            counts[reason] += kept
        open_to &= holds
    found = [ground.snapshot.node_names[row] for row in np.flatnonzero(open_to).tolist()]
    head = f"with all else as planned, {len(found)} of {others} other nodes would take it"
    reasons = [f"  {kept} would not: {reason}" for reason, kept in counts.most_common()]
    return [head + (f": {_list(found)}" if found else ""), *reasons]


def _list(names: list[str]) -> str:
    more = f" and {len(names) - NODES_SHOWN} more" if len(names) > NODES_SHOWN else ""
    return ", ".join(names[:NODES_SHOWN]) + more


def state_at(ground: Ground, formulation: Formulation, places: Places) -> State:
    """Return the solver's state with every pod at its place."""
    state = found_state(compile_tables(formulation.problem))
    here, of_pod = ground.snapshot.pods.node, formulation.classes.of_pod
    for pod in np.flatnonzero((places != here) & (here >= 0)).tolist():
        state.move(int(of_pod[pod]), int(here[pod]), int(places[pod]))
    return state


def _rules(ground: Ground, state: State, pod: int, pod_class: int) -> Iterator[tuple[str, Mask]]:
    """What Kubernetes asks of a node, rule by rule, and which nodes hold it."""
    snapshot, problem = ground.snapshot, state.tables.problem
    template, index = snapshot.templates[snapshot.pods.template[pod]], NodeIndex(snapshot.nodes)
    yield "node selector or affinity", index.chosen(template.node_selector, node_affinity(template))
    yield "a taint, or cordoned", index.tolerated(template.tolerations)
    for volume in template.volume_selectors:
        yield "out of its volume's reach", index.selected(volume)
    for column in np.flatnonzero(problem.requests[pod_class]).tolist():
        fits: Mask = state.free[:, column] >= problem.requests[pod_class, column]
        yield f"too little {problem.resource_names[column]} left", fits
    rules, every = state.tables.rules, np.arange(problem.node_count)
    for i in rules.carried.get(pod_class, ()):
        yield f"its {problem.rules[i].kind}: {problem.rules[i].name}", _carried(state, i, pod_class)
    for i in rules.targeted.get(pod_class, ()):
        if problem.rules[i].kind == "anti-affinity":
            yield f"another pod's anti-affinity: {problem.rules[i].name}", not_repelled(state, i, every)


def _carried(state: State, i: int, pod_class: int) -> Mask:
    """Nodes on which a rule that the pod itself carries would hold."""
    every = np.arange(state.tables.problem.node_count)
    own = i in state.tables.rules.targeted.get(pod_class, ())
    match state.tables.problem.rules[i].kind:
        case "anti-affinity":
            return repels_nobody(state, i, every)
        case "affinity":
            return finds_company(state, i, every, own=own)
        case "spread":
            return skew_holds(state, i, every, own=own)


def _budgets(ground: Ground, formulation: Formulation, state: State, pod_class: int) -> Iterator[tuple[str, Mask]]:
    """Budgets, and the nodes on which the pod would not break them."""
    rise, tables = state.rise(pod_class), state.tables
    yield "the node's own budget would break", rise <= tables.node_limit - state.node_mw
    for row in range(len(tables.problem.row_domain)):
        weights = tables.problem.row_weights[[row]].toarray()[0]
        slack = int(tables.rows.limit[row]) - int(state.load[row])
        name = ground.row_name(int(formulation.budgeted[row]))
        yield f"the budget of {name} would break", (weights == 0) | (rise * weights <= slack)
