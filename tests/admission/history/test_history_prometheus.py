"""A new pod is foretold from history: a real Prometheus with six hours of it, and the very process that reads it.

Two pods of the Deployment web use two cores or three in turns of an hour, a Job's pod half a core of the sixteen that
it asks for. Their API server is a small one on loopback that lists pods.
"""

import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from tests.adapters.api_server import Api, kubeconfig
from tests.adapters.telemetry.test_round_process import alive
from tests.admission.applying import apply, container, pod, review
from tests.admission.test_deciding import everywhere, table
from tests.conftest import find_prometheus
from tests.rig.processes import wait_for
from tests.simulator.prometheus_process import backfilled

from powerplane.adapters.node_rates import Rates
from powerplane.admission.deciding import decide
from powerplane.admission.filling import Filler
from powerplane.admission.history.feed import HistoryFeed
from powerplane.admission.history.wire import Opening
from powerplane.admission.predicting import Predictor
from powerplane.admission.review import read_review
from powerplane.models.api.capping_policy import AdmissionChoice

pytestmark = [pytest.mark.prometheus, pytest.mark.slow]

HOURS, STEP_S = 6, 60.0
MEMORY = 400e6


def openmetrics(end_s):
    at_s = np.arange(end_s - HOURS * 3600, end_s + 1, STEP_S)
    web = np.where(at_s // 3600 % 2 == 0, 2.0, 3.0)
    uses = {"web-5d8-a": web, "web-5d8-b": web, "run-x-1": np.full(len(at_s), 0.5)}
    cpu, memory = [], []
    for name, cores in uses.items():
        for inside in ("", ',container="c",image="i"'):
            labels = f'id="/{name}{inside[12:13]}",instance="n1",namespace="shop",pod="{name}"{inside}'
            for at, seconds in zip(at_s, np.cumsum(cores * STEP_S), strict=True):
                cpu.append(f"container_cpu_usage_seconds_total{{{labels}}} {seconds} {at}")
                memory.append(f"container_memory_working_set_bytes{{{labels}}} {MEMORY} {at}")
    families = {"container_cpu_usage_seconds counter": cpu, "container_memory_working_set_bytes gauge": memory}
    lines = [f"# TYPE {family}\n" + "\n".join(each) for family, each in families.items()]
    return "\n".join(lines) + "\n# EOF\n"


def of_web(name="", **resources):
    made = pod({"name": "c", "image": "i", **({"resources": resources} if resources else {})})
    made["metadata"] |= {"labels": {"app": "web", "pod-template-hash": "5d8"}, "namespace": "shop"}
    made["metadata"] |= {"name": name} if name else {}
    owner = {"kind": "ReplicaSet", "name": "web-5d8", "uid": "o", "controller": True}
    made["metadata"]["ownerReferences"] = [owner]
    return made


def of_job(run):
    made = pod(container(cpu="16"), owner=("Job", run))
    made["metadata"] |= {"name": f"{run}-1", "namespace": "shop"}
    return made


def quiet_watch(handler, query, _before):
    """Nothing changes: a watch gets no line until the test is over."""
    if "watch" not in query:
        return False
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.flush()
    time.sleep(20)
    return True


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with backfilled(find_prometheus(), tmp_path_factory.mktemp("prometheus"), openmetrics(time.time() - 30)) as running:
        yield running


@pytest.fixture
def opening(server, tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    api = Api()
    api.objects["pods"] = [of_web("web-5d8-a"), of_web("web-5d8-b"), of_job("run-x")]
    api.trouble["pods"] = quiet_watch
    yield Opening(server.url, kubeconfig=str(kubeconfig(tmp_path / "config", api.address)))
    api.close()


def test_a_new_pod_of_a_known_workload_is_predicted_from_history_and_one_alike_by_its_class(opening):
    feed = HistoryFeed(opening, lambda: True)
    try:
        while feed.ask():
            pass
    finally:
        feed.close()
    assert feed.error == ""
    known = feed.histories()
    predictor = Predictor(Rates(10_000), known.workloads, known.classes)
    own = everywhere(admission=AdmissionChoice(fill_requests=True))
    now = replace(table(own), predictor=predictor, filler=Filler(known.containers, known.managed))

    web = of_web()
    decision = decide(read_review(review(web, namespace="shop")), now)
    assert decision.verdict.audit["predicted-from"] == "history"
    after = apply(web, list(decision.verdict.patch))["spec"]["containers"][0]["resources"]["requests"]
    # Three cores at their busiest, 10 W each; the young bound is above the 15 % more that are requested.
    assert int(after["powerplane.dev/watts"]) == pytest.approx(3 * 10 * 1.15, rel=0.08)
    assert int(after["cpu"].removesuffix("m")) == pytest.approx(3000 * 1.15, rel=0.06)
    assert int(after["memory"].removesuffix("Mi")) == pytest.approx(MEMORY / (1 << 20) * 1.15, rel=0.06)

    other = decide(read_review(review(of_job("run-y"), namespace="shop")), now)
    assert other.verdict.audit["predicted-from"] == "class"
    assert 5 <= other.watts < 160


def test_the_process_ends_when_the_program_that_started_it_is_killed(opening):
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time\n"
            "from powerplane.admission.history.feed import HistoryFeed\n"
            "from powerplane.admission.history.wire import Opening\n"
            f"feed = HistoryFeed(Opening({opening.url!r}, kubeconfig={opening.kubeconfig!r}))\n"
            "feed.ask()\n"
            "print(feed.pid, flush=True)\n"
            "time.sleep(60)\n",
        ],
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert child
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert wait_for(lambda: not alive(child), 15)
