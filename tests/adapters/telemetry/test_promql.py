"""Rows of the table become the right questions."""

import json
import shutil
import subprocess

import pytest

from powerplane.adapters.telemetry.promql import raw_samples, selector, summed, sums
from powerplane.models.telemetry.metrics import MEANINGS, SCRAPED, meanings_for, meanings_of
from powerplane.models.telemetry.metrics_use import OWNERS
from powerplane.models.telemetry.readings import Meaning

ROW = Meaning("m", "s", "cpu watts", "gauge", "W", where=(("zone", 'a"\\b\n'), ("mode", r"~x|\d+")))
CPU = next(m for m in MEANINGS if m.metric == "node_cpu_seconds_total")


def test_conditions_become_matchers_and_their_values_are_quoted() -> None:
    assert selector(ROW) == r'm{zone="a\"\\b\n",mode=~"x|\\d+"}'
    assert selector(meanings_of("ipmi")[0]) == "ipmi_dcmi_power_consumption_current_watts"


def test_pods_are_asked_for_with_their_namespace_and_gpus_without() -> None:
    group = meanings_for("pod cpu cores", among=meanings_of("cadvisor"))[0]
    assert selector(group) == 'container_cpu_usage_seconds_total{container="",namespace!=""}'
    assert selector(meanings_of("dcgm")[0]) == "DCGM_FI_DEV_POWER_USAGE"


def test_samples_are_asked_for_as_they_were_scraped() -> None:
    assert raw_samples(meanings_of("ipmi")[1], 90.0) == "ipmi_dcmi_power_consumption_watts[90000ms]"
    assert raw_samples(meanings_of("ipmi")[1], 0.0).endswith("[1ms]"), "no window at all is none that Prometheus takes"


def test_a_sum_comes_with_the_time_of_its_oldest_sample_and_by_what_names_its_subject() -> None:
    asked = summed(CPU, ("site",))
    assert asked.count("sum by (site,node,") == 1
    assert "min by (site,node," in asked
    assert "timestamp(node_cpu_seconds_total{" in asked
    assert "cpu," not in asked.partition("(node_cpu")[0]


@pytest.mark.prometheus
def test_prometheus_own_parser_takes_every_question() -> None:
    promtool = shutil.which("promtool")
    if not promtool:
        pytest.skip("missing real part: prometheus: promtool on PATH (Debian: apt-get install prometheus)")
    questions = [raw_samples(meaning, 60.0) for meaning in (*SCRAPED, *OWNERS, ROW)]
    questions += [
        ask for meaning in SCRAPED if meaning.sum_over for ask in (summed(meaning, ("n",)), sums(meaning, ()))
    ]
    rules = [
        {"record": f"x:{place}", "expr": ask if "[" not in ask else f"count_over_time({ask})"}
        for place, ask in enumerate(questions)
    ]
    done = subprocess.run(
        [promtool, "check", "rules", "/dev/stdin"],
        input=json.dumps({"groups": [{"name": "g", "rules": rules}]}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "FAILED" not in done.stderr + done.stdout, done.stderr + done.stdout
    assert f"{len(rules)} rules found" in done.stdout
