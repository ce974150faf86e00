"""A TCP proxy in front of the API server that can be slow, silent or gone: what networks do and servers do not."""

import json
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

CHUNK = 1 << 14


class Proxy:
    """Forwards connections to a port of loopback.

    Parameters
    ----------
    port : int
        Where to.
    bytes_per_s : float
        Of the server's answers, each connection for itself.
    """

    def __init__(self, port: int, bytes_per_s: float = float("inf")) -> None:
        self.target = port
        self.bytes_per_s = bytes_per_s
        self.open = True
        self.frozen = threading.Event()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_: object) -> None:
        self.frozen.clear()
        self.shut()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def shut(self) -> None:
        """Break every connection, and refuse new ones until ``reopen``."""
        self.open = False
        for pair in self._pairs:
            for each in pair:
                _close(each)
        self._pairs.clear()

    def reopen(self) -> None:
        """Let connections pass again."""
        self.open = True

    def kubeconfig(self, source: Path, target: Path) -> Path:
        """A kubeconfig that leads through here."""
        content = json.loads(source.read_text())
        content["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{self.port}"
        target.write_text(json.dumps(content))
        return target

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if not self.open:
                _close(client)
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                _close(client)
                continue
            self._pairs.append((client, server))
            threading.Thread(target=self._pump, args=(client, server, float("inf")), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, self.bytes_per_s), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, bytes_per_s: float) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK):
                while self.frozen.is_set():
                    time.sleep(0.01)
                time.sleep(len(data) / bytes_per_s)
                sink.sendall(data)
        _close(source)
        _close(sink)


def _close(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
