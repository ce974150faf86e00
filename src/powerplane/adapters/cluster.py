"""A live cluster, read once: lists of objects, and a snapshot directory of them.

Only ``list`` is asked of the API server, never for Secrets or ConfigMaps. Kinds are read one after the other, so a pod
that moves meanwhile may be seen on its node before that node is drained; the snapshot is checked when it is read.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec

from powerplane.adapters.cluster_access import ClusterAccess, open_cluster
from powerplane.adapters.cluster_kinds import KINDS
from powerplane.adapters.cluster_labels import catalogue_power, labelled_topology
from powerplane.adapters.cluster_lists import Patience, list_items
from powerplane.adapters.cluster_narrow import narrow
from powerplane.adapters.power_file import EXAMPLE, parse_power
from powerplane.adapters.reading import read_file
from powerplane.adapters.snapshot_directory import write_snapshot
from powerplane.adapters.topology_file import parse_topology
from powerplane.models.errors import InputError, UsageError
from powerplane.models.objects import Node

CATALOGUE = Path("catalogue")
"""Given as the power file (and no file of that name is there): curves by size from the catalogue."""

Progress = Callable[[str, int], None]
"""Called with a kind and how many of it are read so far."""


def read_cluster(
    kubeconfig: Path | None = None,
    context: str | None = None,
    *,
    page_size: int = 500,
    timeout_s: float = 30.0,
    on_progress: Progress | None = None,
) -> dict[str, list[bytes]]:
    """Read the objects that placement depends on.

    Parameters
    ----------
    kubeconfig : Path, optional
        Found as kubectl finds it by default.
    context : str, optional
    page_size : int
        Objects asked for at a time.
    timeout_s : float
        For one page.
    on_progress : callable, optional

    Returns
    -------
    dict of list of bytes
        JSON of each object by the kind's file stem ("pods"), without what containers are told (environment, commands,
        probes), managed fields and last-applied manifests. A kind that the server does not know is left out.

    Raises
    ------
    InputError
        Without a usable kubeconfig or context.
    UnreachableError
        When the server does not answer, or refuses.
    """
    if page_size < 1 or not 0 < timeout_s < float("inf"):
        raise UsageError(f"page size {page_size} and timeout {timeout_s:g} s", "give both above 0")
    access = open_cluster(kubeconfig, context)
    try:
        return read_lists(access, Patience(page_size, timeout_s), on_progress)
    finally:
        access.api.rest_client.close()


def read_lists(
    access: ClusterAccess, patience: Patience, on_progress: Progress | None = None
) -> dict[str, list[bytes]]:
    """Read every kind through an open way to the cluster; see ``read_cluster``."""
    lists: dict[str, list[bytes]] = {}
    for kind in KINDS:
        listed: list[msgspec.Raw] | None = None
        for listed in list_items(access, kind, patience):
            if on_progress:
                on_progress(kind.file, len(listed))
        if listed is not None:
            lists[kind.file] = [narrow(kind, raw) for raw in listed]
    return lists


def snapshot_cluster(
    path: Path,
    kubeconfig: Path | None = None,
    context: str | None = None,
    *,
    topology: Path | None = None,
    power: Path | None = None,
    usage: Path | None = None,
    page_size: int = 500,
    timeout_s: float = 30.0,
    on_progress: Progress | None = None,
    overwrite: bool = False,
) -> None:
    """Write a live cluster into a snapshot directory.

    Parameters
    ----------
    path : Path
        The directory.
    kubeconfig, context, page_size, timeout_s, on_progress : see ``read_cluster``
    topology : Path, optional
        A topology.yaml; without it racks come from the label ``powerplane.dev/rack`` or
        ``topology.kubernetes.io/rack``, rows and feeds from ``powerplane.dev/row`` and ``powerplane.dev/feed``, none
        with a budget.
    power : Path
        A power.yaml, or ``CATALOGUE``.
    usage : Path, optional
        A usage.csv.
    overwrite : bool
        Replace a snapshot that is there.

    Raises
    ------
    InputError, UnreachableError, UsageError
        Nothing is written then.
    """
    files = {file: read_file(file) for file in (topology, power, usage) if file and not _is_catalogue(file)}
    if power is None:
        raise _no_power()
    lists = read_cluster(kubeconfig, context, page_size=page_size, timeout_s=timeout_s, on_progress=on_progress)
    nodes = [msgspec.json.decode(raw, type=Node) for raw in lists["nodes"]]
    if not nodes:
        raise InputError("the cluster has no nodes", "check the context: `kubectl config get-contexts`")
    topology_yaml = files[topology] if topology else labelled_topology(nodes).encode()
    power_yaml = files[power] if power in files else catalogue_power(nodes).encode()
    # Read once before they are written, so that no directory appears that cannot be read.
    parse_topology(topology_yaml, nodes)
    parse_power(power_yaml, nodes)
    write_snapshot(
        path,
        {name: _list(items) for name, items in lists.items()},
        topology_yaml,
        power_yaml,
        files[usage] if usage else None,
        overwrite=overwrite,
    )


def _is_catalogue(file: Path) -> bool:
    return file == CATALOGUE and not file.exists()


def _no_power() -> InputError:
    example = "".join(f"      {line}\n" for line in EXAMPLE.splitlines()).rstrip()
    return InputError(
        "nothing says what the nodes draw",
        f"pass `--power {CATALOGUE}` for published servers of their size, or `--power power.yaml`:\n{example}",
    )


def _list(items: list[bytes]) -> bytes:
    return b'{"apiVersion":"v1","kind":"List","items":[' + b",\n".join(items) + b"]}\n"
