"""How long the scheduler waits for the extender: a real server process, asked over TLS as kube-scheduler asks.

The client is a raw socket with the question made beforehand, so that its own time hardly counts. `CPU ms` is the
server's processor time by question, the figure that neighbours disturb least.

    python benchmarks/extender_latency.py --out benchmarks/EXTENDER.md
"""

import argparse
import asyncio
import contextlib
import datetime
import importlib
import itertools
import json
import os
import random
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from powerplane.adapters.serving.tls import SCHEDULER_NAME, TlsFiles
from powerplane.bench.machine import load_line, machine_line
from powerplane.models.power_tree import NodeFigures, compile_tree
from powerplane.models.topology import SHARED, PowerDomain, PowerTopology
from powerplane.scheduler_extender.answers import Answers, FilterAnswer, PreemptAnswer
from powerplane.scheduler_extender.facts import Demand, PodFact
from powerplane.scheduler_extender.metrics import ExtenderMetrics
from powerplane.scheduler_extender.server import ServerSettings, serve
from powerplane.scheduler_extender.state import ExtenderState
from powerplane.scheduler_extender.wire import BindArgs, FilterArgs, PreemptArgs

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]  # for the tests' certificates

SIZES = (500, 5000)
CONNECTIONS = (1, 8, 50)
PODS_ON_A_NODE = 10
POD_MW = 75_000
BASE_MW = 150_000
RACK_NODES, ROW_RACKS = 20, 10
PODS_IN_QUESTION = 200
VERBS = ("filter", "prioritize")


def books(nodes: int) -> Answers:
    """The real state: racks on rows on two feeds, ten pods a node, and each tenth rack without room."""
    names = node_names(nodes)
    racks = [names[at : at + RACK_NODES] for at in range(0, nodes, RACK_NODES)]
    drawn_mw = BASE_MW + PODS_ON_A_NODE * POD_MW
    feeds = [PowerDomain(f"feed-{side}", "feed", 2 * nodes * drawn_mw) for side in "ab"]
    rows = [
        PowerDomain(f"row-{at}", "row", 2 * ROW_RACKS * RACK_NODES * drawn_mw, ("feed-a", "feed-b"), (), None, SHARED)
        for at in range(-(-len(racks) // ROW_RACKS))
    ]
    domains = [
        PowerDomain(
            f"rack-{at}",
            "rack",
            len(rack) * drawn_mw * (100 if at % 10 == 0 else 112) // 100,
            (f"row-{at // ROW_RACKS}",),
            tuple(rack),
        )
        for at, rack in enumerate(racks)
    ]
    state = ExtenderState(time.monotonic)
    state.use_tree(
        compile_tree(PowerTopology((*feeds, *rows, *domains)), [NodeFigures(n, base_mw=BASE_MW) for n in names])
    )
    for at in range(nodes * PODS_ON_A_NODE):
        state.see_pod(bound_pod(at, names[at % nodes]))
    state.unready = ""
    return state


def bound_pod(at: int, node: str) -> PodFact:
    """A pod that runs."""
    return PodFact(f"bound-{at}", "d", f"bound-{at}", node, "", Demand(POD_MW), 0, False, False, "", at, "")


class Nothing:
    """Passes every node and scores them alike: what is left is the server's own time."""

    def __init__(self, nodes: int) -> None:
        scores = [{"Host": name, "Score": 5} for name in node_names(nodes)]
        self._scores = json.dumps(scores, separators=(",", ":")).encode()

    def filter(self, args: FilterArgs) -> FilterAnswer:  # noqa: ARG002  # the seam's names
        """Pass all."""
        return FilterAnswer()

    def prioritize(self, args: FilterArgs) -> bytes:  # noqa: ARG002  # the seam's names
        """Score all alike."""
        return self._scores

    def preempt(self, args: PreemptArgs) -> PreemptAnswer:
        """Allow all."""
        return PreemptAnswer(args.victims)

    async def bind(self, args: BindArgs) -> str:  # noqa: ARG002  # the seam's names
        """Bind nothing."""
        return "this binds nothing"

    def ready(self) -> tuple[bool, str]:
        """Ready."""
        return True, ""


def node_names(nodes: int) -> list[str]:
    """Names as long as real ones."""
    return [f"worker-{at:05d}.zone-a.example" for at in range(nodes)]


def questions(nodes: int) -> list[bytes]:
    """Bodies for pods of several namespaces, each about all nodes, compact as Go writes them."""
    names = json.dumps(node_names(nodes), separators=(",", ":"))
    return [f'{{"Pod":{pod(at)},"Nodes":null,"NodeNames":{names}}}'.encode() for at in range(PODS_IN_QUESTION)]


def pod(at: int) -> str:
    """A pod of two containers as the API server keeps it, about 4 KB."""
    container = {
        "name": "app",
        "image": "registry.example/team/app@sha256:" + "0" * 64,
        "args": ["--listen=:8080 && true"],
        "env": [{"name": f"SETTING_{i}", "value": "value-" * 5} for i in range(12)],
        "resources": {"requests": {"cpu": "500m", "memory": "1Gi", "powerplane.dev/watts": "75"}},
        "volumeMounts": [{"name": "token", "readOnly": True, "mountPath": "/var/run/secrets"}],
    }
    meta = {"name": f"web-{at}", "namespace": f"team-{at % 20}", "uid": f"uid-{at}", "resourceVersion": str(at + 1)}
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "rs", "controller": True}
    managed = [{"manager": "m", "operation": "Update", "fieldsV1": {"f:metadata": {"f:labels": {".": {}}}}}] * 3
    spec = {"containers": [container, {**container, "name": "side"}], "schedulerName": "default-scheduler"}
    whole = {
        "metadata": {**meta, "labels": {"app": "web"}, "ownerReferences": [owner], "managedFields": managed},
        "spec": spec,
        "status": {"phase": "Pending"},
    }
    return json.dumps(whole, separators=(",", ":")).replace("&", "\\u0026")


@dataclass(frozen=True, slots=True)
class Cell:
    """What is measured: whose answers, about how many nodes, by which verb, over how many connections at once."""

    answers: str
    nodes: int
    verb: str
    connections: int
    busy: bool


@dataclass(frozen=True, slots=True)
class Run:
    """What one cell took."""

    cell: Cell
    times_ms: list[float]
    wall_s: float
    cpu_s: float
    load: float

    def row(self) -> str:
        """One line of the table."""
        ordered = sorted(self.times_ms)
        p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99))
        cell = self.cell
        return (
            f"| {cell.answers} | {cell.nodes} | {cell.verb} | {cell.connections} | {'yes' if cell.busy else 'no'} | "
            f"{p50:.2f} | {p99:.2f} | {ordered[-1]:.1f} | {len(ordered) / self.wall_s:.0f} | "
            f"{1e3 * self.cpu_s / len(ordered):.2f} | {len(ordered)} | {self.load:.1f} |"
        )


HEAD = (
    "| answers | nodes | verb | connections | solver beside | p50 ms | p99 ms | max ms | per s | CPU ms | n | load |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|"
)


class Connection:
    """One kept-alive connection."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        raw = socket.create_connection(("127.0.0.1", port))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = context.wrap_socket(raw, server_hostname="localhost")

    def ask(self, request: bytes) -> None:
        """Send a question and read its answer to the last byte."""
        self._socket.sendall(request)
        data = self._socket.recv(1 << 18)
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._socket.recv(1 << 18)
        head = data[:end].lower()
        if not head.startswith(b"http/1.1 200"):
            raise SystemExit(data[:500].decode())
        left = int(head.split(b"content-length: ")[1].split(b"\r\n")[0]) - (len(data) - end - 4)
        while left > 0:
            left -= len(self._socket.recv(1 << 18))

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def ask_for(seconds: float, connection: Connection, requests: list[bytes], times_ms: list[float]) -> None:
    """Ask one question after the other."""
    end = time.perf_counter() + seconds
    at = random.randrange(len(requests))
    while (start := time.perf_counter()) < end:
        connection.ask(requests[at % len(requests)])
        times_ms.append(1e3 * (time.perf_counter() - start))
        at += 1


def measure(asking: "Asking", connections: int, seconds: float) -> list[float]:
    """Ask over several connections at once."""
    open_ones = [Connection(asking.port, asking.context) for _ in range(connections)]
    for connection in open_ones:
        connection.ask(asking.requests[0])
    times: list[list[float]] = [[] for _ in open_ones]
    threads = [
        threading.Thread(target=ask_for, args=(seconds, one, asking.requests, found))
        for one, found in zip(open_ones, times, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for connection in open_ones:
        connection.close()
    return [one for found in times for one in found]


def processor_s(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def server(factory: str, nodes: int, folder: Path) -> Iterator[tuple[int, int]]:
    """Run a server process; yields its pid and port."""
    command = [sys.executable, __file__, "--serve", str(folder), "--factory", factory, "--nodes", str(nodes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.pid, int(process.stdout.readline())
        finally:
            process.terminate()


@contextlib.contextmanager
def solver(wanted: bool) -> Iterator[None]:
    """Keep every core busy with a solver, at a low priority, as the recommender beside an extender would."""
    if not wanted:
        yield
        return
    with subprocess.Popen(["nice", "-n", "10", sys.executable, __file__, "--solve"]) as process:
        time.sleep(3)  # until it solves
        try:
            yield
        finally:
            process.kill()


def solve_for_ever() -> None:
    """Solve hard knapsacks, one after the other, on all cores."""
    from ortools.sat.python import cp_model  # noqa: PLC0415  # 200 MB that the other processes do not need

    chance = random.Random(1)
    while True:
        model = cp_model.CpModel()
        picks = [[model.new_bool_var("") for _ in range(40)] for _ in range(400)]
        for row in picks:
            model.add_exactly_one(row)
        weights = [chance.randrange(50, 500) for _ in picks]
        for at in range(40):
            model.add(sum(w * row[at] for w, row in zip(weights, picks, strict=True)) <= sum(weights) // 40 + 3)
        model.minimize(sum(chance.randrange(100) * one for row in picks for one in row))
        program = cp_model.CpSolver()
        program.parameters.max_time_in_seconds = 60
        program.parameters.num_workers = len(os.sched_getaffinity(0))
        program.solve(model)


def run_server(folder: Path, factory: str, nodes: int) -> None:
    """Serve until the parent ends it; prints the port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    files = TlsFiles(folder / "tls.crt", folder / "tls.key", folder / "clients.crt")

    async def tell() -> None:
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        await asyncio.sleep(86_400)

    serve(make(factory)(nodes), ServerSettings(port=port, tls=files), ExtenderMetrics(), [tell])


def make(factory: str) -> Callable[[int], Answers]:
    """The factory that a string names."""
    module, _, name = factory.partition(":")
    here = sys.modules[__name__]
    found: Callable[[int], Answers] = getattr(here if module == "here" else importlib.import_module(module), name)
    return found


def certificates(folder: Path) -> ssl.SSLContext:
    """Write the server's files; returns the scheduler's context."""
    from tests.scheduler_extender.certificates import LOOPBACK, Authority, write_pair  # noqa: PLC0415  # by the path above

    servers, clients = Authority("servers"), Authority("clients")
    write_pair(folder, servers.issue("extender", LOOPBACK))
    (folder / "clients.crt").write_bytes(clients.pem)
    context = ssl.create_default_context(cadata=servers.pem.decode())
    context.load_cert_chain(*write_pair(folder, clients.issue(SCHEDULER_NAME), "client"))
    return context


def all_runs(factories: dict[str, str], seconds: float) -> Iterator[Run]:
    """Every cell of the table."""
    with tempfile.TemporaryDirectory() as folder:
        context = certificates(Path(folder))
        for name, nodes, busy in itertools.product(factories, SIZES, (False, True)):
            bodies = questions(nodes)
            with server(factories[name], nodes, Path(folder)) as (pid, port), solver(busy):
                for verb, connections in itertools.product(VERBS, CONNECTIONS):
                    asking = Asking(pid, port, context, [request(verb, body) for body in bodies])
                    yield one_run(Cell(name, nodes, verb, connections, busy), asking, seconds)


@dataclass(frozen=True, slots=True)
class Asking:
    """A server process and what it is asked."""

    pid: int
    port: int
    context: ssl.SSLContext
    requests: list[bytes]


def request(verb: str, body: bytes) -> bytes:
    """A whole request."""
    head = f"POST /scheduler/v1/{verb} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def one_run(cell: Cell, asking: Asking, seconds: float) -> Run:
    """Measure one cell."""
    measure(asking, 1, 0.3)  # warm
    load, before, start = os.getloadavg()[0], processor_s(asking.pid), time.perf_counter()
    times_ms = measure(asking, cell.connections, seconds)
    return Run(cell, times_ms, time.perf_counter() - start, processor_s(asking.pid) - before, load)


def main() -> None:
    """Measure, or play one of the parts that are measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--factory", help="module:function of nodes, which returns Answers; instead of the real ones")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--nodes", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--solve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.solve:
        solve_for_ever()
    if given.serve:
        run_server(given.serve, given.factory, given.nodes)
        return
    factories = {"given": given.factory} if given.factory else {"PowerPlane": "here:books", "none": "here:Nothing"}
    before = load_line()
    rows = [HEAD]
    for run in all_runs(factories, given.seconds):
        rows.append(run.row())
        sys.stderr.write(rows[-1] + "\n")
    page = "\n".join([*preface(before), *rows, ""])
    sys.stdout.write(page)
    if given.out:
        given.out.write_text(page, encoding="utf-8")


def preface(load_before: str) -> list[str]:
    """What the figures were measured on, and what they mean."""
    today = datetime.datetime.now(datetime.UTC).date()
    return [
        "# How long the scheduler waits for the extender",
        "",
        "<!-- Written by `python benchmarks/extender_latency.py --out benchmarks/EXTENDER.md`. -->",
        "",
        f"{today}, {machine_line()}; load {load_before} before, {load_line()} after.",
        "",
        "One server process, TLS 1.3 with client certificates, kept-alive connections, each question about all nodes "
        "(154 KB at 5,000). Client and server share the cores.",
        "",
        "- *Answers*: `PowerPlane` holds racks, rows and two feeds over ten pods a node, with each tenth rack full; "
        "`none` passes everything, so it is what the server itself costs.",
        "- *Connections*: kube-scheduler has one, and asks one question at a time. At 8 and 50 a question waits for "
        "those before it.",
        "- *Solver beside*: CP-SAT on every core, niced.",
        "- *CPU ms*: the server's own, by question. *Load*: the machine's over the last minute, with whatever else "
        "ran on it; more than its cores means that the times are also others'.",
        "",
    ]


if __name__ == "__main__":
    main()
