"""``powerplane workloads`` on the small cluster: who draws what, what they will want, and how much work a watt does."""

import json

import pytest
import yaml
from tests.cli.conftest import Cluster, small_cluster

CPU = "container_cpu_usage_seconds_total"
IPMI = "ipmi_dcmi_power_consumption_current_watts"
TOKENS = "vllm:generation_tokens_total"
BEGAN_S, STEP_S, STEPS = 1_700_000_000, 60, 181
PER_CORE_WATTS = 10.0
RESET = 90
SERVED = "requests_served"
TOKENS_PER_S = 50.0
"""Of each pod, whatever it draws."""


def own(name, owner):
    return {"kind": "StatefulSet", "name": owner, "uid": owner, "controller": True, "apiVersion": "apps/v1"}


def recorded(directory, cluster: Cluster, silent=()):
    """Pages of each node: its meter, its pods' CPU and tokens; in every third five minutes two cores, else one."""
    names = {node["metadata"]["name"] for node in cluster.nodes}
    for node in sorted(names - set(silent)):
        (directory / node).mkdir(parents=True)
        pods = [pod["metadata"]["name"] for pod in cluster.pods if pod["spec"].get("nodeName") == node]
        used, made = 0.0, 0.0
        for i in range(STEPS):
            cores = 2.0 if i // 5 % 3 == 0 else 1.0
            used, made = used + cores * STEP_S, made + TOKENS_PER_S * STEP_S
            lines = [f"{IPMI} {100 + PER_CORE_WATTS * cores * len(pods) + i % 2}"]
            for pod in pods:
                lines.append(f'{CPU}{{container="",id="/kubepods/{pod}",namespace="shop",pod="{pod}"}} {used}')
                whose = f'namespace="shop",pod="{pod}"'
                # One model's counter begins anew in the middle, and misses a scrape then.
                since = made / 2 - (TOKENS_PER_S / 2 * STEP_S * RESET if i >= RESET else 0)
                lines.append(f'{TOKENS}{{{whose},model_name="a"}} {made / 2}')
                lines += [f'{TOKENS}{{{whose},model_name="b"}} {since}'] * (i != RESET + 1)
                lines += [f"{SERVED}{{{whose}}} {i}", f'elsewhere_total{{namespace="shop",pod="not-{pod}"}} {i}']
            (directory / node / f"{BEGAN_S + STEP_S * i}.txt").write_text("\n".join(lines) + "\n")
    return directory


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    cluster = small_cluster(folder / "snapshot")
    for i, pod in enumerate(cluster.pods):
        pod["metadata"]["ownerReferences"] = [own(pod["metadata"]["name"], "web" if i % 2 else "db")]
    return cluster, cluster.write(), recorded(folder / "meters", cluster)


def ask(program, site, *more):
    _, snapshot, meters = site
    done = program("workloads", "--snapshot", snapshot, "--telemetry", meters, *more, "-o", "json")
    assert done.out, done.err
    return json.loads(done.out)


def milliwatts(value):
    return round(value * 1000)


def test_workloads_idle_and_the_rest_add_up_to_what_was_measured(site, program):
    found = ask(program, site, "--no-demand")
    totals = {name: milliwatts(value) for name, value in found["totals"].items()}
    assert totals["measuredWatts"] == totals["idleWatts"] + totals["unattributedWatts"] + totals["workloadsWatts"]
    assert totals["workloadsWatts"] == sum(milliwatts(each["watts"]) for each in found["workloads"])
    assert (found["measuredNodes"], found["unmeasured"]) == (4, [])
    assert {each["workload"] for each in found["workloads"]} == {"StatefulSet/web", "StatefulSet/db"}
    drawn = [each["watts"] for each in found["workloads"]]
    assert drawn == sorted(drawn, reverse=True)
    assert all(each["demand"] is None and each["throughput"] is None for each in found["workloads"])


def test_what_each_will_want_comes_with_its_bounds(site, program):
    cluster, _, _ = site
    found = ask(program, site, "--history", "3h")
    for each in found["workloads"]:
        demand = each["demand"]
        assert demand["lowerWatts"] <= demand["targetWatts"]
        # Two cores in a third of the time are the target; all of its pods at it, on these nodes' curve of 10 W a core.
        assert demand["targetWatts"] == pytest.approx(each["pods"] * 2 * PER_CORE_WATTS, rel=0.25)
        # Three hours are little to go by.
        assert demand["upperWatts"] is None or demand["upperWatts"] > 1.5 * demand["targetWatts"]
    assert sum(each["pods"] for each in found["workloads"]) == len(cluster.pods)


def test_throughput_per_watt_is_the_metrics_rate_over_the_watts_of_its_pods(site, program):
    found = ask(program, site, "--throughput", TOKENS, "--history", "3h", "--no-demand")
    for each in found["workloads"]:
        done = each["throughput"]
        # Fifty tokens a second on a core of 10 W, or on two of 20 W.
        assert 2.4 <= done["perWatt"] <= 5.1
        assert done["lower"] <= done["perWatt"] <= done["upper"]
        assert done["intervals"] >= 30
        assert done["metric"] == TOKENS


def test_matchers_narrow_the_metric(site, program):
    whole = ask(program, site, "--throughput", TOKENS, "--history", "3h", "--no-demand")
    half = ask(program, site, "--throughput", TOKENS + '{model_name="a"}', "--history", "3h", "--no-demand")
    for one, other in zip(whole["workloads"], half["workloads"], strict=True):
        assert other["throughput"]["perWatt"] == pytest.approx(one["throughput"]["perWatt"] / 2, rel=0.01)


def test_too_short_a_history_and_a_metric_that_is_not_there_are_told_with_what_to_do(site, program):
    short = ask(program, site, "--throughput", TOKENS, "--history", "15m", "--no-demand")
    assert "intervals" in short["workloads"][0]["throughput"]["reason"]
    assert short["workloads"][0]["throughput"]["nextStep"]
    moment = ask(program, site, "--throughput", TOKENS, "--history", "1m")
    assert moment["workloads"][0]["throughput"]["reason"].startswith("the history is shorter than 5 minutes")
    assert moment["workloads"][0]["demand"] is None
    assert any("too short to tell" in note for note in moment["notes"])
    absent = ask(program, site, "--throughput", "no_such_total", "--no-demand")
    assert absent["workloads"][0]["throughput"]["reason"] == "the metric has no samples"
    others = ask(program, site, "--throughput", "elsewhere_total", "--no-demand")
    assert others["workloads"][0]["throughput"]["reason"] == "its series name no pod of this cluster"
    assert "exported_pod" in others["workloads"][0]["throughput"]["nextStep"]


def test_what_counts_up_under_the_name_of_a_gauge_is_asked_about(site, program):
    _, snapshot, meters = site
    given = ("--snapshot", snapshot, "--telemetry", meters, "--no-demand", "--throughput", SERVED)
    done = program("workloads", *given)
    assert done.code == 1
    assert "rises all the time" in done.err
    assert "--throughput-is counter" in done.err
    sure = program("workloads", *given, "--throughput-is", "counter", "-o", "json")
    assert json.loads(sure.out)["workloads"][0]["throughput"]["perWatt"] < 0.01


def test_a_namespace_narrows_the_rows_and_not_the_sums(site, program):
    found = ask(program, site, "--namespace", "shop", "--no-demand")
    assert found["totals"] == ask(program, site, "--no-demand")["totals"]
    _, snapshot, meters = site
    done = program("workloads", "--snapshot", snapshot, "--telemetry", meters, "--namespace", "none")
    assert done.code == 2
    assert "there are: shop" in done.err


def test_nodes_that_nobody_measures_are_named_and_in_no_figure(site, program, tmp_path):
    cluster, snapshot, _ = site
    meters = recorded(tmp_path / "some", cluster, silent=("n3",))
    done = program("workloads", "--snapshot", snapshot, "--telemetry", meters, "--no-demand", "-o", "json")
    found = json.loads(done.out)
    assert (found["measuredNodes"], found["unmeasured"]) == (3, ["n3"])
    assert sum(each["unmeasuredPods"] for each in found["workloads"]) > 0
    shown = program("workloads", "--snapshot", snapshot, "--telemetry", meters, "--no-demand")
    assert "In no figure: 1 node without a usable sample: n3" in shown.out


def test_the_table_shows_the_sum_and_what_a_watt_does(site, program):
    _, snapshot, meters = site
    given = ("--snapshot", snapshot, "--telemetry", meters, "--throughput", TOKENS, "--history", "3h")
    done = program("workloads", *given, env={"COLUMNS": "100"})
    assert done.code == 0
    for word in (
        "shop/StatefulSet/web",
        "measured",
        "idle",
        "unattributed",
        "will want",
        "work per watt",
        f"{TOKENS} a second",
    ):
        assert word in done.out
    as_yaml = program("workloads", *given, "-o", "yaml")
    assert yaml.safe_load(as_yaml.out)["workloads"][0]["pods"] > 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "give --prometheus URL, or --telemetry DIR"),
        (["--telemetry", "METERS", "--throughput", "rate(x[5m])"], "is no metric"),
        (["--telemetry", "METERS", "--throughput", 'x{a="b'], "is no metric"),
        (["--telemetry", "METERS", "--history", "90d"], "more than 30 days"),
        (["--telemetry", "METERS", "--history", "soon"], "is not a duration"),
    ],
)
def test_a_wrong_command_line_is_told_with_the_next_step(arguments, told, site, program):
    _, snapshot, meters = site
    given = [str(meters) if each == "METERS" else each for each in arguments]
    done = program("workloads", "--snapshot", snapshot, *given)
    assert done.code == 2
    assert told in done.err
    assert "next:" in done.err
