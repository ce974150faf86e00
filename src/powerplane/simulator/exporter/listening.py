"""The application on an address, in a thread of its own."""

import contextlib
import logging
import socket
import threading
from collections.abc import Iterator

import uvicorn

from powerplane.models.errors import UnreachableError, UsageError
from powerplane.simulator.exporter.app import ExporterApp

GRACE_S = 1
UP_S = 10.0


class _Quiet(uvicorn.Server):
    """Leaves signals to the program, of which it is a part."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Listener:
    """Answers from the moment it is made until `close`.

    Parameters
    ----------
    app : ExporterApp
    address : str
        ``host:port``; port 0 takes any that is free. The pages are for anybody who can reach it: they hold what a
        simulation makes up.

    Raises
    ------
    UsageError
        For what is no address.
    UnreachableError
        For an address that cannot be listened on.
    """

    def __init__(self, app: ExporterApp, address: str) -> None:
        self.app = app
        host, port = parse_address(address)
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            self._socket = socket.create_server((host, port), family=family)
        except OSError as error:
            raise UnreachableError(
                f"cannot listen on {address}: {error.strerror or error}", "choose another address or port"
            ) from error
        self.port: int = self._socket.getsockname()[1]
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.url = f"http://{self.address}"
        config = uvicorn.Config(
            app,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level=logging.ERROR,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
        self._server = _Quiet(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering; connections are closed."""
        self._server.should_exit = True
        self._thread.join(GRACE_S + UP_S)
        self._socket.close()


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of ``host:port``, ``[v6]:port`` or ``:port`` (loopback)."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65_535:
        raise UsageError(f"{address!r} is no address", "give host:port, such as 127.0.0.1:9100")
    return host.strip("[]") or "127.0.0.1", int(port)
