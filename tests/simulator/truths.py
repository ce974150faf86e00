"""Truths made by hand: what is so in a cluster that nobody simulates."""

from dataclasses import replace

import numpy as np

from powerplane.simulator.truth import Truth


def make_truth(nodes: int = 4, gpus: int = 2, pods: int = 6, *, at_s: float = 0.0, watts: float = 300.0) -> Truth:
    """Nodes that draw ``watts``, ``watts + 1``, …; GPUs on the first ones, pods one after another on all nodes."""
    wall = watts + np.arange(nodes, dtype=float)
    pod_node = np.arange(pods, dtype=np.int64) % max(nodes, 1)
    return Truth(
        at_s=at_s,
        nodes=tuple(f"node-{i}" for i in range(nodes)),
        lit=np.ones(nodes, dtype=bool),
        wall_watts=wall,
        cpu_watts=wall * 0.5,
        dram_watts=wall * 0.1,
        fan_watts=np.full(nodes, 20.0),
        cores=np.full(nodes, 4.0),
        busy_cores=np.full(nodes, 2.0),
        celsius=np.full(nodes, 55.0),
        gpu_node=np.arange(gpus, dtype=np.int64) // 2,
        gpu_uuid=tuple(f"GPU-{i:08d}" for i in range(gpus)),
        gpu_model=("NVIDIA A100-SXM4-80GB",) * gpus,
        gpu_watts=np.full(gpus, 250.0),
        gpu_utilisation=np.full(gpus, 0.5),
        gpu_limit_watts=np.full(gpus, 400.0),
        gpu_pod=np.arange(gpus, dtype=np.int64) if pods >= gpus else np.full(gpus, -1, dtype=np.int64),
        pod_namespace=("shop",) * pods,
        pod_name=tuple(f"web-{i}" for i in range(pods)),
        pod_uid=tuple(f"00000000-0000-4000-8000-{i:012d}" for i in range(pods)),
        pod_owner=("ReplicaSet/web",) * pods,
        pod_node=pod_node,
        pod_cores=np.full(pods, 0.5),
        pod_prompt_tokens=np.where(np.arange(pods) % 2, 3000.0, np.nan),
        pod_generated_tokens=np.where(np.arange(pods) % 2, 200.0, np.nan),
    )


def keep_pods(truth: Truth, rows: list[int]) -> Truth:
    """Only some of its pods; GPUs of the others are free."""
    place = {row: new for new, row in enumerate(rows)}
    return replace(
        truth,
        gpu_pod=np.array([place.get(row, -1) for row in truth.gpu_pod.tolist()], dtype=np.int64),
        pod_namespace=tuple(truth.pod_namespace[i] for i in rows),
        pod_name=tuple(truth.pod_name[i] for i in rows),
        pod_uid=tuple(truth.pod_uid[i] for i in rows),
        pod_owner=tuple(truth.pod_owner[i] for i in rows),
        pod_node=truth.pod_node[rows],
        pod_cores=truth.pod_cores[rows],
        pod_prompt_tokens=truth.pod_prompt_tokens[rows],
        pod_generated_tokens=truth.pod_generated_tokens[rows],
    )
