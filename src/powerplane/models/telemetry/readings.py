"""What sources bring: samples in columns, as they were measured, and what the metric that they belong to means."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

Kind = Literal["gauge", "counter"]
Quantity = Literal[
    "node watts",  # the whole node, at the wall or at its power supplies
    "cpu watts",  # all packages of a node
    "dram watts",
    "gpu watts",  # one device
    "pod watts",  # a share that the source attributes; never marginal power
    "node cpu cores",  # CPU in use
    "pod cpu cores",
    "pod memory bytes",  # the working set
    "gpu utilisation",
    "gpu limit watts",
    "celsius",
    "fan rpm",
    "throughput",  # of a workload, in units a second of the user's own
    "info",  # a series whose labels are what is read: owners, topology
]
"""Each in the unit that its name says: watts, cores, ratio from 0 to 1, °C."""


class Entity(NamedTuple):
    """What a series is about; "" where it does not say, or where that is no part of it.

    Parameters
    ----------
    node : str
        Name of the Kubernetes node, or the instance that stands for it until nodes are matched.
    namespace, pod, uid, container : str
    device : str
        Of several in a node: a GPU's UUID, a RAPL zone's path, a sensor.
    """

    node: str = ""
    namespace: str = ""
    pod: str = ""
    uid: str = ""
    container: str = ""
    device: str = ""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one metric means; a row of the declared table.

    Parameters
    ----------
    metric : str
        Its exact name.
    source : str
        Who exports it, as users call it: "kepler", "dcgm", "ipmi".
    quantity : Quantity
    kind : "gauge" or "counter"
    unit : str
        As exported: "W", "J", "mJ", "s", "%".
    scale : float
        One exported unit (of a counter: one a second) in the quantity's own unit.
    node, namespace, pod, uid, container, device : tuple of str
        Labels that name each of them, in order of preference; empty where none does. What is said of a node's devices
        (sockets, power supplies, GPUs) adds up; two series of one entity are one too many.
    where : tuple of (label, value)
        Which series count: a label must have this value; after a ``~`` it is a regular expression for the whole value.
        A label that is missing has the value "". Overlapping zones are told apart so.
    part : str
        Of what adds up: rows of one source and quantity with different parts add up, those with one part are
        alternatives, the better one first.
    sum_over : tuple of str
        Labels that tell apart what only counts together (CPUs and their modes, a pod's containers): whoever reads the
        metric sums over them.
    kept : tuple of str
        Labels whose values are wanted as they are: owners, racks.
    """

    metric: str
    source: str
    quantity: Quantity
    kind: Kind
    unit: str
    scale: float = 1.0
    node: tuple[str, ...] = ()
    namespace: tuple[str, ...] = ()
    pod: tuple[str, ...] = ()
    uid: tuple[str, ...] = ()
    container: tuple[str, ...] = ()
    device: tuple[str, ...] = ()
    where: tuple[tuple[str, str], ...] = ()
    part: str = ""
    sum_over: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class SeriesBlock:
    """The samples of one metric: S series, M samples in all, each series' samples side by side in order of arrival.

    Parameters
    ----------
    meaning : Meaning
    entities : tuple of Entity
        Length S.
    offsets : int64 array, shape (S + 1,)
        Series s has the samples ``offsets[s]`` to ``offsets[s + 1] - 1``.
    at_s : float64 array, shape (M,)
        When each sample was taken, in Unix seconds by the source's clock.
    value : float64 array, shape (M,)
        In the exported unit; NaN and infinities as they came.
    kept : tuple of tuple of str
        Length S where the meaning keeps labels: their values, in its order, "" for a missing one.
    """

    meaning: Meaning
    entities: tuple[Entity, ...]
    offsets: Integers
    at_s: Floats
    value: Floats
    kept: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class SourceReading:
    """What one source said when it was asked once.

    Parameters
    ----------
    source : str
        As in ``Meaning.source``.
    evaluated_s, received_s : float
        Unix seconds of the answer, by the source's clock and by ours: their difference is the skew.
    blocks : tuple of SeriesBlock
        One a metric that had samples.
    missing : tuple of str
        Metrics that were asked for and had none.
    refused : dict of str to int
        Series that could not be read, by reason: "unlabelled", "malformed".
    error : str
        Why there is no answer at all; "" where there is one.
    """

    source: str
    evaluated_s: float
    received_s: float
    blocks: tuple[SeriesBlock, ...] = ()
    missing: tuple[str, ...] = ()
    refused: dict[str, int] = field(default_factory=dict)
    error: str = ""


class PowerSource(Protocol):
    """Whatever measures: a Prometheus (which carries several sources), a Redfish service, recorded scrapes."""

    def read(self, now_s: float, window_s: float) -> tuple[SourceReading, ...]:
        """Ask once for the samples of the last ``window_s`` seconds; never raises for what the outside does.

        Parameters
        ----------
        now_s : float
            Unix seconds by our clock. A live source answers for its own present; a recorded one for this moment.
        window_s : float
        """
        ...
