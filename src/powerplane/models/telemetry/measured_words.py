"""What was assumed where a plan rests on measured watts, in sentences."""

from collections import Counter

import numpy as np

from powerplane.models.quantities import MILLI, format_watts
from powerplane.models.snapshot import Snapshot
from powerplane.models.telemetry.node_readings import NodeReadings

MOST_NAMES = 5


def told_of(readings: NodeReadings, before: Snapshot, after: Snapshot) -> tuple[str, ...]:
    """Return the sentences.

    Parameters
    ----------
    readings : NodeReadings
    before, after : Snapshot
        With accelerators as they were measured or assumed, and as they fit into what their nodes count as.
    """
    state_of = dict(zip(readings.nodes, readings.state, strict=True))
    states = [state_of.get(name, "worst") for name in before.node_names]
    worst = [name for name, state in zip(before.node_names, states, strict=True) if state == "worst"]
    source_of = dict(zip(readings.nodes, readings.source, strict=True))
    by = Counter(source_of[n] for n, state in zip(before.node_names, states, strict=True) if state != "worst")
    sources = ", ".join(f"{source} {number}" for source, number in sorted(by.items()))
    told = [f"Nodes that count as measured: {len(states) - len(worst)} of {len(states)}{sources and f' ({sources})'}."]
    if held := states.count("held"):
        told.append(f"Nodes that count by their last sample, for one or two scrapes were missed: {held}.")
    if worst:
        told.append(
            f"Nodes that count at their worst case, for nothing measures them: {len(worst)} ({_names(worst)}); "
            "no pod is put on them or taken off them, and whether they keep budgets of their own is not known."
        )
    if dark := sorted(readings.dark & set(before.node_names)):
        told.append(
            f"Nodes that are dark by the wall's word and do not report: {len(dark)} ({_names(dark)}); "
            "no pod is put on them or taken off them."
        )
    cut_mw = int(np.sum(before.pods.accelerator_mw) - np.sum(after.pods.accelerator_mw))
    if cut_mw > 0:
        told.append(f"Accelerators draw {format_watts(cut_mw // MILLI * MILLI)} less than assumed: their nodes say so.")
    return tuple(told)


def _names(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more
