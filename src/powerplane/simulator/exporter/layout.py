"""What there is to export, row by row: nodes, their CPUs, GPUs and pods, and which row each was before a change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from powerplane.simulator.truth import Truth

Integers = NDArray[np.int64]
Per = Literal["node", "cpu", "gpu", "pod"]

MODES: tuple[tuple[str, float], ...] = (
    ("idle", 0.99),
    ("iowait", 0.01),
    ("irq", 0.01),
    ("nice", 0.0),
    ("softirq", 0.02),
    ("steal", 0.0),
    ("system", 0.15),
    ("user", 0.82),
)
"""Modes of a CPU by name, and their share: of the idle time for the first two, of the busy time for the others."""

IDLE_MODES = 2
FIRST_ADDRESS = IPv4Address("10.32.0.1")


def address_of(row: int) -> str:
    """InternalIP of a node that nobody gave one."""
    return str(FIRST_ADDRESS + row)


@dataclass(frozen=True, slots=True, eq=False)
class Universe:
    """All rows of one kind.

    Parameters
    ----------
    node : int64 array, shape (R,)
        Each row's node, -1 for a pod that waits.
    parent : int64 array, shape (R,)
        Row of the channel that speaks for it.
    former : list of int
        Row of the same thing, under the same labels, in the layout before; -1 where there was none.
    order : int64 array, shape (R,)
        Rows sorted by their node.
    """

    node: Integers
    parent: Integers
    former: list[int]
    order: Integers

    def rows_of(self, node: int) -> Integers:
        """Rows of one node."""
        sorted_node = self.node[self.order]
        first, last = np.searchsorted(sorted_node, [node, node + 1])
        return self.order[first:last]


def universe(node: Integers, parent: Integers, former: list[int]) -> Universe:
    """Put rows in order of their nodes."""
    return Universe(node, parent, former, np.argsort(node, kind="stable"))


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Names and places, for as long as none of them changes.

    Parameters
    ----------
    truth : Truth
        Any moment of that time.
    addresses : tuple of str
        InternalIP of each node.
    row_of : dict of str to int
        Row of each node.
    gpu_index : int64 array, shape (G,)
        Number of each GPU in its node.
    universes : dict of str to Universe
    places : mapping of str to (mapping of str to str)
        ``Row`` and ``Rack`` of nodes by name, where known.
    """

    truth: Truth
    addresses: tuple[str, ...]
    row_of: Mapping[str, int]
    gpu_index: Integers
    universes: Mapping[Per, Universe]
    places: Mapping[str, Mapping[str, str]]

    def follows(self, truth: Truth) -> bool:
        """Whether a later truth has the same names in the same places."""
        mine = self.truth
        return (
            (truth.nodes is mine.nodes or truth.nodes == mine.nodes)
            and (truth.pod_uid is mine.pod_uid or truth.pod_uid == mine.pod_uid)
            and (truth.gpu_uuid is mine.gpu_uuid or truth.gpu_uuid == mine.gpu_uuid)
            and np.array_equal(truth.pod_node, mine.pod_node)
            and np.array_equal(truth.gpu_pod, mine.gpu_pod)
        )

    def node_name(self, row: int) -> str:
        """Name of a node, "" for -1."""
        return self.truth.nodes[row] if row >= 0 else ""


def lay_out(
    truth: Truth,
    addresses: Mapping[str, str],
    places: Mapping[str, Mapping[str, str]],
    before: Layout | None = None,
) -> Layout:
    """Lay a truth out, as far as possible in the rows of a former layout.

    Parameters
    ----------
    truth : Truth
    addresses : mapping of str to str
        Of nodes by name; those that are not in it get one of ``10.32.0.0/11``.
    places : mapping of str to (mapping of str to str)
        ``Row`` and ``Rack`` of nodes, where known.
    before : Layout, optional
    """
    same_nodes = before is not None and before.truth.nodes == truth.nodes
    count = len(truth.nodes)
    nodes = np.arange(count, dtype=np.int64)
    cpu_node = np.repeat(nodes, np.maximum(np.round(truth.cores), 1).astype(np.int64) * len(MODES))
    kept = before if same_nodes else None
    gpus = np.arange(len(truth.gpu_uuid), dtype=np.int64)
    pods = np.arange(len(truth.pod_uid), dtype=np.int64)
    universes: dict[Per, Universe] = {
        "node": universe(nodes, nodes, _same(count, kept)),
        "cpu": universe(cpu_node, cpu_node, _same(len(cpu_node), kept)),
        "gpu": universe(truth.gpu_node, gpus, _former(_gpu_keys(truth), _gpu_keys(kept.truth) if kept else ())),
        "pod": universe(truth.pod_node, pods, _former(_pod_keys(truth), _pod_keys(kept.truth) if kept else ())),
    }
    return Layout(
        truth=truth,
        addresses=tuple(addresses.get(name) or address_of(row) for row, name in enumerate(truth.nodes)),
        row_of={name: row for row, name in enumerate(truth.nodes)},
        gpu_index=_counted(truth.gpu_node),
        universes=universes,
        places=places,
    )


def cpu_of(layout: Layout, row: int) -> tuple[int, int]:
    """Number of the CPU in its node, and of its mode, of a row of the universe of CPUs."""
    node = layout.universes["cpu"].node
    first = int(np.searchsorted(node, node[row]))
    return divmod(row - first, len(MODES))


def _pod_keys(truth: Truth) -> Sequence[tuple[object, ...]]:
    return list(zip(truth.pod_uid, truth.pod_node.tolist(), strict=True))


def _gpu_keys(truth: Truth) -> Sequence[tuple[object, ...]]:
    holders = [truth.pod_uid[pod] if pod >= 0 else "" for pod in truth.gpu_pod.tolist()]
    return list(zip(truth.gpu_uuid, truth.gpu_node.tolist(), holders, strict=True))


def _former(keys: Sequence[tuple[object, ...]], before: Sequence[tuple[object, ...]]) -> list[int]:
    place = {key: row for row, key in enumerate(before)}
    return [place.get(key, -1) for key in keys]


def _same(count: int, kept: Layout | None) -> list[int]:
    return [-1] * count if kept is None else list(range(count))


def _counted(node: Integers) -> Integers:
    """Number of each row among the rows of its node."""
    order = np.argsort(node, kind="stable")
    of = node[order]
    first = np.searchsorted(of, of)
    result = np.empty(len(node), dtype=np.int64)
    result[order] = np.arange(len(node)) - first
    return result
