"""Answers whose head comes within a time: a read time-out bounds each piece alone, and pieces may be of one byte.

``requests`` has no time-out for a whole answer; the body is read by whoever asks, within his own time. The head is read
by ``http.client``, line by line, so the connection is cut off from under it.
"""

import socket
import threading
from contextlib import suppress
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class _Plain(HTTPConnection):
    """Reads an answer's head within the connection's read time-out, as a whole."""

    def getresponse(self) -> Any:
        """Read the head."""
        late = threading.Event()
        timer = threading.Timer(self.timeout, self._cut, [late]) if isinstance(self.timeout, int | float) else None
        if timer is not None:
            timer.daemon = True
            timer.start()
        try:
            return super().getresponse()
        except Exception as error:
            # What a connection says that was cut off differs from case to case.
            if late.is_set():
                raise TimeoutError(f"no head of an answer within {self.timeout:g} s") from error
            raise
        finally:
            if timer is not None:
                timer.cancel()

    def _cut(self, late: threading.Event) -> None:
        late.set()
        sock = self.sock
        if sock is not None:
            with suppress(OSError):
                # Of TLS the layer below: its own farewell would wait for the server.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _Tls(_Plain, HTTPSConnection):
    """The same with TLS."""


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _Tls


class BoundedHead(HTTPAdapter):
    """To be mounted on a ``requests.Session``."""

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        """Make pools of connections that bound heads."""
        super().init_poolmanager(*args, **more)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}
