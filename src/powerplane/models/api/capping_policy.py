"""PowerCappingPolicy and ClusterPowerCappingPolicy: what pods and racks may draw, when, and how it is held."""

from typing import Annotated, Any, Literal

from powerplane.models.api.capping_status import CappingPolicyStatus
from powerplane.models.api.fields import (
    NAME_SET,
    ApiStruct,
    Name,
    Power,
    Rule,
    TimeOfDay,
    Window,
    bounded,
    ruled,
)
from powerplane.models.objects import LabelSelector, ObjectMeta

Lever = Literal["capReplicas", "throttle", "limitPower", "migrate", "evict"]
Mode = Literal["Observe", "Recommend", "Initial", "Enforce"]
Lock = Literal["Auto", "Partition", "Extender", "Claims", "Gate"]
Day = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
DAYS: tuple[Day, ...] = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
"""In the order of ``datetime.weekday``."""

ACTING: frozenset[Mode] = frozenset(("Initial", "Enforce"))
"""Modes in which a policy has a say over new pods."""

Percent = Annotated[int, bounded(minimum=1, maximum=100)]
Celsius = Annotated[int, bounded(minimum=1, maximum=150)]


class PowerCap(ApiStruct, frozen=True):
    """What the selected pods may draw together; exactly one of watts, percentOfPeak and percentOfAverage.

    Attributes
    ----------
    watts
        As watts.
    percent_of_peak
        As a share of what they draw at full load.
    percent_of_average
        As a share of what they drew on average over the window.
    window
        The time that percentOfAverage looks back on, for example 24h.
    """

    watts: Power = ""
    percent_of_peak: Percent | None = None
    percent_of_average: Percent | None = None
    window: Window = ""

    rules = (
        Rule(
            "[has(self.watts), has(self.percentOfPeak), has(self.percentOfAverage)].filter(given, given).size() == 1",
            "exactly one of watts, percentOfPeak and percentOfAverage must be given",
        ),
        Rule("has(self.window) == has(self.percentOfAverage)", "window and percentOfAverage go together"),
    )


class RackConstraint(ApiStruct, frozen=True):
    """What some racks (or other power domains) may draw, and how warm they may become.

    Attributes
    ----------
    domain_selector
        Power domains by their labels.
    domain_names
        Power domains by name.
    max_power
        What each of them may draw; their own budget holds as well.
    max_temperature
        Inlet temperature in degrees Celsius above which nothing is added.
    """

    domain_selector: LabelSelector | None = None
    domain_names: Annotated[tuple[Name, ...], bounded(minItems=1, maxItems=256, **NAME_SET)] = ()
    max_power: Power = ""
    max_temperature: Celsius | None = None

    rules = (
        Rule(
            "has(self.domainSelector) != has(self.domainNames)",
            "exactly one of domainSelector and domainNames must be given",
        ),
        Rule("has(self.maxPower) || has(self.maxTemperature)", "maxPower or maxTemperature must be given"),
    )


class MetricLabel(ApiStruct, frozen=True):
    """A value that a label of a metric's series must have.

    Attributes
    ----------
    name
        The label, for example model_name.
    value
        Its value; "" for series without the label.
    """

    name: Annotated[
        str,
        ruled(
            Rule("self.matches('^[a-zA-Z][a-zA-Z0-9_]*$')", "must be the name of a label, such as model_name"),
            maxLength=100,
        ),
    ]
    value: Annotated[str, bounded(maxLength=253)] = ""


MetricLabels = Annotated[
    tuple[MetricLabel, ...],
    bounded(**{"maxItems": 8, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}),
]


class PerformancePowerRatio(ApiStruct, frozen=True):
    """Work per watt that is to be kept.

    Attributes
    ----------
    target
        Work per watt, in the metric of the workload.
    tolerance
        Share of the target by which it may be missed.
    metric
        Name of the metric that tells the pods' work, of which a second's counts; its series must name their pods. Where
        it is left out, vLLM's tokens, else the requests of KServe, else those of Knative.
    metric_type
        What the metric is. Of a Counter the rate is taken, a Gauge is a rate already; Auto takes names that end in
        _total, _sum or _count for counters.
    metric_labels
        Values that the series' labels must have.
    """

    target: Annotated[float, bounded(minimum=0, exclusiveMinimum=True)]
    tolerance: Annotated[float, bounded(minimum=0, maximum=1)] = 0.0
    metric: Annotated[
        str,
        ruled(
            Rule(
                "self == '' || self.matches('^[a-zA-Z_:][a-zA-Z0-9_:]*$')",
                "must be the name of a metric, such as vllm:generation_tokens_total, and no expression",
            ),
            maxLength=200,
        ),
    ] = ""
    metric_type: Literal["Auto", "Counter", "Gauge"] = "Auto"
    metric_labels: MetricLabels = ()

    rules = (
        Rule(
            "has(self.metric) || !(has(self.metricLabels) && size(self.metricLabels) > 0)",
            "metricLabels need a metric",
        ),
    )


RackConstraints = Annotated[tuple[RackConstraint, ...], bounded(minItems=1, maxItems=16)]


class ScheduledCap(ApiStruct, frozen=True):
    """Other limits at certain hours; while they hold, they stand in the place of the policy's own.

    Attributes
    ----------
    days
        Days on which it starts; every day where none is named.
    start
        Time of day from which it holds.
    end
        Time of day until which it holds; on the next day where it is not after start.
    time_zone
        Zone of the wall clock, for example Europe/Berlin.
    cap
        In the place of the policy's cap.
    rack_constraints
        In the place of the policy's rackConstraints.
    """

    start: TimeOfDay
    end: TimeOfDay
    days: Annotated[tuple[Day, ...], bounded(maxItems=7, **NAME_SET)] = ()
    time_zone: Annotated[str, bounded(minLength=1, maxLength=64)] = "Etc/UTC"
    cap: PowerCap | None = None
    rack_constraints: RackConstraints = ()

    rules = (Rule("has(self.cap) || has(self.rackConstraints)", "cap or rackConstraints must be given"),)


class AlgorithmChoice(ApiStruct, frozen=True):
    """The algorithm that plans for this policy.

    Attributes
    ----------
    name
        Its name; the built-in one where it is left out.
    parameters
        Whatever that algorithm takes.
    """

    name: Annotated[str, bounded(maxLength=253)] = ""
    parameters: dict[str, Any] | None = None


class AdmissionChoice(ApiStruct, frozen=True):
    """How new pods of this policy are let in.

    Attributes
    ----------
    lock
        What holds budgets for them; Auto takes what the cluster offers.
    unfit
        Whether a pod that no node could ever hold under its budgets is let in with a warning, or refused.
    max_gate_seconds
        How long a gate of ours may hold a pod before it is let go whatever the headroom.
    fill_requests
        Whether requests that a pod leaves out are filled in: of CPU and memory from its workload's history, of GPUs
        from its limits.
    scheduler_name
        Scheduler to give to pods that name none.
    """

    lock: Lock = "Auto"
    unfit: Literal["Warn", "Deny"] = "Warn"
    max_gate_seconds: Annotated[int, bounded(minimum=10, maximum=86_400)] = 600
    fill_requests: bool = False
    scheduler_name: Annotated[str, bounded(maxLength=253)] = ""


# Not a list of type "set": two writers' sets are merged, and the order, which counts here, would be anybody's.
LEVERS_DIFFER = Rule("self.all(one, self.exists_one(other, other == one))", "must name each lever once")


class PowerCappingPolicySpec(ApiStruct, frozen=True):
    """Which pods a policy is for, what they may draw, and what may be done about it.

    Attributes
    ----------
    selector
        Pods by their labels; all where it is left out.
    cap
        What these pods may draw together.
    rack_constraints
        What racks may draw; only in a ClusterPowerCappingPolicy.
    performance_power_ratio
        Work per watt to keep.
    schedule
        Other limits at certain hours.
    levers
        What may be done to hold the cap, in this order; nothing that is not named.
    priority
        Among policies of one kind for one pod the highest counts.
    mode
        Observe says what is; Recommend what should be done; Initial acts on new pods; Enforce on running ones, too.
    algorithm
        Who plans for it.
    admission
        How its new pods are let in.
    """

    selector: LabelSelector | None = None
    cap: PowerCap | None = None
    rack_constraints: RackConstraints = ()
    performance_power_ratio: PerformancePowerRatio | None = None
    schedule: Annotated[tuple[ScheduledCap, ...], bounded(minItems=1, maxItems=16)] = ()
    levers: Annotated[tuple[Lever, ...], ruled(LEVERS_DIFFER, maxItems=5)] = ()
    priority: Annotated[int, bounded(minimum=-1_000_000, maximum=1_000_000)] = 0
    mode: Mode = "Observe"
    algorithm: AlgorithmChoice | None = None
    admission: AdmissionChoice | None = None

    rules = (
        Rule(
            "has(self.cap) || has(self.rackConstraints) || has(self.performancePowerRatio) || has(self.schedule)",
            "at least one of cap, rackConstraints, performancePowerRatio and schedule must be given",
        ),
    )


class ClusterPowerCappingPolicySpec(PowerCappingPolicySpec, frozen=True):
    """The same for pods of many namespaces, and for racks.

    Attributes
    ----------
    namespace_selector
        Namespaces whose pods the selector looks at; all where it is left out.
    """

    namespace_selector: LabelSelector | None = None


RACKS_ARE_SHARED = Rule(
    "!has(self.rackConstraints) && (!has(self.schedule) || self.schedule.all(s, !has(s.rackConstraints)))",
    "rackConstraints need a ClusterPowerCappingPolicy: a rack is shared by all namespaces",
)


class PowerCappingPolicyObject(ApiStruct, frozen=True):
    """What the pods of one namespace may draw.

    Attributes
    ----------
    spec
        What is asked for.
    status
        What the controller says of it.
    """

    metadata: ObjectMeta
    spec: Annotated[PowerCappingPolicySpec, ruled(RACKS_ARE_SHARED)]
    status: CappingPolicyStatus | None = None


class ClusterPowerCappingPolicyObject(ApiStruct, frozen=True):
    """What pods of many namespaces and racks may draw.

    Attributes
    ----------
    spec
        What is asked for.
    status
        What the controller says of it.
    """

    metadata: ObjectMeta
    spec: ClusterPowerCappingPolicySpec
    status: CappingPolicyStatus | None = None


CappingPolicyObject = PowerCappingPolicyObject | ClusterPowerCappingPolicyObject
