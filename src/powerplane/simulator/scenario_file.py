"""From a scenario file to a world that can be run, and the policies to run it under."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from powerplane.adapters.snapshot_directory import read_snapshot
from powerplane.models.errors import InputError
from powerplane.models.snapshot import NO_BUDGET, PodTable, Snapshot
from powerplane.simulator.from_snapshot import workloads_of
from powerplane.simulator.limits import MEANS
from powerplane.simulator.place import Place
from powerplane.simulator.scenario import Climate, Pace
from powerplane.simulator.scenario_cluster import FANS_OF_PEAK, Hardware, build_hardware
from powerplane.simulator.scenario_shape import EventEntry, PolicyName, ScenarioFile, read_scenario_file
from powerplane.simulator.scenario_workloads import RESOURCES, Times, build_work, profile
from powerplane.simulator.settings import HandSettings, PlanSettings, SensorSettings, ThrottleSettings
from powerplane.simulator.spec import Happening, WorldSpec
from powerplane.simulator.weather import HeatWave

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONDAY_S = 1_735_516_800
"""Seconds since the epoch of a Monday's midnight (30 December 2024), from which scenarios count."""
SHORTEST_STEP_S, LONGEST_STEP_S = 0.1, 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """A scenario, read: a world, and the policies to put side by side.

    Parameters
    ----------
    name, description : str
    spec : WorldSpec
    policies : tuple of str
    sensors, planning, throttling, by_hand : settings of what policies see and do
    """

    name: str
    description: str
    spec: WorldSpec
    policies: tuple[PolicyName, ...]
    sensors: SensorSettings
    planning: PlanSettings
    throttling: ThrottleSettings
    by_hand: HandSettings


def read_scenario(path: Path | str, *, seed: int | None = None) -> Study:
    """Read a scenario file and build its world.

    Parameters
    ----------
    path : Path or str
    seed : int, optional
        In the place of the file's own.

    Raises
    ------
    InputError
        For whatever cannot be used; file, place and value are named.
    """
    path = Path(path)
    entry = read_scenario_file(path)
    place = Place(path.name, "")
    if not entry.policies:
        raise place.at("policies").wrong("there is no policy", "name one, such as none, or leave the key out")
    times = Times(
        duration_s=place.at("duration").seconds(entry.duration, least=1.0),
        begins_s=_begins(entry.starts, place.at("starts")),
        seed=seed if seed is not None else place.at("seed").count(entry.seed, most=2**31),
        directory=path.parent,
    )
    build = _from_snapshot if entry.snapshot is not None else _from_cluster
    spec = build(entry, place, times)
    step = place.at("step").seconds(entry.step, least=SHORTEST_STEP_S, most=LONGEST_STEP_S)
    climates, happenings = _events(entry, place.at("events"), spec)
    pace = Pace(at_once=place.at("plan").at("atOnce").count(entry.plan.at_once, least=1))
    return Study(
        name=entry.name or path.stem,
        description=entry.description,
        spec=replace(spec, climates=climates, happenings=happenings, step_s=step, pace=pace),
        policies=tuple(dict.fromkeys(entry.policies)),
        sensors=_sensors(entry, place.at("sensors")),
        planning=_planning(entry, place.at("plan")),
        throttling=_throttling(entry, place.at("throttle")),
        by_hand=_by_hand(entry, place.at("byHand")),
    )


def _from_cluster(entry: ScenarioFile, place: Place, times: Times) -> WorldSpec:
    if entry.cluster is None:
        raise place.wrong("there is neither a cluster nor a snapshot", "describe `cluster:`, or name a `snapshot:`")
    if entry.load is not None:
        raise place.at("load").wrong("it belongs to a snapshot", "give each workload its own load")
    hardware = build_hardware(entry.cluster, place.at("cluster"), times.seed)
    most = max(kind.cores for kind in hardware.types)
    work = build_work(entry.workloads, place.at("workloads"), times, set(entry.cluster.types), most)
    if not work.templates:
        raise place.at("workloads").wrong("there are no workloads", "describe one or more")
    base = Snapshot(
        digest="",
        as_of_s=int(MONDAY_S + times.begins_s),
        resources=RESOURCES,
        nodes=hardware.nodes,
        allocatable=_allocatable(hardware),
        node_curve=tuple(kind.curve for kind in hardware.types),
        node_budget_mw=np.full(len(hardware.nodes), NO_BUDGET, dtype=np.int64),
        topology=hardware.topology,
        templates=work.templates,
        pods=no_pods(),
        disruption_budgets=work.disruption_budgets,
        namespace_labels={t.namespace: {"kubernetes.io/metadata.name": t.namespace} for t in work.templates},
    )
    return WorldSpec(
        base=base,
        workloads=work.workloads,
        fan_watts=np.array([kind.fan_watts for kind in hardware.types]),
        devices=hardware.devices,
        climates=_climates(entry, place, hardware),
        seed=times.seed,
        duration_s=times.duration_s,
    )


def _from_snapshot(entry: ScenarioFile, place: Place, times: Times) -> WorldSpec:
    if entry.cluster is not None or entry.workloads:
        raise place.at("snapshot").wrong("it stands beside a cluster or workloads", "leave those out, or the snapshot")
    base = read_snapshot(times.directory / (entry.snapshot or "."))
    trace = profile(entry.load, place.at("load"), times, 0) if entry.load is not None else None
    return WorldSpec(
        base=base,
        workloads=workloads_of(base, trace),
        fan_watts=np.array([FANS_OF_PEAK * curve.peak_mw / 1000 for curve in base.node_curve]),
        seed=times.seed,
        duration_s=times.duration_s,
    )


def _allocatable(hardware: Hardware) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    rows = [[round(kind.cores * 1000), kind.memory, 1 << 40, 250, kind.accelerators] for kind in hardware.types]
    return np.array(rows, dtype=np.int64)


def no_pods() -> PodTable:
    """Return a table without pods."""
    none, big = np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int64)
    return PodTable((), (), (), none, none, big, big, np.zeros(0, dtype=bool), big)


def _climates(entry: ScenarioFile, place: Place, hardware: Hardware) -> tuple[Climate, ...]:
    rows = entry.cluster.rows if entry.cluster else ()
    index = {node.metadata.name: i for i, node in enumerate(hardware.nodes)}
    found = []
    for i, row in enumerate(rows):
        inlet = place.at("cluster").at("rows").at(i).at("inlet").number(row.inlet, least=-20, most=60)
        racks = [d.name for d in hardware.topology.domains if row.name in d.parents]
        nodes = tuple(index[name] for name in hardware.rows[row.name])
        found.append(Climate(HeatWave(inlet, inlet, 0, 1), (row.name, *row.feeds, *racks), nodes))
    return tuple(found)


def _events(entry: ScenarioFile, place: Place, spec: WorldSpec) -> tuple[tuple[Climate, ...], tuple[Happening, ...]]:
    climates = list(spec.climates)
    happenings = []
    for i, event in enumerate(entry.events):
        here = place.at(i)
        at_s = here.at("at").seconds(event.at)
        if at_s >= spec.duration_s:
            raise here.at("at").wrong(
                f"{event.at!r} is not before the end, after {spec.duration_s:g} s", "let it run longer, or leave it out"
            )
        given = [key for key in ("lose", "restore", "heat", "budget", "load") if getattr(event, key) is not None]
        if len(given) != 1:
            raise here.wrong(f"it has {len(given)} things that happen", "give one: lose, restore, heat, budget or load")
        if event.heat is not None:
            happenings.append(_warm(event, here.at("heat"), climates, at_s))
        else:
            happenings.append(_happening(event, here, spec, at_s))
    return tuple(climates), tuple(sorted(happenings, key=lambda each: each.at_s))


def _warm(event: EventEntry, place: Place, climates: list[Climate], at_s: float) -> Happening:
    heat = event.heat
    rows = [i for i, climate in enumerate(climates) if heat and climate.feeds[0] == heat.row]
    if heat is None or not rows:
        raise place.at("row").wrong("no such row", f"rows are: {', '.join(c.feeds[0] for c in climates) or 'none'}")
    to = place.at("to").number(heat.to, least=-20, most=60)
    over = place.at("over").seconds(heat.over, least=1.0)
    before = climates[rows[0]]
    if before.heat.hot_celsius != before.heat.cool_celsius:
        raise place.wrong(f"{heat.row!r} warms twice", "leave one of them")
    wave = HeatWave(before.heat.cool_celsius, to, int(at_s), int(at_s + over))
    climates[rows[0]] = replace(before, heat=wave)
    told = f"the air in front of {heat.row} begins to warm: {to:g} °C {over / 60:g} min from now"
    return Happening(at_s, "say", told)


def _happening(event: EventEntry, place: Place, spec: WorldSpec, at_s: float) -> Happening:
    domains = spec.base.topology.by_name
    owners = {template.owner.rpartition("/")[2] for template in spec.base.templates}
    if event.load is not None:
        here = place.at("load")
        if event.load.workload not in owners:
            raise here.at("workload").wrong(f"no workload {event.load.workload!r}", "name one of the scenario's")
        return Happening(at_s, "scale", event.load.workload, here.at("times").number(event.load.times))
    key = "lose" if event.lose else "restore" if event.restore else "budget"
    name = event.lose or event.restore or (event.budget.domain if event.budget else "")
    if name not in domains:
        raise place.at(key).wrong(f"no domain {name!r}", f"some are: {', '.join(list(domains)[:8])}")
    if event.budget is not None:
        return Happening(at_s, "budget", name, place.at("budget").at("to").watts(event.budget.to))
    return Happening(at_s, "lose" if event.lose else "restore", name)


def _begins(text: str, place: Place) -> float:
    day, _, hour = text.strip().lower().partition(" ")
    hours, _, minutes = (hour or "0:00").partition(":")
    if day not in DAYS or not hours.isdecimal() or not minutes.isdecimal() or int(hours) > 23 or int(minutes) > 59:
        raise place.wrong(f"{text!r} is not a day and an hour", "write for example: Monday 06:00")
    return DAYS.index(day) * 86_400.0 + int(hours) * 3600 + int(minutes) * 60


def _sensors(entry: ScenarioFile, place: Place) -> SensorSettings:
    return SensorSettings(
        every_s=place.at("every").seconds(entry.sensors.every, least=0.1, most=3600),
        delay_s=place.at("delay").seconds(entry.sensors.delay, most=3600),
        noise=place.at("noise").share(entry.sensors.noise, most=1.0),
    )


def _planning(entry: ScenarioFile, place: Place) -> PlanSettings:
    return PlanSettings(
        every_s=place.at("every").seconds(entry.plan.every, least=5.0),
        solve_s=place.at("solve").seconds(entry.plan.solve),
        margin=place.at("margin").share(entry.plan.margin, most=0.5),
        steer=entry.plan.steer in ("true", True),
    )


def _throttling(entry: ScenarioFile, place: Place) -> ThrottleSettings:
    return ThrottleSettings(
        means=MEANS[entry.throttle.means],
        every_s=place.at("every").seconds(entry.throttle.every, least=0.1, most=600),
        lowest=place.at("lowest").share(entry.throttle.lowest, most=1.0),
    )


def _by_hand(entry: ScenarioFile, place: Place) -> HandSettings:
    return HandSettings(
        reaction_s=place.at("reaction").seconds(entry.by_hand.reaction),
        again_s=place.at("again").seconds(entry.by_hand.again, least=1.0),
    )


__all__ = ["InputError", "Study", "read_scenario"]
