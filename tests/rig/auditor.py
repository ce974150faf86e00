"""What the API server's audit log proves of moves: nobody was evicted without a place, and nothing was lost.

It shares no line with what it looks at. The world is kept from the answered writes alone, and each rule is held against
it as it was when the write counted.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from math import ceil
from typing import Any

from tests.rig.audit_facts import Finding, Report, SeenMove, SeenOwner, SeenPod
from tests.rig.audit_log import OWN, Write

Json = dict[str, Any]

HOLD_FOR = "powerplane.dev/hold-for"
STOP = "powerplane.dev/stop"
GATES = ("powerplane.dev/move", "powerplane.dev/hold")
ACTUATOR, WEBHOOK = "powerplane-actuator", "powerplane-webhook"
UNDER_WAY_S = 1.0
"""What was sent before a stop may still arrive."""

SILENT_S = 60.0
"""After so long without a word, the webhook counts as gone."""


class Auditor:
    """Goes through writes in their order.

    Parameters
    ----------
    finished : bool
        Whether all is over at the end of the log, so that whatever was begun has to be done or undone.
    """

    def __init__(self, *, finished: bool = True) -> None:
        self._finished = finished
        self._findings: list[Finding] = []
        self._pods: dict[str, SeenPod] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._owners: dict[str, SeenOwner] = {}
        self._budgets: dict[tuple[str, str], Json] = {}
        self._moves: dict[str, dict[str, SeenMove]] = {}
        self._open: set[str] = set()
        self._evicted: Counter[str] = Counter()
        self._had: dict[str, int] = {}
        self._refused: Counter[int] = Counter()
        self._token = 0
        self._leaders: dict[int, str] = {}
        self._terms: set[tuple[int, int]] = set()
        self._epoch = 0
        self._on_plans: dict[str, int] = {}
        self._writers: dict[int, str] = {}
        self._stopped_s = float("inf")
        self._webhook_s: float | None = None
        self._last_s = 0.0

    def audit(self, writes: Iterable[Write]) -> Report:
        """Hold every rule against a whole log."""
        for write in writes:
            if write.evicts:
                self._evict(write)
            elif write.ok or _finds_gone(write):
                self._take_in(write)
        if self._finished:
            self._judge_the_end()
        return Report(
            tuple(self._findings),
            sum(self._evicted.values()),
            self._refused,
            len(self._moves),
            sum(1 for pod in self._pods.values() if pod.holds_for),
            len(self._terms),
            self._last_s,
        )

    # -- the world

    def _take_in(self, write: Write) -> None:
        if write.resource == "pods":
            self._pod(write)
        elif write.resource in ("replicasets", "statefulsets", "jobs"):
            self._owner(write)
        elif write.resource == "poddisruptionbudgets" and not write.sub:
            self._budget(write)
        elif write.resource == "placementplans":
            self._plan(write)
        elif write.resource == "leases":
            self._lease(write)
        elif write.resource == "namespaces" and write.name == OWN and not write.sub:
            self._stop(write)

    def _pod(self, write: Write) -> None:
        if write.verb == "deletecollection":
            for each in write.answered.get("items") or ():
                self._drop(each["metadata"]["uid"], write.done_s)
        elif write.verb == "delete":
            self._drop(self._names.get((write.namespace, write.name), ""), write.done_s)
        elif write.sub == "binding":
            pod = self._named(write)
            if pod is not None:
                pod.node = write.asked.get("target", {}).get("name", "")
        elif write.answered.get("kind", "Pod") == "Pod" and "uid" in write.answered.get("metadata", {}):
            self._put(write)

    def _put(self, write: Write) -> None:
        meta, spec = write.answered["metadata"], write.answered.get("spec", {})
        status = write.answered.get("status", {})
        pod = self._pods.get(meta["uid"])
        if pod is None:
            pod = SeenPod(meta["uid"], meta["namespace"], meta["name"], _controller(meta))
            pod.holds_for = (meta.get("annotations") or {}).get(HOLD_FOR, "") if meta["namespace"] == OWN else ""
            self._pods[pod.uid] = pod
            self._names[pod.namespace, pod.name] = pod.uid
            if pod.holds_for:
                self._not_stopped(write, f"a placeholder {pod.name} was made")
        pod.labels = meta.get("labels") or {}
        pod.requests = _requests(spec)
        pod.gates = tuple(gate["name"] for gate in spec.get("schedulingGates") or ())
        pod.node = spec.get("nodeName", "") or pod.node
        before, pod.nominated = pod.nominated, status.get("nominatedNodeName", "")
        if pod.nominated != before:
            pod.held_s = write.done_s if pod.nominated else float("inf")
        conditions = {each["type"]: each["status"] for each in status.get("conditions") or ()}
        pod.ready = conditions.get("Ready") == "True"
        pod.over = status.get("phase", "") if status.get("phase") in ("Succeeded", "Failed") else ""
        pod.leaving = pod.leaving or "deletionTimestamp" in meta

    def _drop(self, uid: str, at_s: float) -> None:
        pod = self._pods.get(uid)
        if pod is not None:
            pod.leaving, pod.gone_s = True, min(pod.gone_s, at_s)

    def _owner(self, write: Write) -> None:
        uid = write.answered.get("metadata", {}).get("uid", "")
        if write.verb == "delete":
            for owner in self._owners.values():
                if owner.name == f"{write.resource}/{write.namespace}/{write.name}":
                    owner.gone = True
            return
        if not uid:
            return
        owner = self._owners.setdefault(uid, SeenOwner(f"{write.resource}/{write.namespace}/{write.name}"))
        spec = write.answered.get("spec", {})
        if write.resource == "jobs":
            owner.wanted, owner.completions = spec.get("parallelism", 1), spec.get("completions")
        else:
            owner.wanted = spec.get("replicas", 1 if write.sub != "scale" else 0)

    def _budget(self, write: Write) -> None:
        key = (write.namespace, write.name)
        if write.verb == "delete":
            self._budgets.pop(key, None)
        elif "spec" in write.answered:
            self._budgets[key] = write.answered["spec"]

    def _plan(self, write: Write) -> None:
        name = write.name
        if write.verb == "delete":
            self._open.discard(name)
            self._forget_token(name)
        elif write.sub == "status":
            self._progress(write)
        elif "spec" in write.answered:
            moves = write.answered["spec"].get("moves") or ()
            if write.verb == "create":
                self._not_stopped(write, f"the plan {name} was published")
            self._open.add(name)
            self._moves[write.answered["metadata"].get("uid", name)] = {
                each["uid"]: SeenMove(name, each.get("to", ""), each.get("lever", "migrate")) for each in moves
            }

    def _progress(self, write: Write) -> None:
        status = write.answered.get("status") or {}
        token = int(status.get("token", 0))
        asked = (write.asked.get("status") or {}).get("token") if isinstance(write.asked, dict) else None
        if asked is not None and int(asked) < self._highest():
            self._find("tokens", f"{write.name} was written with token {asked} after {self._highest()}")
        if asked is not None:
            self._on_plans[write.name] = token
            self._writers.setdefault(token, write.user)
        leader = (self._writers if self._epoch else self._leaders).get(token)
        if asked is not None and leader is not None and leader != write.user:
            self._find("tokens", f"{write.user} wrote with token {token}, which {leader} holds")
        self._token = max(self._token, token)

    def _lease(self, write: Write) -> None:
        spec = write.answered.get("spec") or {}
        if write.name == WEBHOOK and "renewTime" in ((write.asked or {}).get("spec") or {}):
            self._webhook_s = write.done_s
        if write.name == ACTUATOR and write.verb == "delete":
            self._epoch += 1
        elif write.name == ACTUATOR and spec.get("holderIdentity"):
            self._leaders.setdefault(int(spec.get("leaseTransitions", 0)), write.user)
            self._terms.add((self._epoch, int(spec.get("leaseTransitions", 0))))

    def _highest(self) -> int:
        """The token below which nobody may write; a Lease that was deleted counts anew, above what is on plans."""
        return max(self._on_plans.values(), default=0) if self._epoch else self._token

    def _forget_token(self, plan: str) -> None:
        self._on_plans.pop(plan, None)
        if not self._on_plans:
            self._writers.clear()

    def _leader(self) -> str | None:
        """Who alone may evict: by the Lease, and once that was deleted, who wrote the highest token that stands."""
        if self._epoch:
            return self._writers.get(self._highest())
        return self._leaders[max(self._leaders)] if self._leaders else None

    def _stop(self, write: Write) -> None:
        said = STOP in (write.answered.get("metadata", {}).get("annotations") or {})
        if not said:
            self._stopped_s = float("inf")
        elif self._stopped_s == float("inf"):
            self._stopped_s = write.done_s

    # -- rules at an eviction

    def _evict(self, write: Write) -> None:
        options = write.asked.get("deleteOptions") or {}
        if options.get("dryRun"):
            return
        uid = (options.get("preconditions") or {}).get("uid", "")
        if not uid:
            self._find("precondition", f"{write.namespace}/{write.name} was to be evicted whatever its UID")
        if not write.ok:
            self._refused[write.code] += 1
            return
        self._not_stopped(write, f"{write.name} was evicted")
        pod = self._pods.get(uid) or self._named(write)
        if pod is None:
            self._find("unknown", f"{write.namespace}/{write.name} was evicted, and the log has no such pod")
            return
        self._last_s = write.done_s
        self._had.setdefault(pod.owner, self._running(pod.owner))
        self._evicted[pod.uid] += 1
        if self._evicted[pod.uid] > 1:
            self._find("once", f"{pod.name} ({pod.uid}) was evicted {self._evicted[pod.uid]} times")
        self._judge_place(write, pod)
        self._judge_budgets(pod)
        self._judge_leases(write)
        self._drop(pod.uid, write.done_s)

    def _judge_place(self, write: Write, pod: SeenPod) -> None:
        planned = [moves[pod.uid] for moves in self._moves.values() if pod.uid in moves]
        if not any(each.plan in self._open for each in planned):
            self._find("plan", f"{pod.name} ({pod.uid}) was evicted, and no plan says so")
            return
        move = planned[-1]
        if move.lever != "migrate":
            return
        holds = [
            each
            for each in self._pods.values()
            if each.holds_for == pod.uid and each.held_s <= write.received_s and each.gone_s >= write.received_s
        ]
        wanted = self._owners[pod.owner].wanted if pod.owner in self._owners else None
        if not holds and (wanted is None or self._running(pod.owner) <= wanted):
            self._find("place", f"{pod.name} ({pod.uid}) was evicted, and nothing held {move.to} for it")
        for each in holds:
            if each.nominated != move.to:
                self._find("place", f"{each.name} held {each.nominated}, not {move.to}")
            if any(each.requests.get(resource) != amount for resource, amount in pod.requests.items()):
                self._find("place", f"{each.name} asks for {dict(each.requests)}, {pod.name} {dict(pod.requests)}")

    def _judge_budgets(self, pod: SeenPod) -> None:
        if not pod.ready:
            return
        for (namespace, name), spec in self._budgets.items():
            if namespace != pod.namespace or not _selects(spec.get("selector"), pod.labels):
                continue
            alike = [
                each
                for each in self._pods.values()
                if each.namespace == namespace and each.there and _selects(spec.get("selector"), each.labels)
            ]
            healthy = sum(each.ready for each in alike if each is not pod)
            owners = {each.owner for each in (*alike, pod)}
            expected = sum(self._owners[each].wanted or 0 for each in owners if each in self._owners)
            desired = _desired(spec, expected)
            if healthy < desired:
                self._find("budget", f"{name} wants {desired} healthy pods: {pod.name} left {healthy}")

    def _judge_leases(self, write: Write) -> None:
        if self._webhook_s is None or write.received_s - self._webhook_s > SILENT_S:
            self._find("webhook", f"{write.name} was evicted while no webhook had said a word for {SILENT_S:g} s")
        leader = self._leader()
        if leader is not None and write.user != leader:
            self._find("tokens", f"{write.user} evicted {write.name} while {leader} led")

    def _not_stopped(self, write: Write, what: str) -> None:
        if write.received_s > self._stopped_s + UNDER_WAY_S:
            self._find("stop", f"{what} {write.received_s - self._stopped_s:.1f} s after the stop")

    # -- rules at the end

    def _judge_the_end(self) -> None:
        for uid, had in self._had.items():
            owner = self._owners.get(uid)
            if not uid or (owner is not None and owner.gone):
                continue
            wanted = self._wanted(uid, had)
            if self._running(uid) < wanted:
                name = owner.name if owner else uid
                self._find("lost", f"{name} has {self._running(uid)} pods on nodes, and wants {wanted}")
        for pod in self._pods.values():
            left = pod.there and not pod.node and any(gate in GATES for gate in pod.gates)
            if left:
                self._find("left", f"{pod.namespace}/{pod.name} is left behind {', '.join(pod.gates)}")

    def _wanted(self, uid: str, had: int) -> int:
        owner = self._owners.get(uid)
        if owner is None or owner.wanted is None:
            return had
        if owner.completions is None:
            return owner.wanted
        done = sum(1 for pod in self._pods.values() if pod.owner == uid and pod.over == "Succeeded")
        return min(owner.wanted, owner.completions - done)

    def _running(self, owner: str) -> int:
        return sum(1 for pod in self._pods.values() if pod.owner == owner and pod.there and pod.node)

    def _named(self, write: Write) -> SeenPod | None:
        return self._pods.get(self._names.get((write.namespace, write.name), ""))

    def _find(self, rule: str, what: str) -> None:
        self._findings.append(Finding(rule, what))


def _finds_gone(write: Write) -> bool:
    """Whether a placeholder was to be deleted that is gone: by a request before whose answer nobody waited for."""
    return (write.verb, write.resource, write.namespace, write.code) == ("delete", "pods", OWN, 404)


def _controller(meta: Mapping[str, Any]) -> str:
    return next((each["uid"] for each in meta.get("ownerReferences") or () if each.get("controller")), "")


def _requests(spec: Mapping[str, Any]) -> dict[str, str]:
    """Of its first container: those of tests have no other."""
    containers = spec.get("containers") or [{}]
    return dict((containers[0].get("resources") or {}).get("requests") or {})


def _selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """By ``matchLabels`` alone, which is all that tests write."""
    return all(labels.get(key) == value for key, value in ((selector or {}).get("matchLabels") or {}).items())


def _desired(spec: Mapping[str, Any], expected: int) -> int:
    if "minAvailable" in spec:
        return _share(spec["minAvailable"], expected)
    return max(expected - _share(spec.get("maxUnavailable", 1), expected), 0)


def _share(amount: int | str, of: int) -> int:
    """Kubernetes rounds both kinds up."""
    return ceil(int(amount.removesuffix("%")) * of / 100) if isinstance(amount, str) else amount
