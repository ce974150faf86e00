"""``powerplane forecast`` on recorded histories whose seasons are known, run as a person runs it.

Rack-1 draws from 240 to 360 W over a day and rack-2 from 240 to 280 W, highest at three; it is nine o'clock.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.cli.conftest import Cluster, Program
from tests.cli.forecast_history import LAST_S, NODES, Floats, record, seasonal, times
from tests.cli.report.html_check import read


def feeds(cluster: Cluster, rack_1: str = "345W", feed: str = "1kW") -> Path:
    """The cluster's racks on two feeds that share their load."""
    below: dict[str, Any] = {"kind": "rack", "parents": ["feed-a", "feed-b"], "feedLoad": "shared"}
    cluster.topology = {
        "domains": [
            *({"name": name, "kind": "feed", "budget": feed} for name in ("feed-a", "feed-b")),
            {"name": "rack-1", **below, "budget": rack_1, "nodes": ["n1", "n2"]},
            {"name": "rack-2", **below, "budget": "400W", "nodes": ["n3", "n4"]},
        ]
    }
    return cluster.write()


def drawn(days: float) -> tuple[dict[str, Floats], Floats]:
    at_s = times(days)
    return {node: seasonal(node, at_s) for node in NODES}, at_s


def foresee(program: Program, *arguments: object) -> tuple[int, dict[str, Any]]:
    done = program("forecast", *arguments, "-o", "json")
    assert done.out, done.err
    return done.code, json.loads(done.out)


def domain(found: dict[str, Any], name: str) -> dict[str, Any]:
    one: dict[str, Any] = next(each for each in found["domains"] if each["name"] == name)
    return one


def test_a_breach_of_the_afternoon_is_foreseen_in_the_morning(
    cluster: Cluster, program: Program, tmp_path: Path
) -> None:
    code, found = foresee(program, "--snapshot", feeds(cluster), "--telemetry", record(tmp_path / "h", *drawn(14)))
    assert (code, found["foreseen"], found["sources"]) == (3, ["rack-1"], {"ipmi": 4})
    first = found["domains"][0]
    assert (first["name"], first["state"], first["method"]) == ("rack-1", "foreseen", "seasons")
    assert first["expectedWatts"] == pytest.approx(360, rel=0.02)
    assert first["upperWatts"] > first["expectedWatts"] > first["nowWatts"]
    # It draws 345 W at a quarter past twelve.
    assert 2.5 * 3600 <= first["breachAtSeconds"] - LAST_S <= 3.75 * 3600
    assert first["breachProbability"] > 0.99
    assert len(first["steps"]) == 24
    assert (domain(found, "rack-2")["state"], domain(found, "rack-2")["breachProbability"]) == ("held", 0)


def test_what_ends_before_the_breach_foresees_none(cluster: Cluster, program: Program, tmp_path: Path) -> None:
    meters = record(tmp_path / "h", *drawn(14))
    code, found = foresee(program, "--snapshot", feeds(cluster), "--telemetry", meters, "--ahead", "2h")
    assert (code, found["foreseen"], found["aheadSeconds"]) == (0, [], 7200)


def test_a_lost_feed_is_foreseen_and_told_but_is_no_breach(cluster: Cluster, program: Program, tmp_path: Path) -> None:
    directory = feeds(cluster, rack_1="1kW", feed="600W")
    meters = record(tmp_path / "h", *drawn(14))
    code, found = foresee(program, "--snapshot", directory, "--telemetry", meters)
    assert (code, found["foreseen"]) == (0, [])
    feed = domain(found, "feed-a")
    # Both racks draw 600 W together some two hours before noon, and 640 W at three.
    assert (feed["state"], feed["ifLost"]["feed"]) == ("foreseen with a feed lost", "feed-b")
    assert feed["ifLost"]["expectedWatts"] == pytest.approx(640, rel=0.02)
    assert LAST_S < feed["ifLost"]["breachAtSeconds"] <= LAST_S + 3 * 3600
    assert [each["name"] for each in found["domains"][:2]] == ["feed-a", "feed-b"]


def test_a_node_without_data_counts_at_its_worst_case_and_is_told(
    cluster: Cluster, program: Program, tmp_path: Path
) -> None:
    watts, at_s = drawn(14)
    watts["n4"] = np.full(len(at_s), np.nan)
    arguments = ("--snapshot", feeds(cluster, rack_1="1kW"), "--telemetry", record(tmp_path / "h", watts, at_s))
    code, found = foresee(program, *arguments)
    assert (code, found["unmeasured"]) == (0, ["n4"])
    rack = domain(found, "rack-2")
    assert (rack["worstCaseWatts"], rack["unmeasuredNodes"]) == (200, 1)
    assert rack["expectedWatts"] == pytest.approx(200 + 140, rel=0.03)
    table = program("forecast", *arguments).out
    assert "1 node without a sample to believe counts at its worst case: n4" in table


def test_a_breach_by_assumption_alone_is_told_as_one(cluster: Cluster, program: Program, tmp_path: Path) -> None:
    watts, at_s = drawn(14)
    watts["n2"] = np.full(len(at_s), 0.0)
    arguments = ("--snapshot", feeds(cluster, rack_1="310W"), "--telemetry", record(tmp_path / "h", watts, at_s))
    code, found = foresee(program, *arguments)
    assert (code, domain(found, "rack-1")["state"], domain(found, "rack-1")["byAssumption"]) == (3, "broken", True)
    assert "by what is assumed of nodes without data" in program("forecast", *arguments).out


def test_a_short_history_is_told_and_stays_at_the_last_value(
    cluster: Cluster, program: Program, tmp_path: Path
) -> None:
    arguments = ("--snapshot", feeds(cluster), "--telemetry", record(tmp_path / "h", *drawn(0.5)))
    code, found = foresee(program, *arguments)
    rack = domain(found, "rack-1")
    assert (code, rack["method"]) == (0, "last value")
    assert rack["expectedWatts"] == pytest.approx(rack["nowWatts"])
    # As wide as can be: all that its nodes can draw.
    assert rack["upperWatts"] == 400
    told = " ".join(program("forecast", *arguments).out.split())
    assert "too little history for a daily season" in told


def test_minutes_of_history_know_no_probability_and_say_so(cluster: Cluster, program: Program, tmp_path: Path) -> None:
    arguments = ("--snapshot", feeds(cluster), "--telemetry", record(tmp_path / "h", *drawn(0.02)))
    code, found = foresee(program, *arguments)
    rack = domain(found, "rack-1")
    assert (code, rack["state"], rack["breachProbability"]) == (0, "not known", None)
    told = " ".join(program("forecast", *arguments).out.split())
    assert "how likely a breach is cannot be told" in told
    assert "as far as so little history can tell" in told


def test_gaps_are_told_and_do_not_lower_what_is_expected(cluster: Cluster, program: Program, tmp_path: Path) -> None:
    watts, at_s = drawn(14)
    watts["n1"][300:500] = np.nan
    arguments = ("--snapshot", feeds(cluster), "--telemetry", record(tmp_path / "h", watts, at_s))
    code, found = foresee(program, *arguments)
    rack = domain(found, "rack-1")
    assert code == 3
    assert rack["gapShare"] == pytest.approx(192 / len(at_s), abs=0.001)
    assert rack["expectedWatts"] == pytest.approx(360, rel=0.02)
    assert "14 % of that of rack-1 is missing" in program("forecast", *arguments).out


def test_the_page_has_a_chart_for_each_domain_and_nothing_that_leads_out(
    cluster: Cluster, program: Program, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    meters = record(tmp_path / "h", *drawn(3))
    arguments = ("--snapshot", feeds(cluster), "--telemetry", meters, "--report", page, "-o", "yaml")
    assert program("forecast", *arguments).code == 3
    found = read(page.read_text())
    assert (found.mistakes, found.fetched) == ([], [])
    assert found.tags.count("svg") == 4
    assert "foreseen broken within 6 h" in found.headings[0]
    assert not [value for _, name, value in found.attributes if name == "d" and "nan" in value]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "neither --prometheus nor --telemetry"),
        (("--telemetry", "nowhere"), "nowhere"),
        (("--telemetry", ".", "--prometheus", "http://h:1"), "both"),
        (("--prometheus", "http://127.0.0.1:1", "--timeout", "2s"), "does not answer"),
        (("--prometheus", "http://h:1", "--ahead", "3d"), "not from a minute to two days"),
        (("--prometheus", "http://h:1", "--ahead", "soon"), "not a duration"),
        (("--prometheus", "http://h:1", "--history", "90d"), "more than 60 days"),
        (("--prometheus", "http://h:1", "--history", "1h"), "shorter than --ahead"),
        (("--prometheus", "http://h:1", "--history", "d"), "'d' is not a duration"),
        (("--prometheus", "http://h:1", "--probability", "1"), "not between 0 and 1"),
        (("--prometheus", "http://h:1", "--probability", "nan"), "not between 0 and 1"),
        (("--prometheus", "http://h:1", "--no-cluster"), "--no-cluster"),
    ],
)
def test_a_wrong_command_line_is_told_with_the_next_step(
    arguments: tuple[str, ...], problem: str, cluster: Cluster, program: Program
) -> None:
    done = program("forecast", "--snapshot", feeds(cluster), *arguments)
    assert done.code in (1, 2)
    assert not done.out
    assert problem in done.err
    assert "next:" in done.err


def test_meters_of_other_nodes_are_told_from_none(cluster: Cluster, program: Program, tmp_path: Path) -> None:
    watts, at_s = drawn(1)
    meters = record(tmp_path / "h", {f"other-{name}": each for name, each in watts.items()}, at_s)
    done = program("forecast", "--snapshot", feeds(cluster), "--telemetry", meters)
    assert done.code == 1
    assert "has no watts in that history of any of 4 nodes" in done.err
    assert "powerplane doctor" in done.err
