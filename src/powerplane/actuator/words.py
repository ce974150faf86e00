"""Words that stand in objects: steps of a move, phases of a plan, reasons, labels and gates."""

from typing import Final, Literal, get_args

Step = Literal[
    "Waiting",
    "Reserving",
    "Reserved",
    "Surging",
    "Evicting",
    "Evicted",
    "Steering",
    "Resizing",
    "Bound",
    "Ready",
    "Done",
    "RolledBack",
    "Failed",
    "Skipped",
]
Phase = Literal["", "Pending", "Running", "Done", "Failed", "Expired", "Stopped"]

STEP_OF: Final[dict[str, Step]] = {each: each for each in get_args(Step)}
PHASE_OF: Final[dict[str, Phase]] = {each: each for each in get_args(Phase)}
ENDED: Final[frozenset[Step]] = frozenset(("Done", "RolledBack", "Failed", "Skipped"))
"""Steps after which nothing more happens to a move."""

EVICTED: Final[frozenset[Step]] = frozenset(("Evicting", "Evicted", "Steering", "Bound", "Ready", "Done"))
"""Steps of a move whose pod was evicted, or may have been."""

BEFORE_EVICTION: Final[frozenset[str]] = frozenset(("TargetLost", "TargetFull"))
"""Reasons for which a move failed that evicted nothing."""

SETTLED: Final[frozenset[Step]] = ENDED | {"Ready"}
"""Steps in which a move has done to the cluster all that it ever will."""

UNDER_WAY: Final[frozenset[Step]] = frozenset(
    ("Reserving", "Reserved", "Surging", "Evicting", "Evicted", "Steering", "Resizing", "Bound")
)
"""Steps that count against the limits of how much goes on at once."""

SURGED: Final[frozenset[Step]] = frozenset(("Surging", "Evicting", "Evicted"))
"""Steps of a move whose pod may have been taken out of its ReplicaSet."""

HOLDING: Final[frozenset[Step]] = frozenset(("Reserving", "Reserved", "Surging", "Evicting", "Evicted", "Steering"))
"""Steps in which a placeholder belongs to a move; in any other, one that is there is taken away."""

COUNTED: Final[frozenset[Step]] = frozenset(("Evicting", "Resizing"))
"""Steps that count against the hour's budget once they are begun."""

OVER: Final[frozenset[Phase]] = frozenset(("Done", "Failed", "Expired", "Stopped"))
"""Phases of a plan that nothing more is done for."""

EXTENDER_LEASE: Final = "powerplane"
