import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.report.html_check import read
from tests.simulator.test_compare import TIGHT
from tests.simulator.worlds import study_of

from powerplane.cli.exit_codes import ERROR, OK, OVERLOADED, USAGE
from powerplane.cli.main import run
from powerplane.cli.report.overload_chart import equal_load, overload_chart
from powerplane.cli.report.simulation_page import clock, simulation_page
from powerplane.cli.simulate_view import figure_rows, report_of, sentence
from powerplane.models.breakers import Breaker
from powerplane.simulator.breaker import seconds_to_trip
from powerplane.simulator.compare import run_policy
from powerplane.simulator.outcomes import Outcome, Overload
from powerplane.simulator.scenario_file import Study

BREAKER = Breaker(10_000_000, ((1.05, 1800.0), (1.3, 240.0), (2.0, 45.0)))


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "tight.yaml"
    path.write_text(TIGHT, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return study_of(TIGHT, tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def outcomes(study: Study) -> tuple[Outcome, ...]:
    return tuple(run_policy(study, name, None) for name in ("none", "throttle"))


def test_policies_stand_side_by_side_and_a_trip_under_the_last_one_is_exit_code_3(
    scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["simulate", str(scenario), "--policy", "none", "--policy", "throttle"]) == OK
    told = capsys.readouterr().out
    assert "breaker trips" in told
    assert "Left alone, 1 breaker trips" in told
    assert run(["simulate", str(scenario), "--policy", "throttle", "--policy", "none"]) == OVERLOADED


def test_json_is_the_figures_and_every_event(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", str(scenario), "--policy", "none", "--seed", "5", "-o", "json"]) == OVERLOADED
    data = json.loads(capsys.readouterr().out)
    assert data["seed"] == 5
    policy = data["policies"][0]
    assert policy["policy"] == "none"
    assert policy["breakerTrips"] == len(policy["trips"]) == 1
    assert policy["trips"][0]["domain"] == "feed-b"
    assert any("feed-b trips" in event["text"] for event in policy["events"])


def test_yaml_says_the_same(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", str(scenario), "--policy", "throttle", "-o", "yaml"]) == OK
    assert "breakerTrips: 0" in capsys.readouterr().out


def test_a_dry_run_says_what_would_be_simulated_and_runs_nothing(
    scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["simulate", str(scenario), "--dry-run"]) == OK
    told = capsys.readouterr().out
    assert "16, accelerators 0" in told
    assert "none, plan" in told
    assert "2,400 s in 1,200 steps of 2 s" in told


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["none.yaml"], ERROR, "does not exist"),
        (["tight.yaml", "--policy", "prayer"], USAGE, "prayer"),
        (["tight.yaml", "--seed", "-1"], USAGE, "negative"),
        (["tight.yaml", "--deadline", "soon"], USAGE, "--deadline"),
        (["tight.yaml", "--report", "nowhere/page.html"], USAGE, "--report"),
        (["tight.yaml", "--speed", "0", "--serve", "127.0.0.1:0"], USAGE, "speed"),
    ],
)
def test_what_cannot_be_done_is_told_on_stderr(
    scenario: Path,
    words: list[str],
    code: int,
    told: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(scenario.parent)
    assert run(["simulate", *words]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert told in said.err
    assert "next:" in said.err


def test_what_serves_runs_under_one_policy(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    several = ["--policy", "none", "--policy", "throttle"]
    assert run(["simulate", str(scenario), *several, "--serve", "127.0.0.1:0"]) == USAGE
    assert "--serve runs under one policy" in capsys.readouterr().err


def test_no_name_in_a_scenario_steers_the_terminal(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario.write_text('name: "x\\e[31m\\a"\n' + TIGHT, encoding="utf-8")
    assert run(["simulate", str(scenario), "--dry-run"]) == OK
    told = capsys.readouterr()
    assert "scenario    x" in told.out
    assert (told.out + told.err).replace("\n", "").isprintable()


def test_help_goes_to_stdout(process: Any) -> None:
    done = process("simulate", "--help")
    assert (done.code, done.err) == (0, "")
    assert "--policy" in done.out


def test_the_report_is_one_sound_page_with_every_policy(scenario: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert run(["simulate", str(scenario), "--policy", "none", "--policy", "static", "--report", str(page)]) == OK
    text = page.read_text(encoding="utf-8")
    assert read(text).mistakes == []
    assert text.count("<figcaption><strong>static</strong>") == text.count("<figcaption><strong>none</strong>") > 2
    assert "its breaker trips at 0:17" in text
    assert "Overloads on the breakers" in text


def test_the_same_outcomes_give_the_same_page_and_names_cannot_break_out(
    study: Study, outcomes: tuple[Outcome, ...]
) -> None:
    rows = (("<script>", ("<b>", "&")),)
    first, second = (simulation_page(study, outcomes, rows, "<i>so</i>") for _ in range(2))
    assert first == second
    assert "<script>" not in first
    assert "<i>so" not in first


def test_rows_and_data_say_the_same_and_the_sentence_what_came_of_it(
    study: Study, outcomes: tuple[Outcome, ...]
) -> None:
    rows = dict(figure_rows(outcomes))
    data = report_of(study, outcomes)
    assert rows["breaker trips"] == ("1", "0")
    assert [policy.breaker_trips for policy in data.policies] == [1, 0]
    assert rows["energy"][0] == f"{data.policies[0].energy_kwh:,.1f} kWh"
    assert sentence(outcomes).startswith("Left alone, 1 breaker trips and 32 pods go down; under throttle, no breaker")


@pytest.mark.parametrize(("times", "share"), [(1.1, 0.5), (1.3, 1.0), (1.7, 0.2), (2.0, 1.0)])
def test_a_steady_overload_is_drawn_at_its_own_load_and_below_the_curve_by_its_heat(times: float, share: float) -> None:
    limit = seconds_to_trip(BREAKER, times * BREAKER.rating_mw)
    each = Overload("feed", 0.0, share * limit, times, times, share, share == 1.0)
    assert equal_load(BREAKER, each) == pytest.approx(times)
    assert each.lasted_s / seconds_to_trip(BREAKER, equal_load(BREAKER, each) * BREAKER.rating_mw) == pytest.approx(
        share
    )


@pytest.mark.parametrize(
    "breaker", [BREAKER, Breaker(1, ()), Breaker(1, ((8.0, 1.0),)), Breaker(1, ((1.2, 50.0), (9.0, 50.0)))]
)
def test_any_breaker_can_be_drawn_with_any_overload(breaker: Breaker) -> None:
    runs = [
        [Overload("feed", 0.0, lasts, load, load, heat, heat == 1.0)]
        for lasts, load, heat in ((0.001, 1.0, 0.0), (1e5, 30.0, 1.0), (60.0, 1.3, 0.3))
    ]
    drawing = overload_chart("feed", breaker, runs)
    assert drawing.count("<path") >= 4
    assert "nan" not in drawing
    assert "inf" not in drawing.replace("info", "")


def test_pods_that_go_down_without_a_trip_and_missing_budgets_are_told(
    outcomes: tuple[Outcome, ...],
) -> None:
    figures = dataclasses.replace(outcomes[1].figures, over_minutes=0.0, work_limited=0.0, most_lost=1, peak_share=0.0)
    told = sentence((dataclasses.replace(outcomes[1], figures=figures),))
    assert told == "Under throttle, nothing has a budget, though 1 pod goes down."


def test_moments_read_as_clocks() -> None:
    assert clock(0) == "0:00:00"
    assert clock(3725.9) == "1:02:05"
    assert clock(2 * 86_400 + 60) == "2 d 0:01:00"
