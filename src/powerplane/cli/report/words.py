"""A plan in words: the sentence that answers, the status, and figures with their units."""

from collections import Counter
from collections.abc import Iterable
from math import ceil

from powerplane.models.plan import DomainDraw, Plan, Status

HALF_A_MILLIWATT = 0.0005
"""Watts are whole milliwatts underneath: less than this is rounding, not an overload."""

STATUS_WORDS: dict[Status, str] = {
    "optimal": "every budget holds, and it is proven that no plan costs less",
    "feasible": "every budget holds; a cheaper plan may exist, by at most the gap",
    "infeasible": "it is proven that no plan holds every budget",
    "unknown": "neither a plan that holds every budget nor a proof that there is none was found in time",
}

BEST_OF = {"disruption": "the least disruption", "energy": "the least draw"}


def watts(value: float) -> str:
    """Format watts with the unit that fits: ``842 W``, ``12.63 kW``, ``1.204 MW``."""
    size = abs(value)
    if size >= 999_995:
        return f"{value / 1e6:,.3f} MW"
    if size >= 999.5:
        return f"{value / 1e3:.2f} kW"
    return f"{value:.0f} W" if size >= 99.95 or value == round(value) else f"{value:.1f} W"


def share(value: float) -> str:
    """Format a share of a budget in whole per cent, from 99 to 101 in tenths and 100 only when it is that."""
    per_cent = 100 * value
    if 99 < per_cent < 100:
        return f"{min(per_cent, 99.9):.1f} %"
    if 100 < per_cent < 101:
        return f"{max(per_cent, 100.1):.1f} %"
    return f"{per_cent:.0f} %"


def gap(value: float | None) -> str:
    """Format a gap, rounded up so that the claim stays true."""
    if value is None:
        return "not known"
    tenths = ceil(value * 1000 - 1e-9)
    return f"{tenths / 10:g} %" if tenths < 100 else f"{ceil(tenths / 10):,} %"


def amount(value: float, objective: str) -> str:
    """Format a cost or bound: ordinary moves, or watts for the energy objective."""
    if objective == "energy":
        return watts(value)
    text = f"{value:,.3f}".rstrip("0").rstrip(".")
    return f"{text} ordinary move" + ("" if value == 1 else "s")


def seconds(value: float) -> str:
    """Format a duration: ``0.42 s``, ``9.8 s``, ``74 s``, ``11 min 40 s``."""
    if value < 119.5:
        return f"{value:.2f} s" if value < 1 else f"{value:.1f} s" if value < 60 else f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes:,} min {rest} s" if rest else f"{minutes:,} min"


def count(number: int, noun: str) -> str:
    """``1 rack``, ``8 racks``, ``2 branches``."""
    ending = "" if number == 1 else "es" if noun.endswith(("s", "x", "ch", "sh")) else "s"
    return f"{number:,} {noun}{ending}"


def is_over(draw: float, budget: float | None) -> bool:
    """Whether a draw breaks a budget, both in watts."""
    return budget is not None and draw - budget > HALF_A_MILLIWATT


def over_before(plan: Plan) -> tuple[DomainDraw, ...]:
    """Domains that break their budgets before the plan."""
    return tuple(d for d in plan.domains if is_over(d.before_watts, d.budget_watts))


def over_after(plan: Plan) -> tuple[DomainDraw, ...]:
    """Domains that break their budgets after the plan."""
    return tuple(d for d in plan.domains if is_over(d.after_watts, d.budget_watts))


def verdict(plan: Plan, freed_nodes: int = 0) -> str:
    """Say in one sentence what the plan does and what is proven about it.

    Parameters
    ----------
    plan : Plan
    freed_nodes : int
        Nodes whose own budgets the plan brings back; a plan lists only domains.
    """
    holds = plan.overload_watts <= HALF_A_MILLIWATT and not over_after(plan)
    if plan.status in ("optimal", "feasible") and holds:
        return f"{_deed(plan, freed_nodes)}{_left_over(plan)}; {_proof(plan)}."
    if plan.status == "infeasible":
        return f"No placement holds every budget, and that is proven: the best one found leaves {_overload(plan)}."
    if plan.status in ("optimal", "feasible"):
        return f"The plan leaves {_overload(plan)}."
    opening = f"In {seconds(plan.seconds)}, neither a plan that holds every budget nor a proof that there is none was"
    return f"{opening} found: the best so far leaves {_overload(plan)}."


def moves_in_waves(plan: Plan) -> str:
    """``74 moves in 6 waves``."""
    return f"{count(len(plan.moves), 'move')} in {count(len({move.wave for move in plan.moves}), 'wave')}"


def kinds(domains: Iterable[str]) -> str:
    """Count kinds: ``8 racks and 1 row``."""
    parts = [count(times, kind) for kind, times in Counter(domains).most_common()]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _deed(plan: Plan, freed_nodes: int) -> str:
    if not plan.moves:
        return "Every budget holds as it is and nothing has to move"
    end = "s" if len(plan.moves) == 1 else ""
    still = {d.name for d in over_after(plan)}
    freed = [d.kind for d in over_before(plan) if d.name not in still] + ["node"] * freed_nodes
    if freed:
        return f"{moves_in_waves(plan)} bring{end} {kinds(freed)} back under budget"
    if plan.objective == "energy":
        return f"{moves_in_waves(plan)} lower{end} the draw and keep{end} every budget"
    return f"{moves_in_waves(plan)} keep{end} every budget"


def _left_over(plan: Plan) -> str:
    return f", with {count(len(plan.unplaced), 'pod')} not placed" if plan.unplaced else ""


def _proof(plan: Plan) -> str:
    best = BEST_OF.get(plan.objective, f"the best {plan.objective}")
    if plan.status == "optimal":
        return f"proven to be {best}"
    if plan.gap is None:
        return f"how far that is from {best} is not proven"
    return f"proven within {gap(plan.gap)} of {best}"


def _overload(plan: Plan) -> str:
    where = over_after(plan)
    place = f" in {kinds(d.kind for d in where)}" if where else ""
    after = f" after {moves_in_waves(plan)}" if plan.moves else " with nothing moved"
    return f"{watts(plan.overload_watts)} above budget{place}{after}"
