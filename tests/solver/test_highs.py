"""HiGHS behind its small face."""

from math import inf

import numpy as np
import pytest

from powerplane.solver.highs import LinearModel, minimise


def diet(*, whole=False):
    """Least 2x + 3y with x + y at least 4 and x at most 3: x = 3, y = 1."""
    model = LinearModel()
    x, y = model.column(2, 0, 3, whole=whole), model.column(3, 0, inf, whole=whole)
    model.row([x, y], [1.0, 1.0], lower=4)
    return model


def test_a_linear_answer_has_values_duals_and_its_objective_as_bound():
    answer = minimise(diet().program(), seconds=5)
    assert answer.feasible is True
    assert answer.values == pytest.approx([3, 1])
    assert answer.row_duals == pytest.approx([3])
    assert answer.bound == answer.objective == pytest.approx(9)


def test_a_whole_answer_is_whole_and_its_bound_is_no_higher():
    model = LinearModel()
    columns = [model.column(5, 0, 9, whole=True), model.column(4, 0, 9, whole=True)]
    model.row(columns, [3.0, 2.0], lower=7)
    answer = minimise(model.program(), seconds=5)
    assert answer.values == pytest.approx([1, 2])
    assert answer.objective == pytest.approx(13)
    assert answer.row_duals is None
    assert 12 < answer.bound <= 13 + 1e-6


@pytest.mark.parametrize("whole", [False, True])
def test_what_cannot_be_is_called_infeasible(whole):
    model = diet(whole=whole)
    model.row([0, 1], [1.0, 1.0], upper=3)
    answer = minimise(model.program(), seconds=5)
    assert (answer.feasible, answer.values, answer.bound) == (False, None, inf)


@pytest.mark.parametrize("whole", [False, True])
def test_solving_says_nothing(whole, capfd):
    minimise(diet(whole=whole).program(), seconds=5)
    assert capfd.readouterr() == ("", "")


def test_the_same_model_gives_the_same_answer():
    rng = np.random.default_rng(3)
    model = LinearModel()
    for cost in rng.integers(1, 20, 30).tolist():
        model.column(cost, 0, 2, whole=True)
    for _ in range(10):
        model.row(list(range(30)), rng.integers(0, 9, 30).astype(float).tolist(), lower=40)
    answers = [minimise(model.program(), seconds=20, seed=7).values for _ in range(2)]
    assert (answers[0] == answers[1]).all()


def test_a_model_without_rows_rests_at_its_bounds():
    model = LinearModel()
    model.column(1, 2, 5)
    model.column(-1, 2, 5)
    assert minimise(model.program(), seconds=5).values == pytest.approx([2, 5])


def test_a_model_without_columns_is_feasible_only_where_its_rows_hold_nothing():
    model = LinearModel()
    model.row([], [], upper=0.0)
    assert minimise(model.program(), seconds=5).feasible is True
    model.row([], [], upper=-1.0)
    assert minimise(model.program(), seconds=5).feasible is False
