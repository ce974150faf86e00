"""Rules between pods, and budgets of disruptions, in terms of classes and zones."""

import numpy as np
from numpy.typing import NDArray

from powerplane.models.classes import PodClasses
from powerplane.models.eligibility import NodeIndex
from powerplane.models.snapshot import PodTemplate, Snapshot
from powerplane.models.terms import Counted, RuleTerm
from powerplane.models.traits import Rows, TemplateTraits
from powerplane.solver.problem import DisruptionBudget, TopologyRule

Classes = NDArray[np.int32]


def topology_rules(
    snapshot: Snapshot, nodes: NodeIndex, traits: TemplateTraits, classes: PodClasses
) -> tuple[TopologyRule, ...]:
    """All rules between pods, one for each term, gathered over the classes that carry it."""
    make = {"anti-affinity": anti_affinity_rule, "affinity": affinity_rule, "spread": spread_rule}
    rules = []
    for term, carriers, targets in zip(traits.terms, traits.carriers, traits.targets, strict=True):
        name = rule_name(term, snapshot.templates[carriers[0]], len(carriers))
        carrying, counted = classes_of(carriers, classes), classes_of(targets, classes)
        if term.kind == "spread":
            carrying = carrying[classes.movable[carrying]]
        rules.append(make[term.kind](term, name, carrying, counted, nodes))
    return tuple(rules)


def anti_affinity_rule(
    term: RuleTerm, name: str, carriers: Classes, targets: Classes, nodes: NodeIndex
) -> TopologyRule:
    """Ensures that no zone holds a carrier of a required anti-affinity term and another pod that the term names.

    Σ targets(zone) = 1 where a carrier that is its own target stands, 0 where another carrier stands. Carriers that
    cannot move repel too: the scheduler looks at the terms of the pods that are there as well as at the newcomer's.
    """
    zone, count = nodes.zones(term.topology_key)
    everywhere = np.ones(len(zone), dtype=np.bool_)
    return TopologyRule("anti-affinity", name, carriers, targets, zone, count, everywhere)


def affinity_rule(term: RuleTerm, name: str, carriers: Classes, targets: Classes, nodes: NodeIndex) -> TopologyRule:
    """Ensures that a carrier of a required affinity term shares its zone with a pod that the term names.

    Σ targets(zone of a carrier) ≥ 1. That the node has the topology key at all is part of the allowed set.
    """
    zone, count = nodes.zones(term.topology_key)
    everywhere = np.ones(len(zone), dtype=np.bool_)
    return TopologyRule("affinity", name, carriers, targets, zone, count, everywhere)


def spread_rule(term: RuleTerm, name: str, carriers: Classes, targets: Classes, nodes: NodeIndex) -> TopologyRule:
    """Ensures that a zone that takes a carrier holds at most maxSkew more of the counted pods than the emptiest zone.

    Σ targets(zone) − min over counted zones ≤ maxSkew, with 0 for the minimum while fewer than minDomains zones are
    counted. Only DoNotSchedule constraints, and only of pods that can move: the rule judges newcomers.
    """
    zone, count = nodes.zones(term.topology_key)
    counted = counted_nodes(term.counted or Counted(frozenset((term.topology_key,))), nodes)
    return TopologyRule("spread", name, carriers, targets, zone, count, counted, term.max_skew, term.min_domains)


def disruption_budgets(snapshot: Snapshot, traits: TemplateTraits, classes: PodClasses) -> tuple[DisruptionBudget, ...]:
    """Ensures that no more pods of a PodDisruptionBudget are down at the same time than it allows from now.

    Σ pods of its classes on their way in a wave ≤ disruptionsAllowed. Budgets of which no pod may move are left out.
    """
    budgets = []
    for budget, rows in zip(snapshot.disruption_budgets, traits.covered, strict=True):
        covered = classes_of(rows, classes)
        movable = covered[classes.movable[covered]]
        if len(movable):
            name = f"PodDisruptionBudget {budget.metadata.namespace}/{budget.metadata.name}"
            budgets.append(DisruptionBudget(name, movable, budget.status.disruptions_allowed))
    return tuple(budgets)


def counted_nodes(counted: Counted, nodes: NodeIndex) -> NDArray[np.bool_]:
    """Nodes that a spread constraint counts, by its inclusion policies."""
    result = nodes.having(counted.keys) & nodes.chosen(counted.node_selector, counted.affinity)
    return result if counted.tolerations is None else result & nodes.tolerated(counted.tolerations)


def classes_of(templates: Rows, classes: PodClasses) -> Classes:
    """Classes of some templates' pods; a class is wholly in or wholly out."""
    chosen = np.zeros(int(classes.template.max(initial=-1)) + 1, dtype=np.bool_)
    chosen[templates[templates < len(chosen)]] = True
    return np.flatnonzero(chosen[classes.template]).astype(np.int32)


def rule_name(term: RuleTerm, carrier: PodTemplate, carriers: int) -> str:
    """A rule's name in explanations: its kind, a workload that carries it, and the zones that it is about."""
    others = "" if carriers == 1 else " and others"
    return f"{term.kind} of {carrier.namespace}/{carrier.owner or 'pod'}{others} over {term.topology_key}"
