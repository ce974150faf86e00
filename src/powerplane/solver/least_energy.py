"""The energy objective: hold the budgets first, then empty and pack nodes, against a bound."""

from functools import partial

import numpy as np

from powerplane.solver.energy import Packing, consolidate, dearest_first, emptiest_first, packing_of, weakest_first
from powerplane.solver.energy_bound import draw_bound_mw
from powerplane.solver.finish import in_waves, result_of
from powerplane.solver.neighbourhood import Effort, repack
from powerplane.solver.result import Result
from powerplane.solver.run import ENOUGH, Run


def least_energy(run: Run) -> Result:
    """From a placement that holds its budgets, or breaks them least, to one that draws least, and its bound."""
    packing = packing_of(run.best.copy())
    bound = draw_bound_mw(run.found, seconds=max(0.2, run.left(0.2)))
    orders = (weakest_first, dearest_first, emptiest_first)
    tries = [packing.copy() for _ in orders]
    for i, (order, trial) in enumerate(zip(orders, tries, strict=True)):
        consolidate(trial, order(trial.state), partial(_late, run, 0.3 + 0.2 * i))
        run.tell("consolidation")
    packing = min([packing, *tries], key=lambda p: (p.state.distress_mw(), p.draw_mw()))
    _repack(run, packing, bound)
    run.best, run.runners_up = packing.state, []
    flows, reached = in_waves(run)
    final = packing_of(reached)
    run.cost_bound = bound
    sleepable = tuple(int(n) for n in np.flatnonzero(~final.awake))
    return result_of(run, "energy", (flows, reached), final.draw_mw(), sleepable=sleepable)


def _late(run: Run, share: float) -> bool:
    return run.left(share) < 0


def _repack(run: Run, packing: Packing, bound: int) -> None:
    """Neighbourhoods for energy: the node that is easiest to empty, and others that could share its work."""
    rng = np.random.default_rng(run.seed)
    while run.left(0.8) > 0.1 and packing.draw_mw() > bound * (1 + ENOUGH):
        awake = np.flatnonzero(packing.awake)
        if len(awake) < 2:
            return
        work = packing.state.use()[awake] / np.maximum(1, packing.state.tables.problem.allocatable[awake, -1])
        chance = 1 / (0.05 + work)
        size = min(8, len(awake))
        nodes = rng.choice(awake, size=size, replace=False, p=chance / chance.sum())
        repack(packing, np.sort(nodes), Effort(min(0.5, run.left(0.8)), run.workers, int(rng.integers(2**31))))
        run.tell("packing neighbourhood")
