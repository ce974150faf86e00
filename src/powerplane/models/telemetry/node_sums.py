"""One quantity of each node by one source: its devices added up, and only if all of them are known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.models.telemetry.hygiene import JudgedBlock
from powerplane.models.telemetry.readings import Floats, Integers

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class NodeSums:
    """One quantity of N nodes by one source; arrays of shape (N,).

    Parameters
    ----------
    value : float64 array
        NaN where the source has no usable value for all of a node's devices.
    age_s, since_s : float64 arrays
        Of the oldest sample; for how long the longest unchanged one has been the same.
    interval_s : float
        Between two samples.
    told : bool array
        Whether the source knows the node.
    devices : int64 array
        How many of the node's devices it knows.
    reason : object array of str
        Why there is no value.
    """

    value: Floats
    age_s: Floats
    since_s: Floats
    interval_s: float
    told: Mask
    devices: Integers
    reason: NDArray[np.object_]


def node_sums(blocks: Sequence[JudgedBlock], rows: Sequence[Integers], count: int) -> NodeSums | None:
    """Add up what a source says of one quantity.

    Rows of the declared table with one part are alternatives, the first that tells a node whole counts; different
    parts add up.

    Parameters
    ----------
    blocks : sequence of JudgedBlock
        Of one source and quantity, in the table's order.
    rows : sequence of int64 arrays
        Node of each thing of each block, -1 for none.
    count : int
        N.
    """
    parts: dict[str, NodeSums] = {}
    for block, row in zip(blocks, rows, strict=True):
        found = _sums(block, row, count)
        known = parts.get(block.meaning.part)
        parts[block.meaning.part] = found if known is None else _completed(known, found)
    if not parts:
        return None
    first, *others = parts.values()
    for other in others:
        first = _added(first, other)
    return first


def _sums(block: JudgedBlock, node: Integers, count: int) -> NodeSums:
    ours = node >= 0
    good = ours & ~np.isnan(block.value)
    known = np.bincount(node[ours], minlength=count)
    have = np.bincount(node[good], minlength=count)
    whole = (known > 0) & (have == known)
    age_s, since_s = np.zeros(count), np.zeros(count)
    np.maximum.at(age_s, node[good], block.age_s[good])
    np.maximum.at(since_s, node[good], block.since_s[good])
    reason = np.full(count, "", dtype=object)
    bad = np.flatnonzero(ours & ~good)
    reason[node[bad]] = [block.reason[row] for row in bad.tolist()]
    for row in np.flatnonzero((have > 0) & ~whole).tolist():
        reason[row] = f"partial ({known[row] - have[row]} of {known[row]} {reason[row]})"
    total = np.bincount(node[good], block.value[good], minlength=count)
    return NodeSums(
        value=np.where(whole, total, np.nan),
        age_s=np.where(whole, age_s, np.inf),
        since_s=since_s,
        interval_s=block.interval_s,
        told=known > 0,
        devices=known,
        reason=reason,
    )


def _completed(first: NodeSums, second: NodeSums) -> NodeSums:
    """The first alternative, and the second where the first has no value."""
    use = np.isnan(first.value) & second.told & (~np.isnan(second.value) | ~first.told)
    return NodeSums(
        value=np.where(use, second.value, first.value),
        age_s=np.where(use, second.age_s, first.age_s),
        since_s=np.where(use, second.since_s, first.since_s),
        interval_s=max(first.interval_s, second.interval_s),
        told=first.told | second.told,
        devices=np.maximum(first.devices, second.devices),
        reason=np.where(use, second.reason, first.reason),
    )


def _added(first: NodeSums, second: NodeSums) -> NodeSums:
    """Both parts, where both are known; the one that is, where the other has never been told."""
    alone = first.told & ~second.told
    other = second.told & ~first.told
    value = np.where(alone, first.value, np.where(other, second.value, first.value + second.value))
    return NodeSums(
        value=value,
        age_s=np.maximum(np.where(other, 0.0, first.age_s), np.where(alone, 0.0, second.age_s)),
        since_s=np.maximum(first.since_s, second.since_s),
        interval_s=max(first.interval_s, second.interval_s),
        told=first.told | second.told,
        devices=np.maximum(first.devices, second.devices),
        reason=np.where(first.reason == "", second.reason, first.reason),
    )
