"""What is remembered of workloads, to objects and back, so that a restart begins with what was learned.

Histograms are kept, to a ten-thousandth of their fullest bucket. What pods have in common is not: it is learned anew
within hours, and until then the prior counts (``sharing``).
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
import numpy as np

from powerplane.models.api.demand_checkpoint import (
    LONGEST_OWNER,
    DemandCheckpointObject,
    DemandCheckpointSpec,
    StoredHistogram,
)
from powerplane.models.demand.bank import HistogramBank
from powerplane.models.demand.histogram import LARGEST_EXPONENT, DecayingHistogram, HistogramCheckpoint, restored
from powerplane.models.demand.memory import FORGET_S, DemandMemory
from powerplane.models.errors import InputError
from powerplane.models.objects import ObjectMeta

LONGEST_STEM: Final = 200
LONGEST_DRIFT: Final = 2 * LARGEST_EXPONENT
"""Half-lives between the time that weights are of and the newest sample; of much more no power of two is a number."""

NEXT_STEP: Final = "delete the checkpoint; what it held is learned anew"

_OWNER = re.compile(r"[^/\s]+/[^/\s]+/[^/\s]+")
_WEIGHT = re.compile(r"([0-9]{1,4}):([0-9]{1,6})")
_NO_NAME = re.compile(r"[^a-z0-9]+")


def checkpoint_name(owner: str) -> str:
    """Name of a workload's checkpoint: readable, and of no other workload.

    Parameters
    ----------
    owner : str
        ``namespace/Kind/name``.
    """
    digest = hashlib.sha256(owner.encode()).hexdigest()[:12]
    stem = _NO_NAME.sub("-", owner.lower())[:LONGEST_STEM].strip("-")
    return f"{stem}-{digest}" if stem else digest


def checkpoint_of(memory: DemandMemory, owner: str, written_at: str) -> DemandCheckpointObject | None:
    """Return what is remembered of a workload; None where it has no sample, or a name that no object can hold.

    Parameters
    ----------
    memory : DemandMemory
    owner : str
        ``namespace/Kind/name``.
    written_at : str
        RFC 3339.
    """
    known = memory.workload(owner)
    if not (known.cores.samples or known.accelerator.samples) or len(owner) > LONGEST_OWNER:
        return None
    spec = DemandCheckpointSpec(owner, written_at, _stored(known.cores), _stored(known.accelerator))
    return DemandCheckpointObject(ObjectMeta(checkpoint_name(owner)), spec)


def put_back(memory: DemandMemory, checkpoint: DemandCheckpointObject, now_s: float = np.inf) -> bool:
    """Add what a checkpoint holds to a memory, whole or not at all; return whether there was anything to add.

    Parameters
    ----------
    memory : DemandMemory
        Changed in place.
    checkpoint : DemandCheckpointObject
    now_s : float
        Unix seconds: samples of times to come would outweigh all others for days, and are not believed.

    Raises
    ------
    InputError
        For one that no memory can have written; it is named, and the memory is as it was.
    """
    name, spec = checkpoint.metadata.name, checkpoint.spec
    try:
        if not _OWNER.fullmatch(spec.owner):
            raise InputError(f"it is of {spec.owner[:80]!r}, which is no namespace/Kind/name", NEXT_STEP)
        cores = _read(spec.cores, memory.cores, now_s)
        watts = _read(spec.accelerator_watts, memory.watts, now_s)
    except InputError as error:
        raise InputError(f"DemandCheckpoint {name}: {error.problem}", NEXT_STEP) from None
    if cores is None and watts is None:
        return False
    (row,) = memory.rows([spec.owner]).tolist()
    for bank, histogram in ((memory.cores, cores), (memory.watts, watts)):
        if histogram is not None:
            bank.put(row, histogram)
    return True


def put_all_back(
    memory: DemandMemory, items: Iterable[Mapping[str, Any]], now_s: float = np.inf
) -> tuple[InputError, ...]:
    """Add checkpoints to a memory as the API lists them; return why some could not be, each by its name.

    Parameters
    ----------
    memory : DemandMemory
        Changed in place.
    items : iterable of mapping
        One that cannot be read holds up no other.
    now_s : float
        See ``put_back``.
    """
    refused = []
    for item in items:
        try:
            put_back(memory, _object(item), now_s)
        except InputError as error:
            refused.append(error)
    return tuple(refused)


def due(memory: DemandMemory, written_s: Mapping[str, float], most: int) -> tuple[str, ...]:
    """Workloads whose checkpoints to write next: those that learned since, never written and oldest first.

    Parameters
    ----------
    memory : DemandMemory
    written_s : mapping
        By owner: the Unix seconds of what is written of it.
    most : int
        How many at the most.
    """
    last = np.maximum(memory.cores.last_s, memory.watts.last_s).tolist()
    waiting = [
        (written_s.get(owner, -np.inf), owner)
        for owner, row in memory.row_of.items()
        if row < len(last) and last[row] > written_s.get(owner, -np.inf)
    ]
    return tuple(owner for _, owner in sorted(waiting)[:most])


def outlived(checkpoint: DemandCheckpointObject, now_s: float) -> bool:
    """Whether all that a checkpoint holds is so old that a memory would have forgotten it."""
    kept = [each for each in (checkpoint.spec.cores, checkpoint.spec.accelerator_watts) if each is not None]
    return max((each.last_seconds for each in kept), default=-np.inf) < now_s - FORGET_S


def _object(item: Mapping[str, Any]) -> DemandCheckpointObject:
    try:
        return msgspec.convert(item, DemandCheckpointObject)
    except msgspec.ValidationError as error:
        metadata = item.get("metadata")
        name = metadata.get("name", "") if isinstance(metadata, Mapping) else ""
        raise InputError(f"DemandCheckpoint {name}: {error}", NEXT_STEP) from None


def _stored(histogram: DecayingHistogram) -> StoredHistogram | None:
    if not histogram.samples:
        return None
    kept = histogram.checkpoint()
    return StoredHistogram(
        buckets=kept.buckets,
        half_life_seconds=kept.half_life_s,
        reference_seconds=kept.reference_s,
        weights=" ".join(f"{bucket}:{weight}" for bucket, weight in kept.weights.items()),
        total=kept.total,
        mean=kept.mean,
        variance=kept.variance,
        first_seconds=kept.first_s,
        last_seconds=kept.last_s,
        samples=kept.samples,
        refused=kept.refused,
    )


def _read(stored: StoredHistogram | None, bank: HistogramBank, now_s: float) -> DecayingHistogram | None:
    if stored is None:
        return None
    if stored.half_life_seconds != bank.half_life_s:
        raise InputError(f"its half-life is {stored.half_life_seconds:g} s, not {bank.half_life_s:g} s", NEXT_STEP)
    if not stored.first_seconds <= stored.last_seconds <= now_s:
        raise InputError("its samples end before they begin, or later than now", NEXT_STEP)
    if not abs(stored.reference_seconds - stored.last_seconds) <= LONGEST_DRIFT * bank.half_life_s:
        raise InputError("its weights are of another time than its samples", NEXT_STEP)
    found = restored(
        HistogramCheckpoint(
            buckets=stored.buckets,
            half_life_s=stored.half_life_seconds,
            reference_s=stored.reference_seconds,
            weights=_weights(stored.weights),
            total=stored.total,
            mean=stored.mean,
            variance=stored.variance,
            first_s=stored.first_seconds,
            last_s=stored.last_seconds,
            samples=stored.samples,
            refused=stored.refused,
        ),
        bank.buckets,
    )
    return found if found.samples else None


def _weights(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in text.split():
        match = _WEIGHT.fullmatch(part)
        if match is None or match[1] in found:
            raise InputError(f"its weights say {part[:20]!r}", NEXT_STEP)
        found[match[1]] = int(match[2])
    return found
