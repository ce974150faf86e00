"""``powerplane top`` on a terminal: what it does when the outside fails, and how it ends."""

import io
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from tests.cli.conftest import small_cluster

from powerplane.adapters.site import Site
from powerplane.adapters.telemetry.following import Follower, Opened
from powerplane.cli import top_live
from powerplane.cli.site import SiteFrom, read_site
from powerplane.cli.top_build import Wanted
from powerplane.cli.top_live import History, Watcher
from powerplane.models.errors import InputError
from powerplane.models.telemetry.metrics import MEANINGS
from powerplane.models.telemetry.readings import Entity, SeriesBlock, SourceReading

IPMI = next(one for one in MEANINGS if one.metric == "ipmi_dcmi_power_consumption_current_watts")
EVERY_S, SAMPLES = 15.0, 8
URL = "http://prometheus:9090"


class Meter:
    """A source in this process: nodes measured every 15 s by its own clock, until it is cut off."""

    def __init__(self, watts: dict[str, float]) -> None:
        self.watts = watts
        self.now_s = 1_790_000_000.0
        self.is_cut = False

    def read(self, now_s: float, window_s: float) -> tuple[SourceReading, ...]:
        del window_s
        if self.is_cut:
            return (SourceReading("ipmi", now_s, now_s, error="refused"),)
        at_s = np.tile(now_s - EVERY_S * np.arange(SAMPLES)[::-1], len(self.watts))
        value = np.concatenate([watts + 0.3 * np.arange(SAMPLES)[::-1] for watts in self.watts.values()])
        offsets = np.arange(len(self.watts) + 1, dtype=np.int64) * SAMPLES
        block = SeriesBlock(IPMI, tuple(Entity(node=name) for name in self.watts), offsets, at_s, value)
        return (SourceReading("ipmi", now_s, now_s, (block,)),)


@pytest.fixture
def meter() -> Meter:
    return Meter({"n1": 150.0, "n2": 140.0, "n3": 120.0, "n4": 110.0})


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return small_cluster(tmp_path / "snapshot").write()


def site_of(directory: Path) -> Site:
    return read_site(SiteFrom(snapshot=directory), lambda _: None, datetime.now(UTC))


def watcher(meter: Meter, directory: Path, where: SiteFrom | None = None) -> Watcher:
    follower = Follower(Opened(meter, (), URL), lambda: meter.now_s)
    return Watcher(follower, where or SiteFrom(snapshot=directory), site_of(directory), Wanted(), True)


def shown(watching: Watcher) -> str:
    console = Console(width=140, height=40, file=io.StringIO())
    with console.capture() as captured:
        console.print(watching.screen(console))
    return captured.get()


def test_the_next_round_is_due_with_the_next_scrape(meter: Meter, directory: Path) -> None:
    assert 14 < watcher(meter, directory).go_on() <= 15


def test_a_source_that_is_cut_off_is_told_and_its_nodes_are_held_and_then_count_at_the_worst_case(
    meter: Meter, directory: Path
) -> None:
    watching = watcher(meter, directory)
    watching.go_on()
    assert "every budget holds now" in shown(watching)
    meter.is_cut = True
    meter.now_s += 30
    watching.go_on()
    assert f"▲ {URL} does not answer: refused" in shown(watching)
    assert "4 held" in shown(watching)
    meter.now_s += 60
    watching.go_on()
    assert "4 at the worst case" in shown(watching)
    assert watching.view is not None
    assert watching.view.draw_watts == 800
    meter.is_cut = False
    meter.now_s += 15
    watching.go_on()
    assert "4 measured" in shown(watching)
    assert "does not answer" not in shown(watching)


def test_a_live_cluster_is_read_again_and_stays_as_it_was_where_that_fails(
    meter: Meter, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching = watcher(meter, directory, SiteFrom())
    monkeypatch.setattr(top_live, "SITE_EVERY_S", 0.0)
    fewer = small_cluster(directory.parent / "fewer")
    fewer.nodes.pop()
    fewer.domain("rack-2")["nodes"].remove("n4")
    read = {"n": 0}

    def read_again(*_: Any) -> Site:
        read["n"] += 1
        if read["n"] > 1:
            raise InputError("the cluster went away", "come back")
        return site_of(fewer.write())

    monkeypatch.setattr(top_live, "read_site", read_again)
    watching.go_on()
    assert [fact.name for fact in watching.site.facts] == ["n1", "n2", "n3"]
    watching.go_on()
    assert len(watching.site.facts) == 3
    assert "nodes and domains are as they were before: the cluster went away" in shown(watching)


def test_only_the_last_rounds_are_kept(meter: Meter, directory: Path) -> None:
    watching, history = watcher(meter, directory), History()
    watching.go_on()
    assert watching.view is not None
    for _ in range(100):
        history.add(watching.view)
    assert {len(draws) for draws in history.draws.values()} == {top_live.KEPT_ROUNDS}


@pytest.fixture
def hanging_server() -> Iterator[str]:
    """A server that tells its time and then answers no question."""
    ending = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if "time%28%29" not in self.path:
                ending.wait(60)
                return
            now = time.time()
            body = json.dumps({"status": "success", "data": {"resultType": "scalar", "result": [now, str(now)]}})
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    ending.set()
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_it_ends_at_once_with_0_though_a_server_keeps_it_waiting(
    name: str, hanging_server: str, directory: Path
) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "powerplane", "top", "--prometheus", hanging_server, "--snapshot", str(directory)]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        seen, until = b"", time.monotonic() + 30
        while b"asking" not in seen and time.monotonic() < until:
            seen += os.read(ours, 1 << 16)
        time.sleep(1)
        process.send_signal(signal.Signals[name])
        assert process.wait(5) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
