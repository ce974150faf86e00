"""Where one more pod of a class may go: every constraint family as one vectorised mask over nodes.

Each function answers for some nodes at once, and for one more pod on top of the state, which is how a scheduler
would see the replacement of an evicted pod.
"""

import numpy as np

from powerplane.solver.problem import TopologyRule
from powerplane.solver.state import Mask, State
from powerplane.solver.tables import Ints


def targets(
    state: State, pod_class: int, nodes: Ints | None = None, ceiling: Ints | None = None
) -> tuple[Mask, Ints, Ints]:
    """Nodes that can take one more pod of a class, with the rise and the room of each in milliwatts.

    Parameters
    ----------
    nodes : int64 array, shape (M,), optional
        Which nodes to look at; all when None.
    ceiling : int64 array, shape (K,), optional
        See ``State.node_room``.

    Returns
    -------
    mask : bool array, shape (M,)
    rise, room : int64 arrays, shape (M,)
    """
    which = np.arange(state.tables.problem.node_count) if nodes is None else nodes
    rise, room = state.rise(pod_class, which), state.node_room(which, ceiling)
    mask = accepted(state, pod_class, which) & cores_suffice(state, pod_class, which) & (rise <= room)
    return mask, rise, room


def accepted(state: State, pod_class: int, nodes: Ints) -> Mask:
    """Nodes on which Kubernetes would accept one more pod of a class, whatever it draws.

    Parameters
    ----------
    nodes : int64 array, shape (M,)

    Returns
    -------
    bool array, shape (M,)
    """
    mask = requests_fit(state, pod_class, nodes) & node_allowed(state, pod_class, nodes)
    rules = state.tables.rules
    for i in rules.carried.get(pod_class, ()):
        mask &= _carried_rule_holds(state, i, pod_class, nodes)
    for i in rules.targeted.get(pod_class, ()):
        if state.tables.problem.rules[i].kind == "anti-affinity":
            mask &= not_repelled(state, i, nodes)
    return mask


def requests_fit(state: State, pod_class: int, nodes: Ints) -> Mask:
    """Ensures that what a node has left covers the pod's requests, in every resource: free ≥ request."""
    request = state.tables.problem.requests[pod_class]
    asked = np.flatnonzero(request[:-1])
    fits: Mask = (state.free[np.ix_(nodes, asked)] >= request[asked]).all(axis=1)
    return fits


def cores_suffice(state: State, pod_class: int, nodes: Ints) -> Mask:
    """Ensures that a node has the cores that the pod is predicted to use, which Kubernetes does not ask."""
    use = int(state.tables.problem.requests[pod_class, -1])
    if not use:
        return np.ones(len(nodes), dtype=np.bool_)
    suffice: Mask = state.free[nodes, -1] >= use
    return suffice


def node_allowed(state: State, pod_class: int, nodes: Ints) -> Mask:
    """Ensures that taints, cordon, node affinity and volumes let the pod onto the node."""
    problem = state.tables.problem
    allowed: Mask = problem.allowed[problem.allowed_set[pod_class], nodes]
    return allowed


def _carried_rule_holds(state: State, i: int, pod_class: int, nodes: Ints) -> Mask:
    rule = state.tables.problem.rules[i]
    if rule.kind == "anti-affinity":
        return repels_nobody(state, i, nodes)
    own = i in state.tables.rules.targeted.get(pod_class, ())
    if rule.kind == "affinity":
        return finds_company(state, i, nodes, own=own and _company_nowhere(state, pod_class))
    return skew_holds(state, i, nodes, own=own)


def repels_nobody(state: State, i: int, nodes: Ints) -> Mask:
    """Ensures that no pod that the newcomer's anti-affinity names is in its zone."""
    zone = state.tables.problem.rules[i].zone[nodes]
    clear: Mask = (zone < 0) | (state.targets[i][zone] == 0)
    return clear


def not_repelled(state: State, i: int, nodes: Ints) -> Mask:
    """Ensures that no pod in the zone carries an anti-affinity that names the newcomer."""
    zone = state.tables.problem.rules[i].zone[nodes]
    clear: Mask = (zone < 0) | (state.carriers[i][zone] == 0)
    return clear


def _company_nowhere(state: State, pod_class: int) -> bool:
    """Whether none of a class's affinities finds a pod: one that stands in a zone of any key counts for all keys."""
    rules = state.tables.problem.rules
    carried = state.tables.rules.carried.get(pod_class, ())
    return not any(state.targets[i].any() for i in carried if rules[i].kind == "affinity")


def finds_company(state: State, i: int, nodes: Ints, *, own: bool) -> Mask:
    """Ensures that the zone holds a pod that the newcomer's affinity names, or that it is the first of its own."""
    zone = state.tables.problem.rules[i].zone[nodes]
    company = state.targets[i]
    found: Mask = zone >= 0
    return found if own and not company.any() else found & (company[zone] > 0)


def skew_holds(state: State, i: int, nodes: Ints, *, own: bool) -> Mask:
    """Ensures that the zone, with the newcomer, holds at most maxSkew more than the emptiest counted zone."""
    rule = state.tables.problem.rules[i]
    zone = rule.zone[nodes]
    skew = state.targets[i] + int(own) - emptiest(rule, state.targets[i])
    holds: Mask = (zone >= 0) & (skew[zone] <= rule.max_skew)
    return holds


def counted_zones(rule: TopologyRule) -> Ints:
    """Zones that a spread rule takes its minimum over."""
    return np.unique(rule.zone[rule.counted & (rule.zone >= 0)]).astype(np.int64)


def emptiest(rule: TopologyRule, counts: Ints) -> int:
    """Pods in the emptiest counted zone of a spread rule; 0 with fewer zones than minDomains."""
    zones = counted_zones(rule)
    if len(zones) == 0 or len(zones) < rule.min_zones:
        return 0
    return int(counts[zones].min())
