"""One reader of a Prometheus, measured from within: seconds, CPU seconds and the most memory it held.

``python -m powerplane.bench.watts.round_reader URL --nodes 5000 --what rounds`` prints what it found as JSON. It is
a process of its own so that its memory is its own.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
from prometheus_api_client import PrometheusConnect

from powerplane.adapters.telemetry.prometheus_source import PrometheusSource
from powerplane.bench.watts.round_exporter import GPU_WATTS, GPUS, gpus_of, name_of, watts_of
from powerplane.models.telemetry.facts import NodeFacts
from powerplane.models.telemetry.metrics import NEEDED, SCRAPED, meanings_of
from powerplane.models.telemetry.metrics_use import OWNERS
from powerplane.models.telemetry.readings import Meaning
from powerplane.models.telemetry.remembered import Memory
from powerplane.models.telemetry.rounds import follow

FIRST_WINDOW_S, WINDOW_S = 300.0, 200.0
"""Of samples that a round asks for, as the commands do."""

PAUSE_S = 15.0
"""Between two rounds."""

ROUNDS = 4
TIMEOUT_S = 120.0
POINTS = 60
"""Steps of a history."""


class Lap(msgspec.Struct, frozen=True):
    """One round, or one history.

    Attributes
    ----------
    read_s, follow_s, cpu_s : float
        Wall clock of reading and of what follows it; CPU time of this process for both.
    series, samples : int
    measured : int
        Nodes with a measured figure, held ones included.
    worst : float
        The largest error of one, as a share.
    pods : int
    unanswered : int
        Questions without an answer.
    """

    read_s: float
    follow_s: float
    cpu_s: float
    series: int
    samples: int
    measured: int = 0
    worst: float = 0.0
    pods: int = 0
    unanswered: int = 0


class Reading(msgspec.Struct, frozen=True):
    """All laps, and the most memory that the process held."""

    laps: list[Lap]
    peak_mib: float


def rounds(url: str, nodes: int, meanings: tuple[Meaning, ...], pause_s: float = PAUSE_S) -> list[Lap]:
    """Read some rounds, each of them from the samples to watts of nodes and use of pods."""
    source = PrometheusSource(url, meanings, timeout_s=TIMEOUT_S)
    facts = [_facts(node) for node in range(nodes)]
    truth = np.array([watts_of(node) + gpus_of(node) * GPU_WATTS for node in range(nodes)])
    memory, laps = Memory(), []
    for place in range(ROUNDS):
        began, cpu = time.perf_counter(), time.process_time()
        readings = source.read(time.time(), WINDOW_S if place else FIRST_WINDOW_S)
        read_s = time.perf_counter() - began
        memory, told, pods = follow(memory, readings, facts, time.time())
        follow_s = time.perf_counter() - began - read_s
        blocks = [block for reading in readings for block in reading.blocks]
        measured = np.array([state != "worst" for state in told.state])
        errors = np.abs(told.watts / truth - 1)[measured]
        laps.append(
            Lap(
                read_s,
                follow_s,
                time.process_time() - cpu,
                sum(len(block.entities) for block in blocks),
                sum(block.value.size for block in blocks),
                int(measured.sum()),
                float(errors.max(initial=0.0)),
                len(pods.pods),
                source.failures.total(),
            )
        )
        if place + 1 < ROUNDS:
            time.sleep(max(0.0, pause_s - read_s - follow_s))
    source.close()
    return laps


def history(url: str) -> list[Lap]:
    """Read one metric's history of all nodes, our way."""
    source = PrometheusSource(url, timeout_s=TIMEOUT_S)
    row, end_s = meanings_of("kepler")[0], time.time()

    def ask() -> tuple[int, int]:
        block = source.history(row, end_s - POINTS, end_s, 1.0)
        return len(block.entities), block.value.size

    laps = [_lap(ask) for _ in range(ROUNDS)]
    source.close()
    return laps


def client_history(url: str) -> list[Lap]:
    """Read the same with prometheus-api-client alone, into floats."""
    client, end = PrometheusConnect(url), datetime.now(UTC)

    def ask() -> tuple[int, int]:
        start = datetime.fromtimestamp(end.timestamp() - POINTS, UTC)
        found: list[dict[str, Any]] = client.custom_query_range(
            'kepler_node_cpu_watts{zone="package"}', start, end, "1"
        )
        values = [np.array([float(text) for _, text in series["values"]]) for series in found]
        return len(values), sum(each.size for each in values)

    return [_lap(ask) for _ in range(ROUNDS)]


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--nodes", type=int, required=True)
    parser.add_argument("--pause", type=float, default=PAUSE_S)
    parser.add_argument("--what", choices=("rounds", "everything", "history", "client"), required=True)
    given = parser.parse_args(arguments)
    laps = {
        "rounds": lambda: rounds(given.url, given.nodes, NEEDED, given.pause),
        "everything": lambda: rounds(given.url, given.nodes, (*SCRAPED, *OWNERS), given.pause),
        "history": lambda: history(given.url),
        "client": lambda: client_history(given.url),
    }[given.what]()
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(msgspec.json.encode(Reading(laps, peak_mib)).decode() + "\n")


def _lap(ask: Callable[[], tuple[int, int]]) -> Lap:
    began, cpu = time.perf_counter(), time.process_time()
    series, samples = ask()
    return Lap(time.perf_counter() - began, 0.0, time.process_time() - cpu, series, samples)


def _facts(node: int) -> NodeFacts:
    name, address = name_of(node)
    accelerators = gpus_of(node)
    return NodeFacts(
        name,
        idle_watts=100.0,
        peak_watts=500.0 + accelerators * 700.0,
        aliases=(address,),
        accelerators=accelerators,
        accelerator_peak_watts=700.0 if accelerators == GPUS else 0.0,
        cores=64.0,
    )


if __name__ == "__main__":
    main()
