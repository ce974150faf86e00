"""The anytime solve: a first plan at once, a bound soon, and better plans until they meet or the time is up."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import ceil

import numpy as np

from powerplane.models.plan import Status
from powerplane.solver.cover import cover
from powerplane.solver.exact import apply_counts, hold_exactly, is_small, solve_whole
from powerplane.solver.greedy import Stop, repair
from powerplane.solver.neighbourhood import Effort, replan
from powerplane.solver.problem import Problem
from powerplane.solver.relaxation import relax
from powerplane.solver.result import Flow, Result
from powerplane.solver.rounding import follow_covers
from powerplane.solver.spots import Cover, trouble_spots
from powerplane.solver.state import State, found_state
from powerplane.solver.tables import Ints, compile_tables
from powerplane.solver.waves import order_waves

ENOUGH = 0.0005
"""The search ends at this gap: closing the last half of a thousandth is worth nobody's time."""

SECOND_THOUGHTS = 3
"""Repairs from where the waves have led, when not all wanted moves could be ordered."""

OVERTIME = 30.0
"""Seconds after the deadline at which even the ordering of moves is given up."""

Clock = Callable[[], float]
Progress = Callable[["Standing"], None]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a solve has come: for progress bars and logs."""

    step: str
    seconds: float
    cost: int
    bound: int
    overload_mw: int


@dataclass(slots=True, eq=False)
class Run:
    """One solve: the clock, the best state so far, and what is proven.

    Attributes
    ----------
    cost_bound, overload_bound_mw : int
        Proven lower limits.
    hopeless : bool
        Proven that no plan holds every budget and capacity.
    """

    found: State
    best: State
    clock: Clock
    started: float
    seconds: float
    seed: int
    workers: int
    report: Progress | None
    cost_bound: int = 0
    overload_bound_mw: int = 0
    hopeless: bool = False
    covers: tuple[Cover, ...] = ()
    runners_up: list[State] = field(default_factory=list)
    trail: list[tuple[float, int, int, str]] = field(default_factory=list)

    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.clock() - self.started

    def left(self, share: float = 1.0) -> float:
        """Seconds left until a share of the time is used up."""
        return self.seconds * share - self.elapsed()

    def offer(self, state: State, step: str) -> bool:
        """Take a state as the best if it is better; note it either way."""
        better = _worth(state) < _worth(self.best)
        if better:
            self.runners_up = [*self.runners_up[-3:], self.best]
            self.best = state
            self.trail.append((self.elapsed(), state.cost, state.overload_mw(), step))
        self.tell(step)
        return better

    def tell(self, step: str) -> None:
        """Report where the solve stands."""
        if self.report:
            best = self.best
            self.report(Standing(step, self.elapsed(), best.cost, self.cost_bound, best.overload_mw()))

    @property
    def close(self) -> bool:
        """Whether the best plan holds everything and is proven good enough to stop."""
        return self.best.distress_mw() == 0 and self.best.cost <= self.cost_bound * (1 + ENOUGH)

    @property
    def proven(self) -> bool:
        """Whether the best plan holds everything at a cost that is proven to be the least."""
        return self.best.distress_mw() == 0 and self.best.cost <= self.cost_bound


def solve(
    problem: Problem,
    *,
    objective: str = "disruption",
    seconds: float,
    seed: int,
    clock: Clock,
    workers: int = 2,
    on_progress: Progress | None = None,
) -> Result:
    """Find the least disruptive placement that holds every budget, and prove how close to the least it is.

    Parameters
    ----------
    problem : Problem
    objective : "disruption" or "energy"
        What is minimised once budgets and capacities hold.
    seconds : float
        Time for everything, in ``clock``'s seconds; the best found by then is returned.
    seed : int
    clock : callable
        Monotonic seconds.
    workers : int
        Threads for the neighbourhoods.
    on_progress : callable, optional
        Called with a ``Standing`` after every step.
    """
    found = found_state(compile_tables(problem))
    run = Run(found, found, clock, clock(), seconds, seed, workers, on_progress)
    _repair(run)
    if run.best.distress_mw() or run.best.cost:
        _prove(run)
        _round(run)
        _whole(run)
        _improve(run)
    flows, reached = _in_waves(run)
    return _result(run, objective, flows, reached)


def _repair(run: Run) -> None:
    """Step 1: the first plan, greedily."""
    run.trail.append((run.elapsed(), 0, run.found.overload_mw(), "found"))
    if run.found.distress_mw():
        state = run.found.copy()
        repair(state, lambda: run.left(0.5) < 0)
        run.offer(state, "greedy repair")


def _prove(run: Run) -> None:
    """Step 2: bounds, from exact covers of the trouble spots and the relaxation of the whole."""
    spots = trouble_spots(run.found)
    covers = []
    for i, spot in enumerate(spots):
        fair = run.left(0.6) / max(1, len(spots) - i)
        if run.left(0.6) <= 0:
            break
        covers.append(cover(run.found, spot, seconds=max(0.02, min(fair, run.seconds / 4)), seed=run.seed))
    run.covers = tuple(covers)
    if not all(c.possible for c in covers):
        run.hopeless = True
    run.cost_bound = sum(c.bound for c in covers)
    run.tell("covers")
    if not run.proven:
        _relax(run)


def _relax(run: Run) -> None:
    """Bound the whole by linear programming: a small model first, which may prove at once that nothing helps."""
    small = relax(run.found, (), seconds=max(0.2, run.left(0.8)), coarse=True)
    run.hopeless |= small.infeasible
    if not run.hopeless and run.left(0.7) > 0:
        cuts = tuple((c.spot.nodes, c.bound) for c in run.covers)
        whole = relax(run.found, cuts, seconds=run.left(0.8))
        run.hopeless |= whole.infeasible
        if not whole.infeasible:
            run.cost_bound = max(run.cost_bound, ceil(whole.bound - 1e-3))
    if run.hopeless:
        least = relax(run.found, (), seconds=max(0.2, run.left(0.8)), coarse=True, soft=True)
        if run.left(0.5) > 0:
            closer = relax(run.found, (), seconds=run.left(0.8), soft=True)
            least = max(least, closer, key=lambda relaxed: 0.0 if relaxed.infeasible else relaxed.bound)
        run.overload_bound_mw = 0 if least.infeasible else max(0, ceil(least.bound - 1))
    run.tell("relaxation")


def _round(run: Run) -> None:
    """Step 3: carry the covers out, and repair what did not fit."""
    if run.proven or not any(c.taken for c in run.covers):
        return
    state = follow_covers(run.found, run.covers)
    repair(state, lambda: run.left(0.8) < 0)
    run.offer(state, "cover rounding")


def _improve(run: Run) -> None:
    """Step 4: neighbourhoods, until the bound is met, nothing improves any more, or the time is up."""
    rng = np.random.default_rng(run.seed)
    idle = 0
    while not run.close and run.left(0.9) > 0.05 and idle < 40:
        nodes = _neighbourhood(run, rng)
        if not len(nodes):
            return
        state = run.best.copy()
        budget = min(0.5, run.left(0.9))
        better = replan(state, nodes, Effort(budget, run.workers, int(rng.integers(2**31))))
        idle = 0 if better else idle + 1
        if better:
            run.offer(state, "neighbourhood")


def _whole(run: Run) -> None:
    """Step 3½, for small problems: the whole as one program."""
    if run.close or run.left(0.5) <= 0 or not is_small(run.found):
        return
    broken = run.best.distress_mw() > 0
    whole = solve_whole(run.found, broken=broken, seconds=run.left(0.5), seed=run.seed)
    run.overload_bound_mw = max(run.overload_bound_mw, whole.overload_bound_mw)
    run.hopeless |= whole.overload_bound_mw > 0
    run.cost_bound = max(run.cost_bound, whole.cost_bound)
    ruled = bool(run.found.tables.problem.rules)
    if whole.counts is not None and not ruled:
        run.offer(apply_counts(run.found, whole.counts), "whole program")
        if run.best.distress_mw() and not run.hopeless and run.left(0.8) > 0:
            counts = hold_exactly(run.found, seconds=run.left(0.8), seed=run.seed)
            if counts is not None:
                run.offer(apply_counts(run.found, counts), "whole program")
    run.tell("whole program")


def _neighbourhood(run: Run, rng: np.random.Generator) -> Ints:
    """Choose a few nodes: of a spot that is still over budget or pays more than its cover, and some that have room."""
    state = run.best
    room = state.node_room()
    hot = np.flatnonzero((room < 0) | (state.free < 0).any(axis=1))
    if not len(hot):
        dear = [c.spot.nodes for c in run.covers if _paid(state, c) > c.bound]
        if not dear:
            return np.zeros(0, dtype=np.int64)
        hot = dear[int(rng.integers(len(dear)))]
    givers = rng.permutation(hot)[:8]
    weight = np.maximum(room, 0).astype(float)
    weight[givers] = 0
    if not weight.any():
        return np.sort(givers)
    weight = np.minimum(weight, np.quantile(weight[weight > 0], 0.9))
    size = min(6, int((weight > 0).sum()))
    takers = rng.choice(len(weight), size=size, replace=False, p=weight / weight.sum())
    return np.sort(np.concatenate([givers, takers]))


def _paid(state: State, spot_cover: Cover) -> int:
    """What the plan pays for pods that leave a spot's nodes."""
    nodes = set(spot_cover.spot.nodes.tolist())
    price = state.tables.problem.move_cost
    return sum(-change * int(price[c]) for (c, n), change in state.delta.items() if change < 0 and n in nodes)


def _in_waves(run: Run) -> tuple[tuple[Flow, ...], State]:
    """Step 5: the moves in waves; where a plan cannot be ordered safely as a whole, the next best may serve better.

    A plan without waves is worth nothing, so this step may run over.
    """

    def stop() -> bool:
        return run.left() < -OVERTIME

    flows, reached = order_waves(run.found, run.best, stop)
    for other in reversed(run.runners_up):
        if reached.delta == run.best.delta or _worth(other) >= _worth(reached):
            break
        flows, reached = min((flows, reached), order_waves(run.found, other, stop), key=lambda pair: _worth(pair[1]))
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


def _worth(state: State) -> tuple[int, int]:
    return state.distress_mw(), state.cost


def _result(run: Run, objective: str, flows: tuple[Flow, ...], reached: State) -> Result:
    price = run.found.tables.problem.move_cost
    cost = sum(flow.count * int(price[flow.pod_class]) for flow in flows)
    return Result(
        status=_status(run, reached, cost),
        objective=objective,
        flows=flows,
        cost=cost,
        bound=min(cost, run.cost_bound) if not reached.distress_mw() else 0,
        overload_mw=reached.overload_mw(),
        overload_bound_mw=run.overload_bound_mw,
        seed=run.seed,
        seconds=run.elapsed(),
        trail=tuple(run.trail),
    )


def _status(run: Run, reached: State, cost: int) -> Status:
    if reached.distress_mw() == 0:
        return "optimal" if cost <= run.cost_bound else "feasible"
    return "infeasible" if run.hopeless else "unknown"
