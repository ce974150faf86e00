"""A plan for more power trees than an object holds is made again for some of them, whole and checked as any other.

A part of a plan has not been checked: its waves hold budgets together. So the trees of the worst violations, and those
that take in what leaves them, are solved for alone, with all others closed; the rest is the next round's.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from powerplane.models.plan import Plan
from powerplane.models.snapshot import Snapshot
from powerplane.recommender.allowing import Allowing
from powerplane.recommender.hysteresis import Calm
from powerplane.recommender.narrowing import Limits
from powerplane.recommender.outside import Solves
from powerplane.recommender.proposing import Proposal
from powerplane.recommender.publishing import MOST_TREES
from powerplane.recommender.throttle_candidates import Throttling
from powerplane.recommender.throttle_plan import Task, propose_with_throttles
from powerplane.recommender.trees import Trees
from powerplane.recommender.violations import Violation


@dataclass(frozen=True, slots=True, eq=False)
class Portion:
    """What solving came to, and for which violations: others are left for the next round."""

    proposal: Proposal
    wanted: tuple[Violation, ...]


def propose_portion(
    snapshot: Snapshot,
    allowing: Allowing,
    trees: Trees,
    limits: Limits,
    wanted: Iterable[Violation],
    *,
    solver: Solves,
    deadline_s: float,
    seed: int,
    calm: Calm,
    most_trees: int = MOST_TREES,
    throttling: Throttling | None = None,
) -> Portion:
    """Solve as ``propose`` does, and once more for a part where what comes of it is for more than ``most_trees``."""

    def solve(limits: Limits, wanted: tuple[Violation, ...]) -> Proposal:
        task = Task(snapshot, allowing, trees, limits, wanted, solver, deadline_s, seed, calm)
        return propose_with_throttles(task, throttling)

    every = tuple(wanted)
    proposal = solve(limits, every)
    if proposal.plan is None or len(touched(proposal.plan, trees)) <= most_trees:
        return Portion(proposal, every)
    kept = chosen(proposal.plan, every, trees, most_trees)
    part = tuple(each for each in every if trees.roots((each.name,)) <= kept)
    closed = frozenset().union(*trees.of_domain.values()) - kept
    return Portion(solve(replace(limits, busy=limits.busy | closed), part), part)


def touched(plan: Plan, trees: Trees) -> frozenset[str]:
    """Return the roots of the trees that a plan's moves leave or come to."""
    return trees.roots(node for move in plan.moves for node in (move.source, move.target))


def chosen(plan: Plan, wanted: Iterable[Violation], trees: Trees, most: int) -> frozenset[str]:
    """Return at most so many roots: of the worst violations, each with all trees that its moves go to.

    Parameters
    ----------
    plan : Plan
    wanted : iterable of Violation
        The worst first.
    trees : Trees
    most : int
    """
    kept: frozenset[str] = frozenset()
    moves = [trees.roots((move.source, move.target)) for move in plan.moves]
    for each in wanted:
        own = trees.roots((each.name,))
        beside = Counter(root for roots in moves if roots & own for root in roots - own)
        whole = own.union(beside)
        if len(kept | whole) <= most:
            kept |= whole
        elif not kept:
            # Of one that goes to more trees than an object holds, those that take in most.
            kept = own.union(root for root, _ in beside.most_common(max(0, most - len(own))))
    return kept
