"""Measured use of pods, as rows that a snapshot is built from."""

from collections.abc import Iterable
from math import ceil, isfinite, log

from powerplane.models.objects import Pod
from powerplane.models.quantities import MICRO, MILLI
from powerplane.models.telemetry.node_readings import PodReadings
from powerplane.models.usage import UsageRow

STEPS = ((2_000, 1.01), (30_000, 1.1))
MOST_STEP = 1.2
"""Up to so many pods, measured uses are rounded to multiples that far apart, beyond them to the last: pods that use
nearly the same are then alike to the solver, whose work grows with what tells them apart. Rounded to the nearest, for
more than what is there would free too much where a pod leaves, and less cost too little where it goes."""

LEAST_UCORES = 1_000
"""A milli-core: what is below it is noise."""


def usage_rows(readings: PodReadings, pods: Iterable[Pod]) -> tuple[UsageRow, ...]:
    """Return a row for each pod of which something was measured.

    Parameters
    ----------
    readings : PodReadings
    pods : iterable of Pod
        Those that are there: what was measured of a pod's predecessor, or of it on another node, is left out.
    """
    there = {(pod.metadata.namespace, pod.metadata.name): (pod.metadata.uid, pod.spec.node_name) for pod in pods}
    columns = zip(
        readings.namespaces,
        readings.pods,
        readings.uids,
        readings.nodes,
        readings.cpu_cores.tolist(),
        readings.gpu_watts.tolist(),
        strict=True,
    )
    rows: dict[tuple[str, str], UsageRow] = {}
    step = next((step for most, step in STEPS if len(there) <= most), MOST_STEP)
    for namespace, name, uid, node, cores, watts in columns:
        own_uid, own_node = there.get((namespace, name), ("", ""))
        stranger = (namespace, name) not in there or (uid and own_uid and uid != own_uid)
        elsewhere = node and own_node and node != own_node
        measured = isfinite(cores) and cores >= 0, isfinite(watts) and watts >= 0
        if stranger or elsewhere or not any(measured):
            continue
        use = rounded_ucores(cores, step) if measured[0] else None
        rows[namespace, name] = UsageRow(namespace, name, use, rounded_mw(watts, step) if measured[1] else None)
    return tuple(rows.values())


def with_fallback(measured: Iterable[UsageRow], others: Iterable[UsageRow]) -> tuple[UsageRow, ...]:
    """Rows of use, each figure as measured where it was, else as another source states it."""
    rows = {(row.namespace, row.pod): row for row in measured}
    for other in others:
        row = rows.get((other.namespace, other.pod))
        rows[other.namespace, other.pod] = other if row is None else _completed(row, other)
    return tuple(rows.values())


def _completed(row: UsageRow, other: UsageRow) -> UsageRow:
    use = other.use_ucores if row.use_ucores is None else row.use_ucores
    watts = other.accelerator_mw if row.accelerator_mw is None else row.accelerator_mw
    return UsageRow(row.namespace, row.pod, use, watts, other.origin)


def rounded_ucores(cores: float, step: float) -> int:
    """Micro-cores, rounded to the nearest of a core times powers of ``step``."""
    return max(_nearest(cores, step, MICRO), LEAST_UCORES) if cores > 0 else 0


def rounded_mw(watts: float, step: float) -> int:
    """Milliwatts, rounded likewise, and up to whole watts: no sensor of an accelerator is more exact."""
    return ceil(_nearest(watts, step, MILLI) / MILLI) * MILLI if watts > 0 else 0


def _nearest(amount: float, step: float, scale: int) -> int:
    return round(scale * step ** round(log(amount) / log(step)))
