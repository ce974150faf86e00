"""Small power trees, pods and questions for the extender's tests, and budgets added up by hand."""

import msgspec

from powerplane.adapters.node_rates import Draw
from powerplane.models.objects import Container, ObjectMeta, OwnerReference, PodSpec, ResourceRequirements
from powerplane.models.power_tree import NodeFigures, compile_tree
from powerplane.models.requests import WATTS_RESOURCE
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.topology import PowerDomain, PowerTopology
from powerplane.scheduler_extender.facts import PodCondition, PodFact
from powerplane.scheduler_extender.wire import FilterArgs, WaitingPod, WaitingPodStatus

W = 1000


def topology(racks, *, rack_w=1000, row_w=None, feeds=()):
    """Racks by name to their nodes, under one row where it has a budget, on feeds where there are some."""
    above = ("row",) if row_w else ()
    domains = [
        PowerDomain(
            name=name,
            kind="rack",
            budget_mw=rack_w * W if rack_w else NO_BUDGET,
            parents=(*above, *(feed for feed, _ in feeds)),
            nodes=tuple(nodes),
            feed_load="shared" if len(feeds) > 1 else "",
        )
        for name, nodes in racks.items()
    ]
    if row_w:
        domains.append(PowerDomain(name="row", kind="row", budget_mw=row_w * W))
    domains += [PowerDomain(name=feed, kind="feed", budget_mw=watts * W) for feed, watts in feeds]
    return PowerTopology(tuple(domains))


def tree(racks, *, node_w=None, base_w=0, per_core_w=0, **budgets):
    """A compiled tree over nodes that are all alike."""
    names = [name for nodes in racks.values() for name in nodes]
    budget = node_w * W if node_w else NO_BUDGET
    figures = [NodeFigures(name, budget, base_w * W, per_core_w * W) for name in names]
    return compile_tree(topology(racks, **budgets), figures)


def fact(uid, node="", watts=100, **changes):
    """A pod as the watch shows it."""
    known = {
        "uid": uid,
        "namespace": "default",
        "name": uid,
        "node": node,
        "nominated": "",
        "demand": Draw(None, 1000) if watts is None else Draw(watts * W),
        "priority": 0,
        "finished": False,
        "leaving": False,
        "refusal": "",
        "version": 2,
        "owner": "",
        "own": False,
    }
    return PodFact(**(known | changes))


def waiting(uid, watts=100, *, cpu="1", owner="", refusal="", nominated="", **meta):
    """A pod as the scheduler asks about it."""
    requests = {"cpu": cpu} | ({WATTS_RESOURCE: str(watts)} if watts is not None else {})
    owners = (OwnerReference(kind="ReplicaSet", name=owner, uid=owner, controller=True),) if owner else None
    spec = PodSpec(containers=(Container(resources=ResourceRequirements(requests=requests)),))
    known = {"name": uid, "namespace": "default", "uid": uid, "resource_version": "1", "owner_references": owners}
    said = (PodCondition("PodScheduled", "False", "Unschedulable", refusal),) if refusal else None
    return WaitingPod(ObjectMeta(**(known | meta)), spec, WaitingPodStatus(nominated, said))


def ask(pod, names):
    """The scheduler's question."""
    return FilterArgs(pod, tuple(names), raw_names=msgspec.json.encode(list(names)))


def offered(answer, names):
    """Nodes that an answer lets through."""
    assert not answer.error, answer.error
    return tuple(names) if answer.names is None else answer.names


def broken(shape, placed_w, node_w):
    """Budgets that placed watts break, added up by hand: ``placed_w`` is watts by node, ``shape`` a ``topology``."""
    found = [node for node, watts in placed_w.items() if node_w and watts > node_w]
    by_name = shape.by_name
    feeds = [domain.name for domain in shape.domains if domain.kind == "feed"]
    for lost in ["", *(feeds if len(feeds) > 1 else ())]:
        load = dict.fromkeys(by_name, 0.0)
        for domain in shape.domains:
            if domain.kind != "rack":
                continue
            own = sum(placed_w.get(node, 0) for node in domain.nodes)
            load[domain.name] += own
            alive = [parent for parent in domain.parents if by_name[parent].kind == "feed" and parent != lost]
            for parent in domain.parents:
                if by_name[parent].kind == "row":
                    load[parent] += own
            for parent in alive:
                load[parent] += own / len(alive)
        found += [
            f"{name} without {lost}" if lost else name
            for name, watts in load.items()
            if by_name[name].budget_mw < NO_BUDGET and watts * W > by_name[name].budget_mw + 1e-6
        ]
    return found
