"""A live cluster's nodes and domains: domains from a file, from PowerDomains, or from labels, in this order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import msgspec

from powerplane.adapters.cluster import CATALOGUE
from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_kinds import KINDS, ListedKind
from powerplane.adapters.cluster_labels import catalogue_power, labelled_topology
from powerplane.adapters.cluster_lists import Patience, list_items
from powerplane.adapters.power_file import parse_power
from powerplane.adapters.reading import read_file
from powerplane.adapters.site import Site, make_site
from powerplane.adapters.topology_file import parse_topology
from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject
from powerplane.models.api.domain_reading import NodeAllowance
from powerplane.models.api.kinds import API_VERSION, CLUSTER_CAPPING_POLICY, POWER_DOMAIN, ApiKind
from powerplane.models.api.policies import effective_rack_budgets
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.api.tree import TreeReading, read_tree
from powerplane.models.build import NodePower, PowerAssignment
from powerplane.models.curves import PowerCurve
from powerplane.models.errors import InputError, UnreachableError
from powerplane.models.objects import Node
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.topology import PowerTopology

T = TypeVar("T", bound=msgspec.Struct)

NODES = next(kind for kind in KINDS if kind.file == "nodes")
PATIENCE = Patience()
FORBIDDEN = "(403)"


@dataclass(frozen=True, slots=True)
class Tree:
    """Domains, and what they say of their nodes.

    Parameters
    ----------
    topology : PowerTopology
    allowances : mapping
        By node; empty where the source of the domains says nothing of nodes.
    notes : tuple of str
    """

    topology: PowerTopology
    allowances: Mapping[str, NodeAllowance]
    notes: tuple[str, ...] = ()


def read_live_site(access: ClusterAccess, topology: Path | None, power: Path | None, now: datetime) -> Site:
    """Read nodes and domains, by ``list`` requests alone.

    Parameters
    ----------
    access : ClusterAccess
    topology, power : Path or None
        topology.yaml and power.yaml, in the place of what the cluster says.
    now : datetime
        With a time zone: policies are read at this moment.

    Raises
    ------
    InputError, UnreachableError
    """
    nodes = list_nodes(access)
    if not nodes:
        raise InputError("the cluster has no nodes", "check the context: `kubectl config get-contexts`")
    return site_of(nodes, _read_tree(access, topology, nodes, now), power)


def list_nodes(access: ClusterAccess) -> list[Node]:
    """Read the nodes, by ``list`` requests alone.

    Raises
    ------
    InputError, UnreachableError
    """
    return [node for node in _listed(access, NODES, Node) if node.metadata.name]


def site_of(nodes: Sequence[Node], tree: Tree, power_file: Path | None) -> Site:
    """Put nodes and their tree together; what nodes draw is by the file, by the tree, or by the catalogue.

    Raises
    ------
    InputError
    """
    power, notes = power_of(power_file, nodes, tree.allowances)
    site = make_site(nodes, tree.topology, power, (*tree.notes, *notes))
    return replace(site, node_budget_mw=site.node_budget_mw | _budgets(tree.allowances, site.node_budget_mw))


def power_of(
    file: Path | None, nodes: Sequence[Node], allowances: Mapping[str, NodeAllowance]
) -> tuple[PowerAssignment, tuple[str, ...]]:
    """Return what nodes draw, and what was assumed for it.

    By a file, by their PowerDomains where those state it for all of them, or by the catalogue.

    Raises
    ------
    InputError
    """
    if file is not None and not (file == CATALOGUE and not file.exists()):
        return parse_power(read_file(file), nodes, file.name), ()
    stated = {node.metadata.name: _stated(allowances.get(node.metadata.name)) for node in nodes}
    known = {name: power for name, power in stated.items() if power is not None}
    if file is None and len(known) == len(nodes):
        return PowerAssignment(known), ()
    note = "what nodes draw at most is assumed by their size from the catalogue of published servers; --power FILE"
    return parse_power(catalogue_power(nodes).encode(), nodes, "the catalogue"), (f"{note} states it",)


def tree_of(
    domains: Sequence[PowerDomainObject],
    policies: Sequence[ClusterPowerCappingPolicyObject],
    nodes: Sequence[Node],
    now: datetime,
) -> Tree:
    """Return the tree that PowerDomains make, with the budgets that policies put in force.

    Parameters
    ----------
    domains : sequence of PowerDomainObject
        Without any, racks and rows come from the nodes' labels, with no budget.
    policies : sequence of ClusterPowerCappingPolicyObject
    nodes : sequence of Node
    now : datetime
        With a time zone.

    Raises
    ------
    InputError
        When no PowerDomains are in force.
    """
    if not domains:
        return Tree(_by_labels(nodes), {})
    reading = read_tree(domains, [(node.metadata.name, node.metadata.labels or {}) for node in nodes])
    if reading.topology is None:
        raise _not_in_force(reading)
    budgets = effective_rack_budgets(
        domains, policies, now, {domain.name: domain.budget_mw for domain in reading.topology.domains}
    )
    return Tree(_with_budgets(reading.topology, budgets), reading.allowances, _defects(reading))


def _listed(access: ClusterAccess, kind: ListedKind, struct: type[T]) -> list[T]:
    """All objects of a kind; none of one that the server does not know."""
    raws: Sequence[msgspec.Raw] = ()
    for so_far in list_items(access, kind, PATIENCE):
        raws = so_far
    decode = msgspec.json.Decoder(struct).decode
    try:
        return [decode(raw) for raw in raws]
    except msgspec.MsgspecError as error:
        raise InputError(
            f"an object of {kind.resource} cannot be read: {error}", f"look at it: kubectl get {kind.resource} -o yaml"
        ) from error


def _read_tree(access: ClusterAccess, file: Path | None, nodes: Sequence[Node], now: datetime) -> Tree:
    if file is not None:
        return Tree(parse_topology(read_file(file), nodes, file.name), {})
    try:
        domains = _listed(access, _listed_kind(POWER_DOMAIN), PowerDomainObject)
        policies = _listed(access, _listed_kind(CLUSTER_CAPPING_POLICY), ClusterPowerCappingPolicyObject)
    except UnreachableError as error:
        if FORBIDDEN not in error.problem:
            raise
        note = "PowerDomains and their policies may not be listed, so that domains come from the nodes' labels"
        return Tree(_by_labels(nodes), {}, (note,))
    return tree_of(domains, policies, nodes, now)


def _listed_kind(kind: ApiKind) -> ListedKind:
    return ListedKind(kind.plural, kind.name, API_VERSION)


def _by_labels(nodes: Sequence[Node]) -> PowerTopology:
    return parse_topology(labelled_topology(nodes).encode(), nodes, "the nodes' labels")


def _with_budgets(topology: PowerTopology, budgets_mw: Mapping[str, int]) -> PowerTopology:
    return PowerTopology(
        tuple(replace(domain, budget_mw=budgets_mw.get(domain.name, domain.budget_mw)) for domain in topology.domains)
    )


def _not_in_force(reading: TreeReading) -> InputError:
    name, defects = next(iter(reading.defects.items()), ("", ()))
    told = f": PowerDomain {name!r}: {defects[0].message}" if defects else ""
    return InputError(
        f"no PowerDomains are in force{told}", "correct them (`kubectl get powerdomains`), or pass --topology FILE"
    )


def _defects(reading: TreeReading) -> tuple[str, ...]:
    if reading.in_force == "current":
        return ()
    name, defects = next(iter(reading.defects.items()), ("", ()))
    told = f" (PowerDomain {name!r}: {defects[0].message})" if defects else ""
    return (f"the PowerDomains as they are make no tree{told}, so that the last ones that did are in force",)


def _stated(allowance: NodeAllowance | None) -> NodePower | None:
    if allowance is None or allowance.peak_mw is None:
        return None
    knots = (Fraction(0), Fraction(1))
    curve = PowerCurve("stated", knots, (min(allowance.idle_mw, allowance.peak_mw), allowance.peak_mw))
    return NodePower(curve, accelerator_peak_mw=0)


def _budgets(allowances: Mapping[str, NodeAllowance], own_mw: Mapping[str, int]) -> dict[str, int]:
    """The tighter of both budgets of each node that its domain states one for."""
    return {
        name: min(each.budget_mw, own_mw.get(name, NO_BUDGET))
        for name, each in allowances.items()
        if each.budget_mw != NO_BUDGET
    }
