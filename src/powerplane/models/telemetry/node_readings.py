"""What each node draws and each pod uses, by the best source that can be believed."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from powerplane.models.telemetry.readings import Floats

NodeState = Literal["measured", "held", "worst"]
"""measured: a usable sample now. held: the last good one, under three scrapes old. worst: counts at its worst case."""


@dataclass(frozen=True, slots=True, eq=False)
class NodeReadings:
    """N nodes at one moment.

    Parameters
    ----------
    at_s : float
        Unix seconds by our clock.
    nodes : tuple of str
        Every node of the cluster, measured or not.
    watts : float64 array, shape (N,)
        What the node counts as drawing: never NaN, never 0 by accident. At its worst case where the state says so.
    state : tuple of NodeState
    source : tuple of str
        Who measured it; "" for the worst case.
    age_s : float64 array, shape (N,)
        Of the sample; infinite for a node never measured.
    cpu_watts, dram_watts, gpu_watts : float64 arrays, shape (N,)
        Parts, where a source tells them; NaN elsewhere.
    why : tuple of str
        What was wrong with better sources or with this one: "kepler: frozen; ipmi: missing". "" where nothing was.
    found : dict of (source, reason) to int
        Bad series of this round.
    dark : frozenset of str
        Nodes that draw nothing, by the wall's word again and again, and that do not report.
    inlet_celsius, fan_rpm : float64 arrays, shape (N,), or (0,)
        Of the air and the fans (their mean), where a management controller tells them; NaN elsewhere. Only shown.
    """

    at_s: float
    nodes: tuple[str, ...]
    watts: Floats
    state: tuple[NodeState, ...]
    source: tuple[str, ...]
    age_s: Floats
    cpu_watts: Floats
    dram_watts: Floats
    gpu_watts: Floats
    why: tuple[str, ...]
    found: dict[tuple[str, str], int] = field(default_factory=dict)
    dark: frozenset[str] = frozenset()
    inlet_celsius: Floats = field(default_factory=lambda: np.empty(0))
    fan_rpm: Floats = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True, slots=True, eq=False)
class PodReadings:
    """P pods at one moment.

    Parameters
    ----------
    namespaces, pods, uids, nodes : tuple of str
        Length P; uid and node "" where the source does not tell them.
    cpu_cores, gpu_watts : float64 arrays, shape (P,)
        NaN where not measured.
    share_watts : float64 array, shape (P,)
        What the source attributes to the pod; NaN where it does not.
    age_s : float64 array, shape (P,)
        Of the oldest sample that they rest on.
    """

    namespaces: tuple[str, ...]
    pods: tuple[str, ...]
    uids: tuple[str, ...]
    nodes: tuple[str, ...]
    cpu_cores: Floats
    gpu_watts: Floats
    share_watts: Floats
    age_s: Floats
