"""Facts about policies' own caps: what the pods of each draw beside its cap, and who of them may be evicted."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from powerplane.models.api.capping_policy import (
    CappingPolicyObject,
    ClusterPowerCappingPolicyObject,
    ClusterPowerCappingPolicySpec,
)
from powerplane.models.api.capping_status import Recommendation, SeenAverage
from powerplane.models.api.policies import EVERYTHING, PolicyKey, key_of
from powerplane.models.marks import OWN_NAMESPACE
from powerplane.models.matching import NAMESPACE_NAME, canonical, selector_matches
from powerplane.models.mobility import controller_of
from powerplane.models.objects import Pod
from powerplane.models.snapshot import Snapshot
from powerplane.recommender.allowing import IGNORE, IGNORE_LABEL
from powerplane.recommender.attributing import PodWatts
from powerplane.recommender.cap_now import CapNow
from powerplane.recommender.shedding import Candidate
from powerplane.recommender.violations import MOST_UNKNOWN, Violation, whole_watts

POLICY = "policy"
"""The kind of a cap that is a policy's own."""

HIGHEST_PRIORITY = 1_000_000_000
"""What is above it is the system's own (kubernetes/pkg/apis/scheduling: HighestUserDefinablePriority)."""

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class CapStanding:
    """How one policy's own cap stands.

    Parameters
    ----------
    key : PolicyKey
    cap : CapNow
    draw_mw : int or None
        What the selected pods draw; None where nothing is measured.
    pods : int
        How many are selected.
    age_s : float
        Of the oldest measurement that this rests on; infinite where there is none.
    at_s : float
        Unix seconds of the look.
    untold : str
        Why nothing is done, whatever the sum says; "" where something may be.
    recommendation : Recommendation or None
        What should be done, where the policy's mode lets nothing be.
    averages : tuple of SeenAverage
        What is to be kept of the averages that caps rest on.
    """

    key: PolicyKey
    cap: CapNow
    draw_mw: int | None = None
    pods: int = 0
    age_s: float = math.inf
    at_s: float = 0.0
    untold: str = ""
    recommendation: Recommendation | None = None
    averages: tuple[SeenAverage, ...] = ()

    @property
    def headroom_mw(self) -> int | None:
        """The cap less the draw; None where one of them is not known."""
        return None if self.cap.mw is None or self.draw_mw is None else self.cap.mw - self.draw_mw

    @property
    def is_held(self) -> bool | None:
        """Whether the pods draw no more than they may; None where there is no telling."""
        headroom_mw = self.headroom_mw
        return None if self.untold or headroom_mw is None else headroom_mw >= 0

    def violation(self, title: str) -> Violation | None:
        """The cap as one that is broken; None where it is not, or where there is no telling."""
        if self.is_held is not False or self.cap.mw is None or self.draw_mw is None:
            return None
        why = f"draws {whole_watts(self.draw_mw)} of {whole_watts(self.cap.mw)}"
        return Violation(title, POLICY, "now", self.cap.mw, self.draw_mw, why)


def has_cap(policy: CappingPolicyObject) -> bool:
    """Whether a policy caps the pods that it selects, now or at other hours."""
    return policy.spec.cap is not None or any(entry.cap is not None for entry in policy.spec.schedule)


def in_rank(policies: Iterable[CappingPolicyObject]) -> list[CappingPolicyObject]:
    """Policies that cap pods: cluster policies before namespaced ones, the higher priority before the lower."""
    capping = [each for each in policies if has_cap(each)]
    return sorted(
        capping,
        key=lambda each: (not isinstance(each, ClusterPowerCappingPolicyObject), -each.spec.priority, key_of(each)),
    )


def selected(policy: CappingPolicyObject, snapshot: Snapshot) -> Rows:
    """Rows of the bound pods that a policy is for."""
    spec, pods = policy.spec, canonical(policy.spec.selector or EVERYTHING)
    across = spec.namespace_selector if isinstance(spec, ClusterPowerCappingPolicySpec) else None
    namespaces, own = canonical(across or EVERYTHING), policy.metadata.namespace

    def takes(namespace: str, labels: Mapping[str, str]) -> bool:
        if own and own != namespace:
            return False
        of_namespace = snapshot.namespace_labels.get(namespace) or {NAMESPACE_NAME: namespace}
        return selector_matches(namespaces, of_namespace) and selector_matches(pods, labels)

    chosen = np.array([takes(each.namespace, dict(each.labels)) for each in snapshot.templates], dtype=np.bool_)
    if not len(chosen):
        return np.zeros(0, dtype=np.intp)
    return np.flatnonzero(chosen[snapshot.pods.template] & (snapshot.pods.node >= 0))


def standing_of(key: PolicyKey, rows: Rows, watts: PodWatts, cap: CapNow, at_s: float) -> CapStanding:
    """Say how a cap stands.

    Parameters
    ----------
    key : PolicyKey
    rows : int array
        Of the selected pods.
    watts : PodWatts
    cap : CapNow
    at_s : float
        Unix seconds.
    """
    draw_mw, known = int(watts.mw[rows].sum()), watts.known[rows]
    ages = watts.age_s[rows][known]
    standing = CapStanding(key, cap, draw_mw, len(rows), float(ages.max()) if len(ages) else math.inf, at_s)
    if len(rows) and not known.any():
        return replace(standing, draw_mw=None, untold="none of the nodes that its pods run on is measured")
    unknown_mw = int(watts.mw[rows][~known].sum())
    if unknown_mw > MOST_UNKNOWN * draw_mw:
        return replace(standing, untold=f"{int((~known).sum())} of its {len(rows)} pods are on nodes not measured")
    return standing


def candidates(
    rows: Rows, snapshot: Snapshot, watts: PodWatts, pods: Mapping[str, Pod]
) -> tuple[list[Candidate], dict[int, int]]:
    """Return who of some pods may be evicted, and how many pods of each disruption budget may go now.

    Parameters
    ----------
    rows : int array
        Of the pods in question.
    snapshot : Snapshot
    watts : PodWatts
    pods : mapping
        By UID.
    """
    covered = _covering(snapshot)
    found = []
    for row in rows.tolist():
        template_row = int(snapshot.pods.template[row])
        template = snapshot.templates[template_row]
        pod = pods.get(snapshot.pods.uids[row])
        budgets = covered.get(template_row, ())
        if pod is None or template.unmovable or template.terminating or not watts.known[row] or len(budgets) > 1:
            continue
        if _is_exempt(pod, snapshot):
            continue
        name, uid = snapshot.pods.names[row], snapshot.pods.uids[row]
        budget = budgets[0] if budgets else -1
        found.append(Candidate(template.namespace, name, uid, pod.spec.priority or 0, int(watts.mw[row]), budget))
    return found, {number: each.status.disruptions_allowed for number, each in enumerate(snapshot.disruption_budgets)}


def _is_exempt(pod: Pod, snapshot: Snapshot) -> bool:
    """Whether a pod is never evicted: nobody would make another, it is the system's or ours, or marked so."""
    labels = snapshot.namespace_labels.get(pod.metadata.namespace) or {}
    return (
        controller_of(pod.metadata.owner_references) is None
        or (pod.spec.priority or 0) > HIGHEST_PRIORITY
        or pod.metadata.namespace == OWN_NAMESPACE
        or labels.get(IGNORE_LABEL) == IGNORE
    )


def _covering(snapshot: Snapshot) -> dict[int, tuple[int, ...]]:
    """Disruption budgets of each template that has any; the empty selector covers all, none covers nothing."""
    by_namespace: dict[str, list[int]] = {}
    for number, budget in enumerate(snapshot.disruption_budgets):
        by_namespace.setdefault(budget.metadata.namespace, []).append(number)
    selectors = [canonical(each.spec.selector) for each in snapshot.disruption_budgets]

    def covering(namespace: str, labels: Mapping[str, str]) -> Iterator[int]:
        return (one for one in by_namespace.get(namespace, ()) if selector_matches(selectors[one], labels))

    told = ((row, tuple(covering(each.namespace, dict(each.labels)))) for row, each in enumerate(snapshot.templates))
    return {row: budgets for row, budgets in told if budgets}
