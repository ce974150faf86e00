"""Nodes that draw more than their pods have claimed: what their rack offers falls, and comes again."""

import time
from typing import Any

import pytest
from tests.rig.claims import claiming, controller, noted_watts, offered
from tests.rig.cluster import bound, make_nodes, make_pods
from tests.rig.extender import install_objects, make_domains
from tests.rig.floor import Floor
from tests.rig.processes import wait_for
from tests.rig.rig import Rig
from tests.rig.telemetry import measured
from tests.rig.witness import Witness

pytestmark = pytest.mark.rig

FLOOR = Floor(racks=1, per_rack=20, rack_w=2000, idle_w=50, peak_w=400)
"""1,000 W for pods."""

BEYOND_W = 6


def test_what_a_rack_offers_falls_by_what_its_nodes_draw_beyond_their_claims_and_comes_again(
    rig: Rig, prometheus: str, figure: Any
) -> None:
    install_objects(rig)
    make_nodes(rig, FLOOR.nodes())
    make_domains(rig, FLOOR.domains())
    beyond = [0.0]

    def watts() -> dict[str, float]:
        drawn = dict.fromkeys(FLOOR.node_names, FLOOR.idle_w + beyond[0])
        for node, own in list(witness.bound.values()):
            drawn[node] += own
        return drawn

    def offers() -> int:
        return int(offered(rig).get("rack/rack-000", "0").replace("k", "000"))

    with Witness(rig, FLOOR.budgets(), noted_watts) as witness:
        with measured(rig, prometheus, watts) as server, controller(rig, f"--prometheus={server.url}") as claims:
            make_pods(rig, [claiming(f"p{i}", 100, "rack") for i in range(8)])
            assert wait_for(lambda: len(bound(rig)) == 8, 40, 0.1), claims.told()
            assert offers() == 1000
            beyond[0] = BEYOND_W
            began = time.monotonic()
            assert wait_for(lambda: offers() <= 1000 - FLOOR.per_rack * BEYOND_W // 2, 15, 0.1), claims.told()
            fell_s = time.monotonic() - began
            make_pods(rig, [claiming("late", 170, "rack")])
            time.sleep(1)
            assert "late" not in bound(rig), offered(rig)

            beyond[0] = -10.0
            began = time.monotonic()
            assert wait_for(lambda: "late" in bound(rig), 30, 0.1), claims.told()
            rose_s = time.monotonic() - began
            assert offers() >= 970
        assert witness.breaches == []
    figure(f"a rack offers less {fell_s:.1f} s after its nodes drew more, and as much again {rose_s:.1f} s after that")
