"""What an answer of the API server means for an act."""

from typing import Final

from powerplane.actuator.engine import Outcome
from powerplane.adapters.cluster_writes import Written

STALE: Final = (404, 409, 422)
"""Answers after which nothing was done: the object has gone, or is not as it was seen."""


def outcome_of(written: Written, done: tuple[int, ...] = ()) -> Outcome:
    """Return what became of an act.

    Parameters
    ----------
    written : Written
    done : tuple of int
        Answers that mean that it is as it should be already.
    """
    if written.ok or written.status in done:
        return Outcome("done")
    if written.status in STALE:
        return Outcome("stale", written.told)
    return Outcome("unknown" if written.outcome == "failed" else "refused", written.told)
