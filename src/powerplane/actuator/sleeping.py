"""Nodes that are to sleep: closed for new pods, told empty once nothing moves on them, and opened again.

What is on a node says how far it has come, so that whoever takes over goes on from there. Pods are moved by plans, as
ever; here a node is only marked. Nothing is closed while all is stopped; what is ours is taken off at any time.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from powerplane.actuator.facts import PodFact
from powerplane.actuator.outcomes import STALE
from powerplane.actuator.plan_writing import moment
from powerplane.actuator.world import World
from powerplane.adapters.cluster_writes import Writer, node_path
from powerplane.adapters.watch import Batch
from powerplane.models.objects import Node
from powerplane.models.sleeping import (
    READY_ANNOTATION,
    closing,
    is_closed,
    is_ours,
    is_wanted,
    opening,
    telling,
    why_not,
)

LOG = logging.getLogger(__name__)

What = Literal["Close", "Open", "Empty", "NotEmpty"]
TOLD: dict[What, str] = {
    "Close": "closed for new pods, as it is to sleep",
    "Open": "open again",
    "Empty": "holds nothing but its own pods, and may sleep",
    "NotEmpty": "holds pods again",
}
REST_S = 5.0
"""Between two writes to one node."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What is to be written on a node."""

    node: str
    what: What
    patch: list[dict[str, Any]]


class SleepBooks:
    """Nodes as the watch brings them.

    Parameters
    ----------
    world : World
        Takes each batch in as well.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._nodes: dict[str, Node] = {}

    def take(self, batch: Batch[Node]) -> None:
        """Take in a batch of nodes."""
        with self._lock:
            if batch.replace:
                self._nodes.clear()
            for what, each in batch.changes:
                self._nodes.pop(each.metadata.name, None)
                if what != "DELETED":
                    self._nodes[each.metadata.name] = each
        self._world.nodes(batch)

    def marks(self, stop: str, now: str) -> tuple[list[Mark], dict[str, str]]:
        """Return what is to be written, and why nodes that are asked for are not closed.

        Parameters
        ----------
        stop : str
            Why everything is stopped; "" where it is not.
        now : str
            RFC 3339.
        """
        with self._lock:
            nodes = list(self._nodes.values())
        found: list[Mark] = []
        refused: dict[str, str] = {}
        for node in nodes:
            name = node.metadata.name
            if not is_wanted(node):
                if is_ours(node):
                    found.append(Mark(name, "Open", opening(node)))
            elif is_closed(node):
                found += self._told(node, now)
            elif stop or any(each.what == "Close" for each in found):
                # One at a time: the next look counts what this one has closed.
                continue
            elif told := why_not(node, nodes):
                refused[name] = told
            else:
                found.append(Mark(name, "Close", closing(node)))
        return found, refused

    def _told(self, node: Node, now: str) -> list[Mark]:
        name, says = node.metadata.name, READY_ANNOTATION in (node.metadata.annotations or {})
        with self._world.still():
            empty = all(stays_with_its_node(pod) for pod in self._world.on(name))
        if empty == says:
            return []
        return [Mark(name, "Empty" if empty else "NotEmpty", telling(node, now if empty else None))]


def stays_with_its_node(pod: PodFact) -> bool:
    """Whether a pod goes to sleep with its node: of a DaemonSet, a mirror of a static pod, or ended."""
    return pod.finished or pod.owner_kind in ("DaemonSet", "Node") or pod.stays == "mirror pod"


class Sleeper:
    """Has marks written, one at a time for each node.

    Parameters
    ----------
    books : SleepBooks
    writer : Writer
    may : callable
        Whether a token still holds.
    told : callable
        What was done, and with which outcome.
    clock : callable
        Seconds that only go on.
    """

    def __init__(
        self,
        books: SleepBooks,
        writer: Writer,
        may: Callable[[int], bool],
        told: Callable[[str, str], None],
        clock: Callable[[], float],
    ) -> None:
        self._books = books
        self._writer = writer
        self._may = may
        self._told = told
        self._clock = clock
        self._until_s: dict[str, float] = {}
        self._refused: dict[str, str] = {}

    def look(self, stop: str, now_s: float, token: int, submit: Callable[[Callable[[], None]], object]) -> None:
        """Look once, and have done what is asked for.

        Parameters
        ----------
        stop : str
            Why nothing may be begun; "" where something may.
        now_s : float
            Unix seconds.
        token : int
            Of this replica.
        submit : callable
            Has something done on another thread.
        """
        marks, refused = self._books.marks(stop, moment(now_s))
        for node, why in refused.items():
            if self._refused.get(node) != why:
                LOG.warning("%s is to sleep and is not closed: %s", node, why)
        self._refused = refused
        clock_s = self._clock()
        self._until_s = {node: until_s for node, until_s in self._until_s.items() if until_s > clock_s}
        for mark in marks:
            if mark.node not in self._until_s:
                self._until_s[mark.node] = clock_s + REST_S
                submit(partial(self._write, mark, token))

    def _write(self, mark: Mark, token: int) -> None:
        if not self._may(token):
            return
        written = self._writer.json_patch(node_path(mark.node), mark.patch)
        self._told(mark.what, written.outcome)
        if written.ok:
            LOG.info("node %s: %s", mark.node, TOLD[mark.what])
        elif written.status not in STALE:
            LOG.warning("node %s is not marked: %s", mark.node, written.told)
