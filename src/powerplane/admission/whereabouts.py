"""Rates of the nodes that a new pod can go to, by what it asks of nodes: the hungriest of these counts, not of all.

Each thing that it asks for (a label of a nodeSelector, one of some values in a required affinity, a device) bounds what
it can draw by the hungriest node that has it; of several the lowest bound holds. Nothing is narrowed by what cannot be
told this way: other operators, labels that no rated node has, and labels that some node has of which no peak is known.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce

from powerplane.adapters.node_rates import Rates
from powerplane.models.objects import NodeSelectorTerm, PodSpec, Requirement

Label = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Rates by what nodes have; immutable.

    Parameters
    ----------
    everywhere : Rates
        Of all nodes.
    by_label : mapping of (key, value) to Rates
    by_resource : mapping of str to Rates
        Of the nodes that offer a resource which stands for accelerators.
    """

    everywhere: Rates = field(default_factory=Rates)
    by_label: Mapping[Label, Rates] = field(default_factory=dict)
    by_resource: Mapping[str, Rates] = field(default_factory=dict)

    def rates_for(self, spec: PodSpec, resources: Iterable[str]) -> Rates:
        """Return what a pod's requests draw at the most on any node that it can go to.

        Parameters
        ----------
        spec : PodSpec
        resources : iterable of str
            That it requests.
        """
        bounds = [self.by_resource[each] for each in resources if each in self.by_resource]
        bounds += [self.by_label[pair] for pair in (spec.node_selector or {}).items() if pair in self.by_label]
        required = spec.affinity.node_affinity.required if spec.affinity and spec.affinity.node_affinity else None
        if required is not None and required.node_selector_terms:
            bounds.append(reduce(highest, (self._of_term(each) for each in required.node_selector_terms)))
        return reduce(lowest, bounds, self.everywhere)

    def _of_term(self, term: NodeSelectorTerm) -> Rates:
        return reduce(lowest, (self._of_values(each) for each in term.match_expressions or ()), self.everywhere)

    def _of_values(self, one: Requirement) -> Rates:
        pairs = [(one.key, value) for value in one.values or ()]
        if one.operator != "In" or not pairs or not all(pair in self.by_label for pair in pairs):
            return self.everywhere
        return reduce(highest, (self.by_label[pair] for pair in pairs))


def highest(one: Rates, other: Rates) -> Rates:
    """What a request draws at the most on nodes of either kind."""
    if one is other:
        return one
    known = {each: max(one.device_mw.get(each, 0), other.device_mw.get(each, 0)) for each in _devices(one, other)}
    return Rates(max(one.per_core_mw, other.per_core_mw), known)


def lowest(one: Rates, other: Rates) -> Rates:
    """What a request draws at the most on nodes of both kinds; a device that one of them lacks has the other's rate."""
    if one is other:
        return one
    both = {each: min(_rate(one, other, each), _rate(other, one, each)) for each in _devices(one, other)}
    return Rates(min(one.per_core_mw, other.per_core_mw), both)


def _rate(one: Rates, other: Rates, device: str) -> int:
    return one.device_mw.get(device, other.device_mw.get(device, 0))


def _devices(one: Rates, other: Rates) -> set[str]:
    return {*one.device_mw, *other.device_mw}
