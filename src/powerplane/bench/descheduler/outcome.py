"""What one way of moving pods came to on one cell: the record that the table is made from."""

import msgspec

from powerplane.bench.descheduler.arms import Arm
from powerplane.bench.descheduler.cells import CutCell
from powerplane.bench.descheduler.cycles import HORIZON_S, SETTLE_S, Story
from powerplane.bench.descheduler.placed import NOWHERE
from powerplane.bench.descheduler.recount import recount
from powerplane.solver.formulate import Formulation

OURS = "PowerPlane"
LATE_SHARE = 0.75
"""Evictions in the last quarter of the time, with budgets still broken, are called going in circles."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One method on one cell.

    Attributes
    ----------
    cell, level, seed : str, str, int
        Size and family; which kind of domain was cut.
    evictions : int
        Until every budget held with every pod running; where that never happened, all of them.
    cost : float
        Their price in ordinary moves; a pod that is moved twice counts twice.
    bound : float or None
        The proven least price of any plan; PowerPlane only.
    cycles : int
        Runs of descheduler, or waves.
    seconds : float or None
        Simulated, from the cut until every budget held; None for never. Descheduler's first run comes half an interval
        after the cut, as it does on average.
    why : str
        Why never.
    left_watts : float
        Above budgets at the end.
    waiting : int
        Pods without a node at the end.
    returned : int
        Evicted pods that the scheduler put into the cut domain again.
    broken, broken_watts : int, float
        Budgets that held before and were passed on the way, and by how many watts at most, all together.
    refused : int
        Evictions that a disruption budget forbade.
    later : int
        Evictions after every budget held, until the time was over.
    relapses : int
        Runs after that, which left some budget broken again or a pod without a node.
    solve_seconds : float
        Of wall-clock time; 0 for what is simulated.
    checked : bool
        By the independent checker, or by a recount of the story.
    note : str
        The first thing that was found wrong.
    """

    method: str
    cell: str
    level: str
    seed: int
    found_watts: float
    evictions: int
    cost: float
    bound: float | None = None
    cycles: int
    seconds: float | None
    why: str = ""
    left_watts: float
    waiting: int = 0
    returned: int = 0
    broken: int = 0
    broken_watts: float = 0.0
    refused: int = 0
    later: int = 0
    relapses: int = 0
    solve_seconds: float = 0.0
    checked: bool
    note: str = ""

    @property
    def holds(self) -> bool:
        """Whether every budget came to hold."""
        return self.seconds is not None


def tell(cell: CutCell, formulation: Formulation, arm: Arm, story: Story, named: tuple[str, int]) -> Outcome:
    """Sum up a story of evictions.

    Parameters
    ----------
    named : tuple of (str, int)
        The cell's name and seed.
    """
    held = next((look for look in story.looks if look.holds), None)
    upto = held or story.looks[-1]
    events = [event for event in story.events if event.cycle <= upto.cycle]
    looks = [look for look in story.looks if look.cycle <= upto.cycle]
    evicted = [event for event in events if event.source != NOWHERE]
    price = formulation.problem.move_cost[formulation.classes.of_pod[[event.pod for event in evicted]]]
    judged = recount(cell.snapshot, story)
    return Outcome(
        method=arm.name,
        cell=named[0],
        level=cell.level,
        seed=named[1],
        found_watts=story.first_overload_mw / 1000,
        evictions=upto.evictions,
        cost=int(price.sum()) / 1000,
        cycles=upto.cycle + 1,
        seconds=arm.interval_s // 2 + held.cycle * arm.interval_s + SETTLE_S if held else None,
        why="" if held else _why(arm, story),
        left_watts=upto.overload_mw / 1000,
        waiting=upto.waiting,
        returned=sum(event.target != NOWHERE and bool(cell.inside[event.target]) for event in evicted),
        broken=len({name for look in looks for name in look.broken}),
        broken_watts=max(look.broken_mw for look in looks) / 1000,
        refused=story.refused,
        later=story.looks[-1].evictions - upto.evictions,
        relapses=sum(not look.holds for look in story.looks if look.cycle > upto.cycle),
        checked=judged.agrees,
        note=judged.differences[0] if judged.differences else "",
    )


def _why(arm: Arm, story: Story) -> str:
    if story.error:
        return story.error
    last = story.looks[-1]
    if last.waiting:
        return "pods fit nowhere"
    if last.cycle + 1 < HORIZON_S // arm.interval_s:
        return "stands still"
    late = [look for look in story.looks if look.cycle <= LATE_SHARE * last.cycle]
    return "goes in circles" if late and last.evictions > late[-1].evictions else "too slow"
