"""No bad sample makes a plan worse: judged by what is true, it holds every budget that the plan on clean samples holds.

Three racks of three nodes with 20 cores, 100 W idle and 400 W at peak. Rack a draws 150 W above its budget, b and c
have room for it. The truth does not change while samples go bad, for a minute or for five, at a node that must be
relieved, at one that pods would go to, or at all nodes of a rack.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from tests.models.snapshots import TinyNode, TinyPod, rack, tiny_snapshot
from tests.models.telemetry.series import CPU_JOULES, IPMI, NODE_USE, NOW_S, SCRAPE_S, Sample, answer, block, meaning

from powerplane.models.curves import PowerCurve
from powerplane.models.draws import node_draws_mw
from powerplane.models.plan import Plan
from powerplane.models.snapshot import Snapshot
from powerplane.models.telemetry.facts import NodeFacts
from powerplane.models.telemetry.measured import on_measured_watts
from powerplane.models.telemetry.node_readings import NodeReadings
from powerplane.models.telemetry.readings import Entity, SourceReading
from powerplane.models.telemetry.remembered import Memory
from powerplane.models.telemetry.rounds import follow
from powerplane.recommender.planning import make_plan

CURVE = PowerCurve("server", (Fraction(0), Fraction(1)), (100_000, 400_000))
CORES = 20
WATTS = {
    "a1": 330.0,
    "a2": 310.0,
    "a3": 290.0,
    "b1": 150.0,
    "b2": 160.0,
    "b3": 155.0,
    "c1": 170.0,
    "c2": 145.0,
    "c3": 165.0,
}
"""At the wall, in truth: what pods use, and a few watts that no curve knows of."""
BUDGETS = {"a": 780.0, "b": 620.0, "c": 900.0}
FACTS = [NodeFacts(name, 100, 400, cores=CORES) for name in WATTS]

Spoil = Callable[[list[Sample]], list[Sample]]


def cluster() -> Snapshot:
    """Pods of one core each, so many that each node draws about what is true of it by its curve."""
    nodes = [TinyNode(name, cpu=CORES, memory=256, curve=CURVE) for name in WATTS]
    pods = [
        TinyPod(f"{name}-{i}", name, cpu=1, use=1, owner=f"Deployment/app-{name[0]}")
        for name, watts in WATTS.items()
        for i in range(int((watts - 100) / 15))
    ]
    racks = [rack(side, [name for name in WATTS if name[0] == side], budget) for side, budget in BUDGETS.items()]
    return tiny_snapshot(nodes, pods, racks)


CLUSTER = cluster()


def truth() -> NodeReadings:
    """Every node measured as it is."""
    count = len(WATTS)
    nothing = np.full(count, math.nan)
    watts = np.array(list(WATTS.values()))
    measured = ("measured",) * count
    return NodeReadings(
        NOW_S,
        tuple(WATTS),
        watts,
        measured,
        ("truth",) * count,
        np.zeros(count),
        nothing,
        nothing,
        nothing,
        ("",) * count,
    )


PLANS: dict[tuple[bytes, tuple[str, ...]], Plan] = {}
"""Many bad samples come to the same."""


def planned(readings: NodeReadings) -> Plan:
    key = (readings.watts.tobytes(), readings.state)
    if key not in PLANS:
        snapshot = on_measured_watts(CLUSTER, readings, frozenset())
        PLANS[key] = make_plan(
            snapshot, objective="disruption", deadline_s=2, seed=0, say=lambda _: None, clock=lambda: 0.0
        )
    return PLANS[key]


@cache
def true_state() -> Snapshot:
    return on_measured_watts(CLUSTER, truth(), frozenset())


def overloads(plan: Plan) -> dict[str, float]:
    """Watts above each rack's budget once the plan is carried out, in truth."""
    state = true_state()
    row = {name: i for i, name in enumerate(state.node_names)}
    target = {(move.namespace, move.pod): row[move.target] for move in plan.moves}
    keys = zip(state.pods.namespaces, state.pods.names, state.pods.node.tolist(), strict=True)
    place = np.array([target.get((space, name), node) for space, name, node in keys], dtype=np.int32)
    drawn = node_draws_mw(replace(state, pods=replace(state.pods, node=place))) / 1000
    watts = dict(zip(WATTS, drawn.tolist(), strict=True))
    by_rack = {side: sum(each for name, each in watts.items() if name[0] == side) for side in BUDGETS}
    return {side: max(0.0, by_rack[side] - budget) for side, budget in BUDGETS.items()}


def last(bad: float, count: int = 4) -> Spoil:
    """The last samples are that."""
    return lambda samples: [*samples[:-count], *((at_s, bad) for at_s, _ in samples[-count:])]


def times(factor: float) -> Spoil:
    """All samples are in another unit."""
    return lambda samples: [(at_s, value * factor) for at_s, value in samples]


def frozen(value: float) -> Spoil:
    """All samples are one value, from when less was drawn."""
    return lambda samples: [(at_s, value) for at_s, _ in samples]


def ends(seconds: float) -> Spoil:
    """No sample of the last while."""
    return lambda samples: [(at_s, value) for at_s, value in samples if at_s <= NOW_S - seconds]


def shifted(seconds: float) -> Spoil:
    """The clock of whoever dates the samples is wrong."""
    return lambda samples: [(at_s + seconds, value) for at_s, value in samples]


def added(*more: Sample) -> Spoil:
    return lambda samples: [*samples, *more]


WALL_SPOILS: dict[str, Spoil] = {
    "nan": last(math.nan),
    "infinite": last(math.inf),
    "minus infinite": last(-math.inf),
    "negative": last(-120.0),
    "0 W": last(0.0),
    "a little above 0 W": last(0.4),
    "blank": last(9223372036854775794.0),
    "blank of 32 bits": last(2147483632.0),
    "absurd": last(1e15),
    "one bad sample": last(math.nan, 1),
    "all bad samples": last(math.nan, 20),
    "in mW": times(1e3),
    "in µW": times(1e6),
    "in kW": times(1e-3),
    "ten times": times(10),
    "a tenth": times(0.1),
    "frozen": frozen(121.25),
    "frozen at 0 W": frozen(0.0),
    "frozen since half as much was drawn": frozen(170.25),
    "late": ends(40),
    "lost when half as much was drawn": lambda samples: [(at_s, v / 4 + 100) for at_s, v in ends(60)(samples)],
    "lost exporter": ends(60),
    "lost long ago": ends(10_000),
    "clock an hour fast": shifted(3600),
    "clock an hour slow": shifted(-3600),
    "a sample from the future": added((NOW_S + 600, 101.0)),
    "an old sample last": added((NOW_S - 200, 101.0)),
    "two values at one time": added((NOW_S, 101.0)),
    "no time": added((math.nan, 101.0)),
    "backwards": lambda samples: samples[::-1],
}


def restarted(count: int, value: float = 0.0) -> Spoil:
    """The counter begins again within its last samples."""
    return lambda samples: [
        *samples[:-count],
        *((at_s, value + each - samples[-count][1]) for at_s, each in samples[-count:]),
    ]


COUNTER_SPOILS: dict[str, Spoil] = {
    **{name: WALL_SPOILS[name] for name in ("nan", "negative", "blank", "all bad samples", "lost exporter", "late")},
    **{name: WALL_SPOILS[name] for name in ("clock an hour fast", "clock an hour slow", "no time", "backwards")},
    "restarted": restarted(3),
    "restarted just now": restarted(1),
    "restarted above where it was": restarted(2, 1e9),
    "falls again and again": lambda samples: [(at_s, 1e6 - 100 * i) for i, (at_s, _) in enumerate(samples)],
    "stands still": frozen(5e4),
    "stands still since a minute": lambda samples: [
        *samples[:-5],
        *((at_s, samples[-5][1]) for at_s, _ in samples[-5:]),
    ],
    "in mJ": times(1e3),
    "in kJ": times(1e-3),
    "ten times": times(10),
    "a tenth": times(0.1),
    "one sample": lambda samples: samples[-1:],
}

PLACES = {"where pods must leave": ("a1",), "where pods may go": ("b1",), "a whole rack": ("b1", "b2", "b3")}
MEMORIES = {"at first sight": None, "a scrape after a good one": SCRAPE_S, "long after a good one": 20 * SCRAPE_S}
NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Sources:
    """Which sources there are, and which of them is spoiled, for which nodes, and how."""

    wall: bool = True
    parts: bool = True
    spoiled: str = ""
    nodes: frozenset[str] = NOBODY
    spoil: Spoil = list

    def at(self, at_s: float) -> list[SourceReading]:
        """What they say at a moment."""
        series = {
            "wall": (meaning(IPMI), {name: _gauge(watts, at_s) for name, watts in WATTS.items()}),
            "parts": (
                meaning(CPU_JOULES, "cpu watts"),
                {n: _counter((w - 55) / 1.188, at_s) for n, w in WATTS.items()},
            ),
        }
        use = {name: _counter((watts - 100) / 15, at_s) for name, watts in WATTS.items()}
        readings = [answer(block(meaning(NODE_USE), [(Entity(n), each) for n, each in use.items()]), at_s=at_s)]
        for what, (row, each) in series.items():
            if getattr(self, what):
                told = [
                    (Entity(name), self.spoil(samples) if what == self.spoiled and name in self.nodes else samples)
                    for name, samples in each.items()
                ]
                readings.append(answer(block(row, told), at_s=at_s))
        return readings

    def clean(self) -> "Sources":
        return replace(self, spoiled="")


def _gauge(watts: float, at_s: float) -> list[Sample]:
    return [(at_s - SCRAPE_S * i, watts + 0.25 * (i % 3)) for i in reversed(range(20))]


def _counter(rate: float, at_s: float) -> list[Sample]:
    return [(at_s - SCRAPE_S * i, 1e6 + rate * (at_s - SCRAPE_S * i - NOW_S + 1e4)) for i in reversed(range(20))]


@cache
def good_memory(ago_s: float, *, wall: bool, parts: bool) -> Memory:
    return follow(Memory(), Sources(wall, parts).at(NOW_S - ago_s), FACTS, NOW_S - ago_s)[0]


def readings_of(sources: Sources, good_s: float | None) -> NodeReadings:
    """What the nodes count as now, after a good round so long ago."""
    memory = Memory() if good_s is None else good_memory(good_s, wall=sources.wall, parts=sources.parts)
    return follow(memory, sources.at(NOW_S), FACTS, NOW_S)[1]


@cache
def clean_overloads(*, wall: bool, parts: bool, good_s: float | None) -> dict[str, float]:
    return overloads(planned(readings_of(Sources(wall, parts), good_s)))


def assert_no_worse(sources: Sources, good_s: float | None) -> None:
    readings = readings_of(sources, good_s)
    assert np.isfinite(readings.watts).all()
    assert (readings.watts >= 100).all()
    plan, clean = planned(readings), clean_overloads(wall=sources.wall, parts=sources.parts, good_s=good_s)
    for side, over in overloads(plan).items():
        assert over <= clean[side], (side, readings.why)
    unknown = {name for name, state in zip(readings.nodes, readings.state, strict=True) if state == "worst"}
    assert not [move for move in plan.moves if unknown & {move.source, move.target}]


@pytest.mark.parametrize("memory", [*list(MEMORIES)[:2], pytest.param(list(MEMORIES)[2], marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", WALL_SPOILS)
def test_a_bad_wall_reading_makes_no_plan_worse(name: str, memory: str) -> None:
    for nodes in PLACES.values():
        for parts in (True, False):
            spoiled = Sources(True, parts, "wall", frozenset(nodes), WALL_SPOILS[name])
            assert_no_worse(spoiled, MEMORIES[memory])


@pytest.mark.parametrize("memory", [*list(MEMORIES)[:2], pytest.param(list(MEMORIES)[2], marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", COUNTER_SPOILS)
def test_a_bad_counter_of_energy_makes_no_plan_worse(name: str, memory: str) -> None:
    for nodes in PLACES.values():
        for wall in (True, False):
            spoiled = Sources(wall, True, "parts", frozenset(nodes), COUNTER_SPOILS[name])
            assert_no_worse(spoiled, MEMORIES[memory])


def test_the_plan_on_clean_samples_mends_the_rack_and_breaks_none() -> None:
    assert overloads(planned(truth())) == {"a": 0, "b": 0, "c": 0}
    assert planned(truth()).moves
