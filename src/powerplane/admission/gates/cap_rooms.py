"""What policies' own caps leave to pods behind our gate: what was measured, less what was let go since.

A pod counts from the moment it is let go until its policy's draw was measured a while after it was bound.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from powerplane.admission.gates.facts import PodFact
from powerplane.admission.own_caps import OwnCap

SHOWN_S = 30.0
"""From when a pod has a node until meters, and whoever adds them up, show what it draws."""

FORGOTTEN_S = 300.0
"""A pod that was let go so long ago is shown, or is gone."""

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CapRules:
    """Caps of a moment, and whom they are for.

    Parameters
    ----------
    caps : tuple of OwnCap
    labels_of : callable
        Labels of a namespace.
    alone : callable
        Whether nothing else keeps a pod behind our gate: its policy holds budgets by another lock.
    """

    caps: tuple[OwnCap, ...] = ()
    labels_of: Callable[[str], Labels] = lambda _: {}
    alone: Callable[[PodFact], bool] = lambda _: False

    def over(self, pod: PodFact) -> list[OwnCap]:
        """Caps that a pod counts against."""
        if not self.caps:
            return []
        labels = self.labels_of(pod.namespace)
        return [each for each in self.caps if each.takes(pod.namespace, labels, pod.labels)]


NO_CAPS = CapRules()


@dataclass(slots=True)
class CapRooms:
    """What is left of each cap during one look.

    Parameters
    ----------
    rules : CapRules
    """

    rules: CapRules
    _left_mw: dict[tuple[str, str], int] = field(init=False)

    def __post_init__(self) -> None:
        self._left_mw = {each.key: each.headroom_mw for each in self.rules.caps}

    def fits(self, pod: PodFact) -> bool:
        """Whether a pod may be let go under every cap that it counts against."""
        return all(self._left_mw[each.key] >= draw_mw(pod) for each in self.rules.over(pod))

    def charge(self, pod: PodFact, since_s: float | None = None) -> None:
        """Count a pod in.

        Parameters
        ----------
        pod : PodFact
        since_s : float, optional
            When it was last seen without a node, in Unix seconds: what was measured well after that shows it.
        """
        for each in self.rules.over(pod):
            if since_s is None or each.measured_s < since_s + SHOWN_S:
                self._left_mw[each.key] -= draw_mw(pod)


@dataclass(slots=True)
class LetGo:
    """Pods that were let go, as they were before they had a node. Not for several threads at once."""

    _pods: dict[str, tuple[PodFact, float]] = field(default_factory=dict)

    def rooms(self, rules: CapRules, on_their_way: Iterable[PodFact], now_s: float) -> CapRooms:
        """Return what is left now.

        Parameters
        ----------
        rules : CapRules
        on_their_way : iterable of PodFact
            Whoever was let go and has no node yet.
        now_s : float
            Unix seconds.
        """
        rooms = CapRooms(rules)
        if not rules.caps:
            self._pods.clear()
            return rooms
        self._pods |= {pod.uid: (pod, now_s) for pod in on_their_way if rules.over(pod)}
        self._pods = {uid: told for uid, told in self._pods.items() if 0 <= now_s - told[1] < FORGOTTEN_S}
        for pod, since_s in self._pods.values():
            rooms.charge(pod, since_s)
        return rooms


def draw_mw(pod: PodFact) -> int:
    """What a pod is to draw, as it states it or as it was foretold."""
    return pod.draw.stated_mw or 0
