"""A recording answers for any moment of it, as Prometheus would have."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from powerplane.adapters.telemetry.recorded import RecordedSource
from powerplane.models.errors import InputError
from powerplane.models.telemetry.metrics import MEANINGS, SCRAPED, meanings_of
from powerplane.models.telemetry.metrics_use import OWNERS
from powerplane.models.telemetry.readings import Entity, SeriesBlock, SourceReading

WATTS = 'kepler_node_cpu_watts{node_name="n1",zone="package"} '


def of(readings: tuple[SourceReading, ...], source: str) -> SourceReading:
    return next(reading for reading in readings if reading.source == source)


def block(reading: SourceReading, metric: str, **where: str) -> SeriesBlock:
    return next(
        block
        for block in reading.blocks
        if block.meaning.metric == metric and set(where.items()) <= set(block.meaning.where)
    )


def record(folder: Path, **pages: str) -> Path:
    for name, text in pages.items():
        file = folder / f"{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def test_a_moment_shows_what_came_before_it_within_the_window_and_nothing_else(tmp_path: Path) -> None:
    folder = record(tmp_path, **{f"scrape_{at:02}s": f"{WATTS}{at}\n" for at in (0, 10, 20, 30)})
    source = RecordedSource(folder)
    assert source.moments == (0.0, 10.0, 20.0, 30.0)
    found = block(of(source.read(25.0, 15.0), "kepler"), "kepler_node_cpu_watts")
    assert found.entities == (Entity("n1"),)
    assert (list(found.at_s), list(found.value)) == ([20.0], [20.0]), "10 is outside: the window is open at its start"
    assert of(source.read(25.0, 15.1), "kepler").blocks[0].value.tolist() == [10.0, 20.0]
    assert of(source.read(-1.0, 15.0), "kepler").blocks == ()


def test_every_source_answers_and_tells_what_it_lacks(tmp_path: Path) -> None:
    readings = RecordedSource(record(tmp_path, scrape_00s=f"{WATTS}1\n"), (*SCRAPED, *OWNERS)).read(0.0, 10.0)
    assert {reading.source for reading in readings} == {row.source for row in (*SCRAPED, *OWNERS)}
    assert of(readings, "ipmi").missing == tuple(row.metric for row in meanings_of("ipmi"))
    assert "kepler_node_cpu_watts" not in of(readings, "kepler").missing
    assert all((reading.evaluated_s, reading.received_s, reading.error) == (0.0, 0.0, "") for reading in readings)


def test_a_lines_own_time_goes_before_the_pages(tmp_path: Path) -> None:
    source = RecordedSource(record(tmp_path, scrape_10s=f"{WATTS}5 4500\n"))
    assert block(of(source.read(10.0, 10.0), "kepler"), "kepler_node_cpu_watts").at_s.tolist() == [4.5]


def test_pages_may_be_named_by_unix_time_or_count_from_a_given_one(tmp_path: Path) -> None:
    folder = record(tmp_path, **{"1700000000": f"{WATTS}1\n", "later_1700000030.5": f"{WATTS}2\n", "node2_5s": ""})
    assert RecordedSource(folder, began_s=1_700_000_000.0).moments == (1700000000.0, 1700000005.0, 1700000030.5)


def test_a_directory_of_an_instance_labels_its_pages_as_prometheus_would(tmp_path: Path) -> None:
    line = "ipmi_dcmi_power_consumption_watts 300\n"
    record(tmp_path / "10.0.0.1:9290", scrape_00s=line)
    record(tmp_path / "10.0.0.2:9290", scrape_00s=line)
    found = of(RecordedSource(tmp_path).read(0.0, 1.0), "ipmi").blocks[0]
    assert {entity.node for entity in found.entities} == {"10.0.0.1:9290", "10.0.0.2:9290"}


def test_an_exporters_own_instance_is_kept_under_another_name(tmp_path: Path) -> None:
    line = 'kepler_node_package_joules_total{instance="n7",package="0",mode="dynamic",source="rapl"} 3\n'
    record(tmp_path / "10.0.0.1:9102", scrape_00s=line)
    assert of(RecordedSource(tmp_path).read(0.0, 1.0), "kepler-old").blocks[0].entities == (Entity("n7", device="0"),)


def test_what_only_counts_together_is_summed_page_by_page(tmp_path: Path) -> None:
    def page(user: float, system: float) -> str:
        rows = [
            (cpu, mode, value) for cpu in "01" for mode, value in (("user", user), ("system", system), ("idle", 9e9))
        ]
        return "".join(f'node_cpu_seconds_total{{cpu="{c}",mode="{m}"}} {v}\n' for c, m, v in rows)

    record(tmp_path / "n1:9100", scrape_00s=page(1, 2), scrape_15s=page(3, 4))
    found = block(of(RecordedSource(tmp_path).read(15.0, 20.0), "node-exporter"), "node_cpu_seconds_total")
    assert found.entities == (Entity("n1:9100"),)
    assert (found.at_s.tolist(), found.value.tolist()) == ([0.0, 15.0], [6.0, 14.0])


def test_a_part_that_is_no_number_makes_the_sum_none(tmp_path: Path) -> None:
    line = 'node_cpu_seconds_total{{cpu="{}",mode="user"}} {}\n'
    record(tmp_path / "n1", scrape_00s=line.format(0, 5) + line.format(1, "NaN"))
    found = block(of(RecordedSource(tmp_path).read(0.0, 1.0), "node-exporter"), "node_cpu_seconds_total")
    assert math.isnan(found.value[0])


def test_containers_are_added_up_only_where_their_pod_is_not_there_itself(tmp_path: Path) -> None:
    line = 'container_cpu_usage_seconds_total{{node="n1",namespace="a",pod="{}",container="{}",image="{}"}} {}\n'
    apart = line.format("p", "c1", "i", 1) + line.format("p", "c2", "i", 2) + line.format("p", "c1", "", 1)
    found = of(RecordedSource(record(tmp_path / "a", scrape_00s=apart)).read(0.0, 1.0), "cadvisor").blocks[0]
    assert (found.entities, found.value.tolist()) == ((Entity("n1", "a", "p"),), [3.0])
    whole = apart + line.format("p", "", "", 7)
    found = of(RecordedSource(record(tmp_path / "b", scrape_00s=whole)).read(0.0, 1.0), "cadvisor").blocks[0]
    assert (found.entities, found.value.tolist()) == ((Entity("n1", "a", "p"),), [7.0])


def test_two_series_of_one_entity_stay_two(tmp_path: Path) -> None:
    text = f"{WATTS}1\n" + 'kepler_node_cpu_watts{node_name="n1",zone="package",job="other"} 2\n'
    found = of(RecordedSource(record(tmp_path, scrape_00s=text)).read(0.0, 1.0), "kepler").blocks[0]
    assert found.entities == (Entity("n1"), Entity("n1"))
    assert found.value.tolist() == [1.0, 2.0]


def test_bad_values_are_handed_on_as_they_are(tmp_path: Path) -> None:
    pages = {f"scrape_{at:02}s": f"{WATTS}{value}\n" for at, value in enumerate(("NaN", "+Inf", "-5", "1e300"))}
    found = of(RecordedSource(record(tmp_path, **pages)).read(3.0, 10.0), "kepler").blocks[0]
    np.testing.assert_array_equal(found.value, [math.nan, math.inf, -5.0, 1e300])


def test_bad_lines_and_lines_of_nobody_are_counted_where_they_belong(tmp_path: Path) -> None:
    text = f'{WATTS}oops\nkepler_node_cpu_watts{{zone="package"}} 3\nipmi_dcmi_power_consumption_watts{{ 4\n!\n'
    source = RecordedSource(record(tmp_path, scrape_05s=text))
    readings = source.read(5.0, 5.0)
    assert of(readings, "kepler").refused == {"malformed": 1, "unlabelled": 1}
    assert of(readings, "ipmi").refused == {"malformed": 1}
    assert source.malformed == 3
    assert of(source.read(20.0, 5.0), "kepler").refused == {}, "they are of another moment"


def test_a_metric_of_another_type_than_declared_is_not_taken_for_it(tmp_path: Path) -> None:
    text = f"# TYPE kepler_node_cpu_watts counter\n{WATTS}3\n"
    reading = of(RecordedSource(record(tmp_path, scrape_00s=text)).read(0.0, 1.0), "kepler")
    assert "kepler_node_cpu_watts" in reading.missing
    assert reading.refused["other type"] == 2, "one for each row of the table"


def test_samples_out_of_order_are_put_in_order_and_the_first_of_a_time_stays(tmp_path: Path) -> None:
    folder = record(
        tmp_path, scrape_00s=f"{WATTS}1 9000\n", scrape_05s=f"{WATTS}2 3000\n", scrape_06s=f"{WATTS}3 9000\n"
    )
    found = of(RecordedSource(folder).read(10.0, 10.0), "kepler").blocks[0]
    assert (found.at_s.tolist(), found.value.tolist()) == ([3.0, 9.0], [2.0, 1.0])


def test_a_recorded_answer_is_read_by_its_samples_own_times(tmp_path: Path) -> None:
    series = {"__name__": "kepler_node_cpu_watts", "node_name": "n1", "zone": "package"}
    answers = {
        "range.json": {"resultType": "matrix", "result": [{"metric": series, "values": [[100, "5"], [115, "NaN"]]}]},
        "now.json": {"resultType": "vector", "result": [{"metric": series, "value": [130.5, "7"]}]},
    }
    for name, data in answers.items():
        (tmp_path / name).write_text(json.dumps({"status": "success", "data": data}))
    source = RecordedSource(tmp_path)
    found = of(source.read(131.0, 100.0), "kepler").blocks[0]
    assert found.at_s.tolist() == [100.0, 115.0, 130.5]
    np.testing.assert_array_equal(found.value, [5.0, math.nan, 7.0])
    assert source.moments == (100.0, 115.0, 130.5)


@pytest.mark.parametrize("ahead", ["99999999999000", "1" + "0" * 300])
def test_a_sample_of_a_time_to_come_does_not_make_the_others_old(tmp_path: Path, ahead: str) -> None:
    folder = record(tmp_path, scrape_00s=f"{WATTS}1\n", scrape_15s=f"{WATTS}2 {ahead}\n")
    assert RecordedSource(folder, began_s=2e9).moments == (2e9, 2e9 + 15)
    answer = answer_of(({"__name__": "kepler_node_cpu_watts", "node_name": "n"}, [(100.0, "5"), (1e300, "6")]))
    (tmp_path / "answers").mkdir()
    (tmp_path / "answers" / "a.json").write_text(answer)
    assert RecordedSource(tmp_path / "answers").moments == (100.0,)


def answer_of(*series: tuple[dict[str, str], list[tuple[float, str]]]) -> str:
    result = [{"metric": labels, "values": values} for labels, values in series]
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}})


def test_what_only_counts_together_is_summed_in_a_recorded_answer_too(tmp_path: Path) -> None:
    def cpu(core: str, mode: str) -> dict[str, str]:
        return {"__name__": "node_cpu_seconds_total", "instance": "n1:9100", "cpu": core, "mode": mode}

    modes = [("0", "user", 10.0), ("0", "system", 1.0), ("1", "user", 20.0), ("1", "idle", 1000.0)]
    times = [100.0, 115.0, 130.0]
    series = [(cpu(core, mode), [(at, str(base + at)) for at in times]) for core, mode, base in modes]
    (tmp_path / "a.json").write_text(answer_of(*series[:2]))
    (tmp_path / "b.json").write_text(answer_of(*series[2:]))
    source = RecordedSource(tmp_path)
    found = block(of(source.read(130.0, 60.0), "node-exporter"), "node_cpu_seconds_total")
    assert found.entities == (Entity("n1:9100"),)
    assert (found.at_s.tolist(), found.value.tolist()) == (times, [331.0, 376.0, 421.0])
    assert source.moments == tuple(times)


def test_a_sum_of_parts_with_times_of_their_own_is_as_old_as_its_oldest_and_never_lacks_one(tmp_path: Path) -> None:
    def container(name: str) -> dict[str, str]:
        own = {"container": name, "image": "i", "id": f"/{name}", "namespace": "a", "pod": "p", "node": "n1"}
        return {"__name__": "container_cpu_usage_seconds_total"} | own

    one = (container("one"), [(100.0, "50"), (110.0, "51"), (120.0, "52")])
    other = (container("other"), [(104.0, "70"), (114.0, "71"), (124.0, "NaN")])
    (tmp_path / "a.json").write_text(answer_of(one, other))
    found = block(of(RecordedSource(tmp_path).read(130.0, 60.0), "cadvisor"), "container_cpu_usage_seconds_total")
    assert found.at_s.tolist() == [100.0, 104.0, 110.0, 114.0, 120.0]
    np.testing.assert_array_equal(found.value, [120.0, 121.0, 122.0, 123.0, math.nan])


def test_owners_and_racks_keep_their_labels(tmp_path: Path) -> None:
    pod = 'kube_pod_info{namespace="a",pod="p",uid="u",node="n1",created_by_kind="ReplicaSet",created_by_name="w"} 1\n'
    rack = 'redfish_power_powercontrol_power_consumed_watts{source="n1",member_id="0",rack="R1",row="A"} 300\n'
    readings = RecordedSource(record(tmp_path, scrape_00s=pod + rack), MEANINGS).read(0.0, 1.0)
    owners = block(of(readings, "kube-state-metrics"), "kube_pod_info")
    assert (owners.entities, owners.kept) == ((Entity("n1", "a", "p", "u"),), (("ReplicaSet", "w"),))
    assert of(readings, "telegraf").blocks[0].kept == (("", "", "A", "R1"),)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "holds no recorded page"),
        ({"notes.md": "x"}, "holds no recorded page"),
        ({"scrape.txt": "x 1\n"}, "does not say when"),
        ({"a.json": "[]"}, "no answer of Prometheus"),
        ({"a.json": '{"status":"success","data":{"result":[{"metric":{},"values":[["x","1"]]}]}}'}, "no answer"),
    ],
)
def test_what_is_no_recording_is_refused_with_a_next_step(tmp_path: Path, files: dict[str, str], told: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=told) as refused:
        RecordedSource(tmp_path)
    assert refused.value.next_step


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        RecordedSource(tmp_path / "nowhere")


def test_bytes_that_are_no_text_cost_the_lines_that_they_stand_in(tmp_path: Path) -> None:
    (tmp_path / "scrape_00s.txt").write_bytes(b"\xff\xfe\x00\n" + f"{WATTS}1\n".encode())
    assert of(RecordedSource(tmp_path).read(0.0, 1.0), "kepler").blocks[0].value.tolist() == [1.0]


@pytest.mark.data
def test_keplers_real_output_says_what_was_so(data_dir: Path) -> None:
    source = RecordedSource(data_dir / "kepler")
    assert source.moments == (3.0, 6.0, 9.0, 12.0, 15.0, 18.0, 21.0)
    assert source.malformed == 0
    kepler = of(source.read(12.0, 10.0), "kepler")
    assert kepler.refused == {}
    node = block(kepler, "kepler_node_cpu_watts")
    assert node.entities == (Entity("gpu-node-1"),)
    np.testing.assert_allclose(node.value, 175.0, rtol=0.005)
    joules = block(kepler, "kepler_node_cpu_joules_total")
    np.testing.assert_allclose(np.diff(joules.value) / np.diff(joules.at_s), 175.0, rtol=0.005)
    pods = block(kepler, "kepler_pod_cpu_watts", zone="package")
    assert {entity.pod for entity in pods.entities} == {"llama-0", "shop-7d9c"}
    assert all(entity.uid and entity.namespace == "default" for entity in pods.entities)
    gone = of(source.read(21.0, 5.0), "kepler")
    assert not [each for each in gone.blocks if each.meaning.quantity == "pod watts"], "both pods had left by then"
    assert block(gone, "kepler_node_cpu_watts").value.size
