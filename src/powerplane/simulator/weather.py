"""Heat: how warm the air in front of a row gets, what that costs in fan watts, and what it takes from breakers."""

from dataclasses import dataclass

FAN_SPEED_CURVE = ((25.0, 0.45), (38.0, 1.0))
"""Inlet °C and share of full fan speed between which servers speed up; an assumption, in the range of ASHRAE's TC 9.9
guidelines, which name 18 to 27 °C as recommended."""

DERATING_FROM_CELSIUS = 25.0
DERATING_PER_CELSIUS = 0.01
"""Share of a breaker's rating lost per degree; an assumption, in the range of makers' tables for thermal trips."""


@dataclass(frozen=True, slots=True)
class HeatWave:
    """Inlet air that warms in a straight line from one temperature to another and stays there.

    Parameters
    ----------
    cool_celsius, hot_celsius : float
    from_s, until_s : int
        Seconds of the simulation between which it warms.
    """

    cool_celsius: float
    hot_celsius: float
    from_s: int
    until_s: int

    def celsius_at(self, second: float) -> float:
        """Inlet temperature at a second."""
        run = max(self.until_s - self.from_s, 1)
        along = min(max((second - self.from_s) / run, 0.0), 1.0)
        return self.cool_celsius + along * (self.hot_celsius - self.cool_celsius)


def fan_share(celsius: float) -> float:
    """Share of its full fan watts that a node draws: the cube of the fans' speed (the affinity laws)."""
    (cool, slow), (hot, fast) = FAN_SPEED_CURVE
    along = min(max((celsius - cool) / (hot - cool), 0.0), 1.0)
    return float((slow + along * (fast - slow)) ** 3)


def derating(celsius: float) -> float:
    """Share of its rating that a breaker keeps."""
    return 1.0 - DERATING_PER_CELSIUS * max(celsius - DERATING_FROM_CELSIUS, 0.0)
