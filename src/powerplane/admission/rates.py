"""What a request draws at the most: watts for a core and for an accelerator, over the node types of a cluster.

A node's watts between idle and peak are parted: its accelerators' first, by the catalogue where it knows the product,
and what is left among its cores. So a pod of cores alone is not foretold the watts of cards that it does not hold.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce

from powerplane.adapters.node_rates import Rates, node_rates
from powerplane.admission.whereabouts import Label, Whereabouts, highest
from powerplane.models.api.domain_reading import NodeAllowance
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.api.tree import read_tree
from powerplane.models.objects import Narrow, RawQuantity
from powerplane.models.usage import is_gpu

Labels = Mapping[str, str]


class NodeMeta(Narrow, frozen=True):
    """A node's name and labels."""

    name: str = ""
    labels: dict[str, str] | None = None


class NodeSpec(Narrow, frozen=True):
    """Whether a node takes new pods."""

    unschedulable: bool = False


class NodeStatus(Narrow, frozen=True):
    """What a node offers."""

    allocatable: dict[str, RawQuantity] | None = None


class RatedNode(Narrow, frozen=True):
    """A node, as far as rates go."""

    metadata: NodeMeta
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


@dataclass(frozen=True, slots=True)
class Rated:
    """What of a node rates rest on."""

    name: str
    labels: Labels
    offers: Mapping[str, RawQuantity]


class RateBook:
    """Rates, worked out anew only where nodes or domains have changed in what they rest on."""

    def __init__(self) -> None:
        self._seen: dict[object, tuple[RatedNode, Rated]] = {}
        self._nodes: dict[object, Rated] = {}
        self._domains: dict[str, object] = {}
        self._whereabouts = Whereabouts()

    def whereabouts(self, nodes: Mapping[object, RatedNode], domains: Iterable[PowerDomainObject]) -> Whereabouts:
        """Return the rates of a moment, by where a pod can go.

        Parameters
        ----------
        nodes : mapping of any key to RatedNode
        domains : iterable of PowerDomainObject
        """
        objects = list(domains)
        ground = {each.metadata.name: _ground(each) for each in objects}
        # Watts on nodes change all the time, and no rate with them.
        rated = {key: self._rated(key, node) for key, node in nodes.items()}
        self._seen = {key: self._seen[key] for key in rated}
        if rated != self._nodes or ground != self._domains:
            self._whereabouts = whereabouts_of(rated.values(), objects)
            self._nodes, self._domains = rated, ground
        return self._whereabouts

    def _rated(self, key: object, node: RatedNode) -> Rated:
        before = self._seen.get(key)
        if before is None or before[0] is not node:
            before = self._seen[key] = node, rated_node(node)
        return before[1]


def rated_node(node: RatedNode) -> Rated:
    """Return what of a node rates rest on."""
    offers = {each: amount for each, amount in (node.status.allocatable or {}).items() if each == "cpu" or is_gpu(each)}
    return Rated(node.metadata.name, node.metadata.labels or {}, offers)


def whereabouts_of(nodes: Iterable[Rated], domains: Iterable[PowerDomainObject]) -> Whereabouts:
    """Return what a core and each kind of accelerator draw at the most on nodes whose domains state idle and peak.

    Parameters
    ----------
    nodes : iterable of Rated
    domains : iterable of PowerDomainObject
    """
    named = {node.name: node for node in nodes}
    reading = read_tree(domains, [(name, named[name].labels) for name in sorted(named)])
    kinds: dict[object, Rates] = {}
    labels: dict[Label, dict[int, Rates]] = {}
    resources: dict[str, dict[int, Rates]] = {}
    unrated: set[Label] = set()
    for name, node in named.items():
        allowance = reading.allowances.get(name)
        if allowance is None or allowance.peak_mw is None:
            unrated.update(node.labels.items())
            continue
        rates = _kind(node, allowance, kinds)
        for pair in node.labels.items():
            labels.setdefault(pair, {})[id(rates)] = rates
        for resource in rates.device_mw:
            resources.setdefault(resource, {})[id(rates)] = rates
    return Whereabouts(
        reduce(highest, kinds.values(), Rates()),
        {pair: reduce(highest, found.values()) for pair, found in labels.items() if pair not in unrated},
        {resource: reduce(highest, found.values()) for resource, found in resources.items()},
    )


def _kind(node: Rated, allowance: NodeAllowance, kinds: dict[object, Rates]) -> Rates:
    """A node's rates: one and the same object for all that are alike."""
    found = node_rates(node.labels, node.offers, max(0, (allowance.peak_mw or 0) - allowance.idle_mw))
    key = found.per_core_mw, tuple(sorted(found.device_mw.items()))
    return kinds.setdefault(key, found)


def _ground(domain: PowerDomainObject) -> object:
    """What of a domain rates rest on: neither headroom nor conditions."""
    return domain.spec, domain.status.accepted_spec if domain.status is not None else None
