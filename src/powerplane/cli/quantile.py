"""``plan --quantile``: budgets that have to hold for a share of the time, by what pods used over the last hours."""

from typing import Annotated

from cyclopts import Parameter

from powerplane.adapters.telemetry.following import Opened
from powerplane.adapters.telemetry.pod_histories import open_histories
from powerplane.adapters.telemetry.pod_history import Historian
from powerplane.cli.options import parse_duration
from powerplane.cli.progress import Say
from powerplane.cli.watts_source import TELEMETRY
from powerplane.models.demand.confidence import BoundRules
from powerplane.models.demand.held_back import hold_back
from powerplane.models.demand.history import read_history
from powerplane.models.demand.memory import DemandMemory, owners
from powerplane.models.errors import InputError, UsageError
from powerplane.models.snapshot import Snapshot
from powerplane.models.telemetry.precedence import GPU_SOURCES, POD_USE_SOURCES

LONGEST_S = 30 * 86_400.0
USUAL_HISTORY = "7d"
"""Days differ: one day of history says too little of the next."""

Quantile = Annotated[
    float | None,
    Parameter(
        name="--quantile",
        group=TELEMETRY,
        help="Hold budgets for this share of the time, such as 0.95, by what pods used before; without: by now.",
    ),
]
HistoryLength = Annotated[
    str | None,
    Parameter(name="--history", group=TELEMETRY, help=f"How far back --quantile looks; default {USUAL_HISTORY}."),
]


def check_quantile(level: float | None, history: str | None, opened: Opened | None) -> float:
    """Return the seconds of history to look at, before anything is read.

    Raises
    ------
    UsageError
        For a level out of range, a history that is none or too long, or no source to take it from.
    """
    if level is None:
        if history is not None:
            raise UsageError("--history goes with --quantile", "give a quantile as well, such as --quantile 0.95")
        return 0.0
    if opened is None:
        raise UsageError("--quantile needs a history of what pods used", "give --prometheus URL, or --telemetry DIR")
    if not opened.moments and not isinstance(opened.source, Historian):
        raise UsageError("--quantile looks into a Prometheus alone, and BMCs are given", "leave --redfish out")
    if not 0.5 <= level < 1:
        raise UsageError(f"--quantile {level:g} is not from 0.5 up to 1", "give one such as --quantile 0.95")
    seconds = parse_duration(history or USUAL_HISTORY, "--history")
    if seconds > LONGEST_S:
        raise UsageError(f"--history {history} is more than 30 days", "give a shorter one: demand forgets in days")
    return seconds


def at_quantile(snapshot: Snapshot, opened: Opened, level: float, history_s: float, say: Say) -> Snapshot:
    """Lessen a snapshot's budgets so that a plan on it holds at a quantile.

    Parameters
    ----------
    snapshot : Snapshot
    opened : Opened
    level : float
    history_s : float
    say : Say

    Raises
    ------
    InputError
        When the source has no history of pods.
    UnreachableError
        When it does not answer.
    """
    pods = snapshot.pods
    owner_of = dict(zip(zip(pods.namespaces, pods.names, strict=True), owners(snapshot), strict=True))
    ask = open_histories(opened, history_s, len(owner_of), say)
    memory = DemandMemory(BoundRules(sample_s=ask.step_s))
    cores, watts = ask.blocks("pod cpu cores", POD_USE_SOURCES), ask.blocks("gpu watts", GPU_SOURCES)
    used = read_history(list(owner_of), cores, watts, ask.step_s)
    if used is None or not used.teach(memory, owner_of.values()):
        raise InputError(
            f"{opened.where} has no history of what this cluster's pods used",
            "leave --quantile out, or see what is missing: powerplane doctor",
        )
    say("playing the history again on the placement of now")
    return hold_back(snapshot, memory.demand(), level, used).snapshot
