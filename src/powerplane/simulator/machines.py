"""The nodes' physics: curves, accelerators, limits and fans turn wanted work into watts and into what is lost."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.simulator import physics
from powerplane.simulator.limits import LimitBank
from powerplane.simulator.spec import WorldSpec
from powerplane.simulator.weather import fan_share

Floats = NDArray[np.float64]

FAN_LAG_S = 20.0
PACKAGE_LAG_S = 60.0
"""Time constants: of fans that follow the inlet air, and of a heat sink."""
PACKAGE_RISE_CELSIUS = 45.0
"""Of a package above its inlet air at its node's peak."""
INLET_CELSIUS = 22.0
"""Where no climate says otherwise."""


@dataclass(frozen=True, slots=True, eq=False)
class Load:
    """What nodes and devices do at one moment. N nodes, G devices; all float64.

    Parameters
    ----------
    wall, host, fans : arrays, shape (N,)
        Watts at the wall; of that, without fans beyond the curve's own and without devices; of fans beyond.
    busy : array, shape (N,)
        CPUs in use.
    speed : array, shape (N,)
        Share of the wanted CPU work that is done: less where CPUs are all busy, or limited.
    limited_speed : array, shape (N,)
        The same, of limits alone.
    device : array, shape (G,)
        Watts.
    device_speed : array, shape (G,)
    """

    wall: Floats
    host: Floats
    fans: Floats
    busy: Floats
    speed: Floats
    limited_speed: Floats
    device: Floats
    device_speed: Floats


class Machines:
    """Constants and slow state (limits, heat, fans) of N nodes and G devices."""

    def __init__(self, spec: WorldSpec) -> None:
        base, devices = spec.base, spec.devices
        count = len(base.nodes)
        self.cores: Floats = base.allocatable[:, base.resources.index("cpu")] / 1000.0
        self.devices = devices
        self.kinds = _kinds(spec)
        self.idle = np.array([curve.idle_mw / 1000 for curve in base.node_curve])
        self.peak = np.array([curve.peak_mw / 1000 for curve in base.node_curve])
        self.device_idle = physics.sum_by(devices.node, devices.idle_watts, count)
        self.device_most = physics.sum_by(devices.node, devices.most_watts, count)
        self.node_limits = LimitBank(count, self.idle + self.device_idle)
        self.device_limits = LimitBank(len(devices.model), devices.lowest_limit_watts)
        self._fan_full = spec.fan_watts
        self._climates = spec.climates
        self._climate_of = np.full(count, len(spec.climates), dtype=np.int64)
        for i, climate in enumerate(spec.climates):
            self._climate_of[list(climate.nodes)] = i
        self._changes = any(climate.heat.cool_celsius != climate.heat.hot_celsius for climate in spec.climates)
        self.inlet, self._first_speed = self._air_at(0.0)
        self._fan_speed = self._first_speed.copy()
        self.celsius: Floats = self.inlet + PACKAGE_RISE_CELSIUS * 0.3

    @property
    def first_fans(self) -> Floats:
        """Watts of fans that the curves include, shape (N,)."""
        result: Floats = self._fan_full * self._first_speed**3
        return result

    @property
    def extra_fans(self) -> Floats:
        """Watts of fans beyond those, shape (N,)."""
        result: Floats = self._fan_full * (self._fan_speed**3 - self._first_speed**3)
        return result

    def load(self, wanted: Floats, device_use: Floats, other: Floats, lit: NDArray[np.bool_], now_s: float) -> Load:
        """Turn wanted work into watts.

        Parameters
        ----------
        wanted : float64 array, shape (N,)
            CPUs that pods would use.
        device_use : float64 array, shape (G,)
            Share of each device's way from idle to its highest draw.
        other : float64 array, shape (N,)
            Watts of devices that are not simulated one by one.
        lit : bool array, shape (N,)
        now_s : float
        """
        busy = np.minimum(wanted, self.cores)
        saturated = busy / np.maximum(wanted, 1e-12)
        host = self.host_watts(busy)
        device, device_speed = self._devices(device_use, now_s)
        fans = self.extra_fans
        count = len(self.cores)
        devices = physics.sum_by(self.devices.node, device, count)
        dynamic = (host - self.idle) + (devices - self.device_idle) + other
        share = np.ones(count)
        if not self.node_limits.idle:
            room = self.node_limits.in_force(now_s) - (host + devices + other + fans - dynamic)
            share = np.clip(room / np.maximum(dynamic, 1e-9), 0.0, 1.0)
            host, other = self.idle + share * (host - self.idle), share * other
            device, device_speed = self._shave(device, device_speed, share)
            devices = physics.sum_by(self.devices.node, device, count)
        slowed = np.where(share < 1.0, physics.speed_at(share), 1.0)
        on = lit.astype(np.float64)
        device_on = on[self.devices.node]
        return Load(
            wall=on * (host + devices + other + fans),
            host=on * host,
            fans=on * fans,
            busy=on * busy,
            speed=on * np.where(wanted > 0, saturated, 1.0) * slowed,
            limited_speed=slowed,
            device=device_on * device,
            device_speed=device_on * device_speed,
        )

    def host_watts(self, busy: Floats) -> Floats:
        """Curves at a use, shape (N,): without devices and without fans beyond the curves' own."""
        watts = np.empty(len(busy))
        for rows, knots, values in self.kinds:
            watts[rows] = np.interp(busy[rows] / self.cores[rows], knots, values)
        return watts

    def pass_time(self, load: Load, dt_s: float, now_s: float) -> None:
        """Let heat sinks and fans follow for some seconds."""
        if self._changes:
            self.inlet, wanted = self._air_at(now_s)
            self._fan_speed = physics.approach(self._fan_speed, wanted, dt_s, FAN_LAG_S)
        goal = self.inlet + PACKAGE_RISE_CELSIUS * load.host / np.maximum(self.peak, 1e-9)
        self.celsius = physics.approach(self.celsius, goal, dt_s, PACKAGE_LAG_S)

    def _devices(self, use: Floats, now_s: float) -> tuple[Floats, Floats]:
        devices = self.devices
        wanted = devices.idle_watts + use * (devices.most_watts - devices.idle_watts)
        if self.device_limits.idle:
            return wanted, np.ones(len(wanted))
        limit = self.device_limits.in_force(now_s)
        watts = np.minimum(wanted, limit)
        return watts, self._device_speed(watts, wanted)

    def _device_speed(self, watts: Floats, wanted: Floats) -> Floats:
        """Speed of devices held to ``watts`` that would draw ``wanted``: as the knee says of a device at full load."""
        devices = self.devices
        held = watts / np.maximum(wanted, 1e-9)
        slowed = physics.device_speed_at(held, devices.knee, devices.idle_watts / np.maximum(wanted, 1e-9))
        result: Floats = np.where(watts < wanted, slowed, 1.0)
        return result

    def _shave(self, device: Floats, speed: Floats, share: Floats) -> tuple[Floats, Floats]:
        devices = self.devices
        held = devices.idle_watts + share[devices.node] * (device - devices.idle_watts)
        return held, speed * self._device_speed(held, device)

    def _air_at(self, second: float) -> tuple[Floats, Floats]:
        """Inlet temperatures, and the fan speeds that they ask for, shape (N,) each."""
        celsius = [climate.heat.celsius_at(second) for climate in self._climates] + [INLET_CELSIUS]
        speeds = np.cbrt([fan_share(value) for value in celsius])
        return np.array(celsius)[self._climate_of], speeds[self._climate_of]


def _kinds(spec: WorldSpec) -> tuple[tuple[NDArray[np.int64], Floats, Floats], ...]:
    """Rows, knots and watts of the nodes of each curve."""
    rows: dict[int, list[int]] = {}
    for row, curve in enumerate(spec.base.node_curve):
        rows.setdefault(id(curve), []).append(row)
    found = []
    for group in rows.values():
        curve = spec.base.node_curve[group[0]]
        knots = np.array([float(knot) for knot in curve.utilisation])
        found.append((np.array(group), knots, np.array(curve.milliwatts) / 1000.0))
    return tuple(found)
