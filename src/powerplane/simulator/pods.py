"""The pods of a running simulation, in columns that grow: a row is a replica, whose pod may be made anew."""

from enum import IntEnum
from hashlib import blake2b
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from powerplane.models.snapshot import Snapshot

NOWHERE = -1
LETTERS = "bcdfghjklmnpqrstvwxz2456789"
NEVER = np.inf


class Phase(IntEnum):
    """What a row is."""

    FREE = 0
    WAITING = 1
    STARTING = 2
    RUNNING = 3
    LEAVING = 4
    DARK = 5


EXISTING = (Phase.WAITING, Phase.STARTING, Phase.RUNNING, Phase.LEAVING, Phase.DARK)

_COLUMNS = {
    "template": (np.int32, 0),
    "node": (np.int32, NOWHERE),
    "phase": (np.int8, Phase.FREE),
    "until_s": (np.float64, NEVER),
    "target": (np.int32, NOWHERE),
    "cores": (np.float64, 0.0),
    "device_watts": (np.float64, 0.0),
    "began_s": (np.float64, 0.0),
    "duration_s": (np.float64, 0.0),
    "start_s": (np.float64, 0.0),
    "serial": (np.int64, -1),
    "swing": (np.complex128, 0.0),
    "period_s": (np.float64, 600.0),
    "lost": (np.bool_, False),
    "moving": (np.bool_, False),
    "gated": (np.bool_, False),
}


class PodTable:
    """Rows of pods.

    Attributes
    ----------
    template, node : int32 arrays
        Rows of the template, and of the node (``NOWHERE`` while it waits).
    phase : int8 array
        FREE rows are none; WAITING for a node; STARTING (draws, does not serve yet); RUNNING; LEAVING its node for
        another, or for good; DARK with its node, until that returns or the pod is given up.
    until_s : float64 array
        When the phase ends by itself.
    target : int32 array
        Where a LEAVING pod will start; ``NOWHERE`` when it just ends.
    cores, device_watts : float64 arrays
        What it uses at level 1: CPUs, and watts of devices that are not simulated one by one.
    began_s, duration_s : float64 arrays
        When it began to run; how long it takes once it runs, 0 for what never ends.
    start_s : float64 array
        How long a LEAVING pod will take to be ready at its target.
    serial : int64 array
        Tells one pod of a row from the next.
    swing : complex128 array
        Its own swing: a point on a circle, whose real part is from -1 to 1.
    lost, moving : bool arrays
        Does not serve since its node lost power; is between its stop and its being ready elsewhere.
    gated : bool array
        WAITING behind a scheduling gate: no scheduler looks at it.
    version : int
        Grows whenever a pod comes, goes, or changes its phase or place.
    """

    template: NDArray[np.int32]
    node: NDArray[np.int32]
    phase: NDArray[np.int8]
    until_s: NDArray[np.float64]
    target: NDArray[np.int32]
    cores: NDArray[np.float64]
    device_watts: NDArray[np.float64]
    began_s: NDArray[np.float64]
    duration_s: NDArray[np.float64]
    start_s: NDArray[np.float64]
    serial: NDArray[np.int64]
    swing: NDArray[np.complex128]
    period_s: NDArray[np.float64]
    lost: NDArray[np.bool_]
    moving: NDArray[np.bool_]
    gated: NDArray[np.bool_]

    def __init__(self, base: Snapshot, seed: int) -> None:
        self._base, self._seed = base, seed
        self.version = 0
        self._given = len(base.pods)
        self._next = self._given
        self._free: list[int] = []
        self._names: dict[int, tuple[str, str]] = {}
        for name, (kind, value) in _COLUMNS.items():
            setattr(self, name, np.full(max(self._given, 64), value, dtype=kind))
        rows = np.arange(self._given)
        self.template[rows], self.node[rows] = base.pods.template, base.pods.node
        self.phase[rows] = np.where(base.pods.node >= 0, Phase.RUNNING, Phase.WAITING)
        self.serial[rows] = rows
        self._free = list(range(len(self.phase) - 1, self._given - 1, -1))

    def __len__(self) -> int:
        return len(self.phase)

    def add(self, template: int) -> int:
        """Make a pod that waits; return its row."""
        if not self._free:
            self._grow()
        row = self._free.pop()
        for name, (_, value) in _COLUMNS.items():
            getattr(self, name)[row] = value
        self.template[row], self.phase[row] = template, Phase.WAITING
        self.renew(row)
        self.changed()
        return row

    def renew(self, row: int) -> None:
        """Give a row a new pod: another name, another UID."""
        self._names.pop(int(self.serial[row]), None)
        self.serial[row] = self._next
        self._next += 1

    def remove(self, row: int) -> None:
        """Let a row go."""
        self._names.pop(int(self.serial[row]), None)
        self.phase[row], self.node[row], self.until_s[row] = Phase.FREE, NOWHERE, NEVER
        self.serial[row], self.target[row] = -1, NOWHERE
        self.lost[row] = self.moving[row] = self.gated[row] = False
        self.changed()
        self._free.append(row)

    @property
    def made(self) -> int:
        """Pods that there ever were."""
        return self._next

    def changed(self) -> None:
        """Say that some pod's phase or place is another: what is kept of them elsewhere is stale."""
        self.version += 1

    def rows(self, *phases: Phase) -> NDArray[np.int64]:
        """Rows in one of some phases."""
        found = self.phase == phases[0]
        for phase in phases[1:]:
            found |= self.phase == phase
        return np.flatnonzero(found)

    def name_and_uid(self, row: int) -> tuple[str, str]:
        """Name and UID of a row's pod: the snapshot's own, or made from seed and serial."""
        serial = int(self.serial[row])
        if serial < self._given:
            return self._base.pods.names[serial], self._base.pods.uids[serial]
        if serial not in self._names:
            self._names[serial] = self._make(serial, self._base.templates[int(self.template[row])].owner)
        return self._names[serial]

    def _make(self, serial: int, owner: str) -> tuple[str, str]:
        digest = blake2b(f"{self._seed}/{serial}".encode(), digest_size=32).digest()
        tail = "".join(LETTERS[byte % len(LETTERS)] for byte in digest[16:21])
        kind, _, name = owner.partition("/")
        middle = f"-{blake2b(name.encode(), digest_size=4).hexdigest()}" if kind == "Deployment" else ""
        return f"{name or 'pod'}{middle}-{tail}", str(UUID(bytes=digest[:16], version=4))

    def _grow(self) -> None:
        before = len(self.phase)
        for name, (kind, value) in _COLUMNS.items():
            setattr(self, name, np.concatenate([getattr(self, name), np.full(before, value, dtype=kind)]))
        self._free = list(range(2 * before - 1, before - 1, -1))
