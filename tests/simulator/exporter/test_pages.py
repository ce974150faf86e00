import json
import shutil
import subprocess
import time
from collections import Counter
from dataclasses import replace
from math import isnan, nan

import numpy as np
import pytest
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families
from tests.conftest import find_prometheus
from tests.simulator.truths import keep_pods, make_truth

from powerplane.models.errors import UnreachableError, UsageError
from powerplane.models.telemetry.metrics import SCRAPED
from powerplane.simulator.exporter import Measuring, Served, serve
from powerplane.simulator.exporter.app import EXPORTERS, USUAL, ExporterApp
from powerplane.simulator.sensors.bank import Sensors
from powerplane.simulator.sensors.faults import Doubled, Down, Late, Missing, Says, Skewed

SOURCES = tuple(each.name for each in EXPORTERS)
ALL = (*SOURCES, "redfish")


def said_of(*truths, faults=(), sources=ALL):
    sensors = Sensors(0, sources, faults=faults)
    said = [sensors.observe(truth, 1000.0 + i) for i, truth in enumerate(truths)]
    return said[-1]


def parse(text):
    """Samples by name and labels."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, key
            found[key] = sample
    return found


def page(path, said, sources=ALL, query=""):
    reply = ExporterApp(sources).answer(said, path, query)
    assert reply.status == 200, reply.body
    return reply.body


@pytest.mark.parametrize("source", SOURCES)
def test_pages_parse_and_no_series_is_there_twice(source):
    said = said_of(*[make_truth()] * 2)
    whole = parse(page(f"/metrics/{source}", said))
    assert whole
    if source != "kube-state-metrics":
        assert parse(page(f"/nodes/node-1/{source}", said)) or source == "dcgm"


@pytest.mark.parametrize("source", [each.name for each in EXPORTERS if each.per_node])
def test_the_page_of_all_nodes_holds_what_scraping_each_would_bring(source):
    truth = make_truth(3, 6, 7)
    said, app = said_of(truth, truth), ExporterApp(ALL)
    together = Counter(
        (name, sample.value) for (name, _), sample in parse(app.answer(said, f"/metrics/{source}").body).items()
    )
    apart = Counter()
    for node in truth.nodes:
        for (name, _), sample in parse(app.answer(said, f"/nodes/{node}/{source}").body).items():
            apart[name, sample.value] += 1
    left_out = {name for name, _ in apart - together}
    assert not together - apart
    assert all(name.startswith("kepler_container_") for name in left_out), left_out


@pytest.mark.parametrize("source", ["ipmi", "node-exporter", "kepler", "cadvisor"])
def test_a_series_on_the_page_of_all_nodes_says_where_it_was_scraped(source):
    for _, labels in parse(page(f"/metrics/{source}", said_of(*[make_truth()] * 2))):
        assert dict(labels)["instance"].startswith("10.32.0.")


def test_every_metric_that_is_read_of_these_exporters_is_served():
    names = {name.removesuffix("_total") for name, _ in parse(page("/metrics", said_of(*[make_truth()] * 2)))}
    served = {"kepler", "kepler-platform", "kepler-old", "dcgm", "rapl", "hwmon", "ipmi", "cadvisor", "node-exporter"}
    read = {each.metric for each in SCRAPED if each.source in served}
    other_forms = {
        "ipmi_dcmi_power_consumption_watts",
        "node_rapl_joules_total",
        "node_hwmon_power_input_watt",
        "DCGM_FI_PROF_GR_ENGINE_ACTIVE",
        "kepler_node_gpu_joules_total",
    }
    # The parser gives counters a suffix that DCGM's own have not.
    assert {each.removesuffix("_total") for each in read - other_forms} <= names


@pytest.mark.data
def test_kepler_s_series_have_the_names_types_and_labels_of_its_real_output(data_dir):
    real = list(text_string_to_metric_families((data_dir / "kepler" / "scrape_12s.txt").read_text()))
    ours = {
        each.name: each
        for each in text_string_to_metric_families(page("/nodes/node-1/kepler", said_of(*[make_truth()] * 2)))
    }
    compared = 0
    for family in real:
        if family.name not in ours:
            assert family.name.startswith(("kepler_process_", "kepler_build_", "kepler_node_cpu_info", "promhttp_"))
            continue
        mine = ours[family.name]
        assert mine.type == family.type
        assert mine.documentation == family.documentation
        assert set(mine.samples[0].labels) == set(family.samples[0].labels)
        compared += 1
    assert compared >= 12


def test_kepler_attributes_active_watts_by_cpu_time_as_the_real_one_does():
    # 175 W of packages, 4 CPUs of which 0.93 work: as recorded from the real one, where the pod with 0.6 had 26.2 W.
    truth = make_truth(1, 0, 2)
    truth = replace(truth, cpu_watts=np.array([174.83]), busy_cores=np.array([0.93]), pod_cores=np.array([0.6, 0.3]))
    said = said_of(*[truth] * 9)
    read = said.readings["kepler", "pod package"].value
    assert read == pytest.approx([26.22, 13.11], rel=0.03)
    assert said.readings["kepler", "active"].value == pytest.approx(40.65, rel=0.03)
    ratio = said.readings["kepler", "usage"].value
    assert ratio == pytest.approx(0.2325)


def test_only_pods_that_serve_tokens_have_a_page_of_vllm():
    said = said_of(*[make_truth()] * 2)
    found = parse(page("/metrics/vllm", said))
    assert {dict(labels)["pod"] for _, labels in found} == {"web-1", "web-3", "web-5"}
    # One second at 3,000 and 200 a second.
    assert sorted({sample.value for sample in found.values()}) == [200, 3000]
    nobody = replace(make_truth(), pod_prompt_tokens=np.zeros(0), pod_generated_tokens=np.zeros(0))
    assert page("/metrics/vllm", said_of(nobody, nobody)) == ""


def test_labels_are_escaped():
    truth = make_truth(1, 0, 1)
    truth = replace(truth, pod_name=('we"ird\\\n',))
    found = parse(page("/metrics/kube-state-metrics", said_of(truth)))
    assert any(dict(labels).get("pod") == 'we"ird\\\n' for _, labels in found)


def test_nan_and_infinities_are_written_as_go_writes_them():
    said = said_of(*[make_truth()] * 2, faults=[Says("ipmi", value=nan, what="power")])
    text = page("/metrics/ipmi", said)
    assert " NaN\n" in text
    found = [sample.value for (name, _), sample in parse(text).items() if name.startswith("ipmi_dcmi")]
    assert len(found) == 4
    assert all(isnan(each) for each in found)


def test_pods_that_move_come_or_go_are_told_under_their_new_node():
    truth = make_truth(3, 3, 6)
    sensors, app = Sensors(0, ALL), ExporterApp(ALL)
    before = sensors.observe(truth, 0.0)
    parse(app.answer(before, "/metrics").body)
    app.answer(before, "/nodes/node-0/kepler")
    moved = replace(truth, pod_node=np.array([2, 1, 2, 0, -1, 2]))
    for second, truth in enumerate((moved, keep_pods(moved, [5, 3, 0]), make_truth(3, 3, 9)), 1):
        said = sensors.observe(truth, float(second))
        fresh = ExporterApp(ALL)
        for path in ("/metrics", "/nodes/node-0/kepler", "/nodes/node-2/cadvisor"):
            assert app.answer(said, path).body == fresh.answer(said, path).body


def test_cadvisor_writes_the_time_of_its_own_housekeeping():
    said = said_of(*[make_truth()] * 12)
    stamps = [sample.timestamp for sample in parse(page("/metrics/cadvisor", said)).values()]
    assert all(said.at_s - 5.0 <= stamp <= said.at_s for stamp in stamps)


def test_faults_show_on_the_page():
    node = frozenset({"node-1"})
    faults = [Skewed("ipmi", node, seconds=-60), Doubled("kepler", node), Missing("dcgm"), Down("node-exporter", node)]
    said, app = said_of(*[make_truth()] * 2, faults=faults), ExporterApp(ALL)
    ipmi = parse(app.answer(said, "/nodes/node-1/ipmi").body)
    assert ipmi["ipmi_dcmi_power_consumption_current_watts", ()].timestamp == pytest.approx(said.at_s - 60)
    kepler = [dict(labels) for name, labels in parse(app.answer(said, "/nodes/node-1/kepler").body) if "usage" in name]
    assert kepler == [{"node_name": "node-1"}, {"node_name": "node-1", "replica": "b"}]
    assert "POWER_USAGE" not in app.answer(said, "/nodes/node-0/dcgm").body
    assert app.answer(said, "/nodes/node-1/node-exporter").status == 503
    assert app.answer(said, "/nodes/node-0/node-exporter").status == 200
    together = app.answer(said, "/metrics/node-exporter")
    assert together.status == 200
    assert 'instance="10.32.0.2:9100"' not in together.body


def test_an_exporter_on_a_node_without_power_does_not_answer():
    truth = replace(make_truth(), lit=np.array([True, False, True, True]))
    said = said_of(truth)
    app = ExporterApp(ALL)
    assert app.answer(said, "/nodes/node-1/ipmi").status == 503
    assert 'node="node-1"' not in app.answer(said, "/metrics/ipmi").body
    assert 'node="node-1"' in app.answer(said, "/metrics/kube-state-metrics").body


def test_redfish_s_resources_link_from_the_root_down_to_the_watts():
    said, app = said_of(*[make_truth()] * 12), ExporterApp(ALL, places={"node-2": {"Row": "row-1", "Rack": "rack-7"}})

    def get(path):
        reply = app.answer(said, path)
        assert reply.status == 200
        return json.loads(reply.body)

    for root, count in (("/redfish/v1", 4), ("/bmc/node-2/redfish/v1/", 1)):
        chassis = get(get(root)["Chassis"]["@odata.id"])
        assert chassis["Members@odata.count"] == count
        one = get(chassis["Members"][2 % count]["@odata.id"])
        assert one["Name"] == "node-2"
        assert one["Location"]["Placement"] == {"Row": "row-1", "Rack": "rack-7"}
        watts = get(one["Power"]["@odata.id"])["PowerControl"][0]["PowerConsumedWatts"]
        assert watts == pytest.approx(302, abs=8)
        assert get(one["EnvironmentMetrics"]["@odata.id"])["PowerWatts"]["Reading"] == watts
    for path in ("/bmc/node-9/redfish/v1", "/redfish/v1/Chassis/x", "/redfish/v1/Systems", "/redfish/v12"):
        assert app.answer(said, path).status == 404


def test_telegraf_and_kube_state_metrics_tell_where_nodes_stand():
    said = said_of(*[make_truth()] * 12)
    app = ExporterApp(ALL, places={"node-2": {"Row": "row-1", "Rack": "rack-7"}})
    told = {dict(labels)["source"]: (dict(labels), sample) for (_, labels), sample in _all(app, said, "telegraf")}
    labels, sample = told["node-2"]
    assert (labels["rack"], labels["row"], labels["member_id"]) == ("rack-7", "row-1", "0")
    assert sample.value == pytest.approx(302, abs=8)
    assert told["node-1"][0]["rack"] == ""
    racks = {
        dict(labels)["node"]: dict(labels)["label_topology_kubernetes_io_rack"]
        for (name, labels), _ in _all(app, said, "kube-state-metrics")
        if name == "kube_node_labels"
    }
    assert racks == {"node-0": "", "node-1": "", "node-2": "rack-7", "node-3": ""}


def _all(app, said, source):
    return parse(app.answer(said, f"/metrics/{source}").body).items()


@pytest.mark.parametrize("path", ["/nothing", "/metrics/x", "/nodes/x/ipmi", "/nodes/node-0/x", "/sd/x", "/nodes"])
def test_what_is_not_there_is_told_as_such(path):
    assert ExporterApp(ALL).answer(said_of(make_truth()), path).status == 404


def test_discovery_names_every_node_s_exporter_with_the_labels_that_relabelling_reads():
    app = ExporterApp(ALL, addresses={"node-0": "192.0.2.7"})
    found = json.loads(app.answer(said_of(make_truth()), "/sd/ipmi", host="127.0.0.1:9999").body)
    assert [each["targets"] for each in found] == [["127.0.0.1:9999"]] * 4
    assert found[0]["labels"] == {
        "__metrics_path__": "/nodes/node-0/ipmi",
        "__meta_kubernetes_node_name": "node-0",
        "__meta_kubernetes_node_address_InternalIP": "192.0.2.7",
    }


@pytest.mark.parametrize("layout", ["pages", "nodes"])
def test_the_configuration_is_one_that_prometheus_accepts(layout, tmp_path):
    text = page("/prometheus.yml", said_of(make_truth()), query=f"layout={layout}&scrape=1s")
    assert {job["job_name"] for job in yaml.safe_load(text)["scrape_configs"]} == set(SOURCES)
    if promtool := shutil.which("promtool"):
        (tmp_path / "prometheus.yml").write_text(text)
        subprocess.run([promtool, "check", "config", tmp_path / "prometheus.yml"], check=True, capture_output=True)


@pytest.mark.parametrize("query", ["scrape=;rm", "scrape=0s", "scrape=%0a5s", "scrape=١s", "scrape=s", "layout=x"])
def test_a_configuration_that_makes_no_sense_is_refused(query):
    assert ExporterApp(ALL).answer(said_of(make_truth()), "/prometheus.yml", query).status == 400


@pytest.mark.prometheus
def test_promtool_finds_nothing_wrong_but_the_names_that_dcgm_and_vllm_themselves_give(prometheus):
    assert find_prometheus()
    for source in SOURCES:
        text = page(f"/metrics/{source}", said_of(*[make_truth()] * 2))
        told = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False)
        wrong = [line for line in (told.stdout + told.stderr).splitlines() if not line.startswith(("DCGM_", "vllm:"))]
        assert not wrong


class Still:
    """A world in which time passes and nothing else."""

    def __init__(self, truth):
        self.now = truth

    def step(self, dt_s):
        self.now = replace(self.now, at_s=self.now.at_s + dt_s)

    def truth(self):
        return self.now


@pytest.fixture
def session():
    with requests.Session() as session:
        session.trust_env = False
        yield session


def test_it_answers_over_http_with_the_content_type_of_the_text_format(session):
    served = Served(Still(make_truth()), "127.0.0.1:0", measuring=Measuring(sources=ALL))
    try:
        served.tick()
        answer = session.get(f"{served.listener.url}/metrics", timeout=5)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert parse(answer.text)
        assert session.post(f"{served.listener.url}/metrics", timeout=5).status_code == 405
        targets = session.get(f"{served.listener.url}/sd/kepler", timeout=5).json()
        assert targets[0]["targets"] == [served.listener.address]
    finally:
        served.close()


def test_a_late_exporter_keeps_one_waiting_and_the_others_do_not(session):
    faults = (Late("ipmi", frozenset({"node-1"}), seconds=0.5),)
    served = Served(Still(make_truth()), "127.0.0.1:0", measuring=Measuring(faults=faults))
    try:
        served.tick()

        def took(path):
            began = time.monotonic()
            assert session.get(served.listener.url + path, timeout=5).status_code == 200
            return time.monotonic() - began

        assert took("/nodes/node-1/ipmi") >= 0.5
        assert took("/nodes/node-0/ipmi") < 0.4
        assert took("/nodes/node-1/kepler") < 0.4
    finally:
        served.close()


def test_counters_count_by_the_scraper_s_clock_at_any_speed():
    clock = iter([100.0, 101.0, 102.0, 103.0])
    served = Served(Still(make_truth()), "127.0.0.1:0", 600.0, clock=lambda: next(clock))
    try:
        before = served.tick().readings["cadvisor", "pod"].value
        for _ in range(2):
            said = served.tick()
        assert said.truth.at_s == pytest.approx(1800.0)
        assert (said.readings["cadvisor", "pod"].value - before <= 2.0).all()
    finally:
        served.close()


def test_serving_ends_after_the_stated_time_and_lets_go_of_its_address(session):
    told = []
    serve(Still(make_truth()), "127.0.0.1:0", 1e6, lasts_s=10.0, started=lambda served: told.append(served.listener))
    with pytest.raises(requests.ConnectionError):
        session.get(told[0].url, timeout=2)


def test_an_address_in_use_and_one_that_is_none_are_refused_with_a_next_step():
    served = Served(Still(make_truth()), "127.0.0.1:0")
    try:
        with pytest.raises(UnreachableError, match="cannot listen"):
            Served(Still(make_truth()), served.listener.address)
        with pytest.raises(UsageError, match="no address"):
            Served(Still(make_truth()), "nonsense")
    finally:
        served.close()


def test_five_thousand_nodes_are_written_in_time_for_a_scrape():
    truth = make_truth(5000, 500, 20_000)
    sensors, app = Sensors(0, USUAL), ExporterApp(("ipmi", "kepler", "cadvisor"))
    said = sensors.observe(truth, 0.0)
    paths = ("/metrics/ipmi", "/metrics/kepler", "/metrics/cadvisor")
    for path in paths:
        app.answer(said, path)
    said = sensors.observe(replace(truth, wall_watts=truth.wall_watts + 1), 1.0)
    began = time.process_time()
    for path in paths:
        app.answer(said, path)
    assert time.process_time() - began < 3.0
