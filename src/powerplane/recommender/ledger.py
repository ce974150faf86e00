"""The counterfactual ledger: for every choice, what domains would have drawn by the other one.

A plan that ran took watts off its domains: without it they would draw what is measured now plus what it took off. A
plan that was withheld would have taken watts off them: with it they would draw less than is measured by as much. Both
are told by the same prediction, that of the plan, for as long as it can be believed; the prediction itself is held
against what the meters said before and after.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Choice = Literal["taken", "withheld"]
HORIZON_S = 3600.0
"""For so long a choice is accounted for: pods come and go, and an hour later its pods are others."""

MOST_ENTRIES = 512
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One choice.

    Parameters
    ----------
    name : str
        The plan's, or what it would have been called.
    choice : Choice
    policies : tuple of str
        By whose leave, or whose mode withheld it.
    cut_mw : mapping
        By domain: what the plan takes off, below 0 where it adds.
    moves : int
    since_s, until_s : float
        Unix seconds between which it counts.
    share : float
        Of the moves that were done; 1 for what was withheld.
    held_mws : dict
        By domain: milliwatt-seconds so far.
    """

    name: str
    choice: Choice
    policies: tuple[str, ...]
    cut_mw: Mapping[str, int]
    moves: int
    since_s: float
    until_s: float
    share: float = 1.0
    held_mws: Mapping[str, float] = field(default_factory=dict)

    def other_mw(self, domain: str, drawn_mw: int) -> int:
        """What a domain would draw by the other choice, when it draws this."""
        cut = round(self.cut_mw.get(domain, 0) * self.share)
        return max(0, drawn_mw + cut if self.choice == "taken" else drawn_mw - cut)


@dataclass(frozen=True, slots=True)
class Sums:
    """What the choices of one policy come to.

    Parameters
    ----------
    actions, withheld : int
        Plans that ran, and plans that did not.
    watt_hours_held : float
        That the plans took off domains.
    watt_hours_missed : float
        That those withheld would have taken off.
    """

    actions: int = 0
    withheld: int = 0
    watt_hours_held: float = 0.0
    watt_hours_missed: float = 0.0


class Ledger:
    """Keeps the choices of the last time, and sums since the start. Not for several threads at once."""

    def __init__(self) -> None:
        self._open: dict[str, Entry] = {}
        self._sums: dict[str, Sums] = {}
        self._at_s: float | None = None

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Choices that count still."""
        return tuple(self._open.values())

    def taken(self, entry: Entry) -> None:
        """Note a plan that has run, once."""
        self._note(entry, Sums(actions=1))

    def withheld(self, entry: Entry) -> None:
        """Note a plan that was not carried out; one of the same name takes the place of the last."""
        self._note(entry, Sums(withheld=1))

    def follow(self, now_s: float) -> None:
        """Account for the time since the last call."""
        last_s, self._at_s = self._at_s, now_s
        for name, entry in list(self._open.items()):
            begin_s = entry.since_s if last_s is None else max(last_s, entry.since_s)
            seconds = min(now_s, entry.until_s) - begin_s
            if seconds > 0:
                self._add(entry, seconds)
            if now_s >= entry.until_s:
                del self._open[name]

    def others_mw(self, drawn_mw: Mapping[str, int]) -> dict[str, int]:
        """What each domain would draw had every choice that counts been the other.

        Parameters
        ----------
        drawn_mw : mapping
            What each draws now.
        """
        found = dict(drawn_mw)
        for entry in self._open.values():
            for domain in entry.cut_mw.keys() & found.keys():
                found[domain] = entry.other_mw(domain, found[domain])
        return found

    def sums(self, policy: str) -> Sums:
        """What the choices by a policy's leave, or for want of it, come to."""
        return self._sums.get(policy, Sums())

    def keep(self, policies: Collection[str]) -> None:
        """Forget the sums of policies that are gone, and of which no choice counts any more."""
        counting = {policy for entry in self._open.values() for policy in entry.policies}
        self._sums = {name: sums for name, sums in self._sums.items() if name in policies or name in counting}

    @property
    def policies(self) -> frozenset[str]:
        """Policies that have sums."""
        return frozenset(self._sums)

    def _note(self, entry: Entry, count: Sums) -> None:
        known = self._open.get(entry.name)
        self._open[entry.name] = entry if known is None else replace(entry, held_mws=known.held_mws)
        if known is None:
            for policy in entry.policies:
                self._sums[policy] = _plus(self.sums(policy), count)
        while len(self._open) > MOST_ENTRIES:
            del self._open[next(iter(self._open))]

    def _add(self, entry: Entry, seconds: float) -> None:
        part = {name: cut * entry.share * seconds for name, cut in entry.cut_mw.items()}
        held = {name: entry.held_mws.get(name, 0.0) + mws for name, mws in part.items()}
        self._open[entry.name] = replace(entry, held_mws=held)
        # Each watt counts once, however many domains it is drawn through: in the one that was relieved most.
        hours = max((mws for mws in part.values() if mws > 0), default=0.0) / 1000 / HOUR_S
        added = Sums(watt_hours_held=hours) if entry.choice == "taken" else Sums(watt_hours_missed=hours)
        for policy in entry.policies:
            self._sums[policy] = _plus(self.sums(policy), added)


def _plus(one: Sums, other: Sums) -> Sums:
    return Sums(
        one.actions + other.actions,
        one.withheld + other.withheld,
        one.watt_hours_held + other.watt_hours_held,
        one.watt_hours_missed + other.watt_hours_missed,
    )
