"""A server that sends its head a byte at a time is cut off in time, with TLS and without."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import requests
from tests.scheduler_extender.certificates import LOOPBACK, Authority, write_pair

from powerplane.adapters.prometheus import BoundedSession

HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + b"X-Pad: " + b"x" * 400 + b"\r\nContent-Length: 2\r\n\r\n"


def _talk(client: socket.socket, pause_s: float, ended: threading.Event) -> None:
    with client:
        client.recv(1 << 16)
        for i in range(len(HEAD)):
            client.sendall(HEAD[i : i + 1])
            if ended.wait(pause_s):
                return
        client.sendall(b"ok")


@contextmanager
def serving(pause_s: float, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server that sends its head byte by byte."""
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            try:
                plain, _ = listening.accept()
            except OSError:
                return
            with plain, suppress(OSError):
                _talk(context.wrap_socket(plain, server_side=True) if context else plain, pause_s, ended)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        ended.set()
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.fixture
def tls(tmp_path):
    authority = Authority()
    files = write_pair(tmp_path, authority.issue("localhost", LOOPBACK))
    (tmp_path / "ca.crt").write_bytes(authority.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context, str(tmp_path / "ca.crt")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_head_that_drips_is_given_up_in_time(scheme, tls):
    context, authority = tls
    with serving(0.05, context if scheme == "https" else None) as port, BoundedSession(0.5, time.monotonic) as session:
        session.verify = authority
        started = time.monotonic()
        with pytest.raises(requests.Timeout):
            session.get(f"{scheme}://127.0.0.1:{port}/")
        assert time.monotonic() - started < 3


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_head_that_comes_in_time_is_read_and_the_next_one_too(scheme, tls):
    context, authority = tls
    with serving(0.0, context if scheme == "https" else None) as port, BoundedSession(5.0, time.monotonic) as session:
        session.verify = authority
        for _ in range(3):
            assert session.get(f"{scheme}://127.0.0.1:{port}/").text == "ok"
