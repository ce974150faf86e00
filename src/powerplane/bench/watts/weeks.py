"""Weeks of domains' draws, built on the traces: what the site draws under stated use, and what happens to it besides.

The base is the draw of racks, rows and feeds of the openb site under the made-up days or the Azure requests, in steps
of 15 minutes. On what is dynamic of it (above the least seen) lie, for each domain: growth of -1 to 4 % a week; two
holidays, on which 30 to 60 % of the weekday's dynamic part is missing; a burst on about every third day (times 1.1 to
1.4, one to five hours, a ramp of half an hour at either end); a lasting shift of level every ten days or so (up to 15
% either way). One sample in two hundred is missing, and two holes of two to eight hours.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from powerplane.bench.watts.daily_use import Use
from powerplane.bench.watts.held_out import node_watts
from powerplane.bench.watts.site import LEVELS, Floats, Site
from powerplane.models.draws import node_kinds
from powerplane.models.incidence import compile_incidence

STEP_S = 900.0
STEPS_PER_DAY = 96
RACKS = 10
"""Racks that are followed; all rows and feeds are."""


@dataclass(frozen=True, slots=True, eq=False)
class Weeks:
    """D domains over T steps.

    Parameters
    ----------
    kind : tuple of str
        Level of each.
    true, seen : float64 arrays, shape (D, T)
        Watts; what was seen has gaps (NaN).
    """

    kind: tuple[str, ...]
    true: Floats
    seen: Floats


def make_weeks(site: Site, uses: Iterator[Use], use_step_s: float, days: int, random: np.random.Generator) -> Weeks:
    """Draw up the weeks of one seed."""
    incidence = compile_incidence(site.snapshot.topology, site.snapshot.node_names)
    kinds, steps = node_kinds(site.snapshot), days * STEPS_PER_DAY
    placed = site.placed
    chosen = _chosen(site, incidence.domain, random)
    part = incidence.weights[chosen] / incidence.scale
    each = round(STEP_S / use_step_s)
    parts, count = [], 0
    for use in uses:
        watts = np.asarray(part @ node_watts(kinds, placed @ use.cores, placed @ use.watts), dtype=np.float64)
        parts.append(watts.reshape(len(watts), -1, each).mean(axis=2))
        count += parts[-1].shape[1]
        if count >= steps:
            break
    base = np.concatenate(parts, axis=1)[:, :steps]
    true = np.stack([_happen(row, random) for row in base])
    return Weeks(
        tuple(site.kinds[incidence.domain[at]] for at in chosen),
        true,
        np.stack([_with_gaps(row, random) for row in true]),
    )


def _chosen(site: Site, domains: tuple[str, ...], random: np.random.Generator) -> list[int]:
    found: list[int] = []
    for level in LEVELS:
        here = [at for at, name in enumerate(domains) if site.kinds[name] == level]
        found += sorted(random.choice(here, size=min(RACKS, len(here)), replace=False).tolist())
    return found


def _happen(base: Floats, random: np.random.Generator) -> Floats:
    steps = len(base)
    day = np.arange(steps) / STEPS_PER_DAY
    factor = (1 + random.uniform(-0.01, 0.04)) ** (day / 7)
    for start in _times(steps, STEPS_PER_DAY * 10, random):
        factor[start:] *= 1 + random.uniform(-0.15, 0.15)
    for holiday in random.integers(int(day[-1]), size=2).tolist():
        factor[(day >= holiday) & (day < holiday + 1)] *= 1 - random.uniform(0.3, 0.6)
    for start in _times(steps, STEPS_PER_DAY * 3, random):
        length = int(random.integers(4, 21))
        ramp = np.minimum(np.minimum(np.arange(1, length + 1), np.arange(length, 0, -1)) / 2, 1)
        stop = min(start + length, steps)
        factor[start:stop] *= (1 + random.uniform(0.1, 0.4) * ramp)[: stop - start]
    low = base.min()
    return np.asarray(low + (base - low) * factor)


def _times(steps: int, apart: int, random: np.random.Generator) -> list[int]:
    return np.flatnonzero(random.random(steps) < 1 / apart).tolist()


def _with_gaps(true: Floats, random: np.random.Generator) -> Floats:
    seen = np.where(random.random(len(true)) < 0.005, np.nan, true)
    for start in random.integers(len(true), size=2).tolist():
        seen[start : start + int(random.integers(8, 33))] = np.nan
    return seen
