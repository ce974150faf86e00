"""Which budgets are broken now, and which will be within the time it takes to act; and of which nothing can be said."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from powerplane.models.api.power_domain import BreachForecast
from powerplane.models.quantities import MILLI
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.telemetry.domains import DomainReading
from powerplane.models.telemetry.node_readings import NodeReadings

When = Literal["now", "ahead", "if lost"]
"""now: above its budget. ahead: will be before help could come. if lost: would be once a feed is lost."""

NODE = "node"
"""The kind of a budget that is one node's own."""

MOST_UNKNOWN = 0.1
"""Part of a domain's draw that may rest on worst cases for it to be acted on."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One budget.

    Parameters
    ----------
    name, kind : str
        The domain; a node where the kind is ``NODE``.
    when : When
    budget_mw, draw_mw : int
        The draw that breaks it: measured, foreseen, or with the feed lost.
    why : str
        A sentence's end: "draws 5 kW of 4 kW".
    probability : float
        That it is or will be so.
    """

    name: str
    kind: str
    when: When
    budget_mw: int
    draw_mw: int
    why: str
    probability: float = 1.0

    @property
    def over_mw(self) -> int:
        """Milliwatts above the budget."""
        return self.draw_mw - self.budget_mw

    @property
    def share(self) -> float:
        """The same as a share of the budget."""
        return self.over_mw / max(self.budget_mw, 1)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What is foreseen of one domain.

    Parameters
    ----------
    sure_mw : int or None
        What its trend will surely have come to by the time that help could come; None where there is none.
    probability : float
        That it passes its budget by then, by its history; NaN where nothing is known.
    expected_mw : int
        What it is expected to draw then, by its history.
    forecast : BreachForecast or None
        When its budget will be passed, for people.
    """

    sure_mw: int | None = None
    probability: float = math.nan
    expected_mw: int = 0
    forecast: BreachForecast | None = None


NOTHING = Foreseen()


@dataclass(frozen=True, slots=True)
class Found:
    """What a look found.

    Parameters
    ----------
    violations : tuple of Violation
        The most over first.
    untold : dict of str to str
        Domains that nothing is done about, however they stand, and why.
    """

    violations: tuple[Violation, ...]
    untold: dict[str, str]


def find_violations(
    domains: Sequence[DomainReading], ahead: Mapping[str, Foreseen], alarm_at: float, lead_s: float
) -> Found:
    """Judge every domain.

    Parameters
    ----------
    domains : sequence of DomainReading
    ahead : mapping
        By domain; what is not there is not foreseen.
    alarm_at : float
        Probability from which a budget counts as broken ahead.
    lead_s : float
        The time it takes to act, for the words.
    """
    violations, untold = list[Violation](), dict[str, str]()
    for domain in domains:
        if domain.budget_mw == NO_BUDGET:
            continue
        if why := why_untold(domain):
            untold[domain.name] = why
        elif (found := _judge(domain, ahead.get(domain.name, NOTHING), alarm_at, lead_s)) is not None:
            violations.append(found)
    return Found(tuple(sorted(violations, key=lambda each: (-each.share, each.name))), untold)


def node_violations(readings: NodeReadings, budgets_mw: Mapping[str, int]) -> tuple[Violation, ...]:
    """Return nodes that draw more than their own budget, by what was measured of them."""
    found = []
    for name, watts, state in zip(readings.nodes, readings.watts.tolist(), readings.state, strict=True):
        budget_mw = budgets_mw.get(name, NO_BUDGET)
        draw_mw = math.ceil(watts * MILLI - 1e-6)
        if state != "worst" and draw_mw > budget_mw:
            found.append(Violation(name, NODE, "now", budget_mw, draw_mw, _draws(draw_mw, budget_mw)))
    return tuple(sorted(found, key=lambda each: (-each.share, each.name)))


def why_untold(domain: DomainReading) -> str:
    """Say why nothing is done about a domain, whose draw is not known well enough; "" where it is."""
    if not domain.nodes or not domain.worst:
        return ""
    if domain.worst == domain.nodes:
        return "none of its nodes is measured"
    if domain.worst_case_mw > MOST_UNKNOWN * domain.draw_mw:
        return f"{domain.worst} of its {domain.nodes} nodes are not measured"
    return "it is above its budget only by what unmeasured nodes may draw" if domain.is_broken_by_assumption else ""


def whole_watts(milliwatts: int) -> str:
    """Watts for people, without what meters cannot tell anyway."""
    return f"{milliwatts / MILLI:,.0f} W"


def _judge(domain: DomainReading, ahead: Foreseen, alarm_at: float, lead_s: float) -> Violation | None:
    budget_mw = domain.budget_mw

    def violation(when: When, draw_mw: int, why: str, probability: float = 1.0) -> Violation:
        return Violation(domain.name, domain.kind, when, budget_mw, draw_mw, why, probability)

    if domain.is_broken:
        return violation("now", domain.draw_mw, _draws(domain.draw_mw, budget_mw))
    if ahead.sure_mw is not None and ahead.sure_mw > budget_mw:
        why = f"will draw {whole_watts(ahead.sure_mw)} of {whole_watts(budget_mw)} within {lead_s:.0f} s by its trend"
        return violation("ahead", ahead.sure_mw, why)
    if ahead.probability >= alarm_at:
        why = f"passes {whole_watts(budget_mw)} within {lead_s:.0f} s with a probability of {ahead.probability:.0%}"
        return violation("ahead", max(ahead.expected_mw, budget_mw + 1), why, ahead.probability)
    if domain.breaks_when_lost:
        why = f"would draw {whole_watts(domain.lost_mw)} of {whole_watts(budget_mw)} without feed {domain.lost}"
        return violation("if lost", domain.lost_mw, why)
    return None


def _draws(draw_mw: int, budget_mw: int) -> str:
    return f"draws {whole_watts(draw_mw)} of {whole_watts(budget_mw)}"
