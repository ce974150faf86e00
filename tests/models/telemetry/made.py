"""Readings of nodes made by hand, for tests: name what matters, take the rest as given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from powerplane.models.telemetry.node_readings import NodeReadings, NodeState

AT_S = 1_790_000_000.0


@dataclass(frozen=True)
class Reading:
    """What is known of one node."""

    watts: float
    state: NodeState = "measured"
    source: str = "ipmi"
    age_s: float = 4.0
    why: str = ""


def unmeasured(watts: float, why: str = "ipmi: missing") -> Reading:
    """A node at its worst case, of which nothing was ever measured."""
    return Reading(watts, "worst", "", float("inf"), why)


def node_readings(
    nodes: Mapping[str, Reading], found: Mapping[tuple[str, str], int] | None = None, at_s: float = AT_S
) -> NodeReadings:
    """Readings of these nodes, in this order."""
    each: Sequence[Reading] = list(nodes.values())
    unknown = np.full(len(each), np.nan)
    return NodeReadings(
        at_s=at_s,
        nodes=tuple(nodes),
        watts=np.array([one.watts for one in each], dtype=np.float64),
        state=tuple(one.state for one in each),
        source=tuple(one.source for one in each),
        age_s=np.array([one.age_s for one in each], dtype=np.float64),
        cpu_watts=unknown,
        dram_watts=unknown,
        gpu_watts=unknown,
        why=tuple(one.why for one in each),
        found=dict(found or {}),
    )
