"""A collector: takes spans over OTLP by HTTP, as the specification has it, and keeps them decoded."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Received:
    """A span as it came; ids in hexadecimal, times in Unix seconds."""

    name: str
    trace: str
    id: str
    parent: str
    start_s: float
    end_s: float
    service: str
    attributes: dict[str, Any]
    failed: str


class Receiver:
    """What was received; `status` is what it answers, `hangs` keeps it from answering at all."""

    def __init__(self) -> None:
        self.spans: list[Received] = []
        self.requests = 0
        self.status = 200
        self.hangs = threading.Event()
        self.hangs.set()
        self.url = ""

    def take(self, body: bytes) -> None:
        """Decode a request."""
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = _plain(of_resource.resource.attributes)["service.name"]
            for of_scope in of_resource.scope_spans:
                self.spans += [_received(span, service) for span in of_scope.spans]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A collector on loopback."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            receiver.requests += 1
            receiver.hangs.wait(20)
            if receiver.status == 200 and self.path == "/v1/traces":
                receiver.take(body)
            self.send_response(receiver.status if self.path == "/v1/traces" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing is told."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.hangs.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _received(span: Any, service: str) -> Received:
    return Received(
        name=span.name,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        start_s=span.start_time_unix_nano / 1e9,
        end_s=span.end_time_unix_nano / 1e9,
        service=service,
        attributes=_plain(span.attributes),
        failed=span.status.message if span.status.code == 2 else "",
    )


def _plain(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
