"""Taking a pod out of its ReplicaSet and giving it back, as requests to the API server.

Just before a pod is taken out, everything is asked anew that could make it unsafe: the pod, its ReplicaSet, its
Deployment, the Services of its namespace; whatever cannot be asked forbids it.
"""

from typing import Any, ClassVar, Final, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec

from powerplane.actuator.acts import Detach, Evict, Reattach
from powerplane.actuator.engine import Outcome
from powerplane.actuator.evicting import Answer, eviction_body, read_answer
from powerplane.actuator.outcomes import outcome_of
from powerplane.actuator.reads import read
from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_http import TRANSPORT_ERRORS, reason
from powerplane.adapters.cluster_writes import Writer, pod_path
from powerplane.models.marks import DETACHED_ANNOTATION, HASH_LABEL
from powerplane.models.mobility import controller_of
from powerplane.models.objects import LabelSelector, Narrow, ObjectMeta, PodSpec
from powerplane.models.surge import Detached, why_no_surge

NOT_FOUND: Final = 404
Json = dict[str, Any]
T = TypeVar("T")


class _Pod(Narrow, frozen=True):
    metadata: ObjectMeta
    spec: PodSpec = PodSpec()


class _SetSpec(Narrow, frozen=True):
    replicas: int = 1
    selector: LabelSelector = LabelSelector()


class _Set(Narrow, frozen=True):
    metadata: ObjectMeta
    spec: _SetSpec = _SetSpec()


class _Strategy(Narrow, frozen=True):
    type: str = "RollingUpdate"


class _DeploymentSpec(Narrow, frozen=True):
    strategy: _Strategy = _Strategy()


class _DeploymentStatus(Narrow, frozen=True):
    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0


class _Deployment(Narrow, frozen=True):
    metadata: ObjectMeta
    spec: _DeploymentSpec = _DeploymentSpec()
    status: _DeploymentStatus = _DeploymentStatus()


class _ServiceSpec(Narrow, frozen=True):
    selector: dict[str, str] | None = None


class _Service(Narrow, frozen=True):
    metadata: ObjectMeta
    spec: _ServiceSpec = _ServiceSpec()


class _Services(Narrow, frozen=True):
    items: tuple[_Service, ...] = ()


class _Condition(Narrow, frozen=True):
    type: str = ""
    status: str = ""


class _State(Narrow, frozen=True):
    conditions: tuple[_Condition, ...] | None = None


class _Running(Narrow, frozen=True):
    metadata: ObjectMeta
    status: _State = _State()


class _ForbiddenError(Exception):
    """Why a pod may not surge, or why nobody knows."""


class _BusyError(Exception):
    """Nobody knows, and it may be known soon."""


UNKNOWN: Final = (*TRANSPORT_ERRORS, _BusyError)


class _Owned(NamedTuple):
    """A pod as it is now, and its ReplicaSet."""

    pod: _Pod
    owner: Detached


class SurgeHands:
    """What surges ask of the API server.

    Parameters
    ----------
    access : ClusterAccess
    writer : Writer
    timeout_s : float
        For one request.
    """

    troubles: ClassVar = (*UNKNOWN, _ForbiddenError, msgspec.DecodeError)
    """What stands in the way of a look."""

    def __init__(self, access: ClusterAccess, writer: Writer, timeout_s: float) -> None:
        self._access = access
        self._writer = writer
        self._timeout_s = timeout_s

    def detach(self, act: Detach) -> Outcome:
        """Take a pod out of its ReplicaSet, if the pod is still what was judged; see `Outcome.answer` where not."""
        try:
            found = self._owned(act)
        except UNKNOWN as error:
            return Outcome("unknown", reason(error, self._timeout_s))
        except (_ForbiddenError, msgspec.DecodeError) as why_not:
            return Outcome("refused", str(why_not), Answer("never", "NoSurge", str(why_not)))
        if found is None:
            return Outcome("stale", "the pod is another by now")
        meta, label = found.pod.metadata, f"/metadata/labels/{HASH_LABEL}"
        operations: list[Json] = [
            {"op": "test", "path": "/metadata/uid", "value": act.uid},
            {"op": "test", "path": "/metadata/resourceVersion", "value": meta.resource_version},
            {"op": "test", "path": label, "value": found.owner.value},
            {"op": "remove", "path": label},
            {"op": "add", "path": _pointer(DETACHED_ANNOTATION), "value": found.owner.told()},
        ]
        return outcome_of(self._writer.json_patch(pod_path(act.namespace, act.pod), operations))

    def reattach(self, act: Reattach) -> Outcome:
        """Give a pod back to its ReplicaSet; where that is gone, the pod would have gone with it, and is evicted."""
        try:
            stands = self.stands(act.namespace, act.owner)
        except UNKNOWN as error:
            return Outcome("unknown", reason(error, self._timeout_s))
        except (_ForbiddenError, msgspec.DecodeError) as why_not:
            return Outcome("refused", str(why_not))
        if not stands:
            body = eviction_body(Evict(act.namespace, act.pod, act.uid))
            written = self._writer.create(f"{pod_path(act.namespace, act.pod)}/eviction", body)
            told = read_answer(written.status, written.body)
            return Outcome("done") if told.verdict in ("accepted", "gone") else Outcome("unknown", told.message)
        operations: list[Json] = [
            {"op": "test", "path": "/metadata/uid", "value": act.uid},
            {"op": "test", "path": _pointer(DETACHED_ANNOTATION), "value": act.owner.told()},
            {"op": "remove", "path": _pointer(DETACHED_ANNOTATION)},
            {"op": "add", "path": f"/metadata/labels/{HASH_LABEL}", "value": act.owner.value},
        ]
        return outcome_of(self._writer.json_patch(pod_path(act.namespace, act.pod), operations))

    def stands(self, namespace: str, owner: Detached) -> bool:
        """Whether the ReplicaSet that a pod was taken out of is there.

        Raises
        ------
        one of ``troubles``
        """
        there = self._get(f"{_sets(namespace)}/{quote(owner.owner, safe='')}", _Set)
        return there is not None and there.metadata.uid == owner.owner_uid

    def why_unready(self, act: Evict) -> Outcome | None:
        """Why the pod that came in place of one is not known to be ready at this moment; None where it is."""
        try:
            found = self._get(pod_path(act.namespace, act.successor), _Running)
        except UNKNOWN as error:
            return Outcome("unknown", reason(error, self._timeout_s))
        except (_ForbiddenError, msgspec.DecodeError) as why_not:
            return Outcome("unknown", str(why_not))
        if found is None or found.metadata.uid != act.successor_uid or found.metadata.deletion_timestamp:
            return Outcome("stale", f"{act.successor} is gone")
        ready = any(each.type == "Ready" and each.status == "True" for each in found.status.conditions or ())
        return None if ready else Outcome("stale", f"{act.successor} is not ready")

    def _owned(self, act: Detach) -> _Owned | None:
        """The pod and its ReplicaSet as they are now, if it may surge.

        Raises
        ------
        _ForbiddenError
        """
        pod = self._get(pod_path(act.namespace, act.pod), _Pod)
        if pod is None or pod.metadata.uid != act.uid or pod.metadata.deletion_timestamp:
            return None
        meta = pod.metadata
        why_not = why_no_surge(meta, pod.spec)
        owner = controller_of(meta.owner_references)
        if why_not or owner is None or owner.uid != act.owner:
            raise _ForbiddenError(why_not or "it is of another owner by now")
        labels = meta.labels or {}
        value = labels[HASH_LABEL]
        found = self._get(f"{_sets(act.namespace)}/{quote(owner.name, safe='')}", _Set)
        if found is None or found.metadata.uid != owner.uid or found.metadata.deletion_timestamp:
            raise _ForbiddenError("its ReplicaSet is gone")
        if (found.spec.selector.match_labels or {}).get(HASH_LABEL) != value:
            raise _ForbiddenError(f"its ReplicaSet does not go by {HASH_LABEL}")
        above = controller_of(found.metadata.owner_references)
        if above is None or above.kind != "Deployment":
            raise _ForbiddenError("it is of no Deployment")
        self._ask_deployment(act.namespace, above.name, above.uid)
        self._ask_services(act.namespace)
        return _Owned(pod, Detached(owner.name, owner.uid, value))

    def _ask_deployment(self, namespace: str, name: str, uid: str) -> None:
        path = f"/apis/apps/v1/namespaces/{quote(namespace, safe='')}/deployments/{quote(name, safe='')}"
        found = self._get(path, _Deployment)
        if found is None or found.metadata.uid != uid or found.metadata.deletion_timestamp:
            raise _ForbiddenError("its Deployment is gone")
        if found.spec.strategy.type == "Recreate":
            raise _ForbiddenError("its Deployment never runs two at once (strategy Recreate)")
        status = found.status
        if status.observed_generation < found.metadata.generation or status.updated_replicas < status.replicas:
            raise _ForbiddenError("a roll-out is in progress")

    def _ask_services(self, namespace: str) -> None:
        """A Service that goes by the label would lose the pod."""
        found = self._get(f"/api/v1/namespaces/{quote(namespace, safe='')}/services", _Services)
        for each in found.items if found is not None else ():
            if HASH_LABEL in (each.spec.selector or {}):
                raise _ForbiddenError(f"Service {each.metadata.name} goes by {HASH_LABEL}")

    def _get(self, path: str, kind: type[T]) -> T | None:
        answer = read(self._access, path, self._timeout_s)
        if answer.status == NOT_FOUND:
            return None
        if answer.status != 200:
            told = f"{path} cannot be read: HTTP {answer.status}"
            raise _BusyError(told) if answer.status == 429 or answer.status >= 500 else _ForbiddenError(told)
        return msgspec.json.decode(answer.body, type=kind)


def _sets(namespace: str) -> str:
    return f"/apis/apps/v1/namespaces/{quote(namespace, safe='')}/replicasets"


def _pointer(annotation: str) -> str:
    return f"/metadata/annotations/{annotation.replace('/', '~1')}"
