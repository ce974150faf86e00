"""Policies' own caps for new pods: whoever would bring a policy's pods above its cap waits behind our gate.

What pods draw is measured by others, and stands in the policies' statuses. A figure that has grown old holds nobody:
where nobody measures, nobody would ever be let go.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from powerplane.models.api.capping_policy import CappingPolicyObject, ClusterPowerCappingPolicySpec
from powerplane.models.errors import InputError
from powerplane.models.matching import Selector, canonical, selector_matches
from powerplane.models.objects import LabelSelector
from powerplane.models.quantities import MILLI
from powerplane.models.timestamps import parse_seconds

EVERYTHING = LabelSelector()
SHEDDING = "evict"
"""The lever by which a cap is held: only where pods are evicted, those that come in their place have to wait."""

OLD_S = 180.0
"""Figures older than this hold nobody."""

NEAR = 0.1
"""Part of a cap: with less left, new pods wait until somebody adds them up, since many may come at once."""

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class OwnCap:
    """The cap of one policy's pods, as it was last measured.

    Parameters
    ----------
    key : (str, str)
        The policy's namespace, "" for a cluster policy, and name.
    namespaces, pods : Selector
    cap_mw, headroom_mw : int
    measured_s : float
        Unix seconds.
    """

    key: tuple[str, str]
    namespaces: Selector
    pods: Selector
    cap_mw: int
    headroom_mw: int
    measured_s: float

    def takes(self, namespace: str, namespace_labels: Labels, pod_labels: Labels) -> bool:
        """Say whether a pod is among its pods."""
        if self.key[0] and self.key[0] != namespace:
            return False
        return selector_matches(self.namespaces, namespace_labels) and selector_matches(self.pods, pod_labels)

    def is_short(self, mw: int) -> bool:
        """Say whether a pod that draws so much is to wait."""
        return self.headroom_mw < max(mw, int(NEAR * self.cap_mw))

    def is_young(self, now_s: float) -> bool:
        """Say whether its figures hold anybody still."""
        return now_s < self.measured_s + OLD_S


def own_caps(policies: Iterable[CappingPolicyObject], now_s: float) -> tuple[OwnCap, ...]:
    """Return the caps that are held by evictions, and measured of late.

    Parameters
    ----------
    policies : iterable of policies
    now_s : float
        Unix seconds.
    """
    found = (_own_cap(each) for each in policies if each.spec.mode == "Enforce" and SHEDDING in each.spec.levers)
    return tuple(each for each in found if each is not None and each.is_young(now_s))


def until_s(caps: Iterable[OwnCap]) -> float:
    """Return when the first of some caps grows old, in Unix seconds; infinity where there is none."""
    return min((each.measured_s + OLD_S for each in caps), default=math.inf)


def is_short(caps: Iterable[OwnCap], namespace: str, namespace_labels: Labels, pod_labels: Labels, watts: int) -> bool:
    """Say whether a new pod would bring the pods of some policy above its cap, or near it."""
    return any(each.is_short(watts * MILLI) and each.takes(namespace, namespace_labels, pod_labels) for each in caps)


def _own_cap(policy: CappingPolicyObject) -> OwnCap | None:
    status, spec = policy.status, policy.spec
    if status is None or status.cap_watts is None or status.headroom_watts is None or not status.measured_at:
        return None
    try:
        measured_s = float(parse_seconds(status.measured_at))
    except InputError:
        return None
    across = spec.namespace_selector if isinstance(spec, ClusterPowerCappingPolicySpec) else None
    return OwnCap(
        (policy.metadata.namespace, policy.metadata.name),
        canonical(across or EVERYTHING),
        canonical(spec.selector or EVERYTHING),
        status.cap_watts * MILLI,
        status.headroom_watts * MILLI,
        measured_s,
    )
