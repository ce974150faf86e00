"""Traces are told where somebody asks for them, by an option or OpenTelemetry's variables, and nowhere else."""

import sys

import pytest
from prometheus_client import CollectorRegistry

from powerplane.cli.trace_options import of_service, open_traces
from powerplane.models.errors import UsageError

HERE = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("to", "environment"),
    [
        (None, {}),
        (None, {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}),
        (None, {"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_TRACES_EXPORTER": "none"}),
        (None, {"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_SDK_DISABLED": "true"}),
        (HERE, {"OTEL_SDK_DISABLED": "TRUE"}),
    ],
)
def test_nobody_is_told_where_nobody_asks(to, environment):
    traces = open_traces(to, CollectorRegistry(), environment)
    assert traces is None
    assert of_service(traces)("powerplane-actuator") is None


@pytest.mark.parametrize(
    ("to", "environment"),
    [
        (HERE, {}),
        (f"{HERE}/v1/traces", {}),
        (None, {"OTEL_EXPORTER_OTLP_ENDPOINT": HERE}),
        (None, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{HERE}/v1/traces", "OTEL_TRACES_EXPORTER": "otlp"}),
        (HERE, {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}),
    ],
)
def test_somebody_is_told_where_somebody_asks(to, environment):
    traces = open_traces(to, CollectorRegistry(), environment)
    assert traces is not None
    traces.stop()


@pytest.mark.parametrize("to", ["collector:4318", "ftp://collector", "http://", "http://[::1", ""])
def test_what_is_no_address_is_refused(to):
    with pytest.raises(UsageError, match="no address"):
        open_traces(to, CollectorRegistry(), {})


def test_a_protocol_that_is_not_spoken_is_refused():
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    with pytest.raises(UsageError, match="grpc"):
        open_traces(None, CollectorRegistry(), environment)


def test_without_the_extra_it_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "powerplane.adapters.tracing", None)
    with pytest.raises(UsageError) as raised:
        open_traces(HERE, CollectorRegistry(), {})
    assert "powerplane[tracing]" in raised.value.next_step
