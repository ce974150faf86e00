"""A Prometheus process on loopback that scrapes simulated exporters, and ends with whoever started it."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from tests.rig import processes
from tests.rig.processes import free_ports, wait_for

from powerplane.simulator.exporter import Served

UP_S = 30.0


class Prometheus:
    """Scrapes what a configuration says; may be stopped and started again over the same data."""

    def __init__(self, program: str, folder: Path, configuration: str) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        (folder / "prometheus.yml").write_text(configuration)
        self._log = folder / "prometheus.log"
        self._command = [
            program,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        self._session = requests.Session()
        self._session.trust_env = False
        self.pid = 0
        self.start()

    def start(self) -> None:
        self.pid = processes.spawn(self._command, self._log, outlive=False)
        assert wait_for(lambda: self.count("up") is not None, UP_S, 0.1), processes.tail(self._log)

    def stop(self) -> None:
        assert processes.stop(self.pid), processes.tail(self._log)

    def count(self, query: str) -> int | None:
        """Series that a query finds; None where it does not answer."""
        try:
            answer = self._session.get(f"{self.url}/api/v1/query", params={"query": query}, timeout=2)
            return len(answer.json()["data"]["result"])
        except (requests.RequestException, ValueError, KeyError):
            return None

    def close(self) -> None:
        processes.stop(self.pid)
        self._session.close()


def configuration(served: Served, layout: str = "nodes") -> str:
    """What the exporters themselves say that their Prometheus should be configured with."""
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(
            f"{served.listener.url}/prometheus.yml", params={"layout": layout, "scrape": "1s"}, timeout=5
        )
        answer.raise_for_status()
        # Found sooner than an operator needs it, so that tests are short.
        return answer.text.replace("refresh_interval: 5s", "refresh_interval: 1s")


@contextmanager
def scraping(program: str, folder: Path, served: Served, layout: str = "nodes") -> Iterator[Prometheus]:
    """A Prometheus for as long as the block runs."""
    folder.mkdir(exist_ok=True)
    server = Prometheus(program, folder, configuration(served, layout))
    try:
        yield server
    finally:
        server.close()


@contextmanager
def backfilled(program: str | None, folder: Path, openmetrics: str) -> Iterator[Prometheus]:
    """A Prometheus that scrapes nothing and has a history, for as long as the block runs."""
    tool = shutil.which("promtool")
    if not program or not tool:
        pytest.skip("missing real part: prometheus: Prometheus and promtool on PATH")
    (folder / "history.om").write_text(openmetrics)
    made = [tool, "tsdb", "create-blocks-from", "openmetrics", str(folder / "history.om"), str(folder / "data")]
    subprocess.run(made, check=True, capture_output=True, timeout=120)
    running = Prometheus(program, folder, "global: {}\n")
    try:
        yield running
    finally:
        running.close()
