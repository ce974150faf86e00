"""The rules between pods that a template carries, with everything that they refer to resolved.

Two terms are equal when they mean the same, so that the carriers of a term can be gathered across templates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from powerplane.models.eligibility import node_affinity
from powerplane.models.matching import Selector, term_namespaces, with_label_keys
from powerplane.models.objects import NodeAffinity, PodAffinityTerm, Toleration, TopologySpreadConstraint
from powerplane.models.snapshot import PodTemplate

NamespaceLabels = Mapping[str, Mapping[str, str]]
RuleKind = Literal["anti-affinity", "affinity", "spread"]


@dataclass(frozen=True, slots=True)
class PodSet:
    """The pods of some namespaces whose labels meet a selector."""

    namespaces: frozenset[str]
    selector: Selector


@dataclass(frozen=True, slots=True)
class Counted:
    """The nodes whose pods and zones a spread constraint counts.

    Parameters
    ----------
    keys : frozenset of str
        Labels that they must all have: the topology keys of all the pod's constraints.
    node_selector, affinity
        Honoured unless nodeAffinityPolicy is Ignore; then () and None.
    tolerations : tuple of Toleration or None
        Honoured where nodeTaintsPolicy is Honor; else None.
    """

    keys: frozenset[str]
    node_selector: tuple[tuple[str, str], ...] = ()
    affinity: NodeAffinity | None = None
    tolerations: tuple[Toleration, ...] | None = None


@dataclass(frozen=True, slots=True)
class RuleTerm:
    """One rule between pods.

    Parameters
    ----------
    kind : "anti-affinity", "affinity" or "spread"
    topology_key : str
        Node label whose values are the zones.
    targets : frozenset of PodSet
        The pods counted are in all of these. More than one only for affinity: the scheduler counts, for each of a
        pod's required affinity terms, only pods that match them all.
    max_skew, min_domains, counted
        Spread only.
    """

    kind: RuleKind
    topology_key: str
    targets: frozenset[PodSet]
    max_skew: int = 0
    min_domains: int = 0
    counted: Counted | None = None


def terms_of(template: PodTemplate, namespace_labels: NamespaceLabels) -> tuple[RuleTerm, ...]:
    """All required rules between pods that a template carries."""
    return (
        *_anti_affinity(template, namespace_labels),
        *_affinity(template, namespace_labels),
        *_spread(template),
    )


def _anti_affinity(template: PodTemplate, namespace_labels: NamespaceLabels) -> list[RuleTerm]:
    given = template.affinity and template.affinity.pod_anti_affinity
    return [
        RuleTerm("anti-affinity", term.topology_key, frozenset((_pods(template, term, namespace_labels, wary=True),)))
        for term in (given and given.required) or ()
    ]


def _affinity(template: PodTemplate, namespace_labels: NamespaceLabels) -> list[RuleTerm]:
    given = template.affinity and template.affinity.pod_affinity
    terms = (given and given.required) or ()
    targets = frozenset(_pods(template, term, namespace_labels) for term in terms)
    return [RuleTerm("affinity", key, targets) for key in sorted({term.topology_key for term in terms})]


def _pods(
    template: PodTemplate, term: PodAffinityTerm, namespace_labels: NamespaceLabels, *, wary: bool = False
) -> PodSet:
    labels = dict(template.labels)
    return PodSet(
        term_namespaces(term, template.namespace, namespace_labels, wary=wary),
        with_label_keys(term.label_selector, labels, term.match_label_keys, term.mismatch_label_keys),
    )


def _spread(template: PodTemplate) -> list[RuleTerm]:
    required = [one for one in template.spread if one.when_unsatisfiable == "DoNotSchedule"]
    keys = frozenset(one.topology_key for one in required)
    return [_spread_term(template, one, keys) for one in required]


def _spread_term(template: PodTemplate, one: TopologySpreadConstraint, keys: frozenset[str]) -> RuleTerm:
    # The scheduler counts no pods by an empty selector, which chooses every pod elsewhere.
    selector = with_label_keys(one.label_selector, dict(template.labels), one.match_label_keys) or None
    by_affinity = one.node_affinity_policy != "Ignore"
    counted = Counted(
        keys,
        template.node_selector if by_affinity else (),
        node_affinity(template) if by_affinity else None,
        template.tolerations if one.node_taints_policy == "Honor" else None,
    )
    targets = frozenset((PodSet(frozenset((template.namespace,)), selector),))
    return RuleTerm("spread", one.topology_key, targets, one.max_skew, one.min_domains or 0, counted)
