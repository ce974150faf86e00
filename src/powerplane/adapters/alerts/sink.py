"""Where an alert may go: the seam between what delivers and what is delivered to."""

from typing import Literal, NamedTuple, Protocol, runtime_checkable

from powerplane.models.alerts.alert import Notice
from powerplane.models.alerts.grouping import Bundle

Delivered = Literal["ok", "failed", "refused"]
"""``failed`` may pass, and is tried again; ``refused`` will not, and is given up."""


class Sent(NamedTuple):
    """What an attempt came to.

    Parameters
    ----------
    outcome : Delivered
    told : str
        Why not, in words, without a secret; "" where it went well.
    retry_after_s : float or None
        The pause that the receiver asks for.
    """

    outcome: Delivered
    told: str = ""
    retry_after_s: float | None = None


class Sink(Protocol):
    """A receiver. Used by one thread at a time."""

    @property
    def name(self) -> str:
        """Its name, in metrics, messages and the outbox."""
        ...

    def send(self, bundle: Bundle) -> Sent:
        """Try once; whatever goes wrong is told in the answer."""
        ...


@runtime_checkable
class Renewing(Protocol):
    """A receiver that forgets what it is not told again."""

    def renew(self, firing: tuple[Notice, ...]) -> Sent:
        """Say what fires."""
        ...
