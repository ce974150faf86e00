"""What is foreseen of domains: by the trend of the last minutes, and by the history of days where it is known."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from powerplane.models.api.power_domain import BreachForecast
from powerplane.models.quantities import MILLI
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.telemetry.domains import DomainReading
from powerplane.recommender.looking import Look
from powerplane.recommender.publishing import rfc3339
from powerplane.recommender.trend import Record
from powerplane.recommender.violations import Foreseen

MOVED = 0.03
"""Part of a budget by which a draw may differ from what a history ended with, and be spoken of by it still."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """What the history of one domain foretells.

    Parameters
    ----------
    probability : float
        That it passes its budget within the time it takes to act; NaN where nothing is known.
    expected_mw : int
        What it is expected to draw then.
    now_mw, budget_mw : int
        What it drew and might draw when that was foretold.
    forecast : BreachForecast or None
        When it is likely to pass its budget, however far ahead that is.
    """

    probability: float
    expected_mw: int
    now_mw: int
    budget_mw: int
    forecast: BreachForecast | None = None

    def holds_for(self, domain: DomainReading) -> bool:
        """Whether it speaks of a domain as it is now: under the same budget, and drawing about as much."""
        moved_mw = abs(domain.draw_mw - self.now_mw)
        return domain.budget_mw == self.budget_mw and moved_mw <= MOVED * self.budget_mw


Prospects = Mapping[str, Prospect]


def none_known() -> Prospects:
    """Know of no history."""
    return {}


@dataclass(slots=True)
class Foreseeing:
    """Follows looks. Not for several threads at once.

    Parameters
    ----------
    lead_s : float
        How far ahead.
    prospects : callable
        What histories foretell now, by domain.
    """

    lead_s: float
    prospects: Callable[[], Prospects] = none_known
    _record: Record = field(default_factory=Record)
    _book: object = None

    def follow(self, look: Look, book: object, clock_s: float) -> None:
        """Take in a look.

        Parameters
        ----------
        look : Look
        book : object
            What the look's domains are rows of: with another one the record begins anew.
        clock_s : float
            Seconds that only go on.
        """
        if book is not self._book:
            self._record.clear()
            self._book = book
        if not look.trouble:
            self._record.add(clock_s, look.watts)

    def of(self, look: Look) -> dict[str, Foreseen]:
        """Return what is foreseen of each domain that a look tells of."""
        sure, prospects = self._record.surely_by(self.lead_s), self.prospects()
        if len(sure) != len(look.domains):
            return {}
        found = {}
        for domain, watts in zip(look.domains, sure.tolist(), strict=True):
            sure_mw = int(watts * MILLI) if math.isfinite(watts) else None
            prospect = prospects.get(domain.name)
            if prospect is not None and prospect.holds_for(domain):
                told = prospect.forecast or self._crossing(domain, sure_mw, look.at_s)
                found[domain.name] = Foreseen(sure_mw, prospect.probability, prospect.expected_mw, told)
            elif sure_mw is not None:
                found[domain.name] = Foreseen(sure_mw, forecast=self._crossing(domain, sure_mw, look.at_s))
        return found

    def _crossing(self, domain: DomainReading, sure_mw: int | None, at_s: float) -> BreachForecast | None:
        """When a domain's trend passes its budget; None where it will not within the time it takes to act."""
        if sure_mw is None or not domain.draw_mw <= domain.budget_mw < min(sure_mw, NO_BUDGET):
            return None
        rise = (domain.budget_mw - domain.draw_mw) / max(sure_mw - domain.draw_mw, 1)
        return BreachForecast(rfc3339(at_s + rise * self.lead_s), 1.0)
