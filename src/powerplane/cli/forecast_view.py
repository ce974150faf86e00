"""What ``powerplane forecast`` says in data, as ``-o json`` and ``-o yaml`` show it. Units are in the fields' names."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal

import numpy as np

from powerplane.adapters.site import Site
from powerplane.adapters.telemetry.node_histories import Found
from powerplane.models.demand.outlook import HALF_A_MILLIWATT, Outlook
from powerplane.models.demand.seasons import WEEKLY_SPAN_S
from powerplane.models.plan import Wire
from powerplane.models.quantities import MILLI
from powerplane.models.snapshot import NO_BUDGET

ForecastState = Literal["broken", "foreseen", "foreseen with a feed lost", "held", "not known", "no budget"]
"""broken: above its budget now. foreseen: above it within the hours ahead, with more than the stated probability; with
a feed lost: only then. not known: its nodes can pass it, and the history is too short to say how likely that is."""

Method = Literal["seasons", "last value", "worst case"]
"""seasons: of the day, and of the week from nine days of history. last value: the history is too short for seasons.
worst case: none of its nodes is measured."""


class StepView(Wire, frozen=True):
    """One step ahead; ``breach_probability`` is that of a breach up to then, null where nothing is known."""

    at_seconds: float
    expected_watts: float
    lower_watts: float
    upper_watts: float
    breach_probability: float | None


class LossForecast(Wire, frozen=True):
    """The loss of a feed that is likeliest to break the budget; watts as in ``DomainForecast``."""

    feed: str
    now_watts: float
    expected_watts: float
    upper_watts: float
    breach_probability: float | None
    breach_at_seconds: float | None


class DomainForecast(Wire, frozen=True):
    """One domain.

    Attributes
    ----------
    now_watts, worst_case_watts : float
        The draw now, with all feeds alive; the part of it that is assumed for nodes without data.
    expected_watts, upper_watts : float
        The highest within the hours ahead of what is expected, and of what 95 % of draws stay under.
    breach_probability : float or None
        That the budget is passed within the hours ahead; None without a budget, and where nothing is known.
    breach_at_seconds : float or None
        Unix time by which a breach is likelier than the stated probability; now where it is broken now.
    by_assumption : bool
        Whether that breach is only foreseen because nodes without data count at their worst case.
    if_lost : LossForecast or None
        None where no loss adds to its draw.
    method : Method
    history_days, gap_share : float
        Days of history without gaps; the share of the asked history that is missing.
    """

    name: str
    kind: str
    state: ForecastState
    budget_watts: float | None
    now_watts: float
    worst_case_watts: float
    expected_watts: float
    upper_watts: float
    breach_probability: float | None
    breach_at_seconds: float | None
    by_assumption: bool
    if_lost: LossForecast | None
    method: Method
    history_days: float
    gap_share: float
    nodes: int
    unmeasured_nodes: int
    steps: tuple[StepView, ...]


class ForecastView(Wire, frozen=True):
    """Everything; domains by the soonest breach.

    Attributes
    ----------
    at_seconds, ahead_seconds, step_seconds : float
        Unix time of the newest step; how far ahead; and in which steps.
    probability : float
        From which on a breach is foreseen.
    foreseen : tuple of str
        Domains whose budgets are broken now, or foreseen to be, with all feeds alive.
    unmeasured : tuple of str
        Nodes without data, which count at their worst case.
    outside : tuple of str
        Nodes that are in no domain.
    weekly : bool
        Whether the history is long enough to tell days of the week apart.
    sources : dict of str to int
        Nodes by who measured them.
    assumptions : tuple of str
    """

    at_seconds: float
    ahead_seconds: float
    step_seconds: float
    probability: float
    foreseen: tuple[str, ...]
    domains: tuple[DomainForecast, ...]
    unmeasured: tuple[str, ...]
    outside: tuple[str, ...]
    weekly: bool
    sources: dict[str, int]
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one domain: with all feeds alive, and with one lost."""

    alive: int
    lost: tuple[int, ...]


def budgets(site: Site) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Budget of each row of a site's topology in watts, infinite for none."""
    mw = site.book.incidence.budget_mw
    return np.where(mw == NO_BUDGET, inf, mw / MILLI)


def rows_of(site: Site) -> dict[str, Rows]:
    """Rows of each domain, in the topology's order."""
    book = site.book
    lost: dict[str, list[int]] = {}
    for row, (name, feed) in enumerate(zip(book.incidence.domain, book.incidence.lost, strict=True)):
        if feed:
            lost.setdefault(name, []).append(row)
    alive = zip(book.topology.domains, book.alive.tolist(), strict=True)
    return {domain.name: Rows(row, tuple(lost.get(domain.name, ()))) for domain, row in alive}


def build_forecast_view(site: Site, found: Found, outlook: Outlook, ahead_s: float, probability: float) -> ForecastView:
    """Put what is foreseen into words' and figures' form.

    Parameters
    ----------
    site : Site
    found : Found
        Of the site's nodes.
    outlook : Outlook
        Of the rows of the site's topology.
    ahead_s : float
        As asked for.
    probability : float
        From which on a breach is foreseen.
    """
    domains = sorted(_domains(site, found, outlook, probability), key=_urgency)
    history = found.nodes
    span_s = history.step_s * (history.watts.shape[1] - 1)
    sources = [source for source, dark in zip(found.sources, history.unmeasured, strict=True) if source and not dark]
    return ForecastView(
        at_seconds=history.last_s,
        ahead_seconds=ahead_s,
        step_seconds=history.step_s,
        probability=probability,
        foreseen=tuple(each.name for each in domains if each.state in ("broken", "foreseen")),
        domains=tuple(domains),
        unmeasured=tuple(site.book.nodes[row] for row in np.flatnonzero(history.unmeasured).tolist()),
        outside=site.book.outside,
        weekly=span_s >= WEEKLY_SPAN_S,
        sources={source: sources.count(source) for source in sorted(set(sources))},
        assumptions=site.notes,
    )


def _domains(site: Site, found: Found, outlook: Outlook, probability: float) -> Sequence[DomainForecast]:
    rows, limit = rows_of(site), budgets(site)
    unmeasured = site.book.members @ found.nodes.unmeasured.astype(np.int64)
    result = []
    for i, domain in enumerate(site.book.topology.domains):
        row = rows[domain.name].alive
        nodes = int(site.book.members[i].sum())
        budget = float(limit[row]) if limit[row] < inf else None
        loss = _loss(site, outlook, rows[domain.name], budget, probability)
        dark = int(unmeasured[i])
        at_s = _breach_at(outlook, row, budget, probability)
        measured = float(outlook.expected_watts[row].max() - outlook.worst_case_watts[row])
        result.append(
            DomainForecast(
                name=domain.name,
                kind=domain.kind,
                state=_state(outlook, row, loss, budget, probability),
                budget_watts=budget,
                now_watts=_watts(outlook.now_watts[row]),
                worst_case_watts=_watts(outlook.worst_case_watts[row]),
                expected_watts=_watts(outlook.expected_watts[row].max()),
                upper_watts=_watts(outlook.upper_watts[row].max()),
                breach_probability=_share(_likely(outlook, row, probability)) if budget is not None else None,
                breach_at_seconds=at_s,
                by_assumption=budget is not None and at_s is not None and measured <= budget and dark > 0,
                if_lost=loss,
                method="worst case" if dark == nodes else "seasons" if outlook.seasonal[row] else "last value",
                history_days=round(float(outlook.days[row]), 4),
                gap_share=round(float(outlook.gap_share[row]), 4),
                nodes=nodes,
                unmeasured_nodes=dark,
                steps=_steps(outlook, row, budget),
            )
        )
    return result


def _steps(outlook: Outlook, row: int, budget: float | None) -> tuple[StepView, ...]:
    columns = (outlook.expected_watts, outlook.lower_watts, outlook.upper_watts, outlook.breach)
    each = zip(outlook.at_s.tolist(), *(column[row].tolist() for column in columns), strict=True)
    return tuple(
        StepView(
            at_seconds=at_s,
            expected_watts=_watts(expected),
            lower_watts=_watts(low),
            upper_watts=_watts(high),
            breach_probability=_share(breach) if budget is not None else None,
        )
        for at_s, expected, low, high, breach in each
    )


def _loss(site: Site, outlook: Outlook, rows: Rows, budget: float | None, probability: float) -> LossForecast | None:
    """The loss that is the likeliest to break the budget; of equal ones, the one with the highest draw."""
    if not rows.lost:
        return None

    def pressing(row: int) -> tuple[float, float, float]:
        breach = _likely(outlook, row, probability)
        return (
            probability if np.isnan(breach) else breach,
            float(np.nan_to_num(outlook.breach[row]).sum()),
            float(outlook.now_watts[row]),
        )

    row = max(rows.lost, key=pressing)
    return LossForecast(
        feed=site.book.incidence.lost[row],
        now_watts=_watts(outlook.now_watts[row]),
        expected_watts=_watts(outlook.expected_watts[row].max()),
        upper_watts=_watts(outlook.upper_watts[row].max()),
        breach_probability=_share(_likely(outlook, row, probability)) if budget is not None else None,
        breach_at_seconds=_breach_at(outlook, row, budget, probability),
    )


def _likely(outlook: Outlook, row: int, probability: float) -> float:
    """Probability of a breach within the hours ahead; NaN where the history does not reach so far.

    Where it reaches a part of them, and a breach is foreseen by then, that is known.
    """
    breach = outlook.breach[row]
    known = breach[np.isfinite(breach)]
    if np.isnan(breach[-1]) and len(known) and known.max() > probability:
        return float(known.max())
    return float(breach[-1])


def _breach_at(outlook: Outlook, row: int, budget: float | None, probability: float) -> float | None:
    """When a breach becomes likelier than the stated probability."""
    if budget is None:
        return None
    if outlook.now_watts[row] > budget + HALF_A_MILLIWATT:
        return outlook.past.last_s
    likely = np.flatnonzero(outlook.breach[row] > probability)
    return float(outlook.at_s[likely[0]]) if len(likely) else None


def _state(
    outlook: Outlook, row: int, loss: LossForecast | None, budget: float | None, probability: float
) -> ForecastState:
    if budget is None:
        return "no budget"
    if outlook.now_watts[row] > budget + HALF_A_MILLIWATT:
        return "broken"
    breach = _likely(outlook, row, probability)
    if breach > probability:
        return "foreseen"
    if loss is not None and loss.breach_at_seconds is not None:
        return "foreseen with a feed lost"
    lost_unknown = loss is not None and loss.breach_probability is None
    return "not known" if np.isnan(breach) or lost_unknown else "held"


def _urgency(domain: DomainForecast) -> tuple[float, float, float, float]:
    """The soonest breach first, then the likeliest; what is not known goes before what is unlikely."""
    loss = domain.if_lost
    return (
        _or(domain.breach_at_seconds, inf),
        _or(loss.breach_at_seconds if loss else None, inf),
        -_chance(domain.budget_watts, domain.breach_probability),
        -_chance(domain.budget_watts, loss.breach_probability if loss else 0.0),
    )


def _chance(budget: float | None, probability: float | None) -> float:
    return -1.0 if budget is None else 0.25 if probability is None else probability


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _watts(value: float) -> float:
    return round(float(value), 3)


def _share(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)
