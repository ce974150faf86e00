"""``powerplane scheduler-config``: what it prints, what it keeps, and what it finds."""

import json

import pytest
import yaml

from powerplane.models.scheduler_config_check import check_configuration

THERE = """\
# the cluster's own
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
clientConnection: {kubeconfig: /etc/kubernetes/scheduler.conf, qps: 5.5, burst: 010}
since: 2026-01-01
quoted: "true"
profiles:
- schedulerName: default-scheduler
"""


def test_without_a_file_it_prints_a_second_scheduler(program):
    done = program("scheduler-config", "--scheduler-name", "watts", "--weight", "20")
    document = yaml.safe_load(done.out)
    assert (done.code, done.err) == (0, "")
    assert document["profiles"] == [{"schedulerName": "watts"}]
    assert document["leaderElection"]["resourceName"] == "watts"
    assert document["extenders"][0]["weight"] == 20
    assert (
        json.loads(program("scheduler-config", "--scheduler-name", "watts", "--weight", "20", "-o", "json").out)
        == document
    )


def test_a_patched_file_keeps_its_values_and_their_types(program, tmp_path):
    (tmp_path / "c.yaml").write_text(THERE)
    done = program("scheduler-config", "--patch", tmp_path / "c.yaml", "--lock", "both")
    document = yaml.safe_load(done.out)
    assert (done.code, done.err) == (0, "")
    assert document["clientConnection"] == {"kubeconfig": "/etc/kubernetes/scheduler.conf", "qps": 5.5, "burst": 8}
    assert document["since"] == "2026-01-01"
    assert document["quoted"] == "true"
    assert check_configuration(document, "both") == []
    again = tmp_path / "again.yaml"
    again.write_text(done.out)
    assert program("scheduler-config", "--patch", again, "--lock", "both").out == done.out
    assert program("scheduler-config", "--check", again, "--lock", "both").code == 0


def test_a_check_prints_findings_as_data_and_exits_with_3(program, tmp_path):
    good = program("scheduler-config").out
    (tmp_path / "bad.yaml").write_text(good.replace("nodeCacheCapable: true", "nodeCacheCapable: false"))
    done = program("scheduler-config", "--check", tmp_path / "bad.yaml")
    assert done.code == 3
    assert "error: extenders[0].nodeCacheCapable" in done.out
    assert "next: write `nodeCacheCapable: true`" in done.out
    found = json.loads(program("scheduler-config", "--check", tmp_path / "bad.yaml", "-o", "json").out)["findings"]
    assert [one["place"] for one in found] == ["extenders[0].nodeCacheCapable"]


def test_warnings_alone_exit_with_0(program, tmp_path):
    (tmp_path / "c.yaml").write_text(program("scheduler-config").out.replace("percentageOfNodesToScore: 100\n", ""))
    done = program("scheduler-config", "--check", tmp_path / "c.yaml")
    assert done.code == 0
    assert done.out.startswith("warning: percentageOfNodesToScore")
    assert program("scheduler-config", "--check", tmp_path / "c.yaml", "--nodes", "100").out == "nothing is wrong\n"


def test_a_fault_that_was_asked_for_is_written_and_told(program):
    done = program("scheduler-config", "--weight", "0")
    assert done.code == 3
    assert "weight: 0" in done.out
    assert "above 0" in done.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kind: Pod\n", "no KubeSchedulerConfiguration"),
        ("a: &x {b: c}\nd: *x\n", "alias"),
        ("a: 1\na: 2\n", "twice"),
        ("a: [", "not YAML"),
        ("", "no KubeSchedulerConfiguration"),
    ],
)
def test_what_is_no_configuration_is_told_in_words(program, tmp_path, text, told):
    (tmp_path / "c.yaml").write_text(text)
    done = program("scheduler-config", "--patch", tmp_path / "c.yaml")
    assert done.code == 1
    assert told in done.err
    assert "next:" in done.err


def test_checking_and_patching_at_once_is_refused(program, tmp_path):
    (tmp_path / "c.yaml").write_text(THERE)
    assert program("scheduler-config", "--patch", tmp_path / "c.yaml", "--check", tmp_path / "c.yaml").code == 2
