"""Tokens that only grow, even where the Lease that they come from was deleted and made anew."""

from collections.abc import Callable


class Fence:
    """Turns the tokens of a Lease into those that are written to plans.

    Parameters
    ----------
    holds : callable
        Whether this replica leads at this instant, with this token of the Lease.

    Notes
    -----
    While the Lease is held nobody leads with a higher token: one that stands on a plan is of a Lease that is gone, and
    by it alone the plan would be nobody's for ever.
    """

    def __init__(self, holds: Callable[[int], bool]) -> None:
        self._holds = holds
        self._ahead = 0

    def take_over(self, token: int, written: int) -> None:
        """Begin with a token of the Lease, where the highest on any plan is this."""
        self._ahead = written + 1 - token if written > token else 0

    def written(self, token: int) -> int:
        """Return what stands on plans for a token of the Lease."""
        return token + self._ahead

    def holds(self, written: int) -> bool:
        """Whether this replica leads at this instant, with this token on its plans."""
        return self._holds(written - self._ahead)
