"""`powerplane serve` as a real process beside a rig, and a front that stands for the Service of several replicas."""

import asyncio
import contextlib
import os
import signal
import ssl
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from tests.rig import processes
from tests.rig.cluster import WATTS
from tests.rig.objects import install_crds
from tests.rig.processes import free_ports, wait_for
from tests.rig.rig import Rig

PREFIX = "/scheduler/v1"
NAMESPACE = "powerplane-system"
LEASES = ("powerplane", "powerplane-node-watts", "powerplane-webhook", "powerplane-certificates")
READY_S = 40.0
STOP_S = 10.0


def install_objects(rig: Rig) -> None:
    """Install our definitions, and make the namespace and the Leases, as deploy/ does."""
    install_crds(rig)
    if not rig.api.call("GET", f"/api/v1/namespaces/{NAMESPACE}").ok:
        rig.api.post("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
    for name in LEASES:
        answer = rig.api.call("POST", leases, {"metadata": {"name": name}, "spec": {}})
        assert answer.ok or answer.status == 409, answer.message


def power_domain(name: str, kind: str = "rack", **spec: Any) -> dict[str, Any]:
    """A PowerDomain."""
    return {
        "apiVersion": "powerplane.dev/v1alpha1",
        "kind": "PowerDomain",
        "metadata": {"name": name},
        "spec": {"kind": kind, **spec},
    }


def make_domains(rig: Rig, domains: Sequence[Mapping[str, Any]]) -> None:
    """Create PowerDomains."""
    rig.api.post_all("/apis/powerplane.dev/v1alpha1/powerdomains", domains)


def change_domain(rig: Rig, name: str, **spec: Any) -> None:
    """Change fields of a PowerDomain's spec."""
    rig.api.patch(f"/apis/powerplane.dev/v1alpha1/powerdomains/{name}", {"spec": spec})


class Replica:
    """One process of the extender."""

    def __init__(self, rig: Rig, name: str, *flags: str, kubeconfig: Any = None) -> None:
        self.rig = rig
        self.name = name
        self.port, self.operations_port = free_ports(2)
        pair = rig.authority.issue("powerplane-extender", file=f"extender-{name}")
        self._command = [
            sys.executable,
            "-m",
            "powerplane",
            "serve",
            f"--kubeconfig={kubeconfig or rig.kubeconfig}",
            f"--port={self.port}",
            f"--operations-port={self.operations_port}",
            f"--tls-cert={pair.certificate}",
            f"--tls-key={pair.key}",
            f"--client-ca={rig.authority.file}",
            f"--identity={name}",
            *flags,
        ]
        self.pair = pair
        self.pid = 0

    @property
    def log(self) -> Any:
        """Its log."""
        return self.rig.folder / f"extender-{self.name}.log"

    def start(self) -> "Replica":
        """Start it; does not wait."""
        self.pid = processes.spawn(self._command, self.log, outlive=False, PYTHONUNBUFFERED="1")
        return self

    def ready(self) -> bool:
        """Whether it answers the scheduler now."""
        return self.page("/readyz") is not None

    def page(self, path: str) -> str | None:
        """A page of its plain port; None where it is not there, or says no."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.operations_port}{path}", timeout=2) as answer:
                return str(answer.read().decode())
        except OSError:
            return None

    def wait_ready(self) -> "Replica":
        """Wait until it answers."""
        assert wait_for(self.ready, READY_S, 0.1), f"{self.name} is not ready:\n{processes.tail(self.log)}"
        return self

    def kill(self) -> None:
        """End it as a power cut would."""
        os.kill(self.pid, signal.SIGKILL)
        wait_for(lambda: not processes.alive(self.pid), 5.0)

    def stop(self) -> None:
        """End it as a rollout would."""
        processes.stop(self.pid)

    def entry(self, **fields: Any) -> dict[str, Any]:
        """The scheduler's configuration of this replica."""
        return entry(self.rig, self.port, **fields)


def entry(rig: Rig, port: int, **fields: Any) -> dict[str, Any]:
    """The scheduler's configuration of an extender behind a port: TLS, its own certificate, names only."""
    scheduler = rig.authority.issue("system:kube-scheduler", file="scheduler-client")
    return {
        "urlPrefix": f"https://127.0.0.1:{port}{PREFIX}",
        "filterVerb": "filter",
        "prioritizeVerb": "prioritize",
        "preemptVerb": "preempt",
        "weight": 5,
        "enableHTTPS": True,
        "tlsConfig": {
            "caFile": str(rig.authority.file),
            "certFile": str(scheduler.certificate),
            "keyFile": str(scheduler.key),
        },
        "httpTimeout": "2s",
        "nodeCacheCapable": True,
        "ignorable": False,
        "managedResources": [{"name": WATTS, "ignoredByScheduler": True}],
    } | fields


@contextmanager
def partition(rig: Rig, *flags: str) -> Iterator[int]:
    """`powerplane node-watts run` as a process for as long as the block runs; its process id."""
    command = [sys.executable, "-m", "powerplane", "node-watts", "run", f"--kubeconfig={rig.kubeconfig}", *flags]
    pid = processes.spawn(command, rig.folder / "node-watts.log", outlive=False, PYTHONUNBUFFERED="1")
    try:
        yield pid
    finally:
        processes.stop(pid)


@contextmanager
def extender(rig: Rig, name: str = "only", *flags: str) -> Iterator[Replica]:
    """A ready replica for as long as the block runs."""
    replica = Replica(rig, name, *flags).start()
    try:
        yield replica.wait_ready()
    finally:
        replica.stop()


class Backend(Protocol):
    """A process behind a Service."""

    port: int

    def ready(self) -> bool:
        """Whether it may be sent anything now."""
        ...


class Front:
    """What a Service does: each new connection goes to a replica that is ready, and breaks with it."""

    def __init__(self, replicas: Sequence[Backend]) -> None:
        self.replicas = list(replicas)
        (self.port,) = free_ports(1)
        self._loop = asyncio.new_event_loop()
        self._ready: Backend | None = None
        self._passing: set[Any] = set()
        self._open: set[asyncio.StreamWriter] = set()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="front")

    def __enter__(self) -> "Front":
        self._thread.start()
        if not wait_for(lambda: self._ready is not None, READY_S):
            self.__exit__()
            raise AssertionError("no replica is ready")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(STOP_S)
        assert not self._thread.is_alive(), "the front does not stop"

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        probing = asyncio.create_task(self._probe())
        async with server:
            await self._stop.wait()
            # What has been accepted takes two turns of the loop to come to `_accept`; a server that is closed by then
            # loses it, open.
            for listener in server.sockets:
                self._loop.remove_reader(listener.fileno())
            for _ in range(3):
                await asyncio.sleep(0)
        for task in (probing, *self._passing):
            task.cancel()
        await asyncio.gather(probing, *self._passing, return_exceptions=True)
        # A transport that is closed with bytes still to send stays open until they are gone.
        for writer in self._open:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in self._open), return_exceptions=True)

    async def _probe(self) -> None:
        while True:
            found = None
            for replica in self.replicas:
                if await asyncio.to_thread(replica.ready):
                    found = replica
                    break
            self._ready = found
            await asyncio.sleep(0.1)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Keep the connection at once: its task may be cancelled before it has run a line."""
        self._open.add(writer)
        task = asyncio.create_task(self._pass(reader, writer))
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = self._ready
        try:
            if target is None:
                return
            there = await asyncio.open_connection("127.0.0.1", target.port)
            self._open.add(there[1])
            await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))
        except OSError:
            pass
        finally:
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
    finally:
        writer.close()


def client_context(rig: Rig, user: str = "system:kube-scheduler") -> ssl.SSLContext:
    """A client's side of mutual TLS, as any user."""
    pair = rig.authority.issue(user, file=f"client-{user.replace(':', '-')}")
    context = ssl.create_default_context(cafile=str(rig.authority.file))
    context.load_cert_chain(pair.certificate, pair.key)
    return context
