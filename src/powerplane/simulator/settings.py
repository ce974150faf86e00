"""What policies see of a simulated cluster, and how they act on it."""

from dataclasses import dataclass

from powerplane.simulator.limits import RAPL, Means


@dataclass(frozen=True, slots=True)
class SensorSettings:
    """What a policy sees.

    Parameters
    ----------
    every_s : float
        Between two samples.
    delay_s : float
        From a sample until it can be acted on.
    noise : float
        Standard deviation of a sample's error, as a share of it.
    """

    every_s: float = 15.0
    delay_s: float = 2.0
    noise: float = 0.01


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """How PowerPlane plans.

    Parameters
    ----------
    every_s : float
        Between two looks.
    solve_s : float
        Simulated seconds that a plan takes.
    margin : float
        Share of each budget that a plan leaves free, so that the next small rise does not ask for another.
    steer : bool
        Keep new pods off nodes below a domain that is within the margin, as the scheduler extender does.
    """

    every_s: float = 300.0
    solve_s: float = 10.0
    margin: float = 0.03
    steer: bool = False


@dataclass(frozen=True, slots=True)
class HandSettings:
    """How soon a person acts.

    Parameters
    ----------
    reaction_s : float
        From an alert until the first pod is deleted.
    again_s : float
        Until the next are, where the budget is still broken.
    """

    reaction_s: float = 300.0
    again_s: float = 60.0


@dataclass(frozen=True, slots=True)
class ThrottleSettings:
    """How nodes are limited.

    Parameters
    ----------
    means : Means
    every_s : float
        Between two looks.
    lowest : float
        Share of its peak below which no node is taken.
    """

    means: Means = RAPL
    every_s: float = 3.0
    lowest: float = 0.5
