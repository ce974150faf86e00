"""How long the scheduler waits for the extender: a real server process, asked over TLS as kube-scheduler asks.

The client is a raw socket with the question made beforehand, so that its own time hardly counts. `CPU ms` is the
server's processor time by question, the figure that neighbours disturb least.

    python -m benchmarks.extender_latency --out benchmarks/EXTENDER.md
"""

import argparse
import asyncio
import contextlib
import datetime
import importlib
import itertools
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.extender_asking import Asking, certificates, measure, questions, request
from benchmarks.serving_cost import processor_s

from powerplane.adapters.serving.tls import TlsFiles
from powerplane.bench.machine import load_line, machine_line
from powerplane.scheduler_extender.answers import Answers
from powerplane.scheduler_extender.metrics import ExtenderMetrics
from powerplane.scheduler_extender.server import ServerSettings, serve

MYSELF = "benchmarks.extender_latency"
OURS = {"PowerPlane": "benchmarks.extender_books:books", "none": "benchmarks.extender_books:Nothing"}

SIZES = (500, 5000)
CONNECTIONS = (1, 8, 50)
VERBS = ("filter", "prioritize")


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


@contextlib.contextmanager
def server(factory: str, nodes: int, folder: Path) -> Iterator[tuple[int, int]]:
    """Run a server process; yields its pid and port."""
    command = [sys.executable, "-m", MYSELF, "--serve", str(folder), "--factory", factory, "--nodes", str(nodes)]
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
    with subprocess.Popen(["nice", "-n", "10", sys.executable, "-m", MYSELF, "--solve"]) as process:
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
    found: Callable[[int], Answers] = getattr(importlib.import_module(module), name)
    return found


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
    factories = {"given": given.factory} if given.factory else OURS
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
        "<!-- Written by `python -m benchmarks.extender_latency --out benchmarks/EXTENDER.md`. -->",
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
