"""Planned pods without an extender, the scheduler that a policy names, and roll-outs that have no watts for a surge."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.rig.cluster import bound, make_nodes, make_pods, node, pod
from tests.rig.extender import install_objects, make_domains, power_domain
from tests.rig.objects import apply, written
from tests.rig.processes import wait_for
from tests.rig.webhook import judged, registered, webhook_replica

from powerplane.models.api.kinds import CLUSTER_CAPPING_POLICY, PLACEMENT_PLAN

pytestmark = pytest.mark.rig

NODES = tuple(f"n{i}" for i in range(12))
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
LABELS = {"app": "web"}


@pytest.fixture
def hooked(rig: Any) -> Iterator[Any]:
    """A rack whose nodes list watts and draw 10 W a core, an acting policy, and the webhooks registered."""
    install_objects(rig)
    make_nodes(rig, [node(name, cpu="32", watts=320) for name in NODES])
    member = {"idle": "100W", "peak": "420W"}
    make_domains(rig, [power_domain("r1", budget="2kW", nodeNames=list(NODES), node=member)])
    name_scheduler(rig, "")
    replica, port = webhook_replica(rig, "plans")
    replica.start()
    try:
        replica.wait_ready()
        with registered(rig, port), judged(rig, port, "powerplane-rollouts"):
            assert wait_for(lambda: "powerplane.dev/watts" in str(dry(rig)["spec"]), 20, 0.2), (
                "nobody calls the webhook"
            )
            yield rig
    finally:
        replica.stop()


def name_scheduler(rig: Any, name: str) -> None:
    admission = {"lock": "Partition"} | ({"schedulerName": name} if name else {})
    spec = {"cap": {"watts": "2kW"}, "mode": "Initial", "admission": admission}
    apply(rig, CLUSTER_CAPPING_POLICY.path("all"), written(CLUSTER_CAPPING_POLICY, "all", spec))


def dry(rig: Any, made: dict[str, Any] | None = None) -> Any:
    """A pod as it would be stored."""
    return rig.api.post("/api/v1/namespaces/default/pods?dryRun=All", made or pod("probe", cpu="1"))


def plan(rig: Any, name: str, *moves: dict[str, Any], lasts_s: float = 600.0) -> None:
    until = (datetime.now(UTC) + timedelta(seconds=lasts_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
    apply(rig, PLACEMENT_PLAN.path(name), written(PLACEMENT_PLAN, name, {"expiresAt": until, "moves": list(moves)}))


def move(name: str, to: str, **owner: str) -> dict[str, Any]:
    return {"namespace": "default", "pod": name, "uid": f"uid-{name}", "from": "elsewhere", "to": to, **owner}


def deployment(replicas: int, *, cpu: str = "1", **more: Any) -> dict[str, Any]:
    container = {"name": "main", "image": "none", "resources": {"requests": {"cpu": cpu}}}
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": template, **more}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def test_successors_land_where_the_plan_wants_them_though_every_other_node_is_as_free(hooked: Any) -> None:
    rig = hooked
    plan(rig, "now", *(move(f"p{i}", NODES[-1 - i]) for i in range(8)))
    assert wait_for(lambda: "planned-nodes" in str(dry(rig, pod("p0"))["metadata"]), 10, 0.2)
    make_pods(rig, [pod(f"p{i}") for i in range(8)])
    assert wait_for(lambda: len(bound(rig)) == 8, 30, 0.2)
    assert bound(rig) == {f"p{i}": NODES[-1 - i] for i in range(8)}


def test_a_controllers_successors_go_to_its_targets_and_elsewhere_where_these_are_full(hooked: Any) -> None:
    rig = hooked
    rig.api.post(DEPLOYMENTS, deployment(0, cpu="20"))
    sets = "/apis/apps/v1/namespaces/default/replicasets"
    assert wait_for(lambda: len(rig.api.items(sets)) == 1, 10, 0.2)
    owner = {"ownerUid": rig.api.items(sets)[0]["metadata"]["uid"], "ownerKind": "ReplicaSet"}
    plan(rig, "now", move("a", "n7", **owner), move("b", "n9", **owner))
    assert wait_for(lambda: "planned-nodes" in str(dry(rig, pod("b"))["metadata"]), 10, 0.2)
    rig.api.patch(f"{DEPLOYMENTS}/web", {"spec": {"replicas": 3}})
    assert wait_for(lambda: len(bound(rig)) == 3, 30, 0.2)
    assert {"n7", "n9"} < set(bound(rig).values())


def test_a_plan_that_has_expired_draws_nobody(hooked: Any) -> None:
    rig = hooked
    plan(rig, "soon", move("p0", "n3"), lasts_s=3)
    assert wait_for(lambda: "planned-nodes" in str(dry(rig, pod("p0"))["metadata"]), 2.5, 0.1)
    assert wait_for(lambda: "planned-nodes" not in str(dry(rig, pod("p0"))["metadata"]), 10, 0.2)


def test_a_policys_scheduler_is_given_to_pods_that_name_none(hooked: Any) -> None:
    rig = hooked
    name_scheduler(rig, "watts-scheduler")
    assert wait_for(lambda: dry(rig)["spec"]["schedulerName"] == "watts-scheduler", 10, 0.2)
    assert dry(rig, pod("own", schedulerName="volcano"))["spec"]["schedulerName"] == "volcano"


def test_a_roll_out_without_watts_for_its_surge_is_told_so_and_goes_on(hooked: Any) -> None:
    rig = hooked
    rig.api.post(DEPLOYMENTS, deployment(8, cpu="9"))
    assert wait_for(lambda: len(bound(rig)) == 8, 30, 0.2)
    # 2,000 W of budget less 1,200 W idle and 8 × 90 W of pods leave 80 W; a surge of 25 % wants 180 W.
    left = "/apis/powerplane.dev/v1alpha1/powerdomains/r1"
    assert wait_for(lambda: rig.api.get(left).get("status", {}).get("headroomWatts") == 80, 45, 0.5)
    changed = deployment(8, cpu="9")
    changed["spec"]["template"]["metadata"]["annotations"] = {"roll": "1"}

    def told() -> tuple[str, ...]:
        answer = rig.api.call("PATCH", f"{DEPLOYMENTS}/web?dryRun=All", changed, "application/merge-patch+json")
        assert answer.ok, answer.message
        return tuple(answer.warnings)

    assert wait_for(lambda: "180 W for 2 more pods, 80 W are free" in "".join(told()), 10, 0.2), told()
    changed["spec"]["strategy"] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    assert told() == ()
    assert rig.api.call("PATCH", f"{DEPLOYMENTS}/web", {"spec": {"replicas": 9}}, "application/merge-patch+json").ok
