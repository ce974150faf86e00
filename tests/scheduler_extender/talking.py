"""A running extender on loopback, in a thread, and a raw client for it."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

from tests.scheduler_extender.asking import Reply

from powerplane.adapters.serving.server import new_event_loop
from powerplane.scheduler_extender.answers import Answers
from powerplane.scheduler_extender.metrics import ExtenderMetrics
from powerplane.scheduler_extender.server import ExtenderServer, ServerSettings

PATIENCE_S = 10.0


class Running:
    """What a test needs of a server that runs in a thread."""

    def __init__(self, server: ExtenderServer, loop: asyncio.AbstractEventLoop, metrics: ExtenderMetrics) -> None:
        self.server = server
        self.port = server.port
        self.metrics = metrics
        self.loop = loop

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.server.stop)

    def figure(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"powerplane_extender_{name}", labels) or 0.0


@contextlib.contextmanager
def running(answers: Answers, settings: ServerSettings, background: tuple[Any, ...] = ()) -> Iterator[Running]:
    """Run an extender until the block ends; what it raises is raised there."""
    metrics = ExtenderMetrics()
    started: list[Running] = []
    failed: list[BaseException] = []
    up = threading.Event()

    async def main() -> None:
        server = ExtenderServer(answers, settings, metrics, background)
        started.append(Running(server, asyncio.get_running_loop(), metrics))
        up.set()
        await server.run()

    def target() -> None:
        try:
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(main())
        except BaseException as error:
            failed.append(error)
        finally:
            up.set()

    thread = threading.Thread(target=target)
    thread.start()
    assert up.wait(PATIENCE_S)
    try:
        if started:
            yield started[0]
    finally:
        if started and thread.is_alive():
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                started[0].stop()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    if failed:
        raise failed[0]


class Client:
    """One connection, kept alive; with a context, over TLS."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None, name: str | None = "localhost") -> None:
        raw = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket: socket.socket = raw
        try:
            if context is not None:
                self.socket = context.wrap_socket(raw, server_hostname=name)
        except BaseException:
            raw.close()
            raise
        self._pending = b""

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def post(self, path: str, body: bytes) -> Reply:
        return self.request(b"POST", path, body)

    def get(self, path: str) -> Reply:
        return self.request(b"GET", path, None)

    def request(self, method: bytes, path: str, body: bytes | None) -> Reply:
        head = b"%s %s HTTP/1.1\r\nhost: x\r\n" % (method, path.encode())
        if body is not None:
            head += b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body)
        self.socket.sendall(head + b"\r\n" + (body or b""))
        return self.reply()

    def reply(self) -> Reply:
        """Read one reply; ConnectionError where the server hangs up."""
        while b"\r\n\r\n" not in self._pending:
            self._pending += self._more()
        head, _, rest = self._pending.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)}
        length = int(headers.get(b"content-length", b"0"))
        parts, size = [rest], len(rest)
        while size < length:
            parts.append(self._more())
            size += len(parts[-1])
        whole = b"".join(parts)
        self._pending = whole[length:]
        return Reply(int(first.split(b" ")[1]), headers, whole[:length])

    def _more(self) -> bytes:
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionError("the server hung up")
        return data
