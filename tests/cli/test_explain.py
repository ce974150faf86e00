"""``powerplane explain``: figures that can be checked by hand."""

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def planned(hot_cluster: Any, program: Any, tmp_path: Path) -> tuple[Path, Path]:
    """Return the plan's file and the snapshot's directory."""
    plan = tmp_path / "plan.json"
    assert program("plan", "--snapshot", hot_cluster.write(), "--out", plan).code == 0
    return plan, hot_cluster.directory


def ask(program: Any, planned: tuple[Path, Path], *what: str) -> Any:
    plan, directory = planned
    return program("explain", *what, "--plan", plan, "--snapshot", directory)


def test_a_move_is_explained_by_the_budget_that_breaks_without_it(program: Any, planned: Any) -> None:
    move = json.loads(planned[0].read_text())["moves"][0]
    done = ask(program, planned, "move", f"shop/{move['pod']}")
    assert done.code == 0
    assert f"moves from {move['from']} to {move['to']} in wave 1" in done.out
    assert "rack rack-1: 280 W of 270 W, 10 W over" in done.out


def test_a_pod_that_stays_is_not_explained_as_a_move(program: Any, planned: Any) -> None:
    done = ask(program, planned, "move", "shop/web-9")
    assert done.code == 1
    assert "does not move shop/web-9" in done.err
    assert "next: " in done.err


def test_a_pod_that_is_not_there_is_answered_with_those_spelled_alike(program: Any, planned: Any) -> None:
    done = ask(program, planned, "pod", "shop/wbe-3")
    assert done.code == 1
    assert "shop/web-3" in done.err


def test_a_pod_is_told_its_cost_and_why_other_nodes_refuse_it(program: Any, planned: Any) -> None:
    done = ask(program, planned, "pod", "shop/web-9")
    assert done.code == 0
    assert "10 W go with it" in done.out
    assert "may move, at a cost of" in done.out
    assert "the plan leaves it where it is" in done.out
    assert "2 would not: the budget of rack rack-1 would break" in done.out


def test_a_pod_that_may_not_move_is_told_why(hot_cluster: Any, program: Any) -> None:
    hot_cluster.pods[0]["metadata"]["annotations"] = {"karpenter.sh/do-not-disrupt": "true"}
    done = program("explain", "pod", "shop/web-0", "--snapshot", hot_cluster.write())
    assert done.code == 0
    assert "may not move: do-not-disrupt" in done.out


def test_a_cordoned_node_is_given_as_the_reason(hot_cluster: Any, program: Any) -> None:
    hot_cluster.nodes[3]["spec"] = {"unschedulable": True}
    done = program("explain", "pod", "shop/web-0", "--snapshot", hot_cluster.write())
    assert "1 would not: a taint, or cordoned" in done.out
    assert "1 of 3 other nodes would take it: n3" in done.out


def test_a_domain_is_told_its_draw_headroom_pods_and_breaker(program: Any, planned: Any) -> None:
    done = ask(program, planned, "domain", "rack-1")
    assert done.code == 0
    assert "rack rack-1: budget 270 W, 2 nodes" in done.out
    assert "all alive: 290 W now, 270 W after the plan, 0 W of headroom" in done.out
    assert "never trips at 1.08 times its rating after the plan" in done.out
    assert "10 W  shop/web-" in done.out


def test_a_domain_that_is_not_there_is_answered_with_those_spelled_alike(program: Any, planned: Any) -> None:
    done = ask(program, planned, "domain", "rack-11")
    assert done.code == 1
    assert "rack-1" in done.err


def test_a_plan_that_holds_has_no_conflict(program: Any, planned: Any) -> None:
    done = ask(program, planned, "conflict")
    assert done.code == 0
    assert "no conflict" in done.out


def test_a_conflict_is_told_with_its_remedies(hopeless_cluster: Any, program: Any, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    program("plan", "--snapshot", hopeless_cluster.write(), "--out", plan)
    done = ask(program, (plan, hopeless_cluster.directory), "conflict")
    assert done.code == 0
    assert "35 W stay above budgets" in done.out
    assert "makes room" in done.out
