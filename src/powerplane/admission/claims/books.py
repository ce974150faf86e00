"""Pods and claims kept in step with the watches: who claims what, and what pods draw that they have not claimed."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from powerplane.adapters.watch import Batch
from powerplane.adapters.watch_kinds import by_uid
from powerplane.admission.claims.facts import (
    ClaimFact,
    ClaimingFact,
    SeenClaim,
    claim_fact,
    claiming_fact,
)
from powerplane.admission.claims.layout import Layout
from powerplane.admission.claims.names import Template
from powerplane.admission.gates.facts import SeenPod
from powerplane.admission.gates.headroom import drawn_mw
from powerplane.models.power_tree import Ints, PowerTree

BELIEVED_S = 10.0
"""How long a bound pod that names a template of ours is believed to hold it while its claim is not seen: the two come
by watches of their own."""

NOTHING: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """What bound pods draw.

    Parameters
    ----------
    drawn_mw : int64 array, shape (N,)
        All of it.
    beside_mw : int64 array, shape (L, N)
        What is not claimed from the node's device of each level.
    pods : int
        Pods that have not claimed all they draw at each level.
    """

    drawn_mw: Ints
    beside_mw: Ints
    pods: int


class ClaimBooks:
    """What the watches of pods and claims told, under one lock.

    Parameters
    ----------
    clock : callable
        Seconds that only go on.
    changed : callable
    """

    def __init__(self, clock: Callable[[], float], changed: Callable[[], None] = lambda: None) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._changed = changed
        self._pods: dict[str, ClaimingFact] = {}
        self._bound_s: dict[str, float] = {}
        self._claims: dict[tuple[str, str], ClaimFact] = {}
        self._held: dict[str, dict[tuple[str, str], ClaimFact]] = {}

    def pods(self, batch: Batch[SeenPod]) -> None:
        """Take in a batch of pods."""
        told = batch.facts(by_uid, claiming_fact)
        with self._lock:
            for uid in batch.gone(told, self._pods):
                self._put_pod(uid, None)
            news = batch.replace
            for uid, fact in told:
                news = self._put_pod(uid, fact) or news
        if news:
            self._changed()

    def claims(self, batch: Batch[SeenClaim]) -> None:
        """Take in a batch of claims."""
        told = [(what, claim_fact(each)) for what, each in batch.changes]
        with self._lock:
            if batch.replace:
                self._claims.clear()
                self._held.clear()
            for what, fact in told:
                self._drop_claim(fact.key)
                if what != "DELETED" and fact.held_mw:
                    self._claims[fact.key] = fact
                    for uid in fact.pods:
                        self._held.setdefault(uid, {})[fact.key] = fact
        self._changed()

    def wanted(self) -> set[tuple[str, Template]]:
        """Return the templates that live pods name, each in its namespace."""
        with self._lock:
            return {(pod.namespace, pod.template) for pod in self._pods.values() if pod.template is not None}

    def beside(self, tree: PowerTree, layout: Layout) -> Beside:
        """Return what bound pods draw on the nodes of a tree, and what of it they have not claimed.

        A pod that holds less of a device than it draws (another's template, a level that came later, a node that was
        moved to another rack) counts with the rest.
        """
        now = self._clock()
        pools = [device.pool for device in layout.devices]
        at = layout.device_at
        drawn = np.zeros(len(tree), dtype=np.int64)
        beside = np.zeros(at.shape, dtype=np.int64)
        count = 0
        with self._lock:
            for pod in self._pods.values():
                column = tree.index.get(pod.node)
                if column is None:
                    continue
                mw = drawn_mw(tree, pod.draw, column)
                drawn[column] += mw
                held, believed = self._holds(pod, now)
                short = False
                for level, name in enumerate(layout.levels):
                    got = believed if pod.template is not None and name in pod.template.levels else 0
                    rest = mw - max(got, held.get(pools[at[level, column]], 0))
                    if rest > 0:
                        beside[level, column] += rest
                        short = True
                count += short
        return Beside(drawn, beside, count)

    def _holds(self, pod: ClaimingFact, now: float) -> tuple[Mapping[str, int], int]:
        """Milliwatts by pool, and what is believed to be held at each level of its template."""
        claims = self._held.get(pod.uid)
        if claims is None:
            fresh = pod.template is not None and now - self._bound_s.get(pod.uid, now) < BELIEVED_S
            return NOTHING, pod.template.watts * 1000 if fresh and pod.template is not None else 0
        if len(claims) == 1:
            return next(iter(claims.values())).held_mw, 0
        total: dict[str, int] = {}
        for claim in claims.values():
            for pool, mw in claim.held_mw.items():
                total[pool] = total.get(pool, 0) + mw
        return total, 0

    def _put_pod(self, uid: str, fact: ClaimingFact | None) -> bool:
        before = self._pods.pop(uid, None)
        if fact is None:
            self._bound_s.pop(uid, None)
        else:
            self._pods[uid] = fact
            if fact.node:
                self._bound_s.setdefault(uid, self._clock())
        return before != fact

    def _drop_claim(self, key: tuple[str, str]) -> None:
        before = self._claims.pop(key, None)
        for uid in before.pods if before else ():
            own = self._held.get(uid, {})
            own.pop(key, None)
            if not own:
                self._held.pop(uid, None)
