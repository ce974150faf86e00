"""What work per watt is made of: which policies want it kept, which pods they select, and what each pod draws."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from powerplane.models.api.capping_policy import (
    CappingPolicyObject,
    ClusterPowerCappingPolicySpec,
    PerformancePowerRatio,
)
from powerplane.models.api.policies import EVERYTHING, PolicyKey, key_of
from powerplane.models.matching import NAMESPACE_NAME, canonical, selector_matches
from powerplane.models.quantities import MILLI
from powerplane.models.snapshot import PodTemplate, Snapshot
from powerplane.models.telemetry.node_readings import NodeReadings
from powerplane.models.telemetry.readings import Floats
from powerplane.models.watts.whose import attribute_snapshot
from powerplane.models.watts.workloads import measured_mw
from powerplane.recommender.seeing import Ground, Learned


def asking_of(
    policies: Iterable[CappingPolicyObject],
) -> dict[PolicyKey, tuple[CappingPolicyObject, PerformancePowerRatio]]:
    """Return the policies that want a ratio kept, in order of their names."""
    found = [(each, each.spec.performance_power_ratio) for each in sorted(policies, key=key_of)]
    return {key_of(policy): (policy, ratio) for policy, ratio in found if ratio is not None and ratio.target > 0}


def ratios_in_turn(policies: Iterable[CappingPolicyObject]) -> list[PerformancePowerRatio]:
    """Return what policies ask for: cluster policies first, then namespaces in turn, so that none takes it all."""
    turns: dict[str, int] = {}
    ranked = []
    for (namespace, name), (_, ratio) in asking_of(policies).items():
        turn = turns[namespace] = turns.get(namespace, 0) + 1
        ranked.append(((turn if namespace else 0, namespace, name), ratio))
    return [ratio for _, ratio in sorted(ranked, key=lambda each: each[0])]


def pod_watts(snapshot: Snapshot, ground: Ground, readings: NodeReadings, learned: Learned) -> Floats:
    """Return what each pod draws above its node's idle, its accelerators included; NaN where its node is not measured.

    Parameters
    ----------
    snapshot : Snapshot
        On measured watts; its nodes' watts are parted by the curves of before that.
    ground : Ground
    readings : NodeReadings
    learned : Learned
    """
    curves = [ground.power.nodes[name].curve for name in snapshot.node_names]
    return parted_watts(
        replace(snapshot, node_curve=tuple(learned.curves.get(each, each) for each in curves)), readings
    )


def parted_watts(parted: Snapshot, readings: NodeReadings) -> Floats:
    """Return the same for a snapshot whose curves are those that nodes' watts are to be parted by."""
    whole_mw = measured_mw(parted, readings)
    found = attribute_snapshot(parted, np.maximum(whole_mw, 0), readings)
    node = parted.pods.node
    known = (node >= 0) & np.append(whole_mw >= 0, False)[node]
    result: Floats = np.where(known, found.pod_mw / MILLI, np.nan)
    return result


def reached(policy: CappingPolicyObject, snapshot: Snapshot) -> NDArray[np.bool_]:
    """Which templates' pods a policy selects, shape (T,)."""
    spec = policy.spec
    across = spec.namespace_selector if isinstance(spec, ClusterPowerCappingPolicySpec) else None
    pods, namespaces = canonical(spec.selector or EVERYTHING), canonical(across or EVERYTHING)

    def selects(template: PodTemplate) -> bool:
        labels = snapshot.namespace_labels.get(template.namespace) or {NAMESPACE_NAME: template.namespace}
        own = policy.metadata.namespace in {"", template.namespace}
        return own and selector_matches(namespaces, labels) and selector_matches(pods, dict(template.labels))

    return np.array([selects(each) for each in snapshot.templates], dtype=np.bool_)
