import re

import pytest

from powerplane.bench.cell_spec import KINDS, cell
from powerplane.bench.measurement import Measurement
from powerplane.bench.page import LABELS, Page, render, spread
from powerplane.bench.suite import Case, TraceSpec, choose, full_suite, quick_suite, standard_suite


def run(method, seed, **figures):
    filled = {"pods": 200, "nodes": 20, "classes": 50, "status": "feasible"} | figures
    return Measurement(method=method, objective="disruption", seed=seed, cell="slack-200x20", **filled)


def page(*runs, skipped=()):
    case = Case(cell("slack", 200, 20), "disruption", 5.0, ("powerplane", "greedy"), (1, 2))
    return render(Page((("machine", "one core"),), (case,), runs, (), skipped))


def row(text, label):
    return next(line for line in text.splitlines() if line.startswith(f"| {label} |"))


def test_a_row_shows_the_median_and_the_worst():
    text = page(*(run("powerplane", seed, cost=cost, checked=True) for seed, cost in ((1, 5.0), (2, 7.0))))
    assert "| 6.000 (7.000) |" in row(text, "PowerPlane")
    assert "2 of 2 | 2 of 2 |" in row(text, "PowerPlane")


def test_a_loss_is_in_bold_in_the_summary_and_at_its_cell():
    text = page(run("powerplane", 1, cost=5.0), run("greedy", 1, cost=4.0))
    assert text.count("**0 won, 0 tied, 1 lost**") == 2


def test_a_method_without_a_result_is_shown_with_its_reason():
    text = page(run("powerplane", 1), run("greedy", 1, status="failed", note="killed"))
    assert "no result in 1" in row(text, "greedy repair")
    assert "- greedy repair, seed 1: killed" in text


def test_figures_of_a_placement_that_lost_pods_are_left_out():
    text = page(run("powerplane", 1), run("greedy", 1, unplaced=3, cost=1.234))
    assert "1.234" not in text
    assert "pods without a node in 1" in row(text, "greedy repair")


def test_what_was_left_out_is_named():
    assert "- openb-all: no data." in page(run("powerplane", 1), skipped=("openb-all: no data.",))


def test_the_same_runs_in_another_order_give_the_same_page():
    runs = [run(method, seed, cost=seed) for method in ("powerplane", "greedy") for seed in (1, 2)]
    assert page(*runs) == page(*reversed(runs))


@pytest.mark.parametrize(
    ("values", "text"),
    [([], "–"), ([None], "–"), ([1.0, None], "1.0, none in 1"), ([1.0, 2.0, 4.0], "2.0 (4.0)"), ([2.0, 2.0], "2.0")],
)
def test_a_spread_prints_median_worst_and_what_is_missing(values, text):
    assert spread(values, "{:.1f}") == text


def test_every_table_has_as_many_cells_in_each_row_as_headings():
    text = page(run("powerplane", 1), run("greedy", 1))
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        assert len({line.count("|") for line in block.splitlines()}) == 1


@pytest.mark.parametrize("suite", [full_suite(), quick_suite()], ids=["full", "quick"])
def test_the_suites_name_each_case_once_and_only_methods_that_have_a_label(suite):
    names = [case.name for case in suite]
    assert len(set(names)) == len(names)
    assert {method for case in suite for method in case.methods} <= set(LABELS)
    assert all(case.methods[0] == "powerplane" for case in suite)


def test_the_full_suite_has_every_family_at_three_sizes_over_five_seeds():
    suite = full_suite()
    for kind in ("slack", "knots", "noisy", "snug", "tight", "packed", "infeasible", "constrained"):
        for size in ("200x20", "1kx100", "10kx500"):
            (case,) = [case for case in suite if case.name == f"{kind}-{size}"]
            assert len(case.seeds) == 5
    assert any(isinstance(case.spec, TraceSpec) for case in suite)


def test_the_standard_suite_has_every_family_and_every_size_over_five_seeds():
    suite = standard_suite()
    names = {case.name for case in suite}
    assert names <= {case.name for case in full_suite()}
    assert all(f"{kind}-200x20" in names for kind in KINDS)
    assert {"slack-1kx100", "slack-10kx500", "slack-100kx5k", "openb-all", "slack-1kx100-energy"} <= names
    assert all(len(case.seeds) == 5 for case in suite if not isinstance(case.spec, TraceSpec))


def test_cases_are_chosen_by_part_of_their_name():
    assert {case.name for case in choose(full_suite(), "tight-10k")} == {"tight-10kx500", "tight-10kx500-energy"}
    assert choose(full_suite(), None) == full_suite()
