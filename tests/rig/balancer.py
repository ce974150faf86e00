"""What a Service does before a webhook: each new connection goes to a port that says it is ready."""

import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress

CHUNK = 1 << 14
PROBE_S = 0.2


class Balancer:
    """Forwards connections to those of some ports of loopback that are ready.

    Parameters
    ----------
    ports : sequence of int
    """

    def __init__(self, ports: Sequence[int]) -> None:
        self.ports = list(ports)
        self.ready: frozenset[int] = frozenset()
        self._turn = 0
        self._pairs: list[tuple[int, socket.socket, socket.socket]] = []
        self._closed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        for work in (self._accept, self._probe):
            threading.Thread(target=work, daemon=True).start()

    def __enter__(self) -> "Balancer":
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._break(lambda _: True)

    def drain(self, port: int) -> None:
        """Send nobody there any more, and break what stands; whoever calls sees to it that nobody is being answered."""
        self.ports.remove(port)
        self.ready -= {port}
        time.sleep(0.1)  # for a connection that is being made
        self._break(lambda each: each == port)

    def _break(self, which: Callable[[int], bool]) -> None:
        for pair in list(self._pairs):
            if which(pair[0]):
                for each in pair[1:]:
                    _close(each)
                self._pairs.remove(pair)

    def _probe(self) -> None:
        """As a kubelet does: over TLS, and whatever the certificate."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        while not self._closed.wait(PROBE_S):
            self.ready = frozenset(port for port in list(self.ports) if is_ready(port, context))

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            ready = sorted(self.ready)
            self._turn += 1
            try:
                port = ready[self._turn % len(ready)]
                server = socket.create_connection(("127.0.0.1", port))
            except (OSError, ZeroDivisionError):
                _close(client)
                continue
            self._pairs.append((port, client, server))
            for pair in ((client, server), (server, client)):
                threading.Thread(target=_pump, args=pair, daemon=True).start()


def is_ready(port: int, context: ssl.SSLContext) -> bool:
    """Whether a port says that it is ready."""
    try:
        urllib.request.urlopen(f"https://127.0.0.1:{port}/readyz", timeout=2, context=context).close()
    except OSError:
        return False
    return True


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(CHUNK):
            sink.sendall(data)
    _close(source)
    _close(sink)


def _close(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
