"""Prices that keep work per watt: pods that do much with a watt, or too little for their policy, are moved last."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from powerplane.models.api.capping_policy import CappingPolicyObject, Mode
from powerplane.models.api.policies import PolicyKey
from powerplane.models.snapshot import Snapshot
from powerplane.models.work.performance import Performance
from powerplane.models.work.worth import rank_worths, target_worth
from powerplane.recommender.performing import Standing
from powerplane.recommender.performing_facts import asking_of, reached

ASSUMPTION = (
    "A move costs 2 more for pods whose work per watt a policy wants kept, where it is near its target or below,"
    " and up to 1 more for pods of workloads that do much with a watt beside others by the same metric."
)


def weighed(
    snapshot: Snapshot,
    policies: Iterable[CappingPolicyObject],
    standings: Mapping[PolicyKey, Standing],
    workloads: Mapping[tuple[str, str], Performance],
    modes: Collection[Mode],
) -> Snapshot:
    """Return the snapshot with prices that keep work per watt.

    Parameters
    ----------
    snapshot : Snapshot
    policies : iterable of policies
    standings : mapping
        How their ratios stand.
    workloads : mapping
        What workloads did, by workload and metric.
    modes : collection of Mode
        Modes whose policies count.
    """
    worth = _by_rank(snapshot, workloads)
    for key, (policy, ratio) in asking_of(policies).items():
        standing = standings.get(key)
        performance = standing.performance if standing is not None else None
        if policy.spec.mode in modes and performance is not None and performance.tells:
            least = target_worth(performance.per_watt, ratio.target)
            worth = np.where(reached(policy, snapshot), np.maximum(worth, least), worth)
    if not worth.any():
        return snapshot
    templates = tuple(
        replace(each, worth=more) if more else each
        for each, more in zip(snapshot.templates, worth.tolist(), strict=True)
    )
    return replace(snapshot, templates=templates, assumptions=(*snapshot.assumptions, ASSUMPTION))


def _by_rank(snapshot: Snapshot, workloads: Mapping[tuple[str, str], Performance]) -> NDArray[np.int64]:
    by_metric: dict[str, dict[str, float]] = {}
    for (owner, metric), performance in workloads.items():
        if performance.tells:
            by_metric.setdefault(metric, {})[owner] = performance.per_watt
    worth = {owner: more for each in by_metric.values() for owner, more in rank_worths(each).items()}
    names = [f"{each.namespace}/{each.owner}" for each in snapshot.templates]
    return np.array([worth.get(name, 0) for name in names], dtype=np.int64)
