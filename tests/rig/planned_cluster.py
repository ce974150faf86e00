"""A cluster whose racks are over their budgets, a plan of `powerplane plan` for it, and its moves carried out.

What is checked here is read from the API server; of ours only the plan's own JSON is looked at.
"""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.rig.cluster import WATTS, make_nodes, node
from tests.rig.processes import wait_for
from tests.rig.rig import Rig

RACKS, NODES_IN_RACK = ("r1", "r2", "r3"), 4
IDLE_W, WATTS_PER_CORE, CORES = 100, 20, 16
POWER = {
    "curves": {"server": [[0, IDLE_W], [1, IDLE_W + CORES * WATTS_PER_CORE]]},
    "nodes": {"default": {"curve": "server"}},
}
PLAN_S = 120
LANDED_S = 60.0
EVICTED_S = 20.0
EXPIRY_S = 3600

Json = dict[str, Any]


@dataclass
class PlannedCluster:
    """The workloads by name, their replicas, and the racks' budgets in watts (none: any)."""

    rig: Rig
    budgets: Mapping[str, int]
    workloads: dict[str, int] = field(default_factory=dict)

    # -- the cluster

    def make_nodes(self, closed: Iterable[str] = ()) -> None:
        """Create the nodes; those of closed racks are cordoned."""
        made = [node(f"{rack}-n{i}", {"rack": rack}, cpu=str(CORES)) for rack in RACKS for i in range(NODES_IN_RACK)]
        make_nodes(self.rig, made)
        self.close(closed, True)

    def close(self, racks: Iterable[str], closed: bool) -> None:
        """Cordon the nodes of racks, or let pods in again."""
        for rack in racks:
            for i in range(NODES_IN_RACK):
                self.rig.api.patch(f"/api/v1/nodes/{rack}-n{i}", {"spec": {"unschedulable": closed}})
        tainted = lambda: any("taints" in each["spec"] for each in self.rig.api.items("/api/v1/nodes"))  # noqa: E731  # named for what is waited for
        assert wait_for(lambda: tainted() == (closed and bool(list(racks))), 20, 0.2)

    def deploy(self, name: str, replicas: int, cpu: int = 1, kind: str = "Deployment", **spec: Any) -> None:
        """Create a workload; its pods request watts by their cores."""
        amounts = {"cpu": str(cpu), WATTS: str(cpu * WATTS_PER_CORE)}
        container = {
            "name": "main",
            "image": "none",
            "resources": {"requests": amounts, "limits": {WATTS: amounts[WATTS]}},
        }
        labels = {"app": name}
        template = {
            "metadata": {"labels": labels},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 0, **spec},
        }
        body: Json = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
        if kind == "StatefulSet":
            body |= {"serviceName": name, "podManagementPolicy": "Parallel"}
        path = f"/apis/apps/v1/namespaces/default/{kind.lower()}s"
        self.rig.api.post(path, {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": body})
        self.workloads[name] = replicas

    def protect(self, name: str, unavailable: int) -> None:
        """Create a PodDisruptionBudget for a workload."""
        spec = {"maxUnavailable": unavailable, "selector": {"matchLabels": {"app": name}}}
        body = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": spec}
        path = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
        self.rig.api.post(path, body)
        wanted = min(unavailable, self.workloads[name])
        allowed = lambda: self.rig.api.get(f"{path}/{name}").get("status", {}).get("disruptionsAllowed") == wanted  # noqa: E731  # named for what is waited for
        assert wait_for(allowed, 30, 0.2), f"the budget of {name} does not allow {wanted}"

    # -- what runs

    def pods(self) -> list[Json]:
        """All pods that are not on their way out."""
        found = self.rig.api.items("/api/v1/namespaces/default/pods")
        return [each for each in found if "deletionTimestamp" not in each["metadata"]]

    def wait_placed(self, within_s: float = LANDED_S) -> None:
        """Wait until every workload has all its pods on nodes, and running."""
        assert wait_for(self._placed, within_s, 0.2), f"not all pods are placed: {self._waiting()}"

    def _placed(self) -> bool:
        running = Counter(_app(each) for each in self.pods() if _runs(each))
        return running == Counter(self.workloads)

    def _waiting(self) -> list[str]:
        return [
            f"{each['metadata']['name']}: {each['spec'].get('nodeName')} {each['status']}"
            for each in self.pods()
            if not _runs(each)
        ]

    def spread(self) -> Counter[tuple[str, str]]:
        """How many pods of each workload are on each node."""
        return Counter((_app(each), each["spec"]["nodeName"]) for each in self.pods())

    def draw_watts(self, rack: str) -> float:
        """What a rack draws: its nodes idle, and its pods by the cores that they request."""
        here = [each for each in self.pods() if each["spec"].get("nodeName", "").startswith(f"{rack}-")]
        cores = sum(int(each["spec"]["containers"][0]["resources"]["requests"]["cpu"]) for each in here)
        return NODES_IN_RACK * IDLE_W + cores * WATTS_PER_CORE

    # -- the plan

    def plan(self) -> Json:
        """Plan as a user does, over the live cluster; the plan's JSON."""
        topology = self.rig.folder / "topology.yaml"
        topology.write_text(json.dumps({"domains": [self._domain(rack) for rack in RACKS]}))
        power = self.rig.folder / "power.yaml"
        power.write_text(json.dumps(POWER))
        command = [sys.executable, "-m", "powerplane", "plan", f"--kubeconfig={self.rig.kubeconfig}"]
        command += [f"--topology={topology}", f"--power={power}", "--deadline=5s", "--output=json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PLAN_S, check=False)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def _domain(self, rack: str) -> Json:
        nodes = [f"{rack}-n{i}" for i in range(NODES_IN_RACK)]
        budget = {"budget": f"{self.budgets[rack]}W"} if rack in self.budgets else {}
        return {"name": rack, "kind": "rack", "nodes": nodes} | budget

    def placement_plan(self, name: str, plan: Json) -> Json:
        """The plan as a PlacementPlan object: its moves with the owners that the successors will have, too."""
        by_uid = {each["metadata"]["uid"]: each for each in self.pods()}
        expiry = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + EXPIRY_S))
        moves = []
        for move in plan["moves"]:
            pod = by_uid[move["uid"]]
            (owner,) = pod["metadata"]["ownerReferences"]
            watts = int(pod["spec"]["containers"][0]["resources"]["requests"][WATTS])
            moves.append(
                {key: move[key] for key in ("namespace", "pod", "uid", "from", "to", "wave")}
                | {"ownerUid": owner["uid"], "ownerKind": owner["kind"], "ownerName": owner["name"], "watts": watts}
            )
        return {
            "apiVersion": "powerplane.dev/v1alpha1",
            "kind": "PlacementPlan",
            "metadata": {"name": name},
            "spec": {"expiresAt": expiry, "moves": moves},
        }

    def carry_out(self, plan: Json) -> list[str]:
        """Evict the moved pods wave by wave, all of a wave at once; says which moves did not land, "" for none.

        A wave's new pods are those that were not there when it began: their workloads and nodes must be the plan's.
        """
        astray = []
        for wave in sorted({move["wave"] for move in plan["moves"]}):
            moves = [move for move in plan["moves"] if move["wave"] == wave]
            before = {each["metadata"]["uid"]: each for each in self.pods()}
            wanted = Counter((_app(before[move["uid"]]), move["to"]) for move in moves)
            for move in moves:
                self._evict(move)
            self.wait_placed()
            fresh = [each for each in self.pods() if each["metadata"]["uid"] not in before]
            landed = Counter((_app(each), each["spec"]["nodeName"]) for each in fresh)
            if landed != wanted:
                astray.append(f"wave {wave}: wanted {dict(wanted - landed)}, got {dict(landed - wanted)}")
            astray += [f"wave {wave}: {name}" for name in self._named_astray(moves, before, fresh)]
        return astray

    def _evict(self, move: Json) -> None:
        options = {"preconditions": {"uid": move["uid"]}, "gracePeriodSeconds": 0}
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": move["pod"], "namespace": move["namespace"]},
            "deleteOptions": options,
        }
        path = f"/api/v1/namespaces/{move['namespace']}/pods/{move['pod']}/eviction"
        answers = []

        def evicted() -> bool:
            answers.append(self.rig.api.call("POST", path, body))
            # A disruption budget may not have been told yet that the wave before is over.
            assert answers[-1].ok or answers[-1].status == 429, answers[-1].message
            return answers[-1].ok

        assert wait_for(evicted, EVICTED_S, 0.3), f"{move['pod']}: {answers[-1].message}"

    @staticmethod
    def _named_astray(moves: list[Json], before: Mapping[str, Json], fresh: list[Json]) -> list[str]:
        """A StatefulSet's pod comes again under its name, so that each of them has one place to be."""
        place = {each["metadata"]["name"]: each["spec"]["nodeName"] for each in fresh}
        stateful = [
            move for move in moves if before[move["uid"]]["metadata"]["ownerReferences"][0]["kind"] == "StatefulSet"
        ]
        return [
            f"{move['pod']} is on {place.get(move['pod'])}" for move in stateful if place.get(move["pod"]) != move["to"]
        ]


def _app(pod: Json) -> str:
    return str(pod["metadata"]["labels"]["app"])


def _runs(pod: Json) -> bool:
    return bool(pod["spec"].get("nodeName")) and pod["status"]["phase"] == "Running"
