"""Random cells: nodes, bound pods, volumes, and probes that use the rules of kube-scheduler's filters.

Values are drawn from small pools, so that rules meet what they name about as often as not.
"""

from collections.abc import Callable
from random import Random

from tests.rig.cell_nodes import NodeMaker
from tests.rig.cell_values import (
    ADDRESSES,
    FPGA,
    HOLD,
    NAMESPACES,
    OVERHEAD_CLASS,
    PROBE_CLASS,
    REQUIRED,
    ZONE,
    Cell,
    Json,
    Probe,
)


def cell(seed: int, nodes: int, pods: int, probes: int, *, odd: bool = False) -> Cell:
    """Make the cell of a seed; ``odd`` adds what we read more strictly than the scheduler (see ``Chooser``)."""
    maker = PodMaker(Random(seed), f"c{seed}", odd)
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


class PodMaker(NodeMaker):
    """Draws containers and pods."""

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


def _requests(maker: PodMaker, spec: Json, labels: dict[str, str], made: Cell, namespace: str) -> None:
    spec["containers"][0]["resources"] = maker.resources()
    if maker.some(0.3):
        spec["containers"].append(maker.container("second"))


def _init_containers(maker: PodMaker, spec: Json, labels: dict[str, str], made: Cell, namespace: str) -> None:
    for i in range(maker.random.randint(1, 3)):
        container = maker.container(f"init{i}", ports=maker.some(0.1))
        if maker.some(0.5):
            container["restartPolicy"] = "Always"
        spec.setdefault("initContainers", []).append(container)


def _overhead(maker: PodMaker, spec: Json, labels: dict[str, str], made: Cell, namespace: str) -> None:
    spec["runtimeClassName"] = OVERHEAD_CLASS


def _pod_level(maker: PodMaker, spec: Json, labels: dict[str, str], made: Cell, namespace: str) -> None:
    """Requests of the whole pod; at least what its containers request, or the API server refuses them."""
    spec["resources"] = {"requests": {"cpu": maker.one("8", "15"), "memory": "20Gi"}}
    if maker.some(0.7) and "initContainers" not in spec:
        spec["containers"] = [{"name": "main", "image": "none"}]
        spec["resources"] = {"requests": {"cpu": maker.one("300m", "1"), "memory": maker.one("128Mi", "1Gi")}}


def _node_selector(maker: PodMaker, spec: Json, labels: dict[str, str], made: Cell, namespace: str) -> None:
    spec["nodeSelector"] = maker.one(
        {ZONE: "z1"}, {"disk": "ssd"}, {"disk": ""}, {"rack": "k2"}, {ZONE: "z2", "disk": "hdd"}
    )


def _node_affinity(maker: PodMaker, spec: Json, labels: dict[str, str], made: Cell, namespace: str) -> None:
    spec.setdefault("affinity", {})["nodeAffinity"] = {REQUIRED: maker.node_selector_terms()}


def _tolerations(maker: PodMaker, spec: Json, labels: dict[str, str], made: Cell, namespace: str) -> None:
    spec["tolerations"] = maker.tolerations()


def _affinity(maker: PodMaker, spec: Json, labels: dict[str, str], made: Cell, namespace: str) -> None:
    spec.setdefault("affinity", {})["podAffinity"] = {REQUIRED: maker.affinity_terms(labels)}


def _anti_affinity(maker: PodMaker, spec: Json, labels: dict[str, str], made: Cell, namespace: str) -> None:
    terms = [maker.pod_term() for _ in range(maker.random.randint(1, 2))]
    spec.setdefault("affinity", {})["podAntiAffinity"] = {REQUIRED: terms}


def _spread(maker: PodMaker, spec: Json, labels: dict[str, str], made: Cell, namespace: str) -> None:
    spec["topologySpreadConstraints"] = maker.spreads()


def _host_ports(maker: PodMaker, spec: Json, labels: dict[str, str], made: Cell, namespace: str) -> None:
    spec["containers"][0]["ports"] = maker.container("ports", ports=True)["ports"]


def _volumes(maker: PodMaker, spec: Json, labels: dict[str, str], made: Cell, namespace: str) -> None:
    spec["volumes"] = maker.claims_of(made, namespace)


# In the order in which they are applied, which is the names' own: pod-level requests look at the containers before.
_FAMILIES: dict[str, Callable[[PodMaker, Json, dict[str, str], Cell, str], None]] = {
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
