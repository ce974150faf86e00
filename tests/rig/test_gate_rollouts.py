"""A roll-out under gates: what its surge will draw is held back for its own pods, by a real Deployment's status."""

from typing import Any

import pytest
from tests.rig.cluster import AT_ONCE, WATTS, bound, make_pods
from tests.rig.floor import Floor
from tests.rig.processes import wait_for
from tests.rig.rig import Rig
from tests.rig.test_gates import GATE, figures, gated, lay, releaser
from tests.rig.witness import Witness

pytestmark = pytest.mark.rig

FLOOR = Floor(racks=1, per_rack=3, rack_w=600)
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


def deployment() -> dict[str, Any]:
    """Four pods of 100 W, which roll out two at a time and take their time."""
    labels = {"app": "web"}
    container = {"name": "c", "image": "none:1", "resources": {"requests": {WATTS: "100"}, "limits": {WATTS: "100"}}}
    pods = {"terminationGracePeriodSeconds": 0, "schedulingGates": [{"name": GATE}], "containers": [container]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": 4,
            "minReadySeconds": 3,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2, "maxUnavailable": 0}},
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pods},
        },
    }


def test_a_roll_out_comes_to_its_end_before_others_have_the_watts_that_its_old_pods_leave(rig: Rig) -> None:
    lay(rig, FLOOR)

    def status() -> Any:
        return rig.api.get(f"{DEPLOYMENTS}/web")["status"]

    def news() -> int:
        pods = rig.api.items("/api/v1/namespaces/default/pods")
        return sum(each["spec"]["containers"][0]["image"] == "none:2" and "nodeName" in each["spec"] for each in pods)

    def others() -> set[str]:
        return {name for name in bound(rig) if name.startswith("other")}

    with releaser(rig) as (replica,), Witness(rig, FLOOR.budgets()) as witness:
        rig.api.post(DEPLOYMENTS, deployment())
        try:
            assert wait_for(lambda: status().get("availableReplicas") == 4, 40, 0.2), status()
            made = deployment()["spec"]["template"]
            made["spec"]["containers"][0]["image"] = "none:2"
            rig.api.patch(f"{DEPLOYMENTS}/web", {"spec": {"template": made}})
            assert wait_for(lambda: figures(replica)["powerplane_gates_surge_pods"] == 2 or news() == 2, 10, 0.02)
            make_pods(rig, [gated(f"other{i}", 100) for i in range(3)])
            assert wait_for(others, 40, 0.05), (status(), bound(rig))
            assert news() == 4, "others went before the roll-out was over"
            assert wait_for(lambda: len(others()) == 2, 20, 0.1)
            assert figures(replica)["powerplane_gates_surge_pods"] == 0
            assert witness.breaches == []
        finally:
            rig.api.call("DELETE", DEPLOYMENTS, AT_ONCE)
