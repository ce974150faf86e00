"""PowerPlane's side: a checked plan no dearer than it is proven to be, and the time that its waves take."""

import time
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from powerplane.actuator.limits import Limits
from powerplane.bench.descheduler.__main__ import main
from powerplane.bench.descheduler.arms import ARMS
from powerplane.bench.descheduler.cells import SIZES, cut, draw_cluster
from powerplane.bench.descheduler.cycles import Runs
from powerplane.bench.descheduler.ours import carrying_out_s, plan_cell
from powerplane.bench.descheduler.outcome import OURS, Outcome, tell
from powerplane.bench.descheduler.page import by_evictions, by_seconds, judge, render_section
from powerplane.models.plan import Move, Plan
from powerplane.solver.formulate import formulate

SIZE = SIZES[0]
NAMED = ("slack-300x30", 1)


@pytest.fixture(scope="module")
def snapshot():
    return draw_cluster("slack", SIZE, 1)


def test_our_plan_is_checked_holds_and_costs_no_less_than_its_bound(snapshot):
    cell = cut(snapshot, SIZE, "rack", 1)
    formulation = formulate(cell.snapshot)
    ours = plan_cell(cell, formulation, NAMED, seconds=2, clock=time.monotonic)
    assert ours.checked
    assert ours.holds
    assert 0 < ours.bound <= ours.cost
    for number, arm in enumerate(ARMS):
        story = Runs(cell, formulation, arm, np.random.default_rng(number)).play()
        theirs = tell(cell, formulation, arm, story, NAMED)
        assert theirs.found_watts == ours.found_watts
        assert not theirs.holds or theirs.cost >= ours.bound


def plan_of(snapshot, moves):
    return Plan(
        status="optimal", objective="disruption", cost=1.0, bound=1.0, gap=0.0, seed=1, seconds=0.0, snapshot="x",
        moves=moves,
    )  # fmt: skip


def move_of(snapshot, pod, source, target, wave):
    return Move(
        namespace=f"n{pod}", pod="p", uid=snapshot.pods.uids[pod], source=source, target=target, watts=1.0, wave=wave
    )


def test_waves_take_as_many_batches_as_the_actuators_limits_make(snapshot):
    wide = Limits(per_node=100, per_namespace=100, per_workload=100, per_cluster=100, per_hour=1000)
    moves = tuple(move_of(snapshot, pod, "a", f"t{pod}", 1) for pod in range(9))
    assert carrying_out_s(snapshot, plan_of(snapshot, moves), wide) == 30
    assert carrying_out_s(snapshot, plan_of(snapshot, moves), replace(wide, per_node=4)) == 90
    assert carrying_out_s(snapshot, plan_of(snapshot, moves), replace(wide, per_cluster=3)) == 90
    assert carrying_out_s(snapshot, plan_of(snapshot, moves), replace(wide, per_hour=4)) == 30 + 2 * 3600
    later = (*moves, move_of(snapshot, 10, "b", "c", 2))
    assert carrying_out_s(snapshot, plan_of(snapshot, later), wide) == 30 + 15 + 30
    assert carrying_out_s(snapshot, plan_of(snapshot, ()), wide) == 0


def outcome(method, seed=1, evictions=4, seconds=40.0, **more):
    base = Outcome(
        method=method, cell="slack-300x30", level="rack", seed=seed, found_watts=100.0, evictions=evictions, cost=4.0,
        cycles=1, seconds=seconds, left_watts=0.0, checked=True,
    )  # fmt: skip
    return msgspec.structs.replace(base, **more)


def test_a_verdict_weighs_holding_first_then_watts_then_the_figure():
    never = {"seconds": None, "left_watts": 5.0, "why": "goes in circles"}
    assert str(judge([outcome(OURS), outcome("shares", evictions=2, **never)], by_evictions)) == "1 won, 0 tied, 0 lost"
    assert str(judge([outcome(OURS), outcome("shares", evictions=3)], by_evictions)) == "**0 won, 0 tied, 1 lost**"
    assert str(judge([outcome(OURS), outcome("shares", evictions=3)], by_seconds)) == "0 won, 1 tied, 0 lost"
    more = outcome(OURS, **(never | {"left_watts": 9.0}))
    assert judge([more, outcome("shares", **never)], by_evictions).losses == 1
    assert judge([outcome(OURS, checked=False), outcome("shares", evictions=99)], by_evictions).losses == 1


def test_the_section_shows_losses_in_bold_and_says_why_not():
    found = [
        outcome(OURS, bound=4.0),
        outcome("shares", evictions=3),
        outcome("domains", evictions=900, seconds=None, left_watts=7.0, why="goes in circles"),
    ]
    text = render_section(found, {"slack-300x30": "today", "snug-300x30": "today", "other": "yesterday"})
    assert "- slack-300x30, snug-300x30: today\n- other: yesterday\n" in text
    assert "**0 won, 0 tied, 1 lost**" in text
    assert "no more than is proven to be needed in 1 of 1 cuts. In 1 some row" in text
    assert "needs 0.8 times PowerPlane's" in text
    assert "0 of 1: goes in circles" in text
    assert "| domains | 0 of 1 | goes in circles in 1 |" in text
    assert text.index("| PowerPlane | 1 of 1") < text.index("| shares | 1 of 1")


def test_the_command_writes_its_section_and_keeps_the_rest_of_the_page(tmp_path):
    page, records = tmp_path / "page.md", tmp_path / "records.json"
    page.write_text("# Results\n\nold\n", encoding="utf-8")
    given = ["--out", str(page), "--records", str(records)]
    assert main(["--quick", "--seconds", "1", *given]) == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Results\n\nold\n")
    assert "### A feed is cut" in text
    assert main(["--page", "--quick", *given]) == 0
    assert page.read_text(encoding="utf-8") == text
    assert main(["--only", "no such cell", *given]) != 0
