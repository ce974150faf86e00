"""What each domain draws by its nodes' readings: exact sums over the topology's rows, each feed alive or lost.

Watts become whole milliwatts once, at the node and rounded up; from there on every sum is exact, so that a domain's
draw is what its nodes' draws add up to, and its sources' parts add up to its draw.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from powerplane.models.breakers import Breaker
from powerplane.models.draws import row_draws_mw
from powerplane.models.errors import InputError
from powerplane.models.incidence import PowerIncidence, compile_incidence
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.telemetry.node_readings import NodeReadings, NodeState
from powerplane.models.telemetry.readings import Integers
from powerplane.models.topology import PowerTopology

WORST = "worst"
"""Stands for the source of a node that counts at its worst case."""

STATES: tuple[NodeState, ...] = ("measured", "held", "worst")

ROUNDING_MW = 1e-6
"""Less than this is the error of a float that stands for whole milliwatts, not a part of one."""


class SourcePart(NamedTuple):
    """What one source contributes to a domain's draw: by how many nodes, and how many milliwatts."""

    source: str
    nodes: int
    draw_mw: int


@dataclass(frozen=True, slots=True)
class DomainReading:
    """One domain at one moment.

    Parameters
    ----------
    name, kind : str
    budget_mw : int
        ``NO_BUDGET`` where it may draw anything.
    breaker : Breaker or None
    draw_mw : int
        With all feeds alive, as it is now; nodes without a usable sample at their worst case.
    worst_case_mw : int
        Part of it that is such nodes' worst case.
    lost : str
        The feed whose loss would let it draw most; "" where no loss adds to its draw.
    lost_mw : int
        What it would draw then; ``draw_mw`` where ``lost`` is "".
    nodes, measured, held, worst : int
        Nodes that draw through it, and how many of them are in each state.
    sources : tuple of SourcePart
        The largest part first.
    age_s : float
        Of the oldest sample that its draw rests on; NaN where it rests on none.
    """

    name: str
    kind: str
    budget_mw: int
    breaker: Breaker | None
    draw_mw: int
    worst_case_mw: int
    lost: str
    lost_mw: int
    nodes: int
    measured: int
    held: int
    worst: int
    sources: tuple[SourcePart, ...]
    age_s: float

    @property
    def headroom_mw(self) -> int | None:
        """Budget less draw, in milliwatts; None without a budget."""
        return None if self.budget_mw == NO_BUDGET else self.budget_mw - self.draw_mw

    @property
    def is_broken(self) -> bool:
        """Whether it draws more than its budget now."""
        return self.draw_mw > self.budget_mw

    @property
    def is_broken_by_assumption(self) -> bool:
        """Whether it is only above budget because nodes without a usable sample count at their worst case."""
        return self.is_broken and self.draw_mw - self.worst_case_mw <= self.budget_mw

    @property
    def breaks_when_lost(self) -> bool:
        """Whether it would be above its budget once a feed is lost, and is not yet."""
        return not self.is_broken and self.lost_mw > self.budget_mw


@dataclass(frozen=True, slots=True, eq=False)
class DomainBook:
    """A topology compiled for readings of N nodes; worked out once, read every round.

    Parameters
    ----------
    topology : PowerTopology
    nodes : tuple of str
        Columns.
    incidence : PowerIncidence
    alive : int array, shape (D,)
        Row of each of the D domains with all feeds alive, in the topology's order.
    members : bool array, shape (D, N)
        Which nodes draw through each domain.
    """

    topology: PowerTopology
    nodes: tuple[str, ...]
    incidence: PowerIncidence
    alive: Integers
    members: NDArray[np.bool_]

    @property
    def outside(self) -> tuple[str, ...]:
        """Nodes that are in no domain, so that no budget of a domain holds them."""
        inside = self.members.any(axis=0)
        return tuple(self.nodes[i] for i in np.flatnonzero(~inside).tolist())


def compile_domains(topology: PowerTopology, nodes: Sequence[str]) -> DomainBook:
    """Compile a topology for readings of these nodes.

    Raises
    ------
    InputError
        When a domain lists a node that is not among them: it may well draw, and would count as nothing.
    """
    known = set(nodes)
    for domain in topology.domains:
        if strangers := [node for node in domain.nodes if node not in known]:
            raise InputError(
                f"domain {domain.name!r} lists node {strangers[0]!r}, which the cluster does not have",
                "correct the name in topology.yaml, or remove it",
            )
    incidence = compile_incidence(topology, tuple(nodes))
    row_of = {
        name: row for row, (name, lost) in enumerate(zip(incidence.domain, incidence.lost, strict=True)) if not lost
    }
    alive = np.array([row_of[domain.name] for domain in topology.domains], dtype=np.int64)
    members = incidence.weights[alive].toarray() > 0
    return DomainBook(topology, tuple(nodes), incidence, alive, members)


def node_milliwatts(readings: NodeReadings) -> Integers:
    """Draw of each node in milliwatts, rounded up, shape (N,).

    Raises
    ------
    ValueError
        For watts that are not finite, or negative: readings never hold such.
    """
    usable = np.isfinite(readings.watts) & (readings.watts >= 0)
    if not usable.all():
        row = int(np.argmin(usable))
        raise ValueError(f"node {readings.nodes[row]!r} counts as {readings.watts[row]} W")
    result: Integers = np.ceil(readings.watts * 1000 - ROUNDING_MW).astype(np.int64)
    return result


def read_domains(book: DomainBook, readings: NodeReadings) -> tuple[DomainReading, ...]:
    """Return what every domain draws, in the topology's order.

    Parameters
    ----------
    book : DomainBook
    readings : NodeReadings
        Of the book's nodes, in its order.

    Raises
    ------
    ValueError
        For readings of other nodes than the book's.
    """
    if readings.nodes != book.nodes:
        raise ValueError("the readings are not of the nodes that the domains were compiled for")
    node_mw = node_milliwatts(readings)
    names, parts_mw, parts_nodes = _parts(book, readings, node_mw)
    states = _states(book, readings)
    ages = _ages(book, readings)
    row_mw = row_draws_mw(book.incidence, node_mw)
    losses = _losses(book, row_mw)
    found = []
    for i, domain in enumerate(book.topology.domains):
        draw_mw = int(row_mw[book.alive[i]])
        sources = _shares(names, parts_mw[i], parts_nodes[i], draw_mw, book.incidence.scale)
        lost, lost_mw = losses.get(domain.name, ("", draw_mw))
        measured, held, worst = states[i].tolist()
        found.append(
            DomainReading(
                name=domain.name,
                kind=domain.kind,
                budget_mw=domain.budget_mw,
                breaker=domain.breaker,
                draw_mw=draw_mw,
                worst_case_mw=sum(part.draw_mw for part in sources if part.source == WORST),
                lost=lost,
                lost_mw=lost_mw,
                nodes=measured + held + worst,
                measured=measured,
                held=held,
                worst=worst,
                sources=sources,
                age_s=float(ages[i]),
            )
        )
    return tuple(found)


def _parts(book: DomainBook, readings: NodeReadings, node_mw: Integers) -> tuple[list[str], Integers, Integers]:
    """Sources by name; of each domain and source the milliwatts times the scale, and the nodes; each shape (D, S)."""
    of_node = [
        WORST if state == "worst" else source for state, source in zip(readings.state, readings.source, strict=True)
    ]
    names = sorted(set(of_node))
    column = np.array([names.index(source) for source in of_node], dtype=np.int64)
    spread = np.zeros((len(of_node), len(names)), dtype=np.int64)
    spread[np.arange(len(of_node)), column] = 1
    weights = book.incidence.weights[book.alive]
    return names, weights @ (spread * node_mw[:, None]), book.members.astype(np.int64) @ spread


def _shares(names: list[str], scaled_mw: Integers, nodes: Integers, draw_mw: int, scale: int) -> tuple[SourcePart, ...]:
    """A domain's draw by source: whole milliwatts that add up to it, the largest part taking what rounding leaves."""
    order = sorted(np.flatnonzero(nodes).tolist(), key=lambda i: (-int(scaled_mw[i]), names[i]))
    parts = [SourcePart(names[i], int(nodes[i]), int(scaled_mw[i]) // scale) for i in order]
    if parts:
        rest = draw_mw - sum(part.draw_mw for part in parts)
        parts[0] = parts[0]._replace(draw_mw=parts[0].draw_mw + rest)
    return tuple(parts)


def _states(book: DomainBook, readings: NodeReadings) -> Integers:
    """Nodes of each domain by state, shape (D, 3)."""
    is_in = np.array([[state == each for each in STATES] for state in readings.state], dtype=np.int64)
    result: Integers = book.members.astype(np.int64) @ is_in.reshape(len(readings.state), len(STATES))
    return result


def _ages(book: DomainBook, readings: NodeReadings) -> NDArray[np.float64]:
    """Age of the oldest sample that each domain's draw rests on, shape (D,); NaN where it rests on none."""
    counts = np.array([state != "worst" for state in readings.state], dtype=bool) & np.isfinite(readings.age_s)
    ages = np.where(book.members & counts, readings.age_s, -np.inf).max(axis=1, initial=-np.inf)
    return np.where(np.isneginf(ages), np.nan, ages)


def _losses(book: DomainBook, row_mw: Integers) -> dict[str, tuple[str, int]]:
    """The loss that lets each domain draw most, where one lets it draw more than now."""
    worst: dict[str, tuple[str, int]] = {}
    now = {domain.name: int(row_mw[row]) for domain, row in zip(book.topology.domains, book.alive, strict=True)}
    for name, lost, mw in zip(book.incidence.domain, book.incidence.lost, row_mw.tolist(), strict=True):
        if lost and mw > worst.get(name, ("", now[name]))[1]:
            worst[name] = (lost, mw)
    return worst
