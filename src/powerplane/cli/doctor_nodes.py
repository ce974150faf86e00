"""``powerplane doctor``: by which source each node counts, and what a better one is kept from."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite

from rich import box
from rich.table import Table
from rich.text import Text

from powerplane.cli.doctor_section import Finding, SectionReport, SectionView
from powerplane.cli.report import words
from powerplane.cli.top_remarks import span
from powerplane.models.plain import printable
from powerplane.models.plan import Wire
from powerplane.models.telemetry.coverage import SourceCoverage, better_sources, who_measures
from powerplane.models.telemetry.domains import DomainReading
from powerplane.models.telemetry.node_readings import NodeReadings, NodeState

MOST_ROWS = 40
"""Nodes in the table; those that count at their worst case come first, then those with trouble."""
MOST_NAMES = 5


class NodeSourceView(Wire, frozen=True):
    """One node.

    Attributes
    ----------
    source : str
        By which it counts; "" at its worst case.
    watts : float or None
        What it counts as; None where that would be its worst case, and it is not known.
    better : tuple of str
        Sources that stand before it by precedence and measure some node; those that measure this one come first, and
        were refused.
    why : str
        What was wrong with this source, or with better ones.
    """

    name: str
    state: NodeState
    source: str
    watts: float | None
    age_seconds: float | None
    better: tuple[str, ...]
    why: str


def examine_nodes(
    readings: NodeReadings, coverage: Sequence[SourceCoverage], domains: Sequence[DomainReading], *, peaks_known: bool
) -> SectionReport:
    """Report on the nodes.

    Parameters
    ----------
    readings : NodeReadings
    coverage : sequence of SourceCoverage
    domains : sequence of DomainReading
        At the same moment.
    peaks_known : bool
        Whether it is known what nodes draw at most; otherwise none is said to draw its worst case.
    """
    measured = who_measures(coverage)
    views = tuple(_view(readings, measured, i, peaks_known) for i in range(len(readings.nodes)))
    findings = (_measured(views), *_better(views), *_by_assumption(domains))
    rows = sorted(views, key=lambda node: (node.state != "worst", node.state != "held", not node.why, not node.better))
    section = SectionView(name="nodes", title="Nodes", findings=findings, data=views)
    return SectionReport(section, (_table(rows),))


def _view(readings: NodeReadings, measured: Mapping[str, frozenset[str]], i: int, peaks_known: bool) -> NodeSourceView:
    name, source = readings.nodes[i], readings.source[i]
    age_s = float(readings.age_s[i])
    return NodeSourceView(
        name=name,
        state=readings.state[i],
        source=source,
        watts=round(float(readings.watts[i]), 3) if peaks_known or readings.state[i] != "worst" else None,
        age_seconds=round(age_s, 3) if isfinite(age_s) else None,
        better=better_sources(measured, name, source),
        why=readings.why[i],
    )


def _measured(nodes: Sequence[NodeSourceView]) -> Finding:
    worst = [node for node in nodes if node.state == "worst"]
    sources = Counter(node.source for node in nodes if node.state != "worst")
    told = ", ".join(f"{printable(source)} {count:,}" for source, count in sources.most_common())
    if not worst:
        return Finding(level="ok", check="nodes measured", text=f"{words.count(len(nodes), 'node')}, by {told}")
    silent = [node for node in worst if not node.why]
    text = f"{len(worst):,} of {words.count(len(nodes), 'node')} count at the worst case: {_names(worst)}"
    if silent:
        text += f"; nothing at all measures {_names(silent)}"
    return Finding(
        level="fail" if len(worst) == len(nodes) else "warn",
        check="nodes measured",
        text=text,
        next="see the column `why`, and that an exporter of power runs on each of them and is scraped",
    )


def _better(nodes: Sequence[NodeSourceView]) -> Iterator[Finding]:
    by_source: dict[str, list[NodeSourceView]] = {}
    for node in nodes:
        if node.better and node.state != "worst":
            by_source.setdefault(node.better[0], []).append(node)
    for source, missing in by_source.items():
        yield Finding(
            level="warn",
            check="better sources",
            text=f"{source} would be better than what {words.count(len(missing), 'node')} count by: {_names(missing)}",
            next=f"see the column `why`, or have {source} measure these nodes, too",
        )


def _by_assumption(domains: Sequence[DomainReading]) -> Iterator[Finding]:
    for domain in domains:
        if domain.is_broken_by_assumption:
            yield Finding(
                level="fail",
                check="budgets on assumption",
                text=f"{domain.kind} {printable(domain.name)} is above its budget only by the worst case of "
                f"{words.count(domain.worst, 'node')}: what would be enforced there rests on nothing measured",
                next="measure these nodes: see `nodes measured`",
            )


def _names(nodes: Sequence[NodeSourceView]) -> str:
    shown = ", ".join(printable(node.name) for node in nodes[:MOST_NAMES])
    return shown if len(nodes) <= MOST_NAMES else f"{shown} and {len(nodes) - MOST_NAMES:,} more"


def _table(nodes: Sequence[NodeSourceView]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")
    table.add_column("node", overflow="fold")
    table.add_column("counts by", overflow="fold")
    table.add_column("watts", justify="right", no_wrap=True)
    table.add_column("age", justify="right", no_wrap=True)
    table.add_column("better", overflow="fold")
    table.add_column("why", overflow="fold")
    for node in nodes[:MOST_ROWS]:
        style = {"worst": "bold magenta", "held": "yellow"}.get(node.state, "")
        source = "worst case" if node.state == "worst" else node.source + (", held" if node.state == "held" else "")
        table.add_row(
            Text(printable(node.name)),
            Text(printable(source), style=style),
            Text("" if node.watts is None else words.watts(node.watts)),
            Text("" if node.age_seconds is None else span(node.age_seconds)),
            Text(", ".join(node.better)),
            Text(printable(node.why), style="dim"),
        )
    if len(nodes) > MOST_ROWS:
        more = words.count(len(nodes) - MOST_ROWS, "node")
        table.caption = Text(f"… and {more} more with less to tell: -o json", style="dim")
        table.caption_justify = "left"
    return table
