"""The process that reads watts for another program: judging thousands of series would cost that program's answers time.

``python -m powerplane.adapters.telemetry.round_worker``: a line of JSON in, a line out; ends when its input does.
"""

import math
import os
import sys
import time
from collections.abc import Mapping
from typing import BinaryIO

import msgspec

from powerplane.adapters.telemetry.prometheus_source import PrometheusSource
from powerplane.adapters.telemetry.round_wire import Ask, Opening, Told
from powerplane.models.telemetry.coverage import with_told_aliases
from powerplane.models.telemetry.facts import NodeFacts
from powerplane.models.telemetry.metrics import SCRAPED
from powerplane.models.telemetry.metrics_use import OWNERS
from powerplane.models.telemetry.readings import Meaning, PowerSource, Quantity
from powerplane.models.telemetry.remembered import Memory
from powerplane.models.telemetry.rounds import follow

NICENESS = 5
FIRST_WINDOW_S, WINDOW_S = 300.0, 200.0
BEYOND_WATTS = 1e6
"""Peak of a node of which none is stated: no reading is too high for it by its envelope."""

NODE_WATTS: tuple[Quantity, ...] = ("node watts", "cpu watts", "dram watts", "gpu watts")
NAMES = ("kube_node_info", "node_uname_info")


class Rounds:
    """Rounds of one source, with the memory between them.

    Parameters
    ----------
    source : PowerSource
    """

    def __init__(self, source: PowerSource) -> None:
        self._source = source
        self._memory = Memory()
        self._nodes: tuple[NodeFacts, ...] = ()

    def ask(self, nodes: Mapping[str, tuple[float, float]] | None, now_s: float) -> Told:
        """Read once.

        Parameters
        ----------
        nodes : mapping, or None
            See ``Ask``.
        now_s : float
            Unix seconds by our clock.
        """
        if nodes is not None:
            self._nodes = tuple(_facts(name, idle, peak) for name, (idle, peak) in nodes.items())
        if not self._nodes:
            return Told()
        answers = self._source.read(now_s, WINDOW_S if self._memory.sources else FIRST_WINDOW_S)
        facts = with_told_aliases(self._nodes, answers)
        self._memory, readings, _ = follow(self._memory, answers, facts, now_s)
        errors = [answer.error for answer in answers if answer.error]
        columns = zip(readings.nodes, readings.watts.tolist(), readings.age_s.tolist(), readings.state, strict=True)
        return Told(
            {name: (watts, age_s) for name, watts, age_s, state in columns if state != "worst"},
            {f"{source}: {verdict}": count for (source, verdict), count in readings.found.items()},
            errors[0] if len(errors) == len(answers) and errors else "",
        )


def node_meanings() -> tuple[Meaning, ...]:
    """Rows of the declared table that tell what nodes draw, and by which names they go."""
    rows = [row for row in (*SCRAPED, *OWNERS) if row.quantity in NODE_WATTS or row.metric in NAMES]
    return tuple(rows)


def main() -> int:
    """Serve until the input ends."""
    os.nice(NICENESS)
    reader, writer = sys.stdin.buffer, sys.stdout.buffer
    first = reader.readline()
    if not first:
        return 0
    opening = msgspec.json.decode(first, type=Opening)
    source = PrometheusSource(
        opening.url,
        node_meanings(),
        timeout_s=opening.timeout_s,
        headers=opening.headers,
        ca_file=opening.ca_file,
        node_labels=opening.node_labels,
    )
    try:
        _serve(Rounds(source), reader, writer)
    finally:
        source.close()
    return 0


def _serve(rounds: Rounds, reader: BinaryIO, writer: BinaryIO) -> None:
    decode = msgspec.json.Decoder(Ask).decode
    while line := reader.readline():
        writer.write(msgspec.json.encode(rounds.ask(decode(line).nodes, time.time())) + b"\n")
        writer.flush()


def _facts(name: str, idle_watts: float, peak_watts: float) -> NodeFacts:
    return NodeFacts(name, idle_watts, peak_watts if math.isfinite(peak_watts) else BEYOND_WATTS)


if __name__ == "__main__":
    sys.exit(main())
