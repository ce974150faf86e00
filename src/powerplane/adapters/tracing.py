"""Spans told to a collector over OTLP by HTTP: in the background, bounded in memory and time, and never in the way.

OpenTelemetry's SDK queues, sends and retries; its environment variables hold (OpenTelemetry, "OTLP Exporter
Configuration"). It comes with the extra ``tracing``: whoever imports this must be prepared for an ImportError.
"""

import threading
from collections.abc import Callable, Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
from prometheus_client import CollectorRegistry, Counter

from powerplane.models.spans import Span, Spans

MOST_WAITING = 4096
"""Spans that wait to be sent; those of a plan of a thousand moves are some six thousand, over minutes."""

MOST_AT_ONCE = 512
TIMEOUT_S = 5.0
DELAY_S = 1.0
END_S = 3.0
"""How long the end of the program waits for what is still to be sent."""

NANO = 1_000_000_000
SCOPE = InstrumentationScope("powerplane")


class OtlpSpans:
    """Sends spans, from when it is made until it is stopped.

    Parameters
    ----------
    registry : CollectorRegistry
        For what became of them.
    url : str or None
        Where spans are taken; by OpenTelemetry's variables where it is None.
    most : int
        Spans that may wait; more are dropped, and counted.
    timeout_s, delay_s, end_s : float
        For one batch, with all retries; between batches; and for what is left at the end.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        url: str | None = None,
        *,
        most: int = MOST_WAITING,
        timeout_s: float = TIMEOUT_S,
        delay_s: float = DELAY_S,
        end_s: float = END_S,
    ) -> None:
        self._most = most
        self._end_s = end_s
        self._lock = threading.Lock()
        self._waiting = 0
        self._told = Counter(
            "powerplane_trace_spans", "Spans, by what became of them.", ("outcome",), registry=registry
        )
        for outcome in ("sent", "failed", "dropped"):
            self._told.labels(outcome)
        self._processor = BatchSpanProcessor(
            _Counting(OTLPSpanExporter(endpoint=url, timeout=timeout_s), self._done),
            max_queue_size=most,
            schedule_delay_millis=delay_s * 1000,
            max_export_batch_size=min(MOST_AT_ONCE, most),
        )

    def service(self, name: str) -> Spans:
        """Return where the spans of one program go; OTEL_SERVICE_NAME stands before its name."""
        named = Resource.create({"service.name": name})
        return _Service(self, named.merge(OTELResourceDetector().detect()))

    def stop(self) -> None:
        """End; what could not be sent within a few seconds is lost."""
        # The SDK waits for half a minute where a collector does not answer.
        ending = threading.Thread(target=self._processor.shutdown, name="spans-end", daemon=True)
        ending.start()
        ending.join(self._end_s)

    def queue(self, span: ReadableSpan) -> None:
        """Take in a span that is ready to be sent."""
        with self._lock:
            full = self._waiting >= self._most
            self._waiting += not full
        if full:
            self._told.labels("dropped").inc()
        else:
            self._processor.on_end(span)

    def _done(self, count: int, outcome: str) -> None:
        with self._lock:
            self._waiting -= count
        self._told.labels(outcome).inc(count)


class _Service:
    """One program's spans."""

    def __init__(self, sender: OtlpSpans, resource: Resource) -> None:
        self._sender = sender
        self._resource = resource

    def take(self, span: Span) -> None:
        """Take in a span."""
        self._sender.queue(readable(span, self._resource))


class _Counting(SpanExporter):
    """An exporter of which it is reported what became of each batch."""

    def __init__(self, exporter: SpanExporter, report: Callable[[int, str], None]) -> None:
        self._exporter = exporter
        self._report = report

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch."""
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            self._report(len(spans), "sent" if result is SpanExportResult.SUCCESS else "failed")
        return result

    def shutdown(self) -> None:
        """End."""
        self._exporter.shutdown()


def readable(span: Span, resource: Resource) -> ReadableSpan:
    """Return a span as the SDK sends it."""

    def context(span_id: int) -> SpanContext:
        return SpanContext(span.trace_id, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))

    return ReadableSpan(
        name=span.name,
        context=context(span.span_id),
        parent=context(span.parent_id) if span.parent_id else None,
        resource=resource,
        attributes=dict(span.attributes),
        kind=SpanKind.INTERNAL,
        status=Status(StatusCode.ERROR, span.trouble) if span.trouble else Status(StatusCode.UNSET),
        start_time=round(span.start_s * NANO),
        end_time=round(max(span.start_s, span.end_s) * NANO),
        instrumentation_scope=SCOPE,
    )
