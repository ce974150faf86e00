"""Whose pods are whose, for history: every pod of a cluster with its workload, its class and its containers."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

import msgspec

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_kinds import ListedKind
from powerplane.adapters.cluster_lists import Patience, list_all
from powerplane.adapters.watch import Batch, Watched
from powerplane.admission.predicting import class_key
from powerplane.admission.scope import owner_name
from powerplane.models.demand.history import Name
from powerplane.models.errors import InputError, UnreachableError
from powerplane.models.objects import Container, Narrow, ObjectMeta, PodSpec
from powerplane.models.requests import pod_requests

AUTOSCALERS: Final = ListedKind("verticalpodautoscalers", "VerticalPodAutoscaler", "autoscaling.k8s.io/v1")
REMEMBER_S: Final = 3600.0
"""A pod that is gone was there so lately that its last samples may still have to be read."""

PASSING: Final = ("Job/", "Node/")
"""Owners that no later pod has: a Job that no CronJob made is known by its class. A node's own pods are nobody's."""


@dataclass(frozen=True, slots=True)
class SeenPod:
    """A pod, as far as history goes.

    Parameters
    ----------
    owner : str
        ``namespace/Kind/name``; "" where no later pod is of it.
    alike : str
        Its class.
    containers : tuple of str
    """

    owner: str
    alike: str
    containers: tuple[str, ...] = ()


class ImagedContainer(Container, frozen=True):
    """A container with its image."""

    image: str = ""


class ImagedSpec(PodSpec, frozen=True):
    """What a pod asks for, and runs."""

    containers: tuple[ImagedContainer, ...] = ()


class ListedPod(Narrow, frozen=True):
    """A pod as it is read."""

    metadata: ObjectMeta
    spec: ImagedSpec = ImagedSpec()


NamedPod = tuple[Name, SeenPod]


class PodBook:
    """Pods that are there, and that were until lately; filled by a watch, on its thread.

    Parameters
    ----------
    clock : callable
        Seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._here: dict[Name, SeenPod] = {}
        self._gone: dict[Name, tuple[SeenPod, float]] = {}

    def sink(self, batch: Batch[NamedPod]) -> None:
        """Take in a batch."""
        now_s = self._clock()
        with self._lock:
            if batch.replace:
                self._gone |= {name: (pod, now_s) for name, pod in self._here.items()}
                self._here.clear()
            for what, (name, pod) in batch.changes:
                self._here.pop(name, None)
                self._gone.pop(name, None)
                if what == "DELETED":
                    self._gone[name] = (pod, now_s)
                else:
                    self._here[name] = pod

    def pods(self) -> dict[Name, SeenPod]:
        """Return those whose samples may still have to be read."""
        oldest_s = self._clock() - REMEMBER_S
        with self._lock:
            self._gone = {name: each for name, each in self._gone.items() if each[1] >= oldest_s}
            return {name: pod for name, (pod, _) in self._gone.items()} | self._here


class _Target(Narrow, frozen=True):
    kind: str = ""
    name: str = ""


class _UpdatePolicy(Narrow, frozen=True):
    update_mode: str = "Auto"


class _AutoscalerSpec(Narrow, frozen=True):
    target_ref: _Target = _Target()
    update_policy: _UpdatePolicy | None = None


class _Autoscaler(Narrow, frozen=True):
    metadata: ObjectMeta
    spec: _AutoscalerSpec = _AutoscalerSpec()


def watched_pods() -> Watched[NamedPod]:
    """Return how pods are watched: of a whole pod a hundredth is kept."""
    return cast("Watched[NamedPod]", Watched("/api/v1/pods", "Pod", ListedPod, reduce=seen_pod))


def seen_pod(pod: ListedPod) -> NamedPod:
    """Return a pod's name, and whose it is."""
    namespace, owner = pod.metadata.namespace, owner_name(pod.metadata)
    passing = not owner or owner.startswith(PASSING)
    try:
        alike = class_key(namespace, (each.image for each in pod.spec.containers), pod_requests(pod.spec))
    except InputError:
        alike = ""
    seen = SeenPod(
        "" if passing else f"{namespace}/{owner}",
        "" if owner.startswith("Node/") else alike,
        tuple(each.name for each in pod.spec.containers),
    )
    return (namespace, pod.metadata.name), seen


def list_managed(access: ClusterAccess, patience: Patience) -> frozenset[str]:
    """Return the workloads that a VerticalPodAutoscaler changes the pods of; none where the kind does not exist.

    Raises
    ------
    UnreachableError
        When the API server does not answer, or refuses.
    """
    items = list_all(access, AUTOSCALERS, patience)
    try:
        found = [msgspec.json.decode(item, type=_Autoscaler) for item in items]
    except msgspec.DecodeError as error:
        raise UnreachableError(f"a VerticalPodAutoscaler cannot be read: {error}", "try again") from error
    return frozenset(
        f"{each.metadata.namespace}/{each.spec.target_ref.kind}/{each.spec.target_ref.name}"
        for each in found
        if each.spec.update_policy is None or each.spec.update_policy.update_mode != "Off"
    )
