"""``powerplane doctor``: holes of the power topology, through which watts are drawn that no budget holds."""

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np

from powerplane.admission.gates.facts import SeenPod, SeenPodStatus, node_fact, pod_fact
from powerplane.admission.gates.ground import Lie, budgets_now, ground_of, lie_of
from powerplane.admission.gates.headroom import drawn_mw
from powerplane.cli.doctor_cluster.saying import fail, listed, ok, report, unseen, warn
from powerplane.cli.doctor_cluster.seen import Cluster, DoctorPod
from powerplane.cli.doctor_section import Finding, SectionReport
from powerplane.cli.report import words
from powerplane.models.api.tree import TreeReading
from powerplane.models.plan import Wire
from powerplane.models.pod_reading import FINISHED
from powerplane.models.quantities import MILLI
from powerplane.models.snapshot import NO_BUDGET

DECLARE = "docs/how-to/declare-power-domains.md"
CORRECT = "correct it: kubectl edit powerdomain"


class OverView(Wire, frozen=True):
    """A budget that is passed by what is bound."""

    name: str
    kind: str
    budget_watts: float
    over_watts: float


class TopologyView(Wire, frozen=True):
    """The topology.

    Attributes
    ----------
    in_force : str
        Whether the domains as they are are in force: "current", "accepted" (the last that made a tree) or "none".
    outside, without_peak : tuple of str
        Nodes.
    without_budget : tuple of str
        Domains.
    over : tuple of OverView
    """

    domains: int
    in_force: str
    outside: tuple[str, ...] = ()
    without_peak: tuple[str, ...] = ()
    without_budget: tuple[str, ...] = ()
    over: tuple[OverView, ...] = ()


def examine_topology(cluster: Cluster) -> SectionReport:
    """Report on the topology: which nodes and domains leave holes, and budgets that are passed as things stand.

    Parameters
    ----------
    cluster : Cluster
    """
    for found, what in ((cluster.nodes, "nodes"), (cluster.domains, "PowerDomains")):
        if not found.seen:
            return report("topology", "Power topology", [unseen("domains", what, found.told)])
    if not cluster.domains.items:
        text = "there are no PowerDomains: no budget holds"
        finding = warn("domains", text, f"powerplane topology, or by hand: {DECLARE}")
        return report("topology", "Power topology", [finding], TopologyView(domains=0, in_force="none"))
    facts = {each.metadata.name: node_fact(each) for each in cluster.nodes.items}
    lie = lie_of(cluster.domains.items, facts, {})
    reading = lie.reading
    budgets_mw = budgets_now(
        reading, cluster.domains.items, cluster.cluster_policies.items, datetime.fromtimestamp(cluster.now_s, UTC)
    )
    domains = reading.topology.domains if reading.topology else ()
    view = TopologyView(
        domains=len(cluster.domains.items),
        in_force=reading.in_force,
        outside=reading.outside,
        without_peak=tuple(n for n, a in reading.allowances.items() if a.peak_mw is None or not a.idle_mw),
        without_budget=tuple(
            d.name
            for d in domains
            if budgets_mw.get(d.name, d.budget_mw) == NO_BUDGET and not _held_above(reading, d.name)
        ),
        over=tuple(_over(cluster, lie, budgets_mw)) if reading.topology else (),
    )
    return report("topology", "Power topology", _findings(cluster, reading, view), view)


def _findings(cluster: Cluster, reading: TreeReading, view: TopologyView) -> Iterator[Finding]:
    yield from _defects(reading, view)
    if view.outside:
        count = words.count(len(view.outside), "node")
        text = f"{count} in no domain, which no budget holds: {listed(view.outside)}"
        yield warn("nodes in no domain", text, f"give them the label that a rack's nodeSelector asks for: {DECLARE}")
    if view.without_budget:
        count = words.count(len(view.without_budget), "domain")
        text = f"{count} without a budget, of their own or above them: {listed(view.without_budget)}"
        yield warn("domains without a budget", text, f"{CORRECT} {view.without_budget[0]}: spec.budget")
    if view.without_peak:
        count = words.count(len(view.without_peak), "node")
        nothing = "pods there that state no watts count as nothing"
        text = f"{count} without idle or peak watts ({nothing}): {listed(view.without_peak)}"
        yield warn("nodes without idle and peak", text, f"{CORRECT} RACK: spec.node.idle and spec.node.peak")
    if not cluster.pods.seen:
        yield unseen("budgets", "pods, and so whether budgets hold what is bound,", cluster.pods.told)
    elif view.over:
        told = [f"{each.kind} {each.name} by {words.watts(each.over_watts)}" for each in view.over]
        text = f"what is bound now, and nodes' idle draw, is above the budget of {listed(told)}"
        yield warn("budgets", text, "nothing new comes there; see what would have to move: powerplane plan")
    elif view.in_force != "none":
        yield ok("budgets", "every budget holds what is bound now and what nodes draw idle")


def _defects(reading: TreeReading, view: TopologyView) -> Iterator[Finding]:
    if not reading.defects:
        yield ok("domains", f"{words.count(view.domains, 'domain')}, in force as they are")
        return
    state = (
        "the last tree that was one stays in force"
        if reading.in_force == "accepted"
        else "no tree is in force: nobody is let in"
    )
    for name, defects in [*reading.defects.items()][:MOST_DEFECTS]:
        for defect in defects[:1]:
            text = f"PowerDomain {name}: {defect.message}; {state}"
            yield fail("domains", text, f"{CORRECT} {name}")


MOST_DEFECTS = 10


def _held_above(reading: TreeReading, name: str) -> bool:
    """Whether a domain is held by a budget above it, or all that is below it is held."""
    if reading.topology is None:
        return False
    by_name = {domain.name: domain for domain in reading.topology.domains}
    waiting, seen = [*by_name[name].parents], set()
    while waiting:
        parent = waiting.pop()
        if parent in by_name and parent not in seen:
            seen.add(parent)
            if by_name[parent].budget_mw != NO_BUDGET:
                return True
            waiting += by_name[parent].parents
    children = [domain for domain in by_name.values() if name in domain.parents]
    return bool(children) and not by_name[name].nodes and all(child.budget_mw != NO_BUDGET for child in children)


def _over(cluster: Cluster, lie: Lie, budgets_mw: dict[str, int]) -> Iterator[OverView]:
    """Domains whose rows, and nodes whose budgets, are below what is bound there and what they draw idle."""
    tree = ground_of(lie, budgets_mw).tree
    used = np.zeros(len(tree), dtype=np.int64)
    for pod in cluster.pods.items:
        column = tree.index.get(pod.spec.node_name)
        fact = pod_fact(_as_seen(pod)) if column is not None and pod.status.phase not in FINISHED else None
        if column is not None and fact is not None:
            used[column] += drawn_mw(tree, fact.draw, column)
    loads = tree.weights @ used if tree.weights is not None else np.zeros(0, dtype=np.int64)
    worst: dict[str, OverView] = {}
    for row, name in enumerate(tree.row_domain):
        over = (int(loads[row]) - int(tree.row_free[row])) / tree.scale / MILLI
        if over > 0 and (name not in worst or over > worst[name].over_watts):
            budget = int(tree.row_budget_mw[row]) / MILLI
            worst[name] = OverView(name=name, kind=tree.row_kind[row], budget_watts=budget, over_watts=over)
    yield from worst.values()
    for column, node in enumerate(tree.nodes):
        over = (int(used[column]) - int(tree.node_free_mw[column])) / MILLI
        if over > 0:
            yield OverView(name=node.name, kind="node", budget_watts=node.budget_mw / MILLI, over_watts=over)


def _as_seen(pod: DoctorPod) -> SeenPod:
    return SeenPod(pod.metadata, pod.spec, SeenPodStatus(phase=pod.status.phase))
