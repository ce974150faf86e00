"""What pods do, as a Prometheus tells it: one that scrapes simulated model servers, and ones that do not answer."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.adapters.telemetry.real_prometheus import Page, Server, job, prometheus_server
from tests.rig.processes import free_ports
from tests.simulator.worlds import SMALL, study_of

from powerplane.adapters.telemetry import work
from powerplane.adapters.telemetry.work import WorkReader
from powerplane.models.api.capping_policy import MetricLabel, PerformancePowerRatio
from powerplane.models.work.metrics import KNOWN, KSERVE, VLLM, WorkMetric, metric_of
from powerplane.simulator.exporter import Measuring, Served
from powerplane.simulator.truth import Truth
from powerplane.simulator.world import World


def named(metric: str, **labels: str) -> WorkMetric:
    wanted = tuple(MetricLabel(name, value) for name, value in labels.items())
    found = metric_of(PerformancePowerRatio(target=1, metric=metric, metric_labels=wanted))
    assert found is not None
    return found


def test_a_prometheus_that_does_not_answer_is_told_of_and_no_pod_is_known() -> None:
    (port,) = free_ports(1)
    reader = WorkReader(f"http://127.0.0.1:{port}", timeout_s=2.0)
    found = reader.read(KNOWN)
    assert "refused" in found.trouble
    assert not found.rates
    reader.close()


@pytest.mark.parametrize(
    "text", ["<html>", '{"status":"success","data":{"resultType":"scalar","result":["NaN","1"]}}', None]
)
def test_what_is_no_answer_of_prometheus_is_told_of(text: str | None) -> None:
    page = Page(text)
    try:
        reader = WorkReader(f"http://{page.target}", timeout_s=2.0)
        assert reader.read(KNOWN).trouble
        reader.close()
    finally:
        page.close()


def test_one_metric_that_is_no_matrix_loses_no_other() -> None:
    page = Page('{"status":"success","data":{"resultType":"scalar","result":[1790000000,"1790000000"]}}')
    try:
        reader = WorkReader(f"http://{page.target}", timeout_s=2.0)
        found = reader.read(KNOWN)
        assert not found.trouble
        assert set(found.troubles) == set(KNOWN)
        reader.close()
    finally:
        page.close()


def of_pods(truth: Truth) -> dict[tuple[str, str], float]:
    """What the simulator knows: tokens read and written a second."""
    both = truth.pod_prompt_tokens + truth.pod_generated_tokens
    names = zip(truth.pod_namespace, truth.pod_name, both.tolist(), strict=True)
    return {(namespace, name): tokens for namespace, name, tokens in names if np.isfinite(tokens)}


class Steady:
    """A world in which what is so stays so, while time passes."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth

    def step(self, dt_s: float) -> None:
        pass

    def truth(self) -> Truth:
        return self._truth


@pytest.mark.slow
@pytest.mark.prometheus
def test_what_a_real_prometheus_tells_of_model_servers_is_what_the_simulator_knows(
    prometheus: str, tmp_path: Path
) -> None:
    world = World(study_of(SMALL, tmp_path).spec)
    world.step(900)
    truth = world.truth()
    served = Served(Steady(truth), "127.0.0.1:0", measuring=Measuring(sources=("vllm",)))
    other = Page(
        'requests_total{namespace="web",pod="a",code="200"} 5\nbusy{namespace="web",pod="a"} 7\nbusy{job="x"} 1\n'
    )
    twice = {**job("again", [served.listener.address]), "metrics_path": "/metrics/vllm", "honor_labels": True}
    jobs = [{**twice, "job_name": "vllm"}, twice, {**job("web", [other.target]), "honor_labels": True}]
    ready: Callable[[Server], bool] = lambda server: server.has("vllm:generation_tokens_total offset 8s")  # noqa: E731  # named for what is waited for
    try:
        with prometheus_server(prometheus, tmp_path / "tsdb", jobs, ready) as server:
            reader = WorkReader(server.url)
            quiet, labelled = named("busy"), named("requests_total", code="200")
            absent = named("requests_total", code='200",pod="a"} or up{x="')
            found = reader.read((*KNOWN, quiet, labelled, absent))
            assert (found.trouble, dict(found.troubles)) == ("", {})
            wanted = of_pods(truth)
            assert len(wanted) == 4
            # Two jobs scrape the same pods: their work was done once.
            assert found.rates[VLLM].per_second == pytest.approx(wanted, rel=0.02)
            assert found.rates[KSERVE].per_second == {}
            assert found.rates[quiet].per_second == {("web", "a"): 7}
            assert found.rates[labelled].per_second == {("web", "a"): 0}
            assert found.rates[absent].per_second == {}
            served.close()
            deadline_s = time.monotonic() + 15
            while (gone := reader.read((VLLM,))).rates[VLLM].per_second and time.monotonic() < deadline_s:
                time.sleep(0.5)
            assert not gone.rates[VLLM].per_second, (
                "an exporter that is gone says nothing, and not that nothing is done"
            )
            reader.close()
    finally:
        other.close()


@pytest.mark.slow
@pytest.mark.prometheus
def test_an_answer_that_is_too_large_is_no_answer_and_loses_no_other(
    prometheus: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "MOST_BYTES", 20_000)
    page = Page(
        "".join(f'wide{{namespace="web",pod="p{i}"}} 1\n' for i in range(1000)) + 'busy{namespace="web",pod="a"} 7\n'
    )
    try:
        with prometheus_server(
            prometheus, tmp_path, [job("web", [page.target], honor_labels=True)], lambda s: s.has("busy")
        ) as server:
            reader = WorkReader(server.url)
            wide, busy = named("wide"), named("busy")
            found = reader.read((wide, busy))
            assert "more than 20000 bytes" in found.troubles[wide]
            assert found.rates[busy].per_second == {("web", "a"): 7}
            reader.close()
    finally:
        page.close()
