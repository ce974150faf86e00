"""A plan as text: table, JSON or YAML."""

import os
import sys
from pathlib import Path

import msgspec
from rich.console import Console

from powerplane.cli.loading import YAML_SUFFIXES
from powerplane.cli.options import Format
from powerplane.cli.tables import domains_table, plan_table, verdict_line
from powerplane.models.plan import Conflict, Plan
from powerplane.models.snapshot import Snapshot

WIDTH_IN_FILES = 160


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
        _print_tables(snapshot, plan)
    else:
        print_data(encode_json(plan) if form == "json" else encode_yaml(plan))


def _print_tables(snapshot: Snapshot, plan: Plan) -> None:
    # In a file or a pipe there is no width to fit; cut names would be of no use there.
    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDTH_IN_FILES
    console = Console(width=wide, highlight=False, emoji=False)
    console.print(verdict_line(plan))
    if plan.moves:
        console.print(plan_table(plan, snapshot))
    console.print(domains_table(plan))
    if plan.conflict:
        console.print("\n".join(describe_conflict(plan.conflict)), markup=False)
    if plan.unplaced:
        console.print(f"{len(plan.unplaced)} pods without a node; -o json names them", markup=False)


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
    sys.stdout.write(f"{text}\n")


def warn(text: str) -> None:
    """Write a line that is not data to stderr."""
    sys.stderr.write(f"powerplane: {text}\n")
