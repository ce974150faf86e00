import json

import pytest

from powerplane.bench.cell_spec import cell
from powerplane.bench.cells import write_spec
from powerplane.bench.measure import BASELINES, first_feasible_s, main, measure
from powerplane.models.errors import UsageError
from powerplane.solver.result import Result


@pytest.fixture(scope="module")
def small_cell(tmp_path_factory):
    path = tmp_path_factory.mktemp("small")
    write_spec(path, cell("slack", 100, 20), 1)
    return path


METHODS = ("powerplane", "twin", *BASELINES)


@pytest.fixture(scope="module")
def runs(small_cell):
    how = {"objective": "disruption", "seconds": 3.0, "seed": 1, "workers": 1}
    return {method: measure(small_cell, method=method, **how) for method in METHODS}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_repairs_a_small_slack_cell_and_says_so(runs, method):
    run = runs[method]
    assert run.found_overload_watts > 0
    assert run.holds
    assert run.moves >= 1
    assert run.cost > 0
    assert run.checked is (True if method == "powerplane" else None)
    assert 0 < run.asleep_watts <= run.draw_watts
    assert run.rss_mib >= run.snapshot_rss_mib > 0


def test_the_bound_is_below_what_any_method_pays(runs):
    assert all(runs["powerplane"].bound <= run.cost for run in runs.values())


def test_an_unknown_method_is_refused_with_those_that_there_are(small_cell):
    with pytest.raises(UsageError, match=r"'magic'.*\n.*greedy"):
        measure(small_cell, method="magic", objective="disruption", seconds=1.0, seed=1, workers=1)


def test_the_command_prints_one_line_of_json(small_cell, capsys):
    assert main([str(small_cell), "--method", "greedy"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out)["method"] == "greedy"


def test_a_directory_that_is_no_snapshot_is_told_without_a_traceback(tmp_path, capsys):
    assert main([str(tmp_path / "none")]) == 1
    err = capsys.readouterr().err
    assert "none" in err
    assert "next:" in err
    assert "Traceback" not in err


def test_the_first_feasible_plan_is_the_first_without_overload():
    trail = ((0.0, 0, 500, "found"), (0.1, 9, 20, "greedy"), (0.3, 12, 0, "repair"), (0.9, 8, 0, "better"))
    result = Result("feasible", "disruption", (), 8, 0, 0, 0, 1, 1.0, trail)
    assert first_feasible_s(result) == 0.3
    assert first_feasible_s(Result("unknown", "disruption", (), 0, 0, 20, 0, 1, 1.0, trail[:2])) is None
