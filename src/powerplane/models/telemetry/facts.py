"""What is known of nodes without measuring them, and which node a series is about."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from powerplane.models.telemetry.readings import Integers


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
        Time between two samples of it; told from the samples where it is None.
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


class NodeNames:
    """Rows of nodes by whatever name a series gives them.

    A name is taken as it is, without its port, or as the first label of a domain name; one that stands for two nodes
    stands for none.

    Parameters
    ----------
    nodes : sequence of NodeFacts, length N
    """

    def __init__(self, nodes: Sequence[NodeFacts]) -> None:
        self._rows: dict[str, int] = {}
        self._known: dict[str, int] = {}
        for row, node in enumerate(nodes):
            for alias in dict.fromkeys(name.lower() for name in node.aliases if name):
                self._rows[alias] = row if self._rows.get(alias, row) == row else -1
        # A node's own name is nobody's else.
        self._rows |= {node.name.lower(): row for row, node in enumerate(nodes)}

    def rows(self, names: Iterable[str]) -> Integers:
        """Row of each name, -1 where it stands for no node."""
        known = self._known
        return np.fromiter((known[n] if n in known else self._learn(n) for n in names), np.int64)

    def _learn(self, name: str) -> int:
        row = next((self._rows[form] for form in _forms(name.strip().lower()) if form in self._rows), -1)
        self._known[name] = row
        return row


def _forms(name: str) -> Iterable[str]:
    yield name
    host = name
    if name.startswith("["):
        host = name[1:].partition("]")[0]
    elif name.count(":") == 1:
        host = name.partition(":")[0]
    yield host
    label = host.partition(".")[0]
    if not label.isdigit():
        yield label
