"""Gates alone, under the plain scheduler: no budget is broken, nobody waits for ever, and the way out works."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.rig import processes
from tests.rig.cluster import WATTS, bound, make_nodes, make_pods, node, pod
from tests.rig.extender import Replica, change_domain, install_objects, make_domains
from tests.rig.floor import Floor
from tests.rig.objects import apply, written
from tests.rig.processes import wait_for
from tests.rig.rig import Rig
from tests.rig.security import GATE_RELEASER, applied, wait_for_guards
from tests.rig.webhook import registered, webhook_replica
from tests.rig.witness import Witness

from powerplane.models.api.kinds import CLUSTER_CAPPING_POLICY

pytestmark = pytest.mark.rig

GATE = "powerplane.dev/power"
FLOOR = Floor(racks=6, per_rack=5, rows=2, node_w=430, rack_w=1400, row_w=3900, feed_w=7000, idle_w=50)
"""Room for pods: 380 W a node, 1,150 W a rack, 3,150 W a row, 5,500 W on one feed; the pods below want 45,000 W."""

PODS = 300
SIZES_W = (60, 90, 130, 170, 300)
POD = "/api/v1/namespaces/default/pods"
RELEASED = "powerplane_gates_release_to_bound_seconds"
UNHELD_W = 100_000
"""What each node lists: so much that the scheduler's own accounting holds nothing."""


def gated(name: str, watts: int, **spec: Any) -> dict[str, Any]:
    return pod(name, watts=watts, cpu="10m", schedulingGates=[{"name": GATE}], **spec)


def storm(count: int = PODS) -> list[dict[str, Any]]:
    return [gated(f"p{i:04}", SIZES_W[i % len(SIZES_W)]) for i in range(count)]


def ask_for_gates(rig: Rig, seconds: int = 600) -> None:
    """A policy under which every pod waits behind our gate."""
    choice = {"lock": "Gate", "maxGateSeconds": seconds}
    spec = {"cap": {"watts": "100kW"}, "mode": "Initial", "admission": choice}
    apply(rig, CLUSTER_CAPPING_POLICY.path("all"), written(CLUSTER_CAPPING_POLICY, "all", spec))


def lay(rig: Rig, floor: Floor = FLOOR, seconds: int = 600) -> None:
    install_objects(rig)
    make_nodes(rig, floor.nodes(watts=UNHELD_W))
    make_domains(rig, floor.domains())
    ask_for_gates(rig, seconds)
    lease = "/apis/coordination.k8s.io/v1/namespaces/powerplane-system/leases"
    answer = rig.api.call("POST", lease, {"metadata": {"name": "powerplane-gates"}, "spec": {}})
    assert answer.ok or answer.status == 409, answer.message


@contextmanager
def releaser(rig: Rig, *names: str) -> Iterator[list[Replica]]:
    """`powerplane serve --release-gates`, which no scheduler asks, once for each name."""
    replicas = [Replica(rig, name, "--release-gates").start() for name in names or ("gates",)]
    try:
        yield replicas
    finally:
        for each in replicas:
            each.stop()


def waiting(rig: Rig) -> list[str]:
    return [each["metadata"]["name"] for each in rig.api.items(POD) if each["spec"].get("schedulingGates")]


def told_overdue(rig: Rig) -> set[str]:
    """Pods with an event that says that they were let go without headroom."""
    events = rig.api.items("/apis/events.k8s.io/v1/namespaces/default/events")
    return {each["regarding"]["name"] for each in events if each["reason"] == "ReleasedWithoutHeadroom"}


def settle(witness: Witness, quiet_s: float = 5.0) -> None:
    assert wait_for(lambda: witness.bound and time.monotonic() - witness.last_s > quiet_s, 90, 0.3)


def figures(replica: Replica) -> dict[str, float]:
    page = replica.page("/metrics") or ""
    lines = [line.rsplit(" ", 1) for line in page.splitlines() if line.startswith("powerplane_gates_")]
    return {name: float(value) for name, value in lines}


@pytest.mark.storms
def test_a_storm_of_gated_pods_breaks_no_budget_and_leaves_little_power(rig: Rig, figure: Any) -> None:
    lay(rig)
    make_pods(rig, storm())
    with Witness(rig, FLOOR.budgets()) as witness, releaser(rig) as (replica,):
        settle(witness)
        assert witness.breaches == []
        share = witness.draw("feed-a") / (FLOOR.feed_w - FLOOR.idle_w * 30)
        told = figures(replica)
        mean_s = told[f"{RELEASED}_sum"] / told[f"{RELEASED}_count"]
        figure(
            f"{len(witness.bound)} pods in {witness.last_s - witness.first_s:.1f} s, {100 * share:.1f} % of the feed, "
            f"release to bound {1000 * mean_s:.0f} ms on average"
        )
        assert share > 0.95
        # Room that comes is given away at once: in the order of arrival, and no more than that.
        gone = sorted(witness.on(FLOOR.node_names))[:20]
        for name in gone:
            rig.api.delete(f"{POD}/{name}", {"gracePeriodSeconds": 0})
        settle(witness)
        assert witness.breaches == []
        change_domain(rig, "rack-000", budget="300W")
        witness.allow("rack-000", 50)
        for name in sorted(witness.on(FLOOR.node_names))[:10]:
            rig.api.delete(f"{POD}/{name}", {"gracePeriodSeconds": 0})
        settle(witness)
        assert witness.breaches == []


def test_of_a_thousand_waiting_pods_the_next_is_bound_within_a_second(rig: Rig, figure: Any) -> None:
    floor = Floor(racks=25, per_rack=20, rows=5, node_w=430, rack_w=2000, row_w=9000, idle_w=50)
    lay(rig, floor)
    make_pods(rig, [gated(f"p{i:04}", 100) for i in range(1250)])
    with Witness(rig, floor.budgets()) as witness, releaser(rig) as (replica,):
        settle(witness)
        first = sorted(witness.came_s, key=lambda name: witness.came_s[name][1])
        held, told = len(first), figures(replica)
        assert 1250 - held >= 1000
        took = []
        for gone in first[:20]:
            there = set(witness.came_s)
            began = time.monotonic()
            rig.api.delete(f"{POD}/{gone}", {"gracePeriodSeconds": 0})
            came = lambda there=there: set(witness.came_s) - there  # noqa: E731 (asked twice)
            assert wait_for(came, 20, 0.005)
            took.append(min(witness.came_s[name][1] for name in came()) - began)
        took.sort()
        assert witness.breaches == []
        assert took[-2] < 1.0
        assert wait_for(lambda: figures(replica)[f"{RELEASED}_count"] >= told[f"{RELEASED}_count"] + 20, 5, 0.1)
        now = figures(replica)
        total_s, count = (now[f"{RELEASED}_{each}"] - told[f"{RELEASED}_{each}"] for each in ("sum", "count"))
        assert total_s / count < 1.0
        figure(
            f"{held} bound, {1250 - held} waiting; gate lifted to bound {1000 * total_s / count:.0f} ms on average, "
            f"room to bound {1000 * took[10]:.0f} ms (median), {1000 * took[-1]:.0f} ms (worst of 20); a look "
            f"{1000 * now['powerplane_gates_round_seconds']:.0f} ms"
        )


def end_some(rig: Rig, witness: Witness, first: int) -> None:
    for name in sorted(witness.on(FLOOR.node_names))[first : first + 10]:
        rig.api.delete(f"{POD}/{name}", {"gracePeriodSeconds": 0})


@pytest.mark.storms
def test_releasers_that_are_killed_in_the_middle_break_no_budget_and_lose_nobody(rig: Rig) -> None:
    lay(rig)
    with Witness(rig, FLOOR.budgets()) as witness, releaser(rig, "one", "two") as replicas:
        make_pods(rig, storm())
        for _ in range(3):
            end_some(rig, witness, 0)
            for each in replicas:
                each.kill()
            # Whatever was given away until then, there is room again for those who start.
            end_some(rig, witness, 10)
            before = witness.last_s
            time.sleep(1.0)
            for each in replicas:
                each.start()
            assert wait_for(lambda before=before: witness.last_s > before, 40, 0.2)  # type: ignore[misc]  # mypy infers no lambda's default
        settle(witness, quiet_s=12.0)
        assert witness.breaches == []
        share = witness.draw("feed-a") / (FLOOR.feed_w - FLOOR.idle_w * 30)
        assert share > 0.95


def test_a_pod_that_has_waited_as_long_as_its_policy_lets_it_goes_whatever_the_headroom(rig: Rig) -> None:
    lay(rig, Floor(racks=1, per_rack=1, rack_w=500), seconds=10)
    with releaser(rig) as (replica,):
        make_pods(rig, [gated("fits", 400)])
        assert wait_for(lambda: set(bound(rig)) == {"fits"}, 30, 0.2)
        make_pods(rig, [gated("late", 300), gated("never", 900)])
        time.sleep(5)
        assert set(bound(rig)) == {"fits"}
        assert wait_for(lambda: len(bound(rig)) == 3, 30, 0.2)
        assert wait_for(lambda: figures(replica).get('powerplane_gates_released_total{reason="overdue"}') == 2, 10, 0.2)
        told = rig.api.get(f"{POD}/never")["metadata"]["annotations"]
        assert told["powerplane.dev/granted"] == "overdue"
        assert wait_for(lambda: told_overdue(rig) >= {"late", "never"}, 10, 0.2)


def test_other_gates_stay_and_a_pod_behind_them_holds_no_watts(rig: Rig) -> None:
    lay(rig, Floor(racks=1, per_rack=2, rack_w=500))
    both = gated("both", 400)
    both["spec"]["schedulingGates"].insert(0, {"name": "example.com/quota"})
    with releaser(rig):
        make_pods(rig, [both])
        time.sleep(1.2)
        make_pods(rig, [gated("free", 400)])
        assert wait_for(lambda: set(bound(rig)) == {"free"}, 30, 0.2)
        rig.api.delete(f"{POD}/free", {"gracePeriodSeconds": 0})
        patch = [{"op": "remove", "path": "/spec/schedulingGates/0"}]
        assert rig.api.call("PATCH", f"{POD}/both", patch, "application/json-patch+json").ok
        assert wait_for(lambda: set(bound(rig)) == {"both"}, 30, 0.2)


def test_a_pods_own_affinity_is_narrowed_and_never_widened(rig: Rig) -> None:
    lay(rig, Floor(racks=2, per_rack=2, rack_w=500))
    terms = [
        {"matchExpressions": [{"key": "rig.powerplane.dev/rack", "operator": "In", "values": ["rack-001"]}]},
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n001-01"]}]},
    ]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    with releaser(rig):
        make_pods(rig, [gated("picky", 100, affinity={"nodeAffinity": required})])
        make_pods(rig, [gated("apart", 100, affinity={"podAntiAffinity": {}})])
        assert wait_for(lambda: len(bound(rig)) == 2, 30, 0.2)
        assert bound(rig)["picky"].startswith("n001-")


def test_release_all_lets_everybody_go_with_nothing_else_running(rig: Rig) -> None:
    lay(rig, Floor(racks=1, per_rack=4, rack_w=500))
    pods = [gated(f"p{i}", 400) for i in range(40)]
    pods[0]["spec"]["schedulingGates"].insert(0, {"name": "example.com/quota"})
    make_pods(rig, pods)
    assert len(waiting(rig)) == 40

    def release(*flags: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "powerplane", "release", f"--kubeconfig={rig.kubeconfig}", *flags]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ, check=False)

    assert release().returncode == 2
    dry = release("--all")
    assert dry.returncode == 0
    assert len(dry.stdout.splitlines()) == 40
    assert len(waiting(rig)) == 40
    done = release("--all", "--yes")
    assert (done.returncode, done.stdout) == (0, "40 pods\n")
    assert waiting(rig) == ["p0"]
    assert rig.api.get(f"{POD}/p0")["spec"]["schedulingGates"] == [{"name": "example.com/quota"}]
    assert wait_for(lambda: len(bound(rig)) == 39, 30, 0.3)
    assert release("--all", "--yes").stdout == "0 pods\n"


def test_the_webhook_gates_what_should_wait_and_the_releaser_lets_it_go_where_nodes_list_no_watts(rig: Rig) -> None:
    install_objects(rig)
    make_nodes(rig, [node("n1", cpu="32")])
    member = {"idle": "100W", "peak": "420W"}
    make_domains(rig, [{**FLOOR.domains()[-1], "spec": {"kind": "rack", "budget": "150W", "nodeNames": ["n1"]}}])
    domain = "/apis/powerplane.dev/v1alpha1/powerdomains/rack-005"
    rig.api.patch(domain, {"spec": {"node": member}})
    ask_for_gates(rig)
    replica, port = webhook_replica(rig, "gated", "--release-gates")
    replica.start()
    try:
        replica.wait_ready()
        probe = pod("probe", cpu="1")

        def gates(made: dict[str, Any]) -> Any:
            return rig.api.call("POST", f"{POD}?dryRun=All", made).body["spec"].get("schedulingGates", [])

        with registered(rig, port):
            assert wait_for(lambda: gates(probe) == [{"name": GATE}], 20, 0.2)
            critical = {**probe, "spec": {**probe["spec"], "priorityClassName": "system-cluster-critical"}}
            assert gates(critical) == []
            make_pods(rig, [pod(f"w{i}", cpu="2") for i in range(4)])
            # 50 W are left beside the idle draw: two pods of 20 W each.
            assert wait_for(lambda: len(bound(rig)) == 2, 30, 0.2)
            time.sleep(3)
            assert len(bound(rig)) == 2
            made = rig.api.get(f"{POD}/w3")
            assert made["metadata"]["annotations"]["powerplane.dev/predicted-watts"] == "20"
            assert WATTS not in made["spec"]["containers"][0]["resources"]["requests"]
            rig.api.patch(domain, {"spec": {"budget": "180W"}})
            assert wait_for(lambda: len(bound(rig)) == 4, 30, 0.2)
    finally:
        replica.stop()


def test_the_releaser_works_under_its_own_account_and_the_shipped_policies(rig: Rig) -> None:
    groups = ("system:serviceaccounts", "system:serviceaccounts:powerplane-system")
    floor = Floor(racks=2, per_rack=2, rack_w=500)
    install_objects(rig)
    with applied(rig, "rbac.yaml", "admission-policies.yaml"):
        lay(rig, floor)
        wait_for_guards(rig)
        log = rig.folder / "releaser.log"
        kubeconfig = rig.kubeconfig_for(GATE_RELEASER, *groups)
        command = [sys.executable, "-m", "powerplane", "release", "--run", f"--kubeconfig={kubeconfig}"]
        pid = processes.spawn(command, log, outlive=False, PYTHONUNBUFFERED="1")
        try:
            with Witness(rig, floor.budgets()) as witness:
                make_pods(rig, [gated(f"p{i}", 200) for i in range(10)])
                assert wait_for(lambda: len(bound(rig)) == 4, 30, 0.2), log.read_text()
                time.sleep(2)
                assert witness.breaches == []
                assert len(bound(rig)) == 4
            late = set(waiting(rig))
            ask_for_gates(rig, 10)
            assert len(late) == 6
            assert wait_for(lambda: told_overdue(rig) >= late, 20, 0.2), log.read_text()
        finally:
            processes.stop(pid)
        told = log.read_text().lower()
        assert "forbidden" not in told
        assert "denied" not in told
