"""Watts for the trace, which states none: envelopes of the catalogue by size and by card, and an assumed use.

A node's curve is that of the catalogue's server nearest to it in size, raised by the idle draw of its cards. A pod
uses a stated share of its CPU request, and of what its cards can draw above idle.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from powerplane.adapters.openb_files import WHOLE_CARD, Integers, TraceNodes, TracePods
from powerplane.models.catalogue import gpu, nearest_server
from powerplane.models.curves import PowerCurve, milliwatts_at
from powerplane.models.envelopes import GpuEnvelope
from powerplane.models.errors import InputError

MIB_PER_GIB = 1024


@dataclass(frozen=True, slots=True)
class NodePowers:
    """The nodes' curves.

    Parameters
    ----------
    curves : tuple of PowerCurve, length N
        Nodes of one size and card share the object.
    card_range_mw : int64 array, shape (N,)
        What one card draws at most above its idle, in milliwatts; 0 without cards.
    assumptions : tuple of str
    """

    curves: tuple[PowerCurve, ...]
    card_range_mw: Integers
    assumptions: tuple[str, ...]


def node_powers(nodes: TraceNodes) -> NodePowers:
    """Give every node an envelope.

    Raises
    ------
    InputError
        For a card that the catalogue does not know.
    """
    cards = {model: _card(model) for model in sorted(set(nodes.model) - {""})}
    sizes = list(
        zip(nodes.cpu_milli.tolist(), nodes.memory_mib.tolist(), nodes.cards.tolist(), nodes.model, strict=True)
    )
    curves = {size: _curve(size, cards.get(size[3])) for size in set(sizes)}
    ranges = {model: round(1000 * (card.max_watts - card.idle_watts)) for model, card in cards.items()}
    assumed = [f"{model} ({card.source})" for model, card in cards.items() if card.basis == "assumed"]
    return NodePowers(
        curves=tuple(curves[size] for size in sizes),
        card_range_mw=np.array([ranges.get(model, 0) for model in nodes.model], dtype=np.int64),
        assumptions=(
            "The trace states no watts: a node has the curve of the catalogue's server nearest in size, raised by the"
            " idle draw of its cards.",
            *((f"Watts of these cards are assumed: {'; '.join(assumed)}.",) if assumed else ()),
        ),
    )


def accelerator_mw(
    nodes: TraceNodes, powers: NodePowers, pods: TracePods, node: NDArray[np.int32], use_share: float
) -> Integers:
    """Milliwatts that each pod's cards draw above idle, shape (P,).

    A pod without a node counts at the hungriest card that it may run on, so that placing it can only draw less.
    """
    by_model: dict[str, int] = dict(zip(nodes.model, powers.card_range_mw.tolist(), strict=True))
    hungriest = [max((by_model.get(model, 0) for model in models or by_model), default=0) for models in pods.models]
    card_range = np.where(node >= 0, powers.card_range_mw[node], np.array(hungriest, dtype=np.int64))
    return whole(pods.gpu_milli / WHOLE_CARD * card_range * use_share)


def whole(amounts: NDArray[np.floating[Any]]) -> Integers:
    """Round up to whole units; what a product of floats is above a whole number by accident does not count."""
    result: Integers = np.ceil(np.round(amounts, 3)).astype(np.int64)
    return result


def draws_mw(
    nodes: TraceNodes, powers: NodePowers, node: NDArray[np.int32], use_ucores: Integers, card_mw: Integers
) -> Integers:
    """Draw of each node with the pods on it, in milliwatts, shape (N,)."""
    placed = node >= 0
    use = np.zeros(len(nodes.names), dtype=np.int64)
    result = np.zeros(len(nodes.names), dtype=np.int64)
    np.add.at(use, node[placed], use_ucores[placed])
    np.add.at(result, node[placed], card_mw[placed])
    for row, curve in enumerate(powers.curves):
        knots = curve.knots_ucores(int(nodes.cpu_milli[row]) * 1000)
        result[row] += milliwatts_at(knots, np.array(curve.milliwatts, dtype=np.int64), use[row : row + 1])[0]
    return result


def _card(model: str) -> GpuEnvelope:
    found = gpu(model)
    if found is None:
        raise InputError(
            f"the catalogue has no accelerator {model!r}",
            "take the node list of the trace as it was published, or map the model to one that the catalogue has",
        )
    return found


def _curve(size: tuple[int, int, int, str], card: GpuEnvelope | None) -> PowerCurve:
    cpu_milli, memory_mib, cards, model = size
    server = nearest_server(cpu_milli / 1000, memory_mib / MIB_PER_GIB)
    idle_mw = round(1000 * card.idle_watts) * cards if card else 0
    name = f"{server.name}+{cards}x{model}" if card else server.name
    return PowerCurve(name, server.curve.utilisation, tuple(watts + idle_mw for watts in server.curve.milliwatts))
