"""What the server asks, and what it is told: the seam between the wire and what decides.

An implementation answers from memory. The server calls `filter`, `prioritize` and `preempt` on the event loop, one
after the other, because the scheduler asks for one pod at a time and waits: each must do no I/O and end within a
millisecond. An exception is told to the scheduler as an error, which keeps the pod waiting.
"""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from powerplane.scheduler_extender.wire import BindArgs, FilterArgs, PreemptArgs, Victims

NOTHING_FAILED: Mapping[str, str] = {}


class FilterAnswer(msgspec.Struct, frozen=True):
    """Which of the nodes in question may take the pod.

    Parameters
    ----------
    names : tuple of str or None
        Names that pass, in the order asked. None: all of them, which is sent back without being encoded again.
    failed : mapping of str to str
        Node to reason where fewer pods would help; preemption may be tried there. The same words on each node let
        the scheduler count them in one line ("12 node(s) …").
    unresolvable : mapping of str to str
        Node to reason where no preemption helps. A node in neither is taken for one of these.
    error : str
        Says why there is no answer; the scheduler then keeps the pod waiting (or, with `ignorable`, goes on without).
    """

    names: tuple[str, ...] | None = None
    failed: Mapping[str, str] = NOTHING_FAILED
    unresolvable: Mapping[str, str] = NOTHING_FAILED
    error: str = ""


class PreemptAnswer(msgspec.Struct, frozen=True):
    """Nodes where preemption may go on, and its victims there; none stops it.

    Parameters
    ----------
    victims : mapping of str to Victims
        A subset of the nodes asked about. Each victim must run on that node, and there must be at least one.
    """

    victims: Mapping[str, Victims]


class Answers(Protocol):
    """Decides about new pods."""

    def filter(self, args: FilterArgs) -> FilterAnswer:
        """Say where the pod may go."""
        ...

    def prioritize(self, args: FilterArgs) -> bytes:
        """Return a JSON array of ``{"Host": name, "Score": 0..10}``."""
        ...

    def preempt(self, args: PreemptArgs) -> PreemptAnswer:
        """Say which of the proposed preemptions would make room under every budget."""
        ...

    async def bind(self, args: BindArgs) -> str:
        """Bind the pod to its node; return "", or why it was not."""
        ...

    def ready(self) -> tuple[bool, str]:
        """Say whether there is enough to answer from, and if not, what is missing. Cheap: asked before each verb."""
        ...
