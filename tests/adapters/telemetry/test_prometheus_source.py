"""A Prometheus that answers, one that answers in part, and one that does not."""

import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from tests.adapters.api_server import drip, send
from tests.adapters.telemetry.real_prometheus import Page, Server, job, prometheus_server
from tests.adapters.test_prometheus import Exporter
from tests.rig.processes import wait_for

from powerplane.adapters.telemetry import prometheus_api
from powerplane.adapters.telemetry.prometheus_source import PrometheusSource
from powerplane.adapters.telemetry.recorded import RecordedSource
from powerplane.models.errors import UnreachableError
from powerplane.models.telemetry.metrics import MEANINGS, SCRAPED, meanings_for, meanings_of
from powerplane.models.telemetry.readings import Entity, Meaning, SeriesBlock, SourceReading
from powerplane.models.telemetry.samples import MOST_AHEAD_S

NOW = 1_700_000_000.0
KEPLER = meanings_of("kepler")
IPMI = meanings_of("ipmi")
CADVISOR = meanings_for("pod cpu cores", among=meanings_of("cadvisor"))

Answers = Callable[[str, str], Any]


def matrix(*series: tuple[dict[str, str], list[tuple[float, str]]]) -> dict[str, Any]:
    return {"resultType": "matrix", "result": [{"metric": labels, "values": values} for labels, values in series]}


def of(readings: tuple[SourceReading, ...], source: str) -> SourceReading:
    return next(reading for reading in readings if reading.source == source)


@pytest.fixture
def ask() -> Iterator[Callable[..., PrometheusSource]]:
    """Makes a source of a server that answers ``query -> data``, or with what the function sends itself."""
    servers: list[Exporter] = []
    sources: list[PrometheusSource] = []

    def ask(answer: Callable[[str], Any], meanings: tuple[Meaning, ...], **more: Any) -> PrometheusSource:
        def handle(handler: Any) -> None:
            query = parse_qs(urlsplit(handler.path).query)["query"][0]
            data = {"resultType": "scalar", "result": [NOW, str(NOW)]} if query == "time()" else answer(query)
            if callable(data):
                data(handler)
            else:
                send(handler, 200, json.dumps({"status": "success", "data": data}).encode())

        servers.append(Exporter(handle))
        source = PrometheusSource(servers[-1].url, meanings, **({"timeout_s": 4.0, "sleep": lambda _: None} | more))
        source.server = servers[-1]  # type: ignore[attr-defined]  # the fixture hangs it there
        sources.append(source)
        return source

    yield ask
    for source in sources:
        source.close()
    for server in servers:
        server.close()


def test_a_metric_that_fails_loses_no_other(ask: Callable[..., PrometheusSource]) -> None:
    def answer(query: str) -> Any:
        if "ipmi_dcmi_power_consumption_current_watts" in query:
            return lambda handler: send(handler, 422, b'{"status":"error","error":"too many samples"}')
        return matrix(({"node": "n1", "node_name": "n1"}, [(NOW - 5, "250")]))

    source = ask(answer, IPMI)
    reading = of(source.read(NOW + 3, 60.0), "ipmi")
    assert [block.meaning.metric for block in reading.blocks] == ["ipmi_dcmi_power_consumption_watts"]
    assert reading.missing == ("ipmi_dcmi_power_consumption_current_watts",)
    assert (reading.refused, reading.error) == ({"unanswered": 1}, "")
    assert source.failures == {"ipmi_dcmi_power_consumption_current_watts": 1}
    assert source.errors == {"ipmi_dcmi_power_consumption_current_watts": "HTTP 422 too many samples"}


def test_times_are_the_servers_and_ours_are_told_beside_them(ask: Callable[..., PrometheusSource]) -> None:
    source = ask(lambda _: matrix(({"node": "n1"}, [(NOW - 5, "250")])), IPMI)
    reading = of(source.read(NOW + 3, 60.0), "ipmi")
    assert (reading.evaluated_s, reading.received_s) == (NOW, NOW + 3)
    assert reading.blocks[0].at_s.tolist() == [NOW - 5]
    asked = [parse_qs(urlsplit(path).query) for path in source.server.asked]  # type: ignore[attr-defined]  # the fixture hangs it there
    assert {query["time"][0] for query in asked if query["query"] != ["time()"]} == {repr(NOW + MOST_AHEAD_S)}


def test_a_source_all_of_whose_questions_fail_has_an_error(ask: Callable[..., PrometheusSource]) -> None:
    def answer(query: str) -> Any:
        if "ipmi" in query:
            return lambda handler: send(handler, 400, b'{"status":"error","error":"no such thing"}')
        return matrix()

    readings = ask(answer, (*IPMI, *KEPLER)).read(NOW, 60.0)
    assert "no such thing" in of(readings, "ipmi").error
    assert of(readings, "kepler").error == ""
    assert set(of(readings, "kepler").missing) == {row.metric for row in KEPLER}


def test_what_helps_to_ask_again_is_asked_again_once(ask: Callable[..., PrometheusSource]) -> None:
    asked: list[str] = []

    def answer(query: str) -> Any:
        asked.append(query)
        if len(asked) == 1:
            return lambda handler: send(handler, 503, b"busy")
        return matrix(({"node": "n1"}, [(NOW, "250")]))

    source = ask(answer, IPMI[1:])
    assert of(source.read(NOW, 60.0), "ipmi").blocks
    assert (len(asked), source.failures.total()) == (2, 0)


@pytest.mark.parametrize(
    ("told", "known"),
    [
        ({"resultType": "scalar", "result": [NOW, str(NOW)]}, True),
        ({"resultType": "vector", "result": [{"metric": {}, "value": [NOW, str(NOW)]}]}, True),
        ({"resultType": "vector", "result": []}, False),
        ({"resultType": "vector", "result": [{}]}, False),
        ({"resultType": "scalar", "result": ["now", "1"]}, False),
        ({"resultType": "string", "result": "x"}, False),
    ],
)
def test_the_servers_time_is_a_scalar_or_a_vector_of_one(told: dict[str, Any], known: bool) -> None:
    server = Exporter(lambda handler: send(handler, 200, json.dumps({"status": "success", "data": told}).encode()))
    api = prometheus_api.PrometheusApi(server.url, {}, None)
    try:
        if known:
            assert api.now_s(1.0) == NOW
        else:
            with pytest.raises(prometheus_api.NoAnswerError, match="not an answer"):
                api.now_s(1.0)
    finally:
        api.close()
        server.close()


@pytest.mark.parametrize("said", [math.nan, math.inf, -math.inf])
def test_a_time_that_is_none_is_no_answer(said: float) -> None:
    told = {"resultType": "scalar", "result": [said, "1"]}
    server = Exporter(lambda handler: send(handler, 200, json.dumps({"status": "success", "data": told}).encode()))
    api = prometheus_api.PrometheusApi(server.url, {}, None)
    try:
        with pytest.raises(prometheus_api.NoAnswerError, match="its time is"):
            api.now_s(1.0)
    finally:
        api.close()
        server.close()


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (200, "not an answer of Prometheus: no JSON"),
        (302, "HTTP 302: it sends elsewhere"),
        (401, "HTTP 401: it refuses"),
        (503, "HTTP 503"),
    ],
)
def test_what_answers_with_a_page_is_told_in_short_and_without_the_page(status: int, told: str) -> None:
    page = b"<html>\x1b[31m" + b"x" * 100_000 + b"</html>"
    server = Exporter(lambda handler: send(handler, status, page))
    source = PrometheusSource(server.url, IPMI, timeout_s=2.0, sleep=lambda _: None)
    try:
        error = of(source.read(NOW, 60.0), "ipmi").error
    finally:
        source.close()
        server.close()
    assert error.startswith(told)
    assert len(error) < 120


def test_no_prometheus_is_an_error_of_every_source_and_never_a_figure() -> None:
    source = PrometheusSource("http://127.0.0.1:1", timeout_s=2.0, sleep=lambda _: None)
    readings = source.read(NOW, 60.0)
    source.close()
    assert {reading.source for reading in readings} == {row.source for row in SCRAPED}
    assert all(reading.error and not reading.blocks for reading in readings)
    assert source.failures == {"": 1}


@pytest.mark.parametrize("trouble", [drip(0.05), lambda _: time.sleep(3)])
def test_a_question_that_is_not_answered_in_time_is_given_up(
    ask: Callable[..., PrometheusSource], trouble: Any
) -> None:
    source = ask(
        lambda query: trouble if "current" in query else matrix(({"node": "n"}, [(NOW, "5")])), IPMI, timeout_s=1.2
    )
    began = time.monotonic()
    reading = of(source.read(NOW, 60.0), "ipmi")
    assert time.monotonic() - began < 2.5
    assert [block.meaning.metric for block in reading.blocks] == ["ipmi_dcmi_power_consumption_watts"]


def test_a_reading_ends_in_its_time_however_many_questions_hang(ask: Callable[..., PrometheusSource]) -> None:
    source = ask(lambda _: lambda _: time.sleep(1.5), SCRAPED, timeout_s=0.8)
    began = time.monotonic()
    readings = source.read(NOW, 60.0)
    assert time.monotonic() - began < 3
    assert all(reading.error for reading in readings)


def test_an_answer_without_end_is_cut_off(
    ask: Callable[..., PrometheusSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prometheus_api, "MOST_BYTES", 1000)
    source = ask(lambda _: lambda handler: send(handler, 200, b" " * 200_000), IPMI[:1])
    assert "more than 1000 bytes" in of(source.read(NOW, 60.0), "ipmi").error


def test_what_has_to_be_summed_is_asked_for_only_where_nothing_better_came(
    ask: Callable[..., PrometheusSource],
) -> None:
    asked: list[str] = []

    def answer(query: str, *, groups: bool) -> Any:
        asked.append(query)
        there = groups and 'container=""' in query
        return matrix(({"node": "n", "namespace": "a", "pod": "p"}, [(NOW, "5")])) if there else matrix()

    ask(lambda query: answer(query, groups=True), CADVISOR).read(NOW, 60.0)
    assert not any("sum by" in query for query in asked)
    ask(lambda query: answer(query, groups=False), CADVISOR).read(NOW, 60.0)
    assert any("sum by" in query for query in asked)


def test_credentials_go_where_they_are_told_to_and_no_further(
    ask: Callable[..., PrometheusSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    other = Exporter(lambda handler: send(handler, 200, b"{}"))
    try:
        moved = {"Location": f"{other.url}/x"}
        source = ask(
            lambda _: lambda handler: send(handler, 302, b"", moved),
            IPMI[:1],
            headers={"Authorization": "Bearer secret"},
        )
        assert "302" in of(source.read(NOW, 60.0), "ipmi").error
    finally:
        other.close()
    assert other.asked == []
    assert source.server.headers["Authorization"] == "Bearer secret"  # type: ignore[attr-defined]  # the fixture hangs it there


def test_a_long_history_is_asked_for_in_pieces_and_joined(ask: Callable[..., PrometheusSource]) -> None:
    spans: list[tuple[float, float]] = []

    def answer(_: str) -> Any:
        def reply(handler: Any) -> None:
            query = parse_qs(urlsplit(handler.path).query)
            start, end, step = (float(query[name][0]) for name in ("start", "end", "step"))
            spans.append((start, end))
            times = np.arange(start, end + step / 2, step)
            data = matrix(({"node_name": "n1"}, [(float(at), repr(float(at))) for at in times]))
            send(handler, 200, json.dumps({"status": "success", "data": data}).encode())

        return reply

    found = ask(answer, KEPLER).history(KEPLER[0], 0.0, 250_000.0, 10.0)
    assert spans == [(0.0, 99_990.0), (100_000.0, 199_990.0), (200_000.0, 250_000.0)]
    assert found.entities == (Entity("n1"),)
    np.testing.assert_array_equal(found.at_s, np.arange(0.0, 250_001.0, 10.0))
    np.testing.assert_array_equal(found.value, found.at_s)


def test_a_history_that_does_not_come_is_told_with_a_next_step(ask: Callable[..., PrometheusSource]) -> None:
    source = ask(lambda _: lambda handler: send(handler, 400, b'{"error":"bad step"}'), KEPLER)
    with pytest.raises(UnreachableError, match="bad step") as told:
        source.history(KEPLER[0], 0.0, 10.0, 1.0)
    assert "curl" in told.value.next_step


def equal(one: SeriesBlock, other: SeriesBlock) -> bool:
    """Whether two blocks tell the same of the same, whatever the order of their series."""

    def rows(block: SeriesBlock) -> dict[Entity, tuple[float, ...]]:
        ends = zip(block.offsets[:-1], block.offsets[1:], strict=True)
        return {entity: tuple(block.value[a:b]) for entity, (a, b) in zip(block.entities, ends, strict=True)}

    mine, theirs = rows(one), rows(other)
    return mine.keys() == theirs.keys() and all(math.isclose(mine[entity][-1], theirs[entity][-1]) for entity in mine)


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.prometheus
def test_a_real_prometheus_that_scrapes_keplers_output_says_what_the_recording_says(
    prometheus: str, data_dir: Path, tmp_path: Path
) -> None:
    text = (data_dir / "kepler" / "scrape_03s.txt").read_text()
    recorded = RecordedSource(data_dir / "kepler").read(3.0, 1.0)
    page = Page(text)
    try:
        ready: Callable[[Server], bool] = lambda server: server.has("kepler_pod_cpu_watts offset 2s")  # noqa: E731  # named for what is waited for
        with prometheus_server(prometheus, tmp_path, [job("kepler", [page.target])], ready) as server:
            source = PrometheusSource(server.url)
            now_s = time.time()
            live = source.read(now_s, 30.0)
            later = source.read(time.time(), 30.0)
            gauge = source.history(KEPLER[0], now_s - 3, now_s, 1.0)
            source.close()
        mine, theirs = of(live, "kepler"), of(recorded, "kepler")
        assert abs(mine.evaluated_s - mine.received_s) < 1
        assert [block.meaning for block in mine.blocks] == [block.meaning for block in theirs.blocks]
        assert all(map(equal, mine.blocks, theirs.blocks))
        assert mine.missing == theirs.missing
        ages = mine.evaluated_s - mine.blocks[0].at_s
        assert ((ages > -0.001) & (ages < 30)).all()
        assert len(set(mine.blocks[0].at_s)) == len(mine.blocks[0].at_s) >= 2, "each sample has a time of its own"
        assert of(later, "kepler").blocks[0].at_s[0] == mine.blocks[0].at_s[0], "and keeps it"
        np.testing.assert_allclose(gauge.value, 174.70, atol=0.01)
    finally:
        page.close()


@pytest.mark.slow
@pytest.mark.prometheus
def test_a_real_prometheus_is_read_through_bad_values_sums_and_a_lost_exporter(prometheus: str, tmp_path: Path) -> None:
    cpus = "".join(
        f'node_cpu_seconds_total{{cpu="{c}",mode="{m}"}} 10\n' for c in range(4) for m in ("user", "system", "idle")
    )
    watts = "".join(
        f'kepler_node_cpu_watts{{node_name="n{each}",zone="package"}} {value}\n'
        for each, value in enumerate(("NaN", "+Inf", "-Inf", "-5", "1e30"))
    )
    page, other = Page(cpus), Page(watts)
    try:
        jobs = [job("node", [page.target]), job("kepler", [other.target])]
        ready: Callable[[Server], bool] = lambda server: server.has("node_cpu_seconds_total offset 3s")  # noqa: E731  # named for what is waited for
        with prometheus_server(prometheus, tmp_path, jobs, ready) as server:
            source = PrometheusSource(server.url)
            readings = source.read(time.time(), 10.0)
            (sums,) = (block for block in of(readings, "node-exporter").blocks if block.meaning.sum_over)
            assert sums.entities == (Entity(page.target),)
            assert (sums.value == 80.0).all()
            assert (np.diff(sums.at_s) > 0.9).all(), "scraped each second, and no sample told twice"
            now_s = time.time()
            past = source.history(sums.meaning, now_s - 2, now_s, 1.0)
            assert past.entities == (Entity(page.target),)
            assert (past.value == 80.0).all()
            bad = of(readings, "kepler").blocks[0]
            last = {entity.node: bad.value[end - 1] for entity, end in zip(bad.entities, bad.offsets[1:], strict=True)}
            np.testing.assert_array_equal(
                [last[f"n{each}"] for each in range(5)], [math.nan, math.inf, -math.inf, -5, 1e30]
            )
            other.text = None
            assert wait_for(lambda: not of(source.read(time.time(), 2.0), "kepler").blocks, 20), "no sample is made up"
            assert of(source.read(time.time(), 2.0), "kepler").error == ""
            source.close()
    finally:
        page.close()
        other.close()


def test_the_default_rows_are_those_that_prometheus_carries() -> None:
    assert set(SCRAPED) < set(MEANINGS)
