"""A change is handed on when it is there whole, however the server cuts it up: maybe nothing comes for minutes then."""

import socket
import ssl
import threading
import time

import pytest
import urllib3
from tests.scheduler_extender.certificates import LOOPBACK, Authority, write_pair

from powerplane.adapters.watch_lines import read_lines

RECORD = 4096
"""Go's HTTP server hands its buffer to TLS when it has so many bytes (net/http, bufferSize)."""

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


def go_writes(event: bytes) -> list[bytes]:
    """Writes of one flushed chunk through bufio.Writer: what does not fit fills the buffer, then goes out directly."""
    writes, buffer = [], b""
    for part in (f"{len(event):x}\r\n".encode(), event, b"\r\n"):
        left = part
        while len(buffer) + len(left) > RECORD:
            if not buffer:
                writes.append(left)
                left = b""
                break
            room = RECORD - len(buffer)
            writes.append(buffer + left[:room])
            left, buffer = left[room:], b""
        buffer += left
    return [*writes, *([buffer] if buffer else [])]


class OneWatch:
    """Says some events at once, and then nothing, until it is closed."""

    def __init__(self, events: list[bytes], context: ssl.SSLContext | None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._events, self._context = events, context
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        raw, _ = self._listener.accept()
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._context.wrap_socket(raw, server_side=True) if self._context else raw as stream:
            stream.recv(1 << 16)
            stream.sendall(HEAD)
            for event in self._events:
                for write in go_writes(event):
                    stream.sendall(write)
            self._over.wait(30)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority()
    (folder / "ca.crt").write_bytes(authority.pem)
    pair = write_pair(folder, authority.issue("localhost", LOOPBACK))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    return context, folder / "ca.crt"


@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize("size", [300, 4089, 4090, 4091, 5000, 8186, 8187, 9000, 20_000, 70_000])
def test_the_last_event_before_a_silence_is_handed_on_at_once(certificate, tls, size):
    events = [b'{"n": 1}\n', b"x" * (size - 1) + b"\n"]
    server = OneWatch(events, certificate[0] if tls else None)
    scheme = "https" if tls else "http"
    got: list[bytes] = []
    with urllib3.PoolManager(ca_certs=str(certificate[1]), timeout=urllib3.Timeout(5, 1.5)) as pool:
        response = pool.request("GET", f"{scheme}://127.0.0.1:{server.port}/", preload_content=False, retries=False)
        began = time.monotonic()
        try:
            for lines in read_lines(response, 1 << 24):
                got += lines
                if len(got) == len(events):
                    break
            took_s = time.monotonic() - began
        finally:
            response.close()
            server.close()
    assert [len(each) + 1 for each in got] == [len(each) for each in events]
    assert took_s < 1.0
