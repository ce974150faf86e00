"""`powerplane operate` holds a budget in parts, each under the account that it ships with; a stop stops both."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from tests.conftest import find_prometheus
from tests.rig import processes
from tests.rig.acts import ACTUATOR, RECOMMENDER
from tests.rig.cluster import make_nodes, node
from tests.rig.extender import install_objects, make_domains, power_domain
from tests.rig.objects import apply, written
from tests.rig.planned_cluster import CORES, IDLE_W, NODES_IN_RACK, WATTS_PER_CORE, PlannedCluster
from tests.rig.processes import wait_for
from tests.rig.rig import Rig
from tests.rig.security import applied, guards_are_up
from tests.rig.telemetry import measured
from tests.rig.webhook import Hook, registered

from powerplane.cli.main import run
from powerplane.models.api.kinds import CLUSTER_CAPPING_POLICY, PLACEMENT_PLAN, POWER_DOMAIN

pytestmark = [pytest.mark.rig, pytest.mark.prometheus]

GROUPS = ("system:serviceaccounts", "system:serviceaccounts:powerplane-system")
PEAK_W = IDLE_W + CORES * WATTS_PER_CORE
FROM, TO = "r1", "r2"
PODS = 8
CUT_W = NODES_IN_RACK * IDLE_W + (PODS // 2) * WATTS_PER_CORE
"""What the rack may draw once it is cut: half of its pods have to go."""


@dataclass
class Parts:
    """The cluster and the two processes."""

    rig: Rig
    cluster: PlannedCluster
    url: str
    pids: list[int]

    def start(self, only: str, user: str, *flags: str) -> None:
        """Start a part under its account."""
        config = self.rig.kubeconfig_for(user, *GROUPS)
        command = [sys.executable, "-m", "powerplane", "operate", f"--only={only}", f"--kubeconfig={config}", *flags]
        self.pids.append(processes.spawn(command, self.log(only), outlive=False, PYTHONUNBUFFERED="1"))

    def log(self, only: str):
        return self.rig.folder / f"rights-{only}.log"

    def said(self) -> str:
        """What both logged."""
        return "\n".join(processes.tail(self.log(only), 60) for only in ("recommender", "actuator"))

    def budget(self, watts: int) -> None:
        apply(self.rig, POWER_DOMAIN.path(FROM), domain(FROM, watts))

    def draw_w(self) -> float:
        return self.cluster.draw_watts(FROM)

    def phases(self) -> list[str]:
        return [(each.get("status") or {}).get("phase", "") for each in self.rig.api.items(PLACEMENT_PLAN.list_path)]


def names(rack: str) -> list[str]:
    return [f"{rack}-n{number}" for number in range(NODES_IN_RACK)]


def domain(rack: str, watts: int):
    member = {"idle": f"{IDLE_W}W", "peak": f"{PEAK_W}W"}
    return power_domain(rack, nodeNames=names(rack), node=member, budget=f"{watts}W")


@pytest.fixture
def parts(rig: Rig) -> Iterator[Parts]:
    """A rack of pods, an empty one, a policy that lets pods be moved, and all that the operator needs to be there."""
    install_objects(rig)
    whole_w = NODES_IN_RACK * PEAK_W
    cluster = PlannedCluster(rig, {})
    hook = Hook(rig, "rights")
    with ExitStack() as held:
        held.enter_context(applied(rig, "rbac.yaml", "rbac-operator.yaml", "admission-policies.yaml"))
        watts = CORES * WATTS_PER_CORE
        make_nodes(rig, [node(name, {"rack": r}, cpu=str(CORES), watts=watts) for r in (FROM, TO) for name in names(r)])
        make_domains(rig, [domain(FROM, whole_w), domain(TO, whole_w)])
        policy = {
            "cap": {"watts": "100kW"},
            "mode": "Enforce",
            "levers": ["migrate"],
            "admission": {"lock": "Partition"},
        }
        apply(rig, CLUSTER_CAPPING_POLICY.path("all"), written(CLUSTER_CAPPING_POLICY, "all", policy))
        hook.replica.start()
        held.callback(hook.replica.stop)
        assert wait_for(hook.ready, 40, 0.1), processes.tail(hook.replica.log)
        held.enter_context(registered(rig, hook.port))
        cluster.close([TO], True)
        cluster.deploy("web", PODS)
        cluster.protect("web", 2)
        cluster.wait_placed()
        cluster.close([TO], False)
        assert wait_for(lambda: guards_are_up(rig), 30, 0.2)

        def by_node() -> dict[str, float]:
            cores = {name: 0 for rack in (FROM, TO) for name in names(rack)}
            for each in cluster.pods():
                if each["spec"].get("nodeName"):
                    cores[each["spec"]["nodeName"]] += 1
            return {name: IDLE_W + count * WATTS_PER_CORE for name, count in cores.items()}

        program = find_prometheus()
        assert program is not None
        server = held.enter_context(measured(rig, program, by_node))
        made = Parts(rig, cluster, server.url, [])
        held.callback(lambda: [processes.stop(pid) for pid in made.pids])
        yield made


def test_a_rack_is_brought_under_its_budget_by_accounts_that_may_do_nothing_else_and_a_stop_ends_it(
    parts: Parts, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = parts.rig
    parts.start("recommender", RECOMMENDER, f"--prometheus={parts.url}")
    parts.start("actuator", ACTUATOR)
    parts.budget(CUT_W)
    assert wait_for(lambda: parts.draw_w() <= CUT_W and set(parts.phases()) == {"Done"}, 90, 0.3), parts.said()
    parts.cluster.wait_placed()
    plan = rig.api.items(PLACEMENT_PLAN.list_path)[0]
    assert {each["policy"] for each in plan["spec"]["moves"]} == {"ClusterPowerCappingPolicy all"}
    assert plan["spec"]["reason"]
    told = rig.api.get(POWER_DOMAIN.path(FROM))["status"]
    assert told["measuredWatts"] <= CUT_W
    assert told["lastAction"]["plan"] == plan["metadata"]["name"]
    assert run(["stop", "--reason", "enough", "--kubeconfig", str(rig.kubeconfig)]) == 0
    before = len(parts.phases())
    parts.budget(CUT_W - 2 * WATTS_PER_CORE)
    assert not wait_for(lambda: len(parts.phases()) > before or "Running" in parts.phases(), 15, 0.3), parts.said()
    assert run(["resume", "--kubeconfig", str(rig.kubeconfig)]) == 0
    assert capsys.readouterr().out == "stopped: enough\nresumed\n"
    assert wait_for(lambda: parts.draw_w() <= CUT_W - 2 * WATTS_PER_CORE, 90, 0.3), parts.said()
    said = parts.said().lower()
    assert "forbidden" not in said, said
    assert "denied" not in said, said
    assert "traceback" not in said, said
