"""Measured watts for programs that run all day: what is known, judged in a process apart, or a query of one's own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from powerplane.adapters.lease import uptime_s
from powerplane.adapters.prometheus import NodeWatts, WattsQuery
from powerplane.adapters.sample_feed import SampleFeed, Source
from powerplane.adapters.telemetry.round_process import RoundProcess
from powerplane.adapters.telemetry.round_wire import Opening
from powerplane.admission.history.wire import Opening as HistoryOpening
from powerplane.cli.watts_source import WattsFrom, certificate_file, check_url, request_headers
from powerplane.models.errors import UsageError

TIMEOUT_S = 10.0

Figures = Callable[[], Mapping[str, tuple[float, float]]]
"""Idle and peak watts of every node by name, infinite where the peak is not known."""


@dataclass(frozen=True, slots=True)
class OwnQuery:
    """A query in the place of the declared table.

    Parameters
    ----------
    series : str or None
        PromQL selector whose series are summed by node; None: the declared table.
    label : str
        That names the node.
    """

    series: str | None
    label: str


def measured_feed(watts: WattsFrom, query: OwnQuery, nodes: Figures) -> SampleFeed | None:
    """The feed of nodes' measured watts; None without a Prometheus.

    Parameters
    ----------
    watts : WattsFrom
    query : OwnQuery
    nodes : callable
        Called on the feed's thread before each round.

    Raises
    ------
    UsageError, InputError
        For options that cannot be used.
    """
    if watts.prometheus is None:
        if query.series or watts.headers or watts.token_file or watts.ca_file or watts.node_labels:
            raise UsageError("options for measured watts are given, and no Prometheus", "give --prometheus URL as well")
        return None
    return SampleFeed(_source(watts, query, nodes), clock=uptime_s)


def history_opening(watts: WattsFrom, kubeconfig: Path | None, context: str | None) -> HistoryOpening | None:
    """What the history of pods is read from; None without a Prometheus.

    Raises
    ------
    UsageError, InputError
        For options that cannot be used.
    """
    if watts.prometheus is None:
        return None
    url, headers = check_url(watts.prometheus), dict(request_headers(watts))
    config = str(kubeconfig) if kubeconfig is not None else None
    return HistoryOpening(url, headers, certificate_file(watts), config, context)


def _source(watts: WattsFrom, query: OwnQuery, nodes: Figures) -> Source:
    url, headers = check_url(watts.prometheus or ""), dict(request_headers(watts))
    ca_file = certificate_file(watts)
    if query.series is not None:
        if watts.node_labels:
            raise UsageError("--node-label goes with the declared table, not with --watts", "give --watts-label")
        own = WattsQuery.of_selector(query.series, query.label)
        return NodeWatts(url, own, timeout_s=TIMEOUT_S, headers=headers, ca_file=ca_file, clock=uptime_s)
    return RoundProcess(Opening(url, TIMEOUT_S, headers, ca_file, watts.node_labels), nodes, clock=uptime_s)
