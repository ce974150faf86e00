"""Whose pods are whose, for history: every pod of a cluster with its workload, its class and its containers."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_kinds import ListedKind
from powerplane.adapters.cluster_lists import Patience, list_items
from powerplane.admission.predicting import class_key
from powerplane.admission.scope import owner_name
from powerplane.models.demand.history import Name
from powerplane.models.errors import InputError, UnreachableError
from powerplane.models.objects import Narrow, ObjectMeta, Pod
from powerplane.models.requests import pod_requests

PODS: Final = ListedKind("pods", "Pod", needed=True)
AUTOSCALERS: Final = ListedKind("verticalpodautoscalers", "VerticalPodAutoscaler", "autoscaling.k8s.io/v1")
REMEMBER_S: Final = 3600.0
"""A pod that is gone was there so lately that its last samples may still have to be read."""

PASSING: Final = ("Job/", "Node/")
"""Owners that no later pod has: a Job that no CronJob made is known by its class. A node's own pods are nobody's."""

_DONE = msgspec.Raw(b"")


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


@dataclass(slots=True)
class PodBook:
    """Pods that are there, and that were until lately."""

    pods: dict[Name, SeenPod] = field(default_factory=dict)
    _seen_s: dict[Name, float] = field(default_factory=dict)

    def take(self, listed: Iterable[tuple[Name, SeenPod]], now_s: float) -> None:
        """Take a list of all pods in."""
        for name, pod in listed:
            self.pods[name] = pod
            self._seen_s[name] = now_s
        for name in [name for name, seen_s in self._seen_s.items() if seen_s < now_s - REMEMBER_S]:
            del self.pods[name], self._seen_s[name]


class _Imaged(Narrow, frozen=True):
    image: str = ""


class _ImagedSpec(Narrow, frozen=True):
    containers: tuple[_Imaged, ...] = ()


class _ImagedPod(Narrow, frozen=True):
    spec: _ImagedSpec = _ImagedSpec()


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


def list_pods(access: ClusterAccess, patience: Patience) -> list[tuple[Name, SeenPod]]:
    """List all pods.

    Raises
    ------
    UnreachableError
        When the API server does not answer.
    """
    found: list[tuple[Name, SeenPod]] = []
    for items in list_items(access, PODS, patience):
        if len(items) < len(found):  # the list has been started anew
            found = []
        for at in range(len(found), len(items)):
            found.append(read_pod(items[at]))
            # Of a whole pod a hundredth is needed: it is not kept until the last page is there.
            items[at] = _DONE
    return found


def read_pod(raw: bytes | msgspec.Raw) -> tuple[Name, SeenPod]:
    """Return a pod's name, and whose it is.

    Raises
    ------
    UnreachableError
        For what is no pod.
    """
    try:
        pod, imaged = msgspec.json.decode(raw, type=Pod), msgspec.json.decode(raw, type=_ImagedPod)
    except msgspec.DecodeError as error:
        raise UnreachableError(f"the API server lists what is no pod: {error}", "try again") from error
    namespace, owner = pod.metadata.namespace, owner_name(pod.metadata)
    passing = not owner or owner.startswith(PASSING)
    try:
        alike = class_key(namespace, (each.image for each in imaged.spec.containers), pod_requests(pod.spec))
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
    pages = [*list_items(access, AUTOSCALERS, patience)]
    try:
        found = [msgspec.json.decode(item, type=_Autoscaler) for item in (pages[-1] if pages else ())]
    except msgspec.DecodeError as error:
        raise UnreachableError(f"a VerticalPodAutoscaler cannot be read: {error}", "try again") from error
    return frozenset(
        f"{each.metadata.namespace}/{each.spec.target_ref.kind}/{each.spec.target_ref.name}"
        for each in found
        if each.spec.update_policy is None or each.spec.update_policy.update_mode != "Off"
    )
