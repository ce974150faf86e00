"""Nodes' watts by all that a Prometheus carries, judged in a process apart from the program that needs them."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping

import msgspec

from powerplane.adapters.line_process import LineProcess
from powerplane.adapters.prometheus import NodeWatt, WattsReading
from powerplane.adapters.telemetry.round_wire import Ask, Opening, Told

WORKER = "powerplane.adapters.telemetry.round_worker"
START_S = 10.0
"""Added to the time of the first round: the libraries have to be imported."""

END_S = 5.0


class RoundProcess:
    """A source of nodes' watts, as ``adapters.prometheus.NodeWatts`` is one. Not for several threads at once.

    Parameters
    ----------
    opening : Opening
        What is read; a round gets ``timeout_s`` and a few seconds more.
    nodes : callable
        Idle and peak watts of every node by name; called before each round.
    clock : callable
        Monotonic seconds.
    command : sequence of str
        Of the process. It ends by itself when this program does, since its input then ends.
    """

    def __init__(
        self,
        opening: Opening,
        nodes: Callable[[], Mapping[str, tuple[float, float]]],
        *,
        clock: Callable[[], float] = time.monotonic,
        command: tuple[str, ...] = (sys.executable, "-m", WORKER),
    ) -> None:
        self._opening = opening
        self._nodes = nodes
        self._clock = clock
        self._worker = LineProcess(command, opening, clock, END_S)
        self._sent: dict[str, tuple[float, float]] | None = None
        self._last_good_s: float | None = None
        self.refused: Counter[str] = Counter()
        """Bad series from the start, by source and verdict."""
        self.failures = 0
        """Rounds without an answer, from the start."""

    def read(self) -> WattsReading:
        """Ask once; whatever goes wrong is told in the reading, and a process that failed is started anew."""
        try:
            told = self._ask(dict(self._nodes()))
        except (OSError, TimeoutError, msgspec.DecodeError) as error:
            self.close()
            return self._failed(f"the process that reads watts failed: {error}")
        self.refused.update(told.found)
        if told.error:
            return self._failed(told.error)
        self._last_good_s = self._clock()
        nodes = {name: NodeWatt(watts, age_s) for name, (watts, age_s) in told.nodes.items()}
        return WattsReading(nodes, told.found, "", 0.0)

    @property
    def starts(self) -> int:
        """How often the process was started."""
        return self._worker.starts

    @property
    def pid(self) -> int:
        """Of the process; 0 while there is none."""
        return self._worker.pid

    def close(self) -> None:
        """End the process."""
        self._sent = None
        self._worker.close()

    def _ask(self, nodes: dict[str, tuple[float, float]]) -> Told:
        until = self._clock() + self._opening.timeout_s + START_S
        changed = None if nodes == self._sent else nodes
        told = msgspec.json.decode(self._worker.ask(Ask(changed), until), type=Told)
        self._sent = nodes
        return told

    def _failed(self, told: str) -> WattsReading:
        self.failures += 1
        age_s = None if self._last_good_s is None else self._clock() - self._last_good_s
        return WattsReading(error=told, last_good_age_s=age_s)
