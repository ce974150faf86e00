"""The cells, seeds, methods and time limits of a benchmark run."""

from dataclasses import dataclass

from powerplane.bench.cell_spec import KINDS, CellSpec, cell

SEEDS = (1, 2, 3, 4, 5)
TINY, SMALL, MEDIUM, LARGE = (200, 20), (1_000, 100), (10_000, 500), (100_000, 5_000)
SECONDS = {TINY: 5.0, SMALL: 5.0, MEDIUM: 5.0, LARGE: 30.0}
"""Time limit of every method by size of cell."""

ENOUGH = ("greedy", "first-fit", "best-fit")
ANEW = ("first-fit-anew", "best-fit-anew")
ENERGY = ("drain", "repack")


DATA_VARIABLE = "POWERPLANE_DATA"


@dataclass(frozen=True, slots=True)
class TraceSpec:
    """Alibaba's 2023 GPU trace with racks of ours: every ``cut_every``-th loses 10 %, the others may add 12 %."""

    name: str
    cut_every: int


@dataclass(frozen=True, slots=True)
class Case:
    """One cell and what is run on it.

    Parameters
    ----------
    spec : CellSpec or TraceSpec
        Where the snapshot comes from.
    objective : "disruption" or "energy"
    seconds : float
        Time limit of each method.
    methods : tuple of str
        As ``powerplane.bench.measure`` names them; PowerPlane first.
    """

    spec: CellSpec | TraceSpec
    objective: str
    seconds: float
    methods: tuple[str, ...]
    seeds: tuple[int, ...] = SEEDS

    @property
    def name(self) -> str:
        """The cell's name, and the objective where it is not the usual one."""
        return self.spec.name if self.objective == "disruption" else f"{self.spec.name}-{self.objective}"


def full_suite() -> tuple[Case, ...]:
    """Every family at three sizes, some at full scale, and the energy objective; about two hours."""
    repairs = [_repair(kind, size) for size in (TINY, SMALL, MEDIUM) for kind in KINDS]
    repairs.insert(1, _repair("slack", TINY, single_rack=True))
    large = [_repair(kind, LARGE) for kind in ("slack", "tight", "constrained")]
    energy = [_energy(kind, size) for size in (TINY, SMALL, MEDIUM) for kind in ("slack", "tight")]
    return (*repairs, *_traces(), *large, *energy)


def standard_suite() -> tuple[Case, ...]:
    """Every family at the smallest size, some at the others, one at full scale, and energy; about half an hour."""
    tiny = [_repair(kind, TINY) for kind in KINDS]
    tiny.insert(1, _repair("slack", TINY, single_rack=True))
    small = [_repair(kind, SMALL) for kind in ("slack", "snug", "tight", "infeasible")]
    medium = [_repair(kind, MEDIUM) for kind in ("slack", "knots", "noisy", "constrained", "tight")]
    energy = [_energy("slack", TINY), _energy("slack", SMALL), _energy("tight", SMALL)]
    return (*tiny, *small, *medium, *_traces(SEEDS[:1]), _repair("slack", LARGE), *energy)


def _traces(seeds: tuple[int, ...] = SEEDS) -> tuple[Case, ...]:
    methods = ("powerplane", *ENOUGH)
    specs = (TraceSpec("openb-third", 3), TraceSpec("openb-all", 1))
    return tuple(Case(spec, "disruption", 10.0, methods, seeds) for spec in specs)


def quick_suite() -> tuple[Case, ...]:
    """Every family at the smallest size and two at 10,000 pods, over few seeds; a few minutes."""
    repairs = [_repair(kind, TINY, seeds=SEEDS[:2]) for kind in KINDS]
    medium = [_repair(kind, MEDIUM, seeds=SEEDS[:1]) for kind in ("slack", "tight")]
    return (*repairs, *medium, _energy("slack", TINY, seeds=SEEDS[:2]))


def choose(cases: tuple[Case, ...], only: str | None) -> tuple[Case, ...]:
    """Keep the cases whose name contains ``only``."""
    return tuple(case for case in cases if not only or only in case.name)


def _repair(kind: str, size: tuple[int, int], *, seeds: tuple[int, ...] = SEEDS, single_rack: bool = False) -> Case:
    twin = ("twin",) if size == TINY else ()
    anew = () if size == LARGE else ANEW
    spec = cell(kind, *size, single_rack=single_rack)
    return Case(spec, "disruption", SECONDS[size], ("powerplane", *ENOUGH, *anew, *twin), seeds)


def _energy(kind: str, size: tuple[int, int], *, seeds: tuple[int, ...] = SEEDS) -> Case:
    return Case(cell(kind, *size), "energy", SECONDS[size], ("powerplane", *ENERGY), seeds)
