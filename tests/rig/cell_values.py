"""What random cells are made of: small pools of values, and what one cell holds."""

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
NAMESPACES = {"cell-a": {"team": "x"}, "cell-b": {"team": "y", "stage": "test"}, "cell-c": {}}
PROBE_CLASS = "cell-probe"
OVERHEAD_CLASS = "cell-heavy"
HOLD = "rig.powerplane.dev/hold"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
ZONE, REGION = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"
OLD_ZONE = "failure-domain.beta.kubernetes.io/zone"
HOST = "kubernetes.io/hostname"
KEYS = (HOST, ZONE, "rack", REGION)
APPS, TIERS, VERSIONS = ("a", "b", "c", "d"), ("web", "db", ""), ("1", "2")
TAINT_VALUES = {"dedicated": ("gpu", "db", ""), "maintenance": ("", "soon"), "slow": ("true",)}
EFFECTS = ("NoSchedule", "NoExecute", "PreferNoSchedule")
FPGA = "example.com/fpga"
ADDRESSES = (None, "0.0.0.0", "10.0.0.1", "10.0.0.2", "127.0.0.1")


@dataclass(frozen=True)
class Probe:
    """A pod to ask about, and the families of rules that it uses."""

    body: Json
    families: tuple[str, ...]


@dataclass
class Cell:
    """Objects in the API's JSON.

    Parameters
    ----------
    going, done : sets of str
        Names of bound pods that are to be deleted (a finalizer holds them), and to have succeeded or failed.
    resized : dict
        By name of a bound pod: the status of its first container, which holds other amounts than it asks for.
    """

    nodes: list[Json] = field(default_factory=list)
    volumes: list[Json] = field(default_factory=list)
    claims: list[Json] = field(default_factory=list)
    pods: list[Json] = field(default_factory=list)
    going: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    resized: dict[str, Json] = field(default_factory=dict)
    probes: list[Probe] = field(default_factory=list)
