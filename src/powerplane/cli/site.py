"""What is known of a cluster before anything is measured: its nodes, their domains, and what each may and can draw.

Pods are not read: who watches watts needs none. From a snapshot directory, a live cluster, or a topology file alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from powerplane.adapters.object_lists import NodeItem, parse_list
from powerplane.adapters.power_file import EXAMPLE as POWER_EXAMPLE
from powerplane.adapters.power_file import parse_power, read_power
from powerplane.adapters.reading import read_file
from powerplane.adapters.snapshot_directory import POWER, TOPOLOGY
from powerplane.adapters.topology_file import parse_topology, read_topology
from powerplane.cli.options import Context, Kubeconfig, PowerFile, SnapshotOption, TopologyFile
from powerplane.cli.progress import Say
from powerplane.cli.site_options import NoCluster
from powerplane.models.build import PowerAssignment
from powerplane.models.errors import InputError, UsageError
from powerplane.models.nodes import node_table
from powerplane.models.objects import Node, ObjectMeta
from powerplane.models.quantities import MILLI
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.telemetry.domains import DomainBook, compile_domains
from powerplane.models.telemetry.facts import NodeFacts, is_ready
from powerplane.models.telemetry.node_names import aliases_of
from powerplane.models.topology import PowerTopology
from powerplane.models.usage import DEVICE_MW, devices_milli

GPU_COUNT = "nvidia.com/gpu.count"
"""Label of a node by NVIDIA's GPU feature discovery: its cards, however often each is offered."""


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


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """Nodes and domains.

    Parameters
    ----------
    facts : tuple of NodeFacts
        Every node.
    book : DomainBook
        Of these nodes, in this order.
    node_budget_mw : dict
        Budgets of nodes in milliwatts, where they have one.
    notes : tuple of str
        What was assumed, a sentence each.
    """

    facts: tuple[NodeFacts, ...]
    book: DomainBook
    node_budget_mw: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


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
    # The Kubernetes client takes more than a second to import; only this needs it.
    from powerplane.cli.site_live import read_live_site  # noqa: PLC0415 (see above)

    return read_live_site(where, say, now)


def make_site(
    nodes: Sequence[Node], topology: PowerTopology, power: PowerAssignment, notes: tuple[str, ...] = ()
) -> Site:
    """Put nodes, domains and powers together.

    Raises
    ------
    InputError
        For a node without a curve, and a domain that lists a node that is not there.
    """
    facts = node_facts(nodes, power)
    budgets = {name: each.budget_mw for name, each in power.nodes.items() if each.budget_mw != NO_BUDGET}
    return Site(facts, compile_domains(topology, tuple(fact.name for fact in facts)), budgets, notes)


def node_facts(nodes: Sequence[Node], power: PowerAssignment) -> tuple[NodeFacts, ...]:
    """Return what is known of each node without measuring it.

    Raises
    ------
    InputError
        For a node whose draw nothing is known of: unmeasured, it could not count at its worst case.
    """
    found = []
    for node in nodes:
        name = node.metadata.name
        own = power.nodes.get(name)
        if own is None:
            raise InputError(
                f"node {name!r} has no power curve, so that its worst case is not known",
                "add `nodes: {default: {curve: NAME}}` to power.yaml, or name the node under byLabel or byName",
            )
        offers = _offers(node)
        accelerators = _accelerators(node, offers)
        device_watts = (DEVICE_MW if own.accelerator_peak_mw is None else own.accelerator_peak_mw) / MILLI
        found.append(
            NodeFacts(
                name=name,
                idle_watts=own.curve.idle_mw / MILLI,
                peak_watts=own.curve.peak_mw / MILLI + accelerators * device_watts,
                aliases=aliases_of(node),
                accelerators=accelerators,
                accelerator_peak_watts=device_watts if accelerators else 0.0,
                cores=offers.get("cpu", 0) / MILLI,
                ready=is_ready(node),
            )
        )
    return tuple(found)


def _accelerators(node: Node, offers: dict[str, int]) -> int:
    """How many cards a node has: as NVIDIA's feature discovery counts them, for shared ones are offered many times."""
    counted = (node.metadata.labels or {}).get(GPU_COUNT, "")
    return int(counted) if counted.isascii() and counted.isdigit() else -(-devices_milli(offers) // MILLI)


def _offers(node: Node) -> dict[str, int]:
    """What a node offers; nothing where it is only known by its name."""
    return node_table([node]).offers[0] if node.status.allocatable else {}


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


def no_power() -> InputError:
    """Say that nothing tells the nodes' worst case."""
    example = "".join(f"      {line}\n" for line in POWER_EXAMPLE.splitlines()).rstrip()
    return InputError(
        "nothing says what the nodes draw at most, which is what those count at that nothing measures",
        f"give `--power power.yaml`:\n{example}",
    )
