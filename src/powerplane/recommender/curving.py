"""Curves of node types learned online: what nodes were measured to draw at what their pods were measured to use."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from powerplane.models.build import PowerAssignment
from powerplane.models.curves import PowerCurve
from powerplane.models.demand.arrays import Floats
from powerplane.models.draws import node_loads
from powerplane.models.snapshot import Snapshot
from powerplane.models.telemetry.node_readings import NodeReadings
from powerplane.models.watts.node_fit import NodeFit
from powerplane.models.watts.rules import FitRules
from powerplane.models.watts.samples import NodeSamples

RULES = FitRules(memory=1024, neighbours=0)
"""Of a fit only the curve is planned with."""

ENOUGH = 100.0
"""Samples, faded by age, from which on a curve may be planned with."""

SPREAD = 0.2
"""Of the machine: the least range of use that they must span, or they say nothing of a slope."""

MOST_TYPES = 256
OLD_S = 180.0
"""Use that was seen longer ago is no sample's before."""


@dataclass(slots=True)
class Curving:
    """Keeps a fit for each node type, which is known by its stated curve. Not for several threads at once."""

    _fits: dict[PowerCurve, NodeFit] = field(default_factory=dict)
    _before: dict[str, tuple[float, float]] = field(default_factory=dict)
    _fitted: dict[PowerCurve, PowerCurve] = field(default_factory=dict)

    @property
    def fitted(self) -> Mapping[PowerCurve, PowerCurve]:
        """Curves to plan with, by those that are stated; only where they did better."""
        return self._fitted

    @property
    def errors(self) -> dict[str, float]:
        """Mean error of each fitted curve's predictions, as a share of the draw, by the stated curve's name."""
        return {prior.name: self._fits[prior].error.curve_mape for prior in self._fitted}

    def learn(self, snapshot: Snapshot, power: PowerAssignment, readings: NodeReadings, now_s: float) -> int:
        """Take a round in; return how many nodes taught something.

        Parameters
        ----------
        snapshot : Snapshot
            Its pods' use as measured, or assumed.
        power : PowerAssignment
            The curves as stated.
        readings : NodeReadings
            By name.
        now_s : float
            Unix seconds.
        """
        shares = _known_shares(snapshot)
        row_of = {name: row for row, name in enumerate(readings.nodes)}
        samples: dict[PowerCurve, list[tuple[float, float, float]]] = {}
        for name, share in shares.items():
            row = row_of.get(name, -1)
            if row < 0 or readings.state[row] != "measured":
                continue
            at_s, before = self._before.get(name, (float("-inf"), share))
            usable = before if 0 <= now_s - at_s <= OLD_S else share
            samples.setdefault(power.nodes[name].curve, []).append((share, usable, float(readings.watts[row])))
        self._before = {name: (now_s, share) for name, share in shares.items()}
        for prior, rows in samples.items():
            self._follow(prior, np.array(rows), now_s)
        return sum(len(rows) for rows in samples.values())

    def _follow(self, prior: PowerCurve, rows: Floats, now_s: float) -> None:
        fit = self._fits.get(prior)
        if fit is None:
            if len(self._fits) >= MOST_TYPES:
                return
            fit = NodeFit.start(prior, rules=RULES)
        at_s = np.full(len(rows), now_s)
        fit = self._fits[prior] = fit.follow(NodeSamples(at_s, rows[:, :1], rows[:, 1:2], rows[:, 2]))
        if is_better(fit):
            self._fitted[prior] = fit.curve()
        else:
            self._fitted.pop(prior, None)


def is_better(fit: NodeFit) -> bool:
    """Whether a fit is to be planned with: by enough samples, over enough of the range, and nearer than what is stated.

    Its own error is that of predictions made before each sample was seen, so that nothing is won by learning by heart.
    """
    error, samples = fit.error, fit.memory.samples
    if error.samples < ENOUGH or float(np.ptp(samples.now[:, 0])) < SPREAD:
        return False
    knots = [float(each) for each in fit.prior.utilisation]
    stated = np.interp(samples.now[:, 0], knots, [mw / 1000 for mw in fit.prior.milliwatts])
    weights = fit.memory.weights(fit.rules.half_life_s)
    return error.curve_mape < float(np.average(np.abs(samples.watts - stated) / samples.watts, weights=weights))


def _known_shares(snapshot: Snapshot) -> dict[str, float]:
    """CPU in use as a share of the machine, of nodes without accelerators all of whose pods were measured."""
    pods = snapshot.pods
    unknown = np.zeros(len(snapshot.nodes), dtype=np.int64)
    np.add.at(unknown, pods.node[(pods.node >= 0) & ~pods.measured], 1)
    use, accelerator_mw = node_loads(snapshot)
    capacity = snapshot.allocatable[:, snapshot.resources.index("cpu")] * 1000
    usable = (unknown == 0) & (accelerator_mw == 0) & (capacity > 0)
    return {
        name: min(int(use[row]) / int(capacity[row]), 1.0)
        for row, name in enumerate(snapshot.node_names)
        if usable[row]
    }
