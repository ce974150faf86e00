"""The webhook as an API server calls it: what each kind of workload's pods are given, and what goes on without it."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.rig.cluster import WATTS, make_nodes, node, pod
from tests.rig.extender import install_objects, make_domains, power_domain
from tests.rig.objects import apply, written
from tests.rig.processes import wait_for
from tests.rig.webhook import registered, webhook_replica

from powerplane.models.api.kinds import CLUSTER_CAPPING_POLICY

pytestmark = pytest.mark.rig

LABELS = {"app": "web"}
TEMPLATE = {
    "metadata": {"labels": LABELS},
    "spec": {
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {"name": "main", "image": "none", "resources": {"requests": {"cpu": "2"}}},
            {"name": "side", "image": "none", "resources": {"requests": {"cpu": "500m"}}},
        ],
    },
}
WORKLOADS = {
    "deployments": {"replicas": 2, "selector": {"matchLabels": LABELS}, "template": TEMPLATE},
    "statefulsets": {"replicas": 1, "serviceName": "s", "selector": {"matchLabels": LABELS}, "template": TEMPLATE},
    "daemonsets": {"selector": {"matchLabels": LABELS}, "template": TEMPLATE},
}
PER_CORE_WATTS = 10
EXPECTED = 25


@pytest.fixture
def hooked(rig: Any) -> Iterator[Any]:
    """A rack whose nodes draw 10 W a core, an acting policy, and a registered webhook."""
    install_objects(rig)
    make_nodes(rig, [node("n1", cpu="32", watts=300)])
    member = {"idle": "100W", "peak": f"{100 + 32 * PER_CORE_WATTS}W"}
    make_domains(rig, [power_domain("r1", budget="2kW", nodeNames=["n1"], node=member)])
    policy = {"cap": {"watts": "2kW"}, "mode": "Initial"}
    apply(rig, CLUSTER_CAPPING_POLICY.path("all"), written(CLUSTER_CAPPING_POLICY, "all", policy))
    replica, port = webhook_replica(rig, "hook")
    replica.start()
    try:
        replica.wait_ready()
        with registered(rig, port):
            assert wait_for(lambda: watts(dry(rig)) == 10, 20, 0.2), "the webhook is not called"
            yield rig, replica
    finally:
        replica.stop()


def dry(rig: Any) -> dict[str, Any]:
    """A pod of one core as it would be stored."""
    answer = rig.api.call("POST", "/api/v1/namespaces/default/pods?dryRun=All", pod("probe", cpu="1"))
    assert answer.ok, answer.message
    made: dict[str, Any] = answer.body
    return made


def watts(made: dict[str, Any]) -> int:
    return sum(int(each["resources"].get("requests", {}).get(WATTS, 0)) for each in made["spec"]["containers"])


def pods_of(rig: Any, kind: str) -> list[dict[str, Any]]:
    return [
        each
        for each in rig.api.items("/api/v1/namespaces/default/pods")
        if any(owner["kind"] == kind for owner in each["metadata"].get("ownerReferences", ()))
    ]


def test_each_kind_of_workloads_pods_are_given_what_they_will_draw(hooked: Any) -> None:
    rig, replica = hooked
    for kind, spec in WORKLOADS.items():
        rig.api.post(f"/apis/apps/v1/namespaces/default/{kind}", {"metadata": {"name": "w"}, "spec": spec})
    job = {"template": {"spec": TEMPLATE["spec"] | {"restartPolicy": "Never"}}}
    rig.api.post("/apis/batch/v1/namespaces/default/jobs", {"metadata": {"name": "j"}, "spec": job})
    rig.api.post("/api/v1/namespaces/default/pods", pod("bare", cpu="2500m"))
    wanted = {"ReplicaSet": 2, "StatefulSet": 1, "Job": 1, "DaemonSet": 1}
    assert wait_for(lambda: {kind: len(pods_of(rig, kind)) for kind in wanted} == wanted, 30, 0.3)
    for kind in ("ReplicaSet", "StatefulSet", "Job"):
        assert [watts(each) for each in pods_of(rig, kind)] == [EXPECTED] * wanted[kind]
    assert [watts(each) for each in pods_of(rig, "DaemonSet")] == [0]
    assert watts(rig.api.get("/api/v1/namespaces/default/pods/bare")) == EXPECTED
    assert 'result="changed"' in replica.page("/metrics")


def test_a_dry_run_shows_the_watts_and_counts_nothing(hooked: Any) -> None:
    rig, replica = hooked
    assert watts(dry(rig)) == 10
    assert "powerplane_admission_requested_watts_total 0.0" in replica.page("/metrics")


def test_namespaces_that_are_opted_out_and_systems_are_left_alone(hooked: Any) -> None:
    rig, _ = hooked
    labels = {"powerplane.dev/admission": "ignore"}
    rig.api.post("/api/v1/namespaces", {"metadata": {"name": "out", "labels": labels}})
    for namespace in ("out", "kube-system"):
        made = pod("p", cpu="1") | {"metadata": {"name": "p", "namespace": namespace}}
        rig.api.post(f"/api/v1/namespaces/{namespace}/pods", made)
        assert watts(rig.api.get(f"/api/v1/namespaces/{namespace}/pods/p")) == 0


def test_without_the_webhook_pods_come_in_at_once_and_without_watts(hooked: Any) -> None:
    rig, replica = hooked
    replica.kill()
    started = time.monotonic()
    rig.api.post("/api/v1/namespaces/default/pods", pod("late", cpu="1"))
    assert time.monotonic() - started < 2
    assert watts(rig.api.get("/api/v1/namespaces/default/pods/late")) == 0
    replica.start().wait_ready()
    assert wait_for(lambda: watts(dry(rig)) == 10, 20, 0.2)


def test_the_owners_own_apply_afterwards_is_no_fight(hooked: Any) -> None:
    rig, _ = hooked
    spec = WORKLOADS["deployments"] | {"replicas": 1}
    path = "/apis/apps/v1/namespaces/default/deployments/w"
    for _ in range(3):
        body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "w"}, "spec": spec}
        apply(rig, path, body)
    assert wait_for(lambda: len(pods_of(rig, "ReplicaSet")) == 1, 30, 0.3)
    time.sleep(2)
    (made,) = pods_of(rig, "ReplicaSet")
    assert watts(made) == EXPECTED
    assert rig.api.get(path)["metadata"]["generation"] == 1
