"""Log lines: as text for people, or as JSON objects for programs; one record is one line, whoever wrote its words.

Names and answers that others chose stand in messages. No character of theirs ends a line or steers a terminal, and a
record's fields come from here alone: nothing that a library hangs on a record is written.
"""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

from powerplane.models.plain import printable

LogFormat = Literal["text", "json"]
LONGEST_MESSAGE = 8192
FIELDS = ("plan", "move", "wave", "trace_id")

_ABOUT: ContextVar[tuple[tuple[str, str | int], ...]] = ContextVar("about", default=())


@contextmanager
def about(*, plan: str = "", move: str = "", wave: int | None = None, trace_id: str = "") -> Iterator[None]:
    """Say what lines are about that are logged in this block, on this thread.

    Parameters
    ----------
    plan : str
        Its name.
    move : str
        UID of the pod that is moved.
    wave : int, optional
    trace_id : str
        32 hexadecimal digits.
    """
    given: dict[str, str | int] = {"plan": plan, "move": move, "trace_id": trace_id}
    given = {name: value for name, value in given.items() if value}
    if wave is not None:
        given["wave"] = wave
    token = _ABOUT.set(tuple((dict(_ABOUT.get()) | given).items()))
    try:
        yield
    finally:
        _ABOUT.reset(token)


class JsonLines(logging.Formatter):
    """One JSON object a line: ts, level, logger, message, and plan, move, wave and trace_id where there are any."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record's line."""
        line: dict[str, str | int] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage()[:LONGEST_MESSAGE],
        }
        told = dict(_ABOUT.get())
        line |= {name: told[name] for name in FIELDS if name in told}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)[-LONGEST_MESSAGE:]
        # All but ASCII is escaped: nothing in it ends a line or turns a reader's eye.
        return json.dumps(line, ensure_ascii=True)


class TextLines(logging.Formatter):
    """The time, the level, the part that speaks and what it says; a traceback follows on lines of its own."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's own name
        """Return a record's line, without its traceback."""
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802  # the same
        """Return a traceback, set in, so that no line of it looks like a record's."""
        return "\n".join(f"  {printable(line)}" for line in super().formatException(ei).splitlines())


def log_to_stderr(form: LogFormat = "text", *, verbose: bool = False) -> None:
    """Log to stderr; of the HTTP library only what went wrong."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(handlers=[handler], level=logging.DEBUG if verbose else logging.INFO)
    logging.getLogger("urllib3").setLevel(logging.WARNING)
