"""Random cells: nodes, bound pods, volumes, and probes that use the rules of kube-scheduler's filters.

Values are drawn from small pools, so that rules meet what they name about as often as not.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

Json = dict[str, Any]

NAMESPACES = {"cell-a": {"team": "x"}, "cell-b": {"team": "y", "stage": "test"}, "cell-c": {}}
PROBE_CLASS = "cell-probe"
OVERHEAD_CLASS = "cell-heavy"
HOLD = "rig.powerplane.dev/hold"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
ZONE, REGION = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"
OLD_ZONE = "failure-domain.beta.kubernetes.io/zone"
HOST = "kubernetes.io/hostname"
KEYS = (HOST, ZONE, "rack", REGION)
APPS, TIERS, VERSIONS = ("a", "b", "c", "d"), ("web", "db", ""), ("1", "2")
TAINT_VALUES = {"dedicated": ("gpu", "db", ""), "maintenance": ("", "soon"), "slow": ("true",)}
EFFECTS = ("NoSchedule", "NoExecute", "PreferNoSchedule")
FPGA = "example.com/fpga"
ADDRESSES = (None, "0.0.0.0", "10.0.0.1", "10.0.0.2", "127.0.0.1")


@dataclass(frozen=True)
class Probe:
    """A pod to ask about, and the families of rules that it uses."""

    body: Json
    families: tuple[str, ...]


@dataclass
class Cell:
    """Objects in the API's JSON.

    Parameters
    ----------
    going, done : sets of str
        Names of bound pods that are to be deleted (a finalizer holds them), and to have succeeded or failed.
    resized : dict
        By name of a bound pod: the status of its first container, which holds other amounts than it asks for.
    """

    nodes: list[Json] = field(default_factory=list)
    volumes: list[Json] = field(default_factory=list)
    claims: list[Json] = field(default_factory=list)
    pods: list[Json] = field(default_factory=list)
    going: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    resized: dict[str, Json] = field(default_factory=dict)
    probes: list[Probe] = field(default_factory=list)


def cell(seed: int, nodes: int, pods: int, probes: int, *, odd: bool = False) -> Cell:
    """Make the cell of a seed; ``odd`` adds what we read more strictly than the scheduler (see ``_Maker``)."""
    maker = _Maker(Random(seed), f"c{seed}", odd)
    made = Cell()
    made.nodes = [maker.node(i) for i in range(nodes)]
    for i in range(max(nodes // 4, 4)):
        volume, claim = maker.volume(i)
        made.claims.append(claim)
        if volume:
            made.volumes.append(volume)
    for i in range(pods):
        pod = maker.bound_pod(i, made)
        made.pods.append(pod)
        fate = maker.random.random()
        if fate < 0.1:
            made.going.add(pod["metadata"]["name"])
            pod["metadata"]["finalizers"] = [HOLD]
        elif fate < 0.16:
            made.done.add(pod["metadata"]["name"])
        elif fate < 0.26:
            made.resized[pod["metadata"]["name"]] = maker.resized()
    made.probes = [maker.probe(i, made) for i in range(probes)]
    return made


class _Maker:
    """Draws the parts of one cell.

    Parameters
    ----------
    odd : bool
        Draw namespace selectors that hold without any label, and names of nodes in the affinity of volumes.
    """

    def __init__(self, random: Random, prefix: str, odd: bool) -> None:
        self.random = random
        self.prefix = prefix
        self.odd = odd
        self.taken: dict[str, set[tuple[str, str, int]]] = {}

    # -- choices

    def some(self, chance: float) -> bool:
        return self.random.random() < chance

    def one(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def few(self, choices: Any, most: int = 2) -> list[Any]:
        return self.random.sample(list(choices), self.random.randint(1, min(most, len(choices))))

    # -- nodes

    def node(self, i: int) -> Json:
        name = f"{self.prefix}-n{i}"
        labels = {HOST: name} if not self.some(0.06) else {HOST: f"{self.prefix}-n{i // 2}"}
        for key, values, chance in (
            (ZONE, ("z1", "z2", "z3"), 0.85),
            (REGION, ("r1", "r2"), 0.5),
            (OLD_ZONE, ("z1", "z2"), 0.1),
            ("rack", ("k1", "k2", "k3", "k4", "k5", ""), 0.85),
            ("disk", ("ssd", "hdd", ""), 0.7),
            ("gen", ("1", "3", "007", "12", "1e3", "abc", "9223372036854775807", "9223372036854775808"), 0.7),
        ):
            if self.some(chance):
                labels[key] = self.one(*values)
        if self.some(0.03):
            del labels[HOST]
        offers = {
            "cpu": self.one("1", "2", "3500m", "8", "0.75"),
            "memory": self.one("2Gi", "4Gi", "3500M", "16Gi"),
            "pods": self.one("1", "3", "8", "110", "110"),
            "ephemeral-storage": self.one("1Gi", "100Gi"),
        }
        if self.some(0.4):
            offers[FPGA] = self.one("0", "1", "4")
        if self.some(0.3):
            offers["hugepages-2Mi"] = self.one("0", "64Mi")
        taints = [self.taint(key) for key in TAINT_VALUES if self.some(0.15)]
        condition = {"type": "Ready", "status": "True", "reason": "Rig", "message": ""}
        spec: Json = {"taints": taints} | ({"unschedulable": True} if self.some(0.08) else {})
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": labels},
            "spec": spec,
            "status": {"capacity": offers, "allocatable": offers, "conditions": [condition], "phase": "Running"},
        }

    def taint(self, key: str) -> Json:
        return {"key": key, "value": self.one(*TAINT_VALUES[key]), "effect": self.one(*EFFECTS)}

    # -- volumes

    def volume(self, i: int) -> tuple[Json | None, Json]:
        """A volume and its claim, bound to each other; now and then a claim without a volume."""
        name, namespace = f"{self.prefix}-v{i}", self.one(*NAMESPACES)
        modes = [self.one("ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod")]
        size = {"storage": "1Gi"}
        spec: Json = {"accessModes": modes, "storageClassName": "", "resources": {"requests": size}}
        meta: Json = {"name": name, "namespace": namespace}
        claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}
        if self.some(0.1):
            # Of a class that no one provides.
            spec["storageClassName"] = "nobody"
            return None, claim
        spec["volumeName"] = name
        volume: Json = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name, "labels": self.volume_zones()},
            "spec": {
                "capacity": size,
                "accessModes": modes,
                "storageClassName": "",
                "persistentVolumeReclaimPolicy": "Retain",
                "claimRef": {"kind": "PersistentVolumeClaim", "name": name, "namespace": namespace},
                "nfs": {"server": "127.0.0.1", "path": "/x"},
            },
        }
        if self.some(0.6):
            volume["spec"]["nodeAffinity"] = {"required": self.node_selector_terms(fields=self.odd)}
        return volume, claim

    def volume_zones(self) -> dict[str, str]:
        labels = {}
        if self.some(0.35):
            labels[self.one(ZONE, ZONE, OLD_ZONE)] = self.one("z1", "z2", "z1__z2", "z3")
        if self.some(0.15):
            labels[REGION] = self.one("r1", "r1__r2")
        return labels

    def claims_of(self, made: Cell, namespace: str) -> list[Json]:
        names = [one["metadata"]["name"] for one in made.claims if one["metadata"]["namespace"] == namespace]
        names += ["not-there"] if self.some(0.05) else []
        chosen = self.few(names) if names else []
        return [{"name": f"v{i}", "persistentVolumeClaim": {"claimName": name}} for i, name in enumerate(chosen)]

    # -- selectors

    def labels(self) -> dict[str, str]:
        labels = {"app": self.one(*APPS)}
        if self.some(0.6):
            labels["tier"] = self.one(*TIERS)
        if self.some(0.5):
            labels["version"] = self.one(*VERSIONS)
        return labels

    def label_selector(self) -> Json | None:
        kind = self.random.randrange(8)
        if kind == 0:
            return {}
        if kind == 1:
            return None
        if kind < 5:
            return {"matchLabels": {"app": self.one(*APPS)}}
        expressions: list[Json] = [
            {"key": "app", "operator": self.one("In", "NotIn"), "values": self.few(APPS)},
            {"key": "tier", "operator": self.one("Exists", "DoesNotExist")},
        ]
        return {"matchExpressions": self.few(expressions)}

    def node_expression(self) -> Json:
        kind = self.random.randrange(6)
        if kind < 2:
            key, values = self.one((ZONE, ("z1", "z2", "z3", "zz")), ("rack", ("k1", "k2", "")), ("disk", ("ssd", "")))
            return {"key": key, "operator": ("In", "NotIn")[kind], "values": self.few(values)}
        if kind < 4:
            return {"key": self.one(*KEYS, "disk", "gen", "nothing"), "operator": ("Exists", "DoesNotExist")[kind - 2]}
        values = [self.one("0", "2", "7", "12", "1000")]
        return {"key": self.one("gen", "gen", "disk"), "operator": ("Gt", "Lt")[kind - 4], "values": values}

    def node_term(self, fields: bool) -> Json:
        if self.some(0.06):
            return {}
        term: Json = {}
        if not fields or self.some(0.85):
            term["matchExpressions"] = [self.node_expression() for _ in range(self.random.randint(1, 2))]
        if fields and (self.some(0.15) or not term):
            name = f"{self.prefix}-n{self.random.randrange(64)}"
            term["matchFields"] = [{"key": "metadata.name", "operator": self.one("In", "NotIn"), "values": [name]}]
        return term

    def node_selector_terms(self, fields: bool = True) -> Json:
        return {"nodeSelectorTerms": [self.node_term(fields) for _ in range(self.random.randint(1, 3))]}

    # -- rules between pods

    def pod_term(self) -> Json:
        term: Json = {"topologyKey": self.one(*KEYS)}
        if (selector := self.label_selector()) is not None:
            term["labelSelector"] = selector
        if self.some(0.25):
            term["namespaces"] = self.few(NAMESPACES)
        if self.some(0.25):
            without = self.one("Exists", "DoesNotExist") if self.odd else "Exists"
            team = [{"key": "team", "operator": without}, {"key": "stage", "operator": "DoesNotExist"}][
                : self.one(1, 2)
            ]
            term["namespaceSelector"] = self.one({}, {"matchLabels": {"team": "x"}}, {"matchExpressions": team})
        if selector is not None and "app" not in str(selector):
            if self.some(0.3):
                term["matchLabelKeys"] = ["app"]
            elif self.some(0.3):
                term["mismatchLabelKeys"] = [self.one("app", "version")]
        return term

    def affinity_terms(self, labels: dict[str, str]) -> list[Json]:
        terms = [self.pod_term()]
        if self.some(0.4):
            # One's own kind: the first pod of a series is let in anywhere.
            terms = [{"topologyKey": self.one(*KEYS), "labelSelector": {"matchLabels": {"app": labels["app"]}}}]
        if self.some(0.25):
            terms.append(self.pod_term())
        if self.some(0.15):
            terms.append(terms[0] | {"topologyKey": self.one(*KEYS)})
        return terms

    def spread(self) -> Json:
        one: Json = {
            "maxSkew": self.random.randint(1, 3),
            "topologyKey": self.one(*KEYS),
            "whenUnsatisfiable": "DoNotSchedule" if self.some(0.85) else "ScheduleAnyway",
        }
        if (selector := self.label_selector()) is not None:
            one["labelSelector"] = selector
        if one["whenUnsatisfiable"] == "DoNotSchedule" and self.some(0.25):
            one["minDomains"] = self.random.randint(1, 6)
        if self.some(0.3):
            one["nodeAffinityPolicy"] = self.one("Honor", "Ignore")
        if self.some(0.3):
            one["nodeTaintsPolicy"] = self.one("Honor", "Ignore")
        if selector is not None and "app" not in str(selector) and self.some(0.3):
            one["matchLabelKeys"] = ["app"]
        return one

    def spreads(self) -> list[Json]:
        found = [self.spread() for _ in range(self.random.randint(1, 2))]
        keys = [(one["topologyKey"], one["whenUnsatisfiable"]) for one in found]
        return found if len(set(keys)) == len(keys) else found[:1]

    def tolerations(self) -> list[Json]:
        found: list[Json] = []
        for _ in range(self.random.randint(1, 3)):
            key = self.one("dedicated", "maintenance", "slow", "node.kubernetes.io/unschedulable")
            one: Json = {"key": key, "operator": self.one("Exists", "Equal")}
            if one["operator"] == "Equal":
                one["value"] = self.one(*TAINT_VALUES.get(key, ("",)))
            if self.some(0.6):
                one["effect"] = self.one(*EFFECTS)
            found.append(one)
        if self.some(0.15):
            found.append({"operator": "Exists"} | ({"effect": self.one(*EFFECTS)} if self.some(0.5) else {}))
        return found

    # -- containers

    def amounts(self) -> dict[str, str]:
        amounts = {}
        for resource, values, chance in (
            ("cpu", ("100m", "500m", "1", "0.0015", "2.5", "0"), 0.8),
            ("memory", ("64Mi", "1Gi", "1500M", "3Gi"), 0.6),
            ("ephemeral-storage", ("500Mi", "2Gi"), 0.15),
            (FPGA, ("1", "2"), 0.12),
        ):
            if self.some(chance):
                amounts[resource] = self.one(*values)
        return amounts

    def resources(self) -> Json:
        amounts = self.amounts()
        fixed = {key: value for key, value in amounts.items() if key == FPGA}
        if self.some(0.25):
            return {"limits": amounts}
        return {"requests": amounts, "limits": fixed}

    def container(self, name: str, ports: bool = False, resources: bool = True) -> Json:
        made: Json = {"name": name, "image": "none"}
        if resources:
            made["resources"] = self.resources()
        if ports:
            made["ports"] = [self.port() for _ in range(self.random.randint(1, 2))]
            if len({str(port["hostPort"]) + port["protocol"] + str(port.get("hostIP")) for port in made["ports"]}) < 2:
                made["ports"] = made["ports"][:1]
        return made

    def port(self) -> Json:
        number = self.one(80, 443, 8080)
        address = self.one(*ADDRESSES)
        made = {"containerPort": number, "hostPort": number, "protocol": self.one("TCP", "TCP", "UDP")}
        return made | ({"hostIP": address} if address else {})

    def resized(self) -> Json:
        """What a kubelet says of a container in the middle of a resize."""
        amounts = [{"cpu": self.one("100m", "1", "2"), "memory": self.one("64Mi", "2Gi")} for _ in range(2)]
        return {
            "name": "main",
            "image": "none",
            "imageID": "",
            "ready": True,
            "restartCount": 0,
            "allocatedResources": amounts[0],
            "resources": {"requests": amounts[1]},
        }

    # -- pods

    def bound_pod(self, i: int, made: Cell) -> Json:
        families = [name for name in ("anti-affinity", "affinity", "spread", "host-ports") if self.some(0.12)]
        families += ["requests"] if self.some(0.8) else []
        families += ["volumes"] if self.some(0.1) else []
        body = self.pod(f"{self.prefix}-b{i}", families, made)
        # No kubelet runs two pods on one port, and the scheduler forgets the port when the first of them goes.
        free = [node for node in made.nodes if not _ports(body) & self.taken.get(node["metadata"]["name"], set())]
        name = self.random.choice(free)["metadata"]["name"]
        self.taken.setdefault(name, set()).update(_ports(body))
        body["spec"]["nodeName"] = name
        # So that no NoExecute taint has it evicted while the cell is compared.
        body["spec"]["tolerations"] = [{"operator": "Exists"}]
        if self.some(0.3):
            body["spec"]["priorityClassName"] = PROBE_CLASS
        return body

    def probe(self, i: int, made: Cell) -> Probe:
        families = self.few(_FAMILIES, 4) if not self.some(0.05) else []
        body = self.pod(f"{self.prefix}-p{i}", families, made)
        body["spec"]["priorityClassName"] = PROBE_CLASS
        return Probe(body, tuple(sorted(families)))

    def pod(self, name: str, families: list[str], made: Cell) -> Json:
        namespace = self.one(*NAMESPACES)
        labels = self.labels()
        spec: Json = {"containers": [self.container("main", resources=False)], "terminationGracePeriodSeconds": 0}
        for family in sorted(families):
            _FAMILIES[family](self, spec, labels, made, namespace)
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": spec,
        }


def _ports(body: Json) -> set[tuple[str, str, int]]:
    """Addresses, protocols and numbers of the ports that a pod's containers take on its node."""
    ports = [port for container in body["spec"]["containers"] for port in container.get("ports", ())]
    return {(port.get("hostIP") or "0.0.0.0", port["protocol"], port["hostPort"]) for port in ports}


def _requests(maker: _Maker, spec: Json, labels: dict[str, str], made: Cell, namespace: str) -> None:
    spec["containers"][0]["resources"] = maker.resources()
    if maker.some(0.3):
        spec["containers"].append(maker.container("second"))


def _init_containers(maker: _Maker, spec: Json, labels: dict[str, str], made: Cell, namespace: str) -> None:
    for i in range(maker.random.randint(1, 3)):
        container = maker.container(f"init{i}", ports=maker.some(0.1))
        if maker.some(0.5):
            container["restartPolicy"] = "Always"
        spec.setdefault("initContainers", []).append(container)


def _overhead(maker: _Maker, spec: Json, labels: dict[str, str], made: Cell, namespace: str) -> None:
    spec["runtimeClassName"] = OVERHEAD_CLASS


def _pod_level(maker: _Maker, spec: Json, labels: dict[str, str], made: Cell, namespace: str) -> None:
    """Requests of the whole pod; at least what its containers request, or the API server refuses them."""
    spec["resources"] = {"requests": {"cpu": maker.one("8", "15"), "memory": "20Gi"}}
    if maker.some(0.7) and "initContainers" not in spec:
        spec["containers"] = [{"name": "main", "image": "none"}]
        spec["resources"] = {"requests": {"cpu": maker.one("300m", "1"), "memory": maker.one("128Mi", "1Gi")}}


def _node_selector(maker: _Maker, spec: Json, labels: dict[str, str], made: Cell, namespace: str) -> None:
    spec["nodeSelector"] = maker.one(
        {ZONE: "z1"}, {"disk": "ssd"}, {"disk": ""}, {"rack": "k2"}, {ZONE: "z2", "disk": "hdd"}
    )


def _node_affinity(maker: _Maker, spec: Json, labels: dict[str, str], made: Cell, namespace: str) -> None:
    spec.setdefault("affinity", {})["nodeAffinity"] = {REQUIRED: maker.node_selector_terms()}


def _tolerations(maker: _Maker, spec: Json, labels: dict[str, str], made: Cell, namespace: str) -> None:
    spec["tolerations"] = maker.tolerations()


def _affinity(maker: _Maker, spec: Json, labels: dict[str, str], made: Cell, namespace: str) -> None:
    spec.setdefault("affinity", {})["podAffinity"] = {REQUIRED: maker.affinity_terms(labels)}


def _anti_affinity(maker: _Maker, spec: Json, labels: dict[str, str], made: Cell, namespace: str) -> None:
    terms = [maker.pod_term() for _ in range(maker.random.randint(1, 2))]
    spec.setdefault("affinity", {})["podAntiAffinity"] = {REQUIRED: terms}


def _spread(maker: _Maker, spec: Json, labels: dict[str, str], made: Cell, namespace: str) -> None:
    spec["topologySpreadConstraints"] = maker.spreads()


def _host_ports(maker: _Maker, spec: Json, labels: dict[str, str], made: Cell, namespace: str) -> None:
    spec["containers"][0]["ports"] = maker.container("ports", ports=True)["ports"]


def _volumes(maker: _Maker, spec: Json, labels: dict[str, str], made: Cell, namespace: str) -> None:
    spec["volumes"] = maker.claims_of(made, namespace)


# In the order in which they are applied, which is the names' own: pod-level requests look at the containers before.
_FAMILIES: dict[str, Callable[[_Maker, Json, dict[str, str], Cell, str], None]] = {
    "affinity": _affinity,
    "anti-affinity": _anti_affinity,
    "host-ports": _host_ports,
    "init-containers": _init_containers,
    "node-affinity": _node_affinity,
    "node-selector": _node_selector,
    "overhead": _overhead,
    "pod-level": _pod_level,
    "requests": _requests,
    "spread": _spread,
    "tolerations": _tolerations,
    "volumes": _volumes,
}
