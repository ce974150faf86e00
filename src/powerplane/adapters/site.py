"""What is known of a cluster before anything is measured: its nodes, their domains, and what each may and can draw."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from powerplane.adapters.power_file import EXAMPLE as POWER_EXAMPLE
from powerplane.models.build import PowerAssignment
from powerplane.models.errors import InputError
from powerplane.models.nodes import node_table
from powerplane.models.objects import Node
from powerplane.models.quantities import MILLI
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.telemetry.domains import DomainBook, compile_domains
from powerplane.models.telemetry.facts import NodeFacts, is_ready
from powerplane.models.telemetry.node_names import aliases_of
from powerplane.models.topology import PowerTopology
from powerplane.models.usage import DEVICE_MW, devices_milli

GPU_COUNT = "nvidia.com/gpu.count"
"""Label of a node by NVIDIA's GPU feature discovery: its cards, however often each is offered."""


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


def no_power() -> InputError:
    """Say that nothing tells the nodes' worst case."""
    example = "".join(f"      {line}\n" for line in POWER_EXAMPLE.splitlines()).rstrip()
    return InputError(
        "nothing says what the nodes draw at most, which is what those count at that nothing measures",
        f"give `--power power.yaml`:\n{example}",
    )
