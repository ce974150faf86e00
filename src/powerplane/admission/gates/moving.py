"""The gate of moves, and the way out from behind it where nobody is there to lift it.

A pod that comes in place of a moved one waits until the actuator has nominated it to its node, which takes moments. Who
waits for longer was forgotten: by an actuator that is gone, or by one that does not know of the pod. The gates'
releaser lets those go; no watts are asked for them here, since whatever else holds them holds on.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from powerplane.adapters.cluster_writes import pod_path
from powerplane.adapters.lease_look import Lease
from powerplane.adapters.watch import Batch
from powerplane.admission.gates.facts import SeenPod
from powerplane.admission.gates.release_writes import STALE, PodWrites, lift
from powerplane.models.marks import MOVE_GATE


@dataclass(frozen=True, slots=True)
class MoveTerms:
    """How patient the releaser is with whoever moves pods.

    Parameters
    ----------
    every_s : float
        Between two looks at the actuator's Lease, while pods wait.
    gone_s : float
        A Lease that nobody renews for so long has no holder.
    most_s : float
        No pod waits for longer, whoever holds the Lease.
    """

    every_s: float = 5.0
    gone_s: float = 60.0
    most_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Behind:
    """A pod behind the gate of moves, and the gate's place among its gates."""

    uid: str
    namespace: str
    name: str
    gate: int


class MoveGates:
    """Who waits behind the gate of moves, and who has waited for too long.

    Parameters
    ----------
    clock : callable
        Seconds that only go on.
    terms : MoveTerms, optional
    """

    def __init__(self, clock: Callable[[], float], terms: MoveTerms | None = None) -> None:
        self._clock = clock
        self._terms = terms or MoveTerms()
        self._lock = threading.Lock()
        self._behind: dict[str, tuple[Behind, float]] = {}
        self._looked_s = float("-inf")
        self._lived_s = clock()
        self._version = ""

    def pods(self, batch: Batch[SeenPod]) -> None:
        """Take in a batch of pods, on the watch's thread."""
        now_s = self._clock()
        with self._lock:
            before = self._behind
            if batch.replace:
                self._behind = {}
            for what, pod in batch.changes:
                held = None if what == "DELETED" else _behind(pod)
                had = before.get(pod.metadata.uid)
                self._behind.pop(pod.metadata.uid, None)
                if held is not None:
                    self._behind[held.uid] = (held, had[1] if had else now_s)

    def is_due(self) -> bool:
        """Whether it is time to look at the actuator's Lease again."""
        return bool(self._behind) and self._clock() - self._looked_s >= self._terms.every_s

    def overdue(self, lease: Lease | None) -> list[Behind]:
        """Take in how the actuator's Lease stands, and return who is to be let go.

        Parameters
        ----------
        lease : Lease or None
            None where there is none, or it cannot be read.
        """
        now_s = self._clock()
        if now_s - self._looked_s > self._terms.gone_s:
            # Not looked at for long: nobody knows how long it has stood like this.
            self._lived_s = now_s
        self._looked_s = now_s
        if lease is not None and lease.holder and lease.metadata.resource_version != self._version:
            self._version, self._lived_s = lease.metadata.resource_version, now_s
        gone = now_s - self._lived_s >= self._terms.gone_s
        with self._lock:
            return [pod for pod, since_s in self._behind.values() if gone or now_s - since_s >= self._terms.most_s]


def let_successor_go(writer: PodWrites, pod: Behind) -> str:
    """Lift the gate of moves from one pod; return why it could not be, "" where it is off or the pod is another now."""
    operations = [{"op": "test", "path": "/metadata/uid", "value": pod.uid}, *lift(pod.gate, MOVE_GATE)]
    written = writer.json_patch(pod_path(pod.namespace, pod.name), operations)
    return "" if written.ok or written.status in STALE else written.told


def _behind(pod: SeenPod) -> Behind | None:
    meta = pod.metadata
    gates = [gate.name for gate in pod.spec.scheduling_gates or ()]
    if MOVE_GATE not in gates or meta.deletion_timestamp is not None:
        return None
    return Behind(meta.uid, meta.namespace, meta.name, gates.index(MOVE_GATE))
