"""Whom a series is about, and whether it counts."""

from powerplane.models.telemetry.labels import counts, entity_of, labels_read
from powerplane.models.telemetry.metrics import MEANINGS, meanings_for, meanings_of
from powerplane.models.telemetry.readings import Entity, Meaning


def row(metric: str, **where: str) -> Meaning:
    return next(m for m in MEANINGS if m.metric == metric and set(where.items()) <= set(m.where))


GPU = row("DCGM_FI_DEV_POWER_USAGE")
POD_GROUP, CONTAINERS = meanings_for("pod cpu cores", among=meanings_of("cadvisor"))


def test_dcgm_s_labels_are_read_in_the_old_and_the_new_spelling() -> None:
    old = {"Hostname": "n1", "uuid": "GPU-1", "exported_pod": "p", "exported_namespace": "a"}
    new = {"hostname": "n1", "UUID": "GPU-1", "pod": "p", "namespace": "a"}
    assert entity_of(GPU, old) == entity_of(GPU, new) == Entity("n1", "a", "p", device="GPU-1")


def test_a_gpu_without_a_pod_is_one_all_the_same() -> None:
    assert entity_of(GPU, {"hostname": "n1", "UUID": "GPU-1"}) == Entity("n1", device="GPU-1")


def test_the_pod_that_is_measured_goes_before_the_exporters_own() -> None:
    labels = {
        "hostname": "n1",
        "pod": "dcgm-x",
        "namespace": "monitoring",
        "exported_pod": "p",
        "exported_namespace": "a",
    }
    found = entity_of(GPU, labels)
    assert found
    assert (found.namespace, found.pod) == ("a", "p")


def test_a_node_label_goes_before_a_host_name_and_that_before_the_scraped_address() -> None:
    labels = {"instance": "10.0.0.1:9290", "hostname": "h", "node": "n"}
    ipmi = row("ipmi_dcmi_power_consumption_watts")
    assert entity_of(ipmi, labels) == Entity("n")
    assert entity_of(ipmi, {"instance": "10.0.0.1:9290", "hostname": "h"}) == Entity("h")
    assert entity_of(ipmi, {"instance": "10.0.0.1:9290"}) == Entity("10.0.0.1:9290")


def test_a_series_that_names_nobody_is_nobodys() -> None:
    assert entity_of(row("kepler_node_cpu_watts"), {"zone": "package"}) is None
    assert entity_of(POD_GROUP, {"node": "n1", "namespace": "a"}) is None


def test_an_empty_label_is_a_missing_one() -> None:
    assert entity_of(row("kepler_node_cpu_watts"), {"node_name": ""}) is None


def test_a_pods_own_group_and_its_containers_are_told_apart() -> None:
    group = {"node": "n1", "namespace": "a", "pod": "p", "id": "/kubepods/pod1"}
    container = group | {"container": "c", "image": "i", "id": "/kubepods/pod1/c"}
    bare = {"node": "n1", "namespace": "a", "pod": "p", "container": "c"}
    system = {"node": "n1", "id": "/system.slice"}
    assert [counts(POD_GROUP, labels) for labels in (group, container, bare, system)] == [True, False, False, False]
    assert [counts(CONTAINERS, labels) for labels in (group, container, bare, system)] == [False, True, False, False]


def test_a_regular_expression_has_to_match_the_whole_value() -> None:
    chip = row("node_hwmon_power_average_watt")
    assert counts(chip, {"chip": "lnxsybus:00_acpi000d:00"})
    assert not counts(chip, {"chip": "0000:03:00_0_amdgpu"})
    mode = row("node_cpu_seconds_total")
    assert counts(mode, {"mode": "user"})
    assert not any(counts(mode, {"mode": mode_}) for mode_ in ("idle", "iowait", "guest", "user_x", ""))


def test_every_label_that_is_looked_at_is_read() -> None:
    labels = labels_read(CONTAINERS)
    assert {"container", "image", "namespace", "pod", "node", "instance"} <= set(labels)
    assert len(set(labels)) == len(labels)
