"""Watts that a new pod will draw, foretold before it has a node.

What its workload's pods drew counts where enough is known of it; else its requests of CPU and accelerators on the node
type that draws the most for them, so that the number holds wherever the pod comes to run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from powerplane.models.errors import InputError
from powerplane.models.quantities import LARGEST_MW
from powerplane.models.requests import Amounts

Source = Literal["history", "requests", "floor"]

MW = 1000
LEAST_WATTS = 1
"""A pod that asks for nothing draws something, and 0 would let it in anywhere."""


@dataclass(frozen=True, slots=True)
class KnownDemand:
    """What one pod of a workload draws, from its history.

    Parameters
    ----------
    target_watts, upper_watts : float
        The percentile to plan by, and the bound that widens with little data; infinite where nothing is known.
    cores : float
        Of CPU, at the percentile to plan by.
    """

    target_watts: float
    upper_watts: float
    cores: float = 0.0


@dataclass(frozen=True, slots=True)
class Prediction:
    """A new pod's watts, and what they rest on."""

    watts: int
    source: Source


@dataclass(frozen=True, slots=True)
class Rates:
    """What a request draws at the most, over the node types of the cluster.

    Parameters
    ----------
    per_core_mw : int
        For each core of CPU.
    device_mw : mapping of str to int
        For one device, by its resource, such as ``nvidia.com/gpu``.
    """

    per_core_mw: int = 0
    device_mw: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Predictor:
    """Foretells; immutable, and swapped whole.

    Parameters
    ----------
    rates : Rates
    known : mapping of str to KnownDemand
        By ``namespace/Kind/name``.
    """

    rates: Rates = Rates()
    known: Mapping[str, KnownDemand] = field(default_factory=dict)

    def predict(self, owner: str, amounts: Amounts) -> Prediction:
        """Return a new pod's watts.

        Parameters
        ----------
        owner : str
            ``namespace/Kind/name``; any other text is of an unknown workload.
        amounts : mapping of str to Fraction
            Its requests.

        Raises
        ------
        InputError
            For requests beyond any site's watts.

        Notes
        -----
        A history whose upper bound is not even finite, or that is above what the requests could draw, is young: the
        lower of that bound and the requests' own figure counts then, and never less than the history's target.
        """
        by_requests = self._by_requests(amounts)
        known = self.known.get(owner)
        if known is None:
            watts = -(-by_requests // MW)
            return Prediction(max(watts, LEAST_WATTS), "requests" if by_requests else "floor")
        bound = min(known.upper_watts, max(by_requests / MW, known.target_watts))
        return Prediction(max(_ceil(bound), LEAST_WATTS), "history")

    def _by_requests(self, amounts: Amounts) -> int:
        """Milliwatts, rounded up."""
        # One card may be asked for by several resources, such as its slices and their memory.
        devices = max((amounts.get(each, 0) * mw for each, mw in self.rates.device_mw.items()), default=0)
        total = -int(-(amounts.get("cpu", 0) * self.rates.per_core_mw + devices) // 1)
        if total > LARGEST_MW:
            raise InputError("the requests would draw more than any site has", "correct the quantities")
        return total


def _ceil(watts: float) -> int:
    return -int(-watts // 1)
