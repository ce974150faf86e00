"""The proof that watts read through a real Prometheus are those that the simulated cluster draws, whatever goes wrong.

One cluster, one Prometheus, one follower for the whole module; each fault is on nodes of its own, all at a time.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import inf, nan

import numpy as np
import pytest
from tests.conftest import find_prometheus
from tests.rig.processes import wait_for
from tests.simulator.prometheus_process import Prometheus, scraping
from tests.simulator.scraped import GPU_NODES, MODELS, RULES, SOURCES, Followed, Scraped, write_cluster

from powerplane.adapters.telemetry.prometheus_source import PrometheusSource
from powerplane.adapters.telemetry.redfish import RedfishSource
from powerplane.adapters.telemetry.redfish_http import Endpoint
from powerplane.models.telemetry.remembered import Memory
from powerplane.simulator.sensors.faults import (
    GPU_BLANK,
    Doubled,
    Down,
    Fault,
    Frozen,
    Late,
    Lies,
    Missing,
    Restarted,
    Says,
    Skewed,
)

pytestmark = [pytest.mark.prometheus, pytest.mark.slow]

NODES = 34
UP_S = 40.0
FAULTY_S = 21.0
HELD_SCRAPES = 3
WALLS = (("kepler", "platform"), ("node-exporter", "power"))
"""Every channel of the wall's watts beside IPMI's."""

FAULTS = {
    "frozen": Frozen("ipmi"),
    "down": Down("ipmi"),
    "late": Late("ipmi", seconds=3.0),
    "missing": Missing("ipmi", what="power"),
    "nan": Says("ipmi", value=nan, what="power"),
    "infinite": Says("ipmi", value=inf, what="power"),
    "negative": Says("ipmi", value=-250.0, what="power"),
    "absurd": Says("ipmi", value=3e14, what="power"),
    "zero": Says("ipmi", value=0.0, what="power"),
    "ten times too high": Lies("ipmi", times=10.0, what="power"),
    "ten times too low": Lies("ipmi", times=0.1, what="power"),
    "clock behind": Skewed("ipmi", seconds=-90.0),
    # Until its clock has caught up with what it said, Prometheus takes no other samples of it.
    "clock ahead": Skewed("ipmi", seconds=10.0),
    "doubled": Doubled("ipmi"),
}
"""What goes wrong with the source that nodes are usually counted by."""

RECOVERS = {"doubled", "clock ahead"}
"""What is mended within the source itself."""

UNBELIEVED = sorted(set(FAULTS) - RECOVERS)
"""What leaves a node without that source."""


@dataclass(frozen=True, slots=True)
class Faulty:
    """What happened while everything was wrong somewhere.

    Parameters
    ----------
    rounds : list of Followed
        A round a second, from before the faults on.
    began : int
        Round at which they were switched on.
    after : list of Followed
        Once they were gone.
    """

    rounds: list[Followed]
    began: int
    after: list[Followed]


class Whole:
    """The cluster, its Prometheus, and which node has which fault."""

    def __init__(self, scraped: Scraped, prometheus: Prometheus) -> None:
        self.scraped, self.prometheus = scraped, prometheus
        self.source = PrometheusSource(prometheus.url, timeout_s=10.0)
        names = iter([fact.name for fact in scraped.facts])
        self.gpu = [next(names) for _ in range(GPU_NODES)]
        self.rich = {name: next(names) for name in FAULTS}
        """Nodes with other sources of the wall's watts."""
        self.lone = {name: next(names) for name in FAULTS}
        """Nodes with no other."""
        self.counting = next(names)
        self.spiky = next(names)
        self.clean = list(names)
        assert len(self.clean) == 2
        self.always = (
            tuple(
                Missing(source, frozenset({*self.lone.values(), *self.clean[:1]}), what=what) for source, what in WALLS
            )
            + tuple(
                Missing(source, frozenset(self.lone.values()), what=what)
                for source, what in (("kepler", "package"), ("kepler", "package total"), ("node-exporter", "package"))
            )
            + tuple(
                Missing("kepler-old", frozenset(self.lone.values()), what=what)
                for what in ("package idle", "package dynamic")
            )
        )
        self.set(())

    def set(self, faults: tuple[Fault, ...]) -> None:
        """Switch faults on; what is always missing stays so."""
        self.scraped.served.sensors.faults = (*self.always, *faults)

    def faults(self) -> tuple[Fault, ...]:
        """Every fault on its nodes."""

        def on(fault: Fault, *nodes: str, from_s: float = -inf) -> Fault:
            return replace(fault, nodes=frozenset(nodes), from_s=from_s)

        now_s = time.time()
        walls = [on(fault, self.rich[name], self.lone[name]) for name, fault in FAULTS.items()]
        return (
            *walls,
            on(Restarted("kepler"), self.counting, from_s=now_s + 5.0),
            on(Restarted("node-exporter"), self.counting, from_s=now_s + 6.0),
            on(Restarted("kepler-old"), self.counting, from_s=now_s + 7.0),
            on(Says("ipmi", value=nan, share=0.3, what="power"), self.spiky),
            on(Says("kepler", value=-5.0, share=0.3, what="platform"), self.spiky),
            on(Says("dcgm", value=GPU_BLANK, what="power"), self.gpu[0]),
        )

    def state(self, followed: Followed, node: str) -> str:
        return followed.nodes.state[self.scraped.row[node]]

    def watts(self, followed: Followed, node: str) -> float:
        return float(followed.nodes.watts[self.scraped.row[node]])

    def peak(self, node: str) -> float:
        return self.scraped.facts[self.scraped.row[node]].peak_watts

    def wrong(self, followed: Followed, nodes: Iterable[str]) -> list[str]:
        """Which nodes do not count as they draw, measured or held while a scrape is late, and what is told of them."""
        return [
            self.tell(followed, node)
            for node in nodes
            if self.state(followed, node) == "worst" or not self.scraped.is_true(followed, node)
        ]

    def wrong_if_told(self, followed: Followed) -> list[str]:
        """The same, of nodes that do not count at their worst case."""
        told = [node for node in followed.nodes.nodes if self.state(followed, node) != "worst"]
        return [self.tell(followed, node) for node in told if not self.scraped.is_true(followed, node)]

    def tell(self, followed: Followed, node: str) -> str:
        """All that is known of a node in a round."""
        row, nodes = self.scraped.row[node], followed.nodes
        low, high = self.scraped.truth_within(node, followed.at_s - 9, followed.at_s)
        return (
            f"{node}: {nodes.state[row]} by {nodes.source[row]}, {nodes.watts[row]:.0f} W, {nodes.age_s[row]:.1f} s old"
            f", truth {low:.0f} to {high:.0f} W; {nodes.why[row]}"
        )


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Iterator[Whole]:
    program = find_prometheus()
    assert program is not None
    folder = tmp_path_factory.mktemp("scraped")
    scraped = Scraped(write_cluster(folder / "cluster", nodes=NODES, pods=NODES * 8))
    try:
        with scraping(program, folder / "prometheus", scraped.served) as server:
            targets = NODES * (len(SOURCES) - 3) + GPU_NODES + 1
            assert wait_for(lambda: (server.count("up == 1") or 0) >= targets, UP_S, 0.2), server.count("up == 1")
            found = Whole(scraped, server)
            found.scraped.rounds(found.source, 6.0)
            yield found
    finally:
        scraped.close()


@pytest.fixture(scope="module")
def faulty(whole) -> Faulty:
    before = whole.scraped.rounds(whole.source, 4.0)
    whole.set(whole.faults())
    # The load changes, so that what is frozen or held is wrong from here on.
    time.sleep(1.0)
    whole.scraped.act(lambda world: [world.demand.rescale(each, 1.5) for each in owners(world)])
    rounds = whole.scraped.rounds(whole.source, FAULTY_S)
    whole.set(())
    after = whole.scraped.rounds(whole.source, 13.0)
    return Faulty([*before, *rounds], len(before), after)


def owners(world) -> list[str]:
    return sorted({template.owner.rpartition("/")[2] for template in world.spec.base.templates})


def test_every_node_s_watts_are_its_true_draw(whole):
    followed = whole.scraped.round(whole.source)
    assert not whole.wrong(followed, followed.nodes.nodes)


def test_packages_memory_and_accelerators_are_measured_as_they_draw(whole):
    followed = whole.scraped.round(whole.source)
    truth = whole.scraped.served.said.truth
    rich = [whole.scraped.row[node] for node in (*whole.rich.values(), *whole.clean)]
    nodes = followed.nodes
    assert nodes.cpu_watts[rich] == pytest.approx(truth.cpu_watts[rich], rel=0.05)
    assert nodes.dram_watts[rich] == pytest.approx(truth.dram_watts[rich], rel=0.05)
    gpu = np.bincount(truth.gpu_node, truth.gpu_watts, minlength=len(truth.nodes))
    assert nodes.gpu_watts[:GPU_NODES] == pytest.approx(gpu[:GPU_NODES], abs=8)


def test_every_pod_s_cpu_is_its_true_use(whole):
    whole.scraped.rounds(whole.source, 3.0)
    followed = whole.scraped.round(whole.source)
    truth = whole.scraped.served.said.truth
    true = dict(zip(zip(truth.pod_namespace, truth.pod_name, strict=True), truth.pod_cores.tolist(), strict=True))
    pods = followed.pods
    seen = dict(zip(zip(pods.namespaces, pods.pods, strict=True), pods.cpu_cores.tolist(), strict=True))
    assert set(seen) == set(true)
    far = [key for key, cores in true.items() if abs(seen[key] - cores) > 0.05 * cores + 0.02]
    assert not far


def test_with_its_memory_lost_powerplane_knows_the_same_at_once(whole):
    whole.scraped.memory = Memory()
    followed = whole.scraped.round(whole.source)
    assert not whole.wrong(followed, followed.nodes.nodes)


def test_a_bmc_asked_directly_says_the_true_draw(whole):
    url = whole.scraped.served.listener.url
    names = [fact.name for fact in whole.scraped.facts][:8]
    source = RedfishSource([Endpoint(name, url, chassis=name) for name in names])
    try:
        now_s = time.time()
        (reading,) = source.read(now_s, 60.0)
    finally:
        source.close()
    assert not reading.error
    (block,) = reading.blocks
    model = MODELS["bmc"]
    for entity, watts in zip(block.entities, block.value.tolist(), strict=True):
        low, high = whole.scraped.truth_within(entity.node, now_s - model.age_s - 1.0, now_s + 1.0)
        assert low - model.error(low) <= watts <= high + model.error(high)
    assert {entity.node for entity in block.entities} == set(names)


def test_no_node_counts_as_nothing_or_as_less_than_its_idle_draw_in_any_round(whole, faulty):
    idle = np.array([fact.idle_watts for fact in whole.scraped.facts])
    for followed in (*faulty.rounds, *faulty.after):
        assert np.isfinite(followed.nodes.watts).all()
        assert (followed.nodes.watts >= 0.9 * idle).all()


def test_no_node_counts_as_more_than_it_can_draw(whole, faulty):
    peak = np.array([fact.peak_watts for fact in whole.scraped.facts])
    for followed in (*faulty.rounds, *faulty.after):
        assert (followed.nodes.watts <= 1.25 * peak).all()


def test_nodes_without_a_fault_are_measured_as_they_draw_beside_those_with_one(whole, faulty):
    for followed in (*faulty.rounds, *faulty.after):
        assert not whole.wrong(followed, whole.clean)


@pytest.mark.parametrize("name", FAULTS)
def test_with_another_source_a_node_is_measured_as_it_draws_whatever_is_wrong_with_the_first(whole, faulty, name):
    node = whole.rich[name]
    settled = faulty.rounds[faulty.began + 14 :]
    assert settled
    for followed in settled:
        assert not whole.wrong(followed, [node])


@pytest.mark.parametrize("name", sorted(set(FAULTS) - {"frozen"}))
def test_with_another_source_no_round_is_far_from_the_truth_either(whole, faulty, name):
    node = whole.rich[name]
    for followed in faulty.rounds[faulty.began :]:
        if whole.state(followed, node) == "worst":
            continue
        low, _ = whole.scraped.truth_within(node, followed.at_s - 12.0, followed.at_s)
        assert whole.watts(followed, node) >= low - MODELS["bmc"].error(low)


@pytest.mark.parametrize("name", UNBELIEVED)
def test_without_another_source_a_node_is_held_for_three_scrapes_and_then_counts_at_its_worst_case(whole, faulty, name):
    node = whole.lone[name]
    rounds = faulty.rounds[faulty.began :]
    states = [whole.state(each, node) for each in rounds]
    first = states.index("worst")
    patience_s = RULES.frozen_whole_s if name == "frozen" else 0.0
    assert rounds[first].at_s - rounds[0].at_s <= patience_s + HELD_SCRAPES + 5.0
    assert set(states[first:]) == {"worst"}
    assert all(whole.watts(each, node) >= whole.peak(node) for each in rounds[first:])
    for followed, state in zip(rounds[:first], states[:first], strict=True):
        assert state in ("measured", "held")
        age_s = float(followed.nodes.age_s[whole.scraped.row[node]])
        assert age_s <= HELD_SCRAPES + 1.0


@pytest.mark.parametrize("name", sorted(RECOVERS))
def test_series_that_come_twice_count_once_and_a_clock_that_is_ahead_does_no_harm(whole, faulty, name):
    for followed in faulty.rounds[faulty.began + 3 :]:
        assert not whole.wrong(followed, [whole.lone[name]])


def test_spikes_of_nothing_and_below_nothing_are_passed_over(whole, faulty):
    for followed in faulty.rounds[faulty.began :]:
        assert whole.scraped.is_true(followed, whole.spiky)


def test_counters_that_start_again_leave_no_trace_in_watts(whole, faulty):
    row = whole.scraped.row[whole.counting]
    truth = whole.scraped.served.said.truth
    for followed in faulty.rounds[faulty.began :]:
        cpu = followed.nodes.cpu_watts[row]
        assert 0.3 * truth.cpu_watts[row] <= cpu <= 2 * truth.cpu_watts[row]


def test_a_card_s_blank_counts_at_what_it_can_draw_and_the_node_by_its_wall(whole, faulty):
    node = whole.gpu[0]
    for followed in faulty.rounds[faulty.began + 5 :]:
        assert whole.scraped.is_true(followed, node)
        assert not followed.nodes.gpu_watts[whole.scraped.row[node]] > 1e6


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("nan", "nan"),
        ("infinite", "infinite"),
        ("negative", "negative"),
        ("absurd", "absurd"),
        ("frozen", "frozen"),
        ("down", "stale"),
        ("clock ahead", "future"),
        ("doubled", "doubled"),
    ],
)
def test_what_is_wrong_is_counted_under_its_name(whole, faulty, name, verdict):
    counts = [followed.nodes.found.get(("ipmi", verdict), 0) for followed in faulty.rounds[faulty.began :]]
    assert max(counts) >= 1, name


def test_once_faults_are_gone_every_node_is_measured_as_it_draws_again(whole, faulty):
    last = faulty.after[-1]
    assert not whole.wrong(last, last.nodes.nodes)


def test_exporters_that_restart_cost_no_node_its_true_watts(whole, faulty):
    before = whole.scraped.round(whole.source)
    assert not whole.wrong(before, before.nodes.nodes)
    always = whole.scraped.served.sensors.faults
    whole.scraped.restart_exporters(1.0)
    whole.scraped.served.sensors.faults = always
    rounds = whole.scraped.rounds(whole.source, 12.0)
    assert [whole.wrong_if_told(followed) for followed in rounds] == [[]] * len(rounds)
    assert not whole.wrong(rounds[-1], rounds[-1].nodes.nodes)


def test_a_lost_prometheus_leaves_nodes_held_then_at_their_worst_and_right_again_once_it_is_back(whole):
    whole.prometheus.stop()
    rounds = whole.scraped.rounds(whole.source, 6.0)
    assert [whole.wrong_if_told(followed) for followed in rounds] == [[]] * len(rounds)
    assert set(rounds[-1].nodes.state) == {"worst"}
    assert (rounds[-1].nodes.watts >= [fact.peak_watts for fact in whole.scraped.facts]).all()
    assert all(answer.error for answer in rounds[-1].answers)
    whole.prometheus.start()
    back = whole.scraped.rounds(whole.source, 14.0)
    assert [whole.wrong_if_told(followed) for followed in back] == [[]] * len(back)
    assert not whole.wrong(back[-1], back[-1].nodes.nodes)


def test_a_node_that_loses_power_is_never_taken_for_one_that_draws_nothing(whole, faulty):
    domain = next(d for d in whole.scraped.world.spec.base.topology.domains if d.nodes)
    whole.scraped.act(lambda world: world.lose(domain.name))
    rounds = whole.scraped.rounds(whole.source, 8.0)
    for node in domain.nodes:
        assert whole.state(rounds[-1], node) == "worst"
        assert all(whole.watts(each, node) > 0 for each in rounds)
    others = [node for node in rounds[-1].nodes.nodes if node not in domain.nodes]
    assert not whole.wrong(rounds[-1], others)
