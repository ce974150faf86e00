"""The constraint families of a neighbourhood, each one function: what Kubernetes and the budgets ask of new counts.

Variables are counts x[c, n] of movable classes on the neighbourhood's nodes; all else is as the state has it. Where
the placement found already breaks a rule, the rule binds only zones and nodes that take newcomers, as the scheduler
does ("IgnoredDuringExecution").
"""

from dataclasses import dataclass, field
from math import ceil, gcd

import numpy as np
from ortools.sat.python import cp_model

from powerplane.solver.curve_pieces import Segment, reachable_segments
from powerplane.solver.state import State
from powerplane.solver.tables import ROOMY, Ints

FINE = 1 << 16
"""Slopes are rounded up to this part of a milliwatt per unit of use."""


@dataclass(slots=True, eq=False)
class Model:
    """A CP-SAT model of some nodes.

    Attributes
    ----------
    pods : dict
        x[c, n]: pods of class c on node n.
    draws : dict
        Milliwatts of each node, never less than the curve's.
    overload : list
        Milliwatts over budget, one variable a domain or node that may still exceed.
    unit : int
        Micro-cores that one unit of use stands for.
    """

    cp: cp_model.CpModel
    state: State
    nodes: list[int]
    classes: list[int]
    pods: dict[tuple[int, int], cp_model.IntVar]
    unit: int
    draws: dict[int, cp_model.LinearExprT] = field(default_factory=dict)
    overload: list[cp_model.IntVar] = field(default_factory=list)
    fresh: dict[tuple[int, int], cp_model.IntVar] = field(default_factory=dict)

    @classmethod
    def of(cls, state: State, nodes: Ints) -> "Model":
        """Return a model with its count variables and nothing required of them yet."""
        problem = state.tables.problem
        names = sorted({int(n) for n in nodes})
        classes = sorted({c for n in names for c in state.cells[n] if problem.movable[c]})
        # What stays on a node counts too: rounded up to a unit that only the movable pods share, it could be far off.
        unit = gcd(*(int(problem.use_ucores[c]) for c in classes), *(_fixed_ucores(state, n) for n in names), 10**9)
        model = cls(cp_model.CpModel(), state, names, classes, {}, max(unit, 1000))
        for c in classes:
            total = sum(state.cells[n].get(c, 0) for n in names)
            for n in names:
                model.pods[c, n] = model.cp.new_int_var(0, model.most(c, n, total), "")
            model.cp.add(sum(model.pods[c, n] for n in names) == total)
        return model

    def most(self, pod_class: int, node: int, total: int) -> int:
        """Return the most pods of a class that a node can have: none but those found where new ones are not let in."""
        problem = self.state.tables.problem
        here = self.state.cells[node].get(pod_class, 0)
        found = here - self.state.delta.get((pod_class, node), 0)
        if not problem.allowed[problem.allowed_set[pod_class], node]:
            return max(here, min(found, total))
        return total

    def takes(self, pod_class: int, node: int) -> cp_model.IntVar:
        """Return the literal that says: the node has more pods of the class than were found there."""
        key = (pod_class, node)
        if key not in self.fresh:
            found = self.state.cells[node].get(pod_class, 0) - self.state.delta.get(key, 0)
            literal = self.cp.new_bool_var("")
            self.cp.add(self.pods[key] <= found).only_enforce_if(literal.negated())
            self.fresh[key] = literal
        return self.fresh[key]


def _fixed_ucores(state: State, node: int) -> int:
    """Return the use of the pods on a node that may not be moved."""
    problem = state.tables.problem
    return sum(int(problem.use_ucores[c]) * k for c, k in state.cells[node].items() if not problem.movable[c])


def constrain(model: Model) -> None:
    """Add every constraint family."""
    requests_fit(model)
    draws_follow_curves(model)
    node_budgets_hold(model)
    row_budgets_hold(model)
    problem = model.state.tables.problem
    present = set(model.classes)
    for i, rule in enumerate(problem.rules):
        carriers = [c for c in rule.carriers.tolist() if c in present]
        concerned = [*carriers, *(c for c in rule.targets.tolist() if c in present)]
        if rule.kind == "anti-affinity" and concerned:
            anti_affinity_holds(model, i)
        elif rule.kind == "affinity" and carriers:
            affinity_holds(model, i)
        elif rule.kind == "spread" and concerned:
            spread_holds(model, i)


def requests_fit(model: Model) -> None:
    """Ensures that requests stay within what a node offers, or within what they were: Σ r·x ≤ now + max(free, 0)."""
    state, problem = model.state, model.state.tables.problem
    for n in model.nodes:
        now = {c: state.cells[n].get(c, 0) for c in model.classes}
        for r in range(problem.allocatable.shape[1]):
            asked = [int(problem.requests[c, r]) for c in model.classes]
            if not any(asked):
                continue
            taken = sum(a * now[c] for a, c in zip(asked, model.classes, strict=True))
            total = cp_model.LinearExpr.weighted_sum([model.pods[c, n] for c in model.classes], asked)
            model.cp.add(total <= taken + max(0, int(state.free[n, r])))


def draws_follow_curves(model: Model) -> None:
    """Ensures that each node's draw is at least its curve at its use, plus its accelerators: w ≥ f(Σ u·x) + Σ a·x."""
    state, problem = model.state, model.state.tables.problem
    for n in model.nodes:
        fixed = _fixed_ucores(state, n)
        counts = [model.pods[c, n] for c in model.classes]
        units = [-(-int(problem.use_ucores[c]) // model.unit) for c in model.classes]
        use = -(-fixed // model.unit) + cp_model.LinearExpr.weighted_sum(counts, units)
        watts = [int(problem.accelerator_mw[c]) for c in model.classes]
        held = int(state.accelerator_mw[n]) - sum(
            w * state.cells[n].get(c, 0) for w, c in zip(watts, model.classes, strict=True)
        )
        accelerators = held + cp_model.LinearExpr.weighted_sum(counts, watts)
        model.draws[n] = _curve_draw(model, n, use, fixed) + accelerators


def _curve_draw(model: Model, node: int, use: cp_model.LinearExprT, fixed: int) -> cp_model.LinearExprT:
    """Return a draw variable held above the curve, the pieces chosen by the multiple-choice formulation."""
    tables = model.state.tables
    kind, unit = int(tables.problem.node_type[node]), model.unit
    top = max(int(tables.problem.allocatable[node, -1]), int(tables.curves.use[kind, -1]))
    pieces = reachable_segments(tables.curves, kind, fixed, top + unit * len(model.classes) * 64)
    draw = model.cp.new_int_var(0, int(tables.curves.mw[kind, -1]) + 2, "")
    if len(pieces) == 1:
        model.cp.add(FINE * draw >= _line(pieces[0], unit, [use], 1))
        return draw
    chosen, parts, lines = [], [], []
    for piece in pieces:
        on = model.cp.new_bool_var("")
        part = model.cp.new_int_var(0, -(-piece.high // unit), "")
        # Whole units inside the piece only: beyond its end, a convex curve runs above the piece's line.
        model.cp.add(part >= -(-piece.low // unit) * on)
        model.cp.add(part <= piece.high // unit * on)
        lines.append(_line(piece, unit, [part], on))
        chosen.append(on)
        parts.append(part)
    model.cp.add_exactly_one(chosen)
    model.cp.add(sum(parts) == use)
    model.cp.add(FINE * draw >= sum(lines))
    return draw


def _line(piece: Segment, unit: int, use: list[cp_model.LinearExprT], on: cp_model.LinearExprT) -> cp_model.LinearExprT:
    """Return a piece's line in ``FINE`` parts of a milliwatt, rounded up."""
    slope = ceil(FINE * piece.rise * unit / piece.run)
    base = ceil(FINE * (piece.base - piece.rise * piece.low / piece.run))
    return slope * use[0] + base * on


def node_budgets_hold(model: Model) -> None:
    """Ensures that a node's draw stays within its budget, as far as it was: w ≤ budget + overload."""
    for n in model.nodes:
        limit = int(model.state.tables.node_limit[n])
        if limit >= ROOMY:
            continue
        excess = max(0, int(model.state.node_mw[n]) - limit)
        model.cp.add(model.draws[n] <= limit + _overload(model, excess))


def row_budgets_hold(model: Model) -> None:
    """Ensures that each power row, with what its other nodes draw, stays within its budget or gets no worse."""
    tables = model.state.tables
    shares: dict[int, list[tuple[int, int]]] = {}
    for n in model.nodes:
        rows, weights = tables.rows.of(n)
        for row, weight in zip(rows.tolist(), weights.tolist(), strict=True):
            shares.setdefault(row, []).append((n, weight))
    scale = tables.problem.row_scale
    domains: dict[str, cp_model.LinearExprT] = {}
    excess = model.state.row_excess()
    for row in sorted(shares):
        limit = int(tables.rows.limit[row])
        if limit >= ROOMY:
            continue
        name = tables.problem.row_domain[row]
        others = int(model.state.load[row]) - sum(w * int(model.state.node_mw[n]) for n, w in shares[row])
        if name not in domains:
            members = [k for k in range(len(excess)) if tables.problem.row_domain[k] == name]
            domains[name] = _overload(model, max(int(excess[k]) for k in members))
        # A row that holds must go on to hold, even where another row of its domain does not, and none gets worse.
        over = domains[name] if excess[row] else 0
        drawn = sum(w * model.draws[n] for n, w in shares[row])
        model.cp.add(drawn <= limit - others + scale * over)
        model.cp.add(drawn <= limit - others + scale * int(excess[row]))


def _overload(model: Model, found: int) -> cp_model.LinearExprT:
    if found == 0:
        return 0
    over = model.cp.new_int_var(0, found, "")
    model.overload.append(over)
    return over


def _zone_total(model: Model, i: int, classes: list[int], zone: int, counts: Ints) -> cp_model.LinearExprT:
    """Count some classes' pods in one zone: those of the neighbourhood as variables, the others as they are."""
    rule = model.state.tables.problem.rules[i]
    mine = [n for n in model.nodes if rule.zone[n] == zone and (rule.kind != "spread" or rule.counted[n])]
    here = [c for c in classes if c in set(model.classes)]
    held = sum(model.state.cells[n].get(c, 0) for n in mine for c in here)
    return int(counts[zone]) - held + sum(model.pods[c, n] for n in mine for c in here)


def _zones(model: Model, i: int) -> dict[int, list[int]]:
    """Nodes of the neighbourhood by zone of a rule."""
    zones: dict[int, list[int]] = {}
    for n in model.nodes:
        zones.setdefault(int(model.state.tables.problem.rules[i].zone[n]), []).append(n)
    return zones


def anti_affinity_holds(model: Model, i: int) -> None:
    """Ensures that a zone that takes a pod named by, or carrying, the rule holds no pod that it repels."""
    state, rule = model.state, model.state.tables.problem.rules[i]
    carriers, targets = set(rule.carriers.tolist()), set(rule.targets.tolist())
    for zone, nodes in _zones(model, i).items():
        if zone < 0:
            continue
        carried = _zone_total(model, i, sorted(carriers), zone, state.carriers[i])
        targeted = _zone_total(model, i, sorted(targets), zone, state.targets[i])
        for c in sorted((carriers | targets) & set(model.classes)):
            for n in nodes:
                new = model.takes(c, n)
                if c in carriers:
                    model.cp.add(targeted <= int(c in targets)).only_enforce_if(new)
                if c in targets:
                    model.cp.add(carried <= int(c in carriers)).only_enforce_if(new)


def affinity_holds(model: Model, i: int) -> None:
    """Ensures that a zone that takes a carrier holds a pod that its affinity names."""
    state, rule = model.state, model.state.tables.problem.rules[i]
    for zone, nodes in _zones(model, i).items():
        for c in sorted(set(rule.carriers.tolist()) & set(model.classes)):
            for n in nodes:
                if zone < 0 or state.targets[i][zone] == 0:
                    model.cp.add(model.pods[c, n] <= state.cells[n].get(c, 0))
                else:
                    total = _zone_total(model, i, rule.targets.tolist(), zone, state.targets[i])
                    model.cp.add(total >= 1).only_enforce_if(model.takes(c, n))


def spread_holds(model: Model, i: int) -> None:
    """Ensures that a zone that takes a carrier holds at most maxSkew more than the emptiest counted zone.

    A newcomer counts itself, also on a node whose pods the rule does not count.
    """
    state, rule = model.state, model.state.tables.problem.rules[i]
    zones = np.unique(rule.zone[rule.counted & (rule.zone >= 0)]).tolist()
    targets = sorted(set(rule.targets.tolist()))
    totals = {z: _zone_total(model, i, targets, z, state.targets[i]) for z in zones}
    least = model.cp.new_int_var(0, 10**6, "")
    for total in totals.values():
        model.cp.add(least <= total)
    if len(zones) < rule.min_zones:
        model.cp.add(least == 0)
    for zone, nodes in _zones(model, i).items():
        for c in sorted(set(rule.carriers.tolist()) & set(model.classes)):
            for n in nodes:
                if zone < 0:
                    model.cp.add(model.pods[c, n] <= state.cells[n].get(c, 0))
                    continue
                total = totals[zone] if zone in totals else _zone_total(model, i, targets, zone, state.targets[i])
                uncounted = int(c in targets and not rule.counted[n])
                model.cp.add(total + uncounted - least <= rule.max_skew).only_enforce_if(model.takes(c, n))
