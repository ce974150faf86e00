"""What a node's fans and the air at its inlet say beside its watts."""

from math import isfinite

import numpy as np

from powerplane.models.telemetry.node_readings import NodeReadings
from powerplane.models.telemetry.precedence import WALL_SOURCES
from powerplane.models.telemetry.readings import Floats
from powerplane.models.watts.thermal import TYPICAL_FANS


def heat_lines(readings: NodeReadings, name: str) -> list[str]:
    """Say how warm a node's air is, how fast its fans turn, and what that may be of its watts; nothing if not known.

    Fans are a part of the idle and the unattributed watts that are told already, so that nothing is added. A speed
    alone says no watts: those of servers that draw as much stand beside it, where the wall is measured and fans turn.
    """
    if name not in readings.nodes:
        return []
    row = readings.nodes.index(name)
    celsius, rpm = _at(readings.inlet_celsius, row), _at(readings.fan_rpm, row)
    told = []
    if isfinite(celsius):
        told.append(f"air at the inlet {celsius:.0f} °C")
    if isfinite(rpm):
        told.append(f"fans at {rpm:,.0f} rpm")
    if not told:
        return []
    lines = [f"  heat          {', '.join(told)}"]
    if rpm > 0 and readings.source[row] in WALL_SOURCES and readings.state[row] != "worst":
        # Accelerators are cooled by these fans as well, so that the whole draw counts.
        watts = float(TYPICAL_FANS.settled(np.array([readings.watts[row]]))[0])
        lines.append(
            f"    fans of servers that draw as much take about {watts:.0f} W: of idle and unattributed, not added"
        )
    return lines


def _at(values: Floats, row: int) -> float:
    return float(values[row]) if row < len(values) else float("nan")
