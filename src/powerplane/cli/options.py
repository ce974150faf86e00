"""Options that several commands share, and how their values are read."""

import re
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from powerplane.models.errors import InputError, UsageError
from powerplane.models.quantities import parse_quantity

LIVE = Group("Live cluster", sort_key=2)

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "": 1.0}
LEAST_MEMORY = 256 << 20

SnapshotOption = Annotated[
    Path | None, Parameter(name="--snapshot", help="Snapshot directory; without it, the live cluster is read.")
]
SnapshotDir = Annotated[Path, Parameter(name="--snapshot", help="Snapshot directory that the plan was made from.")]
PlanOption = Annotated[Path, Parameter(name="--plan", help="Plan, as `powerplane plan -o json` or `--out` wrote it.")]
Kubeconfig = Annotated[
    Path | None, Parameter(name="--kubeconfig", group=LIVE, help="Default: KUBECONFIG, ~/.kube/config, or in-cluster.")
]
Context = Annotated[str | None, Parameter(name="--context", group=LIVE, help="Context of the kubeconfig.")]
TopologyFile = Annotated[Path | None, Parameter(name="--topology", group=LIVE, help="topology.yaml: domains, budgets.")]
PowerFile = Annotated[Path | None, Parameter(name="--power", group=LIVE, help="power.yaml: curves, node budgets.")]
UsageFile = Annotated[Path | None, Parameter(name="--usage", group=LIVE, help="usage.csv: what pods use.")]
Objective = Literal["disruption", "energy"]
Format = Literal["table", "json", "yaml"]
OutputFormat = Annotated[Format, Parameter(name=["--output", "-o"], help="Form of the plan on stdout.")]


def parse_memory(text: str, option: str) -> int:
    """Bytes of an amount of memory such as "1Gi" or "500M".

    Raises
    ------
    UsageError
        When it is no amount, or less than a program needs to start.
    """
    try:
        amount = int(parse_quantity(text.strip()))
    except InputError as error:
        raise UsageError(f"{option}: {error.problem}", f"give an amount such as {option} 1Gi") from None
    if amount < LEAST_MEMORY:
        raise UsageError(f"{option} {text!r} is too little to start with", f"give {option} 256Mi or more")
    return amount


def parse_duration(text: str, option: str) -> float:
    """Seconds of a duration such as "30s", "2m", "500ms", "7d" or bare seconds.

    Raises
    ------
    UsageError
        When it is not a duration, or not above zero.
    """
    found = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)(ms|s|m|h|d|)", text.strip())
    seconds = float(found[1]) * SECONDS[found[2]] if found else 0.0
    if not found or not 0 < seconds < float("inf"):
        problem = "is not above zero" if found or text.strip().startswith("-") else "is not a duration"
        raise UsageError(
            f"{option} {text!r} {problem}", f"give a time such as {option} 30s, {option} 2m or {option} 10"
        )
    return seconds
