"""Budgets held by power claims alone, under the plain scheduler, with no extender and nothing listed on nodes."""

import time
from typing import Any

import pytest
from tests.rig.claims import claiming, controller, noted_watts, offered
from tests.rig.cluster import bound, make_nodes, make_pods, pod
from tests.rig.extender import change_domain, install_objects, make_domains
from tests.rig.floor import Floor
from tests.rig.processes import wait_for
from tests.rig.rig import Rig
from tests.rig.witness import Witness

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
        assert wait_for(lambda: offered(rig)["rack/rack-002"] == "600", 10, 0.05), claims.told()
        assert offered(rig)["row/row-0"] == "3600"
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
        assert witness.breaches == []
        figure(
            f"bound {1000 * first_s:.0f} ms after creation where the template was missing, {1000 * second_s:.0f} ms "
            f"where it was there; {1000 * raised_s:.0f} ms after a budget rose, "
            f"{1000 * freed_s:.0f} ms after a pod went"
        )


STORM = Floor(racks=25, per_rack=20, rows=5, node_w=430, rack_w=3400, row_w=16_000, idle_w=50)
"""Room for pods: 380 W a node, 2,400 W a rack, 11,000 W a row; the pods below want 300,000 W of 55,000 W."""

SIZES_W = (60, 90, 130, 170, 300)


def test_a_storm_of_claims_breaks_no_budget_of_node_rack_or_row(rig: Rig, figure: Any) -> None:
    lay(rig, STORM)
    pods = [claiming(f"p{i:04}", SIZES_W[i % len(SIZES_W)], "node.rack.row") for i in range(2000)]
    with controller(rig) as claims, Witness(rig, STORM.budgets(), noted_watts) as witness:
        assert wait_for(lambda: len(offered(rig)) == 530, 60, 0.5), claims.told()
        began = time.monotonic()
        make_pods(rig, pods)
        made_s = time.monotonic() - began
        wanted = 0.97 * 55_000
        wait_for(lambda: sum(witness.draw(f"row-{row}") for row in range(5)) >= wanted, 150, 0.5)
        took_s = time.monotonic() - began
        assert witness.breaches == []
        share = sum(witness.draw(f"row-{row}") for row in range(5)) / 55_000
        figure(
            f"{len(witness.bound)} of 2,000 pods on 500 nodes hold {100 * share:.1f} % of what there is after "
            f"{took_s:.0f} s ({made_s:.0f} s to create them); {1000 * took_s / max(1, len(witness.bound)):.0f} ms a pod"
        )
        assert share > 0.8
        delete_all(rig)


def delete_all(rig: Rig) -> None:
    """Pods that wait would keep the scheduler busy while the rig is emptied."""
    rig.api.call("DELETE", POD, {"gracePeriodSeconds": 0, "propagationPolicy": "Background"})
    assert wait_for(lambda: not rig.api.items(f"{POD}?limit=1"), 60, 0.5)
