"""What each pod uses, by the first source that can be believed for it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from powerplane.models.telemetry.facts import NodeFacts, NodeRows
from powerplane.models.telemetry.hygiene import Judged, JudgedBlock
from powerplane.models.telemetry.node_readings import PodReadings
from powerplane.models.telemetry.precedence import PRECEDENCE
from powerplane.models.telemetry.readings import Entity, Floats, Integers, Quantity
from powerplane.models.telemetry.rules import DEFAULT_RULES, Rules

Key = tuple[str, str]


def pod_readings(
    judged: Sequence[Judged], nodes: Sequence[NodeFacts], names: NodeRows, rules: Rules = DEFAULT_RULES
) -> PodReadings:
    """Gather what sources say of pods.

    Parameters
    ----------
    judged : sequence of Judged
    nodes : sequence of NodeFacts
    names : NodeRows
        Of those nodes.
    rules : Rules

    Notes
    -----
    A pod whose samples are bad is not measured (NaN): it counts by its requests. So do all pods of a node that use
    more CPU together than it has, which cannot be. A device that several pods share is shared out evenly, as the
    source does not say how they use it.
    """
    pods = _Pods()
    cores = [(block, pods.rows(block.entities)) for block in _blocks(judged, "pod cpu cores")]
    shares = [(block, pods.rows(block.entities)) for block in _blocks(judged, "pod watts")]
    devices = [(block, *pods.rows_of_holders(block)) for block in _blocks(judged, "gpu watts")]
    columns = _Columns(len(pods.keys))
    for block, rows in cores:
        columns.add_cores(block, rows)
    columns.add_shares(shares)
    columns.add_devices(devices)
    where = names.rows(pods.nodes)
    columns.cores[_beyond_node(columns.cores, where, nodes, rules)] = np.nan
    return PodReadings(
        namespaces=tuple(namespace for namespace, _ in pods.keys),
        pods=tuple(name for _, name in pods.keys),
        uids=tuple(pods.uids),
        nodes=tuple(nodes[row].name if row >= 0 else "" for row in where.tolist()),
        cpu_cores=columns.cores,
        gpu_watts=columns.gpu_watts,
        share_watts=columns.share_watts,
        age_s=columns.age_s,
    )


class _Pods:
    """Pods by row, as they are met."""

    def __init__(self) -> None:
        self.keys: dict[Key, int] = {}
        self.uids: list[str] = []
        self.nodes: list[str] = []

    def rows(self, entities: Sequence[Entity]) -> Integers:
        """Row of each entity's pod."""
        return np.fromiter((self._row(entity) for entity in entities), np.int64, len(entities))

    def rows_of_holders(self, block: JudgedBlock) -> tuple[Integers, Integers]:
        """Rows of the pods that hold devices, and which thing of the block each holds; each pair once."""
        held = [place for place, entity in enumerate(block.series) if entity.pod]
        rows = self.rows([block.series[place] for place in held])
        pairs = np.unique(np.stack([block.thing[held], rows], axis=1), axis=0) if held else np.empty((0, 2), np.int64)
        return pairs[:, 1], pairs[:, 0]

    def _row(self, entity: Entity) -> int:
        row = self.keys.setdefault((entity.namespace, entity.pod), len(self.keys))
        if row == len(self.uids):
            self.uids.append(entity.uid)
            self.nodes.append(entity.node)
        else:
            self.uids[row] = self.uids[row] or entity.uid
            self.nodes[row] = self.nodes[row] or entity.node
        return row


class _Columns:
    """Figures of P pods, filled in by precedence."""

    def __init__(self, count: int) -> None:
        self.cores, self.gpu_watts, self.share_watts, self.age_s = (np.full(count, np.nan) for _ in range(4))

    def add_cores(self, block: JudgedBlock, rows: Integers) -> None:
        """Take CPU in use, where no better source has told it."""
        take = np.isnan(self.cores[rows]) & ~np.isnan(block.value) & ~_still(block)
        self.cores[rows[take]] = block.value[take]
        self._grow_old(rows[take], block.age_s[take])

    def add_shares(self, told: Sequence[tuple[JudgedBlock, Integers]]) -> None:
        """Take the watts attributed to pods: all parts of the first source that tells any of a pod."""
        by = np.full(len(self.cores), "", dtype=object)
        known: set[tuple[str, int]] = set()
        for block, rows in told:
            source, part = block.meaning.source, block.meaning.part
            new = np.array([(part, row) not in known for row in rows.tolist()], dtype=np.bool_)
            take = ~np.isnan(block.value) & ((by[rows] == "") | (by[rows] == source)) & new
            known.update((part, row) for row in rows[take].tolist())
            by[rows[take]] = source
            np.add.at(self.share_watts, _from_zero(self.share_watts, rows[take]), block.value[take])
            self._grow_old(rows[take], block.age_s[take])

    def add_devices(self, told: Sequence[tuple[JudgedBlock, Integers, Integers]]) -> None:
        """Take the watts of devices that pods hold, each device by the first source that tells it."""
        known: set[tuple[str, str]] = set()
        for block, rows, thing in told:
            devices = [(block.entities[place].node, block.entities[place].device) for place in thing.tolist()]
            take = ~np.isnan(block.value[thing]) & np.array([each not in known for each in devices], dtype=np.bool_)
            known.update(each for each, taken in zip(devices, take.tolist(), strict=True) if taken)
            holders = np.bincount(thing[take], minlength=len(block.entities))
            watts = block.value[thing[take]] / holders[thing[take]]
            np.add.at(self.gpu_watts, _from_zero(self.gpu_watts, rows[take]), watts)
            self._grow_old(rows[take], block.age_s[thing[take]])

    def _grow_old(self, rows: Integers, age_s: Floats) -> None:
        np.fmax.at(self.age_s, rows, age_s)


def _from_zero(column: Floats, rows: Integers) -> Integers:
    """Let figures that are to be added to begin at 0; return the rows."""
    fresh = rows[np.isnan(column[rows])]
    column[fresh] = 0.0
    return rows


def _beyond_node(used: Floats, where: Integers, nodes: Sequence[NodeFacts], rules: Rules) -> NDArray[np.bool_]:
    """Pods on nodes whose pods use more CPU together than there is, as where a counter has another unit.

    What pods that have gone did is held for a while, beside what those do that came: hence the tolerance.
    """
    cores = np.array([node.cores for node in nodes], dtype=np.float64)
    placed = where >= 0
    together = np.bincount(where[placed], np.nan_to_num(used[placed]), minlength=len(nodes))
    beyond = (cores > 0) & (together > rules.high_share * cores)
    found: NDArray[np.bool_] = placed & beyond[np.maximum(where, 0)] if len(nodes) else np.zeros(len(used), np.bool_)
    return found


def _still(block: JudgedBlock) -> NDArray[np.bool_]:
    """Pods on nodes all of whose pods stand still: their counters are frozen, for something always runs."""
    number: dict[str, int] = {}
    node = np.fromiter((number.setdefault(each.node, len(number)) for each in block.entities), np.int64)
    moving = np.zeros(len(number), dtype=np.bool_)
    moving[node[np.nan_to_num(block.value) > 0]] = True
    still: NDArray[np.bool_] = ~moving[node]
    return still


def _blocks(judged: Sequence[Judged], quantity: Quantity) -> list[JudgedBlock]:
    """Blocks of a quantity, by the precedence of their sources and then in the table's order."""
    order = {source: place for place, source in enumerate(PRECEDENCE[quantity])}
    ranked = sorted(judged, key=lambda each: order.get(each.source, len(order)))
    return [block for one in ranked for block in one.blocks if block.meaning.quantity == quantity]
