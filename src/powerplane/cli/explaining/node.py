"""What a node draws, and whose watts these are."""

import numpy as np

from powerplane.cli.explaining.node_heat import heat_lines
from powerplane.cli.report import words
from powerplane.models.draws import draws_mw, node_kinds, node_loads
from powerplane.models.errors import InputError
from powerplane.models.plain import printable
from powerplane.models.quantities import MICRO, MILLI
from powerplane.models.snapshot import Snapshot
from powerplane.models.telemetry.node_readings import NodeReadings
from powerplane.models.telemetry.readings import Integers
from powerplane.models.watts.attribution import moved_mw
from powerplane.models.watts.whose import attribute_snapshot

MOST_PODS = 20


def explain_node(snapshot: Snapshot, readings: NodeReadings | None, name: str) -> list[str]:
    """Say what a node draws, by whom that was measured, and how it parts into idle, its pods and the rest.

    Parameters
    ----------
    snapshot : Snapshot
        Its pods' use as measured; its curves as stated.
    readings : NodeReadings or None
        None where nothing was measured: the curve then says what the node draws.
    name : str

    Raises
    ------
    InputError
        When there is no such node.
    """
    if name not in snapshot.node_names:
        known = ", ".join(snapshot.node_names[:10])
        raise InputError(f"there is no node {name!r}", f"name one of the snapshot's nodes: {known}, …")
    row = snapshot.node_names.index(name)
    measured_mw = draws_mw(node_kinds(snapshot), *node_loads(snapshot))
    told = "by its curve and its pods' use; nothing was measured"
    if readings is not None:
        measured_mw, told = _measured(measured_mw, readings, name, row)
    found = attribute_snapshot(snapshot, measured_mw, readings)
    here = np.flatnonzero(snapshot.pods.node == row)
    lines = [
        f"node {name} draws {_watts(measured_mw[row])}, {told}",
        f"  idle          {_watts(found.idle_mw[row]):>12}  what it draws without any pod, by its curve",
        f"  dynamic       {_watts(found.pod_mw[here].sum()):>12}  of {words.count(len(here), 'pod')}",
        f"  unattributed  {_watts(found.unattributed_mw[row]):>12}  fans, disks, losses, the system, a wrong curve",
    ]
    if readings is not None:
        lines += heat_lines(readings, name)
    order = here[np.argsort(-found.pod_mw[here], kind="stable")]
    if len(order):
        lines.append("  share now, and what the node would draw less without it:")
    lines += [_pod_line(snapshot, row, int(pod), int(found.pod_mw[pod])) for pod in order[:MOST_PODS]]
    if len(order) > MOST_PODS:
        rest = int(found.pod_mw[order[MOST_PODS:]].sum())
        lines.append(f"    {_watts(rest):>12}  in {words.count(len(order) - MOST_PODS, 'more pod')}")
    return lines


def _measured(by_curve: Integers, readings: NodeReadings, name: str, row: int) -> tuple[Integers, str]:
    """Put what was measured in the place of what the curve says, for this node."""
    result = by_curve.copy()
    if name not in readings.nodes:
        return result, "by its curve and its pods' use; no source knows it"
    place = readings.nodes.index(name)
    watts, state, source = float(readings.watts[place]), readings.state[place], readings.source[place]
    result[row] = max(0, round(watts * MILLI))
    if state == "worst":
        return result, f"which is its worst case: {readings.why[place] or 'it was never measured'}"
    return result, f"by {source}, measured {words.seconds(float(readings.age_s[place]))} ago"


def _pod_line(snapshot: Snapshot, row: int, pod: int, own_mw: int) -> str:
    pods = snapshot.pods
    use = int(pods.use_ucores[pod])
    total, _ = node_loads(snapshot)
    capacity = int(snapshot.allocatable[row, snapshot.resources.index("cpu")]) * (MICRO // MILLI)
    freed = -moved_mw(snapshot.node_curve[row], capacity, int(total[row]), -use) + int(pods.accelerator_mw[pod])
    assumed = "" if pods.measured[pod] else ", assumed"
    who = f"{printable(pods.namespaces[pod])}/{printable(pods.names[pod])}"
    cores = f"{use / MICRO:.3g} core{'' if use == MICRO else 's'}"
    return f"    {_watts(own_mw):>12} {_watts(freed):>12}  {who} ({cores}{assumed})"


def _watts(milliwatts: int) -> str:
    return f"{milliwatts / MILLI:,.3f} W"
