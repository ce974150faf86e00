r"""What fans and temperature tell of a node type's watts beyond its curve, and whether telling it is worth it.

A curve over utilisation already has the fans and the leakage that belong to each load. What it lacks is what they do
apart from the load: on warmer inlet air, and while a machine has not settled yet. So each term is what its input
(the cube of the fans' speed; watts times temperature) differs from what is usual at that load,

.. math:: P = f(u) + \sum_i \beta_i \, (x_i - \hat{x}_i(f(u))), \qquad \beta_i \ge 0

with :math:`\hat{x}` a parabola over the curve's watts: the residual is regressed on what the load leaves unexplained
(R. Frisch and F. Waugh, Econometrica 1, 1933). Nothing is counted twice, since the terms are 0 at the usual heat.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

import numpy as np
from scipy.optimize import nnls

from powerplane.models.curves import PowerCurve
from powerplane.models.telemetry.readings import Floats
from powerplane.models.watts.node_fit import NodeFit
from powerplane.models.watts.rules import FitRules
from powerplane.models.watts.samples import LEAST_WATTS, MOST_WATTS, NodeSamples
from powerplane.models.watts.thermal import FAN_LAW, Fans, Heat, fit_fans

BLOCKS = 6
"""Of equal numbers of samples, in order of time: each but the first is predicted from those before it."""

FEWEST = 240
"""Samples below which nothing is said."""

WORTH = 0.02
"""Share by which a term has to lower the error of the blocks that it has not seen, to be kept."""

OWN_SHARE = 0.02
"""Share of an input's variance that the load must leave unexplained, for its watts to be told from the load's."""

MOST_RPM = 50_000.0
COLDEST, HOTTEST = -40.0, 150.0
"""No fan of a server turns faster, and no package that works is colder or hotter, °C."""

SPIKE = 3.0
"""Times the 99th percentile of a node's fan speeds, from which on one is no speed."""

STILL = 1e-4
"""Variance, over the mean's square, below which an input stands still."""

FAR = 4.0
"""Residuals beyond that many of their typical size are held there."""

LAGS = 24
LONGEST_LAG_S = 3600.0
EXPLAINED = 0.3
"""Share of a temperature's variance that the lagged watts must explain, for a lag to be stated."""


@dataclass(frozen=True, slots=True, eq=False)
class HeatHistory:
    """Samples of one node type with what is known of its heat beside them.

    Parameters
    ----------
    samples : NodeSamples
        M, in order of time; all that can be true.
    node : float64 array, shape (M,)
        Which node each is of.
    fan_share : float64 array, shape (M,)
        Fan speed over the highest seen on that node; NaN where not measured.
    celsius : float64 array, shape (M,)
        NaN where not measured.
    """

    samples: NodeSamples
    node: Floats
    fan_share: Floats
    celsius: Floats

    @classmethod
    def joined(cls, parts: Sequence[tuple[NodeSamples, Floats, Floats]]) -> "HeatHistory":
        """Put nodes together in order of time.

        Parameters
        ----------
        parts : sequence of (samples, rpm, celsius)
            Of each node, M samples in order of time and float64 arrays of shape (M,).
        """
        speeds = [np.where((rpm >= 0) & (rpm <= MOST_RPM), rpm, np.nan) for _, rpm, _ in parts]
        shares = [rpm / _largest(rpm) for rpm in map(_without_spikes, speeds)]
        node = np.repeat(np.arange(len(parts), dtype=np.float64), [len(samples) for samples, _, _ in parts])
        at_s = np.concatenate([samples.at_s for samples, _, _ in parts])
        order = np.argsort(at_s, kind="stable")
        samples = NodeSamples.joined([samples for samples, _, _ in parts])
        celsius = np.concatenate([celsius for _, _, celsius in parts])
        celsius = np.where((celsius > COLDEST) & (celsius < HOTTEST), celsius, np.nan)
        believed = np.isfinite(samples.watts) & (samples.watts >= LEAST_WATTS) & (samples.watts <= MOST_WATTS)
        believed &= np.isfinite(samples.now).all(axis=1) & (samples.now >= 0).all(axis=1)
        order = order[believed]
        return cls(samples[believed], node[order], np.concatenate(shares)[order], celsius[order])

    def known(self) -> tuple[str, ...]:
        """Which terms most samples have an input for."""
        inputs = {"fans": self.fan_share, "temperature": self.celsius}
        return tuple(name for name, values in inputs.items() if np.isfinite(values).mean() > 0.5)


@dataclass(frozen=True, slots=True)
class Held:
    """What the terms are worth: mean of |measured - predicted| / measured on blocks that were not seen.

    Parameters
    ----------
    curve, terms : float
        Of the curve alone; with the terms.
    better_blocks : int
        Of ``BLOCKS - 1``.
    """

    curve: float
    terms: float
    better_blocks: int

    @property
    def worth(self) -> bool:
        """Whether the terms lower the error by enough, and not in a single block."""
        return self.terms < (1.0 - WORTH) * self.curve and 2 * self.better_blocks > BLOCKS - 1


@dataclass(frozen=True, slots=True)
class HeatFit:
    """What was found of one node type.

    Parameters
    ----------
    samples : int
    held : dict of Held
        By the terms that were tried: "fans", "temperature", "fans and temperature".
    kept : str
        The terms that are worth it, the best; "" for none.
    fan_watts : float
        β of the fans: at the highest speed seen; 0 where their watts cannot be told from the load's.
    fans : Fans or None
        The fans settled at a load; None where their watts are not known.
    heat : Heat or None
        None where no temperature follows the watts.
    tied : tuple of str
        Terms whose input follows the load alone, or stands still: the curve has their watts.
    """

    samples: int
    held: dict[str, Held]
    kept: str
    fan_watts: float
    fans: Fans | None
    heat: Heat | None
    tied: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Terms:
    """Terms as fitted to some samples: usual inputs as parabolas over the curve's watts, and β of each."""

    usual: tuple[np.polynomial.Polynomial, ...]
    betas: Floats
    least: float
    most: float

    def watts(self, curve: Floats, inputs: Sequence[Floats]) -> Floats:
        apart = _apart(self.usual, np.clip(curve, self.least, self.most), inputs)
        found: Floats = apart @ self.betas
        return found


def fit_heat(history: HeatHistory, prior: PowerCurve, rules: FitRules | None = None) -> HeatFit | None:
    """Find what fans and temperature tell, and hold it against blocks of later samples.

    Parameters
    ----------
    history : HeatHistory
        Over utilisation: one counter.
    prior : PowerCurve
        Where the curve starts.
    rules : FitRules, optional

    Returns
    -------
    HeatFit or None
        None where too little is known.
    """
    names = history.known()
    complete = np.ones(len(history.samples), dtype=np.bool_)
    for name in names:
        complete &= np.isfinite(history.fan_share if name == "fans" else history.celsius)
    history = HeatHistory(*(getattr(history, each)[complete] for each in ("samples", "node", "fan_share", "celsius")))
    if not names or len(history.samples) < FEWEST:
        return None
    curves, fit = _curves(history.samples, prior, rules)
    final = fit.curve_watts(history.samples.now[:, 0], history.samples.before[:, 0])
    tied = tuple(name for name in names if _tied(final, _input(history, name, final)))
    free = tuple(name for name in names if name not in tied)
    tries = [(name,) for name in free] + ([free] if len(free) > 1 else [])
    held = {" and ".join(each): _held(history, curves, each) for each in tries}
    kept = _kept(held)
    betas = dict.fromkeys(names, 0.0)
    if free:
        chosen = tuple(kept.split(" and ")) if kept else free
        found = _fitted(final, history.samples.watts, [_input(history, name, final) for name in chosen])
        betas |= dict(zip(chosen, found.betas.tolist(), strict=True))
    watts = betas.get("fans", 0.0)
    return HeatFit(
        len(history.samples),
        held,
        kept,
        watts,
        _settled_fans(final, watts * np.nan_to_num(history.fan_share) ** FAN_LAW),
        _heat(history, betas.get("temperature", 0.0)) if "temperature" in names else None,
        tied,
    )


def _kept(held: dict[str, Held]) -> str:
    """Name the terms that are worth it; two of them only where the second one earns its place beside the first."""
    singly = {name: each.terms for name, each in held.items() if " and " not in name}
    worth = [name for name, each in held.items() if each.worth]
    worth.sort(key=lambda name: (name not in singly, held[name].terms))
    if not worth:
        return ""
    first, last = worth[0], worth[-1]
    return last if last not in singly and held[last].terms < (1.0 - WORTH) * held[first].terms else first


def _curves(
    samples: NodeSamples, prior: PowerCurve, rules: FitRules | None
) -> tuple[list[tuple[slice, Floats]], NodeFit]:
    """For each block but the first: its rows, and the watts of the curve before it, for all samples up to its end."""
    edges = np.linspace(0, len(samples), BLOCKS + 1).astype(int).tolist()
    fit, found = NodeFit.start(prior, rules=rules), []
    for start, end, after in zip(edges, edges[1:], edges[2:], strict=False):
        fit = fit.follow(samples[start:end])
        upto = samples[:after]
        found.append((slice(end, after), fit.curve_watts(upto.now[:, 0], upto.before[:, 0])))
    return found, fit.follow(samples[edges[-2] :])


def _held(history: HeatHistory, curves: Sequence[tuple[slice, Floats]], names: Sequence[str]) -> Held:
    without, with_terms, better = [], [], 0
    for rows, curve in curves:
        inputs = [_input(history, name, curve) for name in names]
        seen = slice(0, rows.start)
        terms = _fitted(curve[seen], history.samples.watts[seen], [values[seen] for values in inputs])
        added = terms.watts(curve[rows], [values[rows] for values in inputs])
        measured = history.samples.watts[rows]
        without.append(float(np.mean(np.abs(measured - curve[rows]) / measured)))
        with_terms.append(float(np.mean(np.abs(measured - curve[rows] - added) / measured)))
        better += with_terms[-1] < without[-1]
    return Held(float(np.mean(without)), float(np.mean(with_terms)), better)


def _fitted(curve: Floats, watts: Floats, inputs: Sequence[Floats]) -> _Terms:
    usual = tuple(_parabola(curve, values) for values in inputs)
    apart = _apart(usual, curve, inputs)
    missed = watts - curve
    missed = missed - missed.mean()
    far = FAR * float(np.median(np.abs(missed))) * 1.48
    scale = np.maximum(apart.std(axis=0), 1e-12)
    betas, _ = nnls(apart / scale, np.clip(missed, -far, far))
    return _Terms(usual, betas / scale, float(curve.min()), float(curve.max()))


def _apart(usual: Sequence[np.polynomial.Polynomial], curve: Floats, inputs: Sequence[Floats]) -> Floats:
    """What inputs differ from what is usual at the load; shape (M, terms)."""
    return np.stack([values - line(curve) for line, values in zip(usual, inputs, strict=True)], axis=1)


def _parabola(curve: Floats, values: Floats) -> np.polynomial.Polynomial:
    if np.ptp(curve) < 1.0:
        return np.polynomial.Polynomial([float(values.mean())])
    return np.polynomial.Polynomial.fit(curve, values, 2)


def _input(history: HeatHistory, name: str, curve: Floats) -> Floats:
    """Input of a term for the first samples, as many as the curve has."""
    if name == "fans":
        found: Floats = history.fan_share[: len(curve)] ** FAN_LAW
        return found
    return curve * history.celsius[: len(curve)]


def _tied(curve: Floats, values: Floats) -> bool:
    """Whether an input follows the load alone, or stands still."""
    whole = float(values.var())
    if whole <= STILL * float(values.mean()) ** 2:
        return True
    return float((values - _parabola(curve, values)(curve)).var()) < OWN_SHARE * whole


def _settled_fans(curve: Floats, fan_watts: Floats) -> Fans | None:
    turning = fan_watts > 0
    if not turning.any() or np.ptp(curve[turning]) < 1.0:
        return None
    return fit_fans(curve[turning], fan_watts[turning])


def _heat(history: HeatHistory, leakage: float) -> Heat | None:
    """How the best known node warms: inlet, kelvin a watt and lag, by least squares over a grid of lags."""
    rows = history.node == np.bincount(history.node.astype(np.int64)).argmax()
    at_s, watts, celsius = history.samples.at_s[rows], history.samples.watts[rows], history.celsius[rows]
    whole = float(((celsius - celsius.mean()) ** 2).sum())
    step_s = float(np.median(np.diff(at_s)))
    if whole <= 0 or not step_s > 0:
        return None
    best: tuple[float, Heat] | None = None
    # Of a lag shorter than a step nothing can be told: it is stated as none.
    for lag_s in (0.0, *np.geomspace(step_s / 2, max(LONGEST_LAG_S, step_s), LAGS).tolist()):
        lagged = _lagged(at_s, watts, lag_s)
        found, (left, *_), rank, _ = np.polyfit(lagged, celsius, 1, full=True)[:4] if np.ptp(lagged) > 0 else _NOTHING
        if rank > 1 and found[0] > 0 and (best is None or left < best[0]):
            best = float(left), Heat(float(found[1]), float(found[0]), 0.0 if lag_s < step_s else lag_s, leakage)
    return best[1] if best and best[0] < (1.0 - EXPLAINED) * whole else None


_NOTHING = (np.zeros(2), (np.inf,), 0, None)


def _lagged(at_s: Floats, watts: Floats, lag_s: float) -> Floats:
    """Watts behind a first-order lag, as a temperature follows them."""
    if lag_s <= 0:
        return watts
    found = np.empty(len(watts))
    value = found[0] = float(watts[0])
    for place, (gap_s, drawn) in enumerate(zip(np.diff(at_s).tolist(), watts[1:].tolist(), strict=True), 1):
        value = drawn + (value - drawn) * exp(-max(gap_s, 0.0) / lag_s)
        found[place] = value
    return found


def _without_spikes(rpm: Floats) -> Floats:
    """Leave out single readings far above all others, which would make all others small."""
    finite = rpm[np.isfinite(rpm)]
    most = SPIKE * float(np.quantile(finite, 0.99)) if len(finite) else np.inf
    return np.where(rpm <= most, rpm, np.nan) if most > 0 else rpm


def _largest(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.max()) if len(finite) and finite.max() > 0 else 1.0
