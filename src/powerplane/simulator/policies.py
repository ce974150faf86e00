"""Policies that hold a simulated cluster under its budgets, one beside another.

none: nothing is done. static: each node is limited once to its share of every budget above it. throttle: nodes are
limited and freed again by three bands about each budget, as in Dynamo (Wu et al., ISCA 2016). plan: PowerPlane's plans,
carried out at their pace. plan+throttle: both.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from powerplane.models.incidence import compile_incidence
from powerplane.models.snapshot import NO_BUDGET
from powerplane.simulator.settings import ThrottleSettings
from powerplane.simulator.world import World

Floats = NDArray[np.float64]


class Policy(Protocol):
    """Does what it can, between two steps."""

    def act(self) -> None:
        """Look at the world and act on it."""
        ...

    @property
    def moves(self) -> int:
        """Pods moved so far."""
        ...


class Nothing:
    """Leaves the cluster alone."""

    moves = 0

    def act(self) -> None:
        """Do nothing."""


class Static:
    """Limits each node, once, to its share of the tightest budget above it, also with a feed lost."""

    moves = 0

    def __init__(self, world: World, settings: ThrottleSettings) -> None:
        self._world, self._settings, self._done = world, settings, False

    def act(self) -> None:
        """Set the limits at second 0."""
        if not self._done:
            self._done = True
            limits = static_limits(self._world)
            self._world.limit_nodes(np.arange(len(limits)), limits, self._settings.means)


def static_limits(world: World) -> Floats:
    """Watts of each node so that no budget can be broken, in proportion to the nodes' peaks, shape (N,)."""
    machines = world.machines
    peak = machines.peak + machines.device_most
    incidence = compile_incidence(world.supply.topology, world.nodes)
    limits = peak.copy()
    shares = incidence.weights.tocsr()
    for row, budget in enumerate(incidence.budget_mw.tolist()):
        if budget == NO_BUDGET:
            continue
        columns = shares.indices[shares.indptr[row] : shares.indptr[row + 1]]
        weights = shares.data[shares.indptr[row] : shares.indptr[row + 1]] / incidence.scale
        total = float((weights * peak[columns]).sum())
        limits[columns] = np.minimum(limits[columns], peak[columns] * budget / 1000 / max(total, 1e-9))
    return limits


class Together:
    """Several policies at once, one after the other at each step."""

    def __init__(self, *policies: Policy) -> None:
        self._policies = policies

    @property
    def moves(self) -> int:
        """Pods moved so far."""
        return sum(policy.moves for policy in self._policies)

    def act(self) -> None:
        """Let each act."""
        for policy in self._policies:
            policy.act()
