"""The webhook on a real port with TLS, in a thread of the test's or in a process of its own."""

import argparse
import asyncio
import contextlib
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.admission.hostile import world
from tests.scheduler_extender.certificates import LOOPBACK, Authority, write_pair

from powerplane.adapters.serving.limits import RequestLimits
from powerplane.adapters.serving.listener import Listener, ListenerSettings
from powerplane.adapters.serving.server import Server, new_event_loop, run_until_signal
from powerplane.adapters.serving.tls import TlsFiles
from powerplane.admission.app import LIMITS, AdmissionApp
from powerplane.admission.metrics import AdmissionMetrics

ROOT = Path(__file__).parents[2]
SHORT = RequestLimits(body_bytes=1 << 20, read_timeout_s=0.3, head_timeout_s=0.3, head_bytes=8192)
PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where it answers, how to trust it, and what it counted; the process's id where it is another."""

    port: int
    context: ssl.SSLContext
    metrics: AdmissionMetrics | None = None
    pid: int = 0

    def figure(self, name: str, **labels: str) -> float:
        assert self.metrics is not None
        return self.metrics.registry.get_sample_value(f"powerplane_admission_{name}", labels) or 0.0


def certificates(folder: Path) -> ssl.SSLContext:
    """Write the port's pair; returns a client's context."""
    authority = Authority()
    write_pair(folder, authority.issue("webhook", LOOPBACK))
    return ssl.create_default_context(cadata=authority.pem.decode())


def listener(folder: Path, metrics: AdmissionMetrics, limits: RequestLimits, keep_alive_s: int = 120) -> Listener:
    known = world()
    app = AdmissionApp(lambda: known, metrics, limits)
    tls = TlsFiles(folder / "tls.crt", folder / "tls.key", None, ())
    settings = ListenerSettings(tls=tls, insecure=True, limits=limits, keep_alive_s=keep_alive_s, connections=64)
    return Listener(app, settings, metrics, app.at_once)


@contextlib.contextmanager
def answering(folder: Path, limits: RequestLimits = SHORT, keep_alive_s: int = 120) -> Iterator[Webhook]:
    """A webhook for as long as the block runs."""
    context, metrics = certificates(folder), AdmissionMetrics()
    made: list[tuple[Server, Listener, asyncio.AbstractEventLoop]] = []
    up = threading.Event()

    async def main() -> None:
        port = listener(folder, metrics, limits, keep_alive_s)
        server = Server([port])
        made.append((server, port, asyncio.get_running_loop()))
        up.set()
        await server.run()

    def target() -> None:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(main())

    thread = threading.Thread(target=target)
    thread.start()
    assert up.wait(PATIENCE_S)
    server, port, loop = made[0]
    try:
        yield Webhook(port.port, context, metrics)
    finally:
        loop.call_soon_threadsafe(server.stop)
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


@contextlib.contextmanager
def process(folder: Path) -> Iterator[Webhook]:
    """The same in a process of its own, with the bounds that `powerplane serve` has."""
    context = certificates(folder)
    command = [sys.executable, "-m", "tests.admission.serving", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stdout is not None
        try:
            yield Webhook(int(child.stdout.readline()), context, pid=child.pid)
        finally:
            child.terminate()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder

    def made() -> Server:
        port = listener(folder, AdmissionMetrics(), LIMITS)
        sys.stdout.write(f"{port.port}\n")
        sys.stdout.flush()
        return Server([port])

    run_until_signal(made)


if __name__ == "__main__":
    main()
