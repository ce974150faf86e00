"""Pods in columns: who they are, where they run, and which template each has."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from sys import intern

import numpy as np
from numpy.typing import NDArray

from powerplane.models.errors import InputError
from powerplane.models.objects import Pod
from powerplane.models.pod_reading import FINISHED
from powerplane.models.templates import TemplateBook
from powerplane.models.timestamps import parse_seconds

WAITING = -1


@dataclass(frozen=True, slots=True, eq=False)
class PodRows:
    """Columns of P pods; see ``PodTable``."""

    namespaces: tuple[str, ...]
    names: tuple[str, ...]
    uids: tuple[str, ...]
    node: NDArray[np.int32]
    template: NDArray[np.int32]
    started_s: NDArray[np.int64]


def read_pods(pods: Iterable[Pod], row_of: Mapping[str, int], templates: TemplateBook) -> PodRows:
    """Read the pods that still run or wait, in one walk.

    Parameters
    ----------
    pods : iterable of Pod
    row_of : mapping
        Row by node name.
    templates : TemplateBook
        Collects their templates.

    Raises
    ------
    InputError
        For a pod on a node that is not there, two pods of one name or UID, and amounts that cannot be used.
    """
    by_name: dict[tuple[str, str], None] = {}
    by_uid: dict[str, str] = {}
    node: list[int] = []
    template: list[int] = []
    started: list[int] = []
    for pod in pods:
        if pod.status.phase in FINISHED:
            continue
        meta = pod.metadata
        _note_name(by_name, pod)
        _note_uid(by_uid, pod)
        node.append(_node_row(pod, row_of))
        try:
            template.append(templates.row_of(pod))
            started.append(parse_seconds(moment) if (moment := pod.status.start_time or meta.creation_timestamp) else 0)
        except InputError as error:
            raise InputError(f"pod {meta.namespace}/{meta.name}: {error.problem}", error.next_step) from error
    return PodRows(
        namespaces=tuple(namespace for namespace, _ in by_name),
        names=tuple(name for _, name in by_name),
        uids=tuple(by_uid),
        node=np.array(node, dtype=np.int32),
        template=np.array(template, dtype=np.int32),
        started_s=np.array(started, dtype=np.int64),
    )


def _note_name(by_name: dict[tuple[str, str], None], pod: Pod) -> None:
    meta = pod.metadata
    if not meta.name:
        raise InputError(f"pod {len(by_name) + 1} of the list has no name", "give it a metadata.name")
    if not meta.namespace:
        raise InputError(f"pod {meta.name!r} has no namespace", "set its metadata.namespace, as kubectl prints it")
    name = (intern(meta.namespace), meta.name)
    if name in by_name:
        raise InputError(f"two pods are named {meta.namespace}/{meta.name}", "remove one of them")
    by_name[name] = None


def _note_uid(by_uid: dict[str, str], pod: Pod) -> None:
    itself = f"{pod.metadata.namespace}/{pod.metadata.name}"
    uid = pod.metadata.uid or itself
    if uid in by_uid:
        raise InputError(f"pods {by_uid[uid]} and {itself} have the same UID {uid!r}", "correct or remove one of them")
    by_uid[uid] = itself


def _node_row(pod: Pod, row_of: Mapping[str, int]) -> int:
    name = pod.spec.node_name
    if not name:
        return WAITING
    row = row_of.get(name)
    if row is None:
        raise InputError(
            f"pod {pod.metadata.namespace}/{pod.metadata.name} is on node {name!r}, which the cluster does not have",
            "take nodes and pods at the same moment, or remove the pod",
        )
    return row
