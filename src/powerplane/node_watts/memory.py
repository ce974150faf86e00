"""What the scheduler may still believe: numbers that were listed a moment ago, or may be listed any moment."""

from dataclasses import dataclass, field

import numpy as np

from powerplane.node_watts.seen import Outcome, Seen, Write
from powerplane.solver.partition_rows import Ints

REFUSED_S = 2.0
"""Pause after a refusal, unless the node changes sooner: what was refused for one version will be again."""

SHOWS_S = 60.0
"""What was written has shown by then: a watch that is more behind is not decided by."""


@dataclass(slots=True)
class NodeMemory:
    """What is remembered of one node.

    Attributes
    ----------
    listed : int
        As last seen.
    held : list of (watts, until_s)
        Numbers seen before, which the scheduler may act on until then.
    sent : Write or None
        A write of which no trace has been seen yet.
    sent_until_s : float or None
        When a write whose outcome is unknown can no longer take effect; None while it must still show.
    closed_since_s : float or None
        Since when our taint has been seen on it.
    refused : (str, float) or None
        Version for which a write was refused, and until when it is not tried again for the same.
    """

    listed: int = 0
    held: list[tuple[int, float]] = field(default_factory=list)
    sent: Write | None = None
    sent_until_s: float | None = None
    closed_since_s: float | None = None
    refused: tuple[str, float] | None = None

    @property
    def idle(self) -> bool:
        """Whether there is nothing to remember."""
        return not self.held and self.sent is None


class Memory:
    """The ceilings of all nodes: the most that the scheduler could bind there by anything it may have seen.

    Parameters
    ----------
    settle_s : float
        The longest time from a change to the moment when the scheduler acts by it no more *and* our own watches show
        what it did.
    expiry_s : float
        How long a write whose outcome is unknown may still take effect.
    """

    def __init__(self, settle_s: float, expiry_s: float) -> None:
        self._settle_s = settle_s
        self._expiry_s = expiry_s
        self._nodes: dict[str, NodeMemory] = {}

    def of(self, name: str) -> NodeMemory:
        """Return what is remembered of a node."""
        return self._nodes.setdefault(name, NodeMemory())

    def see(self, seen: Seen, now_s: float) -> None:
        """Take in a new moment."""
        rows = zip(seen.names, seen.versions, seen.listed.tolist(), seen.closed.tolist(), strict=True)
        for name, version, listed, closed in rows:
            self._see_node(self.of(name), version, listed, closed, now_s)
        present = set(seen.names)
        for name in [name for name in self._nodes if name not in present]:
            # A node of the same name may come back while the scheduler still knows the old one.
            self._see_node(self._nodes[name], "", 0, False, now_s)
            if self._nodes[name].idle:
                del self._nodes[name]

    def _see_node(self, node: NodeMemory, version: str, listed: int, closed: bool, now_s: float) -> None:
        node.held = [(watts, until) for watts, until in node.held if until > now_s]
        if not closed:
            node.closed_since_s = None
        elif node.closed_since_s is None:
            node.closed_since_s = now_s
        if listed < node.listed and not self.shut(node, now_s):
            node.held.append((node.listed, now_s + self._settle_s))
        node.listed = listed
        if node.refused is not None and (version != node.refused[0] or now_s >= node.refused[1]):
            node.refused = None
        # A write is bound to the version in which the node was seen: any other version proves it done or dead.
        expired = node.sent_until_s is not None and now_s >= node.sent_until_s
        if node.sent is not None and (version != node.sent.version or expired):
            if node.sent.watts > listed and not expired:
                # Done, and undone before we saw it: by a node that registered again.
                node.held.append((node.sent.watts, now_s + self._settle_s))
            node.sent, node.sent_until_s = None, None

    def busy(self, name: str) -> bool:
        """Say whether a write is on its way, or was refused a moment ago for the version that we still see."""
        node = self.of(name)
        return node.sent is not None or node.refused is not None

    def fell(self, name: str) -> bool:
        """Say whether a node listed more a moment ago, so that pods may be bound to it that do not show yet."""
        return bool(self.of(name).held)

    def shut(self, node: NodeMemory, now_s: float) -> bool:
        """Say whether a node has been closed for so long that nothing can be bound to it any more."""
        return node.closed_since_s is not None and now_s >= node.closed_since_s + self._settle_s

    def ceiling(self, seen: Seen) -> Ints:
        """Return the most watts of pods that each node may come to hold before anything else is written."""
        ceiling = np.maximum(seen.upper, seen.bound)
        for i, name in enumerate(seen.names):
            node = self._nodes[name]
            if not node.idle:
                sent = node.sent.watts if node.sent is not None else 0
                ceiling[i] = max(int(ceiling[i]), sent, *(watts for watts, _ in node.held))
        return ceiling

    def send(self, write: Write) -> None:
        """Remember that a write is on its way."""
        node = self.of(write.node)
        node.sent, node.sent_until_s = write, None

    def note(self, write: Write, outcome: Outcome, now_s: float) -> None:
        """Take in what became of a write."""
        node = self.of(write.node)
        if node.sent != write:
            return
        if outcome == "refused":
            node.sent, node.refused = None, (write.version, now_s + REFUSED_S)
        else:
            # What was done shows in our watch; a write that changed nothing never does.
            node.sent_until_s = now_s + (self._expiry_s if outcome == "unknown" else SHOWS_S)
