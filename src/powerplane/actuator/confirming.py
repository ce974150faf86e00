"""Whether the watts came true: what domains are measured to draw after a wave, held against what the plan says."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from powerplane.actuator.facts import Measurement, PlannedDomain

Verdict = Literal["held", "over", "lowered", "worse", "wait", "blind"]
WORST_FIRST: tuple[Verdict, ...] = ("worse", "lowered", "over")
BAD: tuple[Verdict, ...] = ("worse", "lowered")
"""After which no further wave begins."""


@dataclass(frozen=True, slots=True)
class ConfirmTerms:
    """How measurements are judged.

    Parameters
    ----------
    by_books : bool
        Take the plan's own arithmetic for true where every move landed on its target, and wait for no measurement.
    fresh_s : float
        No older than this may a measurement be.
    wait_s : float
        For a measurement that was taken after the wave.
    settle_s : float
        From the end of a wave to the first measurement that is believed: sensors show what was a moment ago.
    doubt_s : float
        From the end of a wave to the first measurement that is believed where it is a bad one: management controllers
        tell the mean of the last seconds, some of before the wave, and are read late.
    tolerance : float
        Share of a budget by which sensors may be wrong.
    """

    by_books: bool = False
    fresh_s: float = 60.0
    wait_s: float = 60.0
    settle_s: float = 5.0
    doubt_s: float = 20.0
    tolerance: float = 0.01


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What came of it.

    Parameters
    ----------
    verdict : str
        "held": every domain is within its budget; "over": some is above it, and was before; "lowered": some is above
        it by no more than was foretold, so that it was another when the plan was made; "worse": some is above its
        budget and all that was foretold; "wait": not measured since; "blind": waited for in vain.
    domain : str
        The one that says so.
    watts : tuple of (domain, watts)
    """

    verdict: Verdict
    domain: str = ""
    watts: tuple[tuple[str, float], ...] = ()


def confirm(
    domains: Iterable[PlannedDomain],
    measured: Mapping[str, Measurement],
    settled_s: float,
    clock_s: float,
    terms: ConfirmTerms,
    *,
    last: bool = True,
) -> Confirmed:
    """Judge what domains draw after a wave.

    Parameters
    ----------
    domains : iterable of PlannedDomain
    measured : mapping of name to Measurement
    settled_s, clock_s : float
        When the wave had done all that it would, and now; by the clock that only goes on.
    terms : ConfirmTerms
    last : bool
        Whether no wave follows: before that, a domain may be above its budget still.
    """
    if terms.by_books:
        return Confirmed("held")
    watts: list[tuple[str, float]] = []
    found: dict[Verdict, str] = {}
    for domain in domains:
        each = measured.get(domain.name)
        if not domain.budget_watts and (each is None or not each.budget_watts):
            continue
        if each is None or each.taken_s < settled_s + terms.settle_s or clock_s - each.taken_s > terms.fresh_s:
            return Confirmed("blind" if clock_s - settled_s > terms.wait_s else "wait", domain.name)
        watts.append((domain.name, each.watts))
        budget = each.budget_watts or domain.budget_watts
        if budget and each.watts > budget * (1 + terms.tolerance):
            found.setdefault(_above(domain, each.watts / (1 + terms.tolerance)), domain.name)
    worst: Verdict = next((each for each in WORST_FIRST if each in found), "held")
    name = found.get(worst, "")
    if (worst in BAD or (worst == "over" and last)) and measured[name].taken_s < settled_s + terms.doubt_s:
        return Confirmed("wait", name)
    return Confirmed(worst, name, tuple(watts))


def _above(domain: PlannedDomain, watts: float) -> Verdict:
    """How a domain stands that draws more than it may."""
    if watts <= domain.before_watts:
        return "over"
    return "lowered" if watts <= domain.after_watts else "worse"
