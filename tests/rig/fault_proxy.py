"""An HTTPS proxy between one client and the API server that answers in its place, late, never, or breaks watches off.

It ends TLS on both sides: to the client it shows a certificate of the rig's authority, and to the API server it speaks
as one user, whoever the client says it is.
"""

import http.client
import json
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.rig.rig import Rig

BYTES = 1 << 16
HOP_BY_HOP = frozenset(("connection", "keep-alive", "transfer-encoding", "content-length", "host", "upgrade"))
LONGEST_S = 120.0
EXPIRED = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410}
TOO_OLD = EXPIRED | {"message": "too old resource version: 1 (2)"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as far as faults go by it."""

    method: str
    path: str

    @property
    def watches(self) -> bool:
        """Whether it is a watch."""
        return self.method == "GET" and "watch=true" in self.path


@dataclass(frozen=True, slots=True)
class Mishap:
    """What becomes of a request.

    Parameters
    ----------
    name : str
        By which it is counted.
    status : int
        What is answered, and the request is not handed on; 0: it is.
    retry_after_s : int
        What the answer asks for; 0 for nothing.
    late_s, answer_late_s : float
        Before it is handed on, whether the client has hung up or not; and before it is answered.
    lost : bool
        Whether the connection is broken off once it is carried out, without an answer.
    expired : bool
        Whether a watch is told at once that its place in the history is lost, as the API server does it.
    """

    name: str
    status: int = 0
    retry_after_s: int = 0
    late_s: float = 0.0
    answer_late_s: float = 0.0
    lost: bool = False
    expired: bool = False


Fault = Callable[[Asked], Mishap | None]


class FaultProxy:
    """Forwards as one user, and has happen what it is told.

    Parameters
    ----------
    rig : Rig
    user : str
        In the group of administrators.

    Attributes
    ----------
    fault : callable or None
        Says what becomes of each request.
    done : Counter
        Mishaps so far, by name.
    """

    def __init__(self, rig: Rig, user: str) -> None:
        self.fault: Fault | None = None
        self.done: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._watches: set[_Watch] = set()
        self._api_port = rig.ports["kube-apiserver"]
        self._upstream = ssl.create_default_context(cafile=str(rig.authority.file))
        own = rig.authority.issue(user, ("system:masters",))
        self._upstream.load_cert_chain(own.certificate, own.key)
        shown = rig.authority.issue("kube-apiserver", file=f"proxy-{user}")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(shown.certificate, shown.key)
        self._server = _Server(self, context)
        self.kubeconfig = self._kubeconfig(rig, user)
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    def _kubeconfig(self, rig: Rig, user: str) -> Path:
        content = json.loads(rig.kubeconfig.read_text())
        content["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{self._server.server_port}"
        file = rig.folder / f"{user}.kubeconfig"
        file.write_text(json.dumps(content))
        file.chmod(0o600)
        return file

    def __enter__(self) -> "FaultProxy":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.end_watches("ended")

    def connect(self) -> http.client.HTTPSConnection:
        """A connection to the API server."""
        return http.client.HTTPSConnection("127.0.0.1", self._api_port, context=self._upstream, timeout=LONGEST_S)

    def mishap(self, asked: Asked) -> Mishap | None:
        """What becomes of a request; counted."""
        fault = self.fault
        with self._lock:
            found = fault(asked) if fault is not None else None
            if found is not None:
                self.done[found.name] += 1
        return found

    def opened(self, watch: "_Watch") -> None:
        """Take in a watch that is open."""
        with self._lock:
            self._watches.add(watch)

    def closed(self, watch: "_Watch") -> None:
        """Take in that one is over."""
        with self._lock:
            self._watches.discard(watch)

    def end_watches(self, name: str, last: bytes = b"", *, whole: bool = True) -> int:
        """End all watches that are open, each with these bytes at its end; how many there were."""
        with self._lock:
            ended = list(self._watches)
            self._watches.clear()
            self.done[name] += len(ended)
        for each in ended:
            each.end(last, whole=whole)
        return len(ended)

    def expire_watches(self) -> int:
        """Tell all open watches that their place in the history is lost."""
        return self.end_watches("watch expired", json.dumps({"type": "ERROR", "object": TOO_OLD}).encode() + b"\n")

    def cut_watches(self) -> int:
        """Break all open watches off in the middle of a line."""
        return self.end_watches("watch cut", b'{"type":"MODIFIED","object":{"metadata":{"na', whole=False)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, proxy: FaultProxy, context: ssl.SSLContext) -> None:
        self.proxy = proxy
        self._context = context
        super().__init__(("127.0.0.1", 0), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        # The handshake is the connection's own thread's, by its first read.
        client, address = super().get_request()
        return self._context.wrap_socket(client, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, *_: object) -> None:
        """Clients hang up."""


class _Watch:
    """A watch on its way to the client, in whole lines."""

    def __init__(self, handler: "_Handler") -> None:
        self._handler = handler
        self._lock = threading.Lock()
        self._over = False

    def send(self, lines: bytes) -> bool:
        """Hand lines on; False once it is over."""
        with self._lock:
            if not self._over and lines:
                self._handler.chunk(lines)
            return not self._over

    def end(self, last: bytes, *, whole: bool = True) -> None:
        """End it with these bytes, and with the body's end where it is to look whole."""
        with self._lock, suppress(OSError):
            self._over = True
            if last:
                self._handler.chunk(last)
            if whole:
                self._handler.chunk(b"")
            self._handler.connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    timeout = LONGEST_S

    def setup(self) -> None:
        super().setup()
        self._api: http.client.HTTPSConnection | None = None

    def finish(self) -> None:
        if self._api is not None:
            self._api.close()
        with suppress(OSError):
            super().finish()

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = Asked(self.command, self.path)
        mishap = self.server.proxy.mishap(asked) or Mishap("")
        if mishap.status:
            self._refuse(mishap)
        elif mishap.expired:
            self._whole(200, {}, json.dumps({"type": "ERROR", "object": TOO_OLD}).encode() + b"\n")
        else:
            time.sleep(mishap.late_s)
            self._forward(asked, body, mishap)

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_PATCH(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _refuse(self, mishap: Mishap) -> None:
        told = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": mishap.name}
        asks = {"Retry-After": str(mishap.retry_after_s)} if mishap.retry_after_s else {}
        self._whole(mishap.status, asks, json.dumps(told | {"code": mishap.status}).encode())

    def _forward(self, asked: Asked, body: bytes, mishap: Mishap) -> None:
        self._api = self._api or self.server.proxy.connect()
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        try:
            self._api.request(self.command, self.path, body or None, headers)
            answer = self._api.getresponse()
            if asked.watches and answer.status == 200:
                self._stream(answer)
                return
            read = answer.read()
        except (OSError, http.client.HTTPException):
            self._api.close()
            self._api = None
            self._hang_up()
            return
        time.sleep(mishap.answer_late_s)
        if mishap.lost:
            self._hang_up()
        else:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
            self._whole(answer.status, kept, read)

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _whole(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self._head(status, {"Content-Type": "application/json", **headers, "Content-Length": str(len(body))})
        self.wfile.write(body)

    def _stream(self, answer: http.client.HTTPResponse) -> None:
        """Hand a watch on, line by line; its connections serve for nothing else."""
        self.close_connection = True
        self._head(200, {"Content-Type": "application/json", "Transfer-Encoding": "chunked", "Connection": "close"})
        watch, rest = _Watch(self), b""
        self.server.proxy.opened(watch)
        try:
            while read := answer.read1(BYTES):
                lines, _, rest = (rest + read).rpartition(b"\n")
                if not watch.send(lines + b"\n" if lines else b""):
                    return
            watch.end(b"")
        except (OSError, http.client.HTTPException):
            self._hang_up()
        finally:
            self.server.proxy.closed(watch)
            answer.close()

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def chunk(self, part: bytes) -> None:
        """One chunk of a body (RFC 9112, 7.1); the last one is empty."""
        self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
