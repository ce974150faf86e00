"""What every controller asks before it decides: whether it leads, and whether its watches tell the truth of now."""

from collections.abc import Iterable
from typing import Any, Final, Protocol

from powerplane.adapters.watch import Reflector

STALE_S: Final = 60.0
"""After this without a word from the server, which ends each watch sooner than that, nothing is decided."""


class Elector(Protocol):
    """What is needed of ``adapters.lease.LeaseElector``."""

    @property
    def token(self) -> int:
        """The fencing token."""
        ...

    def leading(self) -> bool:
        """Whether this replica leads at this instant."""
        ...


def trouble_of(reflectors: Iterable[Reflector[Any]], now_s: float) -> str:
    """Say why nothing can be decided from watches; "" where all is well.

    Parameters
    ----------
    reflectors : iterable of Reflector
    now_s : float
        By their clock.
    """
    for reflector in reflectors:
        status = reflector.status
        if not status.synced:
            return f"{reflector.watched.kind} is not listed yet: {status.last_error or 'being listed'}"
        if status.last_contact_s is None or now_s - status.last_contact_s > STALE_S:
            return f"{reflector.watched.kind} is stale: {status.last_error or 'no word from the server'}"
    return ""
