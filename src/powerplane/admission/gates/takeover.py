"""What a replica has to have seen before it lets anybody go in another one's place.

A watch tells late, by milliseconds as a rule and by seconds in a storm. Pods that the replica before let go would still
seem to wait, and their watts would be given a second time. So the pods without a node are listed once, from the server
itself and not from a cache, after the Lease was taken, when nobody else can write any more; and nothing is decided
until the watch has told the same of every one of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import msgspec

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_kinds import KINDS
from powerplane.adapters.cluster_lists import Patience, list_all
from powerplane.admission.gates.books import GateBooks
from powerplane.admission.gates.facts import GRANTED_ANNOTATION, SeenPod
from powerplane.admission.gates.gating import GATE

UNBOUND: Final = replace(next(kind for kind in KINDS if kind.file == "pods"), field_selector="spec.nodeName=")
PATIENCE: Final = Patience(page_size=1000, timeout_s=5.0, attempts=1)
GIVE_UP_S: Final = 10.0
"""After this, a pod that was listed and that the watch never told of has come and gone between."""

Listed = Mapping[str, bool]
"""Pods without a node that stand behind our gate (True) or were let go from there (False), by UID."""


def list_unbound(access: ClusterAccess) -> Listed:
    """List all pods without a node, as they are at this moment.

    Raises
    ------
    UnreachableError
        When the API server does not answer, or refuses.
    """
    found = {}
    for raw in list_all(access, UNBOUND, PATIENCE):
        pod = msgspec.json.decode(raw, type=SeenPod)
        gated = any(gate.name == GATE for gate in pod.spec.scheduling_gates or ())
        if gated or GRANTED_ANNOTATION in (pod.metadata.annotations or {}):
            found[pod.metadata.uid] = gated
    return found


class Takeover:
    """Waits until the books have seen what stood when the Lease was taken.

    Parameters
    ----------
    books : GateBooks
    listed : callable
        ``list_unbound``.
    clock_s : float
        When the Lease was taken or later, by a clock that only goes on.

    Raises
    ------
    UnreachableError
        From ``listed``: nothing is known then, so begin again.
    """

    def __init__(self, books: GateBooks, listed: Callable[[], Listed], clock_s: float) -> None:
        self._books = books
        self._began_s = clock_s
        # Who waits by the books is asked first: a pod that comes after the list owes nothing.
        waiting = books.waiting()
        there = listed()
        self._gone = {uid for uid in waiting if not there.get(uid, False)}
        self._let_go = {uid for uid, gated in there.items() if not gated}

    def over(self, clock_s: float) -> bool:
        """Whether the books have caught up."""
        self._gone &= self._books.waiting()
        self._let_go = {uid for uid in self._let_go if not self._books.knows(uid)}
        return not self._gone and (not self._let_go or clock_s - self._began_s >= GIVE_UP_S)
