"""What is known of a cluster before anything is measured: its nodes, their domains, and what each may and can draw.

Pods are not read: who watches watts needs none. From a snapshot directory, a live cluster, or a topology file alone.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from powerplane.adapters.object_lists import NodeItem, parse_list
from powerplane.adapters.power_file import parse_power, read_power
from powerplane.adapters.reading import read_file
from powerplane.adapters.site import Site, make_site, no_power
from powerplane.adapters.snapshot_directory import POWER, TOPOLOGY
from powerplane.adapters.topology_file import parse_topology, read_topology
from powerplane.cli.options import Context, Kubeconfig, PowerFile, SnapshotOption, TopologyFile
from powerplane.cli.progress import Say
from powerplane.cli.site_options import NoCluster
from powerplane.models.errors import InputError, UsageError
from powerplane.models.nodes import node_table
from powerplane.models.objects import Node, ObjectMeta


@dataclass(frozen=True, slots=True)
class SiteFrom:
    """Where a site is read from.

    Parameters
    ----------
    snapshot : Path or None
        A snapshot directory; without it the live cluster.
    kubeconfig, context : optional
        The cluster; as kubectl finds it by default.
    topology, power : Path or None
        topology.yaml and power.yaml for the live cluster, or for none.
    no_cluster : bool
        Take the nodes from the topology file alone.
    """

    snapshot: SnapshotOption = None
    kubeconfig: Kubeconfig = None
    context: Context = None
    topology: TopologyFile = None
    power: PowerFile = None
    no_cluster: NoCluster = False


SiteOptions = Annotated[SiteFrom, Parameter(name="*")]
"""One parameter of a command for all of them."""
LIVE_SITE = SiteFrom()


def read_site(where: SiteFrom, say: Say, now: datetime) -> Site:
    """Read a site.

    Parameters
    ----------
    where : SiteFrom
    say : Say
        Told what is being read.
    now : datetime
        With a time zone: policies of a live cluster are read at this moment.

    Raises
    ------
    UsageError, InputError, UnreachableError
    """
    others = (where.kubeconfig, where.context, where.topology, where.power)
    if where.snapshot is not None:
        if any(others) or where.no_cluster:
            raise UsageError(
                "--snapshot stands for a cluster already, and so do --kubeconfig, --context, --topology, --power and "
                "--no-cluster",
                f"leave those out; {where.snapshot} has files of its own",
            )
        return _of_snapshot(where.snapshot)
    if where.no_cluster:
        if where.kubeconfig or where.context:
            raise UsageError("--no-cluster goes with neither --kubeconfig nor --context", "leave them out")
        return _of_files(where.topology, where.power)
    from powerplane.cli.site_live import read_live_site  # noqa: PLC0415  # the Kubernetes client: a second to import

    return read_live_site(where, say, now)


def _of_snapshot(directory: Path) -> Site:
    if not directory.is_dir():
        raise InputError(
            f"{directory} is not a directory", "name a snapshot directory: nodes.json, topology.yaml, power.yaml, …"
        )
    data = read_file(directory / "nodes.json", example="kubectl get nodes -A -o json > nodes.json")
    nodes = tuple(parse_list(data, NodeItem, "nodes.json"))
    node_table(nodes)
    return make_site(nodes, read_topology(directory / TOPOLOGY, nodes), read_power(directory / POWER, nodes))


def _of_files(topology: Path | None, power: Path | None) -> Site:
    if topology is None:
        raise UsageError("--no-cluster needs --topology: nothing else names the nodes", "give --topology topology.yaml")
    if power is None:
        raise no_power()
    data = read_file(topology)
    try:
        domains = parse_topology(data, (), topology.name)
    except InputError as error:
        if "nodeSelector" in error.problem:
            raise InputError(
                f"{error.problem}: without a cluster no node has labels",
                "list the nodes by name (`nodes: [n1, n2]`), or leave --no-cluster out",
            ) from error
        raise
    names = dict.fromkeys(node for domain in domains.domains for node in domain.nodes)
    nodes = tuple(Node(metadata=ObjectMeta(name=name)) for name in names)
    return make_site(nodes, domains, parse_power(read_file(power), nodes, power.name))
