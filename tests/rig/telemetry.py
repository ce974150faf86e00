"""A real Prometheus, and the smallest exporter for it to scrape: whole nodes' watts by IPMI's name, as a test says."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests
from tests.rig import processes
from tests.rig.processes import free_ports, wait_for
from tests.rig.rig import Rig

SCRAPE_S = 1
METRIC = "ipmi_dcmi_power_consumption_current_watts"
UP_S = 30.0


class Exporter:
    """Serves nodes' watts at the wall, as a function says when it is asked."""

    def __init__(self, watts: Callable[[], Mapping[str, float]]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = page_of(watts())
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(page.encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def page_of(watts: Mapping[str, float]) -> str:
    """A page of watts."""
    lines = (f'{METRIC}{{node="{node}"}} {value}\n' for node, value in watts.items())
    return f"# TYPE {METRIC} gauge\n" + "".join(lines)


class Prometheus:
    """A Prometheus process.

    Parameters
    ----------
    rig : Rig
        In whose folder it keeps what it stores.
    program : str
    configuration : str
        Its ``prometheus.yml``.
    """

    def __init__(self, rig: Rig, program: str, configuration: str) -> None:
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        folder = rig.folder / "prometheus"
        folder.mkdir(exist_ok=True)
        self.data = folder / "data"
        config = folder / "prometheus.yml"
        config.write_text(configuration)
        self._command = [
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={self.data}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]
        self._log = folder / "prometheus.log"
        self.pid = 0
        self.start()

    def start(self) -> None:
        """Start it, on what it has stored, and wait until it measures."""
        self.pid = processes.spawn(self._command, self._log, outlive=False)
        assert wait_for(self._measures, UP_S, 0.2), processes.tail(self._log)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.send(signal.SIGKILL)
        wait_for(lambda: not processes.alive(self.pid), 5.0)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, such as to stop and to go on."""
        os.kill(self.pid, number)

    def _measures(self) -> bool:
        with requests.Session() as session:
            session.trust_env = False
            try:
                query = {"query": METRIC}
                answer = session.get(f"{self.url}/api/v1/query", params=query, timeout=2)
                return bool(answer.json()["data"]["result"])
            except (requests.RequestException, ValueError, KeyError):
                return False

    def stop(self) -> None:
        """End it."""
        processes.stop(self.pid)


@contextmanager
def measured(rig: Rig, program: str, watts: Callable[[], Mapping[str, float]]) -> Iterator[Prometheus]:
    """An exporter and a Prometheus for as long as the block runs."""
    exporter = Exporter(watts)
    configuration = (
        f"global: {{scrape_interval: {SCRAPE_S}s}}\n"
        f"scrape_configs: [{{job_name: rig, static_configs: [{{targets: ['127.0.0.1:{exporter.port}']}}]}}]\n"
    )
    try:
        server = Prometheus(rig, program, configuration)
        try:
            yield server
        finally:
            server.stop()
    finally:
        exporter.close()
