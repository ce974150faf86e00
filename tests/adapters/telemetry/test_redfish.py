"""BMCs are asked directly: old ones and new ones, and those that misbehave."""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.telemetry.redfish_service import PASSWORD, USER, Bmc, answer, members, newer, older, supplies
from tests.scheduler_extender.certificates import LOOPBACK, Authority

from powerplane.adapters.telemetry import redfish
from powerplane.adapters.telemetry.redfish import RedfishSource
from powerplane.adapters.telemetry.redfish_http import Endpoint
from powerplane.models.telemetry.readings import Entity, SourceReading

NOW = 1_700_000_000.0


@pytest.fixture
def serve() -> Iterator[Callable[..., Bmc]]:
    started: list[Bmc] = []

    def serve(resources: dict[str, Any], **more: Any) -> Bmc:
        started.append(Bmc(resources, **more))
        return started[-1]

    yield serve
    for each in started:
        each.close()


@pytest.fixture
def read() -> Iterator[Callable[..., SourceReading]]:
    """Reads once from some endpoints; ``read.source`` is the source."""
    sources: list[RedfishSource] = []

    def read(*endpoints: Endpoint, **more: Any) -> SourceReading:
        sources.append(RedfishSource(endpoints, **({"timeout_s": 2.0, "sleep": lambda _: None} | more)))
        read.source = sources[-1]  # type: ignore[attr-defined]  # the fixture hangs it there
        return sources[-1].read(NOW, 60.0)[0]

    yield read
    for each in sources:
        each.close()


def at(bmc: Bmc, node: str = "n1", **more: Any) -> Endpoint:
    return Endpoint(node, bmc.url, **({"user": USER, "password": PASSWORD} | more))


def test_an_older_service_tells_its_first_power_control_and_never_the_sum(serve: Any, read: Any) -> None:
    reading = read(at(serve(older(344.0))))
    (block,) = reading.blocks
    assert block.meaning.metric == "PowerControl.PowerConsumedWatts"
    assert (block.entities, block.value.tolist()) == ((Entity("n1"),), [344.0])
    assert block.kept == (("B1", "2", "North", "WEB43"),)
    assert (reading.error, reading.refused) == ("", {})


def test_a_newer_service_tells_its_environment_metrics(serve: Any, read: Any) -> None:
    (block,) = read(at(serve(newer(350.5)))).blocks
    assert (block.meaning.metric, block.value.tolist()) == ("EnvironmentMetrics.PowerWatts", [350.5])


def test_a_newer_service_without_a_reading_there_is_asked_the_older_way(serve: Any, read: Any) -> None:
    (block,) = read(at(serve(newer(None)))).blocks
    assert (block.meaning.metric, block.value.tolist()) == ("PowerControl.PowerConsumedWatts", [344.0])


def test_power_supplies_are_told_one_by_one_where_nothing_tells_the_whole(serve: Any, read: Any) -> None:
    (block,) = read(at(serve(supplies(120.0, 130.0)))).blocks
    assert block.meaning.metric == "PowerSupplyMetrics.InputPowerWatts"
    assert block.entities == (Entity("n1", device="supply 0"), Entity("n1", device="supply 1"))
    assert block.value.tolist() == [120.0, 130.0]


def test_several_bmcs_are_several_nodes_each_dated_when_it_answered(serve: Any, read: Any) -> None:
    reading = read(at(serve(older(100.0)), "a"), at(serve(older(200.0)), "b"), at(serve(newer(300.0)), "c"))
    told = {
        entity.node: value
        for block in reading.blocks
        for entity, value in zip(block.entities, block.value.tolist(), strict=True)
    }
    assert told == {"a": 100.0, "b": 200.0, "c": 300.0}
    assert all((block.at_s >= NOW).all() and (block.at_s < NOW + 5).all() for block in reading.blocks)


def test_what_answered_once_is_asked_again_with_one_request(serve: Any, read: Any) -> None:
    bmc = serve(older())
    read(at(bmc))
    before = len(bmc.asked)
    bmc.resources["/Chassis/1U/Power"]["PowerControl"][0]["PowerConsumedWatts"] = 360
    assert read.source.read(NOW + 5, 60.0)[0].blocks[0].value.tolist() == [360.0]
    assert bmc.asked[before:] == ["GET /redfish/v1/Chassis/1U/Power"]


def test_a_reading_that_has_moved_is_found_again(serve: Any, read: Any) -> None:
    bmc = serve(older())
    read(at(bmc))
    bmc.resources.clear()
    bmc.resources.update(supplies(90.0))
    assert read.source.read(NOW, 60.0)[0].blocks[0].value.tolist() == [90.0]


@pytest.mark.parametrize("watts", [None, "344", True, {}, [1]])
def test_what_is_no_figure_is_no_reading_and_never_0(serve: Any, read: Any, watts: Any) -> None:
    reading = read(at(serve(older(watts))))
    assert (reading.blocks, reading.refused) == ((), {"no power reading": 1})
    assert reading.error
    assert read.source.failures == {("n1", "no power reading"): 1}


def test_0_watts_are_handed_on_as_they_came(serve: Any, read: Any) -> None:
    assert read(at(serve(older(0)))).blocks[0].value.tolist() == [0.0]


def test_two_chassis_with_a_reading_are_one_too_many_unless_one_is_named(serve: Any, read: Any) -> None:
    both = older(100.0, "A") | older(200.0, "B") | {"/Chassis": members("/Chassis/A", "/Chassis/B")}
    bmc = serve(both)
    assert read(at(bmc)).refused == {"several chassis": 1}
    assert read(at(bmc, chassis="B")).blocks[0].value.tolist() == [200.0]


def test_of_several_chassis_that_of_the_system_counts(serve: Any, read: Any) -> None:
    both = older(100.0, "A") | older(200.0, "B") | {"/Chassis": members("/Chassis/A", "/Chassis/B")}
    both |= {
        "/Systems": members("/Systems/1"),
        "/Systems/1": {"Links": {"Chassis": [{"@odata.id": "/redfish/v1/Chassis/B"}]}},
    }
    assert read(at(serve(both))).blocks[0].value.tolist() == [200.0]


def test_one_that_fails_loses_no_other(serve: Any, read: Any) -> None:
    reading = read(at(serve(older(100.0)), "a"), Endpoint("b", "http://127.0.0.1:1"))
    assert [entity.node for entity in reading.blocks[0].entities] == ["a"]
    assert (reading.refused, reading.error) == ({"unanswered": 1}, "")
    assert "127.0.0.1:1" in read.source.errors["b"]


def test_a_wrong_password_is_tried_once_so_that_no_account_is_locked(serve: Any, read: Any) -> None:
    bmc = serve(older())
    assert read(at(bmc, password="wrong")).refused == {"refused": 1}
    assert len(bmc.asked) == 1
    assert read(at(bmc, password="wrong", session=True)).refused == {"refused": 1}
    assert len(bmc.asked) == 2


def test_a_session_is_opened_once_renewed_when_forgotten_and_ended(serve: Any, read: Any) -> None:
    bmc = serve(older())
    assert read(at(bmc, session=True)).blocks
    read.source.read(NOW, 60.0)
    assert bmc.logins == 1
    bmc.tokens.clear()
    assert read.source.read(NOW, 60.0)[0].blocks[0].value.tolist() == [344.0]
    assert bmc.logins == 2
    read.source.close()
    assert bmc.asked[-1] == "DELETE /redfish/v1/SessionService/Sessions/2"
    assert bmc.tokens == set()


@pytest.mark.parametrize(("most_open", "connections"), [(1, 1), (0, 2)])
def test_connections_are_kept_unless_there_are_too_many(
    serve: Any, read: Any, monkeypatch: pytest.MonkeyPatch, most_open: int, connections: int
) -> None:
    monkeypatch.setattr(redfish, "MOST_OPEN", most_open)
    bmc = serve(older())
    assert read(at(bmc, session=True)).blocks
    assert read.source.read(NOW, 60.0)[0].blocks
    assert (bmc.connections, bmc.logins) == (connections, 1), "the session outlives the connection"


def test_a_busy_service_is_asked_once_more(serve: Any, read: Any) -> None:
    bmc = serve(older())
    bmc.trouble = lambda handler, before: before == 0 and not answer(handler, 503, {})
    assert read(at(bmc)).blocks


def test_one_that_says_nothing_is_given_up_in_time(serve: Any, read: Any) -> None:
    bmc = serve(older())
    bmc.trouble = lambda *_: bool(time.sleep(2)) or True
    began = time.monotonic()
    assert read(at(bmc), timeout_s=0.3).refused == {"unanswered": 1}
    assert time.monotonic() - began < 1.5


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"\xff", b'{"a":' + b"[" * 100_000])
def test_one_that_talks_nonsense_is_told_so(serve: Any, read: Any, body: bytes) -> None:
    def nonsense(handler: Any, _: int) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
        return True

    bmc = serve({})
    bmc.trouble = nonsense
    assert read(at(bmc)).refused == {"malformed": 1}


@pytest.mark.parametrize("path", ["http://evil.example/x", "//evil.example/x", "x", 5, None])
def test_links_that_lead_elsewhere_are_not_followed(serve: Any, read: Any, path: Any) -> None:
    resources = older()
    resources["/Chassis/1U"]["Power"] = {"@odata.id": path}
    assert read(at(serve(resources))).refused == {"no power reading": 1}


def test_no_redirect_is_followed_with_credentials(serve: Any, read: Any) -> None:
    other = serve(older())
    bmc = serve(older())
    bmc.trouble = lambda handler, _: not answer(handler, 302, {}, {"Location": f"{other.url}/redfish/v1/Chassis"})
    assert read(at(bmc)).refused == {"unanswered": 1}
    assert other.asked == []


def test_a_certificate_is_checked_unless_told_otherwise(serve: Any, read: Any, tmp_path: Path) -> None:
    authority = Authority()
    ca, pair = tmp_path / "ca.crt", tmp_path / "pair.pem"
    ca.write_bytes(authority.pem)
    pair.write_bytes(b"".join(authority.issue("bmc", LOOPBACK)))
    bmc = serve(older(), certificate=pair)
    assert read(at(bmc)).refused == {"unanswered": 1}
    assert "certificate" in read.source.errors["n1"].lower()
    assert read(at(bmc, ca_file=str(ca))).blocks
    assert read(at(bmc, insecure=True)).blocks


def test_no_bmc_at_all_is_no_reading() -> None:
    source = RedfishSource(())
    (reading,) = source.read(NOW, 60.0)
    source.close()
    assert (reading.blocks, reading.error) == ((), "")
    assert not math.isnan(reading.evaluated_s)
