"""kube-apiserver's audit log: what the rig has it write down, and the writes of it in the order in which they held."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

Json = dict[str, Any]

OWN = "powerplane-system"
WHOLE = (
    {"group": "", "resources": ["pods", "pods/status", "pods/eviction", "pods/resize", "namespaces"]},
    {"group": "", "resources": ["pods/binding"]},
    {"group": "apps", "resources": ["replicasets", "statefulsets", "replicasets/scale", "statefulsets/scale"]},
    {"group": "batch", "resources": ["jobs"]},
    {"group": "policy", "resources": ["poddisruptionbudgets"]},
    {"group": "powerplane.dev", "resources": ["placementplans", "placementplans/status"]},
)
"""What is written down with what was asked and what was answered."""


def audit_policy() -> str:
    """The policy file's text (audit.k8s.io/v1): writes of a few kinds, whole, and nothing else."""
    rules = [
        {"level": "None", "verbs": ["get", "list", "watch"]},
        {"level": "RequestResponse", "resources": [dict(each) for each in WHOLE]},
        {
            "level": "RequestResponse",
            "namespaces": [OWN],
            "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}],
        },
        {"level": "None"},
    ]
    policy = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived", "ResponseStarted"],
        "omitManagedFields": True,
        "rules": rules,
    }
    return json.dumps(policy)


@dataclass(frozen=True, slots=True)
class Write:
    """One write that the server has answered.

    Parameters
    ----------
    verb, resource, sub, namespace, name : str
        The resource without its group, and its subresource.
    user : str
    code : int
        HTTP status.
    asked, answered : dict
        Bodies.
    received_s, done_s : float
        When it came and when it was answered, Unix seconds by the server's clock.
    """

    verb: str
    resource: str
    sub: str
    namespace: str
    name: str
    user: str
    code: int
    asked: Json = field(default_factory=dict)
    answered: Json = field(default_factory=dict)
    received_s: float = 0.0
    done_s: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether it was done."""
        return 200 <= self.code < 300

    @property
    def evicts(self) -> bool:
        """Whether it asks for an eviction."""
        return self.resource == "pods" and self.sub == "eviction"

    @property
    def moment_s(self) -> float:
        """When it counts: what takes a pod away once it is done, everything else from when it was asked for."""
        return self.done_s if self.evicts or self.verb in ("delete", "deletecollection") else self.received_s


def read_writes(log: Path) -> list[Write]:
    """Every answered write of a log, in the order in which they count."""
    with log.open() as lines:
        return ordered(write_of(json.loads(line)) for line in _whole(lines))


def ordered(writes: Iterable[Write]) -> list[Write]:
    """Writes in the order in which they count."""
    return sorted(writes, key=lambda each: each.moment_s)


def write_of(event: Mapping[str, Any]) -> Write:
    """One line of the log."""
    ref = event.get("objectRef") or {}
    answered = event.get("responseObject") or {}
    return Write(
        verb=event.get("verb", ""),
        resource=ref.get("resource", ""),
        sub=ref.get("subresource", ""),
        namespace=ref.get("namespace", ""),
        name=ref.get("name") or answered.get("metadata", {}).get("name", ""),
        user=(event.get("user") or {}).get("username", ""),
        code=(event.get("responseStatus") or {}).get("code", 0),
        asked=event.get("requestObject") or {},
        answered=answered,
        received_s=_seconds(event["requestReceivedTimestamp"]),
        done_s=_seconds(event["stageTimestamp"]),
    )


def _whole(lines: Iterable[str]) -> Iterator[str]:
    """Lines that have their end: the last one may still be being written."""
    return (line for line in lines if line.endswith("\n"))


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
