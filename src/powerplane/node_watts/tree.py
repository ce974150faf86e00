"""The power tree in force, kept in step with the watches of our objects."""

import threading
from collections.abc import Callable, Mapping
from datetime import datetime

from powerplane.adapters.watch import Batch
from powerplane.adapters.watch_kinds import by_name
from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject
from powerplane.models.api.policies import effective_rack_budgets
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.api.tree import Specs, read_tree
from powerplane.node_watts.facts import NodeFact
from powerplane.node_watts.lie import Lie, lie_of


class TreeBook:
    """PowerDomains and cluster-wide policies, and how the nodes lie under them."""

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self._lock = threading.Lock()
        self._domains: dict[str, PowerDomainObject] = {}
        self._policies: dict[str, ClusterPowerCappingPolicyObject] = {}
        self._accepted: Specs = {}
        self._version = 0
        self._lie: Lie | None = None
        self._made_of: tuple[int, int] | None = None
        self._changed = changed

    def domains(self, batch: Batch[PowerDomainObject]) -> None:
        """Take in a batch of domains."""
        with self._lock:
            before = {name: domain.spec for name, domain in self._domains.items()}
            batch.into(self._domains, by_name)
            # A status that somebody writes changes no tree, but tells what was accepted last after a restart.
            changed = before != {name: domain.spec for name, domain in self._domains.items()}
            self._version += changed
        if changed:
            self._changed()

    def policies(self, batch: Batch[ClusterPowerCappingPolicyObject]) -> None:
        """Take in a batch of policies."""
        with self._lock:
            batch.into(self._policies, by_name)
        self._changed()

    def lie(self, nodes: Mapping[str, NodeFact], shape: int, now: datetime) -> tuple[Lie, dict[str, int]]:
        """Return how the nodes lie, and the budgets that policies lower at this moment.

        Parameters
        ----------
        nodes : mapping
        shape : int
            Another for other nodes, labels or taints.
        now : datetime
        """
        with self._lock:
            domains, policies, version = dict(self._domains), tuple(self._policies.values()), self._version
        if self._lie is None or self._made_of != (version, shape):
            labels = [(name, nodes[name].labels) for name in sorted(nodes)]
            reading = read_tree(domains.values(), labels, self._accepted)
            if reading.in_force != "none":
                self._accepted = reading.specs
            self._lie, self._made_of = lie_of(reading, nodes), (version, shape)
        topology = self._lie.reading.topology
        if topology is None or not policies:
            return self._lie, {}
        own = {domain.name: domain.budget_mw for domain in topology.domains}
        return self._lie, effective_rack_budgets(domains.values(), policies, now, own)
