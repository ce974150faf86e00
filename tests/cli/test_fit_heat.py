"""``powerplane fit`` of a history that has fans and temperatures: what they tell is said, and held against later watts.

The histories are of machines by another law than the model's: see the tests of ``heat_fit``.
"""

import io
from collections.abc import Mapping

import numpy as np
import pytest
from rich.console import Console
from tests.models.watts.test_heat_fit import COUNT, STEP_S, Machine, day

from powerplane.cli.fit_histories import TypeHistory, of_prometheus
from powerplane.cli.fit_view import FitView, TypeFit, build_fit_view, power_file, print_fit_table
from powerplane.models.objects import Node, NodeStatus, ObjectMeta
from powerplane.models.telemetry.readings import Entity, Floats, Meaning, SeriesBlock
from powerplane.models.watts.from_history import Grid
from powerplane.models.watts.heat_fit import fit_heat
from powerplane.models.watts.node_fit import NodeFit

GRID = Grid(1_700_000_040.0, STEP_S, COUNT)
CPUS = 10.0
WALL, FANS, PACKAGE = "ipmi_dcmi_power_consumption_current_watts", "node_hwmon_fan_rpm", "node_hwmon_temp_celsius"


class Recorded:
    """Answers from series by metric and device."""

    def __init__(self, series: Mapping[str, Mapping[str, Floats]]) -> None:
        self.series = series
        self.asked: list[str] = []

    def history(self, meaning: Meaning, start_s: float, end_s: float, step_s: float) -> SeriesBlock:
        assert (start_s, end_s, step_s) == (GRID.start_s, float(GRID.at_s[-1]), STEP_S)
        self.asked.append(meaning.metric)
        found = {} if meaning.pod else self.series.get(meaning.metric, {})
        return SeriesBlock(
            meaning,
            tuple(Entity(node="n1", device=device) for device in found),
            np.arange(len(found) + 1) * COUNT,
            np.tile(GRID.at_s, len(found)),
            np.concatenate([*found.values(), np.empty(0)]),
        )


def history_of(machine: Machine, *without: str) -> tuple[TypeHistory, Recorded]:
    samples, rpm, celsius = day(machine)
    series = {
        WALL: {"": samples.watts},
        "container_cpu_usage_seconds_total": {"": np.cumsum(samples.now[:, 0] * CPUS * STEP_S)},
        # Two fans and two sockets, of which the mean is what counts.
        FANS: {"fan1": rpm * 0.9, "fan2": rpm * 1.1},
        PACKAGE: {"coretemp_0": celsius - 2, "coretemp_1": celsius + 2},
    }
    source = Recorded({name: each for name, each in series.items() if name not in without})
    node = Node(metadata=ObjectMeta(name="n1"), status=NodeStatus(allocatable={"cpu": "10", "memory": "64Gi"}))
    (found,) = of_prometheus(source, [node], GRID, lambda _: None, type_label=None, server=None)
    return found, source


def view_of(history: TypeHistory) -> tuple[TypeFit, FitView]:
    fit = NodeFit.start(history.prior).follow(history.samples)
    each = TypeFit(history, fit, fit.curve(), None if history.heat is None else fit_heat(history.heat, history.prior))
    return each, build_fit_view([each])


def printed(view: FitView) -> str:
    console = Console(file=io.StringIO(), width=400)
    print_fit_table(view, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_fans_watts_are_said_and_what_they_are_worth_on_samples_not_seen() -> None:
    _, view = view_of(history_of(Machine(fan_watts=80.0))[0])
    row = view.node_types[0].heat
    assert row is not None
    assert row.kept.startswith("fans")
    highest = day(Machine())[1].max() / 12_000
    assert row.fan_watts_at_highest_speed == pytest.approx(80.0 * highest**3, rel=0.2)
    assert row.tried["fans"].error_with_it < row.tried["fans"].curve_error
    assert "fans draw" in printed(view)
    assert "of 5 blocks: kept" in printed(view)


def test_the_temperature_is_the_mean_of_the_packages_and_its_lag_is_said() -> None:
    history, _ = history_of(Machine(leakage=0.006), FANS)
    assert history.heat is not None
    # A counter's first step has no rate.
    assert history.heat.celsius == pytest.approx(day(Machine(leakage=0.006))[2][1:])
    row = view_of(history)[1].node_types[0].heat
    assert row is not None
    assert row.kept == "temperature"
    assert row.leakage_share_per_kelvin == pytest.approx(0.006, rel=0.3)
    assert row.fan_watts_at_highest_speed is None
    assert row.lag_s is not None


def test_without_sensors_nothing_is_said_of_heat_and_the_curve_is_the_same() -> None:
    with_heat, _ = view_of(history_of(Machine(fan_watts=80.0))[0])
    without, view = view_of(history_of(Machine(fan_watts=80.0), FANS, PACKAGE)[0])
    assert without.history.heat is None
    assert view.node_types[0].heat is None
    assert "fans" not in printed(view)
    assert power_file([without]) == power_file([with_heat])


def test_heat_is_not_asked_for_where_no_wall_is_measured() -> None:
    samples, _, _ = day(Machine())
    source = Recorded(
        {
            "kepler_node_cpu_watts": {"": samples.watts},
            "container_cpu_usage_seconds_total": {"": np.cumsum(samples.now[:, 0] * CPUS * STEP_S)},
        }
    )
    node = Node(metadata=ObjectMeta(name="n1"), status=NodeStatus(allocatable={"cpu": "10", "memory": "64Gi"}))
    (found,) = of_prometheus(source, [node], GRID, lambda _: None, type_label=None, server=None)
    assert found.heat is None
    assert FANS not in source.asked
