"""Whether and where traces are told: by an option, or by OpenTelemetry's environment variables."""

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Protocol
from urllib.parse import urlsplit

from cyclopts import Group, Parameter
from prometheus_client import CollectorRegistry

from powerplane.models.errors import UsageError
from powerplane.models.spans import Spans

if TYPE_CHECKING:
    from powerplane.adapters.tracing import OtlpSpans

WATCHING = Group("Watching", sort_key=7)

TracesTo = Annotated[
    str | None,
    Parameter(
        group=WATCHING,
        help="A collector's OTLP address by HTTP, as http://collector:4318; default OTEL_EXPORTER_OTLP_ENDPOINT.",
    ),
]

OfService = Callable[[str], Spans | None]
"""Where the spans of a program of this name go."""

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
PATH = "/v1/traces"


class Ending(Protocol):
    """What has to be ended."""

    def stop(self) -> None:
        """End."""
        ...


def of_service(traces: "OtlpSpans | None") -> OfService:
    """Return where each program's spans go: nowhere, where nobody asks for traces."""
    return traces.service if traces is not None else lambda _: None


def open_traces(
    to: str | None, registry: CollectorRegistry, environment: Mapping[str, str] = os.environ
) -> "OtlpSpans | None":
    """Return where spans go; None where nobody asks for them.

    Raises
    ------
    UsageError
        Where the extra ``tracing`` is not installed, or the address cannot be used.
    """
    if not _wanted(to, environment):
        return None
    url = None if to is None else _url(to)
    protocol = next((environment[name] for name in PROTOCOLS if environment.get(name)), "http/protobuf")
    if protocol != "http/protobuf":
        raise UsageError(f"traces cannot be sent by {protocol}", f"{PROTOCOLS[0]}=http/protobuf, and port 4318")
    try:
        from powerplane.adapters.tracing import OtlpSpans  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise UsageError("OpenTelemetry is not installed", "pip install 'powerplane[tracing]'") from error
    return OtlpSpans(registry, url)


def _wanted(to: str | None, environment: Mapping[str, str]) -> bool:
    """By the option, or by the variables; OTEL_SDK_DISABLED=true stands before either."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    named = any(environment.get(name) for name in ENDPOINTS)
    return to is not None or (named and environment.get("OTEL_TRACES_EXPORTER", "otlp") == "otlp")


def _url(to: str) -> str:
    try:
        parts = urlsplit(to)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        raise UsageError(f"--traces-to {to!r} is no address", "give one such as http://collector:4318")
    return to if to.rstrip("/").endswith(PATH) else to.rstrip("/") + PATH
