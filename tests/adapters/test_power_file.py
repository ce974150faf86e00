"""power.yaml: which node gets which curve and budget, and what is refused with its place."""

from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.api_objects import node

from powerplane.adapters.power_file import parse_power, read_power
from powerplane.models.errors import InputError
from powerplane.models.snapshot import NO_BUDGET

NODES = [node("n1", type="big", zone="z"), node("n2", type="big"), node("n3")]
CURVES = "curves: {a: [[0, 100], [0.1, 140.0001], [1, 300]], b: [[0, 1], [1, 2]]}\n"


def powers(nodes, curves=CURVES):
    return parse_power(f"{curves}nodes: {nodes}".encode(), NODES).nodes


def refusal(text):
    with pytest.raises(InputError) as caught:
        parse_power(text.encode(), NODES)
    return caught.value


def test_curves_are_exact_and_watts_rounded_up():
    curve = powers("{default: {curve: a}}")["n1"].curve
    assert curve.utilisation == (0, Fraction(1, 10), 1)
    assert curve.milliwatts == (100_000, 140_001, 300_000)


def test_figures_may_be_quoted_or_have_an_exponent():
    curve = powers("{default: {curve: c}}", "curves: {c: [['0', 1e2], [1.0, '3e2']]}\n")["n1"].curve
    assert curve.milliwatts == (100_000, 300_000)


def test_nodes_of_one_kind_share_one_power():
    found = powers("{default: {curve: a, budget: 90%}}")
    assert found["n1"] is found["n3"]


@pytest.mark.parametrize(
    ("budget", "budget_mw"), [("450W", 450_000), ("90%", 270_000), ("33.3333 %", 99_999), ("200%", 600_000)]
)
def test_a_budget_is_watts_or_a_share_of_the_peak_rounded_down(budget, budget_mw):
    assert powers(f"{{default: {{curve: a, budget: {budget}}}}}")["n1"].budget_mw == budget_mw


def test_without_a_budget_a_node_may_draw_anything():
    assert powers("{default: {curve: a}}")["n1"].budget_mw == NO_BUDGET


def test_each_field_is_taken_from_the_name_then_the_first_label_then_the_default():
    found = powers(
        """
  default: {curve: a, budget: 250W, acceleratorPeak: 300W}
  byLabel:
  - {label: {type: big, zone: z}, budget: 260W}
  - {label: {type: big}, curve: b, budget: 270W}
  byName:
    n1: {acceleratorPeak: 400W}
    n2: {budget: 280W}
"""
    )
    assert {name: (each.curve.name, each.budget_mw, each.accelerator_peak_mw) for name, each in found.items()} == {
        "n1": ("b", 260_000, 400_000),
        "n2": ("b", 280_000, 300_000),
        "n3": ("a", 250_000, 300_000),
    }


def test_a_node_for_which_nothing_is_stated_is_left_out():
    assert sorted(powers("{byLabel: [{label: {type: big}, curve: a}]}")) == ["n1", "n2"]


def test_a_file_is_read_by_its_path(tmp_path):
    (tmp_path / "watts.yaml").write_text(CURVES + "nodes: {default: {curve: b}}")
    assert read_power(tmp_path / "watts.yaml", NODES).nodes["n1"].curve.name == "b"


@pytest.mark.parametrize(
    ("text", "problem", "next_step"),
    [
        (CURVES + "nodes: {default: {curve: c}}", "there is no curve 'c'", "one of these: a, b"),
        (CURVES + "nodes: {byName: {n9: {curve: a}}}", "byName names node 'n9', which the cluster does not have", ""),
        (CURVES + "nodes: {byLabel: [{label: {}, curve: a}]}", "an entry of byLabel has no label", "`default`"),
        (CURVES + "nodes: {default: {curve: a, cap: 1W}}", "unknown key 'cap' at nodes.default", "curve, budget, acc"),
        (CURVES + "nodes: {byLabel: [{lable: {}}]}", "unknown key 'lable' at nodes.byLabel[0]", "label"),
        (CURVES + "nodes: {byName: {n1: {cap: 1W}}}", "unknown key 'cap' at nodes.byName[...]", "curve, budget"),
        (CURVES + "nodes: {default: {curve: a, budget: 450}}", "the power '450' has no unit", "450W or 450kW"),
        (CURVES + "nodes: {default: {curve: a, budget: 0%}}", "'0%' is not above zero", ""),
        (CURVES + "nodes: {default: {curve: a, budget: 1e60%}}", "a budget of 1e60% is no power", ""),
        (CURVES + "nodes: {default: {curve: a, acceleratorPeak: NaN W}}", "'NaN W' is not a finite power", ""),
        ("curves: {a: [[0, .nan], [1, 2]]}\nnodes: {}", "power curve 'a': '.nan' is not a finite number", ""),
        ("curves: {a: [[0, .inf], [1, 2]]}\nnodes: {}", "power curve 'a': '.inf' is not a finite number", ""),
        ("curves: {a: [[0, 9], [1, 2]]}\nnodes: {}", "power curve 'a' falls from 9 W to 2 W", ""),
        ("curves: {a: [[0, 0], [1, 0]]}\nnodes: {}", "power curve 'a' has a draw of zero or less", ""),
        ("curves: {a: [[0, -5], [1, 2]]}\nnodes: {}", "power curve 'a' has a draw of zero or less", ""),
        ("curves: {a: [[0, 1], [1, 1e60]]}\nnodes: {}", "power curve 'a' goes beyond any node", ""),
        ("curves: {a: []}\nnodes: {}", "power curve 'a' has 0 knots", ""),
        ("curves: {a: [[0, 1], [0.5, 2]]}\nnodes: {}", "power curve 'a' runs from 0 to 0.5", ""),
        ("curves: {}", "missing required field `nodes`", "the keys here are: curves, nodes"),
    ],
)
def test_a_power_file_that_cannot_be_used_is_refused_with_its_place(text, problem, next_step):
    error = refusal(text)
    assert problem in error.problem
    assert error.problem.startswith("power.yaml: ")
    assert next_step in error.next_step


@given(st.text(alphabet="curves: {a: [[0, 1], [1, 2]]}\nodes%~W-&*", max_size=80))
def test_no_text_makes_reading_fail_otherwise_than_by_refusing_it(text):
    with suppress(InputError):
        parse_power(text.encode(), NODES)
