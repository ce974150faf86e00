"""``powerplane plan`` and ``powerplane verify``, end to end on clusters that can be added up by hand."""

import json
import re
from typing import Any

import pytest
import yaml


def plan_json(program: Any, cluster: Any, *more: object) -> Any:
    done = program("plan", "--snapshot", cluster.write(), "-o", "json", *more)
    return done.code, json.loads(done.out)


def test_a_cluster_whose_budgets_hold_exits_0_and_moves_nothing(cluster: Any, program: Any) -> None:
    code, plan = plan_json(program, cluster)
    assert (code, plan["status"], plan["moves"], plan["cost"]) == (0, "optimal", [], 0)


def test_a_mended_cluster_exits_0_and_its_rack_holds(hot_cluster: Any, program: Any) -> None:
    code, plan = plan_json(program, hot_cluster)
    rack = next(domain for domain in plan["domains"] if domain["name"] == "rack-1")
    assert (code, plan["status"], plan["overloadWatts"]) == (0, "optimal", 0)
    assert (rack["budgetWatts"], rack["beforeWatts"], rack["afterWatts"]) == (270, 290, 270)
    assert len(plan["moves"]) == 2
    assert all(move["from"] in ("n1", "n2") and move["to"] in ("n3", "n4") for move in plan["moves"])
    assert all(move["because"] == ["rack-1"] and move["watts"] == 10 for move in plan["moves"])


def test_a_hopeless_cluster_exits_3_and_names_what_cannot_hold(hopeless_cluster: Any, program: Any) -> None:
    code, plan = plan_json(program, hopeless_cluster)
    assert (code, plan["status"], plan["overloadWatts"]) == (3, "infeasible", 35)
    assert plan["conflict"]["members"]
    assert plan["conflict"]["remedies"]


def test_the_objective_energy_never_draws_more_than_now(cluster: Any, program: Any) -> None:
    code, plan = plan_json(program, cluster, "--objective", "energy")
    row = next(domain for domain in plan["domains"] if domain["name"] == "row-1")
    assert code == 0
    assert plan["objective"] == "energy"
    assert row["afterWatts"] <= row["beforeWatts"]


def test_the_same_seed_gives_the_same_plan(hot_cluster: Any, program: Any) -> None:
    first, second = (plan_json(program, hot_cluster, "--seed", 7)[1] for _ in range(2))
    assert first["seed"] == 7
    assert first | {"seconds": 0} == second | {"seconds": 0}


def test_yaml_and_json_say_the_same(hot_cluster: Any, program: Any) -> None:
    _, plan = plan_json(program, hot_cluster)
    done = program("plan", "--snapshot", hot_cluster.directory, "-o", "yaml")
    assert yaml.safe_load(done.out) | {"seconds": 0} == plan | {"seconds": 0}


def test_the_table_names_each_moved_pod_and_its_nodes(hot_cluster: Any, program: Any) -> None:
    _, plan = plan_json(program, hot_cluster)
    done = program("plan", "--snapshot", hot_cluster.directory, env={"COLUMNS": "200"})
    assert done.code == 0
    for move in plan["moves"]:
        assert move["pod"] in done.out
        assert move["from"] in done.out
        assert move["to"] in done.out


def test_no_colour_is_written_where_none_is_wanted(hot_cluster: Any, program: Any) -> None:
    done = program("plan", "--snapshot", hot_cluster.write(), env={"NO_COLOR": "1", "FORCE_COLOR": "1"})
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", done.out + done.err)


@pytest.mark.parametrize("name", ["plan.json", "plan.yaml", "plan"])
def test_a_written_plan_verifies(name: str, hot_cluster: Any, program: Any, tmp_path: Any) -> None:
    plan = tmp_path / name
    assert program("plan", "--snapshot", hot_cluster.write(), "--out", plan).code == 0
    done = program("verify", plan, "--snapshot", hot_cluster.directory)
    assert done.code == 0
    assert "the plan holds: 2 moves replayed" in done.out


def test_a_plan_read_from_a_pipe_verifies(hot_cluster: Any, program: Any, tmp_path: Any) -> None:
    text = program("plan", "--snapshot", hot_cluster.write(), "-o", "json").out
    plan = tmp_path / "piped"
    plan.write_text(text)
    assert program("verify", plan, "--snapshot", hot_cluster.directory).code == 0


def test_a_plan_that_leaves_a_budget_broken_exits_3(hot_cluster: Any, program: Any, tmp_path: Any) -> None:
    plan = tmp_path / "plan.json"
    program("plan", "--snapshot", hot_cluster.write(), "--out", plan)
    stated = json.loads(plan.read_text())
    plan.write_text(json.dumps(stated | {"moves": stated["moves"][:1]}))
    done = program("verify", plan, "--snapshot", hot_cluster.directory)
    assert done.code == 3
    assert "rack-1" in done.out
    assert "does not hold" in done.out


def test_the_plan_of_a_hopeless_cluster_verifies_with_exit_3(
    hopeless_cluster: Any, program: Any, tmp_path: Any
) -> None:
    plan = tmp_path / "plan.json"
    assert program("plan", "--snapshot", hopeless_cluster.write(), "--out", plan).code == 3
    done = program("verify", plan, "--snapshot", hopeless_cluster.directory)
    assert done.code == 3
    assert "above its budget" in done.out


def test_the_report_is_one_page_that_names_the_moves(hot_cluster: Any, program: Any, tmp_path: Any) -> None:
    page = tmp_path / "plan.html"
    assert program("plan", "--snapshot", hot_cluster.write(), "--report", page).code == 0
    text = page.read_text()
    assert "rack-1" in text
    assert "</html>" in text
