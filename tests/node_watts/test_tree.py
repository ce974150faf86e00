"""The power tree in force, followed through the watches; and what the controller tells of itself."""

from datetime import UTC, datetime

import msgspec
from prometheus_client import CollectorRegistry
from tests.node_watts.test_books import filled, look, rack, seen_node, seen_pod

from powerplane.adapters.watch import Batch
from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject
from powerplane.node_watts.metrics import NodeWattsMetrics
from powerplane.node_watts.seen import Decisions, Excess, Write
from powerplane.node_watts.tree import TreeBook

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def policy(mode, watts):
    body = {
        "metadata": {"name": "cap"},
        "spec": {"mode": mode, "rackConstraints": [{"domainNames": ["r1"], "maxPower": watts}]},
    }
    return msgspec.convert(body, ClusterPowerCappingPolicyObject)


def test_a_tree_with_a_defect_leaves_the_last_one_in_force_and_a_status_alone_changes_nothing():
    told = []
    book, nodes = TreeBook(lambda: told.append(1)), filled([seen_node("a"), seen_node("b")]).everything()[0]
    book.domains(Batch(True, (("ADDED", rack()),)))
    first, _ = book.lie(nodes, 1, NOW)
    assert first.incidence.domain == ("r1",)
    assert len(told) == 1
    book.domains(Batch(False, (("MODIFIED", rack()),)))
    assert len(told) == 1
    assert book.lie(nodes, 1, NOW)[0] is first
    broken = msgspec.structs.replace(rack(), spec=msgspec.structs.replace(rack().spec, parents=("nowhere",)))
    book.domains(Batch(False, (("MODIFIED", broken),)))
    second, _ = book.lie(nodes, 1, NOW)
    assert second.reading.in_force == "accepted"
    assert second.incidence.budget_mw.tolist() == [1_000_000]
    book.domains(Batch(True, (("ADDED", rack("700W")),)))
    assert book.lie(nodes, 1, NOW)[0].incidence.budget_mw.tolist() == [700_000]


def test_a_policy_that_acts_lowers_a_budget_for_as_long_as_it_is_there():
    book, nodes = TreeBook(), filled([seen_node("a"), seen_node("b")]).everything()[0]
    book.domains(Batch(True, (("ADDED", rack()),)))
    book.policies(Batch(True, (("ADDED", policy("Enforce", "600W")),)))
    assert book.lie(nodes, 1, NOW)[1] == {"r1": 600_000}
    book.policies(Batch(False, (("MODIFIED", policy("Observe", "600W")),)))
    assert book.lie(nodes, 1, NOW)[1] == {"r1": 1_000_000}
    book.policies(Batch(False, (("DELETED", policy("Observe", "600W")),)))
    assert book.lie(nodes, 1, NOW)[1] == {}


def test_other_nodes_make_another_tree():
    book, nodes = TreeBook(), filled([seen_node("a"), seen_node("b")]).everything()[0]
    book.domains(Batch(True, (("ADDED", rack()),)))
    first = book.lie(nodes, 1, NOW)[0]
    del nodes["b"]
    assert book.lie(nodes, 2, NOW)[0].names == ("a",) != first.names


def test_figures_are_told_on_the_registry_that_was_given():
    registry = CollectorRegistry()
    metrics = NodeWattsMetrics(registry)
    found = look(filled([seen_node("a", 100), seen_node("b")], [seen_pod("p", 40, "a"), seen_pod("q", None, "b")]))
    metrics.saw(found.seen, int(found.base_mw.sum()), found.unstated_pods, found.without_watts)
    metrics.decided(Decisions((), 0, 3, (Excess("r1", "", 70), Excess("r2", "", 20))), 0.01)
    metrics.wrote(Write("a", "1", "watts", 5), "refused")
    metrics.lead(True)
    metrics.failed()
    value = registry.get_sample_value
    prefix = "powerplane_node_watts_"
    assert value(prefix + "listed_watts") == 100
    assert value(prefix + "bound_watts") == 40
    assert value(prefix + "unstated_pods") == 1
    assert value("powerplane_pods_without_watts", {"namespace": "default"}) == 1
    assert value(prefix + "unlisted_nodes") == 1
    assert value(prefix + "unserved_pods") == 3
    assert value(prefix + "excess_watts") == 70
    assert value(prefix + "writes_total", {"kind": "watts", "outcome": "refused"}) == 1
    assert value(prefix + "leading") == 1
    assert value(prefix + "tick_failures_total") == 1
