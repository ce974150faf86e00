"""PowerPlane's plan for a cell, checked, and the time that its waves take within the actuator's limits."""

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import groupby

from powerplane.actuator.limits import Limits
from powerplane.bench.descheduler.cells import CutCell
from powerplane.bench.descheduler.cycles import SETTLE_S
from powerplane.bench.descheduler.outcome import OURS, Outcome
from powerplane.bench.ledger import Ledger
from powerplane.models.plan import Move, Plan
from powerplane.models.snapshot import Snapshot
from powerplane.solver.check import check
from powerplane.solver.compose import compose_plan
from powerplane.solver.formulate import Formulation
from powerplane.solver.solve import solve

NOTICE_S = 10
"""Until the recommender's quick look sees that a budget is broken, at the latest."""

CONFIRM_S = 15
"""Until fresh watts confirm a wave, before the next begins."""

HOUR_S = 3600


def plan_cell(
    cell: CutCell, formulation: Formulation, named: tuple[str, int], *, seconds: float, clock: Callable[[], float]
) -> Outcome:
    """Solve a cell with one thread, check the plan wave by wave, and sum it up.

    Parameters
    ----------
    named : tuple of (str, int)
        The cell's name and seed.
    seconds : float
        For the solver.
    """
    found = Ledger(formulation.problem)
    first_mw = found.overload_mw()
    began = clock()
    result = solve(formulation.problem, objective="disruption", seconds=seconds, seed=named[1], clock=clock, workers=1)
    spent = clock() - began
    for flow in result.flows:
        found.put(flow.pod_class, flow.source, -flow.count)
        found.put(flow.pod_class, flow.target, flow.count)
    plan = compose_plan(cell.snapshot, formulation, result, [()] * len(result.flows))
    report = check(cell.snapshot, plan)
    left_mw = found.overload_mw()
    inside = {name for name, is_inside in zip(cell.snapshot.node_names, cell.inside, strict=True) if is_inside}
    return Outcome(
        method=OURS,
        cell=named[0],
        level=cell.level,
        seed=named[1],
        found_watts=first_mw / 1000,
        evictions=len(plan.moves),
        cost=result.cost / 1000,
        bound=result.bound / 1000 if result.overload_bound_mw == 0 else None,
        cycles=len({move.wave for move in plan.moves}),
        seconds=None if left_mw else NOTICE_S + spent + carrying_out_s(cell.snapshot, plan, Limits()),
        why=_why(plan) if left_mw else "",
        left_watts=left_mw / 1000,
        returned=sum(move.target in inside for move in plan.moves),
        solve_seconds=spent,
        checked=report.ok,
        note="" if report.ok else str(report.violations[0]),
    )


def carrying_out_s(snapshot: Snapshot, plan: Plan, limits: Limits) -> float:
    """Seconds that a plan's waves take: batches as large as the actuator's limits let go, one after another.

    The last wave's confirmation changes nothing any more, and is left out.
    """
    pods = snapshot.pods
    owners = [snapshot.templates[template].owner for template in pods.template.tolist()]
    owner_of = dict(zip(pods.uids, owners, strict=True))
    moves = sorted(plan.moves, key=lambda move: move.wave)
    waves = [list(wave) for _, wave in groupby(moves, key=lambda move: move.wave)]
    batches = sum(_batches(wave, owner_of, limits) for wave in waves)
    hours = max(0, len(moves) - 1) // limits.per_hour
    return batches * SETTLE_S + max(0, len(waves) - 1) * CONFIRM_S + hours * HOUR_S


def _batches(wave: list[Move], owner_of: dict[str, str], limits: Limits) -> int:
    def rounds(names: Iterable[str], most: int) -> int:
        return -(-max(Counter(names).values()) // most)

    return max(
        rounds((move.source for move in wave), limits.per_node),
        rounds((move.target for move in wave), limits.per_node),
        rounds((move.namespace for move in wave), limits.per_namespace),
        rounds((f"{move.namespace}/{owner_of[move.uid]}" for move in wave), limits.per_workload),
        rounds(("" for _ in wave), limits.per_cluster),
    )


def _why(plan: Plan) -> str:
    return "proven that none holds" if plan.status == "infeasible" else "no plan found in time"
