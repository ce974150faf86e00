"""A plan for more power trees than an object holds is made again for some of them, whole and checked as any other.

A part of a plan has not been checked: its waves hold budgets together. So the trees of the worst violations, and those
that take in what leaves them, are solved for alone, with all others closed; the rest is the next round's.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from powerplane.models.plan import Plan
from powerplane.recommender.proposing import Proposal, Task
from powerplane.recommender.publishing import MOST_TREES
from powerplane.recommender.throttle_candidates import Throttling
from powerplane.recommender.throttle_plan import propose_with_throttles
from powerplane.recommender.trees import Trees
from powerplane.recommender.violations import Violation


@dataclass(frozen=True, slots=True, eq=False)
class Portion:
    """What solving came to, and for which violations: others are left for the next round."""

    proposal: Proposal
    wanted: tuple[Violation, ...]


def propose_portion(task: Task, *, most_trees: int = MOST_TREES, throttling: Throttling | None = None) -> Portion:
    """Propose, and once more for a part where what comes of it is for more trees than one object holds.

    Parameters
    ----------
    task : Task
    most_trees : int
    throttling : Throttling or None
        None where nothing is held down.
    """
    trees, every = task.trees, task.wanted
    proposal = propose_with_throttles(task, throttling)
    if proposal.plan is None or len(touched(proposal.plan, trees)) <= most_trees:
        return Portion(proposal, every)
    kept = chosen(proposal.plan, every, trees, most_trees)
    part = tuple(each for each in every if trees.roots((each.name,)) <= kept)
    closed = frozenset().union(*trees.of_domain.values()) - kept
    limits = replace(task.limits, busy=task.limits.busy | closed)
    return Portion(propose_with_throttles(replace(task, limits=limits, wanted=part), throttling), part)


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
