"""What the objects leave open, said in sentences with the number of pods that each touches."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from powerplane.models.objects import PodAffinityTerm
from powerplane.models.snapshot import PodTemplate
from powerplane.models.templates import Draft


def assumptions(drafts: Sequence[Draft], template: NDArray[np.int32], *, namespaces_listed: bool) -> tuple[str, ...]:
    """Return what is assumed of pods, one sentence each.

    Parameters
    ----------
    drafts : sequence of Draft, length T
    template : int32 array, shape (P,)
        Template of each pod.
    namespaces_listed : bool
        Whether the labels of namespaces are known.
    """
    told = (
        (
            [not draft.template.owner and not draft.template.unmovable for draft in drafts],
            "without a controller",
            "a plan may move them, but nothing recreates them once they are evicted",
        ),
        (
            [draft.unknown_volume for draft in drafts],
            "whose claims or volumes are not listed",
            "every node is taken to reach them",
        ),
        (
            [draft.unknown_priority for draft in drafts],
            "of a PriorityClass that is not listed",
            "their priority is taken as 0",
        ),
        (
            [not namespaces_listed and _chooses_namespaces(draft.template) for draft in drafts],
            "that choose others by labels of namespaces, while none are listed",
            "only the names of namespaces are known",
        ),
    )
    counts = np.bincount(template, minlength=len(drafts))
    touched = ((int(counts[np.array(holds, dtype=np.bool_)].sum()), which, so) for holds, which, so in told)
    return tuple(f"Pods {which}: {count}; {so}." for count, which, so in touched if count)


def _chooses_namespaces(template: PodTemplate) -> bool:
    return any(term.namespace_selector is not None for term in _terms(template))


def _terms(template: PodTemplate) -> tuple[PodAffinityTerm, ...]:
    affinity = template.affinity
    parts = (affinity.pod_affinity, affinity.pod_anti_affinity) if affinity else ()
    return tuple(term for part in parts if part for term in part.required or ())
