"""One channel's sensors over time: what they have seen, what they said last, and when."""

from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from powerplane.simulator.sensors.channels import Channel, Floats, Scene
from powerplane.simulator.sensors.faults import Doubled, Down, Fault, Frozen, Lies, Missing, Restarted, Says, Skewed
from powerplane.simulator.sensors.models import SensorModel
from powerplane.simulator.sensors.trail import Trail

Mask = NDArray[np.bool_]
Holding = list[tuple[Fault, Mask]]
Integers = NDArray[np.int64]

MOST_SIGMAS = 3.0
"""No device that passes its maker's test is calibrated worse."""


@dataclass(frozen=True, slots=True, eq=False)
class Spoken:
    """What one channel says, a row a node, GPU or pod.

    Parameters
    ----------
    value : float64 array, shape (R,)
    taken_s : float64 array, shape (R,)
        When each was read, by the clock of whoever stamps it.
    there : bool array, shape (R,)
        Rows that are on the page.
    doubled, skewed : bool array, shape (R,), or None
        Rows that come twice; that carry a time of their own, which is wrong.
    """

    value: Floats
    taken_s: Floats
    there: Mask
    doubled: Mask | None = None
    skewed: Mask | None = None


class Placing(NamedTuple):
    """Where a channel's rows are, R of them.

    Parameters
    ----------
    node : int64 array, shape (R,)
        Each row's node, -1 for none.
    former : int64 array, shape (R,), or None
        Each row's former row, -1 for a new one, where rows changed.
    gain : float64 array, shape (R,)
        Calibration of each row's device.
    """

    node: Integers
    former: Integers | None
    gain: Floats


class Rows:
    """Which row each thing was before, so that what is remembered of it follows."""

    def __init__(self) -> None:
        self._keys: tuple[str, ...] = ()

    def follow(self, keys: tuple[str, ...]) -> Integers | None:
        """Former row of each key, -1 for a new one; None where nothing changed."""
        before, self._keys = self._keys, keys
        if keys is before or keys == before:
            return None
        place = {key: row for row, key in enumerate(before)}
        return np.array([place.get(key, -1) for key in keys], dtype=np.int64)


def calibration(seed: int, device: str, keys: tuple[str, ...]) -> Floats:
    """How far off each device is, in standard deviations; always the same for the same device."""
    raw = [np.random.default_rng([seed, crc32(device.encode()), crc32(key.encode())]).standard_normal() for key in keys]
    return np.clip(np.array(raw, dtype=np.float64), -MOST_SIGMAS, MOST_SIGMAS)


class Meter:
    """The sensors of one channel."""

    def __init__(self, channel: Channel, model: SensorModel, seed: int) -> None:
        self.channel = channel
        self.model = model
        name = crc32(f"{channel.source}/{channel.what}".encode())
        self._random = np.random.default_rng([seed, name])
        averaged = channel.kind == "gauge" and (model.window_s > 0 or model.delay_s > 0)
        self._trail = Trail(model.window_s + model.delay_s + 1.0) if averaged else None
        self._total: Floats = np.zeros(0)
        self._phase: Floats = np.zeros(0)
        self._value: Floats = np.zeros(0)
        self._taken: Floats = np.zeros(0)
        self._came: Mask = np.zeros(0, dtype=bool)
        self._at_s: float | None = None
        self._restarted: set[Fault] = set()

    def observe(self, scene: Scene, at_s: float, placing: Placing, faults: tuple[Fault, ...]) -> Spoken:
        """See the truth, take what is due, and say it."""
        truth, place = scene.truth, placing.node
        true = self.channel.of(scene) * placing.gain
        if placing.former is not None:
            self._rearrange(placing.former, true)
        lit = truth.lit[np.maximum(place, 0)] & (place >= 0) if len(place) else np.zeros(0, dtype=bool)
        holding = [(each, _rows(each, truth.nodes, place)) for each in faults if each.holds(*self.channel.key, at_s)]
        if self.channel.kind == "counter":
            self._count(true, at_s, lit, holding)
        elif self._trail is not None:
            self._trail.add(at_s, true)
        due = self._due(at_s)
        for fault, rows in holding:
            if isinstance(fault, Frozen):
                due &= ~(rows & np.isfinite(self._taken))
        self._take(due, at_s, true, holding)
        self._at_s = at_s
        return self._spoken(lit, holding)

    def _rearrange(self, former: Integers, true: Floats) -> None:
        known, new = np.maximum(former, 0), former < 0
        count = len(former)

        def moved(values: Floats, fresh: Floats) -> Floats:
            return np.where(new, fresh, values[known]) if len(values) else fresh

        start = self._random.uniform(0, self.model.wrap, count) if self.model.wrap else np.zeros(count)
        self._total = moved(self._total, start)
        self._phase = moved(self._phase, self._random.uniform(0, self.model.period_s or 1.0, count))
        self._value = moved(self._value, np.full(count, np.nan))
        self._taken = moved(self._taken, np.full(count, -np.inf))
        self._came = np.where(new, False, self._came[known]) if len(self._came) else np.zeros(count, dtype=bool)
        if self._trail is not None:
            self._trail.rearrange(former, true)

    def _count(self, watts: Floats, at_s: float, lit: Mask, holding: Holding) -> None:
        """Give a counter its due; what restarts, or is without power, counts from 0."""
        for fault, rows in holding:
            if isinstance(fault, Lies):
                watts = np.where(rows, watts * fault.times, watts)
        seconds = 0.0 if self._at_s is None else at_s - self._at_s
        self._total = np.where(lit | (self._at_s is None), self._total + watts * seconds, 0.0)
        for fault, rows in holding:
            if isinstance(fault, Restarted) and fault not in self._restarted:
                self._restarted.add(fault)
                self._total = np.where(rows, 0.0, self._total)

    def _due(self, at_s: float) -> Mask:
        period = self.model.period_s
        if self._at_s is None or period <= 0:
            return np.ones(len(self._phase), dtype=bool)
        turned: Mask = np.floor((at_s - self._phase) / period) > np.floor((self._at_s - self._phase) / period)
        return turned | ~np.isfinite(self._taken)

    def _take(self, due: Mask, at_s: float, true: Floats, holding: Holding) -> None:
        """Read what is due."""
        model, count = self.model, len(due)
        if self.channel.kind == "counter":
            fresh = np.floor(self._total / model.step) * model.step if model.step else self._total
            fresh = np.mod(fresh, model.wrap) if model.wrap else fresh
        else:
            fresh = true if self._trail is None else self._trail.mean(at_s - model.delay_s, model.window_s)
            fresh = self._noisy(fresh)
        for fault, rows in holding:
            if isinstance(fault, Lies) and self.channel.kind == "gauge":
                fresh = np.where(rows, fresh * fault.times, fresh)
            elif isinstance(fault, Says):
                fresh = np.where(rows & (self._random.random(count) < fault.share), fault.value, fresh)
        came = self._random.random(count) >= model.dropout_share if model.dropout_share else np.ones(count, dtype=bool)
        self._value = np.where(due, fresh, self._value)
        self._taken = np.where(due, at_s, self._taken)
        self._came = np.where(due, came, self._came)

    def _noisy(self, value: Floats) -> Floats:
        model = self.model
        if model.noise or model.noise_share:
            spread = model.noise + model.noise_share * np.abs(value)
            noise = np.clip(self._random.standard_normal(len(value)), -MOST_SIGMAS, MOST_SIGMAS)
            value = np.maximum(value + spread * noise, 0.0)
        return np.round(value / model.step) * model.step if model.step else value

    def _spoken(self, lit: Mask, holding: Holding) -> Spoken:
        there = lit & self._came
        doubled: Mask | None = None
        skewed: Mask | None = None
        taken = self._taken
        for fault, rows in holding:
            if isinstance(fault, (Missing, Down)):
                there = there & ~rows
            elif isinstance(fault, Doubled):
                doubled = rows if doubled is None else doubled | rows
            elif isinstance(fault, Skewed):
                skewed = rows if skewed is None else skewed | rows
                taken = np.where(rows, taken + fault.seconds, taken)
        return Spoken(self._value, taken, there, doubled, skewed)


def _rows(fault: Fault, nodes: tuple[str, ...], place: Integers) -> Mask:
    """Rows that a fault concerns, shape (R,)."""
    if fault.nodes is None:
        return np.ones(len(place), dtype=bool)
    wanted = fault.nodes
    of_node = np.array([node in wanted for node in nodes], dtype=bool)
    return of_node[np.maximum(place, 0)] & (place >= 0)
