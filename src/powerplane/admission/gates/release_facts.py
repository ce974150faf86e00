"""What the releaser's decisions are made of: what was seen, what was let go, what a look came to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from powerplane.admission.gates.books import Moment
from powerplane.admission.gates.cap_rooms import NO_CAPS, CapRules
from powerplane.admission.gates.facts import ANYWHERE, SENT, PodFact
from powerplane.admission.gates.ground import Ground
from powerplane.admission.gates.surges import Surge
from powerplane.models.power_tree import Ints

KEPT: Final = (SENT, ANYWHERE)
"""Notes of pods for which watts are kept until they are bound."""

Reason = Literal["headroom", "overdue", "no_policy"]
Outcome = Literal["done", "stale", "refused", "unknown"]
State = Literal["sending", "done", "stale", "unknown"]


@dataclass(frozen=True, slots=True)
class Terms:
    """How patient the releaser is.

    Parameters
    ----------
    patience_s : float
        A pod that has waited so long and fits nowhere has watts set aside for it.
    overdue_hold_s : float
        How long a pod that was let go without headroom is charged wherever it might go.
    unruled_s : float
        How long no policy must have asked a pod to wait before it goes: a policy may be made anew, and a pod be seen
        before its namespace is.
    stale_s : float
        How long to wait for the watch to show why a write was not taken, or what became of one without an answer.
    retry_s : float
        Until a write that failed is tried again.
    most_set_aside : int
        Pods, the first in the order, that watts are set aside for: each costs time at every look.
    """

    patience_s: float = 60.0
    overdue_hold_s: float = 30.0
    unruled_s: float = 30.0
    stale_s: float = 10.0
    retry_s: float = 1.0
    most_set_aside: int = 256


@dataclass(frozen=True, slots=True)
class Release:
    """A pod that is let go.

    Parameters
    ----------
    pod : PodFact
    reason : str
        "headroom"; "overdue": it has waited as long as its policy lets it; "no_policy": no policy holds it any more.
    nodes : tuple of str
        Where it may come to stand; empty: anywhere that its own rules let it go to.
    hostnames : tuple of str
        Labels of these nodes.
    """

    pod: PodFact
    reason: Reason
    nodes: tuple[str, ...] = ()
    hostnames: tuple[str, ...] = ()

    @property
    def granted(self) -> str:
        """What is noted on the pod."""
        return ANYWHERE if self.reason == "headroom" and not self.nodes else self.reason


@dataclass(frozen=True, slots=True)
class Grant:
    """A release that the watch does not show yet."""

    release: Release
    at_s: float
    state: State = "sending"


@dataclass(frozen=True, slots=True)
class Round:
    """What one look came to.

    Parameters
    ----------
    releases : tuple of Release
        To be written.
    waiting : int
        Pods that stay behind the gate.
    set_aside : int
        Of these, those that have watts kept back.
    never : int
        Of these, those that fit no node even if nobody else were there.
    oldest_s : float
        How long the oldest of them has waited.
    on_their_way : int
        Pods let go and not bound yet.
    on_their_way_s : float
        How long the first of them has been so.
    surge : int
        Pods of roll-outs that watts are held back for.
    """

    releases: tuple[Release, ...] = ()
    waiting: int = 0
    set_aside: int = 0
    never: int = 0
    oldest_s: float = 0.0
    on_their_way: int = 0
    on_their_way_s: float = 0.0
    surge: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """All that a decision rests on.

    Parameters
    ----------
    moment : Moment
    ground : Ground
    most_s : callable
        How long a pod may be held; None where no policy asks it to wait.
    weights : mapping of namespace to int
        Quotas of watts.
    now_s : float
        By the time of day, as pods' creation is told.
    clock_s : float
        By a clock that only goes on.
    extra_mw : int64 array, shape (N,), or None
        What nodes draw beyond the books, as measured.
    surges : tuple of Surge
        What is held back for roll-outs in progress.
    caps : CapRules
        Policies' own caps.
    """

    moment: Moment
    ground: Ground
    most_s: Callable[[PodFact], float | None]
    weights: Mapping[str, int]
    now_s: float
    clock_s: float
    extra_mw: Ints | None = None
    surges: tuple[Surge, ...] = ()
    caps: CapRules = NO_CAPS
