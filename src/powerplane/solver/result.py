"""What the solver answers: flows of pods in waves, with the bound that proves how good they are."""

from dataclasses import dataclass

from powerplane.models.plan import Status


@dataclass(frozen=True, slots=True)
class Flow:
    """``count`` pods of one class leave ``source`` for ``target`` (rows of nodes) in ``wave`` (from 1)."""

    pod_class: int
    source: int
    target: int
    count: int
    wave: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """The best plan found, and what is proven about it.

    Parameters
    ----------
    status : Status
    flows : tuple of Flow
        In waves; a pod may move twice (parked) only where its class appears as target and later source.
    cost, bound : int
        Thousandths of an ordinary move (disruption), or milliwatts (energy).
    overload_mw, overload_bound_mw : int
        Milliwatts above budgets left by the plan, and the least that any plan leaves.
    seed : int
    seconds : float
    trail : tuple of (seconds, cost, overload_mw, step)
        Each improvement and the step that found it.
    """

    status: Status
    objective: str
    flows: tuple[Flow, ...]
    cost: int
    bound: int
    overload_mw: int
    overload_bound_mw: int
    seed: int
    seconds: float
    trail: tuple[tuple[float, int, int, str], ...] = ()
    sleepable: tuple[int, ...] = ()

    @property
    def gap(self) -> float | None:
        """(cost - bound) / bound; 0 when they are equal, None where only the bound is 0."""
        if self.cost <= self.bound:
            return 0.0
        return (self.cost - self.bound) / self.bound if self.bound > 0 else None
