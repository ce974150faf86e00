"""Who is fed by what right now: domains lost and returned, loads of domains, breakers that warm and trip."""

import numpy as np
from numpy.typing import NDArray

from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.topology import PowerTopology
from powerplane.simulator.breaker_bank import BreakerBank
from powerplane.simulator.power import Wiring, wire

Floats = NDArray[np.float64]


class Supply:
    """The power tree while it runs. D domains in the topology's order, N nodes.

    Parameters
    ----------
    topology : PowerTopology
    node_names : tuple of str
    """

    def __init__(self, topology: PowerTopology, node_names: tuple[str, ...]) -> None:
        self.topology = topology
        self.names = tuple(domain.name for domain in topology.domains)
        self.row = {name: i for i, name in enumerate(self.names)}
        self.budget_watts = np.array(
            [np.inf if d.budget_mw == NO_BUDGET else d.budget_mw / 1000 for d in topology.domains]
        )
        self.breakers = BreakerBank([domain.breaker for domain in topology.domains])
        self.lost: list[str] = []
        self._node_names = node_names
        self._rewire()

    def lose(self, domain: str) -> None:
        """Take power from a domain, and from all that has no other."""
        if domain not in self.lost:
            self.lost.append(domain)
            self._rewire()

    def restore(self, domain: str) -> None:
        """Give a domain its power back, its breaker closed and cold."""
        if domain in self.lost:
            self.lost.remove(domain)
            self.breakers.close(self.row[domain])
            self._rewire()

    def loads(self, node_watts: Floats) -> Floats:
        """What each domain carries, in watts, shape (D,)."""
        result: Floats = np.asarray(self._weights @ node_watts, dtype=np.float64)
        return result

    def shares(self, row: int) -> Floats:
        """Share of each node's watts that a domain carries, shape (N,)."""
        weights, shares = self.wiring.weights, np.zeros(len(self._node_names))
        span = slice(weights.indptr[row], weights.indptr[row + 1])
        shares[weights.indices[span]] = weights.data[span] / self.wiring.scale
        return shares

    @property
    def lit(self) -> NDArray[np.bool_]:
        """Nodes with power, shape (N,)."""
        return self.wiring.lit

    @property
    def alive(self) -> NDArray[np.bool_]:
        """Domains with power, shape (D,)."""
        return self._alive

    def _rewire(self) -> None:
        self.wiring: Wiring = wire(self.topology, self._node_names, self.lost)
        self._weights = self.wiring.weights / self.wiring.scale
        living = set(self.wiring.alive)
        self._alive = np.array([name in living for name in self.names], dtype=bool)
