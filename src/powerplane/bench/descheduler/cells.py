"""Clusters of which one domain loses a fifth of its budget: a rack, a row, a feed, or a node."""

import tempfile
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from powerplane.adapters.snapshot_directory import read_snapshot
from powerplane.bench.cell_spec import KINDS
from powerplane.bench.cells import write_spec
from powerplane.models.draws import node_draws_mw
from powerplane.models.snapshot import NO_BUDGET, Snapshot
from powerplane.models.topology import PowerDomain, PowerTopology

HEADROOM = Fraction(12, 100)
"""Part of its draw that every domain may add before the cut."""

CUT = Fraction(20, 100)
"""Part of its budget that the chosen domain loses; it then has to shed a tenth of its draw."""

Level = Literal["node", "rack", "row", "feed"]
LEVELS: tuple[Level, ...] = ("node", "rack", "row", "feed")
FEEDS = ("feed-a", "feed-b")


@dataclass(frozen=True, slots=True)
class Size:
    """A cluster's size; rows hang on two feeds in turns, each row on one."""

    pods: int
    nodes: int
    rack_size: int
    racks_per_row: int

    @property
    def name(self) -> str:
        """As tables print it."""
        return f"{self.pods}x{self.nodes}"


SIZES = (Size(300, 30, 4, 2), Size(1_000, 100, 10, 2), Size(5_000, 500, 20, 5))


@dataclass(frozen=True, slots=True, eq=False)
class CutCell:
    """A cluster just after the cut.

    Parameters
    ----------
    snapshot : Snapshot
    name : str
        The domain (or node) that lost part of its budget.
    level : str
    inside : bool array, shape (N,)
        Nodes under it.
    share_mw : int64 array, shape (N,)
        Each node's share of the tightest budget above it, in proportion to what nodes draw before anything moves.
    """

    snapshot: Snapshot
    name: str
    level: Level
    inside: NDArray[np.bool_]
    share_mw: NDArray[np.int64]


def draw_cluster(kind: str, size: Size, seed: int) -> Snapshot:
    """Generate a cluster of a family of ``cell_spec``; its own budgets are to be replaced by ``cut``."""
    spec = replace(KINDS[kind], name=kind, pods=size.pods, nodes=size.nodes, rack_size=size.rack_size)
    with tempfile.TemporaryDirectory(prefix="powerplane-cell-") as directory:
        write_spec(Path(directory), spec, seed)
        return read_snapshot(Path(directory))


def cut(snapshot: Snapshot, size: Size, level: Level, seed: int) -> CutCell:
    """Give every domain its headroom, and take a fifth of the budget from one that is drawn by lot.

    Of feeds the second is cut: it carries as many rows as the first, or one less.
    """
    rng = np.random.default_rng([seed, LEVELS.index(level)])
    draw = node_draws_mw(snapshot)
    rack = np.arange(size.nodes) // size.rack_size
    row = rack // size.racks_per_row
    feed = row % len(FEEDS)
    at = {"node": np.arange(size.nodes), "rack": rack, "row": row, "feed": feed}[level]
    chosen = 1 if level == "feed" else int(rng.integers(int(at.max()) + 1))
    inside = at == chosen
    name = {"node": snapshot.node_names[chosen], "feed": FEEDS[chosen % len(FEEDS)]}.get(level, f"{level}-{chosen:03d}")
    domains = (
        *(PowerDomain(label, "feed", _budget(draw[feed == f], label == name)) for f, label in enumerate(FEEDS)),
        *(_row(draw[row == r], r, name) for r in range(int(row.max()) + 1)),
        *(_rack(snapshot, draw, np.flatnonzero(rack == r), size, name) for r in range(int(rack.max()) + 1)),
    )
    own = np.full(size.nodes, NO_BUDGET, dtype=np.int64)
    if level == "node":
        own = np.array([_budget(draw[n : n + 1], n == chosen) for n in range(size.nodes)], dtype=np.int64)
    made = replace(snapshot, topology=PowerTopology(domains), node_budget_mw=own)
    share = np.array([_budget(draw[n : n + 1], bool(inside[n])) for n in range(size.nodes)], dtype=np.int64)
    return CutCell(made, name, level, inside, share)


def _row(draw: NDArray[np.int64], number: int, cut_name: str) -> PowerDomain:
    name = f"row-{number:03d}"
    return PowerDomain(name, "row", _budget(draw, name == cut_name), (FEEDS[number % len(FEEDS)],))


def _rack(
    snapshot: Snapshot, draw: NDArray[np.int64], members: NDArray[np.intp], size: Size, cut_name: str
) -> PowerDomain:
    number = int(members[0]) // size.rack_size
    name = f"rack-{number:03d}"
    names = tuple(snapshot.node_names[node] for node in members.tolist())
    parents = (f"row-{number // size.racks_per_row:03d}",)
    return PowerDomain(name, "rack", _budget(draw[members], name == cut_name), parents, names)


def _budget(draw_mw: NDArray[np.int64], is_cut: bool) -> int:
    budget = int(draw_mw.sum()) * (1 + HEADROOM)
    return floor(budget * (1 - CUT)) if is_cut else ceil(budget)
