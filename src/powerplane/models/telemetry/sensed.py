"""What a node's own sensors say beside its watts: the air that it takes in, and how fast its fans turn."""

from collections.abc import Sequence

import numpy as np

from powerplane.models.telemetry.facts import NodeRows
from powerplane.models.telemetry.hygiene import Judged
from powerplane.models.telemetry.readings import Floats, Quantity

SENSED: tuple[Quantity, Quantity] = ("celsius", "fan rpm")


def sensed(judged: Sequence[Judged], names: NodeRows, count: int, quantity: Quantity) -> Floats:
    """Mean of a node's sensors of one quantity, shape (N,); NaN where there is none to believe.

    Sensors of devices that pods hold (accelerators) are not a node's own.
    """
    total, number = np.zeros(count), np.zeros(count)
    for one in judged:
        for block in one.blocks:
            if block.meaning.quantity != quantity or block.meaning.pod:
                continue
            rows = names.rows(entity.node for entity in block.entities)
            good = (rows >= 0) & np.isfinite(block.value)
            total += np.bincount(rows[good], block.value[good], count)
            number += np.bincount(rows[good], minlength=count)
    return np.where(number > 0, total / np.maximum(number, 1.0), np.nan)
