"""Whose moves are to blame where domains draw too much after a plan: one rule for whoever plans and whoever acts."""

from collections.abc import Mapping
from typing import Protocol

AS_PLANNED = ("", "NoSuccessor")
"""Reasons of a move that is done which are as planned, or leave more room than planned."""


class End(Protocol):
    """How a move stands."""

    @property
    def step(self) -> str:
        """Its last step."""
        ...

    @property
    def reason(self) -> str:
        """Why it did not go as planned; "" where it did."""
        ...


def lacking(ends: Mapping[str, End], why: str) -> frozenset[str]:
    """Return the UIDs of the pods whose moves are to blame, where these were touched at all.

    Parameters
    ----------
    ends : mapping of UID to End
        Of the waves that were begun.
    why : str
        What was measured: ``MoreThanForetold`` is the fault of all; ``StillOver`` of those alone that did not go as
        planned, where there are any.
    """
    undone = {uid for uid, each in ends.items() if each.step not in ("Ready", "Done") or each.reason not in AS_PLANNED}
    return frozenset(undone if undone and why == "StillOver" else ends)
