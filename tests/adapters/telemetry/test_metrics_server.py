"""CPU by the API metrics.k8s.io."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.api_server import Api, kubeconfig, refuse, send

from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.telemetry.metrics_server import MetricsServerSource
from powerplane.models.telemetry.readings import Entity, SourceReading

AT = "2026-05-01T12:00:00Z"
AT_S = 1_777_636_800.0


def node(name: str = "n1", cpu: Any = "1500m", at: str = AT) -> dict[str, Any]:
    return {"metadata": {"name": name}, "timestamp": at, "window": "10s", "usage": {"cpu": cpu, "memory": "1Gi"}}


def pod(name: str = "p", *cpus: str, namespace: str = "a") -> dict[str, Any]:
    containers = [{"name": f"c{place}", "usage": {"cpu": cpu}} for place, cpu in enumerate(cpus)]
    return {"metadata": {"name": name, "namespace": namespace}, "timestamp": AT, "containers": containers}


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., SourceReading]]:
    """Reads once from a server that has these nodes and pods; ``source.api`` is the server."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    api = Api()

    def serve(items: list[dict[str, Any]]) -> Callable[..., bool]:
        return lambda handler, *_: send(handler, 200, json.dumps({"items": items}).encode()) is None

    def read(nodes: list[dict[str, Any]], pods: list[dict[str, Any]]) -> SourceReading:
        for resource, items in (("nodes", nodes), ("pods", pods)):
            api.trouble.setdefault(resource, serve(items))
        read.source = MetricsServerSource(  # type: ignore[attr-defined]  # the fixture hangs it there
            open_cluster(kubeconfig(tmp_path / "kubeconfig", api.address)), timeout_s=2.0, sleep=lambda _: None
        )
        return read.source.read(AT_S + 20, 60.0)[0]  # type: ignore[attr-defined,no-any-return]  # the fixture hangs it there

    read.api = api  # type: ignore[attr-defined]  # the fixture hangs it there
    yield read
    api.close()


def test_nodes_and_pods_use_is_read_at_its_own_time(source: Any) -> None:
    nodes, pods = source([node(), node("n2", "250000000n")], [pod("p", "100m", "250u")]).blocks
    assert (nodes.meaning.quantity, pods.meaning.quantity) == ("node cpu cores", "pod cpu cores")
    assert nodes.entities == (Entity("n1"), Entity("n2"))
    assert nodes.value.tolist() == [1.5, 0.25]
    assert nodes.at_s.tolist() == [AT_S, AT_S]
    assert pods.entities == (Entity(namespace="a", pod="p"),)
    assert pods.value.tolist() == [pytest.approx(0.10025)], "a pod uses what its containers use"


@pytest.mark.parametrize(
    "wrong",
    [
        node(cpu="much"),
        node(at="yesterday"),
        node(at=""),
        {"metadata": {"name": "n"}},
        node() | {"timestamp": None},
        node() | {"usage": None},
        node(cpu=3),
        None,
    ],
)
def test_what_cannot_be_read_is_counted_and_costs_nothing_else(source: Any, wrong: dict[str, Any]) -> None:
    reading = source([wrong, node("n2")], [pod("p", "1")])
    assert reading.blocks[0].entities == (Entity("n2"),)
    assert reading.refused == {"malformed": 1}


def test_a_pod_whose_containers_are_not_known_yet_costs_no_other(source: Any) -> None:
    reading = source([node()], [pod("new") | {"containers": None}, pod("p", "1"), pod("lost", "1", namespace="")])
    assert reading.blocks[1].entities == (Entity(namespace="a", pod="p"),)
    assert reading.refused == {"malformed": 1, "unlabelled": 1}


def test_a_pod_one_of_whose_containers_is_unknown_is_not_measured(source: Any) -> None:
    half = pod("p", "1", "1")
    half["containers"][1]["usage"] = {}
    reading = source([node()], [half])
    assert [block.meaning.quantity for block in reading.blocks] == ["node cpu cores"]
    assert reading.refused == {"malformed": 1}


def test_without_metrics_server_there_is_an_error_and_no_figure(source: Any) -> None:
    source.api.trouble = {"nodes": refuse(404), "pods": refuse(404)}
    reading = source([], [])
    assert (reading.blocks, reading.refused) == ((), {"unanswered": 2})
    assert "404" in reading.error
    assert source.source.failures == {"NodeMetrics.usage.cpu": 1, "PodMetrics.usage.cpu": 1}


def test_one_list_that_fails_loses_not_the_other(source: Any) -> None:
    source.api.trouble = {"pods": refuse(403)}
    reading = source([node()], [])
    assert [block.meaning.quantity for block in reading.blocks] == ["node cpu cores"]
    assert (reading.missing, reading.error) == (("PodMetrics.usage.cpu",), "")


def test_a_busy_server_is_asked_once_more(source: Any) -> None:
    def once(handler: Any, _: Any, before: int) -> bool:
        return send(handler, *((503, b"{}") if not before else (200, json.dumps({"items": [node()]}).encode()))) is None

    source.api.trouble = {"nodes": once}
    assert source([], [pod("p", "1")]).blocks[0].entities == (Entity("n1"),)


def test_something_else_than_a_list_is_no_answer(source: Any) -> None:
    source.api.trouble = {"nodes": lambda handler, *_: send(handler, 200, b"<html>") is None}
    assert source([], [pod("p", "1")]).refused == {"unanswered": 1}
