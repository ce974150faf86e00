import dataclasses
import io
from pathlib import Path

import pytest
from rich.console import Console

from powerplane.cli.demo import REPORT_NAME, run_demo
from powerplane.cli.demo_facts import conclude, find_facts, went_well
from powerplane.cli.demo_live import Stage, play, tell_lines
from powerplane.cli.demo_words import clock, opening, planning
from powerplane.cli.exit_codes import OK
from powerplane.models.errors import UsageError
from powerplane.models.plan import Plan
from powerplane.simulator.history import Run
from powerplane.simulator.run import simulate
from powerplane.simulator.scenario import Scenario
from powerplane.simulator.story import HOT_ROW, heat_wave_story

NO_PLAN = Plan(
    status="feasible", objective="disruption", cost=0.0, bound=0.0, gap=0.0, seed=0, seconds=0.1, snapshot=""
)


@pytest.fixture(scope="module")
def story() -> Scenario:
    return heat_wave_story(0)


@pytest.fixture(scope="module")
def alone(story: Scenario) -> Run:
    return simulate(story)


def screen(*, terminal: bool = False) -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, width=110, force_terminal=terminal, color_system=None), text


def test_the_demo_tells_both_runs_writes_its_report_and_says_that_all_budgets_hold(tmp_path: Path) -> None:
    console, text = screen()
    assert run_demo(out=tmp_path, seed=0, speed=1000.0, no_live=True, console=console) == OK
    told = text.getvalue()
    assert "the breaker of feed-b trips" in told
    assert "With it no breaker trips, no pod is lost, and every budget holds again." in " ".join(told.split())
    page = (tmp_path / REPORT_NAME).read_text(encoding="utf-8")
    assert f"{tmp_path / REPORT_NAME}" in told
    assert "pod-minutes without power" in page


@pytest.mark.parametrize(("out", "seed"), [("missing/page.html", 0), (".", -1)])
def test_what_cannot_work_is_refused_before_the_show(tmp_path: Path, out: str, seed: int) -> None:
    console, text = screen()
    with pytest.raises(UsageError):
        run_demo(out=tmp_path / out, seed=seed, speed=100.0, no_live=True, console=console)
    assert text.getvalue() == ""


def test_the_outcome_of_a_plan_that_does_not_help_is_told_as_it_is(story: Scenario, alone: Run) -> None:
    assert not went_well(NO_PLAN, alone)
    sentence = conclude(HOT_ROW, NO_PLAN, alone, alone)
    assert sentence.startswith("PowerPlane did not hold this cluster: feed-b trips at ")


def test_a_story_in_which_nothing_goes_wrong_claims_nothing(story: Scenario) -> None:
    calm = dataclasses.replace(story, lost_at_s=story.ends_s + 1)
    run = simulate(dataclasses.replace(calm, climates=()))
    assert went_well(NO_PLAN, run)
    assert "nothing would have gone dark without it either" in conclude(HOT_ROW, NO_PLAN, run, run)


def test_a_plan_that_leaves_watts_above_budgets_does_not_count_as_well(story: Scenario, alone: Run) -> None:
    left = Plan(
        status="infeasible",
        objective="disruption",
        cost=0.0,
        bound=0.0,
        gap=0.0,
        seed=0,
        seconds=99.0,
        snapshot="",
        overload_watts=1250.0,
    )
    told = " ".join(text for _, text in planning(story, left))
    assert "leaves 1.25 kW above budgets" in told
    assert "took longer here" in told
    calm = dataclasses.replace(alone, tripped={}, broken=(), down=alone.down * 0)
    assert went_well(NO_PLAN, calm)
    assert not went_well(left, calm)


def test_the_facts_are_those_of_the_run(story: Scenario, alone: Run) -> None:
    facts = {fact: without for fact, without, _ in find_facts(story, HOT_ROW, alone, alone)}
    assert facts["breaker of feed-b"] == f"trips at {clock(alone.tripped['feed-b'])}"
    assert facts["pods without power, at worst"] == f"{alone.lost_pods}"
    assert facts["pods moved"] == "0"
    assert facts["row-1 without power"].endswith("and still at the end")


def test_the_opening_tells_its_moments_in_order(story: Scenario) -> None:
    seconds = [second for second, _ in opening(story)]
    assert seconds == sorted(seconds)
    assert seconds[-1] == story.lost_at_s


def test_lines_come_in_order_of_time_and_name_their_run(story: Scenario, alone: Run) -> None:
    lines = list(tell_lines(Stage(story, alone, alone)))
    moments = [line.split()[0] for line in lines]
    assert moments == sorted(moments, key=lambda text: [int(part) for part in text.split(":")])
    assert {line.split()[1] for line in lines} == {"with", "without"}


@pytest.mark.parametrize("width", [80, 120])
def test_the_panels_stand_side_by_side_in_a_terminal(story: Scenario, alone: Run, width: int) -> None:
    text = io.StringIO()
    console = Console(file=text, width=width, height=40, force_terminal=True, color_system=None)
    play(Stage(story, alone, alone), console, speed=1e9)
    titles = [line for line in text.getvalue().splitlines() if "without PowerPlane" in line]
    assert titles
    assert all(line.count("with PowerPlane") == 1 for line in titles)
    assert "its breaker tripped" in text.getvalue()
