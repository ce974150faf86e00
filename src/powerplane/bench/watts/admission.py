"""Watts foretold at admission, by how many pods of the workload came before, beside requests on the hungriest nodes."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from powerplane.adapters.node_rates import Rates
from powerplane.adapters.openb_files import TraceNodes, read_nodes
from powerplane.adapters.openb_power import node_powers
from powerplane.admission.history.learning import known_of
from powerplane.admission.history.pace import RULES
from powerplane.admission.predicting import Predictor, class_key
from powerplane.admission.whereabouts import Whereabouts, highest
from powerplane.bench.watts import daily_use, request_use
from powerplane.bench.watts.admission_table import AGES, ANY, Case, rows_of, table_of
from powerplane.bench.watts.daily_use import Use
from powerplane.bench.watts.page import render_table
from powerplane.bench.watts.site import Floats, Integers, Site, read_site
from powerplane.bench.watts.table import WattsTable
from powerplane.models.demand.memory import DemandMemory
from powerplane.models.draws import node_kinds
from powerplane.models.objects import Affinity, NodeAffinity, NodeSelector, NodeSelectorTerm, PodSpec, Requirement
from powerplane.models.requests import Amounts

SEEDS = (1, 2, 3)
STEP_S, PER_DAY = 300.0, 288
DAYS = 8
"""The last one only judges."""

GAP_S = 1800.0
"""Between two pods of a service, on average."""

AGAIN = 12
"""Steps after which what is known is looked at anew: an hour, where the webhook's own feed takes five minutes."""

SERVICE_PODS = (2, 400)
GPU, PRODUCT = "nvidia.com/gpu", "nvidia.com/gpu.product"
TRACES = {ANY: "default", "those it names": "gpuspec10"}
"""Which list of the trace tells of pods that may go to any card, and of those that name models."""

Singles = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Course:
    """One kind of use: a site's, stretch by stretch, of which ``every`` steps make one of five minutes."""

    name: str
    uses: Callable[[Site, np.random.Generator], Iterator[Use]]
    every: int


@dataclass(frozen=True, slots=True, eq=False)
class Cards:
    """The servers' cards.

    Parameters
    ----------
    watts : float64 array, shape (N,)
        What a whole one draws above idle.
    model : tuple of str, length N
        "" without cards.
    """

    watts: Floats
    model: tuple[str, ...]


def measure(data: Path) -> WattsTable:
    """Run all seeds on both kinds of use."""
    requests = request_use.read_requests(data)
    courses = (
        Course("days, made up", lambda site, random: daily_use.daily_use(site, DAYS, random), 1),
        Course("Azure requests", lambda site, random: request_use.request_use(site, requests, DAYS * 24, random), 5),
    )
    rows: list[tuple[str, ...]] = []
    for cards, variant in TRACES.items():
        for course in courses:
            found = [follow(course, data, seed, variant) for seed in SEEDS]
            for age in AGES:
                rows += rows_of(
                    course.name,
                    cards,
                    age,
                    [[case for case in cases if case.age == age and case.named == (cards != ANY)] for cases in found],
                )
    return table_of(rows, SEEDS, SERVICE_PODS, GAP_S / 60, DAYS - 1)


def follow(course: Course, data: Path, seed: int, variant: str) -> list[Case]:
    """Follow the trace's site, with the pods of one of its lists."""
    random = np.random.default_rng(seed)
    site = read_site(data, random, variant=variant, service_pods=SERVICE_PODS)
    return follow_site(course, site, _cards(read_nodes(data / "openb", "all_node")), random)


def follow_site(course: Course, site: Site, cards: Cards, random: np.random.Generator) -> list[Case]:
    """Let services grow pod by pod, foretell the first, tenth and hundredth of each, and see their day.

    Parameters
    ----------
    course : Course
        Of ``DAYS`` days.
    site : Site
    cards : Cards
    random : numpy.random.Generator
    """
    cores, watts = _columns(course, site, random)
    drawn = _pod_watts(site, cores, watts)
    step, age = _arrivals(site, random)
    owners = [f"openb/Deployment/service-{service}" for service in site.service.tolist()]
    amounts, homes = _amounts(site, cards), _home_rates(site, cards)
    where, specs = _whereabouts(homes, cards), [_spec(models) for models in site.models]
    alike = [class_key("openb", (), each) for each in amounts]
    workloads, classes = DemandMemory(RULES), DemandMemory(RULES)
    rows = workloads.rows(owners), classes.rows(alike)
    bare = predictor = Predictor(where.everywhere)
    cases = []
    for now in range((DAYS - 1) * PER_DAY):
        if now % AGAIN == 0:
            predictor = Predictor(where.everywhere, known_of(workloads), known_of(classes))
        for pod in np.flatnonzero((step == now) & np.isin(age, [*AGES])).tolist():
            rates = where.rates_for(specs[pod], amounts[pod])
            at_home = homes[int(site.snapshot.pods.node[pod])]
            source = predictor.predict(owners[pod], amounts[pod], alike[pod]).source
            told, anywhere, best = (
                predictor.predict(owners[pod], amounts[pod], alike[pod], each).watts
                for each in (rates, where.everywhere, at_home)
            )
            plain, plain_anywhere = (
                bare.predict("", amounts[pod], rates=each).watts for each in (rates, where.everywhere)
            )
            day = drawn[pod, now : now + PER_DAY]
            busy, mean = float(np.quantile(day, 0.95)), float(day.mean())
            named = bool(site.models[pod])
            cases.append(Case(int(age[pod]), source, named, told, plain, anywhere, plain_anywhere, best, busy, mean))
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


def _cards(nodes: TraceNodes) -> Cards:
    return Cards(node_powers(nodes).card_range_mw / 1000, nodes.model)


def _amounts(site: Site, cards: Cards) -> list[Amounts]:
    """Requests of each pod; of cards in thousandths, as the trace has them."""
    found: list[Amounts] = []
    each = cards.watts[site.snapshot.pods.node]
    for cores, watts, whole in zip(site.request_cores.tolist(), site.card_watts.tolist(), each.tolist(), strict=True):
        asked = {GPU: Fraction(round(1000 * watts / whole), 1000)} if watts else {}
        found.append({"cpu": Fraction(round(1000 * cores), 1000), **asked})
    return found


def _whereabouts(homes: dict[int, Rates], cards: Cards) -> Whereabouts:
    """What a core and a card draw at the most, by what nodes have; as the webhook works it out from PowerDomains."""
    with_cards = {node: each for node, each in homes.items() if cards.model[node]}
    by_label = {
        (PRODUCT, model): reduce(highest, (each for node, each in with_cards.items() if cards.model[node] == model))
        for model in sorted({cards.model[node] for node in with_cards})
    }
    by_resource = {GPU: reduce(highest, with_cards.values())} if with_cards else {}
    return Whereabouts(reduce(highest, homes.values()), by_label, by_resource)


def _spec(models: tuple[str, ...]) -> PodSpec:
    """A pod as its owner writes it where it may run on these models alone; one that may go anywhere for none."""
    if not models:
        return PodSpec(containers=())
    term = NodeSelectorTerm(match_expressions=(Requirement(PRODUCT, "In", models),))
    return PodSpec(containers=(), affinity=Affinity(node_affinity=NodeAffinity(required=NodeSelector((term,)))))


def _home_rates(site: Site, cards: Cards) -> dict[int, Rates]:
    """The same of each server."""
    found: dict[int, Rates] = {}
    for kind in node_kinds(site.snapshot):
        per_core = round(float(kind.knots_mw[-1] - kind.knots_mw[0]) * 1e6 / kind.capacity_ucores)
        for node in kind.nodes.tolist():
            found[node] = Rates(per_core, {GPU: round(1000 * float(cards.watts[node]))} if cards.model[node] else {})
    return found


def main() -> int:
    """Print the table."""
    sys.stdout.write(render_table(measure(Path(sys.argv[1]))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
