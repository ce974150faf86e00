"""Everything that a simulation starts from; nothing of it changes."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from powerplane.models.snapshot import Snapshot
from powerplane.simulator.scenario import Climate, Pace
from powerplane.simulator.workload import Floats, Workload


@dataclass(frozen=True, slots=True, eq=False)
class Devices:
    """Accelerators, those of one node side by side. G devices.

    Parameters
    ----------
    node : int64 array, shape (G,)
        Rows of nodes, never falling.
    model, uuid : tuple of str
        Length G.
    idle_watts, most_watts, lowest_limit_watts : float64 arrays, shape (G,)
    knee : float64 array, shape (G,)
        Share of the highest limit below which work slows steeply.
    """

    node: NDArray[np.int64]
    model: tuple[str, ...]
    uuid: tuple[str, ...]
    idle_watts: Floats
    most_watts: Floats
    lowest_limit_watts: Floats
    knee: Floats


def no_devices() -> Devices:
    """Return a cluster's accelerators where it has none."""
    none = np.zeros(0)
    return Devices(np.zeros(0, dtype=np.int64), (), (), none, none, none, none)


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that is done to the cluster at a second.

    Parameters
    ----------
    at_s : float
    what : "lose" or "restore" (a domain), "budget" (another one for a domain), "scale" (a workload's load), "say"
    name : str
        Of the domain or workload; what is said.
    value : float
        Watts of the budget, or times the load.
    """

    at_s: float
    what: Literal["lose", "restore", "budget", "scale", "say"]
    name: str
    value: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class WorldSpec:
    """A cluster and what happens to it. N nodes, T templates.

    Parameters
    ----------
    base : Snapshot
        Nodes with their curves and budgets, the power topology, and templates; its pods are those that run at second 0.
        Curves include what fans draw in the air of second 0, and no accelerators.
    workloads : tuple of Workload
        One for each template.
    fan_watts : float64 array, shape (N,)
        What each node's fans draw at full speed.
    devices : Devices
    climates : tuple of Climate
    happenings : tuple of Happening
        In order of time.
    pace : Pace
    seed : int
    duration_s, step_s : float
    boot_s : float
        From a node's power until it takes pods again.
    """

    base: Snapshot
    workloads: tuple[Workload, ...]
    fan_watts: Floats
    devices: Devices = field(default_factory=no_devices)
    climates: tuple[Climate, ...] = ()
    happenings: tuple[Happening, ...] = ()
    pace: Pace = field(default_factory=Pace)
    seed: int = 0
    duration_s: float = 86_400.0
    step_s: float = 5.0
    boot_s: float = 180.0
