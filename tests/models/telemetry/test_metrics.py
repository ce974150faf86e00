"""The declared table holds together, and the page is made from it."""

import re
from collections import Counter
from pathlib import Path

import pytest

from powerplane.models.telemetry.labels import REGEX, labels_read
from powerplane.models.telemetry.metrics import MEANINGS, SCRAPED, meanings_for, meanings_of
from powerplane.models.telemetry.metrics_page import metrics_page
from powerplane.models.telemetry.metrics_use import METRICS_SERVER, OWNERS
from powerplane.models.telemetry.metrics_watts import REDFISH
from powerplane.models.telemetry.precedence import (
    NODE_SOURCES,
    PART_SOURCES,
    PRECEDENCE,
    WALL_SOURCES,
    WHY,
    rank,
)
from powerplane.models.telemetry.readings import Meaning

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"

UNITS = {
    "watts": {("gauge", "W"): 1.0, ("gauge", "µW"): 1e-6, ("counter", "J"): 1.0, ("counter", "mJ"): 1e-3},
    "cores": {("counter", "s"): 1.0, ("gauge", "cores"): 1.0},
    "utilisation": {("gauge", "ratio"): 1.0, ("gauge", "%"): 0.01},
    "celsius": {("gauge", "°C"): 1.0},
    "rpm": {("gauge", "rpm"): 1.0},
    "info": {("gauge", ""): 1.0},
    "throughput": {("counter", "tokens"): 1.0, ("counter", "requests"): 1.0},
}


def named(meaning: Meaning) -> str:
    return f"{meaning.source}:{meaning.quantity}:{meaning.metric}:{meaning.where}"


@pytest.mark.parametrize("meaning", MEANINGS, ids=named)
def test_a_rows_scale_follows_from_its_kind_and_unit(meaning: Meaning) -> None:
    units = UNITS[meaning.quantity.split()[-1]]
    assert units[meaning.kind, meaning.unit] == meaning.scale


@pytest.mark.parametrize("meaning", [*SCRAPED, *OWNERS], ids=named)
def test_a_scraped_row_is_a_metric_with_labels_that_name_its_subject(meaning: Meaning) -> None:
    assert re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*", meaning.metric)
    assert all(re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", label) for label in labels_read(meaning))
    assert meaning.pod if meaning.quantity.startswith("pod") else meaning.node
    for _, value in meaning.where:
        re.compile(value.removeprefix(REGEX))


def test_no_row_stands_twice() -> None:
    rows = Counter((meaning.metric, meaning.quantity, meaning.where) for meaning in MEANINGS)
    assert [row for row, times in rows.items() if times > 1] == []


def test_zones_that_overlap_are_never_both_counted() -> None:
    zones = {
        (meaning.metric, meaning.quantity): dict(meaning.where).get("zone", dict(meaning.where).get("rapl_zone"))
        for meaning in MEANINGS
        if meaning.metric in ("kepler_node_cpu_watts", "kepler_node_cpu_joules_total", "node_rapl_joules_total")
    }
    assert set(zones.values()) == {"package", "dram"}
    assert all(
        zone == {"cpu watts": "package", "dram watts": "dram"}[quantity] for (_, quantity), zone in zones.items()
    )
    assert not [m for m in MEANINGS if "psys" in m.metric or "core_joules" in m.metric]


def test_rows_with_parts_are_of_one_kind_so_that_they_can_be_added() -> None:
    for source in {meaning.source for meaning in MEANINGS}:
        for quantity in {meaning.quantity for meaning in meanings_of(source)}:
            rows = [meaning for meaning in meanings_of(source) if meaning.quantity == quantity]
            if len({row.part for row in rows}) > 1:
                assert len({(row.kind, row.unit) for row in rows}) == 1, (source, quantity)


def test_rows_come_by_source_and_by_quantity_in_order_of_preference() -> None:
    assert [row.metric for row in meanings_of("ipmi")] == [
        "ipmi_dcmi_power_consumption_current_watts",
        "ipmi_dcmi_power_consumption_watts",
    ]
    gpu = meanings_for("gpu watts", among=meanings_of("dcgm"))
    assert [(row.metric, row.kind) for row in gpu] == [
        ("DCGM_FI_DEV_POWER_USAGE", "gauge"),
        ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "counter"),
    ]


def test_every_row_has_a_place_in_the_stated_order_and_no_two_share_one() -> None:
    for quantity, sources in PRECEDENCE.items():
        rows = meanings_for(quantity)
        assert {row.source for row in rows} <= set(sources)
        assert sorted(rank(row) for row in rows) == list(range(len(rows)))
    assert {meaning.source for meaning in MEANINGS} <= set(WHY)


def test_what_measures_a_whole_node_is_believed_before_the_sum_of_its_parts() -> None:
    assert (*WALL_SOURCES, *PART_SOURCES) == NODE_SOURCES
    assert {row.source for row in meanings_for("node watts")} == set(WALL_SOURCES)
    assert {row.source for row in meanings_for("cpu watts")} == set(PART_SOURCES)


def test_what_is_no_prometheus_metric_is_not_asked_of_prometheus() -> None:
    scraped = {meaning.metric for meaning in (*SCRAPED, *OWNERS)}
    assert not scraped & {meaning.metric for meaning in (*REDFISH, *METRICS_SERVER)}


def test_the_committed_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == metrics_page(), "write it again: make docs"


def test_every_metric_stands_on_the_page() -> None:
    page = metrics_page()
    assert all(f"`{meaning.metric}`" in page for meaning in MEANINGS)
    assert "mJ (× 0.001)" in page
