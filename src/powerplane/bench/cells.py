"""Repair cells: generated clusters as snapshot directories, of which a third of the racks draw too much.

``python -m powerplane.bench.cells DIR --pods 10000 --nodes 500 --seed 1 --kind slack``
"""

import argparse
import sys
from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from powerplane.bench import manifests
from powerplane.bench.cell_spec import KINDS, CellSpec, CurveShape, UsageShape, cell
from powerplane.bench.command import as_command
from powerplane.bench.fleet import MACHINES, Fleet, draw_fleet
from powerplane.bench.placement import place

GENEROUS = Fraction(5, 4)
"""Budget of a row and a feed over its draw: more than all its racks may add, so that racks alone bind."""


def write_cell(
    path: Path,
    *,
    pods: int,
    nodes: int,
    seed: int,
    cut: float = 0.10,
    slack: float = 0.12,
    utilisation: float = 0.60,
    curve: CurveShape = "linear",
    usage: UsageShape = "class",
    rack_size: int = 20,
    constrained: bool = False,
) -> None:
    """Write a cell as a snapshot directory; see ``CellSpec`` for the parameters."""
    spec = CellSpec("cell", pods, nodes, cut, slack, utilisation, curve, usage, rack_size, constrained)
    write_spec(path, spec, seed)


def write_spec(path: Path, spec: CellSpec, seed: int) -> None:
    """Write a cell as a snapshot directory, byte for byte the same for the same spec and seed.

    Raises
    ------
    UsageError
        When the pods do not fit on the nodes.
    """
    rng = np.random.default_rng([seed, spec.pods, spec.nodes])
    fleet = draw_fleet(spec, rng)
    placed = _with_use(spec, fleet, place(spec, fleet, rng), rng)
    path.mkdir(parents=True, exist_ok=True)
    _write(path / "nodes.json", manifests.listing(manifests.nodes(spec, fleet, seed)))
    _write(path / "pods.json", manifests.listing(manifests.pods(placed, seed)))
    _write(path / "usage.csv", manifests.usage(placed))
    _write(path / "power.yaml", [manifests.power(spec.curve)])
    for kind, items in manifests.owners(fleet.classes, seed).items():
        _write(path / f"{kind}.json", manifests.listing(items))
    if spec.constrained:
        budgets = manifests.disruption_budgets(fleet.classes, seed)
        _write(path / "poddisruptionbudgets.json", manifests.listing(budgets))
    draw_mw = _rack_draw_mw(spec, _node_draw_mw(spec, fleet, placed))
    _write(path / "topology.yaml", [_topology(spec, draw_mw, cut_racks(spec, rng))])


def cut_racks(spec: CellSpec, rng: np.random.Generator) -> set[int]:
    """Choose a third of the racks, at least one of several; of a single rack, none."""
    count = 0 if spec.rack_count < 2 else max(1, round(spec.rack_count / 3))
    return set(rng.choice(spec.rack_count, size=count, replace=False).tolist())


def _with_use(
    spec: CellSpec, fleet: Fleet, nodes: list[NDArray[np.int64]], rng: np.random.Generator
) -> list[manifests.PlacedPods]:
    placed = []
    for workload, its_nodes in zip(fleet.classes, nodes, strict=True):
        use = np.full(len(its_nodes), workload.use_ucores, dtype=np.int64)
        if spec.usage == "noisy":
            factor = np.clip(rng.lognormal(0.0, 0.2, size=len(use)), 0.5, 1000 * workload.cpu_milli / use[0])
            use = np.rint(use * factor).astype(np.int64)
        placed.append(manifests.PlacedPods(workload, its_nodes, use))
    return placed


def _node_draw_mw(spec: CellSpec, fleet: Fleet, placed: list[manifests.PlacedPods]) -> list[int]:
    use = np.zeros(spec.nodes, dtype=np.int64)
    for group in placed:
        np.add.at(use, group.node, group.use_ucores)
    knots = [
        [(Fraction(at), Fraction(watts) * 1000) for at, watts in machine.knots(spec.curve)] for machine in MACHINES
    ]
    return [
        _draw_mw(knots[kind], Fraction(ucores, MACHINES[kind].cores * 1_000_000))
        for kind, ucores in zip(fleet.machine.tolist(), use.tolist(), strict=True)
    ]


def _draw_mw(knots: list[tuple[Fraction, Fraction]], utilisation: Fraction) -> int:
    """Draw by the curve, in exact arithmetic, rounded up to a milliwatt."""
    for (left, low), (right, high) in pairwise(knots):
        if utilisation <= right:
            return ceil(low + (high - low) * (utilisation - left) / (right - left))
    return ceil(knots[-1][1])


def _rack_draw_mw(spec: CellSpec, node_mw: list[int]) -> list[int]:
    return [sum(node_mw[first : first + spec.rack_size]) for first in range(0, spec.nodes, spec.rack_size)]


def _topology(spec: CellSpec, rack_mw: list[int], cut: set[int]) -> str:
    less, more = 1 - Fraction(str(spec.cut)), 1 + Fraction(str(spec.slack))
    racks = [floor(mw * less) if rack in cut else ceil(mw * more) for rack, mw in enumerate(rack_mw)]
    step = manifests.RACKS_PER_ROW
    rows = [ceil(GENEROUS * sum(rack_mw[first : first + step])) for first in range(0, len(rack_mw), step)]
    feed = _watts(ceil(GENEROUS * sum(rack_mw)))
    return manifests.topology(spec, [_watts(mw) for mw in racks], [_watts(mw) for mw in rows], feed)


def _watts(milliwatts: int) -> str:
    return f"{milliwatts // 1000}.{milliwatts % 1000:03d}W"


def _write(path: Path, parts: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(parts)


@as_command
def main(arguments: list[str] | None = None) -> int:
    """Write one cell from the command line."""
    parser = argparse.ArgumentParser(prog="python -m powerplane.bench.cells", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--pods", type=int, default=10_000)
    parser.add_argument("--nodes", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=KINDS, default="slack")
    parser.add_argument("--single-rack", action="store_true", help="one rack for all nodes; none is then cut")
    parser.add_argument("--spec", help="a whole CellSpec as JSON, instead of the kind and the size")
    given = parser.parse_args(arguments)
    if given.spec:
        spec = msgspec.json.decode(given.spec, type=CellSpec)
    else:
        spec = cell(given.kind, given.pods, given.nodes, single_rack=given.single_rack)
    write_spec(given.directory, spec, given.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
