"""Writes to the API server: patches, bindings, status; bounded in time and attempts, and counted.

What may pass (429, 5xx, broken connections) is tried again a few times; what will not (409, 404, 422, 403) is the
caller's to judge. A request that broke off may have been carried out all the same: patches say what shall be so and
can be sent twice, and a binding is looked up before it is called a failure.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_http import TRANSPORT_ERRORS, Request, fetch, is_well, reason, why_not

FIELD_MANAGER = "powerplane"
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"


class Written(NamedTuple):
    """What a write came to.

    Parameters
    ----------
    status : int
        The HTTP status; 0 where no answer came.
    body : bytes
        The answer, or the reason in words where none came.
    """

    status: int
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether it is so now."""
        return is_well(self.status)

    @property
    def conflict(self) -> bool:
        """Whether somebody else was faster."""
        return self.status == 409

    @property
    def told(self) -> str:
        """Why not, in words."""
        return why_not(self.status, self.body)

    @property
    def outcome(self) -> str:
        """One of ``ok``, ``conflict``, ``failed`` (no answer, 429, 5xx: may pass), ``refused`` (everything else)."""
        if self.ok or self.conflict:
            return "ok" if self.ok else "conflict"
        return "failed" if self.status in {0, 429} or self.status >= 500 else "refused"


class _Meta(msgspec.Struct, frozen=True):
    uid: str = ""


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    node_name: str = ""


class _BoundPod(msgspec.Struct, frozen=True):
    metadata: _Meta = _Meta()
    spec: _Spec = _Spec()


class Writer:
    """Writes as one field manager; may be used from several threads.

    Parameters
    ----------
    access : ClusterAccess
    timeout_s : float
        For one attempt.
    attempts : int
        At most, for one write.
    sleep : callable
        Pauses for some seconds.
    manager : str
        As whom it writes.
    """

    def __init__(
        self,
        access: ClusterAccess,
        timeout_s: float = 5.0,
        attempts: int = 3,
        *,
        sleep: Callable[[float], None] = time.sleep,
        manager: str = FIELD_MANAGER,
    ) -> None:
        self._query = [("fieldManager", manager)]
        self._access = access
        self._timeout_s = timeout_s
        self._attempts = max(1, attempts)
        self._sleep = sleep
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()

    def counts(self) -> dict[tuple[str, str], int]:
        """Writes so far by verb (``json_patch``, ``bind`` …) and outcome, and retries as the outcome ``retried``."""
        with self._lock:
            return dict(self._counts)

    def json_patch(self, path: str, operations: Sequence[Mapping[str, Any]]) -> Written:
        """Apply a JSON patch (RFC 6902); its ``test`` operations make it hold only for what was seen."""
        return self._write("json_patch", Request("PATCH", path, self._query, list(operations), JSON_PATCH))

    def merge_patch(self, path: str, body: Mapping[str, Any]) -> Written:
        """Apply a merge patch (RFC 7396): null removes a key, a list replaces a list."""
        return self._write("merge_patch", Request("PATCH", path, self._query, body, MERGE_PATCH))

    def strategic_patch(self, path: str, body: Mapping[str, Any]) -> Written:
        """Apply a strategic merge patch: lists of containers are merged by their names."""
        return self._write("strategic_patch", Request("PATCH", path, self._query, body, STRATEGIC_PATCH))

    def create(self, path: str, body: Mapping[str, Any]) -> Written:
        """Post an object to its collection's path."""
        return self._write("create", Request("POST", path, self._query, body))

    def delete(self, path: str, uid: str = "") -> Written:
        """Delete one object, if it is still the one of this UID where one is given (else 409).

        One that is gone already is refused with 404.
        """
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}} if uid else None
        return self._write("delete", Request("DELETE", path, body=body))

    def patch_status(self, path: str, status: Mapping[str, Any], resource_version: str = "") -> Written:
        """Merge into the status of one object.

        Parameters
        ----------
        path : str
            Of the object itself, without ``/status``.
        status : mapping
            What stands under ``status``; null removes.
        resource_version : str
            Where given, the write holds only for this version of the object (else 409).
        """
        return self.merge_patch(f"{path}/status", {"status": status} | _seen(resource_version))

    def patch_node_status(
        self,
        name: str,
        capacity: Mapping[str, str | None],
        allocatable: Mapping[str, str | None] | None = None,
        resource_version: str = "",
    ) -> Written:
        """Set or remove (None) resources that a node offers; all others stay.

        ``allocatable`` is the same as ``capacity`` where it is not given.
        """
        offered = {"capacity": dict(capacity), "allocatable": dict(capacity if allocatable is None else allocatable)}
        return self.patch_status(node_path(name), offered, resource_version)

    def annotate_node(self, name: str, annotations: Mapping[str, str | None], resource_version: str = "") -> Written:
        """Set or remove (None) annotations of a node; all others stay."""
        seen = _seen(resource_version).get("metadata", {})
        return self.merge_patch(node_path(name), {"metadata": {"annotations": dict(annotations)} | seen})

    def bind_pod(self, namespace: str, name: str, uid: str, node: str) -> Written:
        """Bind a pod to a node, if it is still the pod of this UID.

        A conflict is looked into: where the pod stands on that node already (an attempt that broke off was carried
        out), it counts as done.
        """
        path = pod_path(namespace, name)
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"namespace": namespace, "name": name, "uid": uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        written = self._try(Request("POST", f"{path}/binding", self._query, binding), "bind")
        if written.conflict and self._is_bound(path, uid, node):
            written = Written(201, b"")
        return self._count("bind", written)

    def post_event(self, namespace: str, event: Mapping[str, Any]) -> Written:
        """Post an event (core/v1); at most once, since a second would stand beside the first."""
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/events"
        return self._count("event", self._once(Request("POST", path, self._query, event))[0])

    def _is_bound(self, path: str, uid: str, node: str) -> bool:
        found = self._try(Request("GET", path), "bind")
        if not found.ok:
            return False
        try:
            pod = msgspec.json.decode(found.body, type=_BoundPod)
        except msgspec.DecodeError:
            return False
        return (pod.metadata.uid, pod.spec.node_name) == (uid, node)

    def _write(self, verb: str, request: Request) -> Written:
        return self._count(verb, self._try(request, verb))

    def _try(self, request: Request, verb: str) -> Written:
        """Attempt after attempt until an answer stands."""
        for attempt in range(1, self._attempts + 1):
            written, asked_s = self._once(request)
            if written.outcome != "failed" or attempt == self._attempts:
                break
            self._add(verb, "retried")
            pause = FIRST_PAUSE_S * 2.0 ** (attempt - 1) if asked_s is None else asked_s
            self._sleep(min(pause, LONGEST_PAUSE_S))
        return written

    def _once(self, request: Request) -> tuple[Written, float | None]:
        try:
            answer = fetch(self._access, request, self._timeout_s)
        except TRANSPORT_ERRORS as error:
            told = f"{request.method} {request.path}: {reason(error, self._timeout_s)}"
            return Written(0, told.encode()), None
        return Written(answer.status, answer.body), answer.retry_after_s

    def _count(self, verb: str, written: Written) -> Written:
        self._add(verb, written.outcome)
        return written

    def _add(self, verb: str, outcome: str) -> None:
        with self._lock:
            self._counts[verb, outcome] += 1


def node_path(name: str) -> str:
    """Path of a node."""
    return f"/api/v1/nodes/{quote(name, safe='')}"


def pod_path(namespace: str, name: str) -> str:
    """Path of a pod."""
    return f"/api/v1/namespaces/{quote(namespace, safe='')}/pods/{quote(name, safe='')}"


def _seen(resource_version: str) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": resource_version}} if resource_version else {}
