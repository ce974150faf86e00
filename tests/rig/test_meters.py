"""What the rig's exporters say of the pods that run there; without a control plane."""

import time
from collections.abc import Iterator

import numpy as np
import pytest
import requests
from tests.rig.meters import Meters, PodsWorld, deployment_of
from tests.rig.processes import wait_for

from powerplane.simulator.sensors.faults import Down, Lies

pytestmark = pytest.mark.rig

IPMI = "ipmi_dcmi_power_consumption_current_watts"
SEEN_S = 12.0
"""A management controller averages over five seconds, and is a second late."""


class Told:
    """What a witness would tell: pods by UID, with node and watts, and whose they are."""

    def __init__(self) -> None:
        self.bound = {"u1": ("n1", 20.0), "u2": ("n1", 60.0), "u3": ("n2", 10.0)}
        self.told = {
            "u1": ("default", "llm-1-a", "ReplicaSet/llm-1"),
            "u2": ("default", "db-0", "StatefulSet/db"),
            "u3": ("team", "job-x", "Job/job"),
        }


@pytest.fixture
def world() -> PodsWorld:
    return PodsWorld(Told(), ("n1", "n2"), 16.0, 100.0, 20.0, {"llm": (15.0, 5.0)})


@pytest.fixture
def meters(world: PodsWorld) -> Iterator[Meters]:
    made = Meters(world)
    yield made
    made.close()


def page(meters: Meters, source: str = "") -> str:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(f"{meters.url}/metrics{source}", timeout=5).text


def watts(meters: Meters) -> dict[str, float]:
    """Nodes' watts at the wall, as IPMI tells them."""
    rows = (line.rpartition(" ") for line in page(meters).splitlines() if line.startswith(IPMI))
    return {head.partition('node="')[2].partition('"')[0]: float(value) for head, _, value in rows}


def test_a_node_draws_its_idle_watts_and_what_its_pods_draw(world: PodsWorld) -> None:
    truth = world.truth()
    assert truth.wall_watts.tolist() == [180.0, 110.0]
    assert truth.busy_cores.tolist() == [4.0, 0.5]
    assert truth.pod_cores.tolist() == [1.0, 3.0, 0.5]
    assert truth.pod_node.tolist() == [0, 0, 1]


def test_pods_of_a_deployment_that_serves_tell_tokens_and_no_others_do(world: PodsWorld) -> None:
    truth = world.truth()
    assert truth.pod_prompt_tokens[0] == 15.0
    assert np.isnan(truth.pod_generated_tokens[1:]).all()
    assert (deployment_of("ReplicaSet/a-b-77"), deployment_of("Job/a-b")) == ("a-b", "")


def test_the_pages_follow_pods_that_move_within_the_sensors_error(world: PodsWorld, meters: Meters) -> None:
    assert watts(meters) == pytest.approx({"n1": 180.0, "n2": 110.0}, rel=0.03)
    world.witness.bound["u2"] = ("n2", 60.0)
    near = pytest.approx({"n1": 120.0, "n2": 170.0}, rel=0.03)
    assert wait_for(lambda: watts(meters) == near, SEEN_S, 0.5), watts(meters)
    kepler = [each for each in page(meters).splitlines() if each.startswith("kepler_pod_cpu_watts{")]
    assert all('node_name="n2"' in each for each in kepler if 'pod_name="db-0"' in each)
    assert 'vllm:generation_tokens_total{engine="0",model_name="llm-1",namespace="default",pod="llm-1-a"}' in page(
        meters
    )


def test_faults_are_of_all_exporters_and_end(meters: Meters) -> None:
    with meters.failing(Down, frozenset({"n2"})):
        assert wait_for(lambda: set(watts(meters)) == {"n1"}, 5, 0.2)
    with meters.failing(Lies, times=10.0):
        assert wait_for(lambda: watts(meters)["n1"] > 1_500, 5, 0.2)
    assert wait_for(lambda: watts(meters) == pytest.approx({"n1": 180.0, "n2": 110.0}, rel=0.03), 5, 0.2)


def test_pages_that_stand_still_carry_the_time_of_their_samples(meters: Meters) -> None:
    before_ms = 1000 * time.time()
    with meters.standing_still():
        first = page(meters)
        time.sleep(1.5)
        assert page(meters) == first
    (line,) = [each for each in first.splitlines() if each.startswith(IPMI) and 'node="n1"' in each]
    assert abs(float(line.split()[-1]) - before_ms) < 3_000
    assert page(meters) != first


def test_prometheus_is_told_to_scrape_each_exporter_there_is(meters: Meters) -> None:
    told = meters.prometheus_yml(2)
    assert "scrape_interval: 2s" in told
    assert all(f"metrics_path: /metrics/{source}\n" in told for source in meters.sources)
