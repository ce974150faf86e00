"""What ``powerplane doctor`` says of sources in data, and as a table."""

from collections.abc import Mapping, Sequence
from math import isfinite

from rich import box
from rich.table import Table
from rich.text import Text

from powerplane.cli.top_remarks import span
from powerplane.models.plain import printable
from powerplane.models.plan import Wire
from powerplane.models.telemetry.coverage import OF_NODES, MetricCoverage, SourceCoverage


class MetricView(Wire, frozen=True):
    """One metric that is there.

    Attributes
    ----------
    newest_age_seconds, oldest_age_seconds : float or None
        Of the last samples of its series, by the source's clock; None where no sample has a time.
    interval_seconds : float or None
        Usual time between two samples; None where no series has two.
    """

    metric: str
    quantity: str
    unit: str
    series: int
    nodes: int
    newest_age_seconds: float | None
    oldest_age_seconds: float | None
    interval_seconds: float | None


class SourceView(Wire, frozen=True):
    """One source.

    Attributes
    ----------
    nodes : int
        Nodes of the cluster whose watts or CPU use it tells.
    bad : dict of int by verdict
        Series that were found bad in this round.
    missing : tuple of str
        Metrics that were asked for and are not there.
    unknown_names, ambiguous_names : tuple of str
        Names in its series that stand for no node of the cluster, or could be several.
    error : str
        Why it did not answer.
    """

    source: str
    nodes: int
    metrics: tuple[MetricView, ...]
    bad: dict[str, int]
    missing: tuple[str, ...]
    unknown_names: tuple[str, ...]
    ambiguous_names: tuple[str, ...]
    error: str


def sources_table(coverage: Sequence[SourceCoverage], bad: Mapping[str, Mapping[str, int]], nodes: int) -> Table:
    """Return a line for each metric, and below them the sources that are not there."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")
    table.add_column("source", overflow="fold")
    table.add_column("metric", overflow="fold")
    table.add_column("tells", overflow="fold")
    for heading in ("series", "nodes", "newest", "oldest", "every"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("bad", overflow="fold")
    for each in coverage:
        told = ", ".join(f"{printable(what)} {number:,}" for what, number in bad[each.source].items())
        for place, metric in enumerate(each.metrics):
            first = place == 0
            table.add_row(
                Text(each.source if first else "", style="bold"),
                Text(printable(metric.metric)),
                Text(metric.quantity),
                Text(f"{metric.series:,}"),
                _covered(metric, nodes),
                Text(_span(metric.newest_age_s)),
                Text(_span(metric.oldest_age_s)),
                Text(span(metric.interval_s) if metric.interval_s else ""),
                Text(told if first else "", style="yellow"),
            )
    absent = [each.source for each in coverage if not each.is_there]
    if absent:
        table.caption = Text(f"not there: {', '.join(absent)}", style="dim")
        table.caption_justify = "left"
    return table


def _covered(metric: MetricCoverage, nodes: int) -> Text:
    if not metric.nodes:
        return Text("")
    return Text(f"{len(metric.nodes):,} of {nodes:,}", style="" if len(metric.nodes) == nodes else "yellow")


def _span(seconds: float) -> str:
    return span(seconds) if isfinite(seconds) else ""


def source_view(each: SourceCoverage, bad: Mapping[str, int]) -> SourceView:
    """Return a source in data, with what was found bad in it."""
    return SourceView(
        source=each.source,
        nodes=len(each.nodes_with(OF_NODES)),
        metrics=tuple(_metric(metric) for metric in each.metrics),
        bad=dict(bad),
        missing=each.missing,
        unknown_names=each.unknown,
        ambiguous_names=each.ambiguous,
        error=each.error,
    )


def _metric(metric: MetricCoverage) -> MetricView:
    ages = (metric.newest_age_s, metric.oldest_age_s)
    newest, oldest = (round(age, 3) if isfinite(age) else None for age in ages)
    return MetricView(
        metric=metric.metric,
        quantity=metric.quantity,
        unit=metric.unit,
        series=metric.series,
        nodes=len(metric.nodes),
        newest_age_seconds=newest,
        oldest_age_seconds=oldest,
        interval_seconds=metric.interval_s or None,
    )
