"""Histories of metrics into samples: devices added up, restarts left out, and the better source preferred."""

import numpy as np
import pytest

from powerplane.models.telemetry.metrics import MEANINGS
from powerplane.models.telemetry.readings import Entity, Meaning, SeriesBlock
from powerplane.models.watts.from_history import Grid, choose_watts, node_samples, or_nothing, tabulate

GRID = Grid(1000.0, 60.0, 5)
NODES = ("a", "b")


def meaning(metric: str) -> Meaning:
    return next(row for row in MEANINGS if row.metric == metric)


def block(metric: str, *series: tuple[Entity, list[float]]) -> SeriesBlock:
    """Return a block with a sample a step; NaN for none."""
    at_s = [GRID.at_s[np.isfinite(values)] for _, values in series]
    value = [np.array(values)[np.isfinite(values)] for _, values in series]
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in value])]).astype(np.int64)
    return SeriesBlock(
        meaning(metric), tuple(entity for entity, _ in series), offsets, np.concatenate(at_s), np.concatenate(value)
    )


def test_devices_of_a_node_add_up_and_a_missing_device_makes_the_sum_unknown() -> None:
    table = tabulate(
        [
            block(
                "DCGM_FI_DEV_POWER_USAGE",
                (Entity("a", device="0"), [50, 60, 70, 80, 90]),
                (Entity("a", device="1"), [10, 10, np.nan, 10, 110]),
            )
        ],
        NODES,
        GRID,
        str,
    )
    assert table.total[0].tolist()[:2] == [60, 70]
    assert np.isnan(table.total[0][2])
    assert np.isnan(table.total[1]).all()
    assert table.above_idle[0][4] == pytest.approx(90 - 50 + 110 - 10, abs=1)


def test_a_counter_becomes_a_rate_in_its_unit_and_a_restart_is_left_out() -> None:
    joules = [1000.0, 7000.0, 13000.0, 100.0, 6100.0]
    table = tabulate([block("node_rapl_package_joules_total", (Entity("a"), joules))], NODES, GRID, str)
    assert table.total[0][1:3].tolist() == [100, 100]
    assert np.isnan(table.total[0][[0, 3]]).all()
    assert table.total[0][4] == 100


def test_the_same_device_in_a_second_metric_is_not_counted_twice() -> None:
    watts = block("DCGM_FI_DEV_POWER_USAGE", (Entity("a", device="0"), [50.0] * 5))
    energy = block("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", (Entity("a", device="0"), [0, 3e6, 6e6, 9e6, 12e6]))
    assert tabulate([watts, energy], NODES, GRID, str).total[0].tolist() == [50] * 5
    assert tabulate([energy], NODES, GRID, str).total[0].tolist()[1:] == [50] * 4


def test_a_name_that_means_no_node_is_left_out() -> None:
    found = tabulate([block("ipmi_dcmi_power_consumption_watts", (Entity("x"), [1.0] * 5))], NODES, GRID, str)
    assert np.isnan(found.total).all()


def test_a_node_is_measured_by_the_most_believed_source_that_covers_it_well() -> None:
    wall = np.array([[200.0] * 5, [np.nan, np.nan, np.nan, np.nan, 300.0]])
    parts = np.array([[90.0] * 5, [95.0] * 5])
    sources, watts = choose_watts({"ipmi": wall, "kepler": parts}, 2)
    assert sources == ["ipmi", "kepler"]
    assert watts[:, 0].tolist() == [200, 95]


def test_a_node_that_nothing_measures_has_no_source() -> None:
    sources, watts = choose_watts({"ipmi": np.full((2, 5), np.nan)}, 2)
    assert sources == ["", ""]
    assert np.isnan(watts).all()
    assert choose_watts({}, 2)[0] == ["", ""]


def test_nothing_of_a_part_is_0_but_some_of_it_missing_is_unknown() -> None:
    filled = or_nothing(np.array([[np.nan, np.nan], [5.0, np.nan]]))
    assert filled[0].tolist() == [0, 0]
    assert filled[1][0] == 5
    assert np.isnan(filled[1][1])


def test_steps_without_both_figures_are_no_samples() -> None:
    watts = np.array([100.0, np.nan, 120.0, 130.0, 140.0])
    cores = np.array([np.nan, 4.0, 8.0, 16.0, 32.0])
    samples = node_samples(watts, cores, 32.0, GRID)
    assert samples.watts.tolist() == [120, 130, 140]
    assert samples.now[:, 0].tolist() == [0.25, 0.5, 1.0]
