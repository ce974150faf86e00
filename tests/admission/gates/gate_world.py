"""A cluster as the releaser sees it: pods as JSON, a server that applies patches, budgets added up by other code."""

from collections.abc import Iterable
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import msgspec

from powerplane.adapters.measured import Measured
from powerplane.adapters.watch import Batch
from powerplane.admission.gates.books import GateBooks
from powerplane.admission.gates.excess import GateExcess
from powerplane.admission.gates.facts import SeenPod
from powerplane.admission.gates.gating import GATE
from powerplane.admission.gates.release_facts import Release, Round, Seen, Terms
from powerplane.admission.gates.release_writes import release_patch
from powerplane.admission.gates.releasing import Releaser
from powerplane.admission.gates.rules import GateRules, Quota
from powerplane.admission.rollouts import Deployment
from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.drift import Sample
from powerplane.models.objects import Node

Json = dict[str, Any]
WATTS = "powerplane.dev/watts"
RACKS = {"r1": ("a1", "a2", "a3"), "r2": ("b1", "b2"), "r3": ("c1",)}
NODES = tuple(node for members in RACKS.values() for node in members)
START_S = 1_800_000_000.0
SIZES_W = (0, 40, 90, 150, 260, 420, 480)


def names(releases: Iterable[Release], reason: str | None = None) -> list[str]:
    """Names of the pods that are let go, of all or for one reason."""
    return [each.pod.name for each in releases if reason is None or each.reason == reason]


class ConflictError(Exception):
    """A patch's ``test`` did not hold."""


def apply_patch(document: Json, operations: list[Json]) -> Json:
    """Apply RFC 6902's add, remove and test to a copy."""
    made: Any = deepcopy(document)
    for operation in operations:
        *above, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        at = made
        for part in above:
            at = at[int(part)] if isinstance(at, list) else at[part]
        if operation["op"] == "test":
            found = at.get(last) if isinstance(at, dict) else next(iter(at[int(last) : int(last) + 1]), None)
            if found != operation["value"]:
                raise ConflictError(operation["path"])
        elif operation["op"] == "remove":
            del at[int(last) if isinstance(at, list) else last]
        elif isinstance(at, list):
            at.insert(len(at) if last == "-" else int(last), operation["value"])
        else:
            at[last] = operation["value"]
    return made


class World:
    """Three racks in a row on two feeds, pods, and one releaser.

    Parameters
    ----------
    node_w, row_w, feed_w : int
        Budgets of each node, the row, and each feed.
    rack_w : dict of rack to int
    peak_w : int
        Of each node; 0 for none stated.
    """

    def __init__(
        self,
        *,
        node_w: int = 500,
        rack_w: dict[str, int] | None = None,
        row_w: int = 2000,
        feed_w: int = 2000,
        peak_w: int = 0,
    ) -> None:
        self.peak_w = peak_w
        self.rack_w = {"r1": 900, "r2": 700, "r3": 450} | (rack_w or {})
        self.node_w, self.row_w, self.feed_w = node_w, row_w, feed_w
        self.pods: dict[str, Json] = {}
        self.most_s = 600.0
        self.clock_s = 1000.0
        self.releaser = Releaser()
        self.quotas: dict[str, int] = {}
        self.deployments: dict[str, Json] = {}
        self.policy: Json = {"mode": "Initial", "cap": {"watts": "100kW"}, "admission": {"lock": "Gate"}}
        self.status: Json = {}
        self.samples: dict[str, Sample] = {}
        self.excess = GateExcess(Measured(lambda: self.samples))
        self._version = 0
        self._books, self._rules = GateBooks(), GateRules()
        for shelf in ("namespaces", "domains", "policies", "own", "quotas"):
            self._rules.sink(shelf)
        self._shown: dict[str, str] = {}

    # -- what people do

    def create(self, name: str, watts: int, *, namespace: str = "default", priority: int = 0, **spec: Any) -> None:
        """A gated pod, as the webhook leaves it."""
        resources = {"requests": {"cpu": "100m", WATTS: str(watts)}}
        self.pods[name] = {
            "metadata": {
                "name": name,
                "namespace": namespace,
                "uid": f"uid-{name}",
                "resourceVersion": self._next(),
                "creationTimestamp": datetime.fromtimestamp(START_S + self.clock_s, UTC).isoformat(),
            },
            "spec": {
                "containers": [{"name": "c", "resources": resources}],
                "priority": priority,
                "schedulingGates": [{"name": GATE}],
                **spec,
            },
        }

    def touch(self, name: str) -> None:
        """Somebody else writes to a pod."""
        self.pods[name]["metadata"]["resourceVersion"] = self._next()

    def bind(self, name: str, node: str) -> None:
        """The scheduler takes a node."""
        assert node in self.reach(name)
        self.pods[name]["spec"]["nodeName"] = node
        self.touch(name)

    def reach(self, name: str) -> tuple[str, ...]:
        """Nodes that the scheduler may bind a pod to; none while it has a gate."""
        spec = self.pods[name]["spec"]
        if spec.get("schedulingGates"):
            return ()
        rack = spec.get("nodeSelector", {}).get("rack")
        affinity = spec.get("affinity", {}).get("nodeAffinity", {})
        terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get("nodeSelectorTerms")
        names = None if terms is None else set(terms[0]["matchExpressions"][0]["values"])
        return tuple(
            node
            for own, members in RACKS.items()
            for node in members
            if (rack is None or own == rack) and (names is None or node in names)
        )

    def watts(self, name: str) -> int:
        """What a pod asks for."""
        return int(self.pods[name]["spec"]["containers"][0]["resources"]["requests"][WATTS])

    # -- what the releaser does

    def look(self, *, terms: Terms | None = None) -> Round:
        """One round on what the watches show, which is everything; nothing is written yet."""
        if terms is not None:
            self.releaser = Releaser(terms)
        return self.releaser.decide(self.seen())

    def seen(self) -> Seen:
        """Everything, through the books, as watches bring it."""
        pods = [("ADDED", msgspec.convert(pod, SeenPod)) for pod in self.pods.values()]
        self._books.nodes(Batch(True, tuple(("ADDED", msgspec.convert(each, Node)) for each in self.nodes())))
        self._books.pods(Batch(True, tuple(pods)))
        domains = (("ADDED", msgspec.convert(each, PowerDomainObject)) for each in self.domains())
        self._rules.sink("domains")(Batch(True, tuple(domains)))
        quotas = [
            {"metadata": {"name": "q", "namespace": name}, "spec": {"hard": {f"requests.{WATTS}": str(watts)}}}
            for name, watts in self.quotas.items()
        ]
        self._rules.sink("quotas")(Batch(True, tuple(("ADDED", msgspec.convert(each, Quota)) for each in quotas)))
        rollouts = tuple(("ADDED", msgspec.convert(each, Deployment)) for each in self.deployments.values())
        self._rules.sink("deployments")(Batch(True, rollouts))
        told = {"metadata": {"name": "all"}, "spec": self.policy, "status": self.status}
        ruling = msgspec.convert(told, ClusterPowerCappingPolicyObject)
        self._rules.sink("policies")(Batch(True, (("ADDED", ruling),)))
        moment = self._books.moment(self.releaser.named())
        now_s = START_S + self.clock_s
        ground = self._rules.ground(moment, datetime.fromtimestamp(now_s, UTC))
        extra_mw = self.excess.extra_mw(ground, moment, self.clock_s)
        surges, weights = self._rules.surges(moment.waiting, self._books.most_of, self.clock_s), self._rules.weights()
        caps = self._rules.own_caps(now_s)
        return Seen(moment, ground, lambda _: self.most_s, weights, now_s, self.clock_s, extra_mw, surges, caps)

    def measure(self, headroom_w: int, cap_w: int = 1000) -> None:
        """The recommender tells what the policy's own cap leaves, as of now."""
        at = datetime.fromtimestamp(START_S + self.clock_s, UTC).isoformat()
        self.policy |= {"mode": "Enforce", "levers": ["evict"]}
        self.status = {"capWatts": cap_w, "headroomWatts": headroom_w, "measuredAt": at}

    def write(self, release: Release) -> bool:
        """Apply a release's patch, if the pod is still as it was seen."""
        pod = self.pods.get(release.pod.name)
        if pod is None or pod["metadata"]["uid"] != release.pod.uid:
            return False
        try:
            self.pods[release.pod.name] = apply_patch(pod, release_patch(release))
        except ConflictError:
            return False
        self.touch(release.pod.name)
        return True

    def settle(self) -> list[Release]:
        """Look and write until nobody else is let go; pods that were let go stay unbound."""
        done: list[Release] = []
        while releases := self.look().releases:
            for release in releases:
                self.releaser.note(release, "done" if self.write(release) else "stale", self.clock_s)
                done.append(release)
        return done

    def restart(self) -> None:
        """The releaser dies, and another one knows nothing."""
        self.releaser = Releaser(self.releaser.terms)

    # -- objects

    def nodes(self) -> list[Json]:
        """Nodes, with their rack as a label."""
        offers = {"cpu": "64", "memory": "256Gi", "pods": "110"}
        return [
            {
                "metadata": {"name": node, "labels": {"rack": rack, "kubernetes.io/hostname": node}},
                "status": {"allocatable": offers},
            }
            for rack, members in RACKS.items()
            for node in members
        ]

    def domains(self) -> list[Json]:
        """PowerDomains."""
        made = [
            {"metadata": {"name": feed}, "spec": {"kind": "feed", "budget": f"{self.feed_w}W"}} for feed in ("fa", "fb")
        ]
        made.append({"metadata": {"name": "row"}, "spec": {"kind": "row", "budget": f"{self.row_w}W"}})
        for rack, watts in self.rack_w.items():
            spec = {
                "kind": "rack",
                "budget": f"{watts}W",
                "parents": ["row", "fa", "fb"],
                "feedLoad": "Shared",
                "nodeSelector": {"matchLabels": {"rack": rack}},
                "node": {"budget": f"{self.node_w}W"} | ({"peak": f"{self.peak_w}W"} if self.peak_w else {}),
            }
            made.append({"metadata": {"name": rack}, "spec": spec})
        return made

    # -- the judge, by sums of its own

    def budgets(self) -> dict[str, tuple[int, tuple[str, ...]]]:
        """Every budget, and the nodes whose watts it carries when the worst has happened: one feed is lost."""
        found = {node: (self.node_w, (node,)) for node in NODES}
        found |= {rack: (self.rack_w[rack], members) for rack, members in RACKS.items()}
        return found | {"row": (self.row_w, NODES), "feed": (self.feed_w, NODES)}

    def worst_w(self, members: tuple[str, ...], unwritten: dict[str, tuple[str, ...]]) -> int:
        """The most that some nodes can come to draw: bound pods, and all that may yet be bound there."""
        total = 0
        for name, pod in self.pods.items():
            node = pod["spec"].get("nodeName")
            places = (node,) if node else self.reach(name) or unwritten.get(name, ())
            if set(places) & set(members):
                total += self.watts(name)
        return total

    def _next(self) -> str:
        self._version += 1
        return str(self._version)
