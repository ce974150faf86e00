"""The snapshot directory: a cluster in files, read into a Snapshot, and written whole or not at all."""

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from powerplane.adapters.directories import replace_directory
from powerplane.adapters.object_lists import (
    ClaimItem,
    DisruptionBudgetItem,
    LazyList,
    NamespaceItem,
    NodeItem,
    PodItem,
    PriorityClassItem,
    ReplicaSetItem,
    VolumeItem,
    parse_list,
)
from powerplane.adapters.power_file import read_power
from powerplane.adapters.reading import MAX_FILE_BYTES, read_file
from powerplane.adapters.topology_file import read_topology
from powerplane.adapters.usage_file import parse_usage
from powerplane.models.build import ClusterObjects, PowerAssignment, build_snapshot
from powerplane.models.errors import InputError, UsageError
from powerplane.models.snapshot import Snapshot
from powerplane.models.topology import PowerTopology
from powerplane.models.usage import UsageRow

LISTS = (
    "nodes",
    "pods",
    "poddisruptionbudgets",
    "priorityclasses",
    "replicasets",
    "deployments",
    "statefulsets",
    "daemonsets",
    "jobs",
    "namespaces",
    "persistentvolumes",
    "persistentvolumeclaims",
)
"""Names of the lists, without ``.json``; deployments, statefulsets, daemonsets and jobs are kept, but not read."""

TOPOLOGY, POWER, USAGE = "topology.yaml", "power.yaml", "usage.csv"
FILES = (*(f"{name}.json" for name in LISTS), TOPOLOGY, POWER, USAGE)

T = TypeVar("T", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class ClusterFiles:
    """What the files of a snapshot directory say, before they become a snapshot.

    Parameters
    ----------
    objects : ClusterObjects
        Its pods are decoded anew at every walk.
    topology : PowerTopology
    power : PowerAssignment
    usage : tuple of UsageRow
        Empty without a usage.csv.
    """

    objects: ClusterObjects
    topology: PowerTopology
    power: PowerAssignment
    usage: tuple[UsageRow, ...] = ()


def read_snapshot(path: Path | str, *, as_of_s: int | None = None, max_file_bytes: int = MAX_FILE_BYTES) -> Snapshot:
    """Read a snapshot directory.

    Parameters
    ----------
    path : Path or str
    as_of_s : int, optional
        The moment, in seconds since the epoch; the newest start of a pod where it is not given.
    max_file_bytes : int
        Larger files are refused unread.

    Raises
    ------
    InputError
        For whatever cannot be used: the file, the place and the value are named.
    """
    with no_cycles():
        files = read_cluster_files(Path(path), max_file_bytes=max_file_bytes)
        return build_snapshot(files.objects, files.topology, files.power, files.usage, as_of_s=as_of_s)


def read_cluster_files(directory: Path, *, max_file_bytes: int = MAX_FILE_BYTES) -> ClusterFiles:
    """Read the files of a snapshot directory; see ``read_snapshot``."""
    if not directory.is_dir():
        raise InputError(
            f"{directory} is not a directory", "name a snapshot directory: nodes.json, pods.json, topology.yaml, …"
        )
    objects = read_objects(directory, max_file_bytes=max_file_bytes)
    topology = read_topology(directory / TOPOLOGY, objects.nodes, max_file_bytes=max_file_bytes)
    power = read_power(directory / POWER, objects.nodes, max_file_bytes=max_file_bytes)
    file = directory / USAGE
    usage = parse_usage(read_file(file, max_file_bytes=max_file_bytes)) if file.exists() else ()
    return ClusterFiles(objects, topology, power, tuple(usage))


def read_objects(directory: Path, *, max_file_bytes: int = MAX_FILE_BYTES) -> ClusterObjects:
    """Read the lists of a snapshot directory; pods stay undecoded until they are walked."""

    def items(name: str, item: type[T]) -> LazyList[T]:
        file = directory / f"{name}.json"
        if name not in REQUIRED_LISTS and not file.exists():
            return LazyList(file.name, (), item)
        command = f"kubectl get {name} -A -o json > {file.name}"
        return parse_list(read_file(file, example=command, max_file_bytes=max_file_bytes), item, file.name)

    return ClusterObjects(
        nodes=tuple(items("nodes", NodeItem)),
        pods=items("pods", PodItem),
        pod_disruption_budgets=tuple(items("poddisruptionbudgets", DisruptionBudgetItem)),
        priority_classes=tuple(items("priorityclasses", PriorityClassItem)),
        replica_sets=tuple(items("replicasets", ReplicaSetItem)),
        namespaces=tuple(items("namespaces", NamespaceItem)),
        persistent_volumes=tuple(items("persistentvolumes", VolumeItem)),
        persistent_volume_claims=tuple(items("persistentvolumeclaims", ClaimItem)),
    )


REQUIRED_LISTS = ("nodes", "pods")


def write_snapshot(
    path: Path | str,
    lists: Mapping[str, bytes | Sequence[msgspec.Struct]],
    topology_yaml: bytes | str,
    power_yaml: bytes | str,
    usage_csv: bytes | str | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Write a snapshot directory: all of it appears at once, or nothing does.

    Parameters
    ----------
    path : Path or str
    lists : mapping
        By name without ``.json`` ("pods"): a list's bytes as the API gave them, or the objects.
    topology_yaml, power_yaml, usage_csv : bytes or str
        The files' text.
    overwrite : bool
        Replace a snapshot that is there; a directory with anything else in it is never replaced.

    Raises
    ------
    UsageError
        When the directory is not empty and may not be replaced, or the name of a list is unknown.
    """
    if unknown := sorted(set(lists) - set(LISTS)):
        raise UsageError(f"a snapshot has no list {unknown[0]!r}", f"name one of {', '.join(LISTS)}")
    files = {f"{name}.json": _list_bytes(listed) for name, listed in lists.items()}
    files |= {TOPOLOGY: _bytes(topology_yaml), POWER: _bytes(power_yaml)}
    if usage_csv is not None:
        files[USAGE] = _bytes(usage_csv)
    replace_directory(Path(path), files, replaceable=FILES if overwrite else ())


def _list_bytes(listed: bytes | Sequence[msgspec.Struct]) -> bytes:
    if isinstance(listed, bytes):
        return listed
    return msgspec.json.encode({"apiVersion": "v1", "kind": "List", "items": listed})


def _bytes(text: bytes | str) -> bytes:
    return text.encode() if isinstance(text, str) else text


@contextmanager
def no_cycles() -> Iterator[None]:
    """Hold the collector of cycles back: the structs have none, and walking millions of them takes seconds."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
