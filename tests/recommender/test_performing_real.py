"""Work per watt by a real Prometheus that scrapes a simulated cluster, beside what the simulator knows, code apart."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.adapters.telemetry.real_prometheus import Server, job, prometheus_server
from tests.simulator.worlds import SMALL, study_of

from powerplane.adapters.telemetry.following import Opened
from powerplane.adapters.telemetry.prometheus_source import PrometheusSource
from powerplane.adapters.telemetry.work import WorkReader
from powerplane.cli.measuring import load_measured
from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject
from powerplane.models.work.metrics import KNOWN
from powerplane.recommender.performing import Performing
from powerplane.recommender.performing_facts import parted_watts
from powerplane.simulator.exporter import Measuring, Served
from powerplane.simulator.exporter.cluster_files import FILES
from powerplane.simulator.truth import Truth
from powerplane.simulator.world import World


class Steady:
    """A world in which what is so stays so, while time passes."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth

    def step(self, dt_s: float) -> None:
        pass

    def truth(self) -> Truth:
        return self._truth


def known(truth: Truth, idle_watts: np.ndarray) -> tuple[float, float]:
    """Tokens a second, and watts above idle, of all model servers: their cards', and their part of the CPUs'."""
    serves = np.isfinite(truth.pod_prompt_tokens)
    tokens = float(np.nansum(truth.pod_prompt_tokens + truth.pod_generated_tokens))
    cards = sum(watts for watts, pod in zip(truth.gpu_watts, truth.gpu_pod, strict=True) if pod >= 0 and serves[pod])
    cpus = 0.0
    for node in range(len(truth.nodes)):
        here = truth.pod_node == node
        all_cards = truth.gpu_watts[truth.gpu_node == node].sum()
        dynamic = max(0.0, truth.wall_watts[node] - all_cards - idle_watts[node])
        cpus += dynamic * truth.pod_cores[here & serves].sum() / max(truth.busy_cores[node], 1e-9)
    return tokens, float(cards) + cpus


@pytest.mark.slow
@pytest.mark.prometheus
def test_tokens_a_watt_are_those_that_the_simulator_knows(prometheus: str, tmp_path: Path) -> None:
    world = World(study_of(SMALL.replace("{perSecond: 4}", "{perSecond: 9}"), tmp_path).spec)
    world.step(900)
    truth, base = world.truth(), world.spec.base
    sources = ("ipmi", "dcgm", "cadvisor", "vllm")
    served = Served(Steady(truth), "127.0.0.1:0", measuring=Measuring(sources=sources, base=base))
    directory = tmp_path / "cluster"
    directory.mkdir()
    for name, (write, _) in FILES.items():
        (directory / name).write_text(write(base, truth, {}), encoding="utf-8")
    jobs = [
        {**job(each, [served.listener.address], honor_labels=True), "metrics_path": f"/metrics/{each}"}
        for each in sources
    ]
    ready: Callable[[Server], bool] = lambda server: server.has("vllm:generation_tokens_total offset 12s")  # noqa: E731  # named for what is waited for
    try:
        with prometheus_server(prometheus, tmp_path / "tsdb", jobs, ready) as server:
            source, reader = PrometheusSource(server.url), WorkReader(server.url)
            none = (None, None, None)
            state = load_measured(
                directory, Opened(source, (), server.url), kubeconfig=None, context=None, files=none, say=lambda _: None
            )
            performing = Performing(lambda: reader.read(KNOWN))
            body = {"selector": {"matchLabels": {"app": "chat"}}, "performancePowerRatio": {"target": 1.0}}
            policy = msgspec.convert({"metadata": {"name": "keep"}, "spec": body}, ClusterPowerCappingPolicyObject)
            watts = parted_watts(state.parted, state.round.nodes)
            for at_s in (0.0, 60.0, 120.0):
                performing.follow([policy], state.snapshot, watts, at_s)
            standing = performing.standings([policy], 120.0)["", "keep"]
            source.close()
            reader.close()
        tokens, drawn = known(truth, np.array([curve.idle_mw / 1000 for curve in base.node_curve]))
        found = standing.performance
        assert found is not None, standing.why
        assert standing.met is True
        assert found.per_second == pytest.approx(tokens, rel=0.02)
        assert found.watts == pytest.approx(drawn, rel=0.05)
        assert found.per_watt == pytest.approx(tokens / drawn, rel=0.05)
        (owner,) = performing.workloads(120.0)
        assert owner == ("default/Deployment/chat", "vllm:tokens")
    finally:
        served.close()
