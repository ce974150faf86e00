"""``powerplane fit``: recordings into curves that plans read back, and a page of pictures."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tests.cli.conftest import Program
from tests.models.watts.synthetic import walk

from powerplane.models.watts.gpu_physics import GpuShape


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Return a recording of two node types, with a row that is no sample."""
    path = tmp_path / "history.csv"
    rows = ["timestamp,node,node_type,cpu,watts"]
    for node_type, factor, seed in (("big", 2.0, 1), ("small", 1.0, 2)):
        samples = walk(400, seed)
        for at_s, now, watts in zip(samples.at_s, samples.now[:, 0], samples.watts, strict=True):
            rows.append(f"{1.7e9 + at_s:.0f},{node_type}-1,{node_type},{now:.4f},{factor * watts:.1f}")
    path.write_text("\n".join([*rows, "1700000001,big-1,big,0.5,broken"]) + "\n")
    return path


def fit(program: Program, path: Path, *more: object) -> Any:
    return program("fit", "--csv", path, "--counters", "cpu", "--capacity", "1", *more)


def test_each_node_type_gets_a_curve_with_its_error(recording: Path, program: Program) -> None:
    done = fit(program, recording, "-o", "json")
    assert done.code == 0
    found = {row["nodeType"]: row for row in json.loads(done.out)["nodeTypes"]}
    assert found["big"]["peakWatts"] == pytest.approx(800, rel=0.05)
    assert found["small"]["peakWatts"] == pytest.approx(400, rel=0.05)
    assert found["small"]["idleWatts"] == pytest.approx(120, rel=0.1)
    assert found["big"]["refused"] == {"not a number": 1}
    assert all(0 < row["curveError"] < 0.1 for row in found.values())


def test_the_table_names_the_types_and_what_was_refused(recording: Path, program: Program) -> None:
    done = fit(program, recording)
    assert done.code == 0
    assert "big" in done.out
    assert "1 sample not learned from: not a number" in done.out


def test_yaml_says_the_same_as_json(recording: Path, program: Program) -> None:
    assert yaml.safe_load(fit(program, recording, "-o", "yaml").out) == json.loads(
        fit(program, recording, "-o", "json").out
    )


def test_a_plan_reads_the_written_curves_back(recording: Path, program: Program, cluster: Any, tmp_path: Path) -> None:
    one_type = tmp_path / "one.csv"
    lines = recording.read_text().splitlines()
    one_type.write_text("\n".join([lines[0], *(line for line in lines if ",small," in line)]) + "\n")
    written = tmp_path / "power.yaml"
    assert fit(program, one_type, "--power-out", written).code == 0
    cluster.power = yaml.safe_load(written.read_text())
    done = program("plan", "--snapshot", cluster.write(), "-o", "json")
    rack = next(row for row in json.loads(done.out)["domains"] if row["name"] == "rack-2")
    # n3 at 0.1 of its cores and n4 idle, on the true curve: 190 + 120 W.
    assert rack["beforeWatts"] == pytest.approx(310, rel=0.07)


def test_a_quantile_lifts_the_curve(recording: Path, program: Program) -> None:
    typical, high = (
        json.loads(fit(program, recording, "-o", "json", *more).out)["nodeTypes"][0]["curve"]
        for more in ((), ("--quantile", "0.95"))
    )
    assert all(above[1] >= below[1] for below, above in zip(typical, high, strict=True))
    assert high[-1][1] > typical[-1][1]


def test_the_page_stands_alone_and_shows_every_type(recording: Path, program: Program, tmp_path: Path) -> None:
    page = tmp_path / "fit.html"
    assert fit(program, recording, "--report", page).code == 0
    text = page.read_text()
    assert text.count("<svg") == 6
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "<script" not in text


def test_names_from_a_recording_cannot_break_out_of_the_page(program: Program, tmp_path: Path) -> None:
    path, page = tmp_path / "odd.csv", tmp_path / "odd.html"
    path.write_text("timestamp,node_type,cpu,watts\n1,<script>alert(1)</script>,0.5,100\n")
    assert fit(program, path, "--report", page).code == 0
    assert "<script>alert" not in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "neither --csv nor --prometheus"),
        (("--csv", "x.csv", "--prometheus", "http://h:1"), "are both given"),
        (("--csv", "x.csv"), "does not say what explains"),
        (("--csv", "x.csv", "--counters", "cpu"), "does not exist"),
        (("--csv", "x.csv", "--counters", "cpu", "--quantile", "1.5"), "not between 0 and 1"),
        (("--csv", "x.csv", "--counters", "cpu", "--capacity", "-2"), "not above 0"),
        (("--csv", "x.csv", "--counters", "cpu", "--snapshot", "now"), "--csv goes with neither"),
        (("--csv", "x.csv", "--counters", "cpu", "--limit", "l"), "are for an accelerator"),
        (("--prometheus", "http://h:1", "--watts", "w"), "are for recordings"),
        (("--prometheus", "http://h:1", "--history", "5s", "--step", "1m"), "samples a node"),
        (("--prometheus", "nonsense", "--snapshot", "."), "not an address"),
    ],
)
def test_a_wrong_command_line_is_told_with_the_next_step(
    arguments: tuple[str, ...], problem: str, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = program("fit", *arguments)
    assert done.code in (1, 2)
    assert problem in done.err
    assert "next:" in done.err


def test_a_counter_that_counts_up_is_told_and_fitted_as_a_rate(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "counter.csv"
    samples = walk(300, 3)
    total = np.cumsum(samples.now[:, 0] * 15.0)
    rows = zip(samples.at_s, total, samples.watts, strict=True)
    path.write_text("timestamp,cpu,watts\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
    raw, rate = (
        json.loads(program("fit", "--csv", path, "--counters", counter, "-o", "json").out)
        for counter in ("cpu", "rate(cpu)")
    )
    assert any("ask for rate(cpu)" in note for note in raw["notes"])
    assert rate["notes"] == ["counter: 1 sample not learned from: not a number"]
    assert rate["nodeTypes"][0]["curveError"] < 0.1


def test_a_recording_without_one_believable_sample_is_refused(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "dark.csv"
    path.write_text("timestamp,cpu,watts\n1,0.5,0\n2,0.5,-3\n")
    done = fit(program, path)
    assert done.code == 1
    assert "no watts (2)" in done.err


@pytest.fixture
def card_recording(tmp_path: Path) -> Path:
    """Return a recording of a card whose physics are known, at five limits."""
    shape = GpuShape(25.0, 230.0, 0.2, 0.82, 0.05, 1.5, 100.0)
    limits = np.array([100.0, 150.0, 175.0, 200.0, 250.0])
    rows = zip(limits, shape.watts(limits), shape.throughput(limits), strict=True)
    path = tmp_path / "card.csv"
    path.write_text("limit_watts,watts,steps\n" + "".join(f"{at},{watts},{speed}\n" for at, watts, speed in rows))
    return path


def test_an_accelerator_is_fitted_with_its_knee_and_its_error(card_recording: Path, program: Program) -> None:
    done = program("fit", "--card", "V100", "--csv", card_recording, "--throughput", "steps", "-o", "json")
    assert done.code == 0
    found = json.loads(done.out)
    assert found["throughputError"] < 0.03
    assert found["wattsError"] < 0.03
    assert 120 < found["kneeWatts"] < 170
    assert found["lowestLimitWatts"]["0.05"] > found["lowestLimitWatts"]["0.1"] > 100


def test_without_work_an_accelerators_watts_are_fitted_alone(card_recording: Path, program: Program) -> None:
    done = program("fit", "--card", "V100", "--csv", card_recording)
    assert done.code == 0
    assert "error at a limit left out (median): watts" in done.out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--card", "V100"), "--card takes a recording"),
        (("--card", "V100", "--csv", "x.csv", "--report", "y.html"), "--card takes a recording"),
        (("--card", "nothing", "--csv", "x.csv"), "the catalogue has no accelerator"),
        (("--card", "V100", "--csv", "x.csv"), "does not exist"),
    ],
)
def test_a_wrong_command_line_for_an_accelerator_is_told(
    arguments: tuple[str, ...], problem: str, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = program("fit", *arguments)
    assert done.code in (1, 2)
    assert problem in done.err
