"""From our objects and the nodes to the power tree that is in force; made on a thread, taken over by the event loop."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from powerplane.adapters.node_rates import node_rates
from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject, PowerCappingPolicyObject
from powerplane.models.api.domain_reading import NodeAllowance
from powerplane.models.api.policies import effective_rack_budgets
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.api.tree import Specs, TreeReading, read_tree
from powerplane.models.power_tree import NodeFigures, PowerTree, compile_tree
from powerplane.models.topology import PowerTopology
from powerplane.scheduler_extender.facts import NodeFact


@dataclass(frozen=True, slots=True)
class Ground:
    """Everything that a tree is made of, at one moment.

    Parameters
    ----------
    nodes : mapping of name to NodeFact
    domains : mapping of name to PowerDomainObject
    policies, tenant_policies : mapping of "namespace/name" to policies
        Cluster-wide ones, which may lower budgets; and those of namespaces.
    accepted : mapping
        Specs that were in force last.
    """

    nodes: Mapping[str, NodeFact] = field(default_factory=dict)
    domains: Mapping[str, PowerDomainObject] = field(default_factory=dict)
    policies: Mapping[str, ClusterPowerCappingPolicyObject] = field(default_factory=dict)
    tenant_policies: Mapping[str, PowerCappingPolicyObject] = field(default_factory=dict)
    accepted: Specs = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """A tree, what it was read from, and what each domain may draw under the policies of the moment.

    Parameters
    ----------
    reading : TreeReading
    tree : PowerTree
    budgets_mw : dict
        By domain, where a policy lowers it.
    holds : bool
        False where there are domains and none of them can be in force.
    """

    reading: TreeReading
    tree: PowerTree
    budgets_mw: dict[str, int]
    holds: bool


def stand(ground: Ground, now: datetime) -> Standing:
    """Make the tree that is in force now.

    Parameters
    ----------
    ground : Ground
    now : datetime
        With a time zone; schedules of policies are read at this moment.
    """
    nodes = sorted(ground.nodes.values(), key=lambda node: node.name)
    reading = read_tree(ground.domains.values(), [(node.name, dict(node.labels)) for node in nodes], ground.accepted)
    budgets = _budgets(ground, reading, now)
    figures = [_figures(node, reading.allowances.get(node.name)) for node in nodes]
    tree = compile_tree(reading.topology, figures, budgets)
    return Standing(reading, tree, budgets, reading.in_force != "none")


def _budgets(ground: Ground, reading: TreeReading, now: datetime) -> dict[str, int]:
    topology: PowerTopology | None = reading.topology
    if topology is None or not ground.policies:
        return {}
    own = {domain.name: domain.budget_mw for domain in topology.domains}
    lowered = effective_rack_budgets(ground.domains.values(), ground.policies.values(), now, own)
    return {name: budget for name, budget in lowered.items() if name in own and budget != own[name]}


def _figures(node: NodeFact, allowance: NodeAllowance | None) -> NodeFigures:
    known = allowance or NodeAllowance()
    dynamic = max(0, known.peak_mw - known.idle_mw) if known.peak_mw is not None else 0
    rates = node_rates(dict(node.labels), {"cpu": f"{node.mcores}m", **dict(node.devices)}, dynamic)
    return NodeFigures(node.name, known.budget_mw, known.idle_mw, rates.per_core_mw, known.peak_mw, rates.device_mw)
