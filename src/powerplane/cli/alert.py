"""``powerplane alert run``."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from prometheus_client import CollectorRegistry

from powerplane.adapters.alerts.delivering import Delivery, DeliveryTerms
from powerplane.adapters.alerts.outbox import Outbox
from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.log_lines import log_to_stderr
from powerplane.admission.alerts.alerting import AlertRun, AlertSettings
from powerplane.admission.alerts.books import AlertBooks
from powerplane.cli.alert_sinks import EXAMPLE, NO_SINKS, Sinks, open_sinks
from powerplane.cli.alert_try import print_notice
from powerplane.cli.controller_options import (
    OperationsPort,
    replica_name,
    run_until_ended,
    serve_metrics,
)
from powerplane.cli.exit_codes import OK
from powerplane.cli.measured_options import NOT_MEASURED, MeasuredFrom
from powerplane.cli.options import Context, Kubeconfig, parse_duration
from powerplane.models.alerts.alert import Notice
from powerplane.models.alerts.tracking import Terms
from powerplane.models.alerts.words import headline
from powerplane.models.errors import UsageError


def run(
    *,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    measured: MeasuredFrom = NOT_MEASURED,
    receivers: Sinks = NO_SINKS,
    outbox: Annotated[
        Path | None, Parameter(help="File that keeps what is not delivered yet, on a volume that outlives a restart.")
    ] = None,
    every: Annotated[str, Parameter(help="Time between two looks.")] = "15s",
    fire_after: Annotated[str, Parameter(help="How long a limit must be passed before it is told.")] = "1m",
    resolve_after: Annotated[str, Parameter(help="How long it must hold again before that is told.")] = "3m",
    repeat: Annotated[str, Parameter(help="When to tell again; then after twice as long, five times at most.")] = "4h",
    give_up: Annotated[str, Parameter(help="When to let go of a message that nobody takes.")] = "24h",
    identity: Annotated[str | None, Parameter(help="This replica's name, in events; default the host's.")] = None,
    operations_port: OperationsPort = None,
    dry_run: Annotated[bool, Parameter(negative=(), help="Print what would be told; send and keep nothing.")] = False,
) -> int:
    """Tell somebody when a budget is passed that PowerPlane may not hold by itself.

    Looked at are the policies in mode Observe and Recommend, and the domains with a budget that no policy is for; told
    is by how many watts, and what would have been done. SIGTERM or Ctrl-C ends it; what is not delivered by then stays
    in the outbox for the next start. One process at a time.
    """
    log_to_stderr()
    if measured.prometheus is None:
        raise UsageError("nothing says what nodes draw", "give --prometheus URL")
    settings = AlertSettings(
        every_s=parse_duration(every, "--every"),
        terms=Terms(
            parse_duration(fire_after, "--fire-after"),
            parse_duration(resolve_after, "--resolve-after"),
            parse_duration(repeat, "--repeat"),
        ),
    )
    terms = DeliveryTerms(give_up_s=parse_duration(give_up, "--give-up"))
    books = AlertBooks()
    access = open_cluster(kubeconfig, context)
    sinks = () if dry_run else open_sinks(receivers, access, replica_name(identity), books.uid_of)
    if not dry_run and not sinks:
        raise UsageError("nothing says where alerts go", f"give {EXAMPLE}, or --dry-run")
    if not dry_run and outbox is None:
        raise UsageError("nothing says where to keep what is not delivered yet", "give --outbox FILE")

    def figures() -> Mapping[str, tuple[float, float]]:
        """Look when asked: the feed's first round comes before the books are full."""
        return books.figures()

    feed = measured.feed(figures)
    assert feed is not None
    kept = Outbox(None if dry_run else outbox, [sink.name for sink in sinks])
    registry = CollectorRegistry()
    alerts = AlertRun(
        access,
        settings,
        books,
        feed.samples,
        outbox=kept,
        deliveries=[Delivery(sink, kept, terms) for sink in sinks],
        registry=registry,
        show=print_notice if dry_run else _log,
    )
    serve_metrics(registry, operations_port)
    run_until_ended(alerts, feed)
    return OK


def _log(notice: Notice) -> None:
    logging.getLogger(__name__).info("%s: %s", notice.what, headline(notice))
