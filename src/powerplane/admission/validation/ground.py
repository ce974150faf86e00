"""What new objects are held against: domains and policies as they stand, and the most that any one pod could draw."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from powerplane.admission.gates.ground import budgets_now
from powerplane.models.api.capping_policy import (
    CappingPolicyObject,
    ClusterPowerCappingPolicyObject,
    PowerCappingPolicyObject,
)
from powerplane.models.api.domain_reading import NodeAllowance
from powerplane.models.api.members import NodeIndex, NodeLabels
from powerplane.models.api.neighbours import Neighbours
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.api.tree import Specs, TreeReading, read_tree
from powerplane.models.matching import node_selector_matches
from powerplane.models.objects import Node, NodeSelector, ObjectMeta, PodSpec
from powerplane.models.power_tree import UNLIMITED, NodeFigures, compile_tree
from powerplane.models.quantities import MILLI

Labels = Mapping[str, str]
ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)
ANY_POD = PodSpec()
MOST_KEPT = 1024
LONGEST_SELECTOR = 64
"""Expressions and their values in one required node affinity; people write a handful."""


@dataclass(frozen=True, slots=True)
class Place:
    """What one pod could draw on a node if nobody else were there.

    Parameters
    ----------
    watts : int or None
        None where no budget holds.
    budget : str
        What limits it, such as ``rack r1``.
    node : Node
        Its name and labels.
    """

    watts: int | None
    budget: str
    node: Node

    def may_take(self, spec: PodSpec) -> bool:
        """Whether a pod's nodeSelector and required node affinity let it go there."""
        if spec.node_selector and not spec.node_selector.items() <= (self.node.metadata.labels or {}).items():
            return False
        affinity = spec.affinity.node_affinity if spec.affinity else None
        return affinity is None or affinity.required is None or node_selector_matches(affinity.required, self.node)


@dataclass(frozen=True, slots=True)
class Places:
    """All nodes, the roomiest first."""

    ranked: tuple[Place, ...] = ()
    _kept: dict[object, Place | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def too_small(self, watts: int, spec: PodSpec = ANY_POD) -> Place | None:
        """Return the roomiest place that a pod may ever have where even that is too small; None where some may do.

        Parameters
        ----------
        watts : int
        spec : PodSpec, optional
            Its nodeSelector and required node affinity count. Where they let it go to no node nothing is known: one
            may come.
        """
        if not self.ranked or _holds(self.ranked[-1], watts):
            return None  # most pods: any place would do
        place = self._roomiest_for(spec)
        return None if place is None or _holds(place, watts) else place

    def _roomiest_for(self, spec: PodSpec) -> Place | None:
        """The first that may take a pod; kept, as the pods of a workload all ask the same."""
        affinity = spec.affinity.node_affinity if spec.affinity else None
        required = affinity.required if affinity else None
        if required is not None and _length(required) > LONGEST_SELECTOR:
            return None  # what it would take to read it for each node, nobody may ask of us
        key = tuple(sorted((spec.node_selector or {}).items())), required
        if key not in self._kept:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[key] = next((each for each in self.ranked if each.may_take(spec)), None)
        return self._kept[key]


@dataclass(frozen=True, slots=True)
class Ground:
    """Everything that new objects are held against; immutable.

    Parameters
    ----------
    neighbours : Neighbours
    places : Places
    policies : tuple of policies
    domain_labels : mapping of name to labels
    """

    neighbours: Neighbours = field(default_factory=lambda: Neighbours({}, {}, {}, NodeIndex({}, {})))
    places: Places = Places()
    policies: tuple[CappingPolicyObject, ...] = ()
    domain_labels: Mapping[str, Labels] = field(default_factory=dict)


class GroundBook:
    """The ground, made anew only where what it rests on has changed: a domain's figures in its status do not count."""

    def __init__(self) -> None:
        self._seen: object = None
        self._ground = Ground()
        self._accepted: Specs = {}

    def ground(
        self,
        nodes: Iterable[NodeLabels],
        domains: Iterable[PowerDomainObject],
        policies: Iterable[CappingPolicyObject],
    ) -> Ground:
        """Return the ground of a moment."""
        labels, objects, rules = dict(nodes), list(domains), tuple(policies)
        seen = (labels, [_kept(each) for each in objects], [(each.metadata, each.spec) for each in rules])
        if seen != self._seen:
            reading = read_tree(objects, labels.items(), self._accepted)
            if reading.in_force != "none":
                self._accepted = reading.specs
            named = {each.metadata.name: each.metadata.labels or {} for each in objects}
            neighbours = Neighbours.of(objects, labels.items())
            self._ground = Ground(neighbours, places_of(reading, labels, objects, rules), rules, named)
            self._seen = seen
        return self._ground


def _kept(domain: PowerDomainObject) -> object:
    return domain.metadata.name, domain.metadata.labels, domain.spec, domain.status and domain.status.accepted_spec


def places_of(
    reading: TreeReading,
    nodes: Mapping[str, Labels],
    domains: Sequence[PowerDomainObject],
    policies: Iterable[CappingPolicyObject],
) -> Places:
    """Return what one pod could draw on each node, by the tree in force and the policies that hold at all hours.

    Parameters
    ----------
    reading : TreeReading
    nodes : mapping of name to labels
    domains : sequence of PowerDomainObject
    policies : iterable of policies
    """
    always = [each for each in policies if _at_all_hours(each)]
    cluster = [each for each in always if isinstance(each, ClusterPowerCappingPolicyObject)]
    figures = [_figures(name, reading.allowances.get(name)) for name in nodes]
    tree = compile_tree(reading.topology, figures, budgets_now(reading, domains, cluster, ANY_TIME))
    rows, binding = tree.group_room(tree.row_free)[tree.group], tree.binding_row(tree.row_free)[tree.group]
    room = np.minimum(tree.node_free_mw, rows)
    found = []
    for i, (name, labels) in enumerate(nodes.items()):
        most, node = int(room[i]), Node(ObjectMeta(name=name, labels=dict(labels)))
        if most >= UNLIMITED // (2 * tree.scale):
            found.append(Place(None, "", node))
        elif tree.node_free_mw[i] <= rows[i]:
            found.append(Place(max(0, most // MILLI), f"node {name}", node))
        else:
            row = int(binding[i])
            found.append(Place(max(0, most // MILLI), f"{tree.row_kind[row]} {tree.row_domain[row]}", node))
    return Places(tuple(sorted(found, key=_roominess, reverse=True)))


def _length(selector: NodeSelector) -> int:
    return sum(
        1 + len(one.values or ())
        for term in selector.node_selector_terms
        for one in (*(term.match_expressions or ()), *(term.match_fields or ()))
    )


def _holds(place: Place, watts: int) -> bool:
    return place.watts is None or place.watts >= watts


def _roominess(place: Place) -> int:
    return UNLIMITED if place.watts is None else place.watts


def _at_all_hours(policy: CappingPolicyObject) -> bool:
    """Whether a policy's limits of racks hold whatever the hour: scheduled ones stand in the place of the others."""
    return isinstance(policy, PowerCappingPolicyObject) or not any(e.rack_constraints for e in policy.spec.schedule)


def _figures(name: str, allowance: NodeAllowance | None) -> NodeFigures:
    known = allowance or NodeAllowance()
    return NodeFigures(name, known.budget_mw, known.idle_mw)
