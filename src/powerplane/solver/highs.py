"""HiGHS behind a small face: columns and rows gathered as arrays, solved silent, answered with duals or a bound."""

from dataclasses import dataclass, field
from math import inf

import highspy
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float64]
TOLERANCE = 1e-7
"""HiGHS's own, by which a row may miss its limits."""


@dataclass(slots=True, eq=False)
class LinearModel:
    """A linear or mixed-integer model, minimised, in growth.

    Columns are added in blocks and named by their numbers; rows by lists of columns and values.
    """

    cost: list[float] = field(default_factory=list)
    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    row_lower: list[float] = field(default_factory=list)
    row_upper: list[float] = field(default_factory=list)
    entry_row: list[int] = field(default_factory=list)
    entry_column: list[int] = field(default_factory=list)
    entry_value: list[float] = field(default_factory=list)

    def column(self, cost: float, lower: float, upper: float, *, whole: bool = False) -> int:
        """Add a variable and return its number."""
        self.cost.append(cost)
        self.lower.append(lower)
        self.upper.append(upper)
        self.whole.append(whole)
        return len(self.cost) - 1

    def row(self, columns: list[int], values: list[float], lower: float = -inf, upper: float = inf) -> int:
        """Add ``lower <= values @ columns <= upper`` and return its number."""
        number = len(self.row_lower)
        self.row_lower.append(lower)
        self.row_upper.append(upper)
        self.entry_row.extend([number] * len(columns))
        self.entry_column.extend(columns)
        self.entry_value.extend(values)
        return number

    def program(self) -> "Program":
        """Return the model as arrays."""
        entries = (self.entry_value, (self.entry_row, self.entry_column))
        shape = (len(self.row_lower), len(self.cost))
        return Program(
            cost=np.array(self.cost, dtype=float),
            lower=np.array(self.lower, dtype=float),
            upper=np.array(self.upper, dtype=float),
            whole=np.array(self.whole, dtype=bool),
            matrix=sparse.csc_array(sparse.coo_array(entries, shape=shape)),
            row_lower=np.array(self.row_lower, dtype=float),
            row_upper=np.array(self.row_upper, dtype=float),
        )


@dataclass(frozen=True, slots=True, eq=False)
class LinearAnswer:
    """What HiGHS found.

    Parameters
    ----------
    feasible : bool or None
        False when proven infeasible, None when not known.
    values : float array or None
        The best solution, one value a column.
    row_duals : float array or None
        For a linear model.
    bound : float
        Proven lower bound of the objective, as HiGHS states it.
    """

    feasible: bool | None
    values: Floats | None
    row_duals: Floats | None
    objective: float
    bound: float


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A linear or mixed-integer program as arrays, minimised.

    Parameters
    ----------
    cost, lower, upper : float arrays, shape (columns,)
    whole : bool array, shape (columns,)
    matrix : CSC array, shape (rows, columns)
    row_lower, row_upper : float arrays, shape (rows,)
    """

    cost: Floats
    lower: Floats
    upper: Floats
    whole: NDArray[np.bool_]
    matrix: sparse.csc_array
    row_lower: Floats
    row_upper: Floats


def minimise(program: Program, *, seconds: float, seed: int = 0, gap: float = 0.0) -> LinearAnswer:
    """Solve a program within wall seconds, silent, on one thread."""
    if not len(program.cost):
        return _answer_empty(program)
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(program.cost), len(program.row_lower)
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = program.cost, program.lower, program.upper
    lp.row_lower_, lp.row_upper_ = program.row_lower, program.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = program.matrix.indptr.astype(np.int32)
    lp.a_matrix_.index_ = program.matrix.indices.astype(np.int32)
    lp.a_matrix_.value_ = program.matrix.data.astype(float)
    if program.whole.any():
        kinds = highspy.HighsVarType
        lp.integrality_ = [kinds.kInteger if w else kinds.kContinuous for w in program.whole.tolist()]
    engine = _engine(seconds, seed, gap)
    engine.passModel(lp)
    engine.run()
    return _answer(engine, bool(program.whole.any()))


def _answer_empty(program: Program) -> LinearAnswer:
    """Answer for a program without columns, of whose rows HiGHS does not say whether they hold."""
    if (program.row_lower > TOLERANCE).any() or (program.row_upper < -TOLERANCE).any():
        return LinearAnswer(False, None, None, inf, inf)
    return LinearAnswer(True, np.zeros(0), np.zeros(len(program.row_lower)), 0.0, 0.0)


def _engine(seconds: float, seed: int, gap: float) -> highspy.Highs:
    engine = highspy.Highs()
    engine.setOptionValue("output_flag", False)
    engine.setOptionValue("threads", 1)
    engine.setOptionValue("random_seed", seed)
    engine.setOptionValue("time_limit", max(seconds, 0.01))
    engine.setOptionValue("mip_rel_gap", gap)
    engine.setOptionValue("mip_abs_gap", 0.5)
    return engine


def _answer(engine: highspy.Highs, integral: bool) -> LinearAnswer:
    status = engine.getModelStatus()
    kinds = highspy.HighsModelStatus
    if status in (kinds.kInfeasible, kinds.kUnboundedOrInfeasible):
        return LinearAnswer(False, None, None, inf, inf)
    info = engine.getInfo()
    solution = engine.getSolution()
    found = info.primal_solution_status == highspy.kSolutionStatusFeasible
    values = np.array(solution.col_value) if found else None
    duals = np.array(solution.row_dual) if not integral and solution.dual_valid else None
    if integral:
        bound = float(info.mip_dual_bound)
    else:
        bound = float(info.objective_function_value) if status == kinds.kOptimal else -inf
    return LinearAnswer(True if found else None, values, duals, float(info.objective_function_value), bound)
