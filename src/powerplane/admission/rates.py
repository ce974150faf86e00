"""What a request draws at the most: watts for a core and for an accelerator, over the node types of a cluster.

A node's watts between idle and peak are parted: its accelerators' first, by the catalogue where it knows the product,
and what is left among its cores. So a pod of cores alone is not foretold the watts of cards that it does not hold.
"""

from collections.abc import Iterable, Mapping

from powerplane.adapters.node_rates import NodeRates, node_rates
from powerplane.admission.predicting import Rates
from powerplane.models.api.domain_reading import NodeAllowance
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.api.tree import read_tree
from powerplane.models.objects import Narrow, RawQuantity


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


class RateBook:
    """Rates, worked out anew only where nodes or domains have changed in what they rest on."""

    def __init__(self) -> None:
        self._nodes: Mapping[object, RatedNode] = {}
        self._domains: dict[str, object] = {}
        self._rates = Rates()

    def rates(self, nodes: Mapping[object, RatedNode], domains: Iterable[PowerDomainObject]) -> Rates:
        """Return the rates of a moment.

        Parameters
        ----------
        nodes : mapping of any key to RatedNode
        domains : iterable of PowerDomainObject
        """
        objects = list(domains)
        ground = {each.metadata.name: _ground(each) for each in objects}
        if nodes != self._nodes or ground != self._domains:
            self._rates = rates_of(nodes.values(), objects)
            self._nodes, self._domains = dict(nodes), dict(ground)
        return self._rates


def rates_of(nodes: Iterable[RatedNode], domains: Iterable[PowerDomainObject]) -> Rates:
    """Return what a core and each kind of accelerator draw at the most on any node whose domain states idle and peak.

    Parameters
    ----------
    nodes : iterable of RatedNode
    domains : iterable of PowerDomainObject
    """
    named = {node.metadata.name: node for node in nodes}
    reading = read_tree(domains, [(name, named[name].metadata.labels or {}) for name in sorted(named)])
    most, device_mw = 0, dict[str, int]()
    for name, allowance in reading.allowances.items():
        node = named.get(name)
        if node is None or allowance.peak_mw is None:
            continue
        rates = _node_rates(node, allowance)
        most = max(most, rates.per_core_mw)
        device_mw |= {resource: max(device_mw.get(resource, 0), mw) for resource, mw in rates.device_mw.items()}
    return Rates(most, device_mw)


def _node_rates(node: RatedNode, allowance: NodeAllowance) -> NodeRates:
    dynamic = max(0, (allowance.peak_mw or 0) - allowance.idle_mw)
    return node_rates(node.metadata.labels or {}, node.status.allocatable or {}, dynamic)


def _ground(domain: PowerDomainObject) -> object:
    """What of a domain rates rest on: neither headroom nor conditions."""
    return domain.spec, domain.status.accepted_spec if domain.status is not None else None
