"""Power trees: which roots each domain and each node hangs under. At most one plan at a time touches a tree."""

from collections.abc import Iterable
from dataclasses import dataclass

from powerplane.models.topology import PowerTopology

NO_ROOTS: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Trees:
    """Roots by name.

    Parameters
    ----------
    of_domain, of_node : dict
        Names of the domains without parents that each draws through; a node of no domain is not there.
    """

    of_domain: dict[str, frozenset[str]]
    of_node: dict[str, frozenset[str]]

    def roots(self, names: Iterable[str]) -> frozenset[str]:
        """Roots of domains and nodes together."""
        found = [self.of_domain.get(name) or self.of_node.get(name, NO_ROOTS) for name in names]
        return frozenset().union(*found)


def trees_of(topology: PowerTopology) -> Trees:
    """Return the trees of a topology."""
    domains = {domain.name: domain for domain in topology.domains}
    of_domain: dict[str, frozenset[str]] = {}

    def roots_of(name: str) -> frozenset[str]:
        if name not in of_domain:
            parents = domains[name].parents
            of_domain[name] = frozenset().union(*map(roots_of, parents)) if parents else frozenset((name,))
        return of_domain[name]

    of_node: dict[str, frozenset[str]] = {}
    for domain in topology.domains:
        roots = roots_of(domain.name)
        for node in domain.nodes:
            of_node[node] = of_node.get(node, NO_ROOTS) | roots
    return Trees(of_domain, of_node)
