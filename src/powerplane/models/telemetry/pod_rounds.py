"""What each pod uses, by the first source that can be believed for it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import isnan

import numpy as np

from powerplane.models.telemetry.facts import NodeFacts, NodeRows
from powerplane.models.telemetry.hygiene import Judged, JudgedBlock
from powerplane.models.telemetry.node_readings import PodReadings
from powerplane.models.telemetry.precedence import PRECEDENCE
from powerplane.models.telemetry.readings import Entity, Quantity

Key = tuple[str, str]


@dataclass(slots=True)
class _Pod:
    """One pod while it is read."""

    uid: str = ""
    node: str = ""
    cores: float = float("nan")
    gpu_watts: float = float("nan")
    share_watts: float = float("nan")
    age_s: float = 0.0
    told: set[str] = field(default_factory=set)


def pod_readings(judged: Sequence[Judged], nodes: Sequence[NodeFacts], names: NodeRows) -> PodReadings:
    """Gather what sources say of pods.

    Parameters
    ----------
    judged : sequence of Judged
    nodes : sequence of NodeFacts
    names : NodeRows
        Of those nodes.

    Notes
    -----
    A pod whose samples are bad is not measured (NaN): it counts by its requests. A device that several pods share is
    shared out evenly, as the source does not say how they use it.
    """
    pods: dict[Key, _Pod] = {}
    _add_cores(pods, judged)
    _add_shares(pods, judged)
    _add_devices(pods, judged)
    rows = names.rows(pod.node for pod in pods.values())
    nan = float("nan")
    return PodReadings(
        namespaces=tuple(namespace for namespace, _ in pods),
        pods=tuple(name for _, name in pods),
        uids=tuple(pod.uid for pod in pods.values()),
        nodes=tuple(nodes[row].name if row >= 0 else "" for row in rows.tolist()),
        cpu_cores=np.fromiter((pod.cores for pod in pods.values()), np.float64, len(pods)),
        gpu_watts=np.fromiter((pod.gpu_watts for pod in pods.values()), np.float64, len(pods)),
        share_watts=np.fromiter((pod.share_watts for pod in pods.values()), np.float64, len(pods)),
        age_s=np.fromiter((pod.age_s if pod.told else nan for pod in pods.values()), np.float64, len(pods)),
    )


def _blocks(judged: Sequence[Judged], quantity: Quantity) -> Iterable[JudgedBlock]:
    """Blocks of a quantity, by the precedence of their sources and then in the table's order."""
    order = {source: place for place, source in enumerate(PRECEDENCE[quantity])}
    for one in sorted(judged, key=lambda each: order.get(each.source, len(order))):
        yield from (block for block in one.blocks if block.meaning.quantity == quantity)


def _pod(pods: dict[Key, _Pod], entity: Entity) -> _Pod:
    pod = pods.setdefault((entity.namespace, entity.pod), _Pod())
    pod.uid = pod.uid or entity.uid
    pod.node = pod.node or entity.node
    return pod


def _add_cores(pods: dict[Key, _Pod], judged: Sequence[Judged]) -> None:
    for block in _blocks(judged, "pod cpu cores"):
        still = _still_nodes(block)
        for entity, value, age_s in zip(block.entities, block.value.tolist(), block.age_s.tolist(), strict=True):
            pod = _pod(pods, entity)
            if isnan(pod.cores) and not isnan(value) and entity.node not in still:
                pod.cores = value
                pod.age_s = max(pod.age_s, age_s)
                pod.told.add("cores")


def _still_nodes(block: JudgedBlock) -> set[str]:
    """Nodes all of whose pods stand still: their counters are frozen, for something always runs."""
    moving = {entity.node for entity, value in zip(block.entities, block.value.tolist(), strict=True) if value > 0}
    return {entity.node for entity in block.entities} - moving


def _add_shares(pods: dict[Key, _Pod], judged: Sequence[Judged]) -> None:
    """Add up the parts that the first source tells; pods' parts of other sources are left out."""
    by: dict[Key, str] = {}
    parts: dict[tuple[Key, str], float] = {}
    for block in _blocks(judged, "pod watts"):
        source, part = block.meaning.source, block.meaning.part
        for entity, value, age_s in zip(block.entities, block.value.tolist(), block.age_s.tolist(), strict=True):
            key = (entity.namespace, entity.pod)
            pod = _pod(pods, entity)
            if not isnan(value) and by.setdefault(key, source) == source and (key, part) not in parts:
                parts[key, part] = value
                pod.share_watts = value + (0.0 if isnan(pod.share_watts) else pod.share_watts)
                pod.age_s = max(pod.age_s, age_s)
                pod.told.add("share")


def _add_devices(pods: dict[Key, _Pod], judged: Sequence[Judged]) -> None:
    devices: set[tuple[str, str]] = set()
    for block in _blocks(judged, "gpu watts"):
        holders: dict[int, dict[Key, Entity]] = {}
        for entity, thing in zip(block.series, block.thing.tolist(), strict=True):
            if entity.pod:
                holders.setdefault(thing, {})[entity.namespace, entity.pod] = entity
        for thing, held in holders.items():
            device = (block.entities[thing].node, block.entities[thing].device)
            value = float(block.value[thing])
            if isnan(value) or device in devices:
                continue
            devices.add(device)
            for entity in held.values():
                pod = _pod(pods, entity)
                pod.gpu_watts = value / len(held) + (0.0 if isnan(pod.gpu_watts) else pod.gpu_watts)
                pod.age_s = max(pod.age_s, float(block.age_s[thing]))
                pod.told.add("gpu")
