"""What the controllers say of a PowerCappingPolicy or ClusterPowerCappingPolicy: its status."""

from typing import Annotated, Final

from powerplane.models.api.conditions import Conditions
from powerplane.models.api.fields import ApiStruct, Moment, bounded
from powerplane.models.api.last_action import LastAction

MOST_KEPT: Final = 4
"""Windows of one policy whose averages are kept."""

LONGEST_PARTS: Final = 4096
"""Characters; the 121 parts that a window may touch, each at its longest, take less."""


class SeenAverage(ApiStruct, frozen=True):
    """What the selected pods were seen to draw over a window, kept for whoever looks on.

    Attributes
    ----------
    window
        The time that it looks back on.
    parts
        Number, seconds seen and mean milliwatts of each of its parts, as 12:14.5:160000; a space between two.
    """

    window: Annotated[str, bounded(maxLength=8)] = ""
    parts: Annotated[str, bounded(maxLength=LONGEST_PARTS)] = ""


class PolicyLedger(ApiStruct, frozen=True):
    """What was done by a policy's leave and what its mode held back, since the recommender began to count.

    Attributes
    ----------
    since
        When it began to count.
    actions
        Plans that were carried out.
    withheld
        Plans that would have been.
    watt_hours_held
        Energy that the plans kept off domains: what they would have drawn without, by the plans' own prediction.
    watt_hours_missed
        Energy that the withheld plans would have kept off domains.
    """

    since: Moment | None = None
    actions: Annotated[int, bounded(minimum=0)] = 0
    withheld: Annotated[int, bounded(minimum=0)] = 0
    watt_hours_held: Annotated[float, bounded(minimum=0)] = 0.0
    watt_hours_missed: Annotated[float, bounded(minimum=0)] = 0.0


class Recommendation(ApiStruct, frozen=True):
    """What a plan would do now, where the mode lets none be published.

    Attributes
    ----------
    at
        When it was made.
    moves
        Pods that it would move.
    watts
        Watts that it would take off domains that break their budgets.
    summary
        What it would do, and for whom, in a sentence.
    """

    at: Moment | None = None
    moves: Annotated[int, bounded(minimum=0)] = 0
    watts: Annotated[int, bounded(minimum=0)] = 0
    summary: Annotated[str, bounded(maxLength=1024)] = ""


class PolicyPerformance(ApiStruct, frozen=True):
    """What the selected pods did over the last minutes, and how much of it with a watt.

    Attributes
    ----------
    metric
        The metric that tells it.
    per_second
        Work a second, of the pods of which work and watts are known.
    watts
        What these pods drew above idle, their accelerators included.
    per_watt
        The one by the other; left out where it is not known.
    target
        What is to be kept.
    met
        Whether it is, to its tolerance; left out where that cannot be told, and where nothing is done.
    at
        When it was last known.
    why
        Why something is not known.
    """

    metric: Annotated[str, bounded(maxLength=512)] = ""
    per_second: float | None = None
    watts: float | None = None
    per_watt: float | None = None
    target: float | None = None
    met: bool | None = None
    at: Moment | None = None
    why: Annotated[str, bounded(maxLength=256)] = ""


class CappingPolicyStatus(ApiStruct, frozen=True):
    """What the controller says of a policy.

    Attributes
    ----------
    conditions
        Accepted, Conflicted, Enforcing, Held, PerformanceMet and Ready.
    observed_generation
        Generation of the spec that this status was made for.
    cap_watts
        The cap that holds now.
    draw_watts
        What the selected pods draw.
    pods
        How many pods are selected.
    headroom_watts
        The cap less the draw; below zero where it is broken.
    source_age_seconds
        How old the oldest of the measurements was that this rests on.
    measured_at
        When that was measured: figures that stay the same are told apart from frozen ones by it.
    last_action
        The last that was done by its leave, or held back by its mode.
    ledger
        What all that comes to.
    recommendation
        What should be done, in mode Recommend.
    performance
        Work per watt, where one is to be kept.
    averages
        What percentOfAverage rests on, as far as it was seen.
    """

    conditions: Conditions = ()
    observed_generation: int = 0
    cap_watts: int | None = None
    draw_watts: int | None = None
    pods: int | None = None
    headroom_watts: int | None = None
    source_age_seconds: int | None = None
    measured_at: Moment | None = None
    last_action: LastAction | None = None
    ledger: PolicyLedger | None = None
    recommendation: Recommendation | None = None
    performance: PolicyPerformance | None = None
    averages: Annotated[tuple[SeenAverage, ...], bounded(maxItems=MOST_KEPT)] = ()
