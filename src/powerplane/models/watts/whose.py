"""Whose watts a snapshot's nodes draw."""

import numpy as np

from powerplane.models.draws import curve_mw, node_kinds, node_loads
from powerplane.models.quantities import MICRO, MILLI
from powerplane.models.snapshot import Snapshot
from powerplane.models.telemetry.node_readings import NodeReadings
from powerplane.models.telemetry.readings import Integers
from powerplane.models.watts.attribution import Attribution, NodeUse, attribute


def attribute_snapshot(snapshot: Snapshot, measured_mw: Integers, readings: NodeReadings | None = None) -> Attribution:
    """Part what each node draws into idle, its pods' dynamic watts, and what no pod is known to draw.

    Parameters
    ----------
    snapshot : Snapshot
        Its pods' use as measured; its curves as stated, not shifted by measurements.
    measured_mw : int64 array, shape (N,)
        What each node draws.
    readings : NodeReadings, optional
        Tell what nodes' accelerators draw, whoever holds them.
    """
    use_ucores, _ = node_loads(snapshot)
    rows = np.arange(len(use_ucores), dtype=np.int32)
    return attribute(
        NodeUse(
            measured_mw=measured_mw,
            idle_mw=np.array([curve.idle_mw for curve in snapshot.node_curve], dtype=np.int64),
            modelled_mw=curve_mw(node_kinds(snapshot), rows, use_ucores),
            # What the system itself uses is in no snapshot.
            cores=np.full(len(rows), np.nan),
            pod_node=snapshot.pods.node.astype(np.int64),
            pod_cores=snapshot.pods.use_ucores / MICRO,
            pod_accelerator_mw=snapshot.pods.accelerator_mw,
            unheld_mw=_unheld_mw(snapshot, readings) if readings is not None else None,
        )
    )


def _unheld_mw(snapshot: Snapshot, readings: NodeReadings) -> Integers:
    """What each node's accelerators draw beyond what its pods' do, in milliwatts; 0 where that is not measured."""
    watts = dict(zip(readings.nodes, readings.gpu_watts.tolist(), strict=True))
    drawn = np.array([watts.get(name, np.nan) for name in snapshot.node_names], dtype=np.float64)
    _, held = node_loads(snapshot)
    unheld: Integers = np.maximum(np.round(np.nan_to_num(drawn) * MILLI).astype(np.int64) - held, 0)
    return unheld
