"""What is known of nodes without measuring them, and which node a series is about."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from powerplane.models.objects import Node
from powerplane.models.telemetry.node_names import NodeNames, told_aliases
from powerplane.models.telemetry.readings import Integers, SourceReading


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """One node, as the cluster and the catalogue know it.

    Parameters
    ----------
    name : str
    idle_watts, peak_watts : float
        The least that it draws when lit, without accelerators; the most, its accelerators at their limit included.
    aliases : tuple of str
        Addresses and host names under which exporters may know it.
    accelerators : int
        How many it has.
    accelerator_peak_watts : float
        Of one.
    cores : float
        CPUs; 0 where not known.
    ready : bool
        Whether its kubelet reports to the API server.
    scrape_s : float or None
        Time between two samples of it, for how long a reading is held; told from the samples where it is None.
    """

    name: str
    idle_watts: float
    peak_watts: float
    aliases: tuple[str, ...] = ()
    accelerators: int = 0
    accelerator_peak_watts: float = 0.0
    cores: float = 0.0
    ready: bool = True
    scrape_s: float | None = None


def is_ready(node: Node) -> bool:
    """Whether a node's kubelet reports; true where no condition says anything."""
    return all(each.status == "True" for each in node.status.conditions or () if each.type == "Ready")


class NodeRows:
    """Rows of nodes by whatever name a series gives them.

    Parameters
    ----------
    nodes : sequence of NodeFacts, length N
    readings : iterable of SourceReading
        What they tell of nodes' addresses and host names is used as well.
    """

    def __init__(self, nodes: Sequence[NodeFacts], readings: Iterable[SourceReading] = ()) -> None:
        told = told_aliases(readings)
        self._row = {node.name: row for row, node in enumerate(nodes)}
        self._names = NodeNames({node.name: (*node.aliases, *told.get(node.name, ())) for node in nodes})
        # Most series name their node as the cluster does.
        self._known = dict(self._row)

    def rows(self, names: Iterable[str]) -> Integers:
        """Row of each name, -1 where it stands for no node, or for two."""
        known = self._known
        return np.fromiter((known[name] if name in known else self._learn(name) for name in names), np.int64)

    def _learn(self, name: str) -> int:
        row = self._known[name] = self._row.get(self._names.match(name), -1) if name else -1
        return row
