"""What the API server's audit log proves of pods that are held down in place: a rule of its own, beside that of moves.

Each resize is of a pod that some running plan names, by its UID and its version, gives what that plan says and nothing
of memory, goes no lower than half of what the pod asked for at first, and leaves a note on the pod before it takes
anything. At the end every pod whose note is gone has what it had.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.rig.audit_facts import Finding
from tests.rig.audit_log import OWN, Write
from tests.rig.kubelets import cores

Json = dict[str, Any]

NOTE = "powerplane.dev/throttled"
STOP = "powerplane.dev/stop"
IN_PLACE = ("throttle", "restore")
LATE_S = 1.0
"""What was sent before a stop may still arrive."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a log came to: rules that were broken, and pods that were held down and given back what they had."""

    findings: tuple[Finding, ...]
    throttled: frozenset[str]
    restored: frozenset[str]
    resizes: int


@dataclass
class ThrottleAuditor:
    """Goes through the writes of a log in their order."""

    _findings: list[Finding] = field(default_factory=list)
    _first: dict[str, Json] = field(default_factory=dict)
    _now: dict[str, Json] = field(default_factory=dict)
    _notes: dict[str, bool] = field(default_factory=dict)
    _moves: dict[str, dict[str, Json]] = field(default_factory=dict)
    _running: set[str] = field(default_factory=set)
    _throttled: set[str] = field(default_factory=set)
    _restored: set[str] = field(default_factory=set)
    _stopped_s: float = float("inf")
    _resizes: int = 0

    def audit(self, writes: Iterable[Write]) -> Told:
        """Hold the rules against a whole log."""
        for write in writes:
            if not write.ok:
                continue
            if write.resource == "pods" and write.sub == "resize":
                self._resize(write)
            if write.resource == "pods" and write.sub in ("", "resize") and write.verb != "deletecollection":
                self._pod(write)
            elif write.resource == "placementplans":
                self._plan(write)
            elif write.resource == "namespaces" and write.name == OWN:
                said = STOP in (write.answered.get("metadata", {}).get("annotations") or {})
                self._stopped_s = min(self._stopped_s, write.done_s) if said else float("inf")
        for uid in self._restored:
            if uid in self._now and _cpu(self._now[uid], "requests") != _cpu(self._first[uid], "requests"):
                self._find("restored", f"{uid} requests {self._now[uid]}, and had {self._first[uid]}")
        return Told(tuple(self._findings), frozenset(self._throttled), frozenset(self._restored), self._resizes)

    def _pod(self, write: Write) -> None:
        meta, spec = write.answered.get("metadata") or {}, write.answered.get("spec") or {}
        if write.verb == "delete" or "uid" not in meta or "containers" not in spec:
            return
        uid, resources = meta["uid"], spec["containers"][0].get("resources") or {}
        self._first.setdefault(uid, resources)
        self._now[uid] = resources
        noted = NOTE in (meta.get("annotations") or {})
        if noted:
            self._restored.discard(uid)
        elif self._notes.get(uid):
            self._restored.add(uid)
        self._notes[uid] = noted

    def _plan(self, write: Write) -> None:
        name = write.name
        if write.verb == "delete":
            self._running.discard(name)
        elif write.sub == "status":
            running = (write.answered.get("status") or {}).get("phase") == "Running"
            (self._running.add if running else self._running.discard)(name)
        elif "spec" in write.answered:
            moves = write.answered["spec"].get("moves") or ()
            self._moves[name] = {each["uid"]: each for each in moves if each.get("lever") in IN_PLACE}

    def _resize(self, write: Write) -> None:
        self._resizes += 1
        asked = write.asked.get("metadata") or {}
        uid = asked.get("uid", "")
        if not uid or not asked.get("resourceVersion"):
            self._find("precondition", f"{write.name} was resized whatever its UID and version")
            return
        if write.received_s > self._stopped_s + LATE_S:
            self._find("stop", f"{write.name} was resized after the stop")
        # A resize leaves a pod's metadata as it is: what its answer shows was there before, even where the answer to
        # the write that put it there was cut off.
        if NOTE not in (write.answered.get("metadata", {}).get("annotations") or {}):
            self._find("note", f"{write.name} was resized, and nothing on it said what it had")
        planned = [self._moves[name][uid] for name in self._running if uid in self._moves.get(name, {})]
        if not planned:
            self._find("plan", f"{write.name} was resized, and no running plan says so")
            return
        (given,) = write.asked["spec"]["containers"]
        if set(given["resources"].get("requests", {})) | set(given["resources"].get("limits", {})) != {"cpu"}:
            self._find("cpu", f"{write.name} was given {given['resources']}")
        milli = tuple(round(1000 * _cpu(given["resources"], kind)) for kind in ("requests", "limits"))
        levers = {move["lever"] for move in planned if _given(move) == milli}
        if not levers:
            self._find("planned", f"{write.name} was given {milli}, not what its plan says")
        if "restore" in levers:
            return
        self._throttled.add(uid)
        if _cpu(given["resources"], "limits") < _cpu(self._first[uid], "requests") / 2:
            self._find("floor", f"{write.name} was left {given['resources']} of {self._first[uid]}")

    def _find(self, rule: str, what: str) -> None:
        self._findings.append(Finding(rule, what))


def _given(move: Json) -> tuple[int, int]:
    (wanted,) = move["resources"]
    return wanted["requestMilli"], wanted["limitMilli"]


def _cpu(resources: Json, kind: str) -> float:
    return cores((resources.get(kind) or {}).get("cpu", "0"))
