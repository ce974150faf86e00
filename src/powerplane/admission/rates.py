"""What a request draws at the most: watts for a core and for an accelerator, over the node types of a cluster.

A node's watts between idle and peak are parted: its accelerators' first, by the catalogue where it knows the product,
and what is left among its cores. So a pod of cores alone is not foretold the watts of cards that it does not hold.
"""

from collections.abc import Iterable, Mapping

from powerplane.adapters.cluster_labels import GPU_COUNT, GPU_PRODUCT
from powerplane.admission.predicting import Rates
from powerplane.models.api.domain_reading import NodeAllowance
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.api.tree import read_tree
from powerplane.models.catalogue import gpu
from powerplane.models.errors import InputError
from powerplane.models.objects import Narrow, RawQuantity
from powerplane.models.quantities import MILLI, parse_quantity
from powerplane.models.requests import whole_units
from powerplane.models.usage import DEVICE_MW, devices_milli, is_gpu


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
        per_core, each = _node_rates(node, allowance)
        most = max(most, per_core)
        device_mw |= {resource: max(device_mw.get(resource, 0), mw) for resource, mw in each.items()}
    return Rates(most, device_mw)


def _node_rates(node: RatedNode, allowance: NodeAllowance) -> tuple[int, dict[str, int]]:
    """Milliwatts for a core, and for one unit of each resource that stands for its accelerators."""
    dynamic = max(0, (allowance.peak_mw or 0) - allowance.idle_mw)
    offered = {each: units for each in node.status.allocatable or {} if is_gpu(each) and (units := _units(node, each))}
    cards_mw = min(_cards(node, offered) * _card_mw(node), dynamic)
    mcores = _units(node, "cpu")
    per_core = -(-(dynamic - cards_mw) * MILLI // mcores) if mcores else 0
    return per_core, {resource: -(-cards_mw // units) for resource, units in offered.items()}


def _card_mw(node: RatedNode) -> int:
    """What one card adds to its idle watts at full load."""
    labels = node.metadata.labels or {}
    known = next((found for label in GPU_PRODUCT if (found := gpu(labels.get(label, "")))), None)
    return DEVICE_MW if known is None else round((known.max_watts - known.idle_watts) * MILLI)


def _cards(node: RatedNode, offered: dict[str, int]) -> int:
    """How many cards there are: by a label, since a shared or sliced card is offered several times."""
    labels = node.metadata.labels or {}
    for label in GPU_COUNT:
        text = labels.get(label, "")
        if text.isascii() and text.isdigit() and len(text) <= 4:
            return int(text)
    return -(-devices_milli(offered) // MILLI)


def _units(node: RatedNode, resource: str) -> int:
    """Whole units of a resource; milli-cores of CPU; 0 where it cannot be read."""
    try:
        return max(0, whole_units(resource, parse_quantity((node.status.allocatable or {}).get(resource, 0))))
    except InputError:
        return 0


def _ground(domain: PowerDomainObject) -> object:
    """What of a domain rates rest on: neither headroom nor conditions."""
    return domain.spec, domain.status.accepted_spec if domain.status is not None else None
