"""What nodes and domains draw now, exactly, in milliwatts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.models.curves import PowerCurve, milliwatts_at
from powerplane.models.incidence import PowerIncidence
from powerplane.models.snapshot import Snapshot

Integers = NDArray[np.int64]

ASSUMPTION = (
    "A node draws its curve at the CPU use of its pods over its allocatable CPU, plus the watts of its pods'"
    " accelerators; a pod uses as much on its new node as on its old one."
)


@dataclass(frozen=True, slots=True, eq=False)
class NodeKind:
    """Nodes with one curve and one size.

    Parameters
    ----------
    curve : PowerCurve
    capacity_ucores : int
        Allocatable CPU in micro-cores.
    knots_ucores, knots_mw : int64 arrays, shape (K,)
        The curve's knots; uses strictly rising.
    nodes : int32 array
        Rows of the nodes of this kind.
    """

    curve: PowerCurve
    capacity_ucores: int
    knots_ucores: Integers
    knots_mw: Integers
    nodes: NDArray[np.int32]


def node_kinds(snapshot: Snapshot) -> tuple[NodeKind, ...]:
    """The snapshot's kinds of nodes, in order of their first node."""
    cpu = snapshot.allocatable[:, snapshot.resources.index("cpu")]
    # Equal curves may be different objects; hashing each object once keeps their fractions out of the loop over nodes.
    same: dict[PowerCurve, PowerCurve] = {}
    curve_of = {id(curve): same.setdefault(curve, curve) for curve in snapshot.node_curve}
    rows: dict[tuple[int, int], list[int]] = {}
    for row, (curve, milli) in enumerate(zip(snapshot.node_curve, cpu.tolist(), strict=True)):
        rows.setdefault((id(curve_of[id(curve)]), milli * 1000), []).append(row)
    return tuple(_kind(curve_of[curve], capacity, nodes) for (curve, capacity), nodes in rows.items())


def _kind(curve: PowerCurve, capacity_ucores: int, nodes: list[int]) -> NodeKind:
    knots = curve.knots_ucores(capacity_ucores)
    steps = np.arange(len(knots))
    # A node with next to no CPU would have knots that coincide; a micro-core apart keeps them rising.
    knots = np.maximum.accumulate(knots - steps) + steps
    watts = np.array(curve.milliwatts, dtype=np.int64)
    return NodeKind(curve, capacity_ucores, knots, watts, np.array(nodes, dtype=np.int32))


def node_loads(snapshot: Snapshot) -> tuple[Integers, Integers]:
    """CPU use in micro-cores and accelerator draw in milliwatts of the pods bound to each node, each shape (N,)."""
    pods, bound = snapshot.pods, snapshot.pods.node >= 0
    use = np.zeros(len(snapshot.nodes), dtype=np.int64)
    accelerator = np.zeros(len(snapshot.nodes), dtype=np.int64)
    np.add.at(use, pods.node[bound], pods.use_ucores[bound])
    np.add.at(accelerator, pods.node[bound], pods.accelerator_mw[bound])
    return use, accelerator


def curve_mw(kinds: tuple[NodeKind, ...], node: NDArray[np.int32], use_ucores: Integers) -> Integers:
    """What the curve of each of some nodes (rows, any shape (M,)) gives for a use, in milliwatts."""
    kind_of = np.zeros(sum(len(kind.nodes) for kind in kinds), dtype=np.int32)
    for number, kind in enumerate(kinds):
        kind_of[kind.nodes] = number
    result = np.zeros(len(node), dtype=np.int64)
    for number, kind in enumerate(kinds):
        here = kind_of[node] == number
        result[here] = milliwatts_at(kind.knots_ucores, kind.knots_mw, use_ucores[here])
    return result


def draws_mw(kinds: tuple[NodeKind, ...], use_ucores: Integers, accelerator_mw: Integers) -> Integers:
    """Draw of each node in milliwatts, shape (N,), at given loads."""
    return curve_mw(kinds, np.arange(len(use_ucores), dtype=np.int32), use_ucores) + accelerator_mw


def node_draws_mw(snapshot: Snapshot) -> Integers:
    """Present draw of each node in milliwatts, shape (N,)."""
    return draws_mw(node_kinds(snapshot), *node_loads(snapshot))


def row_draws_mw(incidence: PowerIncidence, node_mw: Integers) -> Integers:
    """Draw of each row of domains in milliwatts, rounded up, shape (K,)."""
    result: Integers = -(-(incidence.weights @ node_mw) // incidence.scale)
    return result
