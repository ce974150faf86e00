import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from tests.models.telemetry.made import Reading, node_readings, unmeasured

from powerplane.cli.top_build import Wanted, build_view
from powerplane.cli.top_cells import sparkline
from powerplane.cli.top_remarks import span
from powerplane.cli.top_table import Screen, render
from powerplane.cli.top_tree import tree_order
from powerplane.models.breakers import Breaker
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.telemetry.domains import compile_domains, read_domains
from powerplane.models.topology import SHARED, PowerDomain, PowerTopology

W = 1000
BREAKER = Breaker(300 * W, ((1.1, 3600.0), (2.0, 60.0)))


def topology(rack_1: int = 1000 * W, feed: int = 2000 * W) -> PowerTopology:
    """Two feeds, a row, and two racks that share the feeds."""
    feeds = tuple(PowerDomain(name, "feed", feed, breaker=BREAKER) for name in ("feed-a", "feed-b"))
    both = ("row-1", "feed-a", "feed-b")
    return PowerTopology(
        (
            PowerDomain("row-1", "row", NO_BUDGET),
            *feeds,
            PowerDomain("rack-1", "rack", rack_1, both, ("n1", "n2"), feed_load=SHARED),
            PowerDomain("rack-2", "rack", 1000 * W, both, ("n3",), feed_load=SHARED),
        )
    )


NODES = {"n1": Reading(200), "n2": Reading(150, source="kepler", age_s=31), "n3": Reading(100)}


def shown(shape: PowerTopology, nodes: dict[str, Reading], wanted: Wanted | None = None, **more: Any) -> str:
    width, history = more.pop("width", 160), more.pop("history", {})
    found, budgets, height = more.pop("found", {}), more.pop("budgets", {}), more.pop("height", None)
    book = compile_domains(shape, tuple(nodes))
    view, tree = build_view(book, node_readings(nodes, found), budgets, wanted or Wanted())
    out = io.StringIO()
    console = Console(file=out, width=width, **more)
    console.print(render(Screen(view, tree, width, height, history)))
    return out.getvalue()


def line(text: str, start: str) -> str:
    return next(one for one in text.splitlines() if one.strip().startswith(start))


def squeezed(text: str) -> str:
    return " ".join(text.split())


def order(shape: PowerTopology, nodes: dict[str, Reading], by: str = "topology") -> list[tuple[str, int]]:
    rows = read_domains(compile_domains(shape, tuple(nodes)), node_readings(nodes))
    return list(tree_order(shape, rows, by))


def test_racks_stand_under_their_row_and_after_the_feeds_that_they_share() -> None:
    assert order(topology(), NODES) == [("feed-a", 0), ("feed-b", 0), ("row-1", 0), ("rack-1", 1), ("rack-2", 1)]


def test_a_row_stands_below_all_feeds_that_it_shares_and_they_keep_their_order() -> None:
    feeds = tuple(PowerDomain(name, "feed", NO_BUDGET) for name in ("feed-a", "feed-b"))
    row = PowerDomain("row-1", "row", NO_BUDGET, ("feed-a", "feed-b"), ("n1",), feed_load=SHARED)
    assert order(PowerTopology((*feeds, row)), {"n1": Reading(1)}) == [("feed-a", 0), ("feed-b", 0), ("row-1", 1)]


def test_a_rack_on_one_feed_stands_under_its_row_too() -> None:
    domains = (
        PowerDomain("feed-a", "feed", NO_BUDGET),
        PowerDomain("row-1", "row", NO_BUDGET),
        PowerDomain("rack-1", "rack", NO_BUDGET, ("feed-a", "row-1"), ("n1",)),
    )
    assert order(PowerTopology(domains), {"n1": Reading(1)}) == [("feed-a", 0), ("row-1", 0), ("rack-1", 1)]


def test_siblings_are_sorted_by_draw_or_name_and_the_tree_stays_one() -> None:
    assert order(topology(), NODES | {"n3": Reading(900)}, "draw")[:3] == [("row-1", 0), ("rack-2", 1), ("rack-1", 1)]
    assert order(topology(), NODES, "name")[:2] == [("feed-a", 0), ("feed-b", 0)]


def test_by_headroom_the_branch_with_the_tightest_domain_comes_first() -> None:
    names = [name for name, _ in order(topology(rack_1=360 * W), NODES, "headroom")]
    assert names[:2] == ["row-1", "rack-1"]


@st.composite
def forests(draw: Any) -> PowerTopology:
    """Domains of four levels, each with any parents above it."""
    domains: list[PowerDomain] = []
    for i in range(draw(st.integers(1, 12))):
        level = draw(st.integers(0, 3))
        above = [one.name for one in domains if int(one.kind[-1]) < level]
        parents = draw(st.lists(st.sampled_from(above), unique=True, max_size=3)) if above else []
        domains.append(PowerDomain(f"d{i}", f"level-{level}", NO_BUDGET, tuple(parents), (f"n{i}",), feed_load=SHARED))
    return PowerTopology(tuple(draw(st.permutations(domains))))


@given(forests(), st.sampled_from(["topology", "headroom", "draw", "name"]))
def test_every_domain_is_shown_once_and_below_one_of_its_parents(shape: PowerTopology, by: str) -> None:
    nodes = {domain.nodes[0]: Reading(100) for domain in shape.domains}
    shown_as = order(shape, nodes, by)
    assert sorted(name for name, _ in shown_as) == sorted(shape.by_name)
    path: list[str] = []
    for name, depth in shown_as:
        path = [*path[:depth], name]
        assert len(path) == depth + 1
        parents = shape.by_name[name].parents
        assert path[depth - 1] in parents if depth else not parents


def test_a_domain_is_shown_with_draw_budget_headroom_share_sources_and_age() -> None:
    text = shown(topology(), NODES)
    assert squeezed(line(text, "rack-1")) == "rack-1 350 W 1.00 kW 650 W █████░░░░░░░░░ 35 % ipmi 1, kepler 1 31 s"


def test_a_feed_is_shown_with_what_it_would_draw_without_its_twin_and_what_its_breaker_bears() -> None:
    text = shown(topology(), NODES | {"n1": Reading(500)})
    assert "750 W (feed-b)" in line(text, "feed-a")
    assert "trips in" in line(text, "feed-a")


def test_a_broken_budget_is_marked_by_more_than_colour_and_told_in_words() -> None:
    text = shown(topology(rack_1=300 * W), NODES)
    assert "▲ 350 W" in line(text, "rack-1")
    assert "▲ rack-1 draws 50 W above its budget" in text
    assert text.strip().endswith("1 budget is broken now")


def test_a_budget_that_only_the_worst_case_breaks_says_so() -> None:
    text = shown(topology(rack_1=600 * W), NODES | {"n2": unmeasured(500)})
    assert "rack-1 may draw 100 W above its budget: 1 node without a usable sample count" in text
    assert "worst case 1, ipmi 1" in line(text, "rack-1")
    assert "1 at the worst case" in text.splitlines()[0]


def test_a_feed_at_risk_is_told_of_and_breaks_nothing() -> None:
    text = shown(topology(feed=400 * W), NODES)
    assert "△ feed-a would be 50 W above its budget without feed-b; its breaker would bear it for" in text
    assert "every budget holds now" in text


def test_nodes_are_listed_below_their_domain_with_what_was_wrong_with_better_sources() -> None:
    nodes = NODES | {"n2": Reading(150, "held", "kepler", 40, "ipmi: frozen")}
    lines = shown(topology(), nodes, Wanted(nodes=True), budgets={"n1": 250 * W}).splitlines()
    place = next(i for i, one in enumerate(lines) if "rack-1" in one)
    assert squeezed(lines[place + 1]) == "n1 200 W 250 W 50 W ███████████░░░ 80 % ipmi 4 s"
    assert squeezed(lines[place + 2]) == "n2 150 W none kepler, held (ipmi: frozen) 40 s"


def test_a_node_above_its_own_budget_is_broken() -> None:
    text = shown(topology(), NODES, budgets={"n1": 150 * W})
    assert "▲ above their own budgets: n1" in text
    assert "1 budget is broken now" in text


def test_nodes_in_no_domain_and_bad_series_are_told_of() -> None:
    text = shown(topology(), NODES | {"stray": Reading(1)}, found={("kepler", "frozen"): 3})
    assert "1 node in no domain, so that no rack, row or feed holds them: stray" in text
    assert "kepler: frozen 3" in text


def test_names_cannot_steer_the_terminal_or_be_taken_for_markup() -> None:
    nodes = {"[red]n1": Reading(1, why="a\x1b[2Jb")}
    shape = PowerTopology((PowerDomain("[bold]r\x1b[31m", "rack", 2 * W, nodes=("[red]n1",)),))
    text = shown(shape, nodes, Wanted(nodes=True))
    assert "[bold]r" in text
    assert "[red]n1" in text
    assert "\x1b" not in text


LINES_OF_WORDS = 20
"""At 50 columns, the headline and all that is said about so many racks."""


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(8, 60), st.integers(50, 200), st.booleans())
def test_what_is_drawn_fits_the_screen_wherever_it_has_room_for_a_few_rows(
    racks: int, height: int, width: int, nodes: bool
) -> None:
    shape = PowerTopology(
        (
            PowerDomain("feed", "feed", 9 * W),
            *(PowerDomain(f"rack-{i}", "rack", 2 * W, ("feed",), (f"n{i}",)) for i in range(racks)),
        )
    )
    readings = {f"n{i}": Reading(1 + i % 3) for i in range(racks)}
    text = shown(shape, readings, Wanted(nodes=nodes), width=width, height=height)
    lines = text.splitlines()
    assert all(len(one) <= width for one in lines)
    assert len(lines) <= max(height - 1, 5 + 4 + LINES_OF_WORDS)
    assert ("broken now" in squeezed(text)) == (racks > 2)


def test_where_rows_do_not_fit_those_that_are_broken_stay_with_what_they_hang_in() -> None:
    racks = [PowerDomain(f"rack-{i}", "rack", 2 * W, ("row",), (f"n{i}",)) for i in range(50)]
    shape = PowerTopology((PowerDomain("row", "row", 900 * W), *racks))
    text = shown(shape, {f"n{i}": Reading(3 if i == 40 else 1) for i in range(50)}, height=16)
    assert "rack-40" in text
    assert "  row " in text or text.splitlines()[4].strip().startswith("row")
    assert "rows more: --once shows all" in text


@pytest.mark.parametrize("width", [50, 60, 80, 100, 120, 200])
def test_figures_are_never_cut(width: int) -> None:
    text = shown(topology(), NODES, width=width, height=40)
    assert "350 W" in line(text, "rack-1")
    assert "650 W" in line(text, "rack-1")


def test_without_a_height_no_name_is_cut_off() -> None:
    name = "rack-" + "x" * 200
    shape = PowerTopology((PowerDomain(name, "rack", 900 * W, nodes=("n1",)),))
    text = shown(shape, {"n1": Reading(1)}, width=80)
    assert text.count("x") == 200
    assert "…" in shown(shape, {"n1": Reading(1)}, width=80, height=20)


def test_the_last_rounds_are_drawn_where_they_are_kept() -> None:
    text = shown(topology(), NODES, history={"rack-1": [100, 200, 300]})
    assert "▁▅█" in line(text, "rack-1")


@given(st.lists(st.floats(0, 1e9), max_size=40))
def test_a_sparkline_has_one_mark_for_each_value_and_never_falls_as_values_rise(values: list[float]) -> None:
    line = sparkline(values)
    assert len(line) == len(values)
    pairs = sorted(zip(values, line, strict=True))
    assert [mark for _, mark in pairs] == sorted(line)
    if values and max(values) - min(values) >= 0.05 * max(values) > 0:
        assert {pairs[0][1], pairs[-1][1]} == {"▁", "█"}


def test_a_meters_noise_does_not_look_like_a_swing() -> None:
    assert set(sparkline([1000, 1001, 999, 1000])) <= {"▄", "▅"}


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0 s"), (0.4, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 d")]
)
def test_ages_are_said_in_one_unit(seconds: float, text: str) -> None:
    assert span(seconds) == text
