"""The nodes and pod classes of a generated cell, drawn from a seed."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from powerplane.bench.cell_spec import CellSpec
from powerplane.models.errors import UsageError

MIB_PER_CORE = 4096
ZONES = ("zone-a", "zone-b", "zone-c")
LARGEST_POD_MILLICORES = 16_000
LARGEST_POD_MIB = 65_536
DAEMON = "node-agent"


@dataclass(frozen=True, slots=True)
class MachineType:
    """A server model: what it offers and what it draws."""

    name: str
    cores: int
    max_pods: int
    idle_watts: int
    peak_watts: int

    def knots(self, shape: str) -> tuple[tuple[str, str], ...]:
        """Utilisation and watts of the curve's knots, as decimal text."""
        span = self.peak_watts - self.idle_watts
        steps = (("0", 0), ("1", 100)) if shape == "linear" else (("0", 0), ("0.1", 18), ("0.5", 60), ("1", 100))
        return tuple((at, f"{self.idle_watts + span * percent / 100:.3f}") for at, percent in steps)


MACHINES = (
    MachineType("c32", 32, 110, 110, 350),
    MachineType("c64", 64, 160, 150, 500),
    MachineType("c96", 96, 220, 190, 650),
    MachineType("c128", 128, 256, 240, 800),
)


@dataclass(frozen=True, slots=True)
class WorkloadClass:
    """A Deployment (or the DaemonSet) and what its pods ask for.

    Parameters
    ----------
    use_ucores : int
        What a pod uses, in micro-cores, before noise.
    zones : tuple of str
        Zones that it must run in; any when empty.
    fresh : bool
        Rolled out half a day after all others, a moment before the snapshot.
    """

    name: str
    namespace: str
    count: int
    cpu_milli: int
    memory_mib: int
    use_ucores: int
    daemon: bool = False
    tolerates: bool = False
    zones: tuple[str, ...] = ()
    alone: bool = False
    spread: bool = False
    protected: bool = False
    priority: int = 0
    fresh: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Fleet:
    """Nodes and classes.

    Parameters
    ----------
    machine : int array, shape (N,)
        Row of ``MACHINES``.
    zone : int array, shape (N,)
        Row of ``ZONES``.
    tainted : bool array, shape (N,)
    classes : tuple of WorkloadClass
    """

    machine: NDArray[np.int64]
    zone: NDArray[np.int64]
    tainted: NDArray[np.bool_]
    classes: tuple[WorkloadClass, ...]

    @property
    def cores(self) -> NDArray[np.int64]:
        """Allocatable cores of each node."""
        cores: NDArray[np.int64] = np.array([machine.cores for machine in MACHINES], dtype=np.int64)[self.machine]
        return cores


def draw_fleet(spec: CellSpec, rng: np.random.Generator) -> Fleet:
    """Draw the nodes and classes of a cell: the same for the same generator state."""
    machine = rng.permutation(np.arange(spec.nodes) % len(MACHINES))
    rack = np.arange(spec.nodes) // spec.rack_size
    zone = rack * len(ZONES) // spec.rack_count
    tainted = np.zeros(spec.nodes, dtype=bool)
    if spec.constrained:
        tainted[rng.choice(spec.nodes, size=max(1, spec.nodes // 10), replace=False)] = True
    bare = Fleet(machine, zone, tainted, ())
    return Fleet(machine, zone, tainted, _draw_classes(spec, int(bare.cores.sum()), rng))


def class_count(pods: int) -> int:
    """About 150 classes; fewer where the pods would hardly make a class."""
    return min(150, max(1, pods // 4))


def _draw_classes(spec: CellSpec, cores: int, rng: np.random.Generator) -> tuple[WorkloadClass, ...]:
    daemons = _daemons(spec)
    counts = _zipf_counts(spec.pods - sum(d.count for d in daemons), class_count(spec.pods))
    taken_milli = sum(d.count * d.cpu_milli for d in daemons)
    cpu_share = rng.lognormal(0.0, 0.9, size=len(counts))
    memory_share = cpu_share * rng.lognormal(0.0, 0.5, size=len(counts))
    target = spec.utilisation * cores
    cpu = _scaled(cpu_share, counts, target * 1000 - taken_milli, LARGEST_POD_MILLICORES)
    memory = _scaled(memory_share, counts, 0.8 * target * MIB_PER_CORE, LARGEST_POD_MIB)
    shares = rng.integers(250, 850, size=len(counts))
    plain = [
        WorkloadClass(
            name=f"app-{row:03d}",
            namespace=f"team-{row % 12:02d}",
            count=int(counts[row]),
            cpu_milli=int(cpu[row]),
            memory_mib=int(memory[row]),
            use_ucores=int(cpu[row]) * int(shares[row]),
            fresh=row == len(counts) - 1,
        )
        for row in range(len(counts))
    ]
    if spec.constrained:
        plain = [_constrain(workload, row, spec) for row, workload in enumerate(plain)]
    return (*daemons, *plain)


def _daemons(spec: CellSpec) -> tuple[WorkloadClass, ...]:
    if not spec.constrained:
        return ()
    return (WorkloadClass(DAEMON, "kube-system", spec.nodes, 100, 128, 50_000, daemon=True, tolerates=True),)


def _zipf_counts(pods: int, classes: int) -> NDArray[np.int64]:
    """Counts in proportion to 1/rank, each at least 1, that sum to ``pods`` (largest remainders)."""
    weight = 1 / np.arange(1, classes + 1)
    ideal = (pods - classes) * weight / weight.sum()
    counts: NDArray[np.int64] = np.floor(ideal).astype(np.int64) + 1
    short = pods - int(counts.sum())
    counts[np.argsort(np.floor(ideal) - ideal, kind="stable")[:short]] += 1
    return counts


def _scaled(shares: NDArray[np.float64], counts: NDArray[np.int64], total: float, largest: int) -> NDArray[np.int64]:
    """Sizes in proportion to the shares, at most ``largest``, that sum to ``total`` over all pods."""
    if largest * counts.sum() < total:
        raise UsageError(
            f"{counts.sum()} pods of at most 16 cores and 64 GiB do not reach the cell's utilisation",
            "give more pods, fewer nodes, or a lower utilisation",
        )
    capped = np.zeros(len(shares), dtype=bool)
    while True:
        rest = total - largest * counts[capped].sum()
        sizes = np.where(capped, largest, shares * rest / max((shares * counts)[~capped].sum(), 1e-9))
        over = (sizes > largest) & ~capped
        if not over.any():
            whole: NDArray[np.int64] = np.maximum(1, np.rint(sizes)).astype(np.int64)
            return whole
        capped |= over


def _constrain(workload: WorkloadClass, row: int, spec: CellSpec) -> WorkloadClass:
    """Give constraints in turn, so that each kind lies on classes of every size; some classes have two."""
    zones = ZONES[:2] if row % 8 == 3 else ()
    return replace(
        workload,
        tolerates=row % 6 == 1,
        zones=zones,
        alone=row % 5 == 2 and workload.count <= spec.nodes // 4,
        spread=row % 7 == 4 and not zones,
        protected=row % 3 == 0,
        priority=1000 if row % 10 == 5 else 0,
    )
