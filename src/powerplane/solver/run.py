"""One solve in progress: the clock, the best placement so far, and what is proven about any."""

from collections.abc import Callable
from dataclasses import dataclass, field

from powerplane.solver.spots import Cover
from powerplane.solver.state import State

ENOUGH = 0.0005
"""The search ends at this gap: closing the last half of a thousandth is worth nobody's time."""


Clock = Callable[[], float]
Progress = Callable[["Standing"], None]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a solve has come: for progress bars and logs."""

    step: str
    seconds: float
    cost: int
    bound: int
    overload_mw: int


@dataclass(slots=True, eq=False)
class Run:
    """One solve: the clock, the best state so far, and what is proven.

    Attributes
    ----------
    cost_bound, overload_bound_mw : int
        Proven lower limits.
    hopeless : bool
        Proven that no plan holds every budget and capacity.
    """

    found: State
    best: State
    clock: Clock
    started: float
    seconds: float
    seed: int
    workers: int
    report: Progress | None
    cost_bound: int = 0
    overload_bound_mw: int = 0
    hopeless: bool = False
    covers: tuple[Cover, ...] = ()
    runners_up: list[State] = field(default_factory=list)
    trail: list[tuple[float, int, int, str]] = field(default_factory=list)

    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.clock() - self.started

    def left(self, share: float = 1.0) -> float:
        """Seconds left until a share of the time is used up."""
        return self.seconds * share - self.elapsed()

    def offer(self, state: State, step: str) -> bool:
        """Take a state as the best if it is better; note it either way."""
        better = worth(state) < worth(self.best)
        if better:
            self.runners_up = [*self.runners_up[-3:], self.best]
            self.best = state
            self.trail.append((self.elapsed(), state.cost, state.overload_mw(), step))
        self.tell(step)
        return better

    def tell(self, step: str) -> None:
        """Report where the solve stands."""
        if self.report:
            best = self.best
            self.report(Standing(step, self.elapsed(), best.cost, self.cost_bound, best.overload_mw()))

    @property
    def close(self) -> bool:
        """Whether the best plan holds everything and is proven good enough to stop."""
        return self.best.distress_mw() == 0 and self.best.cost <= self.cost_bound * (1 + ENOUGH)

    @property
    def proven(self) -> bool:
        """Whether the best plan holds everything at a cost that is proven to be the least."""
        return self.best.distress_mw() == 0 and self.best.cost <= self.cost_bound


def worth(state: State) -> tuple[int, int]:
    """What states are compared by: distress first, then cost."""
    return state.distress_mw(), state.cost
