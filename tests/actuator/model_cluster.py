"""A small API server with controllers, a scheduler and kubelets, as far as moves depend on them; it judges each act."""

from dataclasses import dataclass

import msgspec
from tests.actuator.model_judge import ENDED_STEPS, Judge

from powerplane.actuator.acts import Detach, Evict, Hold, Nominate, Reattach, Release, Ungate
from powerplane.actuator.engine import Outcome, Wrote
from powerplane.actuator.evicting import Answer, read_answer
from powerplane.actuator.placeholders import MovingPod, placeholder_body
from powerplane.actuator.plan_writing import moment, status_of
from powerplane.models.api.placement_plan import PlacementPlanObject, PlacementPlanStatus
from powerplane.models.marks import (
    DETACHED_ANNOTATION,
    HASH_LABEL,
    HOLD_FOR_ANNOTATION,
    MOVE_GATE,
    OWN_NAMESPACE,
    SURGE_ANNOTATION,
)
from powerplane.models.surge import Detached

START_S = 1_800_000_000.0
CORES = 8
HASH = "5d8f"
OPEN_PHASES = ("Running",)


@dataclass
class Owner:
    """A controller: its kind, how many pods it wants, and how many may be down at once."""

    name: str
    kind: str
    replicas: int
    unavailable: int = 99
    uid: str = ""
    made: int = 0
    surges: bool = False

    @property
    def set_name(self):
        """Name of a Deployment's ReplicaSet."""
        return f"{self.name}-{HASH}"


class ModelCluster:
    """The truth. ``now_s`` is everybody's clock."""

    def __init__(self, nodes=4):
        self.now_s = START_S
        self.version = 0
        self.pods = {}
        self.plans = {}
        self.gone_plans = {}
        self.owners = {}
        self.nodes = {f"n{i}": {"ready": True, "cordoned": False} for i in range(nodes)}
        self.stop = ""
        self.pause = ""
        self.webhook = True
        self.rolls_out = False
        self.judge = Judge()
        self.events = []
        self.told = {}

    # -- objects

    def add_owner(self, name, kind, replicas, nodes, unavailable=99, *, surges=False):
        """Make a controller with its pods on nodes, running."""
        owner = Owner(name, kind, replicas, unavailable, uid=f"owner-{name}", surges=surges)
        self.owners[owner.uid] = owner
        for i in range(replicas):
            pod = self.make_pod(owner, gated=False)
            pod["spec"]["nodeName"] = nodes[i % len(nodes)]
            self.ready(pod)
        return owner

    def make_pod(self, owner, gated):
        owner.made += 1
        ordinals = {each["metadata"]["name"] for each in self.of(owner)}
        names = (f"{owner.name}-{i}" for i in range(99))
        name = next(n for n in names if n not in ordinals) if owner.kind == "StatefulSet" else None
        name = name or f"{owner.name}-{owner.made}"
        gates = [{"name": MOVE_GATE}] if gated else []
        of_set = owner.kind == "ReplicaSet"
        return self.put(
            {
                "metadata": {
                    "namespace": "default",
                    "name": name,
                    "uid": f"{owner.name}{owner.made:05d}",
                    "creationTimestamp": moment(self.now_s),
                    "labels": {"app": owner.name} | ({HASH_LABEL: HASH} if of_set else {}),
                    "annotations": {SURGE_ANNOTATION: "true"} if owner.surges else {},
                    "ownerReferences": self.references(owner),
                },
                "spec": {
                    "schedulingGates": gates,
                    "containers": [{"name": "main", "resources": {"requests": {"cpu": "1"}}}],
                },
                "status": {"phase": "Pending"},
            }
        )

    @staticmethod
    def references(owner):
        name = owner.set_name if owner.kind == "ReplicaSet" else owner.name
        return [{"kind": owner.kind, "name": name, "uid": owner.uid, "controller": True}]

    def put(self, pod):
        self.version += 1
        pod["metadata"]["resourceVersion"] = str(self.version)
        self.pods[pod["metadata"]["uid"]] = pod
        self._tell("pods", "MODIFIED", pod)
        return pod

    def drop(self, uid):
        pod = self.pods.pop(uid)
        self._tell("pods", "DELETED", pod)

    def _tell(self, kind, what, each):
        self.events.append((kind, what, msgspec.json.encode(each)))

    def ready(self, pod):
        pod["status"] = dict(pod["status"], phase="Running", conditions=[{"type": "Ready", "status": "True"}])
        self.put(pod)

    def of(self, owner):
        """An owner's pods, those on their way out too."""
        return [p for p in self.pods.values() if any(each["uid"] == owner.uid for each in self.owners_of(p))]

    @staticmethod
    def owners_of(pod):
        return pod["metadata"].get("ownerReferences", [])

    def labelled(self, owner):
        """Pods that an owner's Service and disruption budget select, those too that were taken out of it."""
        return [p for p in self.pods.values() if p["metadata"].get("labels", {}).get("app") == owner.name]

    @staticmethod
    def leaving(pod):
        return "deletionTimestamp" in pod["metadata"]

    def publish(self, name, moves, **spec):
        self.version += 1
        expires = moment(self.now_s + spec.pop("lasts_s", 3600))
        plan = {
            "metadata": {
                "name": name,
                "uid": f"plan-{name}",
                "generation": 1,
                "creationTimestamp": moment(self.now_s),
                "resourceVersion": str(self.version),
            },
            "spec": {"expiresAt": expires, "moves": moves, **spec},
            "status": {},
        }
        self.plans[name] = plan
        self._tell("plans", "MODIFIED", plan)

    def delete_plan(self, name):
        plan = self.gone_plans[name] = self.plans.pop(name)
        self._tell("plans", "DELETED", plan)

    def move(self, pod, to, wave=0, lever="migrate"):
        """A move as a plan writes it."""
        owner = pod["metadata"]["ownerReferences"][0]
        return {
            "namespace": "default",
            "pod": pod["metadata"]["name"],
            "uid": pod["metadata"]["uid"],
            "from": pod["spec"]["nodeName"],
            "to": to,
            "ownerUid": owner["uid"],
            "ownerKind": owner["kind"],
            "ownerName": owner["name"],
            "wave": wave,
            "lever": lever,
            "surge": self.owners[owner["uid"]].surges,
        }

    def status(self, name):
        return (self.gone_plans | self.plans)[name]["status"]

    def step_of(self, name, uid):
        return next((m["step"] for m in self.status(name).get("moves", []) if m["uid"] == uid), "Waiting")

    # -- what others do

    def control(self):
        """Controllers: as many pods as are wanted; a StatefulSet waits until the name is free."""
        for owner in self.owners.values():
            pods = self.of(owner)
            there = [pod for pod in pods if not self.leaving(pod)]
            taken = len(pods) if owner.kind == "StatefulSet" else len(there)
            for _ in range(owner.replicas - taken):
                self.make_pod(owner, gated=self.webhook and self.is_moved(owner))
            if len(there) > owner.replicas:
                for pod in sorted(there, key=self._worth)[: len(there) - owner.replicas]:
                    self.delete(pod)

    @staticmethod
    def _worth(pod):
        """A ReplicaSet deletes first who has no node, then who is not ready, then the youngest."""
        uid = pod["metadata"]["uid"]
        running = pod["status"]["phase"] == "Running"
        return bool(pod["spec"].get("nodeName")), running, [-ord(letter) for letter in uid]

    def is_moved(self, owner):
        """Whether the webhook gates new pods of an owner."""
        for plan in self.plans.values():
            if plan["status"].get("phase") in OPEN_PHASES:
                for move in plan["spec"]["moves"]:
                    step = self.step_of(plan["metadata"]["name"], move["uid"])
                    if move["ownerUid"] == owner.uid and move["lever"] == "migrate" and step not in ENDED_STEPS:
                        return True
        return False

    def delete(self, pod):
        """A deletion: at once where nothing runs, else the pod is on its way out."""
        if pod["spec"].get("nodeName"):
            pod["metadata"]["deletionTimestamp"] = moment(self.now_s)
            self.put(pod)
        else:
            self.drop(pod["metadata"]["uid"])

    def end_leaving(self):
        for pod in [pod for pod in self.pods.values() if self.leaving(pod)]:
            self.drop(pod["metadata"]["uid"])

    def used(self, node, but=None):
        """Cores that are taken or held on a node."""
        return sum(
            1
            for pod in self.pods.values()
            if pod is not but and node in (pod["spec"].get("nodeName") or pod["status"].get("nominatedNodeName"),)
        )

    def takes(self, node, pod):
        state = self.nodes.get(node)
        return state and state["ready"] and not state["cordoned"] and self.used(node, pod) < CORES

    def schedule(self):
        """The scheduler: whoever has no gate is bound, to the nominated node first."""
        for pod in list(self.pods.values()):
            if pod["spec"].get("nodeName") or pod["spec"].get("schedulingGates") or self.leaving(pod):
                continue
            first = pod["status"].get("nominatedNodeName", "")
            node = next((n for n in (first, *sorted(self.nodes)) if n and self.takes(n, pod)), None)
            if node:
                pod["spec"]["nodeName"] = node
                pod["status"].pop("nominatedNodeName", None)
                self.put(pod)

    def run(self):
        """Kubelets: what is bound becomes ready."""
        for pod in list(self.pods.values()):
            if pod["spec"].get("nodeName") and pod["status"]["phase"] == "Pending" and not self.leaving(pod):
                self.ready(pod)

    def set_node(self, name, **state):
        self.nodes[name] |= state
        self._tell("nodes", "MODIFIED", self.node(name))

    def node(self, name):
        state = self.nodes[name]
        return {
            "metadata": {"name": name},
            "spec": {"unschedulable": state["cordoned"]},
            "status": {
                "allocatable": {"cpu": str(CORES), "pods": "110"},
                "conditions": [{"type": "Ready", "status": "True" if state["ready"] else "Unknown"}],
            },
        }

    # -- the API, as one actuator sees it

    def evict(self, act):
        pod = self.pods.get(act.uid)
        if pod is None or pod["metadata"]["name"] != act.pod:
            return 404, b'{"message": "not found"}'
        if self.leaving(pod):
            return 201, b"{}"
        owner = next(each for each in self.owners.values() if each.name == pod["metadata"]["labels"]["app"])
        alike = [each for each in self.labelled(owner) if not self.leaving(each)]
        healthy = sum(each["status"]["phase"] == "Running" for each in alike)
        if pod["status"]["phase"] == "Running" and healthy - 1 < owner.replicas - owner.unavailable:
            body = {"message": "budget", "details": {"causes": [{"reason": "DisruptionBudget"}]}}
            return 429, msgspec.json.encode(body)
        surged = DETACHED_ANNOTATION in pod["metadata"]["annotations"]
        if surged and not self.is_ready(act.successor_uid):
            self.judge.wrongs.append(f"{act.uid} was evicted before the one in its place was ready")
        self.judge.eviction(self, pod, held=surged)
        self.delete(pod)
        return 201, b"{}"

    def is_held(self, uid, node):
        """Whether a placeholder holds a pod's place on a node."""
        return any(
            each["metadata"].get("annotations", {}).get(HOLD_FOR_ANNOTATION) == uid
            and each["status"].get("nominatedNodeName") == node
            for each in self.pods.values()
        )

    def act(self, act):
        match act:
            case Evict():
                if act.hold and not self.is_held(act.uid, act.node):
                    return Outcome("stale", "its place is not held any more")
                if act.successor and not self.is_ready(act.successor_uid):
                    return Outcome("stale", "the one in its place is not ready")
                status, body = self.evict(act)
                answer = read_answer(status, body)
                return Outcome("done" if answer.verdict == "accepted" else "stale", answer.message, answer)
            case Hold():
                return self._hold(act)
            case Detach():
                return self._detach(act)
            case Reattach():
                return self._reattach(act)
            case Nominate():
                pod = self.pods.get(act.uid)
                if pod is None or pod["spec"].get("nodeName"):
                    return Outcome("stale")
                pod["status"]["nominatedNodeName"] = act.node
                self.put(pod)
                return Outcome("done")
            case Release():
                if act.uid in self.pods:
                    self.delete(self.pods[act.uid])
                return Outcome("done")
            case Ungate():
                pod = self.pods.get(act.uid)
                if pod is None or {"name": MOVE_GATE} not in pod["spec"]["schedulingGates"]:
                    return Outcome("stale")
                pod["spec"]["schedulingGates"].remove({"name": MOVE_GATE})
                self.put(pod)
                return Outcome("done")

    def is_ready(self, uid):
        pod = self.pods.get(uid)
        return pod is not None and not self.leaving(pod) and pod["status"]["phase"] == "Running"

    def _detach(self, act):
        """Its ReplicaSet lets go of a pod without the label."""
        pod = self.pods.get(act.uid)
        if pod is None or self.leaving(pod) or HASH_LABEL not in pod["metadata"]["labels"]:
            return Outcome("stale")
        if self.rolls_out:
            return Outcome("refused", "a roll-out", Answer("never", "NoSurge", "a roll-out"))
        if not self.is_held(act.uid, act.node):
            return Outcome("stale", "its place is not held any more")
        if self.stop or self.pause:
            self.judge.wrongs.append(f"{act.uid} was taken out of its ReplicaSet after the stop, or without Leases")
        owner = self.owners[self.owners_of(pod)[0]["uid"]]
        pod["metadata"]["annotations"][DETACHED_ANNOTATION] = Detached(owner.set_name, owner.uid, HASH).told()
        del pod["metadata"]["labels"][HASH_LABEL]
        pod["metadata"]["ownerReferences"] = []
        self.put(pod)
        return Outcome("done")

    def _reattach(self, act):
        pod = self.pods.get(act.uid)
        if pod is None or DETACHED_ANNOTATION not in pod["metadata"]["annotations"]:
            return Outcome("stale")
        del pod["metadata"]["annotations"][DETACHED_ANNOTATION]
        pod["metadata"]["labels"][HASH_LABEL] = act.owner.value
        pod["metadata"]["ownerReferences"] = self.references(self.owners[act.owner.owner_uid])
        self.put(pod)
        return Outcome("done")

    def _hold(self, act):
        pod = self.pods.get(act.uid)
        if pod is None:
            return Outcome("stale")
        body = placeholder_body(act, msgspec.convert(pod, MovingPod))
        uid = f"hold/{body['metadata']['name']}/{act.plan}"
        if uid not in self.pods:
            if act.plan not in self.plans:
                return Outcome("refused", "its owner is gone")
            if self.stop:
                self.judge.wrongs.append(f"a place was held for {act.uid} after the stop")
            body["metadata"] |= {"uid": uid, "creationTimestamp": moment(self.now_s)}
            self.put({**body, "status": {"phase": "Pending"}})
        return self.act(Nominate(OWN_NAMESPACE, body["metadata"]["name"], uid, act.node))

    def write(self, plan, state):
        stored = self.plans.get(plan.name)
        if stored is None or stored["metadata"]["resourceVersion"] != plan.version:
            return Wrote(False, told="HTTP 409")
        conditions = msgspec.convert(stored["status"], PlacementPlanStatus).conditions
        status = stored["status"] | status_of(plan, state, conditions, self.now_s)
        self.judge.write(plan.name, stored["status"], status)
        self.version += 1
        stored["status"] = msgspec.json.decode(msgspec.json.encode(status))
        stored["metadata"]["resourceVersion"] = str(self.version)
        msgspec.convert(stored, PlacementPlanObject)
        self._tell("plans", "MODIFIED", stored)
        return Wrote(True, str(self.version))
