"""What is so in the simulated cluster at one moment: what sensors measure, and what readings are held against."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """N nodes, G accelerators, P pods that exist at this moment (running or starting).

    Parameters
    ----------
    at_s : float
        Seconds of the simulation.
    nodes : tuple of str
    lit : bool array, shape (N,)
        Nodes with power.
    wall_watts : float64 array, shape (N,)
        Whole nodes, at the wall; 0 where dark.
    cpu_watts, dram_watts, fan_watts : float64 arrays, shape (N,)
        Parts of it: packages, memory, fans. The rest is boards, disks and losses.
    cores : float64 array, shape (N,)
        CPUs of each node.
    busy_cores : float64 array, shape (N,)
        CPUs in use, the system's own included.
    celsius : float64 array, shape (N,)
        Of the packages.
    gpu_node : int64 array, shape (G,)
        Row of each accelerator's node.
    gpu_uuid, gpu_model : tuple of str
        Length G.
    gpu_watts, gpu_utilisation, gpu_limit_watts : float64 arrays, shape (G,)
        The limit in force; its highest where none was set.
    gpu_pod : int64 array, shape (G,)
        Row of the pod that has the accelerator, -1 for none.
    pod_namespace, pod_name, pod_uid, pod_owner : tuple of str
        Length P; owner as ``Kind/name``.
    pod_node : int64 array, shape (P,)
        Row of the node, -1 while it waits.
    pod_cores : float64 array, shape (P,)
        CPUs in use.
    pod_prompt_tokens, pod_generated_tokens : float64 arrays, shape (P,) or (0,)
        Tokens of prompts read, and of answers written, a second; NaN of pods that serve none, empty where no pod does.
    """

    at_s: float
    nodes: tuple[str, ...]
    lit: NDArray[np.bool_]
    wall_watts: Floats
    cpu_watts: Floats
    dram_watts: Floats
    fan_watts: Floats
    cores: Floats
    busy_cores: Floats
    celsius: Floats
    gpu_node: NDArray[np.int64]
    gpu_uuid: tuple[str, ...]
    gpu_model: tuple[str, ...]
    gpu_watts: Floats
    gpu_utilisation: Floats
    gpu_limit_watts: Floats
    gpu_pod: NDArray[np.int64]
    pod_namespace: tuple[str, ...]
    pod_name: tuple[str, ...]
    pod_uid: tuple[str, ...]
    pod_owner: tuple[str, ...]
    pod_node: NDArray[np.int64]
    pod_cores: Floats
    pod_prompt_tokens: Floats = field(default_factory=lambda: np.zeros(0))
    pod_generated_tokens: Floats = field(default_factory=lambda: np.zeros(0))
