"""Why no plan can hold every budget: an irreducible set of budgets and constraints, and what would free them.

The relaxation proves it: a set of budgets and constraint families is in conflict when the relaxation restricted to
it is infeasible, since every real plan is a point of the relaxation. Where only whole pods are in each other's way,
the whole program of a small problem takes its place. QuickXplain (Junker, AAAI'04) narrows the set
until each member is needed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np

from powerplane.models.plan import Conflict
from powerplane.solver.exact import is_small, solve_whole
from powerplane.solver.greedy import Stop
from powerplane.solver.problem import UNBOUNDED, Problem
from powerplane.solver.relaxation import relax
from powerplane.solver.state import found_state
from powerplane.solver.tables import Ints, compile_tables

SINGLY = 8
"""So many domains over their budgets, and as many within theirs, are named one by one; the others stand together."""

Proof = Callable[[Problem, float], bool]
"""Says of a problem whether it is proven, within so many seconds, that it has no plan."""

CAPACITY = "requests must fit what nodes offer"
UNMOVABLE = "pods that may not be moved"
PLACES = "taints, cordons, node affinity and volumes"


@dataclass(frozen=True, slots=True)
class Part:
    """A member of a conflict: its name, and the domains whose budgets it stands for (none for a family)."""

    name: str
    domains: tuple[str, ...] = ()


def find_conflict(problem: Problem, *, stop: Stop = lambda: False, seconds: float = 5.0) -> Conflict | None:
    """Return a smallest set, in the sense that no member can be left out, of what cannot hold together.

    Parameters
    ----------
    problem : Problem
        One for which the relaxation, or a cover, proves that no plan holds everything.
    stop : callable
        Says when the time is up; the set is then as small as it has become, and what is left of the remedies is
        left out.
    seconds : float
        For each relaxation.

    Returns
    -------
    Conflict or None
        None where the relaxation does not see the conflict.
    """
    parts = _parts(problem)

    # The coarse relaxation is far quicker; the first proof that sees the conflict at all is used throughout.
    proof = next((one for one in PROOFS if one(restrict(problem, parts), seconds)), None)
    if proof is None:
        return None

    def clash(members: tuple[Part, ...]) -> bool:
        return proof(restrict(problem, members), seconds)

    members = quick_xplain(parts, clash, stop)
    # Of a set that is still too large, not every member's remedy would help; and none is told that was not worked out.
    narrowed = not stop()
    return Conflict(
        members=tuple(part.name for part in members),
        remedies=tuple(_remedy(problem, part, members, seconds, proof) for part in members if narrowed and not stop()),
    )


def quick_xplain(parts: tuple[Part, ...], clash: Callable[[tuple[Part, ...]], bool], stop: Stop) -> tuple[Part, ...]:
    """Return an irreducible subset of ``parts`` that still clashes."""

    def narrow(base: tuple[Part, ...], added: bool, rest: tuple[Part, ...]) -> tuple[Part, ...]:
        if added and not stop() and clash(base):
            return ()
        if len(rest) <= 1 or stop():
            return rest
        half = len(rest) // 2
        left, right = rest[:half], rest[half:]
        second = narrow((*base, *left), bool(left), right)
        first = narrow((*base, *second), bool(second), left)
        return (*first, *second)

    return narrow((), False, parts)


def coarsely_infeasible(problem: Problem, seconds: float) -> bool:
    """Say whether the coarse relaxation proves that no plan of a problem exists."""
    return relax(found_state(compile_tables(problem)), (), seconds=seconds, coarse=True).infeasible


def finely_infeasible(problem: Problem, seconds: float) -> bool:
    """Say whether the relaxation proves that no plan of a problem exists."""
    return relax(found_state(compile_tables(problem)), (), seconds=seconds).infeasible


def wholly_infeasible(problem: Problem, seconds: float) -> bool:
    """Say whether the whole program of a small problem proves that no plan exists, pods being whole."""
    state = found_state(compile_tables(problem))
    return is_small(state) and solve_whole(state, broken=True, seconds=seconds, seed=0).overload_bound_mw > 0


PROOFS = (coarsely_infeasible, finely_infeasible, wholly_infeasible)


def _parts(problem: Problem) -> tuple[Part, ...]:
    """All candidates; QuickXplain keeps earlier ones rather: large overdrawn domains first, families last."""
    state = found_state(compile_tables(problem))
    size: dict[str, int] = {}
    over: set[str] = set()
    excess = state.row_excess()
    for row, (name, budget) in enumerate(zip(problem.row_domain, problem.row_budget_mw, strict=True)):
        if budget != UNBOUNDED:
            size[name] = max(size.get(name, 0), len(state.tables.rows.nodes[row]))
        if excess[row] > 0:
            over.add(name)
    names = sorted(size, key=lambda name: (-size[name], name))
    hot = _named([name for name in names if name in over], "smaller domains over their budgets")
    calm = _named([name for name in names if name not in over], "domains within theirs")
    families = [Part(CAPACITY), Part(PLACES)] + ([Part(UNMOVABLE)] if not problem.movable.all() else [])
    return (*hot, *calm, *families)


def _named(names: list[str], kind: str) -> list[Part]:
    """Name the first few domains singly, and the others together."""
    singly = [Part(f"budget of {name}", (name,)) for name in names[:SINGLY]]
    rest = tuple(names[SINGLY:])
    if len(rest) == 1:
        return [*singly, Part(f"budget of {rest[0]}", rest)]
    return [*singly, Part(f"budgets of {len(rest)} {kind}", rest)] if rest else singly


def restrict(problem: Problem, members: tuple[Part, ...]) -> Problem:
    """Return the problem with only some budgets and constraint families left."""
    names = {part.name for part in members}
    kept = {domain for part in members for domain in part.domains}
    budgets = np.array(
        [
            budget if domain in kept else UNBOUNDED
            for domain, budget in zip(problem.row_domain, problem.row_budget_mw, strict=True)
        ],
        dtype=np.int64,
    )
    allocatable = problem.allocatable
    if CAPACITY not in names:
        allocatable = np.maximum(allocatable, _everything(problem))
    return replace(
        problem,
        row_budget_mw=budgets,
        allocatable=allocatable,
        allowed=problem.allowed if PLACES in names else np.ones_like(problem.allowed),
        movable=problem.movable if UNMOVABLE in names else np.ones_like(problem.movable),
    )


def _everything(problem: Problem) -> Ints:
    """What all pods together take of each resource."""
    total: Ints = (problem.requests[problem.cell_class] * problem.cell_count[:, None].astype(np.int64)).sum(axis=0)
    return total


def _remedy(problem: Problem, part: Part, members: tuple[Part, ...], seconds: float, proof: Proof) -> str:
    if part.name == CAPACITY:
        return "add nodes, or lower requests, under the domains that have watts to spare"
    if part.name == UNMOVABLE:
        return "let some of the pods that may not be moved move (their annotations, owners or disruption budgets)"
    if part.name == PLACES:
        return "uncordon nodes, or relax taints, node affinity or zones, where there are watts to spare"
    raise_mw = _needed_raise(problem, part, members, seconds, proof)
    if not isfinite(raise_mw):
        return f"raise the {part.name}, with others: alone it does not help"
    if raise_mw <= 0:
        return f"raise the {part.name}: by how much, only whole pods decide"
    others = "" if len(part.domains) == 1 else " in all"
    return f"raise the {part.name} by at least {raise_mw / 1000:.1f} W{others}"


def _needed_raise(problem: Problem, part: Part, members: tuple[Part, ...], seconds: float, proof: Proof) -> float:
    """Return the least overload, in milliwatts, when only this part may be exceeded; 0 where none is proven."""
    state = found_state(compile_tables(restrict(problem, members)))
    give, coarse = frozenset(part.domains), proof is coarsely_infeasible
    return relax(state, (), seconds=seconds, soft=True, give=give, coarse=coarse).bound
