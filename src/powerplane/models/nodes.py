"""Nodes in columns: their rows by name, and what each offers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.models.errors import InputError
from powerplane.models.objects import Node
from powerplane.models.quantities import LARGEST, MILLI, parse_quantity

REQUIRED = ("cpu", "pods")
"""Without these a node can run nothing, so that their absence is a mistake in the source."""


@dataclass(frozen=True, slots=True)
class NodeTable:
    """Nodes by row.

    Parameters
    ----------
    row_of : dict
        Row by node name, in row order.
    offers : tuple of dict, length N
        Allocatable amounts by resource, in the snapshot's units.
    """

    row_of: dict[str, int]
    offers: tuple[dict[str, int], ...]

    def allocatable(self, resources: tuple[str, ...]) -> NDArray[np.int64]:
        """Return what each node offers of the resources, shape (N, R); 0 of what it does not list."""
        rows = [[offer.get(resource, 0) for resource in resources] for offer in self.offers]
        return np.array(rows, dtype=np.int64).reshape(len(rows), len(resources))


def node_table(nodes: Sequence[Node]) -> NodeTable:
    """Read nodes.

    Raises
    ------
    InputError
        For no nodes, two nodes of one name, and a node whose allocatable amounts cannot be used.
    """
    if not nodes:
        raise InputError("the cluster has no nodes", "check the context, or the nodes.json, that they were read from")
    row_of: dict[str, int] = {}
    for row, node in enumerate(nodes):
        if not node.metadata.name:
            raise InputError(f"node {row + 1} of the list has no name", "give it a metadata.name")
        if row_of.setdefault(node.metadata.name, row) != row:
            raise InputError(f"two nodes are named {node.metadata.name!r}", "remove one of them")
    return NodeTable(row_of, tuple(_offers(node) for node in nodes))


def _offers(node: Node) -> dict[str, int]:
    name = node.metadata.name
    raw = node.status.allocatable or {}
    try:
        offers = {resource: _units(resource, text) for resource, text in raw.items()}
    except InputError as error:
        raise InputError(f"node {name!r}: {error.problem}", error.next_step) from error
    for resource in REQUIRED:
        if not offers.get(resource):
            what = f"{raw[resource]} of" if resource in raw else "no"
            raise InputError(
                f"node {name!r} has {what} allocatable {resource}",
                f"set its status.allocatable.{resource}, or leave the node out until its kubelet reports",
            )
    return offers


def _units(resource: str, text: str | int | float) -> int:
    """Amount in the snapshot's units, rounded down: a node never offers more than it says."""
    amount = parse_quantity(text) * (MILLI if resource == "cpu" else 1)
    if not 0 <= amount <= LARGEST:
        what = "is negative" if amount < 0 else "is beyond any node"
        raise InputError(f"allocatable {resource} of {text} {what}", "correct the quantity")
    return int(amount)
