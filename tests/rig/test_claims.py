"""Budgets held by power claims alone, under the plain scheduler, with no extender and nothing listed on nodes."""

import time
from typing import Any

import pytest
from tests.rig.claims import RESOURCE, claiming, controller, noted_watts, offered
from tests.rig.cluster import AT_ONCE, bound, delete_pods, make_nodes, make_pods, pod
from tests.rig.extender import change_domain, install_objects, make_domains
from tests.rig.floor import Floor
from tests.rig.objects import apply, written
from tests.rig.processes import wait_for
from tests.rig.rig import Rig
from tests.rig.security import applied, wait_for_guards
from tests.rig.webhook import registered, webhook_replica
from tests.rig.witness import Witness

from powerplane.models.api.kinds import CLUSTER_CAPPING_POLICY

pytestmark = pytest.mark.rig

POD = "/api/v1/namespaces/default/pods"
CELL = Floor(racks=4, per_rack=5, rows=2, rack_w=1000, row_w=4000, feed_w=8000)
LEVELS = "feed.feed-2.rack.row"


def lay(rig: Rig, floor: Floor) -> None:
    install_objects(rig)
    make_nodes(rig, floor.nodes())
    make_domains(rig, floor.domains())


def by_rack(rig: Rig) -> dict[str, int]:
    found: dict[str, int] = {}
    for node in bound(rig).values():
        found[node[:4]] = found.get(node[:4], 0) + 1
    return found


def delete(rig: Rig, name: str) -> None:
    rig.api.delete(f"{POD}/{name}", {"gracePeriodSeconds": 0})


def becomes(rig: Rig, counts: dict[str, int], within_s: float = 30.0) -> float:
    """Wait until racks hold so many pods; how long that took."""
    began = time.monotonic()
    assert wait_for(lambda: by_rack(rig) == counts, within_s, 0.02), (by_rack(rig), offered(rig))
    return time.monotonic() - began


def test_racks_take_what_they_have_and_follow_their_budgets(rig: Rig, figure: Any) -> None:
    lay(rig, CELL)
    with controller(rig) as claims, Witness(rig, CELL.budgets(), noted_watts) as witness:
        assert wait_for(lambda: len(offered(rig)) == 8, 40, 0.2), claims.log.read_text()
        assert offered(rig)["rack/rack-000"] == "1k"
        began = time.monotonic()
        make_pods(rig, [claiming("p00", 300, LEVELS)])
        assert wait_for(lambda: bound(rig), 30, 0.01)
        first_s = time.monotonic() - began
        began = time.monotonic()
        make_pods(rig, [claiming("p01", 300, LEVELS)])
        assert wait_for(lambda: len(bound(rig)) == 2, 30, 0.01)
        second_s = time.monotonic() - began
        make_pods(rig, [claiming(f"p{i:02}", 300, LEVELS) for i in range(2, 24)])
        even = {f"n{rack:03}": 3 for rack in range(4)}
        becomes(rig, even)
        time.sleep(3)
        assert by_rack(rig) == even
        assert offered(rig)["rack/rack-000"] == "1k"

        witness.allow("rack-000", 2000)
        change_domain(rig, "rack-000", budget="2kW")
        raised_s = becomes(rig, even | {"n000": 6})
        assert wait_for(lambda: witness.draw("rack-000") == 1800, 10, 0.01)
        witness.allow("rack-000", 500)
        change_domain(rig, "rack-000", budget="500W")
        assert wait_for(lambda: offered(rig)["rack/rack-000"] == "500", 10, 0.05)
        delete(rig, next(name for name, node in bound(rig).items() if node.startswith("n000")))
        delete(rig, next(name for name, node in bound(rig).items() if node.startswith("n001")))
        becomes(rig, even | {"n000": 5})
        before = set(bound(rig))
        began = time.monotonic()
        delete(rig, next(name for name, node in bound(rig).items() if node.startswith("n003")))
        assert wait_for(lambda: set(bound(rig)) - before, 20, 0.01)
        freed_s = time.monotonic() - began

        # A pod that claims nothing takes from what is offered.
        stray = pod("stray", cpu="10m", nodeName="n002-00")
        stray["metadata"]["annotations"] = {"powerplane.dev/predicted-watts": "400"}
        witness.allow("rack-002", 1300)
        make_pods(rig, [stray])
        assert wait_for(lambda: offered(rig)["rack/rack-002"] == "600", 20, 0.05), claims.told()
        assert offered(rig)["row/row-0"] == "3600"
        assert wait_for(lambda: witness.draw("rack-002") == 1300, 10, 0.01)
        witness.allow("rack-002", 1000)
        delete(rig, next(n for n, node in bound(rig).items() if node.startswith("n002") and n != "stray"))
        time.sleep(2)
        assert by_rack(rig)["n002"] == 3

        claims.kill()
        delete(rig, "stray")
        witness.allow("rack-003", 1300)
        change_domain(rig, "rack-003", budget="1300W")
        time.sleep(1)
        assert by_rack(rig)["n003"] == 3
        claims.start()
        becomes(rig, even | {"n000": 5, "n003": 4}, 60)

        # With the last budget of a level gone, pods that claim at it do not wait for ever.
        for row in ("row-0", "row-1"):
            witness.allow(row, 10_000)
            change_domain(rig, row, budget=None)
        assert wait_for(lambda: "no.limit/row" in offered(rig), 20, 0.05), claims.told()
        witness.allow("rack-001", 1300)
        change_domain(rig, "rack-001", budget="1300W")
        becomes(rig, even | {"n000": 5, "n001": 4, "n003": 4})
        assert witness.breaches == []
        figure(
            f"bound {1000 * first_s:.0f} ms after creation where the template was missing, {1000 * second_s:.0f} ms "
            f"where it was there; {1000 * raised_s:.0f} ms after a budget rose, "
            f"{1000 * freed_s:.0f} ms after a pod went"
        )


FEEDS = Floor(racks=2, per_rack=4, peak_w=320, feed_w=1000)
"""Two feeds that share the load, each able to carry 1,000 W alone; 10 W a core."""

CLAIMS = "system:serviceaccount:powerplane-system:powerplane-claims"
GROUPS = ("system:serviceaccounts", "system:serviceaccounts:powerplane-system")


def web(replicas: int) -> dict[str, Any]:
    """A Deployment whose pods draw 100 W each."""
    container = {"name": "main", "image": "none", "resources": {"requests": {"cpu": "10"}}}
    labels = {"app": "web"}
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    template = {"metadata": {"labels": labels}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def test_a_deployments_pods_are_made_to_claim_and_each_feed_can_carry_them_alone(rig: Rig) -> None:
    lay(rig, FEEDS)
    with applied(rig, "rbac.yaml", "rbac-claims.yaml", "claims.yaml", "admission-policies.yaml"):
        wait_for_guards(rig)
        spec = {"cap": {"watts": "100kW"}, "mode": "Initial", "admission": {"lock": "Claims"}}
        apply(rig, CLUSTER_CAPPING_POLICY.path("all"), written(CLUSTER_CAPPING_POLICY, "all", spec))
        replica, port = webhook_replica(rig, "claims-hook")
        replica.start()
        own = rig.kubeconfig_for(CLAIMS, *GROUPS)
        try:
            with controller(rig, kubeconfig=own) as claims, registered(rig, port):
                assert wait_for(lambda: len(offered(rig)) == 2, 40, 0.2), claims.told()
                replica.wait_ready()
                probe = pod("probe", cpu="10")
                dry = lambda: rig.api.call("POST", f"{POD}?dryRun=All", probe).body["spec"].get("resourceClaims")  # noqa: E731  # named for what is waited for
                named = {"name": "powerplane-watts", "resourceClaimTemplateName": "powerplane-100w.feed.feed-2"}
                assert wait_for(lambda: dry() == [named], 20, 0.2), dry()
                assert rig.api.items(f"{RESOURCE}/namespaces/default/resourceclaimtemplates") == []
                with Witness(rig, FEEDS.budgets(), noted_watts) as witness:
                    rig.api.post("/apis/apps/v1/namespaces/default/deployments", web(14))
                    assert wait_for(lambda: len(bound(rig)) == 10, 40, 0.1), claims.told()
                    time.sleep(3)
                    assert len(bound(rig)) == 10
                    assert witness.breaches == []
                told = claims.log.read_text().lower()
                assert "forbidden" not in told
                assert "denied" not in told
                rig.api.call("DELETE", "/apis/apps/v1/namespaces/default/deployments", AT_ONCE)
                delete_pods(rig)
        finally:
            replica.stop()


STORM = Floor(racks=25, per_rack=20, rows=5, node_w=430, rack_w=3400, row_w=16_000, idle_w=50)
"""Room for pods: 380 W a node, 2,400 W a rack, 11,000 W a row; the pods below want 412,000 W of 55,000 W."""

SIZES_W = (90, 130, 170, 300, 340)


@pytest.mark.storms
def test_a_storm_of_claims_breaks_no_budget_of_node_rack_or_row(rig: Rig, figure: Any) -> None:
    lay(rig, STORM)
    pods = [claiming(f"p{i:04}", SIZES_W[i % len(SIZES_W)], "node.rack.row") for i in range(2000)]
    with controller(rig) as claims, Witness(rig, STORM.budgets(), noted_watts) as witness:
        assert wait_for(lambda: len(offered(rig)) == 530, 60, 0.5), claims.told()
        began = time.monotonic()
        make_pods(rig, pods)
        made_s = time.monotonic() - began
        wanted = 0.92 * 55_000
        wait_for(lambda: sum(witness.draw(f"row-{row}") for row in range(5)) >= wanted, 150, 0.5)
        took_s = time.monotonic() - began
        assert witness.breaches == []
        share = sum(witness.draw(f"row-{row}") for row in range(5)) / 55_000
        figure(
            f"{len(witness.bound)} of 2,000 pods on 500 nodes hold {100 * share:.1f} % of what there is after "
            f"{took_s:.0f} s ({made_s:.0f} s to create them); {1000 * took_s / max(1, len(witness.bound)):.0f} ms a pod"
        )
        assert share > 0.8
        delete_pods(rig)
