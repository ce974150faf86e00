"""Watts that a new pod will draw, foretold before it has a node.

What its workload's pods used counts where enough is known of it, on the node type that draws the most for a core, so
that the number holds wherever the pod comes to run; else what pods of its class used (same namespace, images and
requests); else its requests. CPU and accelerators are foretold apart: cards that were never metered count by request.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

import msgspec

from powerplane.adapters.node_rates import Rates
from powerplane.models.errors import InputError
from powerplane.models.pod_watts import MOST_DIGITS, least_watts
from powerplane.models.quantities import LARGEST_MW
from powerplane.models.requests import Amounts, whole_units
from powerplane.models.usage import is_gpu

Source = Literal["history", "class", "requests", "floor"]

MW = 1000
BEYOND = "the requests would draw more than any site has"


class Bounds(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Of one quantity of one pod.

    Parameters
    ----------
    target, upper : float
        The percentile to plan by, and the bound that widens with little data; infinite where nothing is known.
    """

    target: float
    upper: float


class KnownDemand(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one pod uses, from history; None where it was never measured.

    Parameters
    ----------
    cores : Bounds or None
        CPU.
    watts : Bounds or None
        Of its accelerators.
    """

    cores: Bounds | None = None
    watts: Bounds | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """A new pod's watts, and what they rest on."""

    watts: int
    source: Source


@dataclass(frozen=True, slots=True)
class Predictor:
    """Foretells; immutable, and swapped whole.

    Parameters
    ----------
    rates : Rates
    known : mapping of str to KnownDemand
        By ``namespace/Kind/name``.
    classes : mapping of str to KnownDemand
        By ``class_key``.
    """

    rates: Rates = field(default_factory=Rates)
    known: Mapping[str, KnownDemand] = field(default_factory=dict)
    classes: Mapping[str, KnownDemand] = field(default_factory=dict)

    def predict(self, owner: str, amounts: Amounts, alike: str = "", rates: Rates | None = None) -> Prediction:
        """Return a new pod's watts.

        Parameters
        ----------
        owner : str
            ``namespace/Kind/name``; any other text is of an unknown workload.
        amounts : mapping of str to Fraction
            Its requests.
        alike : str, optional
            Its ``class_key``.
        rates : Rates, optional
            Of the nodes that it can go to; of all where it is not given.

        Raises
        ------
        InputError
            For requests beyond any site's watts.

        Notes
        -----
        A history whose upper bound is not even finite, or that is above what the requests could draw, is young: the
        lower of that bound and the requests' own figure counts then, and never less than the history's target. Where
        its class has been known for longer, the class's bound is the lower one. Below ``least_watts`` no book believes
        what stands on a pod, so that less is never foretold.
        """
        rates = self.rates if rates is None else rates
        cores_mw, devices_mw = _by_requests(amounts, rates)
        least = least_watts(amounts)
        source: Source = "history"
        known, like = self.known.get(owner), self.classes.get(alike)
        if known is None:
            source, known = "class", like
        elif like is not None:
            known = KnownDemand(_narrowed(known.cores, like.cores), _narrowed(known.watts, like.watts))
        if known is None:
            by_requests = cores_mw + devices_mw
            return _believable(max(-(-by_requests // MW), least), "requests" if by_requests else "floor")
        cores = _settled(known.cores, rates.per_core_mw / MW, cores_mw / MW)
        watts = cores + _settled(known.watts, 1.0, devices_mw / MW)
        return _believable(max(-int(-watts // 1), least), source)


def _believable(watts: int, source: Source) -> Prediction:
    if watts >= 10**MOST_DIGITS:  # nobody would read it back
        raise InputError(BEYOND, "correct the quantities")
    return Prediction(watts, source)


def _by_requests(amounts: Amounts, rates: Rates) -> tuple[int, int]:
    """Milliwatts of CPU and of devices, rounded up."""
    # One card may be asked for by several resources, such as its slices and their memory.
    devices = max((amounts.get(each, 0) * mw for each, mw in rates.device_mw.items()), default=0)
    cores_mw, devices_mw = _up(amounts.get("cpu", 0) * rates.per_core_mw), _up(devices)
    if cores_mw + devices_mw > LARGEST_MW:
        raise InputError(BEYOND, "correct the quantities")
    return cores_mw, devices_mw


def class_key(namespace: str, images: Iterable[str], amounts: Amounts) -> str:
    """Name the class that a pod without a known workload is held to be of.

    Parameters
    ----------
    namespace : str
    images : iterable of str
        Of its containers, in their order; tags and digests do not count.
    amounts : mapping of str to Fraction
        Its requests: CPU and accelerators count.

    Raises
    ------
    InputError
        For amounts beyond any node.
    """
    names = ",".join(_untagged(image) for image in images)
    asked = {each: amount for each, amount in amounts.items() if each == "cpu" or is_gpu(each)}
    units = ",".join(f"{each}={whole_units(each, asked[each])}" for each in sorted(asked))
    return f"{namespace} {names} {units}"


def _untagged(image: str) -> str:
    name = image.partition("@")[0]
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{last.partition(':')[0]}"


def _narrowed(known: Bounds | None, like: Bounds | None) -> Bounds | None:
    """Bounds of a workload, by its class where that is surer; never below the workload's own target."""
    if known is None or like is None:
        return known
    return Bounds(known.target, max(known.target, min(known.upper, like.upper)))


def _settled(known: Bounds | None, watts_each: float, by_requests: float) -> float:
    """Watts of one part of a pod."""
    if known is None:
        return by_requests
    if not watts_each:
        return 0.0
    return min(known.upper * watts_each, max(by_requests, known.target * watts_each))


def _up(amount: Fraction | int) -> int:
    return -int(-amount // 1)
