"""What each template means to placement: where its pods may land, which rules it carries and which count it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.models.eligibility import Mask, NodeIndex, node_affinity
from powerplane.models.label_index import LabelIndex
from powerplane.models.matching import canonical
from powerplane.models.objects import PodDisruptionBudget
from powerplane.models.snapshot import PodTemplate, Snapshot
from powerplane.models.terms import PodSet, RuleTerm, terms_of

Rows = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class TemplateTraits:
    """Traits of the T templates that have bound pods; those of others are empty.

    Parameters
    ----------
    terms : tuple of RuleTerm
        All different rules that some template carries and that some move could break.
    carriers, targets : tuples of int32 arrays
        By term: the templates that carry it, and those that it counts.
    covered : tuple of int32 arrays
        By disruption budget of the snapshot: the templates whose pods it covers.
    fixed : tuple of str
        By template: why its pods cannot be moved, "" where they can.
    allowed_set : int32 array, shape (T,)
        Row of ``allowed``.
    allowed : bool array, shape (S, N)
        Nodes that new pods may land on; none for what cannot be moved.
    """

    terms: tuple[RuleTerm, ...]
    carriers: tuple[Rows, ...]
    targets: tuple[Rows, ...]
    covered: tuple[Rows, ...]
    fixed: tuple[str, ...]
    allowed_set: Rows
    allowed: NDArray[np.bool_]


def trait_templates(snapshot: Snapshot, nodes: NodeIndex) -> TemplateTraits:
    """Work out the traits of a snapshot's templates."""
    bound = np.zeros(len(snapshot.templates), dtype=np.bool_)
    bound[snapshot.pods.template[snapshot.pods.node >= 0]] = True
    finder = _PodFinder(snapshot.templates, bound)
    carried = _carried(snapshot, bound)
    terms = tuple(carried)
    targets = tuple(_counted(term, finder.rows(term.targets), snapshot.templates) for term in terms)
    covered = tuple(finder.rows(frozenset((_covered(one),))) for one in snapshot.disruption_budgets)
    fixed = _fixed(snapshot, covered)
    allowed_set, allowed = _allowed(snapshot, nodes, bound, fixed, _stranded(terms, targets, carried))
    carriers = tuple(np.array(rows, dtype=np.int32) for rows in carried.values())
    kept = [m for m in range(len(terms)) if _matters(terms[m], carriers[m], targets[m], fixed)]
    return TemplateTraits(
        terms=tuple(terms[m] for m in kept),
        carriers=tuple(carriers[m] for m in kept),
        targets=tuple(targets[m] for m in kept),
        covered=covered,
        fixed=fixed,
        allowed_set=allowed_set,
        allowed=allowed,
    )


class _PodFinder:
    """Finds templates by namespace and labels."""

    def __init__(self, templates: tuple[PodTemplate, ...], bound: Mask) -> None:
        self._bound = bound
        self._labels = LabelIndex([dict(template.labels) for template in templates])
        self._namespaces: dict[str, list[int]] = {}
        for row, template in enumerate(templates):
            self._namespaces.setdefault(template.namespace, []).append(row)

    def rows(self, pods: frozenset[PodSet]) -> Rows:
        """Templates with bound pods in all of some sets."""
        mask = self._bound.copy()
        for one in pods:
            mask &= self._mask(one)
        return np.flatnonzero(mask).astype(np.int32)

    def _mask(self, pods: PodSet) -> Mask:
        mask = np.zeros(len(self._bound), dtype=np.bool_)
        if pods.selector is None:
            return mask
        for namespace in pods.namespaces:
            mask[self._namespaces.get(namespace, [])] = True
        return mask & self._labels.all_hold(pods.selector)


def _carried(snapshot: Snapshot, bound: Mask) -> dict[RuleTerm, list[int]]:
    unlabelled: dict[str, dict[str, str]] = {template.namespace: {} for template in snapshot.templates}
    namespaces = unlabelled | snapshot.namespace_labels
    carried: dict[RuleTerm, list[int]] = {}
    for row in np.flatnonzero(bound).tolist():
        for term in dict.fromkeys(terms_of(snapshot.templates[row], namespaces)):
            carried.setdefault(term, []).append(row)
    return carried


def _counted(term: RuleTerm, rows: Rows, templates: tuple[PodTemplate, ...]) -> Rows:
    """Templates that a term counts: a spread passes over pods that are on their way out, as the scheduler does."""
    if term.kind != "spread":
        return rows
    return rows[[not templates[row].terminating for row in rows.tolist()]]


def _covered(budget: PodDisruptionBudget) -> PodSet:
    """The pods of a disruption budget: of its own namespace; the empty selector covers all, None covers none."""
    return PodSet(frozenset((budget.metadata.namespace,)), canonical(budget.spec.selector))


def _fixed(snapshot: Snapshot, covered: tuple[Rows, ...]) -> tuple[str, ...]:
    """Why each template's pods cannot be moved."""
    budgets: dict[int, list[PodDisruptionBudget]] = {}
    for budget, rows in zip(snapshot.disruption_budgets, covered, strict=True):
        for row in rows.tolist():
            budgets.setdefault(row, []).append(budget)
    return tuple(
        template.unmovable or _budget_reason(budgets.get(row, [])) for row, template in enumerate(snapshot.templates)
    )


def _budget_reason(budgets: list[PodDisruptionBudget]) -> str:
    """Why budgets keep a pod where it is.

    The Eviction API answers 429 where a budget allows no disruption, and 500 where several cover a pod.
    """
    names = ", ".join(f"{one.metadata.namespace}/{one.metadata.name}" for one in budgets)
    if len(budgets) > 1:
        return f"covered by {len(budgets)} PodDisruptionBudgets ({names}), which the Eviction API refuses"
    if budgets and budgets[0].status.disruptions_allowed <= 0:
        return f"PodDisruptionBudget {names} allows no disruption"
    return ""


def _matters(term: RuleTerm, carriers: Rows, targets: Rows, fixed: tuple[str, ...]) -> bool:
    """Whether some move could break a rule; of spread, only the carriers' own moves are judged."""
    if not len(targets):
        return False
    movers = carriers if term.kind == "spread" else np.concatenate((carriers, targets))
    return any(not fixed[row] for row in movers.tolist())


def _stranded(terms: tuple[RuleTerm, ...], targets: tuple[Rows, ...], carried: dict[RuleTerm, list[int]]) -> set[int]:
    """Templates whose required affinity no bound pod meets, not even their own: nowhere would take them."""
    lone = (term for term, rows in zip(terms, targets, strict=True) if term.kind == "affinity" and not len(rows))
    return {row for term in lone for row in carried[term]}


def _allowed(
    snapshot: Snapshot, nodes: NodeIndex, bound: Mask, fixed: tuple[str, ...], stranded: set[int]
) -> tuple[Rows, NDArray[np.bool_]]:
    """Rows of allowed nodes without repetition, and each template's row."""
    nowhere = np.zeros(len(snapshot.nodes), dtype=np.bool_)
    ranks: dict[bytes, int] = {}
    masks: list[Mask] = []
    known: dict[object, int] = {}
    result = np.zeros(len(snapshot.templates), dtype=np.int32)
    for row, template in enumerate(snapshot.templates):
        free = bool(bound[row]) and not fixed[row] and row not in stranded
        key = _place_key(template) if free else None
        if key not in known:
            mask = nodes.eligible(template) & nodes.having(_needed_keys(template)) if free else nowhere
            known[key] = ranks.setdefault(mask.tobytes(), len(ranks))
            if known[key] == len(masks):
                masks.append(mask)
        result[row] = known[key]
    return result, np.array(masks, dtype=np.bool_).reshape(len(masks), len(snapshot.nodes))


def _place_key(template: PodTemplate) -> tuple[object, ...]:
    """All that decides where a template's pods may land."""
    return (
        template.node_selector,
        node_affinity(template),
        template.tolerations,
        template.volume_selectors,
        _needed_keys(template),
    )


def _needed_keys(template: PodTemplate) -> frozenset[str]:
    """Topology keys that a node must have to take such a pod: those of its affinity and spread (not anti-affinity)."""
    affinity = template.affinity and template.affinity.pod_affinity
    near = {term.topology_key for term in (affinity and affinity.required) or ()}
    return frozenset(near | {one.topology_key for one in template.spread if one.when_unsatisfiable == "DoNotSchedule"})
