"""`powerplane operate` holds a policy's own cap by evictions; judged by the API server's audit log.

A team's sixteen pods of 20 W each draw 320 W, half of them of a lower priority, of whom a disruption budget lets three
go at once.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.conftest import find_prometheus
from tests.rig.audit_log import read_writes
from tests.rig.objects import apply, written
from tests.rig.operator import PATHS, PDBS, Operated, operated
from tests.rig.operator_objects import workload
from tests.rig.processes import wait_for
from tests.rig.rig import running_rig
from tests.rig.sizes import Size

from powerplane.models.api.kinds import CLUSTER_CAPPING_POLICY, POWER_DOMAIN

pytestmark = [pytest.mark.rig, pytest.mark.prometheus]

Json = dict[str, Any]
SIZE = Size(racks=2, per_rack=3, workloads=2, replicas=4)
TEAM_PODS, POD_W, CAP_W = 8, 20, 250
PRIORITIES = {"batch-low": 10, "batch-high": 1000}
LOW_MAY_GO = 3
GATE = "powerplane.dev/power"
CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
POLICY = CLUSTER_CAPPING_POLICY.path("team")
QUIET_S = 45.0
"""Three times as long as it takes to look at pods again."""


@pytest.fixture(scope="module")
def parts() -> Iterator[Operated]:
    with running_rig("caps", audit=True) as rig, operated(rig, find_prometheus(), SIZE) as made:
        for name, priority in PRIORITIES.items():
            rig.api.call("POST", CLASSES, {"metadata": {"name": name}, "value": priority})
        rig.api.post_all(PATHS["Deployment"], [of_team(name) for name in PRIORITIES])
        selector = {"matchLabels": {"app": "batch-low"}}
        low = {"metadata": {"name": "batch-low"}, "spec": {"maxUnavailable": LOW_MAY_GO, "selector": selector}}
        rig.api.call("POST", PDBS, low)
        made.cluster.owners |= {("Deployment", name): TEAM_PODS for name in PRIORITIES}
        assert wait_for(made.cluster.whole, 90, 0.5), made.said()
        assert wait_for(lambda: allowed(made) == LOW_MAY_GO, 60, 0.5)
        made.cluster.settle_budgets(1.5)
        yield made


def of_team(name: str) -> Json:
    body = workload("Deployment", name, "1", TEAM_PODS)
    body["spec"]["template"]["metadata"]["labels"]["team"] = "batch"
    body["spec"]["template"]["spec"]["priorityClassName"] = name
    return body


def allowed(parts: Operated) -> int:
    found = parts.cluster.rig.api.get(f"{PDBS}/batch-low").get("status") or {}
    return int(found.get("disruptionsAllowed", 0))


def cap_at(parts: Operated, watts: int) -> None:
    spec = {
        "selector": {"matchLabels": {"team": "batch"}},
        "cap": {"watts": f"{watts}W"},
        "mode": "Enforce",
        "levers": ["evict"],
        "priority": 10,
        "admission": {"lock": "Partition"},
    }
    apply(parts.cluster.rig, POLICY, written(CLUSTER_CAPPING_POLICY, "team", spec))


def of_batch(parts: Operated) -> list[Json]:
    return [each for each in parts.cluster.pods() if each["metadata"]["labels"].get("team") == "batch"]


def drawn_w(parts: Operated) -> int:
    """What the team draws in truth: each of its pods that has a node."""
    return sum(POD_W for each in of_batch(parts) if each["spec"].get("nodeName"))


def waiting(parts: Operated) -> list[Json]:
    return [each for each in of_batch(parts) if {"name": GATE} in (each["spec"].get("schedulingGates") or ())]


def evicted(parts: Operated) -> Counter[str]:
    writes = read_writes(parts.cluster.rig.audit_log)
    return Counter(write.name.rsplit("-", 2)[0] for write in writes if write.evicts and write.ok)


def status(parts: Operated) -> Json:
    return parts.cluster.rig.api.get(POLICY).get("status") or {}


def conditions(told: Json) -> dict[str, tuple[str, str]]:
    return {each["type"]: (each["status"], each.get("reason", "")) for each in told.get("conditions") or ()}


def test_a_teams_pods_are_brought_under_its_cap_the_least_important_first_and_do_not_return_above_it(
    parts: Operated, figure: Callable[[str], None]
) -> None:
    parts.operator()
    began_s = time.monotonic()
    cap_at(parts, CAP_W)
    assert wait_for(lambda: drawn_w(parts) <= CAP_W, 90, 0.1), parts.said()
    took_s = time.monotonic() - began_s
    assert wait_for(lambda: not parts.cluster.open_plans() and len(of_batch(parts)) == 2 * TEAM_PODS, 60, 0.2)
    # Four pods' watts are above the cap; the disruption budget lets three of low priority go.
    assert evicted(parts) == {"batch-low": LOW_MAY_GO, "batch-high": 1}
    assert len(waiting(parts)) == LOW_MAY_GO + 1

    # Meters err by half a percent or so of what whole nodes draw.
    assert wait_for(lambda: status(parts).get("drawWatts") == pytest.approx(240, rel=0.03), 90, 0.5), status(parts)
    told = status(parts)
    assert (told["capWatts"], told["pods"]) == (CAP_W, 12)
    assert told["headroomWatts"] == pytest.approx(CAP_W - told["drawWatts"], abs=1)
    assert wait_for(lambda: conditions(status(parts)).get("Held") == ("True", "WithinCap"), 30, 0.5), status(parts)
    assert conditions(status(parts))["Enforcing"] == ("True", "Enforced")
    rack = parts.cluster.rig.api.get(POWER_DOMAIN.path("rack-000"))["status"]
    assert conditions(rack)["Held"] == ("True", "WithinBudget")
    assert conditions(rack)["Measured"][0] == "True"

    time.sleep(QUIET_S)
    assert evicted(parts).total() == LOW_MAY_GO + 1
    assert drawn_w(parts) == 240
    report = parts.sound(finished=False)
    assert report.plans == 1
    figure(f"from 320 to {drawn_w(parts)} W of {CAP_W} W in {took_s:.1f} s: {report.evictions} evictions, 1 plan")


def test_whoever_waits_is_let_go_once_the_cap_has_room(parts: Operated) -> None:
    if not parts.operators:
        parts.operator()
    cap_at(parts, 600)
    assert wait_for(lambda: not waiting(parts) and parts.cluster.whole(), 120, 0.5), parts.said()
    assert drawn_w(parts) == 2 * TEAM_PODS * POD_W
    parts.sound()
