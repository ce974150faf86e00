"""A real Prometheus on loopback that scrapes what a test serves, or holds what a test wrote into it."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
from tests.rig.processes import free_ports, wait_for

UP_S = 30.0


class Page:
    """Serves one page of metrics on loopback; ``text`` may be changed, and None answers 500."""

    def __init__(self, text: str | None = "") -> None:
        self.text = text
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = outer.text
                self.send_response(500 if body is None else 200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write((body or "").encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.target = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@dataclass
class Server:
    """A running Prometheus."""

    url: str
    process: "subprocess.Popen[bytes]"

    def has(self, query: str) -> bool:
        """Whether a query has an answer with series."""
        with requests.Session() as session:
            session.trust_env = False
            try:
                answer = session.get(f"{self.url}/api/v1/query", params={"query": query}, timeout=5).json()
                return bool(answer["data"]["result"])
            except (requests.RequestException, ValueError, KeyError):
                return False


def job(name: str, targets: Sequence[str], every: str = "1s", **more: Any) -> dict[str, Any]:
    """Return a scrape config."""
    return {"job_name": name, "scrape_interval": every, "static_configs": [{"targets": list(targets)}], **more}


@contextmanager
def prometheus_server(
    program: str, folder: Path, jobs: Sequence[Mapping[str, Any]] = (), until: Callable[[Server], bool] | None = None
) -> Iterator[Server]:
    """A Prometheus for as long as the block runs; its data is kept in ``folder``."""
    folder.mkdir(exist_ok=True, parents=True)
    config = folder / "prometheus.yml"
    config.write_text(json.dumps({"scrape_configs": list(jobs)}))
    port = free_ports(1)[0]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--storage.tsdb.retention.time=10y",
            ],
            stdout=log,
            stderr=log,
        )
    server = Server(f"http://127.0.0.1:{port}", process)
    try:
        ready = until or (lambda server: server.has("vector(1)"))
        assert wait_for(lambda: ready(server), UP_S), (folder / "log").read_text()[-2000:]
        yield server
    finally:
        process.terminate()
        process.wait(20)
