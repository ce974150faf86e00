"""The truth of a running simulation, put together for those who measure it."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from powerplane.simulator import physics
from powerplane.simulator.limits import NO_LIMIT
from powerplane.simulator.machines import Load
from powerplane.simulator.pods import EXISTING
from powerplane.simulator.truth import Floats, Truth

if TYPE_CHECKING:
    from powerplane.simulator.world import World


def tell_truth(world: "World", load: Load) -> Truth:
    """Put what is so into columns.

    Parameters
    ----------
    world : World
    load : Load
        What its nodes and devices do now.
    """
    spec, machines, pods = world.spec, world.machines, world.pods
    lit = world.supply.lit
    idle = np.maximum(machines.idle - machines.first_fans, 0.0) * lit
    dynamic = np.maximum(load.host - machines.idle * lit, 0.0)
    rows = pods.rows(*EXISTING)
    names = [pods.name_and_uid(row) for row in rows.tolist()]
    templates = [spec.base.templates[i] for i in pods.template[rows].tolist()]
    place = np.full(len(pods) + 1, -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    holder = world.demand.device_pod
    runs = (holder >= 0) & (pods.node[holder] == spec.devices.node)
    most = spec.devices.most_watts
    limit = np.minimum(machines.device_limits.in_force(world.now_s), most)
    node = pods.node[rows].astype(np.int64)
    cores = world.demand.pod_cores(world.now_s)[rows]
    wanted = physics.sum_by(node + 1, cores, len(world.nodes) + 1)[1:]
    device_work = _utilisation(world, runs)
    holding = np.where(runs, place[holder], -1)
    prompt, generated = _tokens(world, rows, holding, device_work * load.device_speed)
    share = np.minimum(1.0, machines.cores / np.maximum(wanted, 1e-12)) * lit
    return Truth(
        at_s=world.now_s,
        nodes=world.nodes,
        lit=lit.copy(),
        wall_watts=load.wall,
        cpu_watts=physics.PACKAGE_OF_IDLE * idle + physics.PACKAGE_OF_DYNAMIC * dynamic,
        dram_watts=physics.MEMORY_OF_IDLE * idle + physics.MEMORY_OF_DYNAMIC * dynamic,
        fan_watts=machines.first_fans * lit + load.fans,
        cores=machines.cores,
        busy_cores=load.busy,
        celsius=machines.celsius.copy(),
        gpu_node=spec.devices.node,
        gpu_uuid=spec.devices.uuid,
        gpu_model=spec.devices.model,
        gpu_watts=load.device,
        gpu_utilisation=device_work,
        gpu_limit_watts=np.where(limit >= NO_LIMIT, most, limit),
        gpu_pod=holding,
        pod_namespace=tuple(template.namespace for template in templates),
        pod_name=tuple(name for name, _ in names),
        pod_uid=tuple(uid for _, uid in names),
        pod_owner=tuple(template.owner for template in templates),
        pod_node=node,
        pod_cores=cores * np.where(node >= 0, share[node], 0.0),
        pod_prompt_tokens=prompt,
        pod_generated_tokens=generated,
    )


def _tokens(world: "World", rows: NDArray[np.int64], holding: NDArray[np.int64], done: Floats) -> tuple[Floats, Floats]:
    """Tokens read and written by each of P pods, whose devices do that much work."""
    per_work = world.demand.tokens_per_work[world.pods.template[rows]]
    held = holding >= 0
    work = np.bincount(holding[held], done[held], minlength=len(rows)) if held.any() else np.zeros(len(rows))
    serves = per_work.any(axis=1)
    if not serves.any():
        return np.zeros(0), np.zeros(0)
    prompt, generated = (np.where(serves, work * per_work[:, column], np.nan) for column in range(2))
    return prompt, generated


def _utilisation(world: "World", runs: NDArray[np.bool_]) -> Floats:
    if not len(runs):
        return np.zeros(0)
    work = world.demand.now(world.now_s).device_work
    return np.where(runs & world.supply.lit[world.spec.devices.node], work, 0.0)
