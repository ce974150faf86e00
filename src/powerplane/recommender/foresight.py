"""What histories foretell, worked out on a thread of its own: days of thousands of nodes must not hold a look up."""

import logging
import math
import time
from collections.abc import Callable

import numpy as np

from powerplane.adapters.round_thread import RoundThread
from powerplane.adapters.site import Site
from powerplane.adapters.telemetry.following import Opened
from powerplane.adapters.telemetry.node_histories import read_history
from powerplane.models.api.power_domain import BreachForecast
from powerplane.models.demand.arrays import Floats
from powerplane.models.demand.outlook import Outlook, look_ahead
from powerplane.models.errors import PowerPlaneError
from powerplane.models.incidence import PowerIncidence
from powerplane.models.quantities import MILLI
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.topology import PowerTopology
from powerplane.recommender.foreseeing import Prospect, Prospects
from powerplane.recommender.publishing import rfc3339

LOG = logging.getLogger(__name__)

HISTORY_S = 3 * 86_400.0
STEPS_OF_S = 600.0
"""Makes steps of five minutes: acting takes less."""

AHEAD_S = 3600.0
EVERY_S = 600.0
YOUNG_S = 1500.0
"""What was foretold longer ago counts no more."""

LEAST_DAYS = 1.0
"""Of history: what less of it leaves open is so wide that much would be foretold, and little come."""

FIRST_S = 5.0
"""Until the first look where the nodes are not known yet."""


class Foresight:
    """Reads histories again and again, and keeps what they foretell.

    Parameters
    ----------
    source : Opened
        Of nodes' histories; used by this alone.
    site : callable
        The site as it is now; None while it is not known.
    lead_s : float
        The time it takes to act.
    alarm_at : float
        Probability from which on a breach is told of.
    failed : callable
        Called after a round that raised.
    now : callable
        Unix seconds.
    """

    def __init__(
        self,
        source: Opened,
        site: Callable[[], Site | None],
        *,
        lead_s: float,
        alarm_at: float,
        failed: Callable[[], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._site = site
        self._lead_s = lead_s
        self._alarm_at = alarm_at
        self._now = now
        self._found: tuple[float, Prospects] = (float("-inf"), {})
        self._known = False
        self._rounds = RoundThread("foresight", self.once, failed, tick_s=lambda: EVERY_S if self._known else FIRST_S)

    def start(self) -> None:
        """Begin. Once only."""
        self._rounds.start()

    def stop(self) -> None:
        """End; a history that is being read is not waited for."""
        self._rounds.stop(0.0)

    def prospects(self) -> Prospects:
        """Return what is foretold of domains; nothing where that is old, or of a time to come."""
        at_s, found = self._found
        return found if 0 <= self._now() - at_s < YOUNG_S else {}

    def once(self) -> None:
        """Do one round; a source that does not answer is told of in the log, and asked again."""
        site = self._site()
        if site is None:
            return
        self._known = True
        try:
            found = read_history(self._source, site.facts, HISTORY_S, STEPS_OF_S, _silent)
        except PowerPlaneError as error:
            LOG.warning("no history to foresee by: %s", error.problem)
            return
        budgets, incidence = budget_watts(site.book.topology, site.book.incidence), site.book.incidence
        horizon = max(1, math.ceil(AHEAD_S / found.nodes.step_s))
        outlook = look_ahead(found.nodes, incidence, budgets, horizon)
        told = prospects_of(outlook, incidence, site.book.topology, self._lead_s, self._alarm_at)
        self._found = (self._now(), told)


def budget_watts(topology: PowerTopology, incidence: PowerIncidence) -> Floats:
    """Budget of each row's domain in watts, infinite for none, shape (K,)."""
    budget = {each.name: each.budget_mw for each in topology.domains}
    return np.array([np.inf if budget[name] == NO_BUDGET else budget[name] / MILLI for name in incidence.domain])


def prospects_of(
    outlook: Outlook, incidence: PowerIncidence, topology: PowerTopology, lead_s: float, alarm_at: float
) -> Prospects:
    """Return what an outlook foretells of each domain with all feeds alive.

    Parameters
    ----------
    outlook : Outlook
        Of the incidence's rows.
    incidence : PowerIncidence
    topology : PowerTopology
    lead_s : float
        Its first step that is no sooner counts.
    alarm_at : float
        From which probability on it is said when a budget breaks.
    """
    budget = {each.name: each.budget_mw for each in topology.domains}
    began_s = outlook.past.last_s
    step = min(int(np.searchsorted(outlook.at_s, began_s + lead_s)), len(outlook.at_s) - 1)
    found = {}
    for row, (name, lost) in enumerate(zip(incidence.domain, incidence.lost, strict=True)):
        if lost or budget[name] == NO_BUDGET or outlook.days[row] < LEAST_DAYS:
            continue
        breach = outlook.breach[row]
        likely = np.flatnonzero(breach >= alarm_at)
        forecast = None
        if len(likely):
            first = int(likely[0])
            forecast = BreachForecast(rfc3339(float(outlook.at_s[first])), round(min(float(breach[first]), 1.0), 4))
        found[name] = Prospect(
            probability=float(breach[step]),
            expected_mw=int(outlook.expected_watts[row, step] * MILLI),
            now_mw=int(outlook.now_watts[row] * MILLI),
            budget_mw=budget[name],
            forecast=forecast,
        )
    return found


def _silent(what: str) -> None:
    del what
