"""The scenario file: a cluster, what it is asked to do, what befalls it, and the policies to put side by side.

Every scalar stays as it was written until its field says what it means, so that a message can name place and value.
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from powerplane.adapters.reading import convert, read_file
from powerplane.adapters.topology_file import Figure, FileStruct, Power
from powerplane.adapters.yaml_text import parse_yaml

MOST_BYTES = 10_000_000

EXAMPLE = """\
duration: 2h
cluster:
  types:
    web: {cores: 48, memory: 192Gi, curve: [[0, 140], [0.1, 205], [0.5, 330], [1, 480]]}
  rows:
  - {name: row-1, racks: 2, nodes: {web: 10}, feeds: [feed-a]}
  limits:
    rack: {budget: 4kW}
workloads:
- {name: shop, replicas: 60, requests: {cpu: 4, memory: 8Gi}, use: 80%}
"""


Duration = Annotated[
    str | int | float, msgspec.Meta(description="A time: 90s, 5m, 1h30m, 2d.", examples=["1h30m", "15s"])
]
Share = Annotated[str, msgspec.Meta(description="A share in percent.", examples=["60%"])]
Amount = Annotated[str, msgspec.Meta(description="Watts with a unit, or a share of the peak of all nodes below.")]
PolicyName = Literal["none", "static", "by-hand", "throttle", "plan", "plan+throttle"]


class DevicesEntry(FileStruct, frozen=True):
    """Accelerators of a node: a model of the catalogue, and how many."""

    model: str
    count: Figure


class TypeEntry(FileStruct, frozen=True):
    """A kind of node.

    Attributes
    ----------
    server : str or None
        A server of the catalogue, for its curve and its CPUs.
    curve : list of [utilisation, watts]
        Where no server is named.
    fans : str
        What its fans draw at full speed; a tenth of the peak where it is left out.
    """

    server: str | None = None
    cores: Figure | None = None
    memory: str = "256Gi"
    curve: tuple[tuple[Figure, Figure], ...] | None = None
    fans: Power | None = None
    accelerators: DevicesEntry | None = None


class RowEntry(FileStruct, frozen=True):
    """A row of equal racks.

    Attributes
    ----------
    nodes : dict of int
        Nodes of each type in one rack.
    feeds : list of str
        One, or two that share the load.
    inlet : number
        °C of the air in front of it.
    """

    name: str
    racks: Figure
    nodes: dict[str, Figure]
    feeds: tuple[str, ...]
    inlet: Figure = 22


class BreakerLimit(FileStruct, frozen=True):
    """A breaker: its rating, and its curve as [times over the rating, seconds until it trips], falling."""

    rating: Amount
    curve: tuple[tuple[Figure, Figure], ...]


class LimitEntry(FileStruct, frozen=True):
    """What domains may draw.

    Attributes
    ----------
    budget : str
        Watts, or a share of the peak of all nodes below.
    breaker : BreakerLimit or None
    """

    budget: Amount | None = None
    breaker: BreakerLimit | None = None


class LimitsEntry(FileStruct, frozen=True):
    """Limits by kind of domain, and of single ones by name."""

    feed: LimitEntry | None = None
    row: LimitEntry | None = None
    rack: LimitEntry | None = None
    by_name: dict[str, LimitEntry] | None = None


class ClusterEntry(FileStruct, frozen=True):
    """The nodes and the power tree above them."""

    types: dict[str, TypeEntry]
    rows: tuple[RowEntry, ...]
    limits: LimitsEntry = LimitsEntry()


class BurstsEntry(FileStruct, frozen=True):
    """Sudden loads: how many a day, how long they last, and how many times the usual load they add."""

    per_day: Figure
    minutes: Figure = 10
    times: Figure = 1


class LoadEntry(FileStruct, frozen=True):
    """How the load goes over a day and a week.

    Attributes
    ----------
    daily : list of [hour, share]
        Joined by straight lines; 100 % where it is left out.
    weekend : share
        Of the load of other days, on Saturday and Sunday.
    chance : share
        How far smooth chance takes it off its shape.
    """

    daily: tuple[tuple[Figure, Share], ...] | None = None
    weekend: Share = "100%"
    chance: Share | None = None
    bursts: BurstsEntry | None = None


class SyntheticEntry(FileStruct, frozen=True):
    """Requests that are drawn: how many a second at the load's 100 %, and their mean tokens."""

    per_second: Figure
    context_tokens: Figure = 1000
    generated_tokens: Figure = 200


class TokensEntry(FileStruct, frozen=True):
    """LLM requests.

    Attributes
    ----------
    file : str or None
        CSV of arrivals (TIMESTAMP,ContextTokens,GeneratedTokens), beside the scenario; repeated when it is over, and
        scaled by the workload's load.
    times : number
        How many such streams come at once.
    synthetic : SyntheticEntry or None
        Where no file is given.
    prefill, decode : number
        Tokens a second that one accelerator reads and writes at full load.
    """

    file: str | None = None
    times: Figure = 1
    synthetic: SyntheticEntry | None = None
    prefill: Figure = 12_000
    decode: Figure = 1_500


class AutoscaleEntry(FileStruct, frozen=True):
    """A HorizontalPodAutoscaler: replicas from least to most, and the use over request that it aims for."""

    least: Figure
    most: Figure
    target: Share = "60%"


class RequestsEntry(FileStruct, frozen=True):
    """What one pod requests."""

    cpu: str | int | float
    memory: str = "1Gi"
    accelerators: Figure = 0


class WorkloadEntry(FileStruct, frozen=True, kw_only=True):
    """An owner and its pods.

    Attributes
    ----------
    use : share
        Of its CPU request that a pod uses at 100 % of the load.
    cpu_limit : quantity
        Most that a pod may use; its node's CPUs where it is left out.
    devices : share
        Utilisation of its accelerators at 100 % of the load; for tokens, the requests decide.
    per_hour, minutes : numbers
        Of jobs: how many come, and how long each takes on average.
    may_be_down : share
        Of the replicas, at the same time: its PodDisruptionBudget.
    node_type : str
        The only type of node that it runs on.
    """

    name: str
    namespace: str = "default"
    kind: Literal["Deployment", "Job", "DaemonSet"] = "Deployment"
    replicas: Figure = 0
    requests: RequestsEntry
    use: Share = "60%"
    cpu_limit: str | int | float | None = None
    devices: Share = "90%"
    load: LoadEntry = LoadEntry()
    tokens: TokensEntry | None = None
    autoscale: AutoscaleEntry | None = None
    per_hour: Figure | None = None
    minutes: Figure | None = None
    priority: Figure = 0
    may_be_down: Share | None = None
    node_type: str | None = None
    apart: Literal["true", "false"] | bool = "false"


class HeatEntry(FileStruct, frozen=True):
    """A row's inlet air that warms to a temperature within a time."""

    row: str
    to: Figure
    over: Duration = "30m"


class BudgetEntry(FileStruct, frozen=True):
    """Another budget for a domain."""

    domain: str
    to: Power


class SurgeEntry(FileStruct, frozen=True):
    """A workload's load, times what it was sized for."""

    workload: str
    times: Figure


class EventEntry(FileStruct, frozen=True):
    """Something that happens at a time: exactly one of its keys beside ``at``."""

    at: Duration
    lose: str | None = None
    restore: str | None = None
    heat: HeatEntry | None = None
    budget: BudgetEntry | None = None
    load: SurgeEntry | None = None


class SensorsEntry(FileStruct, frozen=True):
    """What policies see: how often, how late, and with which error (standard deviation, a share)."""

    every: Duration = "15s"
    delay: Duration = "2s"
    noise: Share | Literal[0] = "1%"


class PlanEntry(FileStruct, frozen=True):
    """How PowerPlane plans: how often it looks, how long a plan takes, how many pods move at once.

    Attributes
    ----------
    margin : share
        Of each budget that a plan leaves free.
    steer : bool
        Keep new pods off nodes below a domain that is within the margin of its budget.
    """

    every: Duration = "5m"
    solve: Duration = "10s"
    at_once: Figure = 24
    margin: Share | Literal[0] = "3%"
    steer: Literal["true", "false"] | bool = "false"


class HandEntry(FileStruct, frozen=True):
    """How soon a person acts: after an alert, and again where that was not enough."""

    reaction: Duration = "5m"
    again: Duration = "1m"


class ThrottleEntry(FileStruct, frozen=True):
    """How nodes are limited: by which means, how often it is looked at, and below which watts no node is taken."""

    means: Literal["rapl", "out-of-band"] = "rapl"
    every: Duration = "3s"
    lowest: Share = "50%"


class ScenarioFile(FileStruct, frozen=True):
    """The whole file.

    Attributes
    ----------
    snapshot : str or None
        A snapshot directory, beside the file, in the place of ``cluster`` and ``workloads``.
    starts : str
        Day and hour at which it begins.
    """

    name: str = ""
    description: str = ""
    seed: Figure = 0
    duration: Duration = "24h"
    step: Duration = "5s"
    starts: str = "Monday 00:00"
    snapshot: str | None = None
    load: LoadEntry | None = None
    cluster: ClusterEntry | None = None
    workloads: tuple[WorkloadEntry, ...] = ()
    events: tuple[EventEntry, ...] = ()
    sensors: SensorsEntry = SensorsEntry()
    plan: PlanEntry = PlanEntry()
    throttle: ThrottleEntry = ThrottleEntry()
    by_hand: HandEntry = HandEntry()
    policies: tuple[PolicyName, ...] = ("none", "plan")


KEYS: dict[str, type[msgspec.Struct]] = {
    "$": ScenarioFile,
    "$.load": LoadEntry,
    "$.load.bursts": BurstsEntry,
    "$.cluster": ClusterEntry,
    "$.cluster.types": TypeEntry,
    "$.cluster.types.accelerators": DevicesEntry,
    "$.cluster.rows": RowEntry,
    "$.cluster.limits": LimitsEntry,
    "$.cluster.limits.feed": LimitEntry,
    "$.cluster.limits.row": LimitEntry,
    "$.cluster.limits.rack": LimitEntry,
    "$.cluster.limits.byName": LimitEntry,
    "$.cluster.limits.feed.breaker": BreakerLimit,
    "$.cluster.limits.row.breaker": BreakerLimit,
    "$.cluster.limits.rack.breaker": BreakerLimit,
    "$.cluster.limits.byName.breaker": BreakerLimit,
    "$.workloads": WorkloadEntry,
    "$.workloads.requests": RequestsEntry,
    "$.workloads.load": LoadEntry,
    "$.workloads.load.bursts": BurstsEntry,
    "$.workloads.tokens": TokensEntry,
    "$.workloads.tokens.synthetic": SyntheticEntry,
    "$.workloads.autoscale": AutoscaleEntry,
    "$.events": EventEntry,
    "$.events.heat": HeatEntry,
    "$.events.budget": BudgetEntry,
    "$.events.load": SurgeEntry,
    "$.sensors": SensorsEntry,
    "$.plan": PlanEntry,
    "$.throttle": ThrottleEntry,
    "$.byHand": HandEntry,
}


def read_scenario_file(path: Path) -> ScenarioFile:
    """Read the file's shape.

    Raises
    ------
    InputError
        For a file that is missing or no YAML, unknown keys and wrong shapes; with the place.
    """
    data = read_file(path, example=EXAMPLE, max_file_bytes=MOST_BYTES)
    return convert(parse_yaml(data, path.name), ScenarioFile, path.name, KEYS)
