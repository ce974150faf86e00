"""What a cluster is asked to run: owners, how many pods of each, and how hard they work over time."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Kind = Literal["Deployment", "Job", "DaemonSet", "Fixed"]
"""Fixed: pods as a snapshot found them, which come back when they are lost and are never more or fewer."""


class Trace(Protocol):
    """How hard a workload works over time."""

    def level(self, at_s: Floats) -> Floats:
        """Return the load at some seconds of the simulation, 1 being what the workload was sized for."""
        ...


@dataclass(frozen=True, slots=True)
class Steady:
    """The same load all the time."""

    share: float = 1.0

    def level(self, at_s: Floats) -> Floats:
        """Return ``share`` everywhere."""
        return np.full(len(at_s), self.share)


@dataclass(frozen=True, slots=True)
class Product:
    """One load times another: recorded requests in the shape of a day."""

    first: Trace
    second: Trace

    def level(self, at_s: Floats) -> Floats:
        """Return the product of both."""
        return self.first.level(at_s) * self.second.level(at_s)


@dataclass(frozen=True, slots=True)
class Autoscaling:
    """A HorizontalPodAutoscaler on CPU use.

    Parameters
    ----------
    least, most : int
        Replicas.
    target : float
        Use over request that it aims for.
    """

    least: int
    most: int
    target: float = 0.6


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Jobs that come by themselves and end by themselves.

    Parameters
    ----------
    per_hour : float
        At level 1 of the trace.
    minutes : float
        Mean duration.
    spread : float
        Standard deviation of the duration's logarithm.
    """

    per_hour: float
    minutes: float
    spread: float = 0.6


@dataclass(frozen=True, slots=True)
class Workload:
    """One owner and its pods, which are all made from one template.

    Parameters
    ----------
    kind : Kind
    replicas : int
        Pods that run at level 1; 0 for jobs and DaemonSets.
    cores : float
        What one pod uses at level 1.
    most_cores : float
        What one pod may use at most (its CPU limit).
    trace : Trace
    shared : bool
        Whether the pods that serve share one load, so that fewer of them each work harder.
    wobble : float
        Share by which each pod's use swings by itself, on a period of its own.
    autoscaling : Autoscaling or None
    arrivals : Arrivals or None
        For jobs.
    accelerators : int
        Whole devices that one pod takes.
    device_level : float
        Utilisation of a pod's devices at level 1.
    serves_tokens : bool
        Its devices draw as an LLM server's do: much as soon as there is any request, little more for many.
    tokens_per_work : (float, float)
        Tokens of prompts, and of answers, that a second of a device's work comes to.
    """

    kind: Kind
    replicas: int
    cores: float
    most_cores: float
    trace: Trace = Steady()
    shared: bool = False
    wobble: float = 0.05
    autoscaling: Autoscaling | None = None
    arrivals: Arrivals | None = None
    accelerators: int = 0
    device_level: float = 0.0
    serves_tokens: bool = False
    tokens_per_work: tuple[float, float] = (0.0, 0.0)
