"""``powerplane explain node``: what a node draws, by whom, in three parts that add up to it."""

import re
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Program, small_cluster

IPMI = "ipmi_dcmi_power_consumption_current_watts"


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Return pages of an IPMI exporter: n1 draws 171 W, n3 draws 201 W, of n4 nothing is known."""
    pages = tmp_path / "pages"
    for name, watts in {"n1": (170, 171), "n2": (160, 161), "n3": (200, 201)}.items():
        (pages / name).mkdir(parents=True)
        for i, value in enumerate(watts):
            (pages / name / f"{1_700_000_000 + 15 * i}.txt").write_text(f"{IPMI} {value}\n")
    return pages


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """Return four nodes of 100 W idle and 200 W at peak: five pods of a core on n1, one on n3, none on n4."""
    return small_cluster(tmp_path / "now").write()


def parts(text: str) -> dict[str, float]:
    found = {name: re.search(rf"^  {name} +([\d,.]+) W", text, re.MULTILINE) for name in PARTS}
    assert all(found.values()), text
    return {name: float(each[1].replace(",", "")) for name, each in found.items() if each}


PARTS = ("idle", "dynamic", "unattributed")


def test_without_a_meter_a_node_draws_what_its_curve_says(snapshot: Path, program: Program) -> None:
    done = program("explain", "node", "n1", "--snapshot", snapshot)
    assert done.code == 0
    assert "node n1 draws 150.000 W, by its curve" in done.out
    assert parts(done.out) == {"idle": 100.0, "dynamic": 50.0, "unattributed": 0.0}


@pytest.mark.parametrize(("name", "expected"), [("n1", (171, 100, 71, 0)), ("n3", (201, 100, 20, 81))])
def test_three_parts_add_up_to_what_was_measured(
    name: str, expected: tuple[float, ...], snapshot: Path, recorded: Path, program: Program
) -> None:
    done = program("explain", "node", name, "--snapshot", snapshot, "--telemetry", recorded)
    assert done.code == 0
    whole, *three = expected
    assert f"node {name} draws {whole:.3f} W, by ipmi" in done.out
    assert parts(done.out) == dict(zip(PARTS, three, strict=True))
    assert sum(parts(done.out).values()) == whole


def test_a_pods_share_stands_beside_what_its_move_would_free(snapshot: Path, recorded: Path, program: Program) -> None:
    done = program("explain", "node", "n1", "--snapshot", snapshot, "--telemetry", recorded)
    assert re.search(r"14\.200 W +10\.000 W  shop/web-0 \(1 core\)", done.out)


def test_a_node_that_nothing_measures_is_told_at_its_worst_case(
    snapshot: Path, recorded: Path, program: Program
) -> None:
    done = program("explain", "node", "n4", "--snapshot", snapshot, "--telemetry", recorded)
    assert "node n4 draws 200.000 W, which is its worst case" in done.out


def test_an_unknown_node_is_refused_with_those_that_there_are(snapshot: Path, program: Any) -> None:
    done = program("explain", "node", "n9", "--snapshot", snapshot)
    assert done.code == 1
    assert "there is no node 'n9'" in done.err
    assert "n1, n2" in done.err


def test_fans_and_air_are_told_where_they_are_measured_and_add_nothing(
    snapshot: Path, recorded: Path, program: Program
) -> None:
    before = program("explain", "node", "n1", "--snapshot", snapshot, "--telemetry", recorded).out
    for page in sorted((recorded / "n1").iterdir()):
        with page.open("a") as file:
            file.write('ipmi_fan_speed_rpm{id="1",name="FAN1"} 6000\nipmi_fan_speed_rpm{id="2",name="FAN2"} 8000\n')
            file.write('ipmi_temperature_celsius{id="3",name="Inlet Temp"} 27\n')
    done = program("explain", "node", "n1", "--snapshot", snapshot, "--telemetry", recorded)
    assert "heat          air at the inlet 27 °C, fans at 7,000 rpm" in done.out
    # The published law: 71.5 W of 550.7 W, by the power of 1.387.
    assert "fans of servers that draw as much take about 14 W: of idle and unattributed, not added" in done.out
    assert parts(done.out) == parts(before)
    without = [line for line in done.out.splitlines() if "fans at" not in line and "fans of servers" not in line]
    assert without == before.splitlines()
    assert "rpm" not in before


def test_fans_of_a_node_without_a_wall_meter_say_no_watts(snapshot: Path, recorded: Path, program: Program) -> None:
    (recorded / "n4").mkdir()
    (recorded / "n4" / "1700000015.txt").write_text('ipmi_fan_speed_rpm{id="1",name="FAN1"} 6000\n')
    done = program("explain", "node", "n4", "--snapshot", snapshot, "--telemetry", recorded)
    assert "fans at 6,000 rpm" in done.out
    assert "fans of servers" not in done.out
