"""Every pod let go at once, by hand: the last resort, which needs the API server and nothing of ours."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import msgspec

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_kinds import KINDS
from powerplane.adapters.cluster_lists import Patience, list_items
from powerplane.adapters.cluster_writes import Writer, pod_path
from powerplane.admission.gates.facts import SeenPod
from powerplane.admission.gates.gating import GATE
from powerplane.admission.gates.release_writes import lift
from powerplane.models.errors import UnreachableError

PODS = next(kind for kind in KINDS if kind.file == "pods")
PASSES = 5
"""Times that all pods are gone through; those that somebody else writes meanwhile need more than one."""

AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Gated:
    """A pod behind our gate: who it is, and the place of the gate among its gates."""

    namespace: str
    name: str
    uid: str
    gate: int


def list_gated(access: ClusterAccess) -> list[Gated]:
    """Return every pod behind our gate.

    Raises
    ------
    UnreachableError
        When the API server does not answer.
    """
    # Each list that it yields holds the one before; the last one is the whole.
    pages = list(list_items(access, PODS, Patience())) or [[]]
    found = []
    for raw in pages[-1]:
        pod = msgspec.json.decode(raw, type=SeenPod)
        gates = [gate.name for gate in pod.spec.scheduling_gates or ()]
        if GATE in gates:
            found.append(Gated(pod.metadata.namespace, pod.metadata.name, pod.metadata.uid, gates.index(GATE)))
    return found


def free_all(access: ClusterAccess) -> int:
    """Take our gate off every pod; others' gates stay.

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


def _free(writer: Writer, pod: Gated) -> str:
    """Take the gate off one pod; return why it could not be."""
    operations = [{"op": "test", "path": "/metadata/uid", "value": pod.uid}, *lift(pod.gate)]
    written = writer.json_patch(pod_path(pod.namespace, pod.name), operations)
    return "" if written.ok or written.status == 404 else written.told
