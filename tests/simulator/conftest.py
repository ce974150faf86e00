import json
from pathlib import Path

import pytest

from powerplane.adapters.snapshot_directory import write_snapshot
from powerplane.models.plan import Move, Plan
from powerplane.simulator.scenario import Scenario
from powerplane.simulator.story import heat_wave_story


@pytest.fixture(scope="session")
def story() -> Scenario:
    return heat_wave_story(seed=0)


@pytest.fixture(scope="session")
def evacuation(story: Scenario) -> Plan:
    """Made by hand: every third pod of the hot row that may go anywhere goes to the cool row, forty in a wave."""
    snapshot = story.snapshot
    table = [template.requests for template in snapshot.templates]
    free = snapshot.allocatable.tolist()
    for pod, node in enumerate(snapshot.pods.node.tolist()):
        free[node] = [a - b for a, b in zip(free[node], table[snapshot.pods.template[pod]], strict=True)]
    moves: list[Move] = []
    for pod, node in enumerate(snapshot.pods.node.tolist()):
        template = snapshot.templates[snapshot.pods.template[pod]]
        name = snapshot.node_names[node]
        if not name.startswith("row-1") or pod % 3 or template.unmovable or template.affinity or template.node_selector:
            continue
        target = max(range(len(free)), key=lambda i: (snapshot.node_names[i].startswith("row-2"), free[i][0]))
        free[target] = [a - b for a, b in zip(free[target], template.requests, strict=True)]
        moves.append(
            Move(
                namespace=snapshot.pods.namespaces[pod],
                pod=snapshot.pods.names[pod],
                uid=snapshot.pods.uids[pod],
                source=name,
                target=snapshot.node_names[target],
                watts=0.0,
                wave=1 + len(moves) // 40,
            )
        )
    return Plan(
        status="feasible",
        objective="disruption",
        cost=float(len(moves)),
        bound=0.0,
        gap=None,
        seed=0,
        seconds=0.0,
        snapshot=snapshot.digest,
        moves=tuple(moves),
    )


@pytest.fixture
def snapshot_directory(tmp_path: Path) -> Path:
    """Two nodes, three pods and a DaemonSet, as kubectl and a person would write them."""
    directory = tmp_path / "snapshot"
    nodes = [
        {"metadata": {"name": name}, "status": {"allocatable": {"cpu": "8", "memory": "32Gi", "pods": "110"}}}
        for name in ("node-1", "node-2")
    ]
    owners = {"web": "ReplicaSet", "agent": "DaemonSet"}
    pods = [
        {
            "metadata": {
                "name": f"{app}-{number}",
                "namespace": "default",
                "uid": f"{app}-{number}",
                "labels": {"app": app},
                "ownerReferences": [{"kind": owners[app], "name": app, "controller": True}],
            },
            "spec": {"nodeName": node, "containers": [{"resources": {"requests": {"cpu": "2", "memory": "1Gi"}}}]},
            "status": {"phase": "Running"},
        }
        for app, number, node in (
            ("web", 1, "node-1"),
            ("web", 2, "node-2"),
            ("web", 3, "node-2"),
            ("agent", 1, "node-1"),
            ("agent", 2, "node-2"),
        )
    ]
    write_snapshot(
        directory,
        {"nodes": json.dumps({"items": nodes}).encode(), "pods": json.dumps({"items": pods}).encode()},
        "domains: [{name: rack-1, kind: rack, budget: 1kW, nodes: [node-1, node-2]}]\n",
        "curves: {server: [[0, 90], [1, 350]]}\nnodes: {default: {curve: server}}\n",
        "namespace,pod,cpu_cores,accelerator_watts\ndefault,web-1,1.5,\ndefault,web-2,1.0,\ndefault,web-3,0.7,\n",
    )
    return directory
