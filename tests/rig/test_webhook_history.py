"""A StatefulSet whose pods used more than they ask for: its next pod is let in with the watts of its history.

A real API server and its controllers, `powerplane serve` as a process, and a real Prometheus with six hours of what
the first pod used.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conftest import find_prometheus
from tests.rig.cluster import WATTS, clear, make_nodes, node, refresh
from tests.rig.extender import install_objects, make_domains, power_domain
from tests.rig.objects import apply, written
from tests.rig.processes import wait_for
from tests.rig.rig import Rig
from tests.rig.webhook import registered, webhook_replica
from tests.simulator.prometheus_process import backfilled

from powerplane.models.api.kinds import CLUSTER_CAPPING_POLICY

pytestmark = [pytest.mark.rig, pytest.mark.prometheus]

SETS = "/apis/apps/v1/namespaces/default/statefulsets"
PODS = "/api/v1/namespaces/default/pods"
HOURS, STEP_S = 6, 60.0
PER_CORE_W, ASKED, USED = 10, 2, 5.0
MEMORY = 500 << 20

Json = dict[str, Any]


def openmetrics(end_s: float) -> str:
    """What the first pod used, of its own and of its container."""
    at_s = np.arange(end_s - HOURS * 3600, end_s + 1, STEP_S)
    cpu, memory = [], []
    for inside in ("", ',container="c",image="i"'):
        labels = f'id="/{len(inside)}",instance="n1",namespace="default",pod="past-0"{inside}'
        for step, at in enumerate(at_s):
            cpu.append(f"container_cpu_usage_seconds_total{{{labels}}} {USED * STEP_S * step} {at}")
            memory.append(f"container_memory_working_set_bytes{{{labels}}} {MEMORY} {at}")
    families = {"container_cpu_usage_seconds counter": cpu, "container_memory_working_set_bytes gauge": memory}
    return "\n".join(f"# TYPE {family}\n" + "\n".join(each) for family, each in families.items()) + "\n# EOF\n"


def stateful_set() -> Json:
    container = {"name": "c", "image": "none", "resources": {"requests": {"cpu": str(ASKED)}}}
    template = {
        "metadata": {"labels": {"app": "past"}},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
    }
    labels = {"matchLabels": {"app": "past"}}
    spec = {"replicas": 1, "serviceName": "s", "selector": labels, "template": template}
    return {"metadata": {"name": "past"}, "spec": spec}


def requests(rig: Rig, name: str) -> dict[str, str]:
    answer = rig.api.call("GET", f"{PODS}/{name}")
    return dict(answer.body["spec"]["containers"][0]["resources"]["requests"]) if answer.ok else {}


def foretold(rig: Rig) -> dict[str, str]:
    """What another pod of the set would request now."""
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "past", "uid": "u", "controller": True}
    meta = {"name": "probe", "labels": {"app": "past"}, "ownerReferences": [owner]}
    body = {"metadata": meta, "spec": stateful_set()["spec"]["template"]["spec"]}
    made = rig.api.call("POST", f"{PODS}?dryRun=All", body)
    return dict(made.body["spec"]["containers"][0]["resources"]["requests"]) if made.ok else {}


def test_the_next_pod_of_a_known_workload_comes_in_with_the_watts_and_the_memory_of_its_history(
    shared_rig: Rig, tmp_path: Path
) -> None:
    rig = refresh(shared_rig)
    install_objects(rig)
    make_nodes(rig, [node("n1", watts=1000)])
    member = {"idle": "100W", "peak": f"{100 + 32 * PER_CORE_W}W"}
    make_domains(rig, [power_domain("r1", budget="2kW", nodeNames=["n1"], node=member)])
    spec = {"cap": {"watts": "2kW"}, "mode": "Initial", "admission": {"lock": "Partition", "fillRequests": True}}
    apply(rig, CLUSTER_CAPPING_POLICY.path("all"), written(CLUSTER_CAPPING_POLICY, "all", spec))
    rig.api.post(SETS, stateful_set())
    assert wait_for(lambda: requests(rig, "past-0"), 20, 0.2)
    try:
        with backfilled(find_prometheus(), tmp_path, openmetrics(time.time() - 30)) as server:
            replica, port = webhook_replica(rig, "history", f"--prometheus={server.url}")
            replica.start()
            try:
                replica.wait_ready()
                with registered(rig, port):
                    assert wait_for(lambda: "memory" in foretold(rig), 40, 0.5), foretold(rig)
                    rig.api.patch(f"{SETS}/past", {"spec": {"replicas": 2}})
                    assert wait_for(lambda: requests(rig, "past-1"), 20, 0.2)
            finally:
                replica.stop()
        assert requests(rig, "past-0") == {"cpu": str(ASKED)}
        given = requests(rig, "past-1")
        assert int(given[WATTS]) == pytest.approx(USED * PER_CORE_W, rel=0.06)
        assert given["cpu"] == str(ASKED)
        assert int(given["memory"].removesuffix("Mi")) == pytest.approx(500 * 1.15, rel=0.06)
    finally:
        clear(rig)
