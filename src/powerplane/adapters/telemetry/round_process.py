"""Nodes' watts by all that a Prometheus carries, judged in a process apart from the program that needs them."""

import os
import select
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping

import msgspec

from powerplane.adapters.prometheus import NodeWatt, WattsReading
from powerplane.adapters.telemetry.round_wire import MOST_LINE_BYTES, Ask, Opening, Told

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
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._sent: dict[str, tuple[float, float]] | None = None
        self._last_good_s: float | None = None
        self.refused: Counter[str] = Counter()
        """Bad series from the start, by source and verdict."""
        self.failures = 0
        """Rounds without an answer, from the start."""
        self.starts = 0
        """How often the process was started."""

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

    def close(self) -> None:
        """End the process."""
        process, self._process, self._sent = self._process, None, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _ask(self, nodes: dict[str, tuple[float, float]]) -> Told:
        until = self._clock() + self._opening.timeout_s + START_S
        process = self._process or self._start(until)
        changed = None if nodes == self._sent else nodes
        self._send(process, Ask(changed), until)
        told = msgspec.json.decode(self._line(process, until), type=Told)
        self._sent = nodes
        return told

    def _start(self, until: float) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._process = process
        self.starts += 1
        assert process.stdin is not None
        # A process that does not read must not block this one for ever.
        os.set_blocking(process.stdin.fileno(), False)
        self._send(process, self._opening, until)
        return process

    def _send(self, process: subprocess.Popen[bytes], message: msgspec.Struct, until: float) -> None:
        assert process.stdin is not None
        left, pipe = memoryview(msgspec.json.encode(message) + b"\n"), process.stdin.fileno()
        while left:
            _, ready, _ = select.select([], [pipe], [], max(0.0, until - self._clock()))
            if not ready:
                raise TimeoutError("it takes no question")
            left = left[os.write(pipe, left) :]

    def _line(self, process: subprocess.Popen[bytes], until: float) -> bytes:
        assert process.stdout is not None
        line, pipe = bytearray(), process.stdout.fileno()
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([pipe], [], [], max(0.0, until - self._clock()))
            if not ready:
                raise TimeoutError("no answer in time")
            part = os.read(pipe, 1 << 16)
            if not part:
                raise OSError("it ended")
            line += part
            if len(line) > MOST_LINE_BYTES:
                raise OSError(f"an answer of more than {MOST_LINE_BYTES} bytes")
        return bytes(line)

    def _failed(self, told: str) -> WattsReading:
        self.failures += 1
        age_s = None if self._last_good_s is None else self._clock() - self._last_good_s
        return WattsReading(error=told, last_good_age_s=age_s)
