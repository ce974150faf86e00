"""From the truth to what every sensor says: averaged, late, noisy, stepped, and wrong where a fault says so.

One seed and one sequence of moments give the same readings.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.simulator.sensors.channels import CHANNELS, Floats, Per, Scene
from powerplane.simulator.sensors.faults import Down, Fault
from powerplane.simulator.sensors.meter import Meter, Placing, Rows, Spoken, calibration
from powerplane.simulator.sensors.models import SENSORS, SensorModel
from powerplane.simulator.truth import Truth


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """What all sensors say at one moment; nothing of it changes.

    Parameters
    ----------
    truth : Truth
        As it was then, for names and places.
    at_s : float
        By the exporters' clock.
    readings : dict of (source, what) to Spoken
    faults : tuple of Fault
        Those in force.
    """

    truth: Truth
    at_s: float
    readings: Mapping[tuple[str, str], Spoken]
    faults: tuple[Fault, ...]

    def answers(self, source: str) -> NDArray[np.bool_]:
        """Nodes whose exporter answers, shape (N,): those that have power, and where it is not down."""
        up = self.truth.lit.copy()
        for fault in self.faults:
            if isinstance(fault, Down) and fault.source == source and not fault.what:
                down = fault.nodes
                up &= np.array([down is not None and node not in down for node in self.truth.nodes], dtype=bool)
        return up


class Sensors:
    """Every sensor of a cluster.

    Parameters
    ----------
    seed : int
    sources : iterable of str, optional
        Exporters whose sensors are kept; all by default.
    models : mapping of str to SensorModel
    faults : iterable of Fault
    """

    def __init__(
        self,
        seed: int,
        sources: Iterable[str] | None = None,
        models: Mapping[str, SensorModel] = SENSORS,
        faults: Iterable[Fault] = (),
    ) -> None:
        wanted = None if sources is None else set(sources)
        channels = [each for each in CHANNELS if wanted is None or each.source in wanted]
        self.faults: tuple[Fault, ...] = tuple(faults)
        """What is wrong; may be replaced at any time, and counts from the next moment on."""
        self._seed = seed
        self._meters = [Meter(each, models[each.model], seed) for each in channels]
        self._rows = {per: Rows() for per in ("node", "gpu", "pod")}
        self._gains: dict[str, Floats] = {}
        self._idle: Floats | None = None

    def observe(self, truth: Truth, at_s: float) -> Said:
        """Let every sensor see the truth, and return what they all say now.

        Parameters
        ----------
        truth : Truth
            What has been so since the last time.
        at_s : float
            By the exporters' clock, which also counts joules; never earlier than the last time.
        """
        changed = {
            "node": self._rows["node"].follow(truth.nodes),
            "gpu": self._rows["gpu"].follow(truth.gpu_uuid),
            "pod": self._rows["pod"].follow(truth.pod_uid),
        }
        if changed["node"] is not None or changed["gpu"] is not None:
            self._gains.clear()
        scene = Scene(truth, self._least(truth))
        places = {"node": np.arange(len(truth.nodes)), "gpu": truth.gpu_node, "pod": truth.pod_node}
        faults = self.faults

        def placed(meter: Meter) -> Placing:
            per = meter.channel.per
            return Placing(places[per], changed[per], self._gain(meter, truth))

        readings = {meter.channel.key: meter.observe(scene, at_s, placed(meter), faults) for meter in self._meters}
        in_force = tuple(fault for fault in faults if fault.from_s <= at_s < fault.until_s)
        return Said(truth, at_s, readings, in_force)

    def _least(self, truth: Truth) -> Floats:
        """The least watts of each node's packages; dark nodes do not count."""
        seen = np.where(truth.lit, truth.cpu_watts, np.inf)
        if self._idle is None or len(self._idle) != len(seen):
            self._idle = seen
        self._idle = np.minimum(self._idle, seen)
        return self._idle

    def _gain(self, meter: Meter, truth: Truth) -> Floats:
        """Calibration of each row's device; a pod's share of a zone errs as its node's zone does."""
        if meter.channel.per == "gpu":
            return self._devices(meter.model.device, "gpu", truth.gpu_uuid) * meter.model.gain_share + 1.0
        gain = self._devices(meter.model.device, "node", truth.nodes) * meter.model.gain_share + 1.0
        return gain[np.maximum(truth.pod_node, 0)] if meter.channel.per == "pod" else gain

    def _devices(self, device: str, per: Per, keys: tuple[str, ...]) -> Floats:
        name = f"{device} of {per}"
        if name not in self._gains:
            self._gains[name] = calibration(self._seed, device, keys)
        return self._gains[name]
