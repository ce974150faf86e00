import gzip
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from powerplane.bench.llm_day.curves import render_curves
from powerplane.bench.llm_day.day import TRACE, read_day, tokens_a_second, write_day
from powerplane.bench.llm_day.page import fits, most_servers, render_section
from powerplane.bench.llm_day.served import Served, run_day
from powerplane.models.errors import InputError
from powerplane.simulator.scenario_file import Study


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trace of requests that come evenly, five a second."""
    data = tmp_path_factory.mktemp("data")
    rows = "\n".join(f"{second / 5:.1f},1000,200" for second in range(18_000))
    (data / TRACE).parent.mkdir()
    (data / TRACE).write_bytes(gzip.compress(f"TIMESTAMP,ContextTokens,GeneratedTokens\n{rows}\n".encode()))
    return data


@pytest.fixture(scope="module")
def study(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """An hour of it."""
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


def test_the_operator_itself_serves_the_day_and_tells_what_it_did(study: Study, tmp_path: Path) -> None:
    served, _ = run_day(study, "operate", None, tmp_path, tokens_a_second=1000.0)
    assert served.trips == 0
    assert served.chat_share > 0.99
    assert (served.plans, served.moves, served.evictions) == (0, 0, 0)
    assert served.tokens == pytest.approx(1000.0 * served.chat_done)
    assert served.tokens_per_joule == pytest.approx(served.tokens / (3.6e6 * served.kwh))


@pytest.mark.slow
def test_a_crowded_short_day_under_the_operator_and_the_backstop_trips_nothing_and_costs_chat_nothing(
    data: Path, tmp_path: Path
) -> None:
    crowded = read_day(write_day(tmp_path, data, 9, 3, hours=2))
    alone, _ = run_day(crowded, "none", None, tmp_path)
    held, _ = run_day(crowded, "operate+throttle", None, tmp_path)
    assert held.trips == 0
    assert held.chat_share > 0.999
    assert held.over_budget_minutes < alone.over_budget_minutes / 2
    assert held.evictions >= held.moves


def test_curves_show_the_highest_share_of_each_part_of_the_day(study: Study, tmp_path: Path) -> None:
    served, outcome = run_day(study, "none", None, tmp_path)
    rows = [row for row, name in enumerate(outcome.domains) if "rack" in name]
    assert max(served.racks) == pytest.approx(outcome.series.watts[:, rows].max() / 40_000, abs=1e-4)
    assert len(served.racks) == len(served.feeds) == 144
    # With one feed lost, the other carries both.
    assert max(served.feeds[85:95]) > 1.8 * max(served.feeds[:80])


def test_a_picture_has_a_line_for_each_policy_and_panel() -> None:
    days = [
        msgspec.structs.replace(day(policy, 32), racks=(0.9, 1.1, 2.0), feeds=(0.5, 0.6, 0.7))
        for policy in ("none", "operate+throttle")
    ]
    root = ElementTree.fromstring(render_curves(days, 1.05))
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 4
    heights = [float(point.split(",")[1]) for line in lines for point in line.get("points", "").split()]
    assert min(heights) >= 0
    assert max(heights) <= float(root.get("viewBox", "").split()[3])


def test_a_token_costs_what_its_kind_costs(data: Path) -> None:
    # 1,000 tokens read at 12,000 a second and 200 written at 1,500.
    assert tokens_a_second(data) == pytest.approx(1200 / (1000 / 12_000 + 200 / 1_500))


def test_the_page_says_what_the_operator_did_and_nothing_of_it_for_others() -> None:
    text = render_section([day("none", 32), msgspec.structs.replace(day("operate", 32), plans=7)], "Here.")
    assert "| 32 | 1 | operate | 7 | 0 | 0 | 0 | 0 |" in text
    assert "What the operator did" not in render_section([day("none", 32)], "Here.")


def test_a_day_with_a_trip_stands_in_bold_on_the_page() -> None:
    text = render_section([day("none", 32, trips=1), day("throttle", 32)], "Here.")
    bold = [line for line in text.splitlines() if "**1**" in line]
    assert len(bold) == 1
    assert "**none**" in bold[0]
