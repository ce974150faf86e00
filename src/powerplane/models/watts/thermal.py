r"""Heat, fans and leakage: watts that follow the load by minutes.

A machine warms towards :math:`T_\infty = T_{in} + R P` with time constant :math:`\tau`; its fans turn faster as it
does, and their power goes with the cube of their speed; its chips leak more, a fixed share a degree. So a step of load
is followed by a creep of watts, which no curve over utilisation shows.

Sources: the fan affinity laws (power with the cube of speed); the published table of server and fan watts of a cloud
provider (GreenSKU, CC-BY), to which the power law of ``TYPICAL_FANS`` is fitted: within 11 % from 380 W on, 18 % above
at 320 W.
"""

from dataclasses import dataclass
from math import exp

import numpy as np

from powerplane.models.telemetry.readings import Floats

FAN_LAW = 3.0


@dataclass(frozen=True, slots=True)
class Fans:
    """The fans of one server, settled at a load.

    Parameters
    ----------
    reference_watts : float
        A draw of the whole server.
    fan_watts : float
        What its fans draw then.
    growth : float
        Exponent by which fan watts grow with the server's: fans turn with the heat to be moved, and the cube of their
        speed is less than the cube of the heat, because the air leaves warmer.
    most_watts : float
        At full speed.
    """

    reference_watts: float
    fan_watts: float
    growth: float
    most_watts: float

    def settled(self, server_watts: Floats) -> Floats:
        """Return the fans' watts once the heat has settled; part of the server's own."""
        found: Floats = np.minimum(
            self.fan_watts * (np.maximum(server_watts, 0.0) / self.reference_watts) ** self.growth, self.most_watts
        )
        return found

    def at_speed(self, share: Floats) -> Floats:
        """Return the fans' watts at a share of full speed, by the cube law."""
        found: Floats = self.most_watts * np.clip(share, 0.0, 1.0) ** FAN_LAW
        return found

    def speed(self, fan_watts: Floats) -> Floats:
        """Return the share of full speed at which fans draw that much."""
        found: Floats = np.cbrt(np.clip(fan_watts / self.most_watts, 0.0, 1.0))
        return found


TYPICAL_FANS = Fans(reference_watts=550.7, fan_watts=71.5, growth=1.387, most_watts=163.3)
"""Fitted to the eight published pairs, from 320 W (fans 29 W) to 911 W (fans 140 W)."""


def fit_fans(server_watts: Floats, fan_watts: Floats) -> Fans:
    """Fit the power law to measured pairs, by least squares of logarithms.

    Parameters
    ----------
    server_watts, fan_watts : float64 arrays, shape (M,)
        Above 0, at least two that differ.
    """
    growth, level = np.polyfit(np.log(server_watts), np.log(fan_watts), 1)
    reference = float(np.exp(np.log(server_watts).mean()))
    # Fans are chosen with some speed in reserve: the largest seen is taken for 95 % of full speed.
    most = float(fan_watts.max()) / 0.95**FAN_LAW
    return Fans(reference, float(np.exp(level + growth * np.log(reference))), float(growth), most)


@dataclass(frozen=True, slots=True)
class Heat:
    """How one machine warms, and what that costs.

    Parameters
    ----------
    inlet_celsius : float
        Air that the machine takes in.
    kelvin_per_watt : float
        R: how much warmer than its inlet it settles, a watt.
    lag_s : float
        Time constant τ.
    leakage_share : float
        Of the watts: more a kelvin.
    """

    inlet_celsius: float = 22.0
    kelvin_per_watt: float = 0.08
    lag_s: float = 180.0
    leakage_share: float = 0.002

    def settled(self, watts: float) -> float:
        """Return the temperature that a draw leads to, in °C."""
        return self.inlet_celsius + self.kelvin_per_watt * watts

    def after(self, celsius: float, watts: float, seconds: float) -> float:
        """Return the temperature after a while at a draw: a first-order lag, exact for any step of time."""
        return self.settled(watts) + (celsius - self.settled(watts)) * exp(-max(seconds, 0.0) / self.lag_s)

    def watts_at(self, celsius: float, settled_watts: float, fans: Fans) -> float:
        """Return the draw at a temperature that has not settled yet.

        Parameters
        ----------
        celsius : float
        settled_watts : float
            What a curve says: curves are of machines that have settled.
        fans : Fans
            They turn by the temperature, as if for the load that it belongs to.
        """
        leakage = settled_watts * self.leakage_share * (celsius - self.settled(settled_watts))
        belongs_to = (celsius - self.inlet_celsius) / self.kelvin_per_watt
        turning, settled = fans.settled(np.array([belongs_to, settled_watts])).tolist()
        return max(0.0, settled_watts + leakage + float(turning) - float(settled))
