"""The cluster while it runs: where pods are, which of them serve, and what everything draws."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from powerplane.models.draws import NodeKind, draws_mw, node_kinds
from powerplane.simulator.power import Wiring, wire
from powerplane.simulator.scenario import Scenario

NOWHERE = -1
DEMAND_MEAN, DEMAND_SWING = 0.95, 0.05
"""Demand swings about this share of its prediction, which is a high quantile and so is met, never passed."""


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """Milliwatts at one second: of nodes, shape (N,), and of domains, shape (D,) in the topology's order."""

    node_mw: NDArray[np.int64]
    domain_mw: NDArray[np.int64]


@dataclass(slots=True, eq=False)
class Cluster:
    """State of one run; the scenario itself never changes.

    Parameters
    ----------
    scenario : Scenario
    node : int32 array, shape (P,)
        Row of the node that each pod is on, ``NOWHERE`` while it waits.
    serving : bool array, shape (P,)
        Pods that do their work.
    surge : float64 array, shape (P,)
        Times its usual use that each pod draws now.
    lost : list of str
        Domains that lost power, in order.
    """

    scenario: Scenario
    node: NDArray[np.int32] = field(init=False)
    serving: NDArray[np.bool_] = field(init=False)
    surge: NDArray[np.float64] = field(init=False)
    lost: list[str] = field(init=False)
    wiring: Wiring = field(init=False)
    kinds: tuple[NodeKind, ...] = field(init=False)
    _phase: NDArray[np.float64] = field(init=False)
    _period: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        snapshot = self.scenario.snapshot
        count = len(snapshot.pods)
        self.node = snapshot.pods.node.copy()
        self.serving = self.node != NOWHERE
        self.surge = np.ones(count)
        self.lost = []
        self.wiring = wire(snapshot.topology, snapshot.node_names)
        self.kinds = node_kinds(snapshot)
        random = np.random.default_rng([self.scenario.seed, 1])
        self._phase = random.uniform(0, 2 * np.pi, count)
        self._period = random.uniform(120, 900, count)

    def lose(self, domain: str) -> None:
        """Take power from a domain, and from all that has no other; pods there stop at once."""
        self.lost.append(domain)
        self.wiring = wire(self.scenario.snapshot.topology, self.scenario.snapshot.node_names, self.lost)
        self.serving &= ~self.in_dark()

    def in_dark(self) -> NDArray[np.bool_]:
        """Pods on nodes without power, shape (P,)."""
        dark: NDArray[np.bool_] = (self.node != NOWHERE) & ~self.wiring.lit[self.node]
        return dark

    def use_at(self, second: int) -> NDArray[np.int64]:
        """Micro-cores in use on each node, shape (N,)."""
        swing = np.sin(self._phase + 2 * np.pi * second / self._period)
        demand = self.scenario.snapshot.pods.use_ucores * (DEMAND_MEAN + DEMAND_SWING * swing) * self.surge
        return self._per_node(demand.astype(np.int64))

    def draw_at(self, second: int) -> Draw:
        """What nodes and domains draw at a second."""
        pods = self.scenario.snapshot.pods
        watts = draws_mw(self.kinds, self.use_at(second), self._per_node(pods.accelerator_mw))
        node_mw = np.where(self.wiring.lit, watts + self.scenario.fans_at(second), 0)
        domain_mw = -(-(self.wiring.weights @ node_mw) // self.wiring.scale)
        return Draw(node_mw, domain_mw)

    def _per_node(self, amounts: NDArray[np.int64]) -> NDArray[np.int64]:
        total = np.zeros(len(self.scenario.snapshot.nodes), dtype=np.int64)
        placed = self.node != NOWHERE
        np.add.at(total, self.node[placed], amounts[placed])
        return total
