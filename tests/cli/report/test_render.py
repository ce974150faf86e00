import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cli.report.html_check import read
from tests.cli.report.samples import INFEASIBLE, make_comparison, sample
from tests.models.snapshots import TinyNode, TinyPod, rack, tiny_snapshot

from powerplane.cli.report import render_report, words, write_report
from powerplane.models.errors import InputError
from powerplane.models.frames import Comparison, DrawFrame
from powerplane.models.plain import printable
from powerplane.models.plan import DomainDraw, Move, Plan, Unplaced
from powerplane.models.snapshot import NO_BUDGET, Snapshot

BARE = Plan(status="optimal", objective="disruption", cost=0, bound=0, gap=0, seed=0, seconds=0.01, snapshot="tiny")


def page_of(snapshot: Snapshot, plan: Plan, **more: object) -> str:
    return render_report(snapshot, plan, title="Plan", **more)


def every_part() -> str:
    snapshot, plan = sample({**INFEASIBLE, "unplaced": (Unplaced(namespace="a", pod="b", reason="drain"),)})
    return page_of(snapshot, plan, comparison=make_comparison(snapshot), frames=make_comparison(snapshot).without)


@pytest.mark.parametrize(
    "size",
    [{"racks": 4}, {"racks": 25, "nodes_a_rack": 20}, {"racks": 90, "nodes_a_rack": 20}],
    ids=["roomy", "squares", "dense"],
)
def test_the_page_is_well_formed_and_fetches_nothing(size: dict[str, int]) -> None:
    page = read(page_of(*sample(**size)))
    assert page.mistakes == []
    assert page.fetched == []
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & set(page.tags)


def test_a_page_with_every_part_is_well_formed_and_fetches_nothing() -> None:
    text = every_part()
    page = read(text)
    assert page.mistakes == []
    assert page.fetched == []
    assert "url(" not in text
    assert "@import" not in text


def test_no_attribute_of_a_page_runs_script() -> None:
    assert [name for _, name, _ in read(every_part()).attributes if name.startswith("on")] == []


def test_every_drawing_says_in_words_what_it_shows() -> None:
    page = read(every_part())
    drawings = [i for i, tag in enumerate(page.tags) if tag == "svg"]
    assert len(drawings) > 10
    assert all(page.tags[i + 1 : i + 3] == ["title", "desc"] for i in drawings)
    assert sum(a == ("svg", "role", "img") for a in page.attributes) == len(drawings)


def test_every_table_has_a_caption_and_every_id_is_used_once() -> None:
    page = read(every_part())
    assert page.tags.count("table") == page.tags.count("caption") > 2
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    links = {value[1:] for tag, name, value in page.attributes if tag == "a" and name == "href"}
    assert links == set(ids)


def test_the_page_tells_the_plans_own_figures() -> None:
    snapshot, plan = sample({"seed": 4711, "cost": 57.25, "bound": 55.5, "gap": 1.75 / 55.5, "seconds": 8.7}, racks=6)
    text = read(page_of(snapshot, plan)).text
    for figure in ("57.25 ordinary moves", "55.5 ordinary moves", "3.2 %", "8.7 s, seed 4711", snapshot.digest):
        assert figure in text
    for draw in plan.domains:
        figures = (draw.budget_watts, draw.before_watts, draw.after_watts)
        row = text[text.index("Share of budget") :]
        assert all(words.watts(value) in row[row.index(draw.name) :][:120] for value in figures)
    for move in plan.moves:
        assert f"{move.namespace}/ {move.pod} {move.source} " in text


def test_the_same_plan_gives_the_same_page() -> None:
    assert page_of(*sample()) == page_of(*sample())


def test_an_infeasible_plan_tells_the_conflict_and_the_remedies_before_the_map() -> None:
    snapshot, plan = sample(INFEASIBLE, racks=4, hot=1.0)
    page = read(page_of(snapshot, plan))
    assert page.headings.index("Why it cannot hold") < page.headings.index("Power tree, before and after")
    assert plan.conflict is not None
    for line in (*plan.conflict.members, *plan.conflict.remedies):
        assert line in page.text


def test_a_plan_without_moves_says_so() -> None:
    snapshot = tiny_snapshot([TinyNode("n1")], [TinyPod("p", "n1")])
    page = read(page_of(snapshot, BARE))
    assert page.mistakes == []
    assert "nothing has to move" in page.text
    assert "Nothing moves." in page.text


def test_a_domain_without_a_budget_is_not_shown_as_full_or_empty() -> None:
    snapshot = tiny_snapshot([TinyNode("n1")], [TinyPod("p", "n1")], [rack("r1", ["n1"])])
    bare = DomainDraw(name="r1", kind="rack", budget_watts=None, before_watts=150.0, after_watts=150.0)
    plan = msgspec.structs.replace(BARE, domains=(bare,))
    page = read(page_of(snapshot, plan))
    assert ("div", "class", "cell none") in page.attributes
    assert "no budget" in page.text
    assert str(NO_BUDGET) not in page.text


def test_a_plan_of_another_snapshot_is_refused() -> None:
    snapshot, plan = sample()
    with pytest.raises(InputError, match="was made from snapshot 'other'"):
        page_of(snapshot, msgspec.structs.replace(plan, snapshot="other"))


def test_a_move_of_an_unknown_pod_is_refused_by_name() -> None:
    snapshot, plan = sample()
    stray = msgspec.structs.replace(plan.moves[0], pod="ghost")
    with pytest.raises(InputError, match="pod 'shop/ghost'"):
        page_of(snapshot, msgspec.structs.replace(plan, moves=(stray,)))


HOSTILE = st.one_of(
    st.text(min_size=1, max_size=40),
    st.sampled_from(
        [
            "<script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>',
            "'onmouseover='alert(1)",
            "</title></style><script>",
            "&lt;script&gt;",
            "{{ 7 * 7 }}{% include 'x' %}",
            "]]>--><!--",
            "a\u202eb\x1b[31m\x00",
        ]
    ),
)


@settings(max_examples=40, deadline=None)
@given(pod=HOSTILE, node=HOSTILE, domain=HOSTILE, reason=HOSTILE)
def test_no_name_becomes_markup(pod: str, node: str, domain: str, reason: str) -> None:
    plain = hostile_page("pod", "node", "domain", "reason")
    hostile = hostile_page(pod, node, domain, reason)
    assert hostile.mistakes == []
    assert hostile.tags == plain.tags
    assert [(tag, name) for tag, name, _ in hostile.attributes] == [(tag, name) for tag, name, _ in plain.attributes]
    assert " ".join(printable(reason).split()) in hostile.text


def hostile_page(pod: str, node: str, domain: str, reason: str) -> object:
    nodes = [TinyNode(f"1{node}", budget_watts=120), TinyNode(f"2{node}")]
    snapshot = tiny_snapshot(
        nodes, [TinyPod(pod, f"1{node}")], [rack(f"r{domain}", [f"1{node}", f"2{node}"], watts=500)]
    )
    move = Move(
        namespace="default", pod=pod, uid="u", source=f"1{node}", target=f"2{node}", watts=1, wave=1, because=(domain,)
    )
    plan = msgspec.structs.replace(
        BARE, moves=(move,), assumptions=(reason,), unplaced=(Unplaced(namespace="n", pod=pod, reason=reason),)
    )
    frame = DrawFrame(0.0, domain, 1.0, 2.0, False)
    return read(page_of(snapshot, plan, comparison=Comparison((frame,), (frame,), ((reason, reason, reason),))))


def test_no_control_or_direction_mark_of_a_name_reaches_the_page() -> None:
    snapshot = tiny_snapshot([TinyNode("n1")])
    page = page_of(snapshot, msgspec.structs.replace(BARE, assumptions=("x\u202ey\x1b[2Jz\ud800",)))
    assert "x\ufffdy\ufffd[2Jz\ufffd" in page
    page.encode()


def test_five_thousand_nodes_make_a_page_under_three_megabytes_in_under_three_seconds() -> None:
    snapshot, plan = sample(racks=250, nodes_a_rack=20, rows=10, pods_a_node=20)
    began = time.process_time()
    page = page_of(snapshot, plan)
    assert time.process_time() - began < 3
    assert len(page.encode()) < 3_000_000
    assert len(snapshot.nodes) == 5000


def test_the_largest_map_that_draws_every_node_stays_under_three_megabytes() -> None:
    snapshot, plan = sample(racks=75, nodes_a_rack=20, rows=5, node_budgets=True)
    page = page_of(snapshot, plan)
    assert page.count("node-1499:") == 2
    assert len(page.encode()) < 3_000_000


def test_beyond_two_thousand_moves_the_page_counts_what_it_leaves_out() -> None:
    nodes = [TinyNode("n1", cpu=4000), TinyNode("n2", cpu=4000)]
    snapshot = tiny_snapshot(nodes, [TinyPod(f"p{i}", "n1") for i in range(2600)])
    moves = tuple(
        Move(namespace="default", pod=f"p{i}", uid="", source="n1", target="n2", watts=1.5, wave=1 + i % 2)
        for i in range(2600)
    )
    text = read(page_of(snapshot, msgspec.structs.replace(BARE, moves=moves))).text
    assert "Wave 1 1,300 moves, the first 500 shown" in text
    assert "1,600 more moves are not listed here; -o json has all 2,600" in text
    assert "1.95 kW" in text


def test_writing_replaces_the_file_whole_and_leaves_no_draft(tmp_path: Path) -> None:
    target = tmp_path / "plan.html"
    target.write_text("old")
    write_report(target, *sample(), title="Plan")
    assert target.read_text(encoding="utf-8") == page_of(*sample())
    assert [path.name for path in tmp_path.iterdir()] == ["plan.html"]


def test_a_page_that_cannot_be_made_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "plan.html"
    target.write_text("old")
    snapshot, plan = sample()
    with pytest.raises(InputError):
        write_report(target, snapshot, msgspec.structs.replace(plan, snapshot="other"), title="Plan")
    assert target.read_text() == "old"


def test_a_directory_that_is_not_there_is_told_with_the_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no-such-place"):
        write_report(tmp_path / "no-such-place" / "plan.html", *sample(), title="Plan")


def test_a_tripped_breaker_is_told_and_marked() -> None:
    snapshot, plan = sample()
    page = read(page_of(snapshot, plan, comparison=make_comparison(snapshot)))
    assert "dark from 11 min 40 s" in page.text
    assert sum(a == ("path", "class", "trip cross") for a in page.attributes) == 1
    assert "breaker rating" in page.text


def test_a_run_without_budgets_draws_no_budget_line() -> None:
    snapshot, plan = sample()
    frames = tuple(DrawFrame(float(t), "rack-001", 100.0 + t, np.inf, False) for t in range(5))
    page = read(page_of(snapshot, plan, frames=frames))
    assert page.mistakes == []
    assert "inf" not in " ".join(value for _, name, value in page.attributes if name == "d")
