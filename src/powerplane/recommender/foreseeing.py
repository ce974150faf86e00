"""What is foreseen of domains: by the trend of the last minutes, and by the history of days where it is known."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from powerplane.models.api.power_domain import BreachForecast
from powerplane.models.quantities import MILLI
from powerplane.models.snapshot import NO_BUDGET
from powerplane.recommender.looking import Look
from powerplane.recommender.publishing import rfc3339
from powerplane.recommender.trend import Record
from powerplane.recommender.violations import Foreseen


@dataclass(frozen=True, slots=True)
class Prospect:
    """What the history of one domain foretells.

    Parameters
    ----------
    probability : float
        That it passes its budget within the time it takes to act; NaN where nothing is known.
    expected_mw : int
        What it is expected to draw then.
    forecast : BreachForecast or None
        When it is likely to pass its budget, however far ahead that is.
    """

    probability: float
    expected_mw: int
    forecast: BreachForecast | None = None


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
            forecast = prospect.forecast if prospect is not None else None
            if sure_mw is not None and domain.draw_mw <= domain.budget_mw < min(sure_mw, NO_BUDGET):
                rise = (domain.budget_mw - domain.draw_mw) / max(sure_mw - domain.draw_mw, 1)
                forecast = BreachForecast(rfc3339(look.at_s + rise * self.lead_s), 1.0)
            if prospect is not None:
                found[domain.name] = Foreseen(sure_mw, prospect.probability, prospect.expected_mw, forecast)
            elif sure_mw is not None:
                found[domain.name] = Foreseen(sure_mw, forecast=forecast)
        return found
