"""What came of a run under a policy: figures, watts over time, and every time that a breaker was overloaded."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.simulator.moment import Moment, Note
from powerplane.simulator.power import Wiring
from powerplane.simulator.world import World

Floats = NDArray[np.float64]

JOULES_IN_KWH = 3.6e6
MOST_POINTS = 1440
OVER = 1 + 1e-9


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run came to.

    Parameters
    ----------
    over_minutes : float
        Minutes above a budget, summed over domains.
    over_domains : int
        Domains that were ever above theirs.
    trips : int
    most_lost : int
        Pods without power at the same time, at worst.
    lost_pod_minutes : float
        Minutes that pods did not serve since their nodes lost power.
    waiting_pod_minutes : float
        Minutes that pods waited for a node, for whatever reason.
    work_lost, work_limited : float
        Share of the CPU work asked for that was not done, and that power limits alone cost.
    device_work_lost : float
        Share of the accelerators' work asked for that was not done.
    moves : int
    energy_kwh : float
    peak_share : float
        The highest draw over its budget, of any domain at any moment; 0 where there are no budgets.
    peak_domain : str
    """

    over_minutes: float
    over_domains: int
    trips: int
    most_lost: int
    lost_pod_minutes: float
    waiting_pod_minutes: float
    work_lost: float
    work_limited: float
    device_work_lost: float
    moves: int
    energy_kwh: float
    peak_share: float
    peak_domain: str


@dataclass(frozen=True, slots=True)
class Overload:
    """One stretch of time for which a breaker carried more than its rating.

    Parameters
    ----------
    domain : str
    from_s, lasted_s : float
    mean_times, most_times : float
        Load over rating, on average and at most.
    heat : float
        Share of the heat that trips it, gathered meanwhile.
    tripped : bool
    """

    domain: str
    from_s: float
    lasted_s: float
    mean_times: float
    most_times: float
    heat: float
    tripped: bool


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Watts over time, K points of D domains.

    Parameters
    ----------
    at_s : float64 array, shape (K,)
    watts, budget_watts : float64 arrays, shape (K, D)
        The highest draw within each stretch; budgets infinite where there are none.
    dark : bool array, shape (K, D)
    work : float64 array, shape (K,)
        Share of the work asked for that was done.
    """

    at_s: Floats
    watts: Floats
    budget_watts: Floats
    dark: NDArray[np.bool_]
    work: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """A run under one policy."""

    policy: str
    figures: Figures
    domains: tuple[str, ...]
    series: Series
    overloads: tuple[Overload, ...]
    notes: tuple[Note, ...]
    tripped: dict[str, float]


class Recorder:
    """Adds a run up while it goes on.

    Parameters
    ----------
    world : World
    """

    def __init__(self, world: World) -> None:
        self._world = world
        count = len(world.supply.names)
        self._every_s = max(world.spec.step_s, world.spec.duration_s / MOST_POINTS)
        self._rating = world.supply.breakers.rating_watts
        self._over_s, self._peak = np.zeros(count), np.zeros(count)
        self._joules = self._lost_s = self._waiting_s = 0.0
        self._asked = self._done = self._limited = self._asked_devices = self._done_devices = 0.0
        self._most_lost = 0
        self._points: list[tuple[float, Floats, Floats, NDArray[np.bool_], float]] = []
        self._next_point_s = 0.0
        self._open: dict[int, list[float]] = {}
        self._overloads: list[Overload] = []
        self._wiring: Wiring | None = None
        self._living = np.ones(count, dtype=bool)

    def keep(self, moments: tuple[Moment, ...]) -> None:
        """Add a step."""
        for moment in moments:
            self._add(moment)
            self._watch_breakers(moment)

    def outcome(self, policy: str, moves: int) -> Outcome:
        """Put the run together."""
        world = self._world
        for row in list(self._open):
            self._close(row)
        at_s, watts, budgets, dark, work = zip(*self._points, strict=True)
        worst = int(self._peak.argmax()) if len(self._peak) else -1
        figures = Figures(
            over_minutes=float(self._over_s.sum() / 60),
            over_domains=int((self._over_s > 0).sum()),
            trips=sum(each.tripped for each in self._overloads),
            most_lost=self._most_lost,
            lost_pod_minutes=self._lost_s / 60,
            waiting_pod_minutes=self._waiting_s / 60,
            work_lost=_missing(self._done, self._asked),
            work_limited=self._limited / self._asked if self._asked else 0.0,
            device_work_lost=_missing(self._done_devices, self._asked_devices),
            moves=moves,
            energy_kwh=self._joules / JOULES_IN_KWH,
            peak_share=_share(float(self._peak[worst])) if worst >= 0 else 0.0,
            peak_domain=world.supply.names[worst] if worst >= 0 else "",
        )
        series = Series(np.array(at_s), np.array(watts), np.array(budgets), np.array(dark), np.array(work))
        overloads = tuple(sorted(self._overloads, key=lambda each: each.from_s))
        return Outcome(policy, figures, world.supply.names, series, overloads, tuple(world.notes), dict(world.tripped))

    def _add(self, moment: Moment) -> None:
        seconds, watts, budgets = moment.lasted_s, moment.domain_watts, moment.budget_watts
        self._over_s += np.where(watts > budgets * OVER, seconds, 0.0)
        self._peak = np.maximum(self._peak, watts / budgets)
        self._joules += float(moment.load.wall.sum()) * seconds
        self._lost_s += moment.lost * seconds
        self._waiting_s += moment.waiting * seconds
        self._most_lost = max(self._most_lost, moment.lost)
        self._asked += moment.asked * seconds
        self._done += moment.done * seconds
        self._limited += moment.limited * seconds
        self._asked_devices += moment.asked_devices * seconds
        self._done_devices += moment.done_devices * seconds
        work = moment.done / moment.asked if moment.asked else 1.0
        dark = ~self._alive(moment)
        if moment.at_s + 1e-9 >= self._next_point_s:
            self._next_point_s = moment.at_s + self._every_s
            self._points.append((moment.at_s, watts, budgets, dark, work))
        else:
            at_s, highest, before, was_dark, least = self._points[-1]
            self._points[-1] = (at_s, np.maximum(highest, watts), before, was_dark & dark, min(least, work))

    def _alive(self, moment: Moment) -> NDArray[np.bool_]:
        if moment.wiring is not self._wiring:
            living = set(moment.wiring.alive)
            self._wiring = moment.wiring
            self._living = np.array([name in living for name in self._world.supply.names], dtype=bool)
        return self._living

    def _watch_breakers(self, moment: Moment) -> None:
        times = moment.domain_watts / (self._rating * moment.factor)
        over = times > OVER
        for row in np.flatnonzero(over).tolist():
            if row not in self._open:
                self._open[row] = [moment.at_s, 0.0, 0.0, 0.0, 0.0]
            entry, load = self._open[row], float(times[row])
            entry[1] += moment.lasted_s
            entry[2] += load * moment.lasted_s
            entry[3] = max(entry[3], load)
            limit = float(moment.limits_s[row])
            entry[4] += moment.lasted_s / limit if np.isfinite(limit) else 0.0
        for row in [row for row in self._open if not over[row]]:
            self._close(row)

    def _close(self, row: int) -> None:
        from_s, lasted_s, area, most, heat = self._open.pop(row)
        name = self._world.supply.names[row]
        ended = from_s + lasted_s
        tripped = any(n == name and abs(at_s - ended) < 1e-3 for n, at_s in self._world.trips)
        if lasted_s > 0:
            self._overloads.append(Overload(name, from_s, lasted_s, area / lasted_s, most, heat, tripped))


def _share(value: float) -> float:
    """A share without the rounding of sums of floats, so that what holds to the watt reads as 1."""
    return 1.0 if abs(value - 1.0) < OVER - 1.0 else value


def _missing(done: float, asked: float) -> float:
    return max(0.0, 1.0 - done / asked) if asked else 0.0
