"""A plan as text: table, JSON or YAML."""

import os
import sys
from pathlib import Path

import msgspec
from rich.console import Console

from powerplane.cli.harmless import harmless
from powerplane.cli.loading import YAML_SUFFIXES
from powerplane.cli.options import Format
from powerplane.cli.tables import PIPE_WIDTH, print_plan_table
from powerplane.models.plan import Conflict, Plan
from powerplane.models.snapshot import Snapshot


def encode_json(plan: Plan) -> bytes:
    """Return the plan as indented JSON with a newline at the end."""
    return msgspec.json.format(msgspec.json.encode(plan), indent=2) + b"\n"


def encode_yaml(plan: Plan) -> bytes:
    """Return the plan as YAML."""
    return msgspec.yaml.encode(plan)


def encode_for(path: Path, plan: Plan) -> bytes:
    """Return the plan in the form that a file's suffix asks for; JSON unless it is .yaml or .yml."""
    return encode_yaml(plan) if path.suffix in YAML_SUFFIXES else encode_json(plan)


def print_plan(snapshot: Snapshot, plan: Plan, form: Format) -> None:
    """Write the plan to stdout."""
    if form == "table":
        print_plan_table(snapshot, plan, console=stdout_console())
    else:
        print_data(encode_json(plan) if form == "json" else encode_yaml(plan))


class DataConsole(Console):
    """A console whose reader may leave: the program hears of it, where rich would end it with exit code 1."""

    def on_broken_pipe(self) -> None:
        """Raise what the program's own writing would raise."""
        raise BrokenPipeError


def stdout_console() -> Console:
    """Return a console on stdout, without a terminal wide enough that names need no folding."""
    console = DataConsole()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    return console


def describe_conflict(conflict: Conflict) -> list[str]:
    """Return what cannot hold together and what would free it, a line each."""
    freed = ["each of these, alone, makes room:", *(f"  {remedy}" for remedy in conflict.remedies)]
    members = ["these cannot hold together:", *(f"  {member}" for member in conflict.members)]
    return members + (freed if conflict.remedies else [])


def print_data(data: bytes) -> None:
    """Write bytes to stdout, behind whatever text is there already."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def print_text(text: str) -> None:
    """Write a line of data to stdout."""
    sys.stdout.write(harmless(f"{text}\n"))


def warn(text: str) -> None:
    """Write a line that is not data to stderr."""
    sys.stderr.write(harmless(f"powerplane: {text}\n"))
