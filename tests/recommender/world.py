"""A small cluster made by hand that the recommender looks at: its objects as watches tell them, meters that follow its
pods, a clock that is set, and all that was written."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from prometheus_client import CollectorRegistry

from powerplane.adapters.cluster_events import ClusterEvent
from powerplane.adapters.cluster_writes import Written
from powerplane.adapters.telemetry.following import Opened
from powerplane.adapters.watch import Batch
from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject, PowerCappingPolicyObject
from powerplane.models.api.demand_checkpoint import DemandCheckpointObject
from powerplane.models.api.placement_plan import PlacementPlanObject, PlacementPlanStatus
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.objects import Namespace, Node, Pod, PodDisruptionBudget
from powerplane.models.telemetry.metrics import MEANINGS
from powerplane.models.telemetry.readings import Entity, SeriesBlock, SourceReading
from powerplane.recommender.books import Books
from powerplane.recommender.hysteresis import Calm
from powerplane.recommender.looking import Looker, Sources
from powerplane.recommender.metrics import RecommenderMetrics
from powerplane.recommender.outside import Parts
from powerplane.recommender.rounds import Pace, Rounds
from powerplane.recommender.solving_worker import Question, answer
from powerplane.recommender.telling import Teller

IPMI = next(one for one in MEANINGS if one.metric == "ipmi_dcmi_power_consumption_current_watts")
BEGAN_S = 1_790_000_000.0
SCRAPE_S, SAMPLES = 5.0, 12
IDLE_W, WATTS_PER_CORE, CORES = 100.0, 20.0, 16
PEAK_W = IDLE_W + WATTS_PER_CORE * CORES

Json = dict[str, Any]


class Here:
    """Solves in this process; else as the solver."""

    starts = 1

    def __init__(self) -> None:
        self.asked: list[Question] = []

    def solve(self, snapshot, deadline_s, seed):
        self.asked.append(Question(snapshot, deadline_s, seed))
        return answer(self.asked[-1])


@dataclass
class Outside:
    """Keeps what is written, and shows it as the API server would."""

    cluster: "Cluster"
    leading: bool = True
    refuses: bool = False
    published: list[Json] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    statuses: list[tuple[str, Json]] = field(default_factory=list)
    kept: dict[str, DemandCheckpointObject] = field(default_factory=dict)
    can_resize: bool | None = True

    def leads(self) -> bool:
        return self.leading

    def plans(self):
        return None if self.refuses else tuple(self.cluster.plans.values())

    def publish(self, body: Mapping[str, Any]) -> Written:
        self.published.append(dict(body))
        meta = {"creationTimestamp": stamp(self.cluster.now_s), **body["metadata"]}
        self.cluster.plans[meta["name"]] = msgspec.convert({**body, "metadata": meta}, PlacementPlanObject)
        return Written(201, b"")

    def delete(self, name: str) -> Written:
        self.deleted.append(name)
        self.cluster.plans.pop(name, None)
        return Written(200, b"")

    def patch_status(self, path: str, status: Mapping[str, Any], version: str = "") -> Written:
        del version  # nobody else writes here
        self.statuses.append((path, dict(status)))
        return Written(200, b"")

    def resizes(self) -> bool | None:
        return self.can_resize

    def checkpoints(self):
        return [msgspec.to_builtins(each) for each in self.kept.values()]

    def write_checkpoint(self, checkpoint) -> Written:
        self.kept[checkpoint.metadata.name] = checkpoint
        return Written(201, b"")

    def delete_checkpoint(self, name: str) -> Written:
        self.kept.pop(name, None)
        return Written(200, b"")


def stamp(seconds: float) -> str:
    return str(np.datetime64(int(seconds), "s")) + "Z"


@dataclass
class Cluster:
    """Racks of nodes, pods on them, policies and domains; `scale` bends what the meters say of a node."""

    racks: Mapping[str, float | None]
    per_rack: int = 2
    parents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    feeds: Mapping[str, float | None] = field(default_factory=dict)
    now_s: float = BEGAN_S
    pods: dict[str, Json] = field(default_factory=dict)
    plans: dict[str, PlacementPlanObject] = field(default_factory=dict)
    policies: list[Json] = field(default_factory=list)
    disruption_budgets: list[Json] = field(default_factory=list)
    namespaces: dict[str, Json] = field(default_factory=lambda: {"powerplane-system": {}, "default": {}})
    tell: Callable[[str, float], float] = lambda _, watts: watts
    cut: bool = False
    frozen_s: float | None = None

    @property
    def node_names(self) -> list[str]:
        return [f"{rack}-n{i}" for rack in self.racks for i in range(self.per_rack)]

    def run(self, app: str, node: str, count: int, cpu: float = 1.0, namespace: str = "default", **more: Any) -> None:
        """Put pods of a Deployment on a node."""
        for _ in range(count):
            name = f"{app}-{len(self.pods)}"
            spec = more.get("spec", {})
            owner = {"kind": "ReplicaSet", "name": f"{app}-rs", "uid": f"uid-{app}", "controller": True}
            requests = {"cpu": str(cpu), "powerplane.dev/watts": str(round(cpu * WATTS_PER_CORE))}
            self.pods[name] = {
                "metadata": {
                    "name": name,
                    "namespace": namespace,
                    "uid": f"uid-{name}",
                    "labels": {"app": app, **more.get("labels", {})},
                    "ownerReferences": [owner],
                    "creationTimestamp": stamp(BEGAN_S - 86_400),
                },
                "spec": {"nodeName": node, "containers": [{"resources": {"requests": requests}}], **spec},
                "status": {"phase": "Running"},
            }

    def enforce(
        self, name: str = "hold", mode: str = "Enforce", levers: tuple[str, ...] = ("migrate",), **spec
    ) -> None:
        """Add a cluster policy on racks."""
        limits = spec.pop("rackConstraints", [{"domainSelector": {}, "maxPower": "1MW"}])
        body = {"mode": mode, "levers": list(levers), "rackConstraints": limits, **spec}
        self.policies = [each for each in self.policies if each["metadata"]["name"] != name]
        self.policies.append({"metadata": {"name": name, "uid": f"uid-{name}"}, "spec": body})

    def watts(self) -> dict[str, float]:
        """What each node draws: idle, and so much a core."""
        cores = dict.fromkeys(self.node_names, 0.0)
        for pod in self.pods.values():
            cores[pod["spec"]["nodeName"]] += float(pod["spec"]["containers"][0]["resources"]["requests"]["cpu"])
        return {name: IDLE_W + WATTS_PER_CORE * count for name, count in cores.items()}

    def draw(self, rack: str) -> float:
        return sum(watts for name, watts in self.watts().items() if name.startswith(f"{rack}-"))

    def read(self, now_s: float, window_s: float) -> tuple[SourceReading, ...]:
        """The meters: a sample each few seconds, a little apart, as real ones are."""
        del window_s
        if self.cut:
            return (SourceReading("ipmi", now_s, now_s, error="refused"),)
        last_s = now_s if self.frozen_s is None else self.frozen_s
        watts = {name: self.tell(name, value) for name, value in self.watts().items()}
        at_s = np.tile(last_s - SCRAPE_S * np.arange(SAMPLES)[::-1], len(watts))
        wobble = 0.01 * np.sin(np.arange(SAMPLES) + last_s)
        value = np.concatenate([value - 0.02 + wobble for value in watts.values()])
        offsets = np.arange(len(watts) + 1, dtype=np.int64) * SAMPLES
        block = SeriesBlock(IPMI, tuple(Entity(node=name) for name in watts), offsets, at_s, value)
        return (SourceReading("ipmi", now_s, now_s, (block,)),)

    def domains(self) -> list[Json]:
        feeds = [
            {"metadata": {"name": name, "uid": f"uid-{name}"}, "spec": {"kind": "feed", **budget(watts)}}
            for name, watts in self.feeds.items()
        ]
        racks = [
            {
                "metadata": {"name": name, "uid": f"uid-{name}"},
                "spec": {
                    "kind": "rack",
                    "parents": list(self.parents.get(name, ())),
                    "nodeNames": [f"{name}-n{i}" for i in range(self.per_rack)],
                    "node": {"idle": f"{IDLE_W}W", "peak": f"{PEAK_W}W"},
                    **budget(watts),
                },
            }
            for name, watts in self.racks.items()
        ]
        return feeds + racks

    def nodes(self) -> list[Json]:
        offers = {"cpu": str(CORES), "memory": "64Gi", "pods": "110"}
        return [
            {"metadata": {"name": name, "uid": f"uid-{name}"}, "status": {"allocatable": offers}}
            for name in self.node_names
        ]


def budget(watts: float | None) -> Json:
    return {} if watts is None else {"budget": f"{watts:g}W"}


class Watching:
    """The recommender's rounds over a cluster."""

    def __init__(
        self,
        cluster: Cluster,
        pace: Pace | None = None,
        calm: Calm | None = None,
        namespace: str = "powerplane-system",
    ) -> None:
        self.cluster = cluster
        self.books = Books(namespace)
        self.outside = Outside(cluster)
        self.events: list[ClusterEvent] = []
        self.registry = CollectorRegistry()
        self.solver = Here()
        opened = Opened(cluster, (), "http://prometheus:9090")
        now = lambda: cluster.now_s  # noqa: E731  # the clock that tests set
        self.parts = Parts(
            books=self.books,
            looker=Looker(Sources(opened, opened), now),
            solver=self.solver,
            outside=self.outside,
            teller=Teller(self.events.append),
            metrics=RecommenderMetrics(self.registry),
            clock=now,
            now=now,
        )
        self.rounds = Rounds(self.parts, pace or Pace(deadline_s=2.0), calm or Calm())
        self._versions = itertools.count(1)

    def watch(self) -> None:
        """Show the books what is there, as watches do."""
        cluster = self.cluster
        own = [each for each in cluster.policies if each["metadata"].get("namespace")]
        shown = {
            "nodes": (cluster.nodes(), Node),
            "pods": (cluster.pods.values(), Pod),
            "poddisruptionbudgets": (cluster.disruption_budgets, PodDisruptionBudget),
            "namespaces": (
                [{"metadata": {"name": name, **meta}} for name, meta in cluster.namespaces.items()],
                Namespace,
            ),
            "powerdomains": (cluster.domains(), PowerDomainObject),
            "clusterpowercappingpolicies": (
                [each for each in cluster.policies if each not in own],
                ClusterPowerCappingPolicyObject,
            ),
            "powercappingpolicies": (own, PowerCappingPolicyObject),
        }
        for shelf, (raws, struct) in shown.items():
            objects = msgspec.convert(list(raws), list[struct])
            self.books.sink(shelf)(Batch(True, tuple(("ADDED", each) for each in objects)))
        plans = tuple(("ADDED", each) for each in cluster.plans.values())
        self.books.sink("placementplans")(Batch(True, plans))

    def look(self, seconds: float = 0.0) -> None:
        """Let time pass, and do a round."""
        self.cluster.now_s += seconds
        self.watch()
        self.rounds.once()

    def carry_out(self, name: str | None = None, phase: str = "Done") -> None:
        """Do what a plan asks for, as its actuator would."""
        name = name or next(iter(self.cluster.plans))
        plan = self.cluster.plans[name]
        if phase == "Done":
            pods = {pod["metadata"]["uid"]: pod for pod in self.cluster.pods.values()}
            for move in plan.spec.moves:
                pods[move.uid]["spec"]["nodeName"] = move.to
        count = len(plan.spec.moves) if phase == "Done" else 0
        status = msgspec.convert({"phase": phase, "done": count, "total": len(plan.spec.moves)}, PlacementPlanStatus)
        self.cluster.plans[name] = msgspec.structs.replace(plan, status=status)

    def carry_out_nothing(self, name: str) -> None:
        """Let a plan be done whose moves the test has made itself."""
        plan = self.cluster.plans[name]
        count = len(plan.spec.moves)
        status = msgspec.convert({"phase": "Done", "done": count, "total": count}, PlacementPlanStatus)
        self.cluster.plans[name] = msgspec.structs.replace(plan, status=status)

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"powerplane_recommender_{name}", labels)

    @property
    def reasons(self) -> list[str]:
        return [event.reason for event in self.events]
