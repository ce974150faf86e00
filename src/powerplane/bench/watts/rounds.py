"""``python -m powerplane.bench.watts.rounds``: a round of telemetry at scale, from a real Prometheus into watts."""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import socket
from statistics import median
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import msgspec

from powerplane.bench.command import as_command
from powerplane.bench.watts.page import render_table
from powerplane.bench.watts.round_exporter import SHARES
from powerplane.bench.watts.round_reader import Lap, Reading
from powerplane.bench.watts.table import WattsTable
from powerplane.models.errors import UnreachableError

NODES, PODS = 5_000, 100_000
SCRAPE_S = 15.0
WARM_SCRAPES = 10
UP_S = 60.0
READER_S = 600.0
MOST_S, MOST_MIB = 20.0, 2048.0
"""What a round may take."""

HEADINGS = (
    "what",
    "series",
    "samples",
    "read s",
    "follow s",
    "whole s",
    "CPU s",
    "peak MiB",
    "nodes with a figure",
    "worst error",
)

TEXT = """\
{nodes:,} nodes and {pods:,} pods of Kepler's, DCGM's, ipmi_exporter's, cAdvisor's, node_exporter's and
kube-state-metrics' series (10 system slices a node and 2 containers a pod beside what is read), served by a process of
ours, scraped every {scrape:g} s by Prometheus on loopback, and read while it goes on scraping, all on the same cores. A
round asks for the samples of the last 200 s (the first: 300 s; of pods as far back as a rate needs), and ends in the
watts of each node and the use of each pod. The whole table has pods' shares and owners as well, which `doctor` asks
for and no plan needs.

*Read*: from the first question to the last column; *follow*: judging, choosing, settling; *CPU*: of the reader alone;
*peak*: the most memory that it held. The later rounds are the median of those after the first. *Worst error*: of any
node with a figure, measured or held, against what was served, whose last digits waver by 0.1 %. A history is {points}
steps of one metric of all nodes.
"""


def measure(data: Path) -> WattsTable:  # noqa: ARG001 - it needs no recorded data
    """Measure rounds of the size that is asked for.

    Raises
    ------
    UnreachableError
        Where Prometheus is not installed, or does not come up.
    """
    return measure_size(NODES, PODS, SCRAPE_S)


def measure_size(nodes: int, pods: int, scrape_s: float) -> WattsTable:
    """Measure rounds of any size; see ``measure``."""
    with _exporter(nodes, pods) as port, _prometheus(port, scrape_s) as url:
        time.sleep(WARM_SCRAPES * scrape_s)
        found = {what: _read(url, nodes, what, scrape_s) for what in ("rounds", "everything", "history", "client")}
    rows = [
        _row("a first round", found["rounds"].laps[:1], found["rounds"], nodes),
        _row("later rounds", found["rounds"].laps[1:], found["rounds"], nodes),
        _row("later rounds of the whole table", found["everything"].laps[1:], found["everything"], nodes),
        _row("a history, as columns", found["history"].laps, found["history"], 0),
        _row("the same by prometheus-api-client", found["client"].laps, found["client"], 0),
    ]
    text = TEXT.format(
        nodes=nodes, pods=pods, scrape=scrape_s, points=found["history"].laps[0].samples // max(1, nodes)
    )
    return WattsTable("Rounds at scale", text, HEADINGS, tuple(rows), tuple(_notes(found, pods)))


def _row(name: str, laps: list[Lap], reading: Reading, nodes: int) -> tuple[str, ...]:
    read_s, follow_s = (median(times) for times in ([lap.read_s for lap in laps], [lap.follow_s for lap in laps]))
    whole_s = median(lap.read_s + lap.follow_s for lap in laps)
    last = laps[-1]
    return (
        name,
        f"{last.series:,}",
        f"{last.samples:,}",
        f"{read_s:.2f}",
        f"{follow_s:.2f}" if nodes else "–",
        _bold(f"{whole_s:.2f}", whole_s > MOST_S),
        f"{median(lap.cpu_s for lap in laps):.2f}",
        _bold(f"{reading.peak_mib:,.0f}", reading.peak_mib > MOST_MIB),
        _bold(f"{last.measured:,} of {nodes:,}", last.measured < nodes) if nodes else "–",
        f"{last.worst:.2%}" if nodes else "–",
    )


def _notes(found: dict[str, Reading], pods: int) -> Iterator[str]:
    unanswered = sum(reading.laps[-1].unanswered for reading in found.values())
    if unanswered:
        yield f"{unanswered} questions had no answer."
    last = found["rounds"].laps[-1]
    if last.pods < pods:
        yield f"{last.pods:,} of {pods:,} pods had a figure."
    ours, theirs = (sum(lap.cpu_s for lap in found[what].laps) for what in ("history", "client"))
    yield f"Reading a history takes {theirs / ours:.1f} times the CPU time with prometheus-api-client alone."
    yield "Prometheus answers from its memory of the latest two hours; a federation of several answers more slowly."


def _bold(text: str, lost: bool) -> str:
    return f"**{text}**" if lost else text


@contextmanager
def _exporter(nodes: int, pods: int) -> Iterator[int]:
    command = [
        sys.executable,
        "-m",
        "powerplane.bench.watts.round_exporter",
        "--nodes",
        str(nodes),
        "--pods",
        str(pods),
    ]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    try:
        yield int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


@contextmanager
def _prometheus(exporter: int, scrape_s: float) -> Iterator[str]:
    program = shutil.which("prometheus")
    if not program:
        raise UnreachableError(
            "there is no Prometheus to measure with", "install it (Debian: apt-get install prometheus)"
        )
    with tempfile.TemporaryDirectory(prefix="powerplane-rounds-") as named:
        folder = Path(named)
        targets = [
            {"targets": [f"127.0.0.1:{exporter}"], "labels": {"__metrics_path__": f"/{share}"}}
            for share in range(SHARES)
        ]
        every = f"{round(scrape_s * 1000)}ms"
        job = {"job_name": "all", "honor_labels": True, "scrape_interval": every, "scrape_timeout": every}
        config = folder / "prometheus.yml"
        config.write_text(json.dumps({"scrape_configs": [job | {"static_configs": targets}]}))
        with (folder / "log").open("wb") as log:
            port = _free_port()
            command = [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
            process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
            try:
                yield _ready(f"http://127.0.0.1:{port}", folder / "log")
            finally:
                process.terminate()
                process.wait(60)


def _ready(url: str, log: Path) -> str:
    opener = build_opener(ProxyHandler({}))
    until = time.monotonic() + UP_S
    while time.monotonic() < until:
        try:
            with opener.open(f"{url}/-/ready", timeout=5) as answer:
                if answer.status == 200:
                    return url
        except (URLError, OSError):
            pass
        time.sleep(0.2)
    raise UnreachableError(f"Prometheus does not come up: {log.read_text()[-500:]}", "see what it says, and mend it")


def _free_port() -> int:
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _read(url: str, nodes: int, what: str, pause_s: float) -> Reading:
    """Measure in a child process, whose memory is its own."""
    command = [sys.executable, "-m", "powerplane.bench.watts.round_reader", url, "--nodes", str(nodes), "--what", what]
    done = subprocess.run(
        [*command, "--pause", str(pause_s)], capture_output=True, text=True, timeout=READER_S, check=False
    )
    if done.returncode:
        raise UnreachableError(f"the reader failed: {done.stderr[-1000:]}", "mend what it says")
    return msgspec.json.decode(done.stdout, type=Reading)


@as_command
def main(arguments: list[str] | None = None) -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=NODES)
    parser.add_argument("--pods", type=int, default=PODS)
    parser.add_argument("--scrape-s", type=float, default=SCRAPE_S)
    given = parser.parse_args(arguments)
    sys.stdout.write(render_table(measure_size(given.nodes, given.pods, given.scrape_s)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
