"""A process that does another program's heavy reading: a line of JSON to it, a line back, in bounded time.

It ends by itself when the program does, since its input then ends. What it is told stands on no command line.
"""

import os
import select
import subprocess
import time
from collections.abc import Callable

import msgspec

MOST_LINE_BYTES = 1 << 26
END_S = 5.0


class LineProcess:
    """Such a process, started when it is first asked. Not for several threads at once.

    Parameters
    ----------
    command : sequence of str
    opening : msgspec.Struct
        The first line to it.
    clock : callable
        Monotonic seconds.
    end_s : float
        How long it is given to end.
    """

    def __init__(
        self,
        command: tuple[str, ...],
        opening: msgspec.Struct,
        clock: Callable[[], float] = time.monotonic,
        end_s: float = END_S,
    ) -> None:
        self._command = command
        self._opening = opening
        self._clock = clock
        self._end_s = end_s
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        """How often it was started."""

    @property
    def pid(self) -> int:
        """Of the process; 0 while there is none."""
        return self._process.pid if self._process is not None else 0

    def ask(self, question: msgspec.Struct, until: float) -> bytes:
        """Send a line and return the answer's.

        Parameters
        ----------
        question : msgspec.Struct
        until : float
            By the clock.

        Raises
        ------
        OSError, TimeoutError
            Whereupon it should be closed: the next question starts another.
        """
        process = self._process or self._start(until)
        self._send(process, question, until)
        return self._line(process, until)

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            process.wait(self._end_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

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
