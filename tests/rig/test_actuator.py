"""The actuator on a real control plane, under its own rights: plans are carried out, also by one that is killed."""

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from tests.rig import processes
from tests.rig.acts import ACTUATOR, RECOMMENDER
from tests.rig.audit_log import read_writes
from tests.rig.auditor import Auditor
from tests.rig.cluster import make_nodes, node
from tests.rig.extender import install_objects
from tests.rig.objects import apply, written
from tests.rig.operator import COUNTED_S
from tests.rig.planned_cluster import CORES, NODES_IN_RACK, RACKS, WATTS_PER_CORE, PlannedCluster
from tests.rig.processes import wait_for
from tests.rig.rig import Rig, running_rig
from tests.rig.security import applied, as_user, guards_are_up
from tests.rig.webhook import Hook, registered

from powerplane.models.api.kinds import CLUSTER_CAPPING_POLICY

pytestmark = pytest.mark.rig

PLANS = "/apis/powerplane.dev/v1alpha1/placementplans"
OWN_PODS = "/api/v1/namespaces/powerplane-system/pods"
OVER = ("Done", "Failed", "Expired", "Stopped")
OVER_S = 60.0
STEPS = ("Reserving", "Evicting", "Evicted", "Steering", "Bound")
STOP = "powerplane.dev/stop"

Json = dict[str, Any]


class Process:
    """One actuator."""

    def __init__(self, rig: Rig, name: str) -> None:
        self.log = rig.folder / f"actuator-{name}.log"
        kubeconfig = rig.kubeconfig_for(ACTUATOR, "system:serviceaccounts", "system:serviceaccounts:powerplane-system")
        self._command = [sys.executable, "-m", "tests.rig.actuator_process", str(kubeconfig), name]
        self.pid = 0

    def start(self) -> "Process":
        """Start it; does not wait."""
        self.pid = processes.spawn(self._command, self.log, outlive=False, PYTHONUNBUFFERED="1")
        return self

    def kill(self) -> None:
        """End it as a power cut would."""
        os.kill(self.pid, signal.SIGKILL)
        wait_for(lambda: not processes.alive(self.pid), 5.0)


class Site:
    """A cluster of three racks, guarded as deploy/ says, and what is carried out there."""

    def __init__(self, rig: Rig, hook: Hook) -> None:
        self.rig = rig
        self.hook = hook
        self.cluster = PlannedCluster(rig, {})

    def furnish(self) -> None:
        """All pods of three workloads on the first rack, and budgets for their disruption."""
        names = [(rack, f"{rack}-n{i}") for rack in RACKS for i in range(NODES_IN_RACK)]
        watts = CORES * WATTS_PER_CORE
        make_nodes(self.rig, [node(name, {"rack": rack}, cpu=str(CORES), watts=watts) for rack, name in names])
        self.cluster.close(RACKS[1:], True)
        self.cluster.deploy("web", 6)
        self.cluster.deploy("api", 4, cpu=2)
        self.cluster.deploy("db", 2, kind="StatefulSet")
        self.cluster.wait_placed()
        self.cluster.close(RACKS[1:], False)
        self.cluster.protect("web", 2)
        self.cluster.protect("api", 1)
        self.cluster.protect("db", 1)

    def moves(self, source: str, target: str) -> list[Json]:
        """Every pod of a rack to another one's nodes, in two waves."""
        here = sorted(
            (pod for pod in self.cluster.pods() if pod["spec"]["nodeName"].startswith(source)),
            key=lambda pod: str(pod["metadata"]["name"]),
        )
        return [
            {
                "namespace": "default",
                "pod": pod["metadata"]["name"],
                "uid": pod["metadata"]["uid"],
                "from": pod["spec"]["nodeName"],
                "to": f"{target}-n{place % NODES_IN_RACK}",
                "wave": 1 + place % 2,
            }
            for place, pod in enumerate(here)
        ]

    def onwards(self) -> list[Json]:
        """Every pod of the rack that has most of them to the next one's nodes."""
        count = Counter(pod["spec"]["nodeName"].partition("-")[0] for pod in self.cluster.pods())
        (source, _), *_ = count.most_common(1)
        return self.moves(source, RACKS[(RACKS.index(source) + 1) % len(RACKS)])

    def publish(self, name: str, moves: list[Json]) -> Json:
        """Publish a plan, as the recommender would."""
        plan = self.cluster.placement_plan(name, {"moves": moves})
        answer = as_user(self.rig, RECOMMENDER, "POST", PLANS, plan)
        assert answer.ok, answer.message
        return plan

    def status(self, name: str) -> Json:
        return dict(self.rig.api.get(f"{PLANS}/{name}").get("status") or {})

    def steps(self, name: str) -> set[str]:
        return {each["step"] for each in self.status(name).get("moves", ())}

    def over(self, name: str) -> bool:
        return self.status(name).get("phase") in OVER

    def judge(self) -> None:
        """What the API server's own log says, but for what is left behind, which is asked of the server itself.

        A deletion whose sender was killed may be done and have no good answer in the log.
        """
        report = Auditor().audit(read_writes(self.rig.audit_log))
        findings = [each for each in report.findings if each.rule != "left"]
        assert not findings, "\n".join(map(str, findings[:20]))
        pods = self.rig.api.items("/api/v1/pods")
        assert not [each["metadata"]["name"] for each in pods if each["spec"].get("schedulingGates")]

    def stop(self, reason: str | None) -> None:
        self.rig.api.patch("/api/v1/namespaces/powerplane-system", {"metadata": {"annotations": {STOP: reason}}})


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """The cluster, its webhook, rights and guards; no actuator yet."""
    with running_rig("actuator", audit=True) as rig, ExitStack() as parts:
        install_objects(rig)
        files = ("rbac.yaml", "rbac-operator.yaml", "admission-policies.yaml")
        parts.enter_context(applied(rig, *files))
        spec = {
            "cap": {"watts": "100kW"},
            "mode": "Enforce",
            "levers": ["migrate"],
            "admission": {"lock": "Partition"},
        }
        apply(rig, CLUSTER_CAPPING_POLICY.path("all"), written(CLUSTER_CAPPING_POLICY, "all", spec))
        hook = Hook(rig, "moves")
        hook.replica.start()
        parts.callback(hook.replica.stop)
        assert wait_for(hook.ready, 40, 0.1), processes.tail(hook.replica.log)
        parts.enter_context(registered(rig, hook.port))
        made = Site(rig, hook)
        made.furnish()
        assert wait_for(lambda: guards_are_up(rig), 20, 0.2)
        yield made


@pytest.fixture
def actuator(site: Site) -> Iterator[Process]:
    """One that runs."""
    process = Process(site.rig, f"a{time.monotonic_ns()}").start()
    yield process
    processes.stop(process.pid)


def carried_out(site: Site, plan: Json, process: Process, within_s: float = OVER_S) -> None:
    """Hold a plan's end against what it asked for."""
    name = plan["metadata"]["name"]
    assert wait_for(lambda: site.over(name), within_s, 0.1), f"{site.status(name)}\n{processes.tail(process.log, 40)}"
    status, wanted = site.status(name), {move["uid"]: move["to"] for move in plan["spec"]["moves"]}
    assert status["phase"] == "Done", status
    assert (status["done"], status["failed"], status["total"]) == (len(wanted), 0, len(wanted))
    assert {each["uid"]: each["node"] for each in status["moves"]} == wanted
    assert {each.get("reason", "") for each in status["moves"]} == {""}
    landed = {pod["metadata"]["uid"]: pod["spec"]["nodeName"] for pod in site.cluster.pods()}
    assert {each["successorUid"]: each["node"] for each in status["moves"]}.items() <= landed.items()
    assert wait_for(lambda: not site.rig.api.items(OWN_PODS), 5, 0.1), "placeholders are left"


def test_a_plan_is_carried_out_to_the_letter(site: Site, actuator: Process, figure: Callable[[str], None]) -> None:
    began_s = time.monotonic()
    plan = site.publish("first", site.onwards())
    # A StatefulSet's next pod has the name of the one before: where it comes before that one is seen to go, the
    # disruption budget counts it as still to be evicted.
    carried_out(site, plan, actuator, OVER_S + COUNTED_S)
    figure(f"{len(plan['spec']['moves'])} moves in two waves in {time.monotonic() - began_s:.1f} s")
    site.judge()


@pytest.mark.storms
def test_an_actuator_that_is_killed_in_each_step_ends_the_plan_as_one_that_was_not(site: Site) -> None:
    process = Process(site.rig, "killed").start()
    plan = site.publish("second", site.onwards())
    killed = []
    for step in STEPS:
        if wait_for(lambda step=step: step in site.steps("second") or site.over("second"), OVER_S, 0.002):
            if site.over("second"):
                break
            process.kill()
            killed.append(step)
            process.start()
    carried_out(site, plan, process, OVER_S + COUNTED_S)
    processes.stop(process.pid)
    assert len(killed) >= 3, killed
    site.judge()


def test_after_a_stop_nothing_is_begun_and_nothing_of_ours_is_left(site: Site, actuator: Process) -> None:
    before = {pod["metadata"]["uid"] for pod in site.cluster.pods()}
    site.publish("third", site.onwards())
    assert wait_for(lambda: "Evicted" in site.steps("third") or "Steering" in site.steps("third"), OVER_S, 0.002)
    site.stop("a test")
    try:
        assert wait_for(lambda: site.status("third")["phase"] == "Stopped", 5, 0.05), processes.tail(actuator.log, 40)
        site.cluster.wait_placed(30)
        assert wait_for(lambda: not site.rig.api.items(OWN_PODS), 5, 0.1), "placeholders are left"
        assert before & {pod["metadata"]["uid"] for pod in site.cluster.pods()}, "all had been moved already"
    finally:
        site.stop(None)
    site.judge()
