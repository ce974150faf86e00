"""``powerplane doctor``: what each source brings: metrics, series, nodes, ages, bad samples, and what is missing."""

from collections.abc import Iterator, Mapping, Sequence

from powerplane.adapters.telemetry.unanswered import plain
from powerplane.cli.doctor_advice import BY_METRIC, install
from powerplane.cli.doctor_section import Finding, SectionReport, SectionView
from powerplane.cli.doctor_sources_view import source_view, sources_table
from powerplane.cli.report import words
from powerplane.cli.top_remarks import span
from powerplane.models.plain import printable
from powerplane.models.telemetry.coverage import NODE_WATTS, SourceCoverage
from powerplane.models.telemetry.facts import NodeFacts
from powerplane.models.telemetry.metrics import meanings_of
from powerplane.models.telemetry.readings import Quantity
from powerplane.models.telemetry.verdicts import BY_NAME

Found = Mapping[tuple[str, str], int]
"""Bad series by source and verdict."""

HARMLESS = ("late", "unmatched", "reset")
"""Verdicts that are no fault of a source's samples, or told of elsewhere."""
MENDS = {
    "stale": "see which targets are down, and which nodes are gone; pods that have ended are no trouble",
    "short": "look again after the next scrape: what has just begun has one sample",
    "missing": "see which targets are down, and whether the exporter has lost a device",
    "frozen": "restart the exporter; where the management controller itself repeats itself, restart that",
    "wrong unit": "see the exporter's own page: its unit, and what relabelling does to it",
    "too high": "see whether the series is of this node, and the node's curve in power.yaml",
    "too low": "see whether the series is of this node, and the node's curve in power.yaml",
    "doubled": "see which two jobs scrape the same exporter, and drop one",
    "clock skew": "keep the clocks by NTP: timedatectl status",
    "future": "keep the clocks by NTP: timedatectl status",
    "no answer": "see that it runs, and may be reached",
    "unanswered": "see `failed questions`; a longer --timeout, or Prometheus' --query.timeout and --query.max-samples",
    "malformed": "see the exporter's page, or `failed questions` for a BMC",
    "refused": "see `failed questions`: give the BMC's user and passwordFile in the file of --redfish",
    "no power reading": "see `failed questions`: name another chassis of the BMC in the file of --redfish",
    "several chassis": "see `failed questions`: name one chassis of the BMC in the file of --redfish",
    "unlabelled": "let the scrape put the node's name into the label `node`, or pass --node-label LABEL",
    "partial answer": "mend the store behind Prometheus that is away",
}
"""What to do about some verdicts."""
REFUSALS = {
    "unanswered": "a question without an answer in time",
    "malformed": "no figure can be read of it",
    "other type": "the page states another type than the metric has; not used",
    "refused": "a BMC that does not know who asks",
    "no power reading": "a BMC that tells no power of its chassis",
    "several chassis": "a BMC with several chassis that tell a power",
    "unlabelled": "of nobody, by its labels; not used",
    "partial answer": "a warning that something is left out",
}
"""What sources themselves count, and what it means."""
NO_ERRORS: Mapping[str, str] = {}
SLOWEST_S = 60.0
"""A sample counts for three scrapes: slower ones leave a node at its last watts for more than three minutes."""
MOST_NAMES = 5


def examine_sources(
    coverage: Sequence[SourceCoverage],
    found: Found,
    nodes: Sequence[NodeFacts],
    errors: Mapping[str, str] = NO_ERRORS,
) -> SectionReport:
    """Report on the sources.

    Parameters
    ----------
    coverage : sequence of SourceCoverage
    found : Found
        As ``NodeReadings.found``.
    nodes : sequence of NodeFacts
        Of the cluster.
    errors : mapping of str
        Why a part could not be read, by what: a node whose BMC was asked, or a metric.
    """
    bad = {each.source: {what: n for (who, what), n in found.items() if who == each.source} for each in coverage}
    findings = [*_kinds_that_are_missing(coverage, nodes)]
    for each in coverage:
        if each.error:
            text = f"{each.source}: no answer: {each.error}"
            findings.append(Finding(level="warn", check="answer", text=text, next="run it again"))
        elif each.is_there:
            findings += [*_slow(each), *_names(each), *_missing(each, coverage, nodes)]
    findings += [*_failed(errors), *_bad_samples(found)]
    data = tuple(source_view(each, bad[each.source]) for each in coverage)
    shown = (sources_table(coverage, bad, len(nodes)),) if any(each.is_there for each in coverage) else ()
    return SectionReport(SectionView(name="sources", title="Sources", findings=tuple(findings), data=data), shown)


def _kinds_that_are_missing(coverage: Sequence[SourceCoverage], nodes: Sequence[NodeFacts]) -> Iterator[Finding]:
    told = _told(coverage)
    if "node watts" in told:
        yield Finding(level="ok", check="watts of nodes", text="whole machines are measured")
    elif "cpu watts" in told:
        yield Finding(
            level="warn",
            check="watts of nodes",
            text="only parts of nodes are measured: fans, disks, boards and losses are assumed",
            next=install("node watts"),
        )
    else:
        yield Finding(
            level="fail",
            check="watts of nodes",
            text="nothing measures what nodes draw: every node counts at its worst case",
            next=f"{install('node watts')}; or {install('cpu watts')}",
        )
    with_gpus = {node.name for node in nodes if node.accelerators}
    unseen = with_gpus - frozenset().union(*(each.nodes_with(["gpu watts"]) for each in coverage))
    if unseen:
        yield Finding(
            level="warn",
            check="watts of GPUs",
            text=f"GPUs of {words.count(len(unseen), 'node')} are not measured: {_listed(sorted(unseen))}",
            next=install("gpu watts"),
        )
    if "pod cpu cores" not in told:
        yield Finding(
            level="warn",
            check="CPU use of pods",
            text="nothing tells what pods use: they count by their requests",
            next=install("pod cpu cores"),
        )


def _told(coverage: Sequence[SourceCoverage]) -> set[Quantity]:
    return {metric.quantity for each in coverage for metric in each.metrics}


def _slow(each: SourceCoverage) -> Iterator[Finding]:
    slowest_s = max((metric.interval_s for metric in each.metrics if metric.quantity in NODE_WATTS), default=0.0)
    if slowest_s > SLOWEST_S:
        yield Finding(
            level="warn",
            check="scrape interval",
            text=f"{each.source} brings a sample every {span(slowest_s)}, and a sample is held for three of them",
            next=f"scrape what measures power every {SLOWEST_S:.0f} s or faster",
        )


def _failed(errors: Mapping[str, str]) -> Iterator[Finding]:
    """Why what was asked for did not come, the first few of it."""
    if errors:
        shown = "; ".join(f"{what}: {plain(why)}" for what, why in [*errors.items()][:MOST_NAMES])
        more = f"; and {len(errors) - MOST_NAMES:,} more" if len(errors) > MOST_NAMES else ""
        yield Finding(
            level="warn",
            check="failed questions",
            text=f"{words.count(len(errors), 'question')} without a usable answer: {shown}{more}",
            next="see that each answers within --timeout, and that it may be read by who asks",
        )


def _bad_samples(found: Found) -> Iterator[Finding]:
    """A finding for each verdict: what it means, what is done then, and how many series of which sources."""
    by_verdict: dict[str, dict[str, int]] = {}
    for (source, verdict), number in found.items():
        if verdict not in HARMLESS:
            by_verdict.setdefault(verdict, {})[source] = number
    for verdict, sources in by_verdict.items():
        known = BY_NAME.get(verdict)
        told = f"{known.meaning}; {known.remedy}" if known else REFUSALS.get(verdict, "")
        meaning = f" ({told})" if told else ""
        counted = ", ".join(f"{printable(source)} {number:,}" for source, number in sources.items())
        yield Finding(
            level="warn",
            check="samples",
            text=f"{printable(verdict)}{meaning}: {counted}",
            next=MENDS.get(verdict, "look at these series in Prometheus (docs/explanation/hygiene.md)"),
        )


def _missing(each: SourceCoverage, coverage: Sequence[SourceCoverage], nodes: Sequence[NodeFacts]) -> Iterator[Finding]:
    """Metrics that the source could have, of something that nobody tells."""
    told, has_gpus = _told(coverage), any(node.accelerators for node in nodes)
    quantity_of = {meaning.metric: meaning.quantity for meaning in meanings_of(each.source)}
    for metric in each.missing:
        quantity = quantity_of.get(metric)
        if metric not in BY_METRIC or quantity in told or (quantity == "gpu watts" and not has_gpus):
            continue
        text = f"{each.source}: {metric} is not there"
        yield Finding(level="warn", check="missing metrics", text=text, next=BY_METRIC[metric])


def _names(each: SourceCoverage) -> Iterator[Finding]:
    relabel = "let the scrape put the node's name into the label `node` (relabel_configs)"
    for names, what in (
        (each.unknown, "of no node of the cluster"),
        (each.ambiguous, "that could be of several nodes, and count for none"),
    ):
        if names:
            text = f"{each.source}: {words.count(len(names), 'name')} {what}: {_listed(names)}"
            yield Finding(level="warn", check="names", text=text, next=f"{relabel}, or pass --node-label LABEL")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(printable(name) for name in names[:MOST_NAMES])
    return shown if len(names) <= MOST_NAMES else f"{shown} and {len(names) - MOST_NAMES:,} more"
