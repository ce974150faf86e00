"""From a snapshot and what is violated to a plan that may be published, or the reason why there is none."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from powerplane.models.api.placement_plan import PlannedMove
from powerplane.models.plan import Plan
from powerplane.models.snapshot import Snapshot
from powerplane.recommender.allowing import Allowing, Leave
from powerplane.recommender.hysteresis import Calm, is_worth
from powerplane.recommender.narrowing import Limits, narrowed, overload_mw
from powerplane.recommender.outside import Solves
from powerplane.recommender.trees import Trees
from powerplane.recommender.violations import Violation, whole_watts

Outcome = Literal["plan", "none", "withheld", "failed"]
"""plan: to be published. none: nothing helps. withheld: what helps is not worth it. failed: no answer."""

MOST_TOLD = 3


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What a plan is made for and with.

    Parameters
    ----------
    snapshot : Snapshot
        On measured watts.
    allowing : Allowing
    trees : Trees
    limits : Limits
    wanted : tuple of Violation
        The worst first.
    solver : Solves
    deadline_s : float
        For solving once.
    seed : int
    calm : Calm
    """

    snapshot: Snapshot
    allowing: Allowing
    trees: Trees
    limits: Limits
    wanted: tuple[Violation, ...]
    solver: Solves
    deadline_s: float
    seed: int
    calm: Calm


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """What solving came to.

    Parameters
    ----------
    outcome : Outcome
    plan : Plan or None
    why : str
        A sentence for people.
    leaves : mapping
        By UID of each moved pod: by whose leave.
    in_place : tuple of PlannedMove
        What pods are given where they are, beside the plan's moves.
    """

    outcome: Outcome
    plan: Plan | None
    why: str
    leaves: Mapping[str, Leave]
    in_place: tuple[PlannedMove, ...] = ()


def propose(task: Task) -> Proposal:
    """Solve for what is violated, by moves alone.

    Parameters
    ----------
    task : Task
    """
    told = reason_for(task.wanted)
    leaves = task.allowing.of_templates(task.snapshot)
    if not any(leaves):
        return Proposal("none", None, f"{told}; no policy in mode Enforce lets any pod be moved", {})
    problem = narrowed(task.snapshot, leaves, task.trees, task.limits)
    before_mw = overload_mw(problem)
    answer = task.solver.solve(problem, task.deadline_s, task.seed)
    if answer.plan is None:
        return Proposal("failed", None, f"{told}; no plan: {answer.trouble}", {})
    plan = answer.plan
    by_uid = leaves_of(plan, task.snapshot, leaves)
    if not plan.moves:
        return Proposal("none", plan, f"{told}; {_why_none(plan)}", {})
    after_mw = round(plan.overload_watts * 1000)
    saves = f"{len(plan.moves)} moves take {whole_watts(max(0, before_mw - after_mw))} of {whole_watts(before_mw)} off"
    if not is_worth(before_mw, after_mw, len(plan.moves), task.calm):
        return Proposal("withheld", plan, f"{told}; {saves}, which is not worth them", by_uid)
    left = f"; {whole_watts(after_mw)} stay above budgets" if after_mw else ""
    return Proposal("plan", plan, f"{told}; {saves}{left}", by_uid)


def reason_for(wanted: Iterable[Violation]) -> str:
    """Say what a plan is for, the worst first."""
    found = list(wanted)
    told = [f"{each.kind} {each.name} {each.why}" for each in found[:MOST_TOLD]]
    more = f" and {len(found) - MOST_TOLD} more" if len(found) > MOST_TOLD else ""
    return "; ".join(told) + more


def cuts_mw(plan: Plan) -> dict[str, int]:
    """What a plan takes off each domain that it changes, in milliwatts; below 0 where it adds."""
    changes = {each.name: round((each.before_watts - each.after_watts) * 1000) for each in plan.domains}
    return {name: cut for name, cut in changes.items() if cut}


def leaves_of(plan: Plan, snapshot: Snapshot, leaves: Sequence[Leave | None]) -> dict[str, Leave]:
    """Return by whose leave each pod of a plan is moved, by its UID."""
    moved = {move.uid for move in plan.moves}
    pods = snapshot.pods
    found = {}
    for uid, template in zip(pods.uids, pods.template.tolist(), strict=True):
        leave = leaves[template]
        if uid in moved and leave is not None:
            found[uid] = leave
    return found


def _why_none(plan: Plan) -> str:
    if plan.conflict is None or not plan.conflict.members:
        return "no move that is allowed helps" if plan.status == "infeasible" else "no plan was found in time"
    what = ", ".join(plan.conflict.members[:MOST_TOLD])
    remedy = f"; {plan.conflict.remedies[0]}" if plan.conflict.remedies else ""
    return f"no plan holds {what}{remedy}"
