"""The proof goes on to plans: made on what a real Prometheus says, whatever is wrong with it, judged by the truth."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import nan

import numpy as np
import pytest
from tests.conftest import find_prometheus
from tests.rig.processes import wait_for
from tests.simulator.prometheus_process import Prometheus, scraping
from tests.simulator.scraped import MODELS, SOURCES, Scraped, write_cluster

from powerplane.cli.main import run
from powerplane.models.draws import node_draws_mw
from powerplane.models.snapshot import Snapshot
from powerplane.simulator.sensors.faults import Doubled, Down, Fault, Frozen, Late, Lies, Missing, Says, Skewed

pytestmark = [pytest.mark.prometheus, pytest.mark.slow]

NODES, PODS = 20, 200
UP_S = 40.0
SETTLED_S = 3.7 + MODELS["bmc"].period_s
"""More than three scrapes after a sensor took its next reading: until then its exporter repeats the last good one."""

FAULTS: dict[str, Fault] = {
    "down": Down("ipmi"),
    "late": Late("ipmi", seconds=3.0),
    "nan": Says("ipmi", value=nan, what="power"),
    "negative": Says("ipmi", value=-250.0, what="power"),
    "ten times too high": Lies("ipmi", times=10.0, what="power"),
    "ten times too low": Lies("ipmi", times=0.1, what="power"),
    "clock behind": Skewed("ipmi", seconds=-90.0),
    "doubled": Doubled("ipmi"),
    # After it, Prometheus takes no sample of that exporter for as long as its clock was ahead.
    "clock ahead": Skewed("ipmi", seconds=10.0),
}


@dataclass(slots=True, eq=False)
class Planning:
    """A cluster with racks that must shed load, its Prometheus, and where it went wrong."""

    scraped: Scraped
    prometheus: Prometheus
    directory: str
    rich: frozenset[str]
    lone: frozenset[str]
    always: tuple[Fault, ...]

    def set(self, *faults: Fault) -> None:
        self.scraped.served.sensors.faults = (*self.always, *faults)

    def rescale(self, factor: float) -> None:
        """Let every workload do so many times what it was sized for."""
        owners = sorted({each.owner.rpartition("/")[2] for each in self.scraped.world.spec.base.templates})
        self.scraped.act(lambda world: [world.demand.rescale(owner, factor) for owner in owners])

    def true_state(self) -> Snapshot:
        """The cluster as it is: every pod uses what it uses in truth."""
        base, truth = self.scraped.world.spec.base, self.scraped.served.said.truth
        cores = dict(zip(zip(truth.pod_namespace, truth.pod_name, strict=True), truth.pod_cores.tolist(), strict=True))
        keys = zip(base.pods.namespaces, base.pods.names, strict=True)
        use = np.array([round(cores[key] * 1e6) for key in keys], dtype=np.int64)
        return replace(base, pods=replace(base.pods, use_ucores=use))

    def overloads(self, moves: list[dict[str, str]]) -> dict[str, float]:
        """Watts above each domain's budget in truth, once the moves are made."""
        state = self.true_state()
        row = {name: i for i, name in enumerate(state.node_names)}
        target = {(move["namespace"], move["pod"]): row[move["to"]] for move in moves}
        keys = zip(state.pods.namespaces, state.pods.names, state.pods.node.tolist(), strict=True)
        place = np.array([target.get((space, name), node) for space, name, node in keys], dtype=np.int32)
        watts = node_draws_mw(replace(state, pods=replace(state.pods, node=place))) / 1000
        racks = [domain for domain in state.topology.domains if domain.nodes]
        drawn = {rack.name: sum(float(watts[row[node]]) for node in rack.nodes) for rack in racks}
        return {rack.name: max(0.0, drawn[rack.name] - rack.budget_mw / 1000) for rack in racks}

    def noise(self) -> float:
        """Watts by which a rack's sensors, each by itself, may err together."""
        truth = self.scraped.served.said.truth.wall_watts
        error = {node: MODELS["bmc"].error(float(truth[row])) for node, row in self.scraped.row.items()}
        racks = [domain.nodes for domain in self.scraped.world.spec.base.topology.domains if domain.nodes]
        return max(sum(error[node] ** 2 for node in nodes) ** 0.5 for nodes in racks)


@pytest.fixture(scope="module")
def planning(tmp_path_factory) -> Iterator[Planning]:
    program = find_prometheus()
    assert program is not None
    folder = tmp_path_factory.mktemp("planned")
    directory = write_cluster(folder / "cluster", nodes=NODES, pods=PODS)
    scraped = Scraped(directory, gpus=False)
    try:
        with scraping(program, folder / "prometheus", scraped.served) as server:
            targets = NODES * (len(SOURCES) - 3) + 1
            assert wait_for(lambda: (server.count("up == 1") or 0) >= targets, UP_S, 0.2), server.count("up == 1")
            found = Planning(scraped, server, str(directory), frozenset(), frozenset(), ())
            over = found.overloads([])
            racks = [domain for domain in scraped.world.spec.base.topology.domains if domain.nodes]
            hot = next(rack for rack in racks if over[rack.name] > 0)
            cool = next(rack for rack in racks if over[rack.name] == 0)
            found.rich = frozenset({*hot.nodes[:2], *cool.nodes[:1]})
            found.lone = frozenset({hot.nodes[2], cool.nodes[1]})
            found.always = tuple(
                Missing(source, found.lone, what=what)
                for source, what in (
                    ("kepler", "platform"),
                    ("kepler", "package"),
                    ("kepler", "package total"),
                    ("node-exporter", "power"),
                    ("node-exporter", "package"),
                    ("kepler-old", "package idle"),
                    ("kepler-old", "package dynamic"),
                )
            )
            found.set()
            time.sleep(SETTLED_S + 3.0)
            yield found
    finally:
        scraped.close()


def plan(planning: Planning, capsys) -> dict:
    """Run ``powerplane plan`` as a user does."""
    arguments = ["--snapshot", planning.directory, "--prometheus", planning.prometheus.url, "--deadline", "2s"]
    code = run(["plan", *arguments, "-o", "json"])
    told = capsys.readouterr()
    assert code in (0, 3), told.err
    return json.loads(told.out)


@pytest.fixture(scope="module")
def clean(planning) -> dict[str, float]:
    """What is over budget in truth after the plan that was made while nothing was wrong."""
    return {}


def test_a_plan_on_clean_samples_mends_in_truth_what_is_over_budget(planning, clean, capsys):
    before = planning.overloads([])
    # So that a plan which does nothing, or half of it, is seen.
    assert max(before.values()) > 2 * planning.noise()
    made = plan(planning, capsys)
    assert {node["state"] for node in made["nodes"]} == {"measured"}
    assert made["moves"]
    clean.update(planning.overloads(made["moves"]))
    assert max(clean.values()) <= planning.noise()


@pytest.mark.parametrize("name", FAULTS)
def test_no_fault_makes_a_plan_worse_in_truth(planning, clean, capsys, name):
    assert clean
    planning.set(replace(FAULTS[name], nodes=planning.rich | planning.lone))
    time.sleep(SETTLED_S)
    made = plan(planning, capsys)
    after = planning.overloads(made["moves"])
    assert max(after.values()) <= max(*clean.values(), planning.noise())
    draws = {node["name"]: node for node in made["nodes"]}
    assert all(node["watts"] > 0 for node in made["nodes"])
    for node in planning.rich:
        assert draws[node]["state"] in ("measured", "held"), draws[node]
    if name not in ("doubled", "clock ahead"):
        peak = {fact.name: fact.peak_watts for fact in planning.scraped.facts}
        assert all(draws[node]["watts"] >= peak[node] for node in planning.lone)


def test_a_sensor_frozen_since_less_was_drawn_does_not_make_a_plan_worse_beside_others_that_see_it(
    planning, clean, capsys
):
    assert clean
    planning.set()
    planning.rescale(0.2)
    time.sleep(MODELS["bmc"].age_s + 2.0)
    planning.set(Frozen("ipmi", planning.rich))
    time.sleep(1.0)
    planning.rescale(1.0)
    time.sleep(MODELS["bmc"].age_s + 2.0)
    made = plan(planning, capsys)
    assert max(planning.overloads(made["moves"]).values()) <= max(*clean.values(), planning.noise())
    draws = {node["name"]: node for node in made["nodes"]}
    for node in planning.rich:
        low, _ = planning.scraped.truth_within(node, time.time() - 5, time.time())
        assert draws[node]["watts"] >= low - MODELS["bmc"].error(low), draws[node]
