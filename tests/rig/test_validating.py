"""The validating webhook as an API server calls it: what is refused, what is only said, and what goes on without it."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.rig.api import MERGE, Answer
from tests.rig.cluster import make_nodes, node, pod, refresh
from tests.rig.extender import Replica, install_objects, make_domains, power_domain
from tests.rig.objects import apply, collection, written
from tests.rig.processes import wait_for
from tests.rig.rig import Rig
from tests.rig.webhook import judged, registered, webhook_replica

from powerplane.models.api.kinds import CLUSTER_CAPPING_POLICY, POWER_DOMAIN

pytestmark = pytest.mark.rig

PODS = "/api/v1/namespaces/default/pods"
PER_CORE_WATTS = 10
DENIED = {"app": "denied"}


@pytest.fixture(scope="module")
def hooked(shared_rig: Rig) -> Iterator[tuple[Rig, Replica]]:
    """A rack that gives one pod 500 W at most; a policy that warns, and one for some pods that denies."""
    rig = refresh(shared_rig)
    install_objects(rig)
    make_nodes(rig, [node("n1", cpu="100", watts=2000)])
    member = {"idle": "100W", "peak": f"{100 + 100 * PER_CORE_WATTS}W"}
    make_domains(rig, [power_domain("r1", budget="600W", nodeNames=["n1"], node=member)])
    policies = {"all": {"admission": {"unfit": "Warn"}}}
    policies["some"] = {"priority": 1, "selector": {"matchLabels": DENIED}, "admission": {"unfit": "Deny"}}
    for name, more in policies.items():
        spec = {"cap": {"watts": "2kW"}, "mode": "Initial", **more}
        apply(rig, CLUSTER_CAPPING_POLICY.path(name), written(CLUSTER_CAPPING_POLICY, name, spec))
    replica, port = webhook_replica(rig, "judge")
    replica.start()
    try:
        replica.wait_ready()
        with registered(rig, port), judged(rig, port, "powerplane"):
            assert wait_for(lambda: bool(tried(rig, pod("probe", cpu="60")).warnings), 20, 0.2), "it is not called"
            yield rig, replica
    finally:
        replica.stop()
        refresh(rig)


def tried(rig: Rig, made: dict[str, Any]) -> Answer:
    return rig.api.call("POST", f"{PODS}?dryRun=All", made)


def stored(rig: Rig, name: str, **spec: Any) -> Answer:
    return rig.api.call("POST", f"{collection(POWER_DOMAIN)}?dryRun=All", written(POWER_DOMAIN, name, spec))


def test_a_pod_that_will_draw_more_than_any_rack_gives_is_warned_of_once_its_watts_are_on_it(
    hooked: tuple[Rig, Replica],
) -> None:
    rig, replica = hooked
    answer = tried(rig, pod("big", cpu="60"))
    assert answer.ok, answer.message
    assert answer.warnings == ('299 - "powerplane: 600 W fit nowhere: rack r1 gives one pod 500 W at most"',)
    assert tried(rig, pod("fits", cpu="50")).warnings == ()
    assert 'path="/mutate",result="warned"' in (replica.page("/metrics") or "")


def test_where_a_policy_says_deny_such_a_pod_is_refused_and_its_controller_told(hooked: tuple[Rig, Replica]) -> None:
    rig, _ = hooked
    answer = tried(rig, pod("big", cpu="60", labels=DENIED))
    assert answer.status == 403
    assert "rack r1 gives one pod 500 W at most" in answer.message
    assert tried(rig, pod("fits", cpu="50", labels=DENIED)).ok
    template = {"metadata": {"labels": DENIED}, "spec": pod("x", cpu="60")["spec"]}
    spec = {"replicas": 1, "selector": {"matchLabels": DENIED}, "template": template}
    rig.api.post("/apis/apps/v1/namespaces/default/replicasets", {"metadata": {"name": "big"}, "spec": spec})

    def told() -> bool:
        events = rig.api.items("/api/v1/namespaces/default/events")
        return any(each["reason"] == "FailedCreate" and "fit nowhere" in each["message"] for each in events)

    assert wait_for(told, 20, 0.3)
    rig.api.delete("/apis/apps/v1/namespaces/default/replicasets/big")


def test_our_objects_are_warned_of_for_what_is_between_them_and_refused_for_what_is_in_them(
    hooked: tuple[Rig, Replica],
) -> None:
    rig, _ = hooked
    for spec, words in (
        ({"parents": ["gone"]}, "'gone' does not exist"),
        ({"nodeNames": ["n1"]}, "node 'n1' is in 'r1', too"),
    ):
        answer = stored(rig, "r2", kind="rack", **spec)
        assert answer.ok, answer.message
        assert words in answer.warnings[0]
    refused = stored(rig, "r2", kind="rack", node={"idle": "300W", "budget": "200W"})
    assert refused.status == 403
    assert "raise node.budget above node.idle" in refused.message
    assert stored(rig, "r2", kind="rack", node={"idle": "200W", "budget": "300W"}).warnings == ()
    spec = {"cap": {"watts": "1kW"}, "mode": "Initial"}
    body = written(CLUSTER_CAPPING_POLICY, "other", spec)
    policy = rig.api.call("POST", f"{collection(CLUSTER_CAPPING_POLICY)}?dryRun=All", body)
    assert policy.ok, policy.message
    (told,) = policy.warnings
    assert "powerplane: policy all of the same priority asks otherwise for pods: cap" in told


def test_a_bad_object_that_is_stored_already_can_still_be_labelled_and_deleted(hooked: tuple[Rig, Replica]) -> None:
    rig, replica = hooked
    replica.kill()
    bad = written(POWER_DOMAIN, "bad", {"kind": "rack", "node": {"idle": "300W", "budget": "200W"}})
    assert rig.api.call("POST", collection(POWER_DOMAIN), bad).ok, "it fails open"
    assert tried(rig, pod("big", cpu="60", labels=DENIED)).ok, "it fails open"
    replica.start().wait_ready()
    assert wait_for(lambda: stored(rig, "r2", kind="rack", parents=["gone"]).warnings != (), 20, 0.2)
    path = POWER_DOMAIN.path("bad")
    assert rig.api.call("PATCH", path, {"metadata": {"labels": {"a": "b"}}}, MERGE).ok
    assert not rig.api.call("PATCH", path, {"spec": {"budget": "5kW"}}, MERGE).ok
    assert rig.api.call("DELETE", path).ok
