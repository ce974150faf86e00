"""Giving the resource up: the number is taken off every node, and running pods stay.

The order of an uninstall: the webhook stops adding requests, then the controller ends (its Lease becomes free), then
this. A pod that requests watts and is not bound yet would wait for ever afterwards, so that is refused.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_kinds import KINDS, ListedKind
from powerplane.adapters.cluster_lists import Patience, list_items
from powerplane.adapters.cluster_writes import Writer
from powerplane.adapters.lease import LeaseElector
from powerplane.models.errors import InputError, UnreachableError
from powerplane.node_watts.facts import NodeFact, SeenNode, SeenPod, node_fact, pod_fact
from powerplane.node_watts.seen import Write
from powerplane.node_watts.writing import carry_out

NODES, PODS = (next(kind for kind in KINDS if kind.file == file) for file in ("nodes", "pods"))
PASSES = 5
"""Times that all nodes are gone through; those that somebody else writes meanwhile need more than one."""


@dataclass(frozen=True, slots=True)
class TakenOff:
    """What was done.

    Parameters
    ----------
    nodes : int
        Nodes that listed watts or were closed by us.
    waiting : tuple of str
        ``namespace/name`` of pods that now wait for ever, where it was forced.
    """

    nodes: int
    waiting: tuple[str, ...]


def take_off(
    access: ClusterAccess,
    lease: LeaseElector,
    *,
    force: bool = False,
    lease_s: float = 20.0,
    sleep: Callable[[float], None] = time.sleep,
) -> TakenOff:
    """Take ``powerplane.dev/watts`` and our taint off all nodes.

    Parameters
    ----------
    access : ClusterAccess
    lease : LeaseElector
        A candidate for the controller's own Lease, not started: nobody may write numbers meanwhile.
    force : bool
        Whether to go on though pods wait that request watts.
    lease_s : float
        How long to stand for the Lease.
    sleep : callable

    Raises
    ------
    InputError
        When a controller still runs, or pods wait.
    UnreachableError
        When the API server does not answer, or some node could not be written.
    """
    waiting = _waiting(access)
    if waiting and not force:
        raise InputError(
            f"{len(waiting)} pods that request powerplane.dev/watts wait for a node, {waiting[0]} first",
            "stop the webhook and let them be made anew without the request, or pass --force to leave them waiting",
        )
    lease.start()
    try:
        _await_lead(lease, lease_s, sleep)
        return TakenOff(_strip(access, Writer(access, timeout_s=5.0, attempts=3)), waiting)
    finally:
        lease.stop()


def _await_lead(lease: LeaseElector, lease_s: float, sleep: Callable[[float], None]) -> None:
    for _ in range(max(1, int(lease_s / 0.2))):
        if lease.leading():
            return
        sleep(0.2)
    raise InputError(
        "a controller still writes the nodes' watts",
        "scale it to zero first (`kubectl -n powerplane-system get lease powerplane-node-watts` names it)",
    )


def _strip(access: ClusterAccess, writer: Writer) -> int:
    touched: set[str] = set()
    told = ""
    for _ in range(PASSES):
        left = [node for node in _nodes(access) if node.allocatable is not None or node.capacity is not None]
        closed = [node for node in _nodes(access) if node.closed]
        if not left and not closed:
            return len(touched)
        for node in left:
            touched.add(node.name)
            told = carry_out(writer, Write(node.name, node.version, "watts", 0), node)[1] or told
        for node in _nodes(access):
            if node.closed:
                touched.add(node.name)
                told = carry_out(writer, Write(node.name, node.version, "open"), node)[1] or told
    raise UnreachableError(f"some nodes still list watts: {told}", "run it again")


def _nodes(access: ClusterAccess) -> list[NodeFact]:
    return [node_fact(msgspec.json.decode(raw, type=SeenNode)) for raw in _all(access, NODES)]


def _waiting(access: ClusterAccess) -> tuple[str, ...]:
    pods = (pod_fact(msgspec.json.decode(raw, type=SeenPod)) for raw in _all(access, PODS))
    return tuple(f"{pod.namespace}/{pod.name}" for pod in pods if pod is not None and pod.watts and not pod.node)


def _all(access: ClusterAccess, kind: ListedKind) -> list[msgspec.Raw]:
    # Each list that it yields holds the one before; the last one is the whole.
    return (list(list_items(access, kind, Patience())) or [[]])[-1]
