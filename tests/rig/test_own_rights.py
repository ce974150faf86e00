"""PowerPlane's programs do their work under the rights that they ship with, and under its own admission policies."""

from collections.abc import Callable, Iterator

import pytest
from prometheus_client import CollectorRegistry
from tests.rig.cluster import WATTS, bound, make_nodes, make_pods, node, pod
from tests.rig.extender import Replica
from tests.rig.objects import apply, install_crds, written
from tests.rig.processes import wait_for
from tests.rig.rig import Rig, scheduler_config
from tests.rig.security import NODE_WRITER, SERVING, applied, wait_for_guards

from powerplane.adapters.cluster_access import open_cluster
from powerplane.models.api.kinds import POWER_DOMAIN
from powerplane.node_watts.run import NodeWattsRun, NodeWattsSettings
from powerplane.scheduler_extender.run import HEADROOM_ANNOTATION

pytestmark = pytest.mark.rig

GROUPS = ("system:serviceaccounts", "system:serviceaccounts:powerplane-system")
NODES = ("n1", "n2")


@pytest.fixture
def guarded(rig: Rig) -> Iterator[Rig]:
    """The rig with our definitions, rights and policies, and two nodes."""
    install_crds(rig)
    with applied(rig, "rbac.yaml", "admission-policies.yaml"):
        wait_for_guards(rig)
        make_nodes(rig, [node(name, {"powerplane.dev/rack": "r1"}) for name in NODES])
        yield rig


def budget(rig: Rig, watts: int) -> None:
    spec = {
        "kind": "rack",
        "budget": f"{watts}W",
        "nodeSelector": {"matchLabels": {"powerplane.dev/rack": "r1"}},
        "node": {"idle": "100W", "peak": "500W", "budget": "450W"},
    }
    apply(rig, POWER_DOMAIN.path("r1"), written(POWER_DOMAIN, "r1", spec))


def within(seconds: float, holds: Callable[[], object], what: str) -> None:
    assert wait_for(lambda: bool(holds()), seconds), what


def test_the_extender_serves_leads_tells_and_wakes_under_its_own_account(guarded: Rig) -> None:
    rig = guarded
    budget(rig, 450)
    replica = Replica(rig, "rights", kubeconfig=rig.kubeconfig_for(SERVING, *GROUPS)).start()
    try:
        replica.wait_ready()
        rig.restart_scheduler(scheduler_config(replica.entry()))
        # 450 W less twice 100 W idle leave room for one pod of 200 W, and not for two.
        make_pods(rig, [pod("a", watts=200), pod("b", watts=200)])
        within(30, lambda: len(bound(rig)) == 1, "no pod is bound")
        within(40, lambda: ready_and_headroom(rig) == ("True", 50), "the domain's status does not say 50 W")
        lease = "/apis/coordination.k8s.io/v1/namespaces/powerplane-system/leases/powerplane"
        assert rig.api.get(lease)["spec"]["holderIdentity"].startswith("rights")
        budget(rig, 900)
        within(40, lambda: len(bound(rig)) == 2, "the waiting pod is not woken")
        annotated = [each["metadata"].get("annotations", {}) for each in rig.api.items("/api/v1/nodes")]
        assert any(HEADROOM_ANNOTATION in each for each in annotated)
        told = replica.log.read_text()
        assert "forbidden" not in told.lower()
        assert "denied" not in told.lower()
    finally:
        replica.stop()


def ready_and_headroom(rig: Rig) -> tuple[str, int]:
    status = rig.api.get(POWER_DOMAIN.path("r1")).get("status", {})
    ready = next((each["status"] for each in status.get("conditions", ()) if each["type"] == "Ready"), "")
    return ready, status.get("headroomWatts", -1)


def test_the_node_writer_lists_shrinks_and_closes_under_its_own_account(
    guarded: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig = guarded
    budget(rig, 900)
    access = open_cluster(rig.kubeconfig_for(NODE_WRITER, *GROUPS))
    run = NodeWattsRun(access, NodeWattsSettings("rights"), CollectorRegistry())
    run.start()
    try:
        within(40, lambda: 300 < listed(rig) <= 700, "the nodes do not list what the rack leaves them")
        make_pods(rig, [pod("a", watts=150)])
        within(30, lambda: len(bound(rig)) == 1, "the pod is not bound")
        budget(rig, 500)
        within(40, lambda: 150 <= listed(rig) <= 300, "the nodes do not give back what was taken from the rack")
        within(
            30,
            lambda: not any(each["spec"].get("taints") for each in rig.api.items("/api/v1/nodes")),
            "closed for ever",
        )
    finally:
        run.stop()
    labels = [each["metadata"]["labels"] for each in rig.api.items("/api/v1/nodes")]
    assert all(each["powerplane.dev/rack"] == "r1" for each in labels)
    assert "forbidden" not in caplog.text.lower()
    assert "denied" not in caplog.text.lower()


def listed(rig: Rig) -> int:
    return sum(int(each["status"]["allocatable"].get(WATTS, 0)) for each in rig.api.items("/api/v1/nodes"))
