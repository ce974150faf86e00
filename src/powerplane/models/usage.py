"""What pods use: measured where a row says so, otherwise assumed from what they request, and counted as such."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.models.errors import InputError
from powerplane.models.quantities import LARGEST, MICRO, MILLI, format_watts, parse_ceil, shown

ASSUMED_MILLI = 100
"""Milli-cores of a pod that requests no CPU: what the scheduler's scoring takes for such pods, too."""

DEVICE_MW = 700_000
"""Draw of one accelerator at full load where its node's power is not stated: the 700 W class of server GPUs."""

GPU = "gpu"
"""What the names of accelerators have in common: nvidia.com/gpu, amd.com/gpu, gpu.intel.com/i915, …"""

OWN_DOMAINS = ("kubernetes.io", "powerplane.dev")
"""Resources of these are no devices."""


@dataclass(frozen=True, slots=True)
class UsageRow:
    """One pod's measured use.

    Parameters
    ----------
    namespace, pod : str
    use_ucores : int or None
        Micro-cores, rounded up; None where not measured.
    accelerator_mw : int or None
        Milliwatts of its accelerators, rounded up; None where not measured.
    origin : str
        Where the row stands, for messages ("usage.csv line 7").
    """

    namespace: str
    pod: str
    use_ucores: int | None
    accelerator_mw: int | None = None
    origin: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class PodUse:
    """Columns of use over P pods, and what was assumed for them.

    Parameters
    ----------
    use_ucores, accelerator_mw : int64 arrays, shape (P,)
    measured : bool array, shape (P,)
    assumptions : tuple of str
    """

    use_ucores: NDArray[np.int64]
    accelerator_mw: NDArray[np.int64]
    measured: NDArray[np.bool_]
    assumptions: tuple[str, ...]


def parse_use(text: str, scale: int) -> int:
    """Read a measured amount, in parts of ``scale`` to the unit, rounded up.

    Parameters
    ----------
    text : str
        A decimal number of cores or watts.
    scale : int
        1,000,000 for micro-cores, 1,000 for milliwatts.

    Raises
    ------
    InputError
        For what is not finite, is negative, or beyond any pod.
    """
    written = text.strip()
    amount = parse_ceil(written, scale)
    if not 0 <= amount <= LARGEST or written.startswith("-"):  # what rounds up to 0 may still be negative
        what = "is more than a pod can use" if amount > 0 else "is negative"
        raise InputError(f"{shown(written)} {what}", "correct the figure, or leave the row out")
    return amount


def devices_milli(units: dict[str, int]) -> int:
    """Thousandths of accelerators that a pod requests.

    Parameters
    ----------
    units : dict of int by resource
        Every resource with "gpu" in its name counts; where several do, they describe the same devices.

    Notes
    -----
    Shares in thousandths (``gpu-milli``) count as such. Amounts of memory or of cores on a device do not say how much
    of it is taken: they count as one whole device.
    """
    return max((_devices_milli(resource.lower(), amount) for resource, amount in units.items()), default=0)


def is_other_device(resource: str) -> bool:
    """Whether a resource is some device (an extended resource) of which no draw is known."""
    domain, slash, _ = resource.partition("/")
    return bool(slash) and GPU not in resource.lower() and not domain.endswith(OWN_DOMAINS)


def pod_use(
    names: Iterable[tuple[str, str]],
    rows: Iterable[UsageRow],
    template: NDArray[np.int32],
    template_units: Sequence[dict[str, int]],
    device_mw: NDArray[np.int64],
) -> PodUse:
    """Join pods to their rows, and assume what has none.

    Parameters
    ----------
    names : iterable of (namespace, pod), length P
    rows : iterable of UsageRow
    template : int32 array, shape (P,)
    template_units : sequence of dict, length T
        Requests of each template by resource.
    device_mw : int64 array, shape (P,)
        Draw of one accelerator where each pod runs.

    Raises
    ------
    InputError
        For two rows of one pod.
    """
    by_name = _by_name(rows)
    found = [by_name.pop(name, None) for name in names]
    cpu = np.array([units.get("cpu", 0) for units in template_units], dtype=np.int64)[template]
    devices = np.array([devices_milli(units) for units in template_units], dtype=np.int64)[template]
    measured = np.array([row is not None and row.use_ucores is not None for row in found], dtype=np.bool_)
    metered = np.array([row is not None and row.accelerator_mw is not None for row in found], dtype=np.bool_)
    use = np.array([row.use_ucores or 0 if row else 0 for row in found], dtype=np.int64)
    watts = np.array([row.accelerator_mw or 0 if row else 0 for row in found], dtype=np.int64)
    assumed_use = np.where(cpu > 0, cpu, ASSUMED_MILLI) * (MICRO // MILLI)
    assumed_mw = -(-devices * device_mw // MILLI)
    guessed = ~metered & (devices > 0)
    return PodUse(
        use_ucores=np.where(measured, use, assumed_use),
        accelerator_mw=np.where(guessed, assumed_mw, watts),
        measured=measured,
        assumptions=(
            *_assumed_cpu(measured, cpu),
            *_assumed_devices(guessed, device_mw),
            *_other_devices(metered, template, template_units),
            *_unknown_pods(len(by_name)),
        ),
    )


def is_gpu(resource: str) -> bool:
    """Whether a resource stands for accelerators, or for parts of them."""
    domain, slash, _ = resource.partition("/")
    return bool(slash) and GPU in resource.lower() and not domain.endswith(OWN_DOMAINS)


def _devices_milli(resource: str, amount: int) -> int:
    if GPU not in resource or not amount:
        return 0
    part = resource.rpartition("/")[2]
    if "milli" in part:
        return amount
    if any(word in part for word in ("mem", "core", "percent")):
        return MILLI
    return amount * MILLI


def _by_name(rows: Iterable[UsageRow]) -> dict[tuple[str, str], UsageRow]:
    by_name: dict[tuple[str, str], UsageRow] = {}
    for row in rows:
        first = by_name.setdefault((row.namespace, row.pod), row)
        if first is not row:
            where = f" ({first.origin} and {row.origin})" if row.origin else ""
            raise InputError(f"pod {row.namespace}/{row.pod} has two rows of use{where}", "leave one of them")
    return by_name


def _assumed_cpu(measured: NDArray[np.bool_], cpu: NDArray[np.int64]) -> tuple[str, ...]:
    missing = int((~measured).sum())
    if not missing:
        return ()
    bare = int((~measured & (cpu == 0)).sum())
    rest = f", {bare} of them, with neither, by {ASSUMED_MILLI}m" if bare else ""
    return (f"Pods without a row of use: {missing} of {len(measured)}; they count by CPU request or limit{rest}.",)


def _assumed_devices(guessed: NDArray[np.bool_], device_mw: NDArray[np.int64]) -> tuple[str, ...]:
    if not guessed.any():
        return ()
    least, most = (format_watts(int(bound)) for bound in (device_mw[guessed].min(), device_mw[guessed].max()))
    each = least if least == most else f"{least} to {most}"
    return (f"Pods with accelerators and no measured draw: {guessed.sum()}; they count by {each} a whole device.",)


def _other_devices(
    metered: NDArray[np.bool_], template: NDArray[np.int32], template_units: Sequence[dict[str, int]]
) -> tuple[str, ...]:
    others = [{resource for resource in units if is_other_device(resource)} for units in template_units]
    touched = ~metered & np.array([bool(names) for names in others], dtype=np.bool_)[template]
    if not touched.any():
        return ()
    named = ", ".join(sorted(set().union(*(others[row] for row in set(template[touched].tolist())))))
    return (f"Pods that request {named} and have no measured draw: {touched.sum()}; no watts are counted for these.",)


def _unknown_pods(count: int) -> tuple[str, ...]:
    return (f"Rows of use of pods that are not running here: {count}; they are left out.",) if count else ()
