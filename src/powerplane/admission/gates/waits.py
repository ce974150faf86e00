"""What is told on pods themselves: that one was let go without headroom, and that pods have waited for long.

Of long waits one event a namespace, on its pod that has waited longest, tells of all of them; it is told again at long
intervals only. So a floor that is full for a day makes no flood.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from powerplane.adapters.cluster_events import ClusterEvent
from powerplane.admission.gates.facts import PodFact
from powerplane.admission.gates.gating import GATE
from powerplane.models.quantities import MILLI

CONTROLLER: Final = "powerplane.dev/gates"


Tell = Callable[[PodFact, float, int, float, int], ClusterEvent]


@dataclass(frozen=True, slots=True)
class WaitTerms:
    """When waiting is told.

    Parameters
    ----------
    every_s : float
        Between two looks at who waits.
    long_s : float
        From then on a wait is long.
    again_s : float
        The least time between two events of one namespace.
    most : int
        Events of one look; other namespaces' turn comes at the next.
    """

    every_s: float = 10.0
    long_s: float = 120.0
    again_s: float = 600.0
    most: int = 10


@dataclass(frozen=True, slots=True)
class _Told:
    uid: str
    count: int
    at_s: float


class LongWaits:
    """Remembers what was told of each namespace.

    Parameters
    ----------
    terms : WaitTerms, optional
    tell : callable
        From a pod, for how long, how many there are, the time of day, and how often it was told, to what is told.
    """

    def __init__(self, terms: WaitTerms | None = None, tell: Tell | None = None) -> None:
        self._terms = terms or WaitTerms()
        self._tell = tell or _long_wait
        self._told: dict[str, _Told] = {}
        self._looked_s: float | None = None

    def due(self, clock_s: float) -> bool:
        """Whether it is time to look at who waits."""
        return self._looked_s is None or clock_s - self._looked_s >= self._terms.every_s

    def events(self, waiting: Iterable[tuple[PodFact, float]], now_s: float, clock_s: float) -> list[ClusterEvent]:
        """Return what is to be told now.

        Parameters
        ----------
        waiting : iterable of (PodFact, float)
            Pods behind the gate, and for how many seconds each.
        now_s : float
            By the time of day.
        clock_s : float
            By a clock that only goes on.
        """
        self._looked_s = clock_s
        terms = self._terms
        self._told = {name: each for name, each in self._told.items() if clock_s - each.at_s < 2 * terms.again_s}
        found: dict[str, list[tuple[float, PodFact]]] = {}
        for pod, waited_s in waiting:
            if waited_s >= terms.long_s:
                found.setdefault(pod.namespace, []).append((waited_s, pod))
        told: list[ClusterEvent] = []
        longest = {name: max(pods, key=lambda each: (each[0], each[1].uid)) for name, pods in found.items()}
        for name in sorted(longest, key=lambda each: (-longest[each][0], each)):
            before = self._told.get(name)
            if len(told) < terms.most and (before is None or clock_s - before.at_s >= terms.again_s):
                waited_s, pod = longest[name]
                count = before.count + 1 if before is not None and before.uid == pod.uid else 1
                self._told[name] = _Told(pod.uid, count, clock_s)
                told.append(self._tell(pod, waited_s, len(found[name]), now_s, count))
        return told


def overdue_event(pod: PodFact, now_s: float) -> ClusterEvent:
    """Tell on a pod that it was let go though no budget has room for it."""
    note = (
        f"let go without headroom after {_minutes(now_s - pod.created_s)} behind the gate {GATE}, as long as its "
        f"policy lets it wait: no node that it may go to had room under its budgets for {_asks(pod)}"
    )
    return _warning(pod, "overdue", ("Release", "ReleasedWithoutHeadroom"), note, now_s)


def _long_wait(pod: PodFact, waited_s: float, pods: int, now_s: float, count: int) -> ClusterEvent:
    others = f"; {pods - 1} more of this namespace have waited for long" if pods > 1 else ""
    note = f"has waited for {_minutes(waited_s)} behind the gate {GATE} until there are watts for {_asks(pod)}{others}"
    return _warning(pod, "waits", ("Wait", "WaitsForWatts"), note, now_s, count=count)


def unbound_event(pod: PodFact, waited_s: float, pods: int, now_s: float, count: int) -> ClusterEvent:
    """Tell on a pod that it was let go and that no node takes it, while its watts are kept."""
    others = f"; so do {pods - 1} more of this namespace" if pods > 1 else ""
    note = (
        f"was let go {_minutes(waited_s)} ago and no node has taken it, for another reason than power: it holds watts "
        f"for {_asks(pod)} meanwhile{others}. Where it cannot be placed, delete it: its owner makes another"
    )
    return _warning(pod, "unbound", ("Release", "HoldsWattsUnbound"), note, now_s, count=count)


def _warning(
    pod: PodFact, suffix: str, what: tuple[str, str], note: str, now_s: float, *, count: int = 1
) -> ClusterEvent:
    """Tell something on a pod: ``what`` is what was done, and why in a word."""
    action, reason = what
    return ClusterEvent(
        stem=pod.name,
        suffix=f"{pod.uid}.{suffix}",
        regarding={"apiVersion": "v1", "kind": "Pod", "namespace": pod.namespace, "name": pod.name, "uid": pod.uid},
        controller=CONTROLLER,
        action=action,
        reason=reason,
        note=note,
        warning=True,
        at_s=now_s,
        count=count,
    )


def _asks(pod: PodFact) -> str:
    draw = pod.draw
    return f"{draw.mcores / MILLI:g} cores" if draw.silent else f"{-(-(draw.stated_mw or 0) // MILLI)} W"


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 180 else f"{seconds / 60:.0f} min"
