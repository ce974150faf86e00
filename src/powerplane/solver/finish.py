"""The end of a solve: the best placement in waves, and the result."""

from dataclasses import replace

from powerplane.models.plan import Status
from powerplane.solver.greedy import Stop, repair
from powerplane.solver.result import Flow, Result
from powerplane.solver.run import Run, worth
from powerplane.solver.state import State
from powerplane.solver.waves import order_waves

SECOND_THOUGHTS = 3
"""Repairs from where the waves have led, when not all wanted moves could be ordered."""

OVERTIME = 30.0
"""Seconds after the deadline at which even the ordering of moves is given up."""


def in_waves(run: Run) -> tuple[tuple[Flow, ...], State]:
    """Step 7: the moves in waves; where a plan cannot be ordered safely as a whole, the next best may serve better.

    A plan without waves is worth nothing, so this step may run over.
    """

    def stop() -> bool:
        return run.left() < -OVERTIME

    flows, reached = order_waves(run.found, run.best, stop)
    for other in reversed(run.runners_up):
        if reached.delta == run.best.delta or worth(other) >= worth(reached):
            break
        flows, reached = min((flows, reached), order_waves(run.found, other, stop), key=lambda pair: worth(pair[1]))
    for _ in range(SECOND_THOUGHTS):
        if not reached.distress_mw() or reached.distress_mw() <= run.best.distress_mw():
            break
        flows, reached = _go_on(flows, reached, stop)
    return flows, reached


def _go_on(flows: tuple[Flow, ...], reached: State, stop: Stop) -> tuple[tuple[Flow, ...], State]:
    """Repair from where the waves have led, in further waves."""
    wanted = reached.copy()
    repair(wanted, stop)
    last = max((flow.wave for flow in flows), default=0)
    more, further = order_waves(reached, wanted, stop)
    if further.distress_mw() >= reached.distress_mw():
        return flows, reached
    return (*flows, *(replace(flow, wave=flow.wave + last) for flow in more)), further


def result_of(
    run: Run, objective: str, waves: tuple[tuple[Flow, ...], State], cost: int, *, sleepable: tuple[int, ...] = ()
) -> Result:
    """Return the result of a run whose waves lead to a state, at a cost in the objective's units."""
    flows, reached = waves
    proven = objective == "energy" or not reached.distress_mw()
    return Result(
        status=_status(run, reached, cost),
        objective=objective,
        flows=flows,
        cost=cost,
        bound=min(cost, run.cost_bound) if proven else 0,
        overload_mw=reached.overload_mw(),
        overload_bound_mw=run.overload_bound_mw,
        seed=run.seed,
        seconds=run.elapsed(),
        trail=tuple(run.trail),
        sleepable=sleepable,
    )


def _status(run: Run, reached: State, cost: int) -> Status:
    if reached.distress_mw() == 0:
        return "optimal" if cost <= run.cost_bound else "feasible"
    return "infeasible" if run.hopeless else "unknown"
