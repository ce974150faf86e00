"""The section of the results page: who needs how many evictions, and how long."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median

from powerplane.bench.descheduler.arms import ARMS
from powerplane.bench.descheduler.outcome import OURS, Outcome
from powerplane.bench.page import spread, table
from powerplane.bench.verdict import Verdict

METHODS = (OURS, *(arm.name for arm in ARMS))

INTRODUCTION = """\
## Moves beside descheduler's

Written by `python -m powerplane.bench.descheduler`. [README.md](README.md#moves-beside-deschedulers) says what the \
cells, the rows and the columns are.

A domain loses a fifth of its budget, and has then to shed about a tenth of what it draws. Descheduler is simulated by \
code of ours after its published source; it was not run. Figures are the median over the seeds with the worst in \
brackets. Each *won, tied, lost* compares PowerPlane, seed by seed, with the best of all descheduler rows, chosen in \
hindsight: first whether every budget came to hold with every pod running, then the watts left, then evictions, or \
instead of these the seconds. Losses are in bold.
"""

HEADINGS = (
    "cell",
    "row",
    "holds",
    "evictions",
    "cost",
    "proven bound",
    "runs or waves",
    "simulated s",
    "W left",
    "back in the cut domain",
    "other budgets broken",
    "by W",
    "refused",
    "evictions after",
    "runs that broke again",
    "checked",
)


def render_section(outcomes: Sequence[Outcome], conditions: Mapping[str, str]) -> str:
    """Return the section as Markdown.

    Parameters
    ----------
    outcomes : sequence of Outcome
        In the order of the page.
    conditions : mapping of str to str
        By cell, when it was measured, on what and under which load.
    """
    levels = list(dict.fromkeys(one.level for one in outcomes))
    parts = [INTRODUCTION, _conditions(conditions), _in_short(outcomes), _summary(outcomes), _totals(outcomes)]
    for level in levels:
        of_level = [one for one in outcomes if one.level == level]
        rows = [_row(group) for group in _grouped(of_level)]
        parts += [f"### A {level} is cut\n", table(HEADINGS, rows), "", *_notes(of_level)]
    return "\n".join(parts).rstrip() + "\n"


def _conditions(conditions: Mapping[str, str]) -> str:
    """One line for all cells that were measured together."""
    lines = dict.fromkeys(conditions.values())
    told = [f"- {', '.join(cell for cell, other in conditions.items() if other == line)}: {line}" for line in lines]
    return "\n".join([*told, ""])


def judge(outcomes: Sequence[Outcome], value: Callable[[Outcome], float]) -> Verdict:
    """Compare PowerPlane with the best other row of each seed."""
    told = []
    for seed in sorted({one.seed for one in outcomes}):
        same = [one for one in outcomes if one.seed == seed]
        mine = [_rank(one, value) for one in same if one.method == OURS]
        others = [_rank(one, value) for one in same if one.method != OURS]
        if mine and others:
            best = min(others)
            told.append("won" if mine[0] < best else "tied" if mine[0] == best else "lost")
    return Verdict(told.count("won"), told.count("tied"), told.count("lost"))


def _rank(one: Outcome, value: Callable[[Outcome], float]) -> tuple[bool, bool, float, float]:
    return (not one.checked, not one.holds, 0.0 if one.holds else round(one.left_watts, 1), value(one))


def by_evictions(one: Outcome) -> float:
    """Evictions until every budget held, or all where it never did."""
    return one.evictions


def by_seconds(one: Outcome) -> float:
    """Whole simulated seconds; of what never holds, nothing that could decide."""
    return round(one.seconds) if one.seconds is not None else 0.0


def _grouped(outcomes: Sequence[Outcome]) -> list[list[Outcome]]:
    keys = dict.fromkeys((one.cell, one.method) for one in outcomes)
    ordered = sorted(
        keys, key=lambda key: (list(dict.fromkeys(one.cell for one in outcomes)).index(key[0]), _at(key[1]))
    )
    return [[one for one in outcomes if (one.cell, one.method) == key] for key in ordered]


def _at(method: str) -> int:
    return METHODS.index(method)


def _in_short(outcomes: Sequence[Outcome]) -> str:
    """Two sentences over all cuts."""
    ours = [one for one in outcomes if one.method == OURS]
    proven = sum(one.bound is not None and one.cost <= one.bound for one in ours)
    ratios = []
    for one in ours:
        same = [other for other in outcomes if other.method != OURS and other.holds and _key(other) == _key(one)]
        if same and one.holds and one.evictions:
            ratios.append(min(other.evictions for other in same) / one.evictions)
    told = f"PowerPlane's plan costs no more than is proven to be needed in {proven} of {len(ours)} cuts."
    if ratios:
        told += (
            f" In {len(ratios)} some row of descheduler's comes to hold every budget; the one of fewest evictions needs"
            f" {median(ratios):.1f} times PowerPlane's ({min(ratios):.1f} to {max(ratios):.1f})."
        )
    return told + "\n"


def _key(one: Outcome) -> tuple[str, str, int]:
    return one.cell, one.level, one.seed


def _summary(outcomes: Sequence[Outcome]) -> str:
    rows = []
    for level, cell in dict.fromkeys((one.level, one.cell) for one in outcomes):
        here = [one for one in outcomes if (one.level, one.cell) == (level, cell)]
        ours = [one for one in here if one.method == OURS]
        rows.append(
            (
                level,
                cell,
                spread([one.found_watts for one in ours], "{:.0f}"),
                f"{sum(one.holds for one in ours)} of {len(ours)}",
                spread([one.evictions for one in ours], "{:.0f}"),
                spread(_fewest(here), "{:.0f}"),
                str(judge(here, by_evictions)),
                spread([one.seconds for one in ours], "{:.0f}"),
                spread(_soonest(here), "{:.0f}"),
                str(judge(here, by_seconds)),
            )
        )
    headings = ("cut", "cell", "W over", "PowerPlane holds", "its evictions", "fewest of descheduler's that holds")
    more = ("by evictions", "its s", "soonest of descheduler's that holds", "by seconds")
    return table((*headings, *more), rows) + "\n"


def _fewest(outcomes: Sequence[Outcome]) -> list[float | None]:
    return [
        min((one.evictions for one in outcomes if one.seed == seed and one.method != OURS and one.holds), default=None)
        for seed in sorted({one.seed for one in outcomes})
    ]


def _soonest(outcomes: Sequence[Outcome]) -> list[float | None]:
    found = []
    for seed in sorted({one.seed for one in outcomes}):
        others = [one.seconds for one in outcomes if one.seed == seed and one.method != OURS]
        found.append(min((seconds for seconds in others if seconds is not None), default=None))
    return found


def _totals(outcomes: Sequence[Outcome]) -> str:
    """Say of each row in how many cells it came to hold, over all cuts and seeds."""
    rows = []
    for method in METHODS:
        same = [one for one in outcomes if one.method == method]
        if same:
            holding = [one for one in same if one.holds]
            ratios = [one.evictions / mine for one in holding if (mine := _ours_beside(outcomes, one))]
            why = sorted({one.why for one in same if one.why})
            told = "; ".join(f"{reason} in {sum(one.why == reason for one in same)}" for reason in why) or "–"
            again = f"{sum(one.relapses > 0 for one in holding)} of {len(holding)}"
            rows.append((method, f"{len(holding)} of {len(same)}", told, spread(ratios, "{:.1f}"), again))
    headings = ("row", "holds", "why not", "where it holds: evictions for one of PowerPlane's", "breaks a budget later")
    return table(headings, rows) + "\n"


def _ours_beside(outcomes: Sequence[Outcome], other: Outcome) -> int:
    same = (one for one in outcomes if one.method == OURS and _key(one) == _key(other) and one.holds)
    return next((one.evictions for one in same), 0)


def _row(group: Sequence[Outcome]) -> list[str]:
    first = group[0]
    why = sorted({one.why for one in group if one.why})
    return [
        first.cell,
        first.method,
        f"{sum(one.holds for one in group)} of {len(group)}" + (f": {', '.join(why)}" if why else ""),
        spread([one.evictions for one in group], "{:.0f}"),
        spread([one.cost for one in group], "{:.2f}"),
        spread([one.bound for one in group], "{:.2f}") if first.method == OURS else "–",
        spread([one.cycles for one in group], "{:.0f}"),
        spread([one.seconds for one in group], "{:.0f}"),
        spread([one.left_watts for one in group], "{:.0f}") + _waiting(group),
        spread([one.returned for one in group], "{:.0f}"),
        spread([one.broken for one in group], "{:.0f}"),
        spread([one.broken_watts for one in group], "{:.0f}"),
        spread([one.refused for one in group], "{:.0f}"),
        spread([one.later for one in group], "{:.0f}"),
        spread([one.relapses for one in group], "{:.0f}"),
        f"{sum(one.checked for one in group)} of {len(group)}",
    ]


def _waiting(group: Sequence[Outcome]) -> str:
    most = max(one.waiting for one in group)
    return f", up to {most} pods without a node" if most else ""


def _notes(outcomes: Sequence[Outcome]) -> list[str]:
    notes = [f"- {one.method}, {one.cell}, seed {one.seed}: {one.note}" for one in outcomes if one.note]
    return [*notes, ""] if notes else []
