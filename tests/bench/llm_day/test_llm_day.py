import gzip
from pathlib import Path

import pytest

from powerplane.bench.llm_day.day import TRACE, read_day, write_day
from powerplane.bench.llm_day.page import fits, most_servers, render_section
from powerplane.bench.llm_day.served import Served, run_day
from powerplane.models.errors import InputError
from powerplane.simulator.scenario_file import Study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """An hour with requests that come evenly, five a second."""
    data = tmp_path_factory.mktemp("data")
    rows = "\n".join(f"{second / 5:.1f},1000,200" for second in range(18_000))
    (data / TRACE).parent.mkdir()
    (data / TRACE).write_bytes(gzip.compress(f"TIMESTAMP,ContextTokens,GeneratedTokens\n{rows}\n".encode()))
    return read_day(write_day(tmp_path_factory.mktemp("day"), data, 4, 3, hours=1))


def day(policy: str, servers: int, *, trips: int = 0, chat: float = 1.0) -> Served:
    return Served(servers, 1, policy, trips, 0.0, 0.0, 0.0, 0.0, 100.0, 100.0 * chat, 100.0, 90.0, 10.0, 0)


def test_without_the_trace_the_error_names_it_and_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="AzureLLMInferenceTrace") as error:
        write_day(tmp_path, tmp_path, 6, 1)
    assert "POWERPLANE_DATA" in error.value.next_step


def test_work_by_workload_adds_up_to_all_work_of_accelerators(study: Study, tmp_path: Path) -> None:
    served, outcome = run_day(study, "none", None, tmp_path)
    lost = 1 - (served.chat_done + served.train_done) / (served.chat_asked + served.train_asked)
    assert lost == pytest.approx(outcome.figures.device_work_lost, abs=2e-3)
    assert served.train_asked > 0
    assert served.chat_asked > 0


def test_servers_whose_highest_draws_fit_the_budget_need_no_control(study: Study, tmp_path: Path) -> None:
    served, outcome = run_day(study, "none", None, tmp_path)
    assert (served.trips, served.above_rating_s, served.over_budget_minutes) == (0, 0.0, 0.0)
    assert any("feed-a is lost" in note.text for note in outcome.notes)
    assert fits(served, 0.99)


def test_servers_fit_only_up_to_the_first_number_with_a_trip_or_too_little_chat() -> None:
    days = [day("none", 24), day("none", 32, trips=1), day("none", 40)]
    assert most_servers(days, "none", 0.99) == 24
    days = [day("static", 24), day("static", 32, chat=0.995), day("static", 40, chat=0.9)]
    assert most_servers(days, "static", 0.99) == 32
    assert most_servers(days, "static", 0.999) == 24
    assert most_servers(days, "throttle", 0.99) == 0


def test_a_day_with_a_trip_stands_in_bold_on_the_page() -> None:
    text = render_section([day("none", 32, trips=1), day("throttle", 32)], "Here.")
    bold = [line for line in text.splitlines() if "**1**" in line]
    assert len(bold) == 1
    assert "**none**" in bold[0]
