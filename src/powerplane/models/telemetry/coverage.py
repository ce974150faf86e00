"""What sources cover: which metrics are there, of which nodes, how old, and which names stand for no node."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from powerplane.models.telemetry.facts import NodeFacts
from powerplane.models.telemetry.node_names import NodeNames, told_aliases
from powerplane.models.telemetry.precedence import NODE_SOURCES
from powerplane.models.telemetry.readings import Floats, Quantity, SeriesBlock, SourceReading

NODE_WATTS: tuple[Quantity, ...] = ("node watts", "cpu watts", "dram watts", "gpu watts")
"""What a node's draw is made of."""

OF_NODES: tuple[Quantity, ...] = (*NODE_WATTS, "node cpu cores")
"""Whose series each are of a node, so that their names are held against the cluster's."""


@dataclass(frozen=True, slots=True)
class MetricCoverage:
    """One metric of one source, for one quantity.

    Parameters
    ----------
    metric : str
    quantity : Quantity
    unit : str
        As exported.
    series : int
    nodes : frozenset of str
        Nodes of the cluster that it has series of.
    newest_age_s, oldest_age_s : float
        Of the last samples of its series, by the source's clock.
    interval_s : float
        Usual time between two samples of a series; 0 where none has two.
    """

    metric: str
    quantity: Quantity
    unit: str
    series: int
    nodes: frozenset[str]
    newest_age_s: float
    oldest_age_s: float
    interval_s: float = 0.0


@dataclass(frozen=True, slots=True)
class SourceCoverage:
    """One source.

    Parameters
    ----------
    source : str
    metrics : tuple of MetricCoverage
    missing : tuple of str
        Metrics that were asked for and had no series.
    unknown, ambiguous : tuple of str
        Names in its series of nodes that stand for no node of the cluster, or could be several.
    refused : dict of str to int
        Series that could not be read, by reason.
    error : str
        Why it did not answer; "" where it did.
    """

    source: str
    metrics: tuple[MetricCoverage, ...]
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    ambiguous: tuple[str, ...] = ()
    refused: dict[str, int] = field(default_factory=dict)
    error: str = ""

    @property
    def is_there(self) -> bool:
        """Whether it has any series."""
        return bool(self.metrics)

    def nodes_with(self, quantities: Iterable[Quantity]) -> frozenset[str]:
        """Nodes that it has series of, for any of these quantities."""
        wanted = set(quantities)
        return frozenset().union(*(metric.nodes for metric in self.metrics if metric.quantity in wanted))


def cover(answers: Sequence[SourceReading], nodes: Sequence[NodeFacts]) -> tuple[SourceCoverage, ...]:
    """Return what each source covers, in the order of the answers.

    Parameters
    ----------
    answers : sequence of SourceReading
        As they came, before anything is judged.
    nodes : sequence of NodeFacts
        Every node of the cluster, with all names that it is known by; see ``with_told_aliases``.
    """
    names = NodeNames({node.name: node.aliases for node in nodes})
    return tuple(_source(answer, names) for answer in answers)


def who_measures(coverage: Sequence[SourceCoverage]) -> dict[str, frozenset[str]]:
    """Return the nodes that each source of nodes' watts measures, the best source first; none that measures none."""
    there = {each.source: each.nodes_with(NODE_WATTS) for each in coverage}
    return {source: there[source] for source in NODE_SOURCES if there.get(source)}


def better_sources(measured: Mapping[str, frozenset[str]], node: str, chosen: str) -> tuple[str, ...]:
    """Sources of a node's watts that precedence puts before the chosen one and that measure some node, best first.

    Parameters
    ----------
    measured : mapping
        As ``who_measures`` tells it.
    node : str
    chosen : str
        "" where none is.

    Returns
    -------
    tuple of str
        Those that cover this node come first: they were refused, and the readings say why.
    """
    rank = NODE_SOURCES.index(chosen) if chosen in NODE_SOURCES else len(NODE_SOURCES)
    before = [source for source in measured if NODE_SOURCES.index(source) < rank]
    return tuple(sorted(before, key=lambda source: node not in measured[source]))


def with_told_aliases(nodes: Sequence[NodeFacts], answers: Sequence[SourceReading]) -> tuple[NodeFacts, ...]:
    """Add the names that Prometheus itself tells of nodes: their addresses, and host names of scraped instances."""
    known = NodeNames({node.name: node.aliases for node in nodes})
    more: dict[str, list[str]] = {}
    for told, others in told_aliases(answers).items():
        if name := known.match(told):
            more.setdefault(name, []).extend(others)
    if not more:
        return tuple(nodes)
    return tuple(
        replace(node, aliases=tuple(dict.fromkeys((*node.aliases, *more[node.name])))) if node.name in more else node
        for node in nodes
    )


def _source(answer: SourceReading, names: NodeNames) -> SourceCoverage:
    unknown: dict[str, None] = {}
    ambiguous: dict[str, None] = {}
    found: dict[tuple[str, Quantity], list[SeriesBlock]] = {}
    for block in answer.blocks:
        if block.entities:
            found.setdefault((block.meaning.metric, block.meaning.quantity), []).append(block)
    metrics = []
    for (metric, quantity), blocks in found.items():
        stated = [entity.node for block in blocks for entity in block.entities]
        if quantity in OF_NODES:
            for name in dict.fromkeys(stated):
                if not names.match(name):
                    (ambiguous if names.is_ambiguous(name) else unknown)[name or "(no name)"] = None
        ages = np.concatenate([_ages(block, answer.evaluated_s) for block in blocks])
        metrics.append(
            MetricCoverage(
                metric=metric,
                quantity=quantity,
                unit=blocks[0].meaning.unit,
                series=len(stated),
                nodes=frozenset(name for each in set(stated) if (name := names.match(each))),
                newest_age_s=float(ages.min(initial=np.inf)),
                oldest_age_s=float(ages.max(initial=0.0)),
                interval_s=max(spacing_s(block) for block in blocks),
            )
        )
    return SourceCoverage(
        answer.source,
        tuple(metrics),
        answer.missing,
        tuple(unknown),
        tuple(ambiguous),
        dict(answer.refused),
        answer.error,
    )


def _ages(block: SeriesBlock, evaluated_s: float) -> Floats:
    """Age of the newest sample of each series that has a dated one."""
    newest = np.full(len(block.entities), -np.inf)
    series = np.repeat(np.arange(len(block.entities)), np.diff(block.offsets))
    dated = np.isfinite(block.at_s)
    np.maximum.at(newest, series[dated], block.at_s[dated])
    result: Floats = np.maximum(evaluated_s - newest[np.isfinite(newest)], 0.0)
    return result


def spacing_s(block: SeriesBlock) -> float:
    """Usual time between two samples of a series, in seconds; 0 where no series has two."""
    steps = np.diff(block.at_s)
    within = np.ones(len(steps), dtype=bool)
    ends = block.offsets[1:-1] - 1
    within[ends[(ends >= 0) & (ends < len(steps))]] = False
    kept = steps[within & np.isfinite(steps) & (steps > 0)]
    return float(np.median(kept)) if len(kept) else 0.0
