"""What an alert is: of which domain or pods, under which policy, how bad, and what would have been done."""

from hashlib import sha256
from typing import Literal, NamedTuple

import msgspec

from powerplane.models.api.capping_policy import Lever

Kind = Literal["DomainOverBudget", "DomainOverIfFeedLost", "DrawUnknown", "PodsOverCap"]
"""A domain draws too much; would, with a feed lost; may, for all that is measured; pods hold too much together."""

Severity = Literal["warning", "critical"]
"""Critical is what passes a domain's own budget, which is what its breaker bears; all else is a warning."""

Standing = Literal["over", "between", "under"]
"""Over: certainly above the limit. Under: certainly below it, with the margin for noise. Between: neither."""

What = Literal["fired", "worsened", "repeated", "resolved", "test"]
Ended = Literal["", "under", "withdrawn"]
"""Why it resolved: the draw fell, or nobody asks any more (the policy or the domain is gone, or acts by itself)."""

LONGEST_ID = 32


class AlertKey(NamedTuple):
    """What makes two alerts the same one.

    Parameters
    ----------
    kind : Kind
    subject : str
        Name of the domain; of ``PodsOverCap`` the policy's own.
    policy : str
        ``namespace/name`` of a policy, ``/name`` of a cluster policy, "" for the domain's own budget.
    """

    kind: Kind
    subject: str
    policy: str


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """Base: immutable, and left out where it is the default."""


class Remedy(Told, frozen=True):
    """What would have been done, if the policy's mode were Enforce.

    Parameters
    ----------
    lever : Lever or ""
        The first that the policy allows; "" where it allows none.
    freed_mw : int
        What it would take off, by the books of pods.
    pods : tuple of str
        ``namespace/name``, those that matter most first; some of them where there are many.
    count : int
        How many pods there are in all.
    enough : bool
        Whether that takes all of the excess away.
    """

    lever: Lever | Literal[""] = ""
    freed_mw: int = 0
    pods: tuple[str, ...] = ()
    count: int = 0
    enough: bool = False


class Finding(Told, frozen=True):
    """How one thing stands at one moment.

    Parameters
    ----------
    key : AlertKey
    standing : Standing
    severity : Severity
    draw_mw, limit_mw : int
        What is drawn, at the least; and what may be.
    mode : str
        Of the policy; "" without one.
    level : str
        Kind of the domain, such as rack.
    detail : str
        What is not known, or which feed is taken as lost.
    remedy : Remedy
    """

    key: AlertKey
    standing: Standing
    severity: Severity
    draw_mw: int
    limit_mw: int
    mode: str = ""
    level: str = ""
    detail: str = ""
    remedy: Remedy = Remedy()

    @property
    def over_mw(self) -> int:
        """Milliwatts above the limit; 0 where it holds."""
        return max(0, self.draw_mw - self.limit_mw)


class Notice(Told, frozen=True):
    """One thing to tell of an alert.

    Parameters
    ----------
    episode : str
        The same from the firing of an alert to its resolution.
    sequence : int
        Place among the notices of its episode, from 1.
    what : What
    at_s, began_s : float
        When this is so, and since when the alert fires; Unix seconds.
    finding : Finding
        As it was then; of a resolved one, as it was last seen.
    ended : Ended
    """

    episode: str
    sequence: int
    what: What
    at_s: float
    began_s: float
    finding: Finding
    ended: Ended = ""

    @property
    def id(self) -> str:
        """The same whenever this is told again."""
        return f"{self.episode}-{self.sequence}"


def digest(*parts: object) -> str:
    """Return an identifier of some parts: the same for the same parts, and for no others."""
    return sha256(msgspec.json.encode(parts)).hexdigest()[:LONGEST_ID]
