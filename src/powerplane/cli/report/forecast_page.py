"""The page of a forecast: one HTML file that needs nothing else, with a chart for each domain."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from powerplane.adapters.site import Site
from powerplane.cli import forecast_table as table
from powerplane.cli.forecast_view import DomainForecast, ForecastView, rows_of
from powerplane.cli.report.forecast_charts import Band, draw_band
from powerplane.cli.report.render import environment, write_page
from powerplane.models.demand.outlook import Outlook

MOST_CHARTS = 120
LEAST_PAST_H, TIMES_AHEAD = 24.0, 4.0
"""Hours of the past that a chart shows: at least so many, and so many times those ahead."""


@dataclass(frozen=True, slots=True)
class DomainChart:
    """One domain on the page.

    Parameters
    ----------
    domain : DomainForecast
    title, outcome, loss, history : str
    bad : bool
    drawing : Markup
    """

    domain: DomainForecast
    title: str
    outcome: str
    loss: str
    history: str
    bad: bool
    drawing: Markup


def write_forecast_report(path: Path, view: ForecastView, outlook: Outlook, site: Site) -> None:
    """Write the page whole or not at all.

    Raises
    ------
    InputError
        When the file cannot be written.
    """
    write_page(path, render_forecast_report(view, outlook, site))


def render_forecast_report(view: ForecastView, outlook: Outlook, site: Site) -> str:
    """Render the page; the same arguments give the same text."""
    charts = tuple(_chart(each, view, outlook, site) for each in view.domains[:MOST_CHARTS])
    *notes, verdict = (line.plain for line in table.remarks(view))
    return (
        environment()
        .get_template("forecast.html.j2")
        .render(
            view=view,
            charts=charts,
            left_out=len(view.domains) - len(charts),
            headline=table.headline(view).plain,
            notes=tuple(notes),
            verdict=verdict[:1].upper() + verdict[1:],
        )
    )


def _chart(domain: DomainForecast, view: ForecastView, outlook: Outlook, site: Site) -> DomainChart:
    rows = rows_of(site)[domain.name]
    past = outlook.past
    hours = (past.at_s - past.last_s) / 3600
    shown = hours >= -max(LEAST_PAST_H, TIMES_AHEAD * view.ahead_seconds / 3600)
    breach = domain.breach_at_seconds
    outcome = table.outcome(domain, view)
    lost = None
    if domain.if_lost is not None:
        feeds = {site.book.incidence.lost[row]: row for row in rows.lost}
        row = feeds[domain.if_lost.feed]
        lost = np.append(outlook.now_watts[row], outlook.expected_watts[row])
    band = Band(
        name=f"Watts of {domain.name}",
        description=outcome,
        past_hours=hours[shown],
        past_watts=np.append(past.watts[rows.alive][shown][:-1], outlook.now_watts[rows.alive]),
        hours=(outlook.at_s - past.last_s) / 3600,
        expected=outlook.expected_watts[rows.alive],
        lower=outlook.lower_watts[rows.alive],
        upper=outlook.upper_watts[rows.alive],
        lost=lost,
        budget=domain.budget_watts,
        breach_hours=None if breach is None else (breach - past.last_s) / 3600,
    )
    kind = "" if domain.kind in domain.name else f" {domain.kind}"
    return DomainChart(
        domain,
        f"{domain.name}{kind}",
        outcome,
        table.loss_words(domain, view),
        table.history_words(domain),
        domain.state in ("broken", "foreseen"),
        draw_band(band),
    )
