"""A scenario's workloads: what their pods ask for, as templates, and how hard they work, as traces."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from powerplane.models.errors import InputError
from powerplane.models.objects import (
    Affinity,
    DisruptionBudgetSpec,
    DisruptionBudgetStatus,
    LabelSelector,
    ObjectMeta,
    PodAffinity,
    PodAffinityTerm,
    PodDisruptionBudget,
)
from powerplane.models.quantities import ceil_scaled, parse_quantity
from powerplane.models.snapshot import PodTemplate
from powerplane.simulator.llm import BIN_S, ServingRates, TokenTrace, draw_requests, read_requests, token_trace
from powerplane.simulator.place import Place
from powerplane.simulator.scenario_cluster import GPU_RESOURCE, HOSTNAME, TYPE
from powerplane.simulator.scenario_shape import LoadEntry, TokensEntry, WorkloadEntry
from powerplane.simulator.traces import Bursts, Profile, draw_bursts, draw_waves
from powerplane.simulator.workload import Arrivals, Autoscaling, Product, Trace, Workload

RESOURCES = ("cpu", "memory", "ephemeral-storage", "pods", GPU_RESOURCE)
DAEMON_PRIORITY = 2_000_001_000
MOST_PODS = 200_000


@dataclass(frozen=True, slots=True)
class Times:
    """When a scenario runs.

    Parameters
    ----------
    duration_s : float
    begins_s : float
        Second of the week at which it begins.
    seed : int
    directory : Path
        In which its files are.
    """

    duration_s: float
    begins_s: float
    seed: int
    directory: Path


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """Templates and workloads, of one length, and their disruption budgets."""

    templates: tuple[PodTemplate, ...]
    workloads: tuple[Workload, ...]
    disruption_budgets: tuple[PodDisruptionBudget, ...]


def build_work(
    entries: tuple[WorkloadEntry, ...], place: Place, times: Times, types: set[str], most_cores: float
) -> Work:
    """Build templates and workloads.

    Raises
    ------
    InputError
        For what the file states and what cannot be; with the place.
    """
    seen: set[str] = set()
    templates, workloads, budgets = [], [], []
    for i, entry in enumerate(entries):
        here = place.at(i)
        if not entry.name or entry.name in seen:
            raise here.at("name").wrong(f"{entry.name!r} is empty or stands twice", "give each workload its own name")
        seen.add(entry.name)
        if entry.node_type is not None and entry.node_type not in types:
            raise here.at("nodeType").wrong(f"no node type {entry.node_type!r}", f"types are: {', '.join(types)}")
        templates.append(_template(entry, here))
        workloads.append(_workload(entry, here, times, most_cores, i))
        if entry.may_be_down is not None:
            allowed = int(here.at("mayBeDown").share(entry.may_be_down, most=1.0) * workloads[-1].replicas)
            budgets.append(_budget(entry, max(allowed, 1)))
    if (total := sum(w.replicas for w in workloads)) > MOST_PODS:
        raise place.wrong(f"{total:,} pods", f"simulate {MOST_PODS:,} at most")
    return Work(tuple(templates), tuple(workloads), tuple(budgets))


def profile(entry: LoadEntry, place: Place, times: Times, number: int) -> Profile:
    """Build a load over time; ``number`` tells the chance of one workload from another's."""
    random = np.random.default_rng([times.seed, 10, number])
    points = [
        (place.at("daily").number(hour, most=24.0), place.at("daily").share(share))
        for hour, share in entry.daily or ((0, "100%"),)
    ]
    phases, periods = draw_waves(random)
    return Profile(
        hours=tuple(hour for hour, _ in sorted(points)),
        shares=tuple(share for _, share in sorted(points)),
        weekend=place.at("weekend").share(entry.weekend),
        chance=place.at("chance").share(entry.chance, most=1.0) if entry.chance else 0.0,
        phases=phases,
        periods_s=periods,
        bursts=_bursts(entry, place.at("bursts"), times, random),
        begins_s=times.begins_s,
    )


def _bursts(entry: LoadEntry, place: Place, times: Times, random: np.random.Generator) -> Bursts | None:
    if entry.bursts is None:
        return None
    return draw_bursts(
        random,
        times.duration_s,
        place.at("perDay").number(entry.bursts.per_day, most=10_000),
        place.at("minutes").number(entry.bursts.minutes, least=0.01),
        place.at("times").number(entry.bursts.times),
    )


def _template(entry: WorkloadEntry, place: Place) -> PodTemplate:
    here = place.at("requests")
    labels = (("app", entry.name),)
    affinity = None
    if entry.apart in ("true", True):
        term = PodAffinityTerm(topology_key=HOSTNAME, label_selector=LabelSelector(match_labels=dict(labels)))
        affinity = Affinity(pod_anti_affinity=PodAffinity(required=(term,)))
    daemon = entry.kind == "DaemonSet"
    priority = DAEMON_PRIORITY if daemon else int(place.at("priority").number(entry.priority, least=-1e9))
    return PodTemplate(
        namespace=entry.namespace,
        owner=f"{entry.kind}/{entry.name}",
        labels=labels,
        requests=(
            _quantity(str(entry.requests.cpu), 1000, here.at("cpu")),
            _quantity(entry.requests.memory, 1, here.at("memory")),
            0,
            1,
            here.at("accelerators").count(entry.requests.accelerators, most=64),
        ),
        priority=priority,
        node_selector=((TYPE, entry.node_type),) if entry.node_type else (),
        affinity=affinity,
        unmovable="DaemonSet" if daemon else "",
    )


def _workload(entry: WorkloadEntry, place: Place, times: Times, most_cores: float, number: int) -> Workload:
    requested = _quantity(str(entry.requests.cpu), 1000, place.at("requests").at("cpu")) / 1000
    accelerators = place.at("requests").at("accelerators").count(entry.requests.accelerators, most=64)
    replicas = place.at("replicas").count(entry.replicas, most=MOST_PODS)
    if entry.kind == "Deployment" and not replicas:
        raise place.wrong("a Deployment without replicas", "give it replicas: 1 or more")
    limit = _quantity(str(entry.cpu_limit), 1000, place.at("cpuLimit")) / 1000 if entry.cpu_limit else most_cores
    shape = profile(entry.load, place.at("load"), times, number)
    trace: Trace = shape
    if entry.tokens is not None:
        if not accelerators:
            raise place.at("tokens").wrong("tokens without accelerators", "request one or more: accelerators: 1")
        streams = _Streams(times, shape, replicas * accelerators, number)
        trace = _tokens(entry.tokens, place.at("tokens"), streams)
    return Workload(
        kind=entry.kind,
        replicas=replicas if entry.kind == "Deployment" else 0,
        cores=place.at("use").share(entry.use, most=20.0) * requested,
        most_cores=limit,
        trace=trace,
        shared=entry.kind == "Deployment",
        autoscaling=_autoscaling(entry, place.at("autoscale"), requested),
        arrivals=_arrivals(entry, place),
        accelerators=accelerators,
        device_level=_device_level(entry, place) if accelerators else 0.0,
        serves_tokens=entry.tokens is not None,
        tokens_per_work=_per_work(trace),
    )


def _per_work(trace: Trace) -> tuple[float, float]:
    served = trace.first if isinstance(trace, Product) else trace
    return served.tokens_per_work if isinstance(served, TokenTrace) else (0.0, 0.0)


def _device_level(entry: WorkloadEntry, place: Place) -> float:
    return 1.0 if entry.tokens is not None else place.at("devices").share(entry.devices, most=1.0)


def _autoscaling(entry: WorkloadEntry, place: Place, requested: float) -> Autoscaling | None:
    if entry.autoscale is None:
        return None
    if entry.kind != "Deployment":
        raise place.wrong(f"a {entry.kind} cannot be autoscaled", "remove it")
    if not requested:
        raise place.wrong("pods without a CPU request cannot be autoscaled on it", "request some CPU")
    least = place.at("least").count(entry.autoscale.least, least=1)
    most = place.at("most").count(entry.autoscale.most, least=least, most=MOST_PODS)
    return Autoscaling(least, most, max(place.at("target").share(entry.autoscale.target), 1e-3))


def _arrivals(entry: WorkloadEntry, place: Place) -> Arrivals | None:
    if entry.kind != "Job":
        if entry.per_hour is not None or entry.minutes is not None:
            raise place.wrong(f"a {entry.kind} has perHour or minutes", "leave them to jobs")
        return None
    if entry.per_hour is None or entry.minutes is None:
        raise place.wrong("a Job without perHour and minutes", "say how many come an hour, and how long each takes")
    rate = place.at("perHour").number(entry.per_hour, most=1e6)
    minutes = place.at("minutes").number(entry.minutes, least=0.1, most=100_000)
    if rate * minutes / 60 > MOST_PODS:
        raise place.wrong(f"{rate * minutes / 60:,.0f} jobs at the same time", f"simulate {MOST_PODS:,} at most")
    return Arrivals(rate, minutes)


@dataclass(frozen=True, slots=True)
class _Streams:
    """When requests come, in which shape, onto how many devices, and whose they are."""

    times: Times
    shape: Profile
    devices: int
    number: int


def _tokens(entry: TokensEntry, place: Place, streams: _Streams) -> Trace:
    times, devices = streams.times, streams.devices
    prefill, decode = (place.at(key).number(getattr(entry, key), least=1) for key in ("prefill", "decode"))
    rates = ServingRates(prefill, decode)
    if (entry.file is None) == (entry.synthetic is None):
        raise place.wrong("it has neither a file nor synthetic requests, or both", "give one of the two")
    if entry.file is not None:
        times_over = place.at("times").number(entry.times, least=1e-6)
        try:
            requests = read_requests(times.directory / entry.file)
        except InputError as error:
            raise place.at("file").wrong(error.problem, error.next_step) from error
        found = token_trace(requests, rates, devices)
        return Product(replace(found, loads=found.loads * times_over), streams.shape)
    made = entry.synthetic
    if made is None:
        raise place.wrong("nothing to serve", "give a file, or synthetic requests")
    here = place.at("synthetic")
    per_second = here.at("perSecond").number(made.per_second) * place.at("times").number(entry.times, least=1e-6)
    bins = np.arange(0.0, times.duration_s, BIN_S)
    random = np.random.default_rng([times.seed, 11, streams.number])
    context = here.at("contextTokens").number(made.context_tokens, least=1)
    generated = here.at("generatedTokens").number(made.generated_tokens, least=1)
    requests = draw_requests(random, per_second * streams.shape.level(bins), context, generated)
    return token_trace(requests, rates, devices, times.duration_s)


def _budget(entry: WorkloadEntry, allowed: int) -> PodDisruptionBudget:
    return PodDisruptionBudget(
        ObjectMeta(name=entry.name, namespace=entry.namespace),
        DisruptionBudgetSpec(LabelSelector(match_labels={"app": entry.name})),
        DisruptionBudgetStatus(disruptions_allowed=allowed),
    )


def _quantity(text: str, scale: int, place: Place) -> int:
    try:
        amount = parse_quantity(text)
    except InputError as error:
        raise place.wrong(error.problem, error.next_step) from error
    if amount < 0:
        raise place.wrong(f"{text!r} is negative", "write an amount of zero or more")
    return ceil_scaled(amount, scale)
