"""How long an API server waits for the webhook: its application on its own port, in a process, asked over TLS by wrk.

Reviews are of new pods of 3 to 8 KB, no two alike. `CPU µs` is the server's processor time for each, the figure that
neighbours disturb least. Needs wrk on PATH.

    python -m benchmarks.webhook_latency --seconds 5 --out benchmarks/RESULTS.md
"""

import argparse
import contextlib
import datetime
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving_cost import Timing, drive, on_core, processor_s, server_certificates
from benchmarks.webhook_cells import reviews, table, yes_listener

from powerplane.adapters.serving.listener import Listener, ListenerSettings
from powerplane.adapters.serving.server import Server, run_until_signal
from powerplane.adapters.serving.tls import TlsFiles
from powerplane.admission.app import LIMITS, AdmissionApp
from powerplane.admission.metrics import AdmissionMetrics
from powerplane.bench.machine import load_line, machine_line
from powerplane.bench.sections import put_section

SECTION = "webhook-latency"
IN_FLIGHT = (1, 10, 100)
POLICIES = 50
REVIEWS = 400
PAUSES_MS = (200, 100, 50)
ANSWERS = {
    "yes, by ASGI": "a server that only says yes, over ASGI: what uvicorn costs",
    "yes, at once": "the same without ASGI: what HTTP and TLS cost",
    "PowerPlane, by ASGI": "the webhook, over ASGI",
    "PowerPlane": "the webhook as `powerplane serve` runs it",
}


@dataclass(frozen=True, slots=True)
class Run:
    """What one cell took."""

    answers: str
    in_flight: str
    timing: Timing
    cpu_s: float
    load: float

    def row(self) -> str:
        """One line of the table."""
        seen = self.timing
        return (
            f"| {self.answers} | {self.in_flight} | {seen.p50_ms:.2f} | {seen.p99_ms:.2f} | {seen.p999_ms:.1f} | "
            f"{seen.max_ms:.1f} | {seen.requests / seen.wall_s:.0f} | {1e6 * self.cpu_s / max(seen.requests, 1):.0f} | "
            f"{1e6 * seen.client_s / max(seen.requests, 1):.0f} | {seen.requests} | {self.load:.1f} |"
        )


HEAD = (
    "| answers | in flight | p50 ms | p99 ms | p99.9 ms | max ms | per s | CPU µs | wrk's CPU µs | n | load |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    """Measure, or be the server that is measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="a page whose section is to be put anew")
    parser.add_argument("--only", action="append", choices=ANSWERS)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        run_server(given.serve, given.only[0])
        return
    before, rows = load_line(), [HEAD]
    for run in all_runs(given.only or list(ANSWERS), given.seconds, given.seed):
        rows.append(run.row())
        sys.stderr.write(rows[-1] + "\n")
        if run.timing.bad:
            raise SystemExit(f"{run.timing.bad} reviews were not answered")
    page = "\n".join([*preface(given.seed, before), *rows, ""])
    sys.stdout.write(page)
    if given.out:
        given.out.write_text(put_section(given.out.read_text(encoding="utf-8"), SECTION, page), encoding="utf-8")


def preface(seed: int, load_before: str) -> list[str]:
    """What the figures were measured on, and what they mean."""
    today = datetime.datetime.now(datetime.UTC).date()
    return [
        "## How long the API server waits for the webhook",
        "",
        f"`python -m benchmarks.webhook_latency`, {today}, {machine_line()}; load {load_before} before, {load_line()} "
        f"after, all else that ran on the machine included; seed {seed}.",
        "",
        f"One process on the first core, wrk on the second; TLS 1.3, kept connections; {REVIEWS} reviews of new pods "
        f"in turns, no two alike, 3 to 8 KB; {POLICIES} policies.",
        "",
        *(f"- *{name}*: {what}." for name, what in ANSWERS.items()),
        "- *In flight*: as many are always unanswered, so that with n in flight and r answered a second each waits n/r "
        "on average, whatever the server. *100 that rest*: 100 connections, each of which asks again so long after its "
        "answer, on average: what comes in is not set by what goes out.",
        "- *CPU µs*: processor time of the server for each review, and of wrk beside it.",
        "",
    ]


def all_runs(answers: list[str], seconds: float, seed: int) -> Iterator[Run]:
    """Every cell of the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bodies = folder / "reviews"
        bodies.write_bytes(b"\n".join(reviews(REVIEWS, seed)) + b"\n")
        server_certificates(folder, "webhook")
        for each in answers:
            with server(folder, each) as (pid, port):
                url = f"https://127.0.0.1:{port}/mutate?timeout=2s"
                drive(url, bodies, 1, 1)  # warm
                for count in IN_FLIGHT:
                    yield one_run(each, f"{count}", pid, lambda: drive(url, bodies, count, seconds))  # noqa: B023  # called at once
                for pause in PAUSES_MS if each == "PowerPlane" else ():
                    paced = f"100 that rest {pause} ms"
                    yield one_run(each, paced, pid, lambda: drive(url, bodies, 100, seconds, pause_ms=pause))  # noqa: B023  # as above


def one_run(answers: str, in_flight: str, pid: int, ask: Callable[[], Timing]) -> Run:
    """Measure one cell."""
    load, before = os.getloadavg()[0], processor_s(pid)
    timing = ask()
    return Run(answers, in_flight, timing, processor_s(pid) - before, load)


@contextlib.contextmanager
def server(folder: Path, answers: str) -> Iterator[tuple[int, int]]:
    """Run a server process on the first core; yields its pid and port."""
    own = [sys.executable, "-m", "benchmarks.webhook_latency", "--serve", str(folder), "--only", answers]
    with subprocess.Popen([*on_core(0), *own], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline())
            time.sleep(1)  # until what it loaded is out of the garbage collector's way
            yield process.pid, port
        finally:
            process.terminate()


def run_server(folder: Path, answers: str) -> None:
    """Serve until the parent ends it; prints the port."""

    def made() -> Server:
        port = listener(folder, answers)
        sys.stdout.write(f"{port.port}\n")
        sys.stdout.flush()
        return Server([port])

    run_until_signal(made)


def listener(folder: Path, answers: str) -> Listener:
    """The port that a row of the table is about."""
    tls = TlsFiles(folder / "tls.crt", folder / "tls.key", None, ())
    settings, metrics = ListenerSettings(tls=tls, insecure=True, limits=LIMITS), AdmissionMetrics()
    if answers.startswith("yes"):
        return yes_listener(settings, metrics, at_once=answers.endswith("at once"))
    known = table(POLICIES)
    app = AdmissionApp(lambda: known, metrics)
    return Listener(app, settings, metrics, None if answers.endswith("ASGI") else app.at_once)


if __name__ == "__main__":
    main()
