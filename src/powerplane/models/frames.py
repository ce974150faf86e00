"""Watts of domains over time, as a simulated or recorded run shows them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DrawFrame:
    """What one domain draws at one moment of a run.

    Parameters
    ----------
    seconds : float
        Since the start of the run.
    domain : str
    watts : float
        Draw; 0 while the domain is dark.
    budget_watts : float
        Budget at that moment; infinite where there is none.
    dark : bool
        True from the moment that its breaker, or one above it, has tripped.
    """

    seconds: float
    domain: str
    watts: float
    budget_watts: float
    dark: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """One story run twice: without PowerPlane and with it.

    Parameters
    ----------
    without, with_powerplane : tuple of DrawFrame
        The runs, each in order of time.
    facts : tuple of (fact, without, with)
        What came of it, in words and figures.
    """

    without: tuple[DrawFrame, ...]
    with_powerplane: tuple[DrawFrame, ...]
    facts: tuple[tuple[str, str, str], ...]
