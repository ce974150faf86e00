"""What the pods of each kind of owner come in with, shown in the columns that the API server gives to kubectl.

kubectl itself is no part of the rig: a Go module that it needs is not among those that the rig's programs are built
from. What `kubectl get` prints is the server's own Table all the same, and that is what is read here.
"""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.rig.cluster import WATTS, clear, make_nodes, node, pod, refresh
from tests.rig.extender import Replica, install_objects, make_domains, power_domain
from tests.rig.objects import apply, written
from tests.rig.processes import wait_for
from tests.rig.rig import Rig
from tests.rig.webhook import registered, webhook_replica

from powerplane.models.api.kinds import CLUSTER_CAPPING_POLICY

pytestmark = pytest.mark.rig

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PODS = "/api/v1/namespaces/default/pods"
PER_CORE_W = 10
CORES = {"main": "2", "side": "500m"}
KINDS = ("deployment", "statefulset", "daemonset", "job", "cron", "bare")
GIVEN = 25
"""Watts of two and a half cores."""

Json = dict[str, Any]


def template(app: str, **spec: Any) -> Json:
    """Two containers of two and a half cores together."""
    containers = [
        {"name": name, "image": "none", "resources": {"requests": {"cpu": cpu}}} for name, cpu in CORES.items()
    ]
    return {
        "metadata": {"labels": {"app": app}},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": containers, **spec},
    }


def owners(lock: str) -> dict[str, Json]:
    """An object of each kind that makes pods, by the path that it is created at."""

    def selected(app: str, **spec: Any) -> Json:
        name = f"{lock}-{app}"
        labels = {"matchLabels": {"app": name}}
        return {"metadata": {"name": name}, "spec": {"selector": labels, "template": template(name), **spec}}

    run_once = {"spec": {"template": template(f"{lock}-job", restartPolicy="Never")}}
    schedule = {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": run_once}
    apps, batch = "/apis/apps/v1/namespaces/default", "/apis/batch/v1/namespaces/default"
    return {
        f"{apps}/deployments": selected("deployment", replicas=2),
        f"{apps}/statefulsets": selected("statefulset", replicas=1, serviceName="s"),
        f"{apps}/daemonsets": selected("daemonset"),
        f"{batch}/jobs": {"metadata": {"name": f"{lock}-job"}, **run_once},
        f"{batch}/cronjobs": {"metadata": {"name": f"{lock}-cron"}, "spec": schedule},
        PODS: template(f"{lock}-bare") | {"metadata": {"name": f"{lock}-bare", "labels": {"app": f"{lock}-bare"}}},
    }


def create(rig: Rig, lock: str) -> None:
    """Create one of each, a CronJob's Job as its controller names it, and a mirror as a kubelet makes it."""
    for path, body in owners(lock).items():
        made = rig.api.post(path, body)
        if path.endswith("cronjobs"):
            owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": made["metadata"]["name"], "controller": True}
            reference = [owner | {"uid": made["metadata"]["uid"]}]
            job = {"metadata": {"name": f"{lock}-cron-29401920", "ownerReferences": reference}}
            job |= {"spec": {"template": template(f"{lock}-cron", restartPolicy="Never")}}
            rig.api.post("/apis/batch/v1/namespaces/default/jobs", job)
    mirror = {"metadata": {"name": f"{lock}-mirror", "annotations": {"kubernetes.io/config.mirror": "x"}}}
    mirror |= {"spec": template("mirror")["spec"] | {"nodeName": "n1"}}
    rig.api.post(PODS, mirror)


@pytest.fixture(scope="module")
def hooked(shared_rig: Rig) -> Iterator[tuple[Rig, Replica]]:
    """A node that draws 10 W a core, our webhook, and a policy by lock: gates for pods whose label says so."""
    rig = refresh(shared_rig)
    install_objects(rig)
    make_nodes(rig, [node("n1", watts=1000)])
    member = {"idle": "100W", "peak": f"{100 + 32 * PER_CORE_W}W"}
    make_domains(rig, [power_domain("r1", budget="2kW", nodeNames=["n1"], node=member)])
    gated = [{"key": "app", "operator": "In", "values": [f"gate-{kind}" for kind in KINDS]}]
    for name, priority, selector, lock in (
        ("all", 0, {}, "Partition"),
        ("some", 10, {"matchExpressions": gated}, "Gate"),
    ):
        spec = {"cap": {"watts": "2kW"}, "mode": "Initial", "priority": priority, "selector": selector}
        body = written(CLUSTER_CAPPING_POLICY, name, spec | {"admission": {"lock": lock}})
        apply(rig, CLUSTER_CAPPING_POLICY.path(name), body)
    replica, port = webhook_replica(rig, "owners")
    replica.start()
    try:
        replica.wait_ready()
        with registered(rig, port):
            assert wait_for(lambda: given(dry(rig, "probe").body) == PER_CORE_W, 20, 0.2), "the webhook is not called"
            yield rig, replica
    finally:
        replica.stop()
        clear(rig)


def dry(rig: Rig, name: str) -> Any:
    return rig.api.call("POST", f"{PODS}?dryRun=All", pod(name, cpu="1"))


def given(made: Json) -> int:
    """Watts that a pod requests."""
    return sum(int(each["resources"].get("requests", {}).get(WATTS, 0)) for each in made["spec"]["containers"])


def shown(rig: Rig, lock: str) -> dict[str, tuple[int, ...]]:
    """Watts of each owner's pods, by the owner's word in their names."""
    found: dict[str, tuple[int, ...]] = {}
    for each in rig.api.items(PODS):
        name = each["metadata"]["name"]
        if name.startswith(f"{lock}-"):
            word = name.split("-")[1]
            found[word] = (*found.get(word, ()), given(each))
    return found


def as_kubectl_shows(rig: Rig, prefix: str) -> list[str]:
    """Rows of `kubectl get pods`, with the watts beside."""
    answer = rig.api.pool.request(
        "GET", f"{rig.server}{PODS}?includeObject=Object", headers={"Accept": TABLE, "Content-Type": "application/json"}
    ).json()
    names = [column["name"] for column in answer["columnDefinitions"]]
    lines = []
    for row in answer["rows"]:
        cells = dict(zip(names, row["cells"], strict=True))
        if cells["Name"].startswith(prefix):
            watts = given(row["object"]) or "<none>"
            lines.append(f"{cells['Name']:36} {cells['Ready']:6} {cells['Status']:16} watts {watts}")
    return lines


def test_each_owners_pods_come_in_with_what_they_will_draw_and_a_nodes_own_as_they_are(
    hooked: tuple[Rig, Replica], figure: Any
) -> None:
    rig, _ = hooked
    create(rig, "plain")
    wanted = {
        "deployment": (GIVEN, GIVEN),
        "statefulset": (GIVEN,),
        "job": (GIVEN,),
        "cron": (GIVEN,),
        "bare": (GIVEN,),
        "daemonset": (0,),
        "mirror": (0,),
    }
    assert wait_for(lambda: shown(rig, "plain") == wanted, 30, 0.3), shown(rig, "plain")
    assert wait_for(lambda: all(" Running" in line for line in as_kubectl_shows(rig, "plain-")), 30, 0.3)
    for line in as_kubectl_shows(rig, "plain-"):
        figure(line)


def test_where_gates_hold_each_owners_pods_wait_and_a_nodes_own_and_the_systems_do_not(
    hooked: tuple[Rig, Replica], figure: Any
) -> None:
    rig, _ = hooked
    create(rig, "gate")
    assert wait_for(lambda: len(as_kubectl_shows(rig, "gate-")) == 8, 30, 0.3)
    waiting = ("deployment", "statefulset", "job", "cron", "bare")

    def settled() -> bool:
        lines = as_kubectl_shows(rig, "gate-")
        return all(
            ("SchedulingGated" in line) == line.startswith(tuple(f"gate-{each}" for each in waiting)) for line in lines
        ) and all(" Running" in line or "SchedulingGated" in line for line in lines)

    assert wait_for(settled, 30, 0.3), as_kubectl_shows(rig, "gate-")
    for line in as_kubectl_shows(rig, "gate-"):
        figure(line)
    critical = pod("critical", cpu="1", labels={"app": "gate-bare"}, priorityClassName="system-cluster-critical")
    made = rig.api.call("POST", f"{PODS}?dryRun=All", critical)
    assert (made.status, made.body["spec"].get("schedulingGates")) == (201, None)


def test_a_dry_run_shows_the_watts_and_changes_no_count_no_reservation_and_no_object(
    hooked: tuple[Rig, Replica],
) -> None:
    rig, replica = hooked
    kept = ("requested_watts_total", "reservations", "reserved_watts")
    # Whatever the tests before left on its way is over first.
    assert wait_for(lambda: figures(replica, "powerplane_extender_reservations") == [0.0], 40, 0.3)
    before = {name: figures(replica, f"powerplane_[a-z]+_{name}") for name in kept}
    pods = len(rig.api.items(PODS))
    for number in range(20):
        assert given(dry(rig, f"dry-{number}").body) == PER_CORE_W
    assert {name: figures(replica, f"powerplane_[a-z]+_{name}") for name in kept} == before
    assert all(before.values())
    assert len(rig.api.items(PODS)) == pods
    assert given(rig.api.post(PODS, pod("wet", cpu="1"))) == PER_CORE_W
    (watts,) = figures(replica, "powerplane_admission_requested_watts_total")
    assert watts == before["requested_watts_total"][0] + PER_CORE_W


def test_without_the_webhook_pods_come_in_at_once_and_without_watts(hooked: tuple[Rig, Replica]) -> None:
    rig, replica = hooked
    replica.kill()
    began = time.monotonic()
    assert given(rig.api.post(PODS, pod("late", cpu="1"))) == 0
    assert time.monotonic() - began < 2
    replica.start().wait_ready()
    assert wait_for(lambda: given(dry(rig, "probe").body) == PER_CORE_W, 20, 0.2)


def figures(replica: Replica, pattern: str) -> list[float]:
    """Values of a metric."""
    found = re.findall(rf"^{pattern}(?:\{{.*\}})? (\S+)$", replica.page("/metrics") or "", re.M)
    return [float(each) for each in found]


@pytest.mark.parametrize("namespace", ["out", "kube-system"])
def test_in_namespaces_that_are_opted_out_and_the_systems_pods_come_in_as_they_are(
    hooked: tuple[Rig, Replica], namespace: str
) -> None:
    rig, _ = hooked
    if namespace == "out":
        labels = {"powerplane.dev/admission": "ignore"}
        rig.api.post("/api/v1/namespaces", {"metadata": {"name": namespace, "labels": labels}})
    body = {"metadata": {"name": "w"}, "spec": {"selector": {"matchLabels": {"app": "w"}}, "template": template("w")}}
    rig.api.post(f"/apis/apps/v1/namespaces/{namespace}/deployments", body)
    path = f"/api/v1/namespaces/{namespace}/pods"
    assert wait_for(lambda: rig.api.items(path), 20, 0.2)
    assert [given(each) for each in rig.api.items(path)] == [0]
