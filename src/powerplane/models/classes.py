"""Pod classes: pods that no rule, price or figure tells apart, so that the solver may count, not name them.

Raw labels are no part of what makes a class (a StatefulSet's pods each carry their own), only what some selector in
use makes of them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.models.pricing import DEFAULT_PRICING, Pricing, move_cost
from powerplane.models.snapshot import PodTable, PodTemplate, Snapshot
from powerplane.models.traits import Rows, TemplateTraits


@dataclass(frozen=True, slots=True, eq=False)
class PodClasses:
    """The classes of a snapshot's pods.

    Parameters
    ----------
    of_pod : int32 array, shape (P,)
        Class of each pod; -1 for pods that wait for a node.
    template : int32 array, shape (C,)
        A template of each class; what matters to placement is the same in all of a class.
    use_ucores, accelerator_mw, move_cost : int64 arrays, shape (C,)
        Of one pod.
    movable : bool array, shape (C,)
    reasons : tuple of str
        Why each class is not movable; "" where it is.
    names : tuple of str
        ``namespace/Kind/name`` of the owner of the class's first pod, ``namespace/pod`` without one; numbered from the
        second class of a name on.
    """

    of_pod: NDArray[np.int32]
    template: NDArray[np.int32]
    use_ucores: NDArray[np.int64]
    accelerator_mw: NDArray[np.int64]
    move_cost: NDArray[np.int64]
    movable: NDArray[np.bool_]
    reasons: tuple[str, ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)


def classify(snapshot: Snapshot, traits: TemplateTraits, pricing: Pricing = DEFAULT_PRICING) -> PodClasses:
    """Gather a snapshot's bound pods into classes.

    Parameters
    ----------
    snapshot : Snapshot
    traits : TemplateTraits
        Of the snapshot's templates.
    pricing : Pricing
    """
    pods = snapshot.pods
    bound = np.flatnonzero(pods.node >= 0)
    cost = _costs(snapshot, traits, pricing)[bound]
    kinds = _kinds(snapshot.templates, traits)[pods.template[bound]]
    first, inverse = _distinct((kinds, cost, pods.use_ucores[bound], pods.accelerator_mw[bound]))
    of_pod = np.full(len(pods), -1, dtype=np.int32)
    of_pod[bound] = inverse
    sample = bound[first]
    template = pods.template[sample]
    reasons = tuple(traits.fixed[row] for row in template.tolist())
    return PodClasses(
        of_pod=of_pod,
        template=template,
        use_ucores=pods.use_ucores[sample],
        accelerator_mw=pods.accelerator_mw[sample],
        move_cost=cost[first],
        movable=np.array([not reason for reason in reasons], dtype=np.bool_),
        reasons=reasons,
        names=_names(pods, snapshot.templates, sample),
    )


def _costs(snapshot: Snapshot, traits: TemplateTraits, pricing: Pricing) -> NDArray[np.int64]:
    """Cost of moving each pod: by template, settled or not. What never moves has one price, so as not to split it."""
    owned = any(template.owner for template in snapshot.templates)
    memory = snapshot.resources.index("memory")
    table = np.full((len(snapshot.templates), 2), pricing.base, dtype=np.int64)
    lately = max(snapshot.as_of_s, 1)
    for row, template in enumerate(snapshot.templates):
        if not traits.fixed[row]:
            request = template.requests[memory]
            table[row] = [
                move_cost(template, start, lately, request, pricing=pricing, owners_recorded=owned)
                for start in (0, lately)
            ]
    started = snapshot.pods.started_s
    settling = (started > 0) & (snapshot.as_of_s - started < pricing.settling_seconds)
    result: NDArray[np.int64] = table[snapshot.pods.template, settling.astype(np.int64)]
    return result


def _kinds(templates: tuple[PodTemplate, ...], traits: TemplateTraits) -> NDArray[np.int64]:
    """A number for each template, equal where nothing that matters to placement differs."""
    carries = _memberships(traits.carriers, len(templates))
    counted = _memberships(traits.targets, len(templates))
    covered = _memberships(traits.covered, len(templates))
    known: dict[object, int] = {}
    result = np.empty(len(templates), dtype=np.int64)
    for row, template in enumerate(templates):
        key = (
            template.requests,
            frozenset(template.host_ports),
            traits.fixed[row],
            int(traits.allowed_set[row]),
            carries[row],
            counted[row],
            covered[row],
        )
        result[row] = known.setdefault(key, len(known))
    return result


def _memberships(sets: tuple[Rows, ...], count: int) -> list[tuple[int, ...]]:
    """For each of ``count`` rows: the sets that it is in."""
    members: list[list[int]] = [[] for _ in range(count)]
    for one, rows in enumerate(sets):
        for row in rows.tolist():
            members[row].append(one)
    return [tuple(one) for one in members]


def _distinct(columns: tuple[NDArray[np.int64], ...]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """First row of each distinct row of some columns, in their order, and each row's number among the distinct."""
    order = np.lexsort(columns[::-1])
    fresh = np.zeros(len(order), dtype=np.bool_)
    fresh[:1] = True
    for column in columns:
        fresh[1:] |= column[order][1:] != column[order][:-1]
    inverse = np.empty(len(order), dtype=np.int32)
    inverse[order] = np.cumsum(fresh) - 1
    return order[fresh], inverse


def _names(pods: PodTable, templates: tuple[PodTemplate, ...], sample: NDArray[np.int64]) -> tuple[str, ...]:
    seen: dict[str, int] = {}
    names = []
    for row in sample.tolist():
        owner = templates[pods.template[row]].owner or pods.names[row]
        name = f"{pods.namespaces[row]}/{owner}"
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return tuple(names)
