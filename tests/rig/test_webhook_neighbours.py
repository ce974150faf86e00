"""Our webhook beside another one, called before it and after it, and beside owners who apply what they wrote again."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.rig.api import APPLY, Answer
from tests.rig.cluster import WATTS, clear, make_nodes, node, pod, refresh
from tests.rig.extender import Replica, install_objects, make_domains, power_domain
from tests.rig.neighbour import Json, neighbour
from tests.rig.objects import apply, written
from tests.rig.processes import wait_for
from tests.rig.rig import Rig
from tests.rig.webhook import registered, webhook_replica

from powerplane.models.api.kinds import CLUSTER_CAPPING_POLICY

pytestmark = pytest.mark.rig

PODS = "/api/v1/namespaces/default/pods"
PER_CORE_W = 10
MARK = "neighbour.example.com/was-here"
SIDECAR = {"name": "mesh", "image": "none", "resources": {"requests": {"cpu": "500m"}}}
ORDERS = {"before": "a-neighbour", "after": "z-neighbour"}


def joins(made: Json) -> list[Json]:
    """A mesh: a sidecar in front of all containers, and a label; nothing where that is there."""
    if any(each["name"] == "mesh" for each in made["spec"]["containers"]):
        return []
    return [
        {"op": "add", "path": "/spec/containers/0", "value": SIDECAR},
        {"op": "add", "path": "/metadata/labels", "value": {**made["metadata"].get("labels", {}), MARK: "yes"}},
    ]


def raises(made: Json) -> list[Json]:
    """A vertical autoscaler that wants three cores, and leaves what else is requested."""
    if made["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "3":
        return []
    return [{"op": "replace", "path": "/spec/containers/0/resources/requests/cpu", "value": "3"}]


def overwrites(made: Json) -> list[Json]:
    """One that writes resources whole, and so drops what others put there; once."""
    if made["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "3":
        return []
    return [{"op": "replace", "path": "/spec/containers/0/resources", "value": {"requests": {"cpu": "3"}}}]


@pytest.fixture(scope="module")
def hooked(shared_rig: Rig) -> Iterator[tuple[Rig, Replica]]:
    """A node that draws 10 W a core, an acting policy, and our webhook."""
    rig = refresh(shared_rig)
    install_objects(rig)
    make_nodes(rig, [node("n1", watts=1000)])
    member = {"idle": "100W", "peak": f"{100 + 32 * PER_CORE_W}W"}
    make_domains(rig, [power_domain("r1", budget="2kW", nodeNames=["n1"], node=member)])
    policy = {"cap": {"watts": "2kW"}, "mode": "Initial", "admission": {"lock": "Partition"}}
    apply(rig, CLUSTER_CAPPING_POLICY.path("all"), written(CLUSTER_CAPPING_POLICY, "all", policy))
    replica, port = webhook_replica(rig, "neighbours")
    replica.start()
    try:
        replica.wait_ready()
        with registered(rig, port):
            probe = pod("probe", cpu="1")
            asked = lambda: rig.api.call("POST", f"{PODS}?dryRun=All", probe)  # noqa: E731  # named for what is waited for
            assert wait_for(lambda: watts(asked().body) == PER_CORE_W, 20, 0.2), "the webhook is not called"
            yield rig, replica
    finally:
        replica.stop()
        clear(rig)


def watts(made: Json) -> int:
    return sum(int(each["resources"].get("requests", {}).get(WATTS, 0)) for each in made["spec"]["containers"])


def reviews(replica: Replica) -> int:
    """How many reviews our webhook has answered."""
    found = re.findall(r"^powerplane_admission_reviews_total\{.*\} ([\d.]+)$", replica.page("/metrics") or "", re.M)
    return int(sum(float(each) for each in found))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("mutate", "reinvoked", "cores"),
    [(joins, "IfNeeded", 2.5), (raises, "IfNeeded", 3), (overwrites, "Never", 3), (overwrites, "IfNeeded", 3)],
    ids=["sidecar", "raised", "overwritten", "overwritten-asked-again"],
)
def test_whoever_is_called_first_the_watts_are_those_of_the_final_pod(
    hooked: tuple[Rig, Replica], order: str, mutate: Any, reinvoked: str, cores: float
) -> None:
    rig, replica = hooked
    name = f"{order}-{mutate.__name__}-{reinvoked.lower()}"
    with neighbour(rig, ORDERS[order], mutate, reinvoked) as other:
        probe = pod("probe", cpu="2")
        assert wait_for(lambda: rig.api.call("POST", f"{PODS}?dryRun=All", probe).ok and other.asked, 20, 0.2)
        before = reviews(replica)
        made = rig.api.post(PODS, pod(name, cpu="2"))
        assert watts(made) == cores * PER_CORE_W
        for each in made["spec"]["containers"]:
            resources = each["resources"]
            assert resources.get("limits", {}).get(WATTS) == resources.get("requests", {}).get(WATTS)
        assert (MARK in made["metadata"].get("labels", {})) == (mutate is joins)
        # One turn each, and one more at the most, for who must look again.
        assert reviews(replica) - before <= 2
        assert other.asked[name] <= 2
        # Nothing is left to say: a pod like the stored one is taken as it is.
        again = {
            "metadata": {"name": f"{name}-again", "labels": made["metadata"].get("labels", {})},
            "spec": made["spec"],
        }
        for key in ("nodeName", "serviceAccountName", "serviceAccount", "volumes"):
            again["spec"].pop(key, None)
        stored = rig.api.call("POST", f"{PODS}?dryRun=All", again).body
        assert stored["spec"]["containers"] == again["spec"]["containers"]


def applied(rig: Rig, path: str, body: Json, manager: str = "owner") -> Answer:
    """`kubectl apply --server-side` without --force-conflicts."""
    query = f"?fieldManager={manager}&fieldValidation=Strict"
    return rig.api.call("PATCH", path + query, json.dumps(body).encode(), APPLY)


def test_a_bare_pod_that_its_owner_applies_again_keeps_its_watts_and_conflicts_with_nobody(
    hooked: tuple[Rig, Replica],
) -> None:
    rig, _ = hooked
    body = pod("applied", cpu="2")
    body["spec"]["containers"][0]["resources"].pop("limits")
    first = applied(rig, f"{PODS}/applied", body)
    assert (first.status, watts(first.body)) == (201, 2 * PER_CORE_W)
    for _ in range(2):
        again = applied(rig, f"{PODS}/applied", body)
        assert again.status == 200, again.message
        assert watts(again.body) == 2 * PER_CORE_W
    body["metadata"]["labels"] = {"tier": "web"}
    changed = applied(rig, f"{PODS}/applied", body)
    assert (changed.status, watts(changed.body)) == (200, 2 * PER_CORE_W), changed.message
    assert changed.body["metadata"]["labels"] == {"tier": "web"}


def test_a_deployment_that_its_owner_applies_again_is_not_fought_over_and_its_next_pods_have_their_watts(
    hooked: tuple[Rig, Replica],
) -> None:
    rig, _ = hooked
    path = "/apis/apps/v1/namespaces/default/deployments/web"
    labels = {"app": "web"}
    container = {"name": "main", "image": "none", "resources": {"requests": {"cpu": "2"}}}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    }
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}

    def pods() -> list[Json]:
        found = rig.api.items(PODS)
        return [each for each in found if each["metadata"].get("labels", {}).get("app") == "web"]

    for _ in range(3):
        answer = applied(rig, path, body)
        assert answer.ok, answer.message
    assert wait_for(lambda: [watts(each) for each in pods()] == [2 * PER_CORE_W], 20, 0.2), pods()
    (one,) = pods()
    time.sleep(1.5)
    assert rig.api.get(path)["metadata"]["generation"] == 1
    assert [each["metadata"]["uid"] for each in pods()] == [one["metadata"]["uid"]]
    # What the owner changes comes to the next pods, with the watts of what they ask for now.
    container["resources"]["requests"]["cpu"] = "4"
    assert applied(rig, path, body).ok
    assert wait_for(lambda: [watts(each) for each in pods()] == [4 * PER_CORE_W], 30, 0.2), pods()
    assert rig.api.get(path)["metadata"]["generation"] == 2
