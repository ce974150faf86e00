"""Each wave's safety: nodes and domains hold whichever of its steps have been carried out."""

from collections import defaultdict
from collections.abc import Iterator

from powerplane.solver.check.ledger import Ledger
from powerplane.solver.check.replay import Step, Wave
from powerplane.solver.check.report import Violation
from powerplane.solver.check.transit import Transit
from powerplane.solver.check.words import limit_mw, watts


def check_wave(found: Ledger, ledger: Ledger, wave: Wave) -> Iterator[Violation]:
    """Find what a wave that starts from the ledger's state may break.

    Parameters
    ----------
    found : Ledger
        The state before the plan: what was over a limit then may stay so, but at no point go further over.
    """
    arrivals: dict[int, list[Step]] = defaultdict(list)
    for step in wave.steps:
        arrivals[step.target].append(step)
    for node, steps in arrivals.items():
        yield from _capacity(found, ledger, wave.number, node, steps)
        yield from _node_budget(found, ledger, wave.number, node, steps)
    yield from _domains(found, ledger, wave)


def _capacity(found: Ledger, ledger: Ledger, wave: int, node: int, arrivals: list[Step]) -> Iterator[Violation]:
    """All arrivals, before anything has left, fit into each resource that they ask for."""
    cluster = ledger.cluster
    for resource, name in enumerate(cluster.snapshot.resources):
        coming = sum(cluster.snapshot.templates[step.template].requests[resource] for step in arrivals)
        held, offered = ledger.requests[node][resource], cluster.allocatable[node][resource]
        if coming > 0 and held + coming > offered:
            detail = f"{name}: {held} requested and {coming} arriving, {offered} allocatable"
            yield Violation("capacity", cluster.names[node], wave, detail)
    coming, held = sum(s.use_ucores for s in arrivals), ledger.use_ucores[node]
    offered = max(cluster.capacity_ucores[node], found.use_ucores[node])
    if coming > 0 and held + coming > offered:
        detail = f"{held} micro-cores in use and {coming} arriving, {offered} allocatable"
        yield Violation("cpu-use", cluster.names[node], wave, detail)


def _node_budget(found: Ledger, ledger: Ledger, wave: int, node: int, arrivals: list[Step]) -> Iterator[Violation]:
    """All arrivals, before anything has left, stay within the node's own budget."""
    budget = ledger.cluster.node_budget_mw[node]
    if budget is None:
        return
    use = ledger.use_ucores[node] + sum(step.use_ucores for step in arrivals)
    accelerators = ledger.accelerator_mw[node] + sum(step.accelerator_mw for step in arrivals)
    draw = ledger.cluster.draw_mw(node, use, accelerators)
    if draw > limit_mw(budget, found.draw_mw[node], 1):
        detail = f"draws up to {watts(draw)} with all arrivals, budget {watts(budget)}"
        yield Violation("node-budget", ledger.cluster.names[node], wave, detail)


def _domains(found: Ledger, ledger: Ledger, wave: Wave) -> Iterator[Violation]:
    """No subset of the wave's steps breaks a domain's budget in any situation, or worsens one that was found broken."""
    loads = ledger.cluster.loads
    before = loads.draws(found.draw_mw)
    transit = Transit(ledger, wave, loads.draws(ledger.draw_mw))
    for number, bound in sorted(transit.bounds().items()):
        domain, lost = loads.rows[number].domain, loads.rows[number].lost
        limit = limit_mw(domain.budget_mw, before[number], len(transit.slopes))
        if bound <= limit or (peak := transit.peak(number)) <= limit:
            continue
        case = f" with {lost!r} lost" if lost else ""
        detail = (
            f"may draw {watts(peak)}{case}, budget {watts(domain.budget_mw)}, {watts(before[number])} before the plan"
        )
        yield Violation("domain-budget", domain.name, wave.number, detail)
