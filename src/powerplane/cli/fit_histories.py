"""What `fit` learns from: the samples of each node type, from a file or from Prometheus' history."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from powerplane.adapters.cluster_labels import GIB
from powerplane.adapters.counters_csv import CsvColumns, read_counters
from powerplane.cli.progress import Say
from powerplane.models.catalogue import nearest_server, server_curve
from powerplane.models.curves import PowerCurve
from powerplane.models.errors import InputError
from powerplane.models.objects import Node
from powerplane.models.quantities import parse_quantity
from powerplane.models.telemetry.metrics import SCRAPED
from powerplane.models.telemetry.metrics_heat import HEAT
from powerplane.models.telemetry.node_names import NodeNames, aliases_of
from powerplane.models.telemetry.precedence import GPU_SOURCES, NODE_USE_SOURCES, PART_SOURCES, PRECEDENCE, WALL_SOURCES
from powerplane.models.telemetry.readings import Floats, Meaning, Quantity, SeriesBlock
from powerplane.models.watts.from_history import ENOUGH, Grid, Table, choose_watts, node_samples, or_nothing, tabulate
from powerplane.models.watts.heat_fit import HeatHistory
from powerplane.models.watts.samples import NodeSamples

TYPE_LABELS = ("node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type")
USUAL_CPUS, USUAL_MEMORY_GIB = 64.0, 256.0
"""Size of the catalogue's server that a recording starts from which does not say whose it is."""

FEWEST_TO_TELL, SELDOM = 50, 0.02
"""Samples from which on a counter that falls at fewer than that share of them is told to count up."""

PARTS: tuple[Quantity, ...] = ("cpu watts", "dram watts")
"""What is added up where no wall is measured."""


@dataclass(frozen=True, slots=True, eq=False)
class TypeHistory:
    """One node type and its samples.

    Parameters
    ----------
    name : str
    nodes : tuple of str
        Empty where the recording does not name them.
    label : tuple of (str, str) or None
        The label that its nodes carry, and no others.
    samples : NodeSamples
    prior : PowerCurve
        Where its fit starts.
    full_scale : tuple of float or None
        Of the counters; None for the largest seen.
    sources : tuple of str
        Who measured its watts.
    left_out : tuple of str
        Nodes not learned from, since only their parts are measured and others' walls are.
    counting : tuple of str
        Counters that hardly ever fall, as if they counted up.
    heat : HeatHistory or None
        Fans and temperatures beside the samples, of the nodes whose walls are measured; None where none has any.
    """

    name: str
    nodes: tuple[str, ...]
    label: tuple[str, str] | None
    samples: NodeSamples
    prior: PowerCurve
    full_scale: tuple[float, ...] | None
    sources: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    counting: tuple[str, ...] = ()
    heat: HeatHistory | None = None


class Historian(Protocol):
    """Whoever tells the history of a metric."""

    def history(self, meaning: Meaning, start_s: float, end_s: float, step_s: float) -> SeriesBlock:
        """Return its values at equal steps."""
        ...


def of_csv(path: Path, columns: CsvColumns, capacity: float | None, server: str | None) -> tuple[TypeHistory, ...]:
    """Read the types of a recording; ``capacity`` is the first counter's value of the whole machine.

    Raises
    ------
    InputError
        For a file that cannot be used, and a server that the catalogue does not have.
    """
    prior = server_curve(server) if server else nearest_server(USUAL_CPUS, USUAL_MEMORY_GIB).curve
    found = []
    for name, samples in read_counters(path, columns).items():
        scale = None if capacity is None else _scales(samples, capacity)
        rising = zip(columns.counters, samples.now.T, samples.before.T, strict=True)
        counting = tuple(counter for counter, now, before in rising if _counts_up(now, before))
        found.append(TypeHistory(name, (), None, samples, prior, scale, counting=counting))
    return tuple(found)


def of_prometheus(
    source: Historian, nodes: Sequence[Node], grid: Grid, say: Say, *, type_label: str | None, server: str | None
) -> tuple[TypeHistory, ...]:
    """Read the history of a cluster's nodes, and part them by type.

    Parameters
    ----------
    source : Historian
    nodes : sequence of Node
    grid : Grid
    say : Say
    type_label : str or None
        Label that names a node's type; by default its instance type, or else the catalogue's server of its size.
    server : str or None
        Where every fit starts; by default the catalogue's server of the node's size.

    Raises
    ------
    UnreachableError
        When a question has no answer.
    InputError
        When no node has watts and use in that history.
    """
    names = [node.metadata.name for node in nodes]
    match = NodeNames({node.metadata.name: aliases_of(node) for node in nodes}).match
    ask = _Questions(source, names, grid, match, say)
    cores = ask.first_that_covers("node cpu cores", NODE_USE_SOURCES)
    sources, watts = _watts(ask, len(nodes))
    heat = _heat(ask, len(nodes)) if set(sources) & set(WALL_SOURCES) else None
    groups: dict[tuple[str, tuple[str, str] | None], list[int]] = {}
    for row, node in enumerate(nodes):
        groups.setdefault(_type_of(node, type_label), []).append(row)
    found = []
    for (name, label), rows in groups.items():
        parts = {row: node_samples(watts[row], cores[row], _cpus(nodes[row]), grid) for row in rows}
        measured = [row for row in rows if len(parts[row])]
        # Packages and memory are less than the wall: one curve through both would be true of neither.
        seen = [row for row in measured if sources[row] in WALL_SOURCES] or measured
        if seen:
            first = nodes[seen[0]]
            found.append(
                TypeHistory(
                    name,
                    tuple(names[row] for row in rows),
                    label,
                    NodeSamples.joined([parts[row] for row in seen]),
                    server_curve(server) if server else nearest_server(_cpus(first), _memory_gib(first)).curve,
                    (1.0,),
                    tuple(dict.fromkeys(sources[row] for row in seen)),
                    tuple(names[row] for row in measured if row not in seen),
                    heat=_beside([row for row in seen if sources[row] in WALL_SOURCES], parts, heat, (watts, cores)),
                )
            )
    if not found:
        raise InputError(
            f"none of {len(nodes)} nodes has both watts and CPU use in that history",
            "look at what is there: powerplane doctor --prometheus URL",
        )
    return tuple(found)


def _watts(ask: "_Questions", nodes: int) -> tuple[list[str], Floats]:
    """Wall watts without what accelerators draw above idle; packages and memory where no wall is measured."""
    wall = {source: ask.table("node watts", (source,)).total for source in WALL_SOURCES if not ask.covered}
    cards = or_nothing(ask.table("gpu watts", GPU_SOURCES).above_idle)
    tables = {source: watts - cards for source, watts in wall.items()}
    for source in PART_SOURCES if not ask.covered else ():
        packages, memory = (ask.table(quantity, (source,)).total for quantity in PARTS)
        tables[source] = packages + or_nothing(memory)
    return choose_watts(tables, nodes)


def _heat(ask: "_Questions", nodes: int) -> tuple[Floats, Floats]:
    """Rpm and °C of each node over time, shape (N, T) each, by the source that covers it best."""
    found = []
    wanted: tuple[tuple[Quantity, list[Meaning]], ...] = (
        ("fan rpm", [row for row in (*SCRAPED, *HEAT) if row.quantity == "fan rpm"]),
        # Packages' alone: the air at the inlet does not follow the load, and an accelerator has its own watts.
        ("celsius", [row for row in HEAT if row.quantity == "celsius"]),
    )
    for quantity, rows in wanted:
        order = [source for source in PRECEDENCE[quantity] if any(row.source == source for row in rows)]
        tables = {source: ask.rows([row for row in rows if row.source == source]).mean for source in order}
        found.append(choose_watts(tables, nodes)[1])
    return found[0], found[1]


def _beside(
    rows: Sequence[int], parts: Mapping[int, NodeSamples], heat: tuple[Floats, Floats] | None, both: tuple[Floats, ...]
) -> HeatHistory | None:
    """Put the heat of some nodes beside their samples: at the steps at which watts and use are known."""
    if heat is None or not any(np.isfinite(table[rows]).any() for table in heat):
        return None
    there = {row: np.isfinite(both[0][row]) & np.isfinite(both[1][row]) for row in rows}
    return HeatHistory.joined([(parts[row], heat[0][row][there[row]], heat[1][row][there[row]]) for row in rows])


@dataclass(slots=True)
class _Questions:
    """Asks for histories, each metric once."""

    source: Historian
    names: list[str]
    grid: Grid
    match: Callable[[str], str]
    say: Say
    covered: bool = False
    """Whether a source that was asked has every node's watts for most of the history, so that no other need be."""

    def table(self, quantity: Quantity, sources: tuple[str, ...]) -> Table:
        """All rows of a quantity of some sources, the more believed first."""
        found = self.rows(
            [row for source in sources for row in SCRAPED if row.source == source and row.quantity == quantity]
        )
        if quantity in ("node watts", "cpu watts"):
            known = np.isfinite(found.total).sum(axis=1)
            self.covered = self.covered or bool((known >= ENOUGH * self.grid.count).all())
        return found

    def rows(self, rows: Sequence[Meaning]) -> Table:
        """Rows of the declared table, the more believed first."""
        blocks = []
        for row in rows:
            self.say(f"reading the history of {row.metric}")
            end_s = float(self.grid.at_s[-1])
            blocks.append(self.source.history(row, self.grid.start_s, end_s, self.grid.step_s))
        return tabulate(blocks, self.names, self.grid, self.match)

    def first_that_covers(self, quantity: Quantity, sources: tuple[str, ...]) -> Floats:
        """Each node's values from the first source that has enough of them."""
        tables = {}
        for source in sources:
            tables[source] = self.table(quantity, (source,)).total
            if (np.isfinite(tables[source]).sum(axis=1) >= ENOUGH * self.grid.count).all():
                break
        return choose_watts(tables, len(self.names))[1]


def _counts_up(now: Floats, before: Floats) -> bool:
    """Whether a counter rises at nearly every sample, which a rate or a share does not."""
    known = np.isfinite(now) & np.isfinite(before)
    falls, rises = now[known] < before[known], now[known] > before[known]
    return len(falls) >= FEWEST_TO_TELL and bool(falls.mean() < SELDOM) and bool(rises.mean() > 0.5)


def _scales(samples: NodeSamples, capacity: float) -> tuple[float, ...]:
    """The stated scale of the first counter, and the largest seen of the others."""
    tops = [np.nanmax(column, initial=0.0) for column in np.where(np.isfinite(samples.now), samples.now, 0.0).T[1:]]
    return (capacity, *(float(top) or 1.0 for top in tops))


def _type_of(node: Node, label: str | None) -> tuple[str, tuple[str, str] | None]:
    labels = node.metadata.labels or {}
    for key in (label,) if label else TYPE_LABELS:
        if labels.get(key):
            return labels[key], (key, labels[key])
    if label:
        return f"without-{label.rpartition('/')[2]}", None
    return nearest_server(_cpus(node), _memory_gib(node)).name, None


def _cpus(node: Node) -> float:
    return _offered(node, "cpu")


def _memory_gib(node: Node) -> float:
    return _offered(node, "memory") / GIB


def _offered(node: Node, resource: str) -> float:
    amount = float(parse_quantity((node.status.allocatable or {}).get(resource, 0)))
    if amount <= 0:
        raise InputError(
            f"node {node.metadata.name!r} offers no {resource}", "leave it out until its kubelet reports its size"
        )
    return amount
