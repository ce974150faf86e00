"""``powerplane forecast``."""

from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Group, Parameter

from powerplane.adapters.telemetry.node_histories import NAMES, read_history
from powerplane.cli.exit_codes import OK, OVERLOADED
from powerplane.cli.forecast_table import print_forecast_table
from powerplane.cli.forecast_view import ForecastView, budgets, build_forecast_view
from powerplane.cli.options import Format, parse_duration
from powerplane.cli.output import print_data, stdout_console
from powerplane.cli.progress import progress
from powerplane.cli.report.forecast_page import write_forecast_report
from powerplane.cli.site import LIVE_SITE, SiteOptions, read_site
from powerplane.cli.watts_options import NO_HISTORY_SOURCE, HistorySource
from powerplane.cli.watts_source import open_source
from powerplane.models.demand.outlook import look_ahead
from powerplane.models.errors import InputError, UsageError

AHEAD = Group("The hours ahead", sort_key=4)
SHOWN = Group("Shown", sort_key=5)
DAY_S = 86_400.0
LONGEST_S, FARTHEST_S, NEAREST_S = 60 * DAY_S, 2 * DAY_S, 60.0


def forecast(
    *,
    source: HistorySource = NO_HISTORY_SOURCE,
    where: SiteOptions = LIVE_SITE,
    history: Annotated[
        str, Parameter(group=AHEAD, help="How far back to look, such as 14d; nine days show a weekly season.")
    ] = "14d",
    ahead: Annotated[str, Parameter(group=AHEAD, help="How far to look ahead, such as 6h.")] = "6h",
    probability: Annotated[
        float, Parameter(group=AHEAD, help="A breach that is likelier than this is foreseen: exit code 3.")
    ] = 0.5,
    report: Annotated[
        Path | None, Parameter(group=SHOWN, help="Write a page with a chart for each domain there as well (HTML).")
    ] = None,
    timeout: Annotated[str, Parameter(help="For each question to Prometheus.")] = "30s",
    output: Annotated[Format, Parameter(name=["--output", "-o"], group=SHOWN, help="Form on stdout.")] = "table",
) -> int:
    """Foresee which feeds, rows and racks will pass their budgets in the next hours, when, and how likely that is.

    What nodes drew over the last weeks, by a Prometheus or a recording, tells each domain's daily and weekly seasons;
    intervals and probabilities are those of the errors that such forecasts made in that history. With too little of
    it the last value is carried on, with wide intervals. Nodes without data count at their worst case. Domains come
    from where `powerplane top` takes them. Exit code 3: a budget is broken now, or foreseen broken with more than
    --probability while all feeds live. Nothing is changed anywhere.
    """
    watts = source.watts_from()
    if watts.prometheus is None and watts.telemetry is None:
        raise UsageError(
            "neither --prometheus nor --telemetry is given", "give --prometheus URL, or --telemetry DIR for a recording"
        )
    history_s, ahead_s = _spans(history, ahead)
    if not 0 < probability < 1:
        raise UsageError(
            f"--probability {probability:g} is not between 0 and 1", "give a share such as --probability 0.5"
        )
    opened = open_source(watts, timeout_s=parse_duration(timeout, "--timeout"), meanings=NAMES)
    with progress("reading nodes and domains") as say:
        site = read_site(where, say, datetime.now(UTC))
        if not site.book.topology.domains:
            raise InputError("there are no domains to foresee", "give --topology FILE with feeds, rows or racks")
        found = read_history(opened, site.facts, history_s, ahead_s, say)
        say("looking ahead")
        steps = max(1, ceil(ahead_s / found.nodes.step_s - 1e-9))
        outlook = look_ahead(found.nodes, site.book.incidence, budgets(site), steps)
        view = build_forecast_view(site, found, outlook, steps * found.nodes.step_s, probability)
        if report is not None:
            say(f"writing {report}")
            write_forecast_report(report, view, outlook, site)
    _show(view, output)
    return OVERLOADED if view.foreseen else OK


def _spans(history: str, ahead: str) -> tuple[float, float]:
    """Seconds to look back and ahead."""
    history_s, ahead_s = parse_duration(history, "--history"), parse_duration(ahead, "--ahead")
    if history_s > LONGEST_S:
        raise UsageError(f"--history {history} is more than 60 days", "give a shorter one, such as --history 14d")
    if not NEAREST_S <= ahead_s <= FARTHEST_S:
        raise UsageError(f"--ahead {ahead} is not from a minute to two days", "give one such as --ahead 6h")
    if history_s < ahead_s:
        raise UsageError(
            f"--history {history} is shorter than --ahead {ahead}", "give a longer history, such as --history 14d"
        )
    return history_s, ahead_s


def _show(view: ForecastView, output: Format) -> None:
    if output == "table":
        print_forecast_table(view, stdout_console())
    elif output == "yaml":
        print_data(msgspec.yaml.encode(view))
    else:
        print_data(msgspec.json.format(msgspec.json.encode(view), indent=2) + b"\n")
