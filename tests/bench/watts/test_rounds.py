"""Rounds are measured against a real Prometheus, and end in the watts that were served."""

import pytest

from powerplane.bench.watts.page import render_table
from powerplane.bench.watts.round_exporter import GPU_WATTS, SHARES, gpus_of, lines, name_of, watts_of
from powerplane.bench.watts.round_reader import Lap, Reading
from powerplane.bench.watts.rounds import HEADINGS, _notes, _row, measure_size
from powerplane.models.errors import UnreachableError
from powerplane.models.telemetry.labels import counts, entity_of
from powerplane.models.telemetry.metrics import SCRAPED
from powerplane.models.telemetry.metrics_use import OWNERS

NODES, PODS = 40, 400


def test_what_is_served_is_what_the_table_reads_and_more() -> None:
    served = [series for share in range(SHARES) for series, _, _ in lines(share, NODES, PODS)]
    assert len(set(served)) == len(served)
    metrics = {series.partition("{")[0] for series in served}
    assert {"kepler_pod_cpu_watts", "DCGM_FI_DEV_POWER_USAGE", "container_cpu_usage_seconds_total"} <= metrics
    assert metrics <= {row.metric for row in (*SCRAPED, *OWNERS)}
    labels = dict(pair.split("=", 1) for pair in 'node="n",id="/"'.replace('"', "").split(","))
    root = next(row for row in SCRAPED if row.where == (("id", "/"),))
    assert counts(root, labels)
    assert entity_of(root, labels)


def test_a_lost_cell_is_bold_and_told() -> None:
    lap = Lap(read_s=30.0, follow_s=1.0, cpu_s=9.0, series=10, samples=40, measured=7, worst=0.5, pods=3, unanswered=2)
    reading = Reading([lap], 4000.0)
    row = dict(zip(HEADINGS, _row("x", [lap], reading, 8), strict=True))
    assert (row["whole s"], row["peak MiB"], row["nodes with a figure"]) == ("**31.00**", "**4,000**", "**7 of 8**")
    notes = list(_notes(dict.fromkeys(("rounds", "everything", "history", "client"), reading), 5))
    assert notes[0].startswith("8 questions")
    assert notes[1] == "3 of 5 pods had a figure."


def test_without_prometheus_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UnreachableError, match="no Prometheus") as told:
        measure_size(1, 1, 1.0)
    assert "apt-get install prometheus" in told.value.next_step


@pytest.mark.slow
@pytest.mark.prometheus
@pytest.mark.usefixtures("prometheus")
def test_a_small_cluster_is_measured_whole_and_truly() -> None:
    table = measure_size(NODES, PODS, 1.0)
    rows = {row[0]: dict(zip(HEADINGS, row, strict=True)) for row in table.rows}
    later = rows["later rounds"]
    assert later["nodes with a figure"] == f"{NODES} of {NODES}"
    assert float(later["worst error"].rstrip("%")) < 0.2
    assert not [note for note in table.notes if "no answer" in note or "had a figure" in note], table.notes
    series = [
        int(rows[name]["series"].replace(",", "")) for name in ("later rounds", "later rounds of the whole table")
    ]
    assert series[1] - series[0] == 4 * PODS
    assert "| a first round |" in render_table(table)


def test_every_tenth_node_has_gpus_and_every_name_is_another() -> None:
    assert [gpus_of(node) for node in (0, 1, 10)] == [8, 0, 8]
    assert len({name_of(node) for node in range(70_000)}) == 70_000
    assert watts_of(5) + GPU_WATTS > 0
