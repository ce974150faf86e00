"""No bad sample of accelerators, of pods or of a part of a node makes a plan worse, judged by what is true.

Three racks of two nodes with four accelerators of 700 W each: rack a draws 500 W above its budget, b and c have room.
Servers draw 100 W idle and 400 W at peak, with 20 cores.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from tests.cli.test_bad_samples import COUNTER_SPOILS, CURVE, WALL_SPOILS, Spoil
from tests.models.snapshots import TinyNode, TinyPod, rack, tiny_snapshot
from tests.models.telemetry.series import (
    CPU_JOULES,
    DCGM,
    IPMI,
    NOW_S,
    POD_USE,
    RAPL,
    SCRAPE_S,
    Sample,
    answer,
    block,
    meaning,
)

from powerplane.models.draws import node_draws_mw
from powerplane.models.plan import Plan
from powerplane.models.snapshot import Snapshot
from powerplane.models.telemetry.facts import NodeFacts
from powerplane.models.telemetry.measured import on_measured_watts
from powerplane.models.telemetry.node_readings import NodeReadings, PodReadings
from powerplane.models.telemetry.readings import Entity, SourceReading
from powerplane.models.telemetry.remembered import Memory
from powerplane.models.telemetry.rounds import follow
from powerplane.recommender.planning import make_plan

BUSY = "DCGM_FI_DEV_GPU_UTIL"
CORES, CARDS, CARD_WATTS = 20, 4, 700.0
BUDGETS = {"a": 3700.0, "b": 3000.0, "c": 3400.0}
PODS = {
    **{("a1", i): 520.0 for i in range(4)},
    **{("a2", i): 430.0 for i in range(4)},
    **{("b1", i): 400.0 for i in range(2)},
    ("b2", 0): 380.0,
    ("c1", 0): 350.0,
    ("c2", 0): 360.0,
}
"""Watts of the accelerator that each pod holds, by its node and number; each uses a core, too."""
NODES = ("a1", "a2", "b1", "b2", "c1", "c2")
FACTS = [NodeFacts(name, 100, 400 + CARDS * CARD_WATTS, (), CARDS, CARD_WATTS, cores=CORES) for name in NODES]
IDLE_CARD = 60.0
UNKNOWN_WATTS = 30.0
"""What each node draws that neither its curve nor its pods tell."""


def server_watts(node: str) -> float:
    return 100 + 15 * sum(1 for name, _ in PODS if name == node) + UNKNOWN_WATTS


def card_watts(node: str) -> dict[str, float]:
    return {f"GPU-{node}-{i}": PODS.get((node, i), IDLE_CARD) for i in range(CARDS)}


def wall_watts(node: str) -> float:
    return server_watts(node) + sum(card_watts(node).values())


def cluster(watts: dict[str, float], cores: dict[str, float]) -> Snapshot:
    """The cluster with accelerators and use as they are known of its pods."""
    card = {"nvidia.com/gpu": CARDS}
    nodes = [TinyNode(name, cpu=CORES, memory=256, curve=CURVE, extra=card) for name in NODES]
    pods = [
        TinyPod(
            f"{node}-{i}",
            node,
            cpu=2,
            use=cores.get(f"{node}-{i}", 2),
            owner=f"Deployment/train-{node}",
            extra={"nvidia.com/gpu": 1},
            accelerator_watts=watts.get(f"{node}-{i}", CARD_WATTS),
        )
        for node, i in PODS
    ]
    racks = [rack(side, [name for name in NODES if name[0] == side], budget) for side, budget in BUDGETS.items()]
    return tiny_snapshot(nodes, pods, racks)


TRUE_WATTS = {f"{node}-{i}": watts for (node, i), watts in PODS.items()}
TRUE_CORES = dict.fromkeys(TRUE_WATTS, 1.0)


def reading(state: str, watts: Sequence[float]) -> NodeReadings:
    nothing, count = np.full(len(NODES), np.nan), len(NODES)
    texts = ("",) * count
    states = (state,) * count
    return NodeReadings(
        NOW_S, NODES, np.array(watts), states, ("truth",) * count, nothing, nothing, nothing, nothing, texts
    )


TRUTH = on_measured_watts(
    cluster(TRUE_WATTS, TRUE_CORES),
    reading("measured", [wall_watts(node) for node in NODES]),
    frozenset(("default", name) for name in TRUE_WATTS),
)


@dataclass(frozen=True)
class Faulty:
    """What is wrong: whose samples of which kind, and how; ``drop`` takes whole series away."""

    kind: str = ""
    whose: tuple[str, ...] = ()
    spoil: Spoil = list
    drop: bool = False

    def series(self, kind: str, found: dict[Entity, list[Sample]]) -> list[tuple[Entity, list[Sample]]]:
        wrong = {
            who for who in found if kind == self.kind and (who.device or who.pod or who.node).startswith(self.whose)
        }
        return [
            (who, self.spoil(samples) if who in wrong else samples)
            for who, samples in found.items()
            if not (self.drop and who in wrong)
        ]


def gauge(watts: float, at_s: float) -> list[Sample]:
    return [(at_s - SCRAPE_S * i, watts + 0.25 * (i % 3)) for i in reversed(range(20))]


def counter(rate: float, at_s: float) -> list[Sample]:
    return [(at_s - SCRAPE_S * i, 1e6 + rate * (at_s - SCRAPE_S * i - NOW_S + 1e4)) for i in reversed(range(20))]


def sockets(node: str, at_s: float) -> dict[Entity, list[Sample]]:
    each = (server_watts(node) - 55) / 1.188 / 2
    return {Entity(node, device=f"{node}-socket-{i}"): counter(each, at_s) for i in range(2)}


def answers(at_s: float, faulty: Faulty, *, wall: bool) -> list[SourceReading]:
    holder = {f"GPU-{node}-{i}": f"{node}-{i}" for node, i in PODS}
    cards = {
        Entity(node, "default" if uuid in holder else "", holder.get(uuid, ""), "", "", uuid): gauge(watts, at_s)
        for node in NODES
        for uuid, watts in card_watts(node).items()
    }
    use = {Entity(node, "default", f"{node}-{i}"): counter(1.0, at_s) for node, i in PODS}
    parts = {who: samples for node in NODES for who, samples in sockets(node, at_s).items()}
    told = [("use", POD_USE, use), ("parts", RAPL, parts)]
    if wall:
        told.append(("wall", IPMI, {Entity(node): gauge(wall_watts(node), at_s) for node in NODES}))
    busy = [(who, [(at_s, 95.0 if who.pod else 0.0)]) for who in cards]
    by_card = block(meaning(DCGM), faulty.series("cards", cards)), block(meaning(BUSY), busy)
    others = (answer(block(meaning(metric), faulty.series(kind, each)), at_s=at_s) for kind, metric, each in told)
    return [answer(*by_card, at_s=at_s), *others]


@cache
def good_memory(*, wall: bool) -> Memory:
    """What is remembered of a good round, one scrape ago."""
    before_s = NOW_S - SCRAPE_S
    return follow(Memory(), answers(before_s, Faulty(), wall=wall), FACTS, before_s)[0]


def readings_of(faulty: Faulty, *, wall: bool, remembered: bool) -> tuple[NodeReadings, PodReadings]:
    memory = good_memory(wall=wall) if remembered else Memory()
    _, nodes, pods = follow(memory, answers(NOW_S, faulty, wall=wall), FACTS, NOW_S)
    return nodes, pods


PLANS: dict[object, Plan] = {}


def planned(nodes: NodeReadings, pods: PodReadings) -> Plan:
    def known(figures: np.ndarray) -> dict[str, float]:
        return {name: each for name, each in zip(pods.pods, figures.tolist(), strict=True) if each == each and name}

    watts, cores = known(pods.gpu_watts), known(pods.cpu_cores)
    metered = frozenset(("default", name) for name in watts)
    state = on_measured_watts(cluster(watts, cores), nodes, metered)
    key = state.digest
    if key not in PLANS:
        PLANS[key] = make_plan(
            state, objective="disruption", deadline_s=2, seed=0, say=lambda _: None, clock=lambda: 0.0
        )
    return PLANS[key]


def overloads(plan: Plan) -> dict[str, float]:
    """Watts above each rack's budget once the plan is carried out, in truth."""
    row = {name: i for i, name in enumerate(NODES)}
    target = {move.pod: row[move.target] for move in plan.moves}
    names = zip(TRUTH.pods.names, TRUTH.pods.node.tolist(), strict=True)
    place = np.array([target.get(name, node) for name, node in names], dtype=np.int32)
    drawn = node_draws_mw(replace(TRUTH, pods=replace(TRUTH.pods, node=place))) / 1000
    racks = {side: sum(w for name, w in zip(NODES, drawn.tolist(), strict=True) if name[0] == side) for side in BUDGETS}
    return {side: max(0.0, racks[side] - budget) for side, budget in BUDGETS.items()}


BEFORE = {"a": 480.0, "b": 0.0, "c": 0.0}
"""Watts above the racks' budgets before anything is moved."""


def assert_no_worse(faulty: Faulty, memories: Sequence[bool] = (False, True)) -> None:
    for wall in (True, False):
        for remembered in memories:
            nodes, pods = readings_of(faulty, wall=wall, remembered=remembered)
            truth = np.array([wall_watts(node) for node in NODES])
            held = np.array([state != "worst" for state in nodes.state])
            assert (nodes.watts[held] >= 0.97 * truth[held]).all(), (nodes.watts, truth, nodes.why)
            plan = planned(nodes, pods)
            unknown = {name for name, known in zip(NODES, held.tolist(), strict=True) if not known}
            # Where nothing is known of the whole rack, nothing can be moved off it.
            helpless = {"a1", "a2"} <= unknown
            for side, over in overloads(plan).items():
                assert over <= (BEFORE[side] if helpless else 0), (wall, remembered, nodes.why)
            assert not [move for move in plan.moves if unknown & {move.source, move.target}]


def test_the_plan_on_clean_samples_mends_the_rack() -> None:
    assert_no_worse(Faulty())
    assert planned(*readings_of(Faulty(), wall=True, remembered=False)).moves


def _every(spoils: dict[str, Spoil], kind: str, places: dict[str, tuple[str, ...]]) -> list[object]:
    return [
        pytest.param(
            Faulty(kind, whose, spoil),
            id=f"{kind}, {place}, {name}",
            marks=[pytest.mark.slow] if place in LATER else [],
        )
        for name, spoil in spoils.items()
        for place, whose in places.items()
    ]


LATER = ("a target's cards", "a pod")

CARD_PLACES = {"a card": ("GPU-a1-0",), "a node's cards": ("GPU-a1",), "a target's cards": ("GPU-b1",)}


@pytest.mark.parametrize("faulty", _every(WALL_SPOILS, "cards", CARD_PLACES))
def test_a_bad_reading_of_accelerators_makes_no_plan_worse(faulty: Faulty) -> None:
    assert_no_worse(faulty)


@pytest.mark.parametrize("faulty", _every(COUNTER_SPOILS, "use", {"a pod": ("a1-0",), "a node's pods": ("a1",)}))
def test_a_bad_counter_of_what_pods_use_makes_no_plan_worse(faulty: Faulty) -> None:
    assert_no_worse(faulty)


# One socket of two that lies low by a factor of ten is like one that idles: the node's load has to show it.
SOCKET_SPOILS = {name: spoil for name, spoil in COUNTER_SPOILS.items() if name != "a tenth"}


@pytest.mark.parametrize("faulty", _every(SOCKET_SPOILS, "parts", {"a socket": ("a1-socket-0", "b1-socket-1")}))
def test_a_bad_counter_of_one_socket_makes_no_plan_worse(faulty: Faulty) -> None:
    assert_no_worse(faulty)


@pytest.mark.parametrize(
    ("kind", "whose"),
    [
        ("cards", ("GPU-a1-0",)),
        ("cards", ("GPU-b1",)),
        ("parts", ("a", "b1")),
        ("use", ("a1",)),
        ("use", ("a", "b", "c")),
        ("wall", ("a1", "b1")),
    ],
)
def test_series_that_are_missing_make_no_plan_worse(kind: str, whose: tuple[str, ...]) -> None:
    assert_no_worse(Faulty(kind, whose, drop=True))


def test_a_socket_that_vanishes_makes_no_plan_worse() -> None:
    assert_no_worse(Faulty("parts", ("a1-socket-0",), drop=True), memories=[True])


def test_where_no_accelerator_is_measured_anywhere_nothing_is_made_worse() -> None:
    nodes, pods = readings_of(Faulty("cards", ("GPU",), drop=True), wall=False, remembered=False)
    assert (nodes.watts >= 100 + CARDS * CARD_WATTS).all()
    after = overloads(planned(nodes, pods))
    assert all(after[side] <= over for side, over in BEFORE.items())


def test_a_second_series_with_less_makes_no_plan_worse() -> None:
    row, series = meaning(CPU_JOULES, "cpu watts"), []
    for node in NODES:
        rate = (server_watts(node) - 55) / 1.188
        series += [(Entity(node), counter(rate, NOW_S)), (Entity(node), counter(rate / 3, NOW_S))]
    cards = answers(NOW_S, Faulty(), wall=False)[0]
    _, nodes, pods = follow(Memory(), [answer(block(row, series)), cards], FACTS, NOW_S)
    assert nodes.found["kepler", "doubled"] == len(NODES)
    assert overloads(planned(nodes, pods)) == dict.fromkeys(BUDGETS, 0.0)
