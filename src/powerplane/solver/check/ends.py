"""The end of the plan, added up from nothing, and what the plan states about it."""

from collections.abc import Iterator
from fractions import Fraction

from powerplane.models.plan import DomainDraw, Plan
from powerplane.models.snapshot import NO_BUDGET
from powerplane.solver.check.ledger import Cluster, Ledger
from powerplane.solver.check.report import DomainReading, Violation
from powerplane.solver.check.words import TOLERANCE_MW, grace_mw, limit_mw, watts


class Ends:
    """The cluster before and after the plan.

    Attributes
    ----------
    overload_mw : Fraction
        Above node budgets, and of each domain above its budget in its worst situation.
    """

    def __init__(self, before: Ledger, after: Ledger) -> None:
        self.cluster: Cluster = before.cluster
        self.before, self.after = before, after
        self.rows = self.cluster.loads.rows
        self.row_before = self.cluster.loads.draws(before.draw_mw)
        self.row_after = self.cluster.loads.draws(after.draw_mw)
        self.worst = self._worst_rows()
        excess = [self.row_after[row] - self.rows[row].domain.budget_mw for row in self.worst.values()]
        budgets = zip(after.draw_mw, self.cluster.node_budget_mw, strict=True)
        excess += [draw - budget for draw, budget in budgets if budget is not None]
        self.overload_mw = sum((each for each in excess if each > 0), Fraction(0))

    def _worst_rows(self) -> dict[str, int]:
        worst: dict[str, int] = {}
        for number, row in enumerate(self.rows):
            best = worst.setdefault(row.domain.name, number)
            if self.row_after[number] > self.row_after[best]:
                worst[row.domain.name] = number
        return worst

    def readings(self) -> tuple[DomainReading, ...]:
        """Every domain's exact draw in its worst case."""
        return tuple(self._reading(row) for row in self.worst.values())

    def _reading(self, number: int) -> DomainReading:
        row = self.rows[number]
        budget = None if row.domain.budget_mw == NO_BUDGET else row.domain.budget_mw
        domain = row.domain
        return DomainReading(
            domain.name, domain.kind, row.lost, budget, self.row_before[number], self.row_after[number]
        )

    def check(self) -> Iterator[Violation]:
        """Find capacities and budgets that the plan leaves broken and did not find so, or not as badly."""
        for node in range(len(self.cluster.names)):
            yield from self._node(node)
        changed = sum(map(int.__ne__, self.before.use_ucores, self.after.use_ucores)) + sum(
            map(int.__ne__, self.before.accelerator_mw, self.after.accelerator_mw)
        )
        for number, row in enumerate(self.rows):
            limit = limit_mw(row.domain.budget_mw, self.row_before[number], changed)
            if self.row_after[number] > limit:
                case = f" with {row.lost!r} lost" if row.lost else ""
                draw = f"{watts(self.row_after[number])}{case}, {watts(self.row_before[number])} before"
                detail = f"draws {draw}, budget {watts(row.domain.budget_mw)}"
                yield Violation("domain-budget", row.domain.name, None, detail)

    def _node(self, node: int) -> Iterator[Violation]:
        name = self.cluster.names[node]
        columns = (self.before.requests[node], self.after.requests[node], self.cluster.allocatable[node])
        for resource, found, left, offered in zip(self.cluster.snapshot.resources, *columns, strict=True):
            if left > max(offered, found):
                yield Violation("capacity", name, None, f"{resource}: {left} requested, {offered} allocatable")
        found, left = self.before.use_ucores[node], self.after.use_ucores[node]
        if left > max(found, self.cluster.capacity_ucores[node]):
            offered = self.cluster.capacity_ucores[node]
            yield Violation("cpu-use", name, None, f"{left} micro-cores in use, {offered} allocatable")
        draw, budget = self.after.draw_mw[node], self.cluster.node_budget_mw[node]
        if budget is not None and draw > limit_mw(budget, self.before.draw_mw[node], 1):
            yield Violation("node-budget", name, None, f"draws {watts(draw)}, budget {watts(budget)}")


def check_statements(ends: Ends, plan: Plan) -> Iterator[Violation]:
    """Find figures and words of the plan that are not so."""
    yield from _status(ends, plan)
    yield from _cost(plan)
    yield from _overload(ends, plan)
    yield from _domains(ends, plan)
    yield from _sleepable(ends, plan)


def _status(ends: Ends, plan: Plan) -> Iterator[Violation]:
    """Ensures that a plan says 'optimal' or 'feasible' only without overload, and 'infeasible' only with one."""
    held = plan.status in ("optimal", "feasible")
    if held and ends.overload_mw > 0:
        detail = f"says {plan.status!r} but leaves {watts(ends.overload_mw)} above budgets"
        yield Violation("status", "plan", None, detail)
    silent = plan.overload_watts == 0 and not plan.unplaced and plan.conflict is None
    if plan.status == "infeasible" and silent and ends.overload_mw == 0:
        yield Violation("status", "plan", None, "says 'infeasible' but nothing is above its budget or without a node")


def _cost(plan: Plan) -> Iterator[Violation]:
    """Ensures that the cost is no less than its bound, and that the gap is theirs; 0 where it is called optimal."""
    near = 1e-9 * max(1.0, abs(plan.bound))
    excess = plan.cost - plan.bound
    if not excess >= -near:  # written so that NaN is caught too
        yield Violation("bound", "plan", None, f"cost {plan.cost:g} is below the proven bound {plan.bound:g}")
    if plan.status == "optimal" and not excess <= near:
        yield Violation("status", "plan", None, f"says 'optimal' with cost {plan.cost:g} and bound {plan.bound:g}")
    gap = 0.0 if excess <= near else excess / plan.bound if plan.bound > 0 else None
    agrees = plan.gap == gap or (gap is not None and plan.gap is not None and abs(plan.gap - gap) <= 1e-6)
    if not agrees:
        yield Violation("gap", "plan", None, f"states {plan.gap}, which is {gap} by its cost and bound")


def _overload(ends: Ends, plan: Plan) -> Iterator[Violation]:
    """Ensures that the stated overload is what is left above the budgets."""
    stated = _milliwatts(plan.overload_watts)
    loads = ends.cluster.loads
    rounding = len(loads.group) + sum(loads.size[row] for row in ends.worst.values())
    if not _agree(stated, ends.overload_mw, rounding):
        detail = f"states {plan.overload_watts:g} W above budgets, {watts(ends.overload_mw)} are left"
        yield Violation("overload", "plan", None, detail)


def _domains(ends: Ends, plan: Plan) -> Iterator[Violation]:
    """Ensures that every domain with a budget is stated, once, with its worst case's draw before and after."""
    stated = {draw.name: draw for draw in plan.domains}
    if len(stated) < len(plan.domains):
        yield Violation("domain-figures", "plan", None, "states a domain twice")
    for reading in ends.readings():
        draw = stated.pop(reading.name, None)
        if draw is not None:
            yield from _figures(ends, reading, draw)
        elif reading.budget_mw is not None:
            yield Violation("domain-figures", reading.name, None, "is not among the plan's domains")
    for name in stated:
        yield Violation("domain-figures", name, None, "is not a domain of the snapshot")


def _figures(ends: Ends, reading: DomainReading, draw: DomainDraw) -> Iterator[Violation]:
    budget = None if draw.budget_watts is None else _milliwatts(draw.budget_watts)
    if budget != reading.budget_mw and not _agree(budget, reading.budget_mw, 0):
        detail = f"states a budget of {draw.budget_watts} W"
        yield Violation("domain-figures", reading.name, None, detail)
    rows = [number for number, row in enumerate(ends.rows) if row.domain.name == reading.name]
    named = [number for number in rows if draw.lost in ends.rows[number].alike]
    if not named:
        yield Violation("domain-figures", reading.name, None, f"names {draw.lost!r} as lost, which has no stand-in")
        return
    nodes = ends.cluster.loads.size[named[0]]
    for word, stated, exact in (
        ("before", draw.before_watts, ends.row_before),
        ("after", draw.after_watts, ends.row_after),
    ):
        if not _agree(_milliwatts(stated), exact[named[0]], nodes):
            detail = f"states {stated:g} W {word}, it draws {watts(exact[named[0]])}"
            yield Violation("domain-figures", reading.name, None, detail)
    worst_either = any(
        all(draws[row] <= draws[named[0]] + grace_mw(nodes) for row in rows)
        for draws in (ends.row_before, ends.row_after)
    )
    if not worst_either:
        worse = f"{reading.lost!r} lost" if reading.lost else "all alive"
        yield Violation("domain-figures", reading.name, None, f"leaves out its worst case, {worse}")


def _sleepable(ends: Ends, plan: Plan) -> Iterator[Violation]:
    """Ensures that a node which may sleep holds no pod that could have moved."""
    nodes = {name: node for node, name in enumerate(ends.cluster.names)}
    for name in plan.sleepable:
        if name not in nodes:
            yield Violation("sleepable", name, None, "is no node of the snapshot")
            continue
        templates = zip(ends.cluster.snapshot.templates, ends.after.seats, strict=True)
        left = sum(seats.get(nodes[name], 0) for template, seats in templates if not template.unmovable)
        if left:
            yield Violation("sleepable", name, None, f"may not sleep: {left} pods stay on it")


def _milliwatts(watts_stated: float) -> Fraction | None:
    """Stated watts in milliwatts; None for what is not a finite number."""
    try:
        return Fraction(watts_stated) * 1000
    except (ValueError, OverflowError):
        return None


def _agree(stated: Fraction | None, exact: Fraction | int | None, nodes: int) -> bool:
    """Whether a stated figure is the exact one, rounded up at each of so many nodes."""
    if stated is None or exact is None:
        return stated is None and exact is None
    return -TOLERANCE_MW <= stated - exact <= grace_mw(nodes)
