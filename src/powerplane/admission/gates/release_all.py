"""Every pod let go at once, by hand: the last resort, which needs the API server and nothing of ours.

Placeholders stay: they stand for room, hold nobody up, and go with their plan.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import msgspec

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_kinds import KINDS
from powerplane.adapters.cluster_lists import Patience, list_all
from powerplane.adapters.cluster_writes import Writer, pod_path
from powerplane.admission.gates.facts import SeenPod
from powerplane.admission.gates.gating import GATE
from powerplane.admission.gates.release_writes import lift
from powerplane.models.errors import UnreachableError
from powerplane.models.marks import MOVE_GATE

PODS = next(kind for kind in KINDS if kind.file == "pods")
PASSES = 5
"""Times that all pods are gone through; those that somebody else writes meanwhile need more than one."""

AT_ONCE = 8
OURS = (GATE, MOVE_GATE)


@dataclass(frozen=True, slots=True)
class Gated:
    """A pod behind gates of ours: who it is, and their names and places among its gates, the last first."""

    namespace: str
    name: str
    uid: str
    gates: tuple[tuple[int, str], ...]


def list_gated(access: ClusterAccess) -> list[Gated]:
    """Return every pod behind a gate of ours.

    Raises
    ------
    UnreachableError
        When the API server does not answer.
    """
    found = []
    for raw in list_all(access, PODS, Patience()):
        pod = msgspec.json.decode(raw, type=SeenPod)
        gates = [(place, gate.name) for place, gate in enumerate(pod.spec.scheduling_gates or ()) if gate.name in OURS]
        if gates:
            found.append(Gated(pod.metadata.namespace, pod.metadata.name, pod.metadata.uid, tuple(reversed(gates))))
    return found


def free_all(access: ClusterAccess) -> int:
    """Take our gates off every pod; others' gates stay.

    Returns
    -------
    int
        How many pods were let go.

    Raises
    ------
    UnreachableError
        When the API server does not answer, or some pod could not be written.
    """
    writer = Writer(access, timeout_s=5.0, attempts=3)
    freed: set[str] = set()
    told = ""
    for _ in range(PASSES):
        waiting = list_gated(access)
        if not waiting:
            return len(freed)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for pod, why in zip(waiting, pool.map(lambda each: _free(writer, each), waiting), strict=True):
                if why:
                    told = why
                else:
                    freed.add(pod.uid)
    raise UnreachableError(f"some pods still wait: {told or 'new ones keep coming'}", "stop the webhook, run it again")


def freeing(pod: Gated) -> list[dict[str, Any]]:
    """Return the operations (RFC 6902) that take our gates off a pod, and fail for another than was seen."""
    lifted = [operation for place, name in pod.gates for operation in lift(place, name)]
    return [{"op": "test", "path": "/metadata/uid", "value": pod.uid}, *lifted]


def _free(writer: Writer, pod: Gated) -> str:
    """Take the gates off one pod; return why it could not be."""
    written = writer.json_patch(pod_path(pod.namespace, pod.name), freeing(pod))
    return "" if written.ok or written.status == 404 else written.told
