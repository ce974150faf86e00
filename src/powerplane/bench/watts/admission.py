"""Watts foretold at admission, by how many pods of the workload came before, beside requests on the hungriest nodes."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from powerplane.adapters.openb_files import read_nodes
from powerplane.adapters.openb_power import node_powers
from powerplane.admission.history.learning import known_of
from powerplane.admission.history.pace import RULES
from powerplane.admission.predicting import Predictor, Rates, class_key
from powerplane.bench.watts import daily_use, request_use
from powerplane.bench.watts.daily_use import Use
from powerplane.bench.watts.page import render_table
from powerplane.bench.watts.site import Floats, Integers, Site, read_site
from powerplane.bench.watts.table import WattsTable
from powerplane.models.demand.memory import DemandMemory
from powerplane.models.draws import node_kinds
from powerplane.models.requests import Amounts

SEEDS = (1, 2, 3)
STEP_S, PER_DAY = 300.0, 288
DAYS = 8
"""The last one only judges."""

GAP_S = 1800.0
"""Between two pods of a service, on average."""

AGES = (1, 10, 100)
AGAIN = 12
"""Steps after which what is known is looked at anew: an hour, where the webhook's own feed takes five minutes."""

SERVICE_PODS = (2, 400)
GPU = "nvidia.com/gpu"

Singles = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Course:
    """One kind of use: a site's, stretch by stretch, of which ``every`` steps make one of five minutes."""

    name: str
    uses: Callable[[Site, np.random.Generator], Iterator[Use]]
    every: int


@dataclass(frozen=True, slots=True)
class Case:
    """One pod at its admission.

    Parameters
    ----------
    age : int
        The how-manieth of its service it is.
    source : str
        What the prediction rests on.
    predicted, by_requests : float
        Watts, on the node types that draw the most.
    at_home : float
        The same as ``predicted``, had it been known which type of node the pod would run on.
    busy, mean : float
        What it drew over the day after: 95th percentile and mean, watts.
    """

    age: int
    source: str
    predicted: float
    by_requests: float
    at_home: float
    busy: float
    mean: float


def measure(data: Path) -> WattsTable:
    """Run all seeds on both kinds of use."""
    requests = request_use.read_requests(data)
    courses = (
        Course("days, made up", lambda site, random: daily_use.daily_use(site, DAYS, random), 1),
        Course("Azure requests", lambda site, random: request_use.request_use(site, requests, DAYS * 24, random), 5),
    )
    rows: list[tuple[str, ...]] = []
    for course in courses:
        found = [follow(course, data, seed) for seed in SEEDS]
        for age in AGES:
            rows += _rows(course.name, age, [[case for case in cases if case.age == age] for cases in found])
    return _table(rows)


def follow(course: Course, data: Path, seed: int) -> list[Case]:
    """Follow the trace's site."""
    random = np.random.default_rng(seed)
    site = read_site(data, random, service_pods=SERVICE_PODS)
    card_watts = node_powers(read_nodes(data / "openb", "all_node")).card_range_mw / 1000
    return follow_site(course, site, card_watts, random)


def follow_site(course: Course, site: Site, card_watts: Floats, random: np.random.Generator) -> list[Case]:
    """Let services grow pod by pod, foretell the first, tenth and hundredth of each, and see their day.

    Parameters
    ----------
    course : Course
        Of ``DAYS`` days.
    site : Site
    card_watts : float64 array, shape (N,)
        What a whole card of each server draws above idle.
    random : numpy.random.Generator
    """
    cores, watts = _columns(course, site, random)
    drawn = _pod_watts(site, cores, watts)
    step, age = _arrivals(site, random)
    owners = [f"openb/Deployment/service-{service}" for service in site.service.tolist()]
    amounts, rates, homes = _amounts(site, card_watts), _rates(site, card_watts), _home_rates(site, card_watts)
    alike = [class_key("openb", (), each) for each in amounts]
    workloads, classes = DemandMemory(RULES), DemandMemory(RULES)
    rows = workloads.rows(owners), classes.rows(alike)
    bare, predictor = Predictor(rates), Predictor(rates)
    cases = []
    for now in range((DAYS - 1) * PER_DAY):
        if now % AGAIN == 0:
            predictor = Predictor(rates, known_of(workloads), known_of(classes))
        for pod in np.flatnonzero((step == now) & np.isin(age, AGES)).tolist():
            told = predictor.predict(owners[pod], amounts[pod], alike[pod])
            by_requests = bare.predict("", amounts[pod]).watts
            home = replace(predictor, rates=homes[int(site.snapshot.pods.node[pod])])
            at_home = home.predict(owners[pod], amounts[pod], alike[pod]).watts
            day = drawn[pod, now : now + PER_DAY]
            busy, mean = float(np.quantile(day, 0.95)), float(day.mean())
            cases.append(Case(int(age[pod]), told.source, told.watts, by_requests, at_home, busy, mean))
        here = np.flatnonzero(step <= now)
        for memory, row in zip((workloads, classes), rows, strict=True):
            used, drew = cores[here, now].astype(np.float64), watts[here, now].astype(np.float64)
            memory.observe(row[here], used, drew, now * STEP_S)
    return cases


def _arrivals(site: Site, random: np.random.Generator) -> tuple[Integers, Integers]:
    """Step at which each pod comes, and the how-manieth of its service it is."""
    step, age = np.zeros(len(site.service), dtype=np.int64), np.zeros(len(site.service), dtype=np.int64)
    for service in range(len(site.service_qos)):
        pods = np.flatnonzero(site.service == service)
        gaps = random.exponential(GAP_S / STEP_S, len(pods))
        gaps[:1] = random.uniform(0, 2 * PER_DAY)
        step[pods] = np.cumsum(gaps).astype(np.int64)
        age[pods] = np.arange(1, len(pods) + 1)
    return step, age


def _columns(course: Course, site: Site, random: np.random.Generator) -> tuple[Singles, Singles]:
    """Cores and accelerators' watts of all pods in steps of five minutes; NaN for pods without accelerators."""
    cores: list[Singles] = []
    watts: list[Singles] = []
    for use in course.uses(site, random):
        cards = np.where(site.card_watts[:, None] > 0, use.watts, np.nan)
        for kept, values in ((cores, use.cores), (watts, cards)):
            kept.append(values.reshape(len(values), -1, course.every).mean(axis=2).astype(np.float32))
    return np.concatenate(cores, axis=1), np.concatenate(watts, axis=1)


def _pod_watts(site: Site, cores: Singles, watts: Singles) -> Singles:
    """What each pod draws: its share, by CPU time, of what its node draws above idle, and its cards."""
    placed, node = site.placed, site.snapshot.pods.node
    drawn = np.nan_to_num(watts)
    for at in range(0, cores.shape[1], PER_DAY):
        now = slice(at, at + PER_DAY)
        busy: Floats = placed @ cores[:, now].astype(np.float64)
        each = np.zeros_like(busy)
        for kind in node_kinds(site.snapshot):
            above = np.interp(busy[kind.nodes] * 1e6, kind.knots_ucores, kind.knots_mw - kind.knots_mw[0]) / 1000
            each[kind.nodes] = above / np.maximum(busy[kind.nodes], 1e-9)
        drawn[:, now] += (cores[:, now] * each[node]).astype(np.float32)
    return drawn


def _amounts(site: Site, card_watts: Floats) -> list[Amounts]:
    """Requests of each pod; of cards in thousandths, as the trace has them."""
    found: list[Amounts] = []
    each = card_watts[site.snapshot.pods.node]
    for cores, watts, whole in zip(site.request_cores.tolist(), site.card_watts.tolist(), each.tolist(), strict=True):
        cards = {GPU: Fraction(round(1000 * watts / whole), 1000)} if watts else {}
        found.append({"cpu": Fraction(round(1000 * cores), 1000), **cards})
    return found


def _rates(site: Site, card_watts: Floats) -> Rates:
    """What a core and a card draw at the most, over the servers; as the webhook works it out from PowerDomains."""
    homes = _home_rates(site, card_watts).values()
    return Rates(max(each.per_core_mw for each in homes), {GPU: max(each.device_mw[GPU] for each in homes)})


def _home_rates(site: Site, card_watts: Floats) -> dict[int, Rates]:
    """The same of each server."""
    found: dict[int, Rates] = {}
    for kind in node_kinds(site.snapshot):
        per_core = round(float(kind.knots_mw[-1] - kind.knots_mw[0]) * 1e6 / kind.capacity_ucores)
        found |= {node: Rates(per_core, {GPU: round(1000 * float(card_watts[node]))}) for node in kind.nodes.tolist()}
    return found


def _rows(name: str, age: int, by_seed: list[list[Case]]) -> list[tuple[str, ...]]:
    """A row for each thing that predictions of an age rest on."""
    sources = sorted({case.source for cases in by_seed for case in cases})
    return [
        _row(name, age, source, [[case for case in cases if case.source == source] for cases in by_seed])
        for source in sources
    ]


def _row(name: str, age: int, source: str, by_seed: list[list[Case]]) -> tuple[str, ...]:
    seeds = [cases for cases in by_seed if cases]
    columns = ("predicted", "by_requests", "at_home")
    ours, theirs, at_home = ([_error(cases, column) for cases in seeds] for column in columns)
    low = [float(np.mean([case.busy > case.predicted for case in cases])) for cases in seeds]
    low_by_requests = [float(np.mean([case.busy > case.by_requests for case in cases])) for cases in seeds]
    held, held_by_requests = (
        [sum(getattr(case, column) for case in cases) / sum(case.mean for case in cases) for cases in seeds]
        for column in ("predicted", "by_requests")
    )
    worse = np.median(ours) > np.median(theirs)
    error = f"{np.median(ours):.0%} ({min(ours):.0%} to {max(ours):.0%})"
    too_low = f"{np.median(low):.0%}"
    return (
        name,
        {1: "first", 10: "tenth", 100: "hundredth"}[age],
        source,
        str(sum(map(len, seeds))),
        f"**{error}**" if worse else error,
        f"{np.median(theirs):.0%}",
        f"{np.median(at_home):.0%}",
        f"**{too_low}**" if np.median(low) > max(0.05, float(np.median(low_by_requests))) else too_low,
        f"{np.median(low_by_requests):.0%}",
        f"{np.median(held):.2f}",
        f"{np.median(held_by_requests):.2f}",
    )


def _error(cases: list[Case], column: str) -> float:
    return float(np.median([abs(getattr(case, column) - case.busy) / max(case.busy, 1.0) for case in cases]))


def _table(rows: list[tuple[str, ...]]) -> WattsTable:
    return WattsTable(
        title="Watts foretold at admission",
        text=(
            "The openb trace's pods on its servers, cut into services of "
            f"{SERVICE_PODS[0]} to {SERVICE_PODS[1]} pods that come {GAP_S / 60:g} minutes apart on average, over "
            f"{DAYS - 1} days; seeds {', '.join(map(str, SEEDS))}; the use over time of the tables above. Each "
            "service's first, tenth and hundredth pod is foretold by the webhook's own function, from what the pods "
            "before it used (looked at hourly), and held against the 95th percentile of what it draws on the day "
            "after: its share, by CPU time, of what its node draws above idle, and its cards. *Rests on*: the "
            "history of its workload, or of pods with the same requests (`class`; the trace names no images), or its "
            "requests. *Error*: median of |foretold - drawn| / drawn, at the median seed (lowest to highest seed). "
            "*Too low*: pods that drew more than foretold. *Watts held*: what was foretold, as a multiple of what was "
            "drawn on average. Beside each: the same by requests on the node type that draws the most. In bold: worse "
            "than by requests; too low for more than one in twenty, and more often than by requests."
        ),
        headings=(
            "use",
            "pod",
            "rests on",
            "pods",
            "error",
            "by requests",
            "on its own type",
            "too low",
            "by requests",
            "watts held",
            "by requests",
        ),
        rows=tuple(rows),
        notes=(
            "What is foretold is for the node type that draws the most for a core and a card, wherever the pod then "
            "runs; how much of the error that is, the column of errors on its own type of node tells.",
            "openb tells no use over time, and the Azure trace is one hour: what pods of one service have in common is "
            "as stated in `bench/watts/daily_use.py` and `request_use.py`, not measured.",
        ),
    )


def main() -> int:
    """Print the table."""
    sys.stdout.write(render_table(measure(Path(sys.argv[1]))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
