from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.cli.report.charts import Panel, draw_panel, round_ticks
from powerplane.cli.report.heat import OVER, domain_heat, shade
from powerplane.cli.report.time_panels import thin

WATTS = st.floats(min_value=0, max_value=1e7)


@given(WATTS, st.floats(min_value=0.1, max_value=1e7))
def test_ticks_are_few_rising_and_within_the_range(low: float, extent: float) -> None:
    ticks = round_ticks(low, low + extent, most=5)
    assert len(ticks) <= 6
    assert all(left < right for left, right in pairwise(ticks))
    assert all(low * (1 - 1e-9) <= tick <= (low + extent) * (1 + 1e-9) for tick in ticks)


@given(st.lists(WATTS, min_size=1, max_size=2000))
def test_thinning_keeps_the_extremes_and_the_order(watts: list[float]) -> None:
    points = tuple((float(i), value) for i, value in enumerate(watts))
    kept = thin(points, most=100)
    assert max(v for _, v in kept) == max(watts)
    assert min(v for _, v in kept) == min(watts)
    assert all(left[0] < right[0] for left, right in pairwise(kept))
    assert len(kept) <= 102
    assert set(kept) <= set(points)


def panel(draw: tuple[tuple[float, float], ...], budget: tuple[tuple[float, float], ...]) -> str:
    return draw_panel(Panel("name", "words", draw, budget, 3.0, (0.0, 200.0), ((0.5, "0"),), trips=(2.0,)))


def excess_of(drawing: str) -> str:
    before = drawing.split('class="excess"', maxsplit=1)[0]
    return before.rsplit('d="', 1)[1].split('"')[0]


def test_only_steps_above_the_budget_are_filled() -> None:
    drawing = panel(((0.0, 90.0), (1.0, 120.0), (2.0, 80.0)), ((0.0, 100.0),))
    assert excess_of(drawing).count("z") == 1
    assert excess_of(panel(((0.0, 90.0),), ((0.0, 100.0),))) == ""


def test_a_budget_that_is_cut_during_the_run_is_what_the_draw_is_held_against() -> None:
    assert excess_of(panel(((0.0, 90.0),), ((0.0, 100.0), (1.5, 80.0)))).count("z") == 1


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, "h0"), (0.5, "h1"), (0.79, "h2"), (0.8, "h3"), (0.93, "h4"), (1.0, "h5")]
)
def test_the_colour_follows_the_share(share: float, expected: str) -> None:
    assert shade(share) == expected


def test_over_budget_is_told_by_more_than_its_colour() -> None:
    heat = domain_heat("rack", 112.0, 100.0, "feed-b")
    assert (heat.shade, heat.excess) == (OVER, "+12 W")
    assert heat.sentence == "rack: 112 W of 100 W with feed-b lost, 112 %"
