"""Spans that are told to a real collector on loopback: all of them, or counted, and nobody waits."""

import time

import pytest
from prometheus_client import CollectorRegistry
from tests.adapters.otlp_receiver import receiving

from powerplane.adapters.tracing import OtlpSpans
from powerplane.models.spans import Span


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch):
    """No proxy, and no collector of somebody else's."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_SERVICE_NAME"):
        monkeypatch.delenv(name, raising=False)


def span(number, **more):
    return Span("move", 7, number, 1, 1_800_000_000.25, 1_800_000_001.5, **more)


def told(registry, outcome):
    return registry.get_sample_value("powerplane_trace_spans_total", {"outcome": outcome})


def test_a_span_arrives_as_it_was():
    registry = CollectorRegistry()
    with receiving() as collector:
        sender = OtlpSpans(registry, f"{collector.url}/v1/traces", delay_s=0.02)
        sender.service("powerplane-actuator").take(span(2, attributes={"powerplane.wave": 3}, trouble="TargetFull"))
        sender.stop()
        (found,) = collector.spans
    assert (found.trace, found.id, found.parent) == (f"{7:032x}", f"{2:016x}", f"{1:016x}")
    assert (found.start_s, found.end_s) == pytest.approx((1_800_000_000.25, 1_800_000_001.5), abs=1e-5)
    assert (found.name, found.service, found.failed) == ("move", "powerplane-actuator", "TargetFull")
    assert found.attributes == {"powerplane.wave": 3}
    assert told(registry, "sent") == 1


def test_the_standard_variables_say_where_and_under_which_name(monkeypatch):
    with receiving() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "site-7")
        sender = OtlpSpans(CollectorRegistry(), delay_s=0.02)
        sender.service("powerplane-actuator").take(span(2))
        sender.stop()
        assert [each.service for each in collector.spans] == ["site-7"]


def test_a_collector_that_does_not_answer_holds_nobody_up_and_what_is_too_much_is_counted():
    registry = CollectorRegistry()
    with receiving() as collector:
        collector.hangs.clear()
        sender = OtlpSpans(registry, f"{collector.url}/v1/traces", most=50, timeout_s=1.0, delay_s=0.02, end_s=0.3)
        took = sender.service("x").take
        began_s = time.monotonic()
        for number in range(2, 1002):
            took(span(number))
        assert time.monotonic() - began_s < 1.0
        assert told(registry, "dropped") == 950
        began_s = time.monotonic()
        sender.stop()
        assert time.monotonic() - began_s < 1.0


def test_what_a_collector_refuses_is_counted_and_the_next_is_sent():
    registry = CollectorRegistry()
    with receiving() as collector:
        collector.status = 400
        sender = OtlpSpans(registry, f"{collector.url}/v1/traces", timeout_s=1.0, delay_s=0.02)
        sender.service("x").take(span(2))
        until(lambda: told(registry, "failed") == 1)
        collector.status = 200
        sender.service("x").take(span(3))
        sender.stop()
        assert [each.id for each in collector.spans] == [f"{3:016x}"]
    assert told(registry, "sent") == 1


def test_nobody_at_the_address_is_no_error():
    registry = CollectorRegistry()
    with receiving() as collector:
        url = f"{collector.url}/v1/traces"
    sender = OtlpSpans(registry, url, timeout_s=0.3, delay_s=0.02)
    sender.service("x").take(span(2))
    until(lambda: told(registry, "failed") == 1)
    sender.stop()


def until(holds, within_s=10.0):
    end_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.01)
