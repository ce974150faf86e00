"""The part of ``powerplane doctor`` about the topology, from what was read to what is told."""

from tests.cli.doctor_world import (
    REFUSED,
    cluster,
    domain,
    found,
    node,
    text,
    trouble,
)

from powerplane.adapters.cluster_look import Found
from powerplane.cli.doctor_cluster.topology import examine_topology
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.objects import Node


def test_a_topology_without_holes_is_told_to_be_one() -> None:
    assert trouble(examine_topology(cluster())) == set()


def test_each_hole_of_the_topology_is_named_with_its_nodes_or_domains() -> None:
    nodes = found(Node, node("n1"), node("n2"), node("n3", labels={}), node("n4", labels={"rack": "r2"}))
    bare = domain("r2", budget="")
    del bare["spec"]["node"]
    report = examine_topology(cluster(nodes=nodes, domains=found(PowerDomainObject, domain("r1", "249W"), bare)))
    assert trouble(report) == {
        ("nodes in no domain", "warn"),
        ("domains without a budget", "warn"),
        ("nodes without idle and peak", "warn"),
        ("budgets", "warn"),
    }
    assert "n3" in text(report, "nodes in no domain")
    assert "r2" in text(report, "domains without a budget")
    assert "n4" in text(report, "nodes without idle and peak")
    assert "rack r1 by 1 W" in text(report, "budgets")


def test_a_domain_is_held_by_a_budget_above_it_or_by_those_of_all_below_it() -> None:
    row = {"metadata": {"name": "row"}, "spec": {"kind": "row", "budget": "2kW"}}
    above = found(PowerDomainObject, row, domain("r1", budget="", parents=["row"]))
    assert trouble(examine_topology(cluster(domains=above))) == set()
    open_row = {"metadata": {"name": "row"}, "spec": {"kind": "row"}}
    below = found(PowerDomainObject, open_row, domain("r1", parents=["row"]))
    assert trouble(examine_topology(cluster(domains=below))) == set()


def test_a_node_above_its_own_budget_is_named() -> None:
    tight = domain("r1", node={"idle": "100W", "peak": "300W", "budget": "120W"})
    report = examine_topology(cluster(domains=found(PowerDomainObject, tight)))
    assert "node n1 by 30 W" in text(report, "budgets")


def test_two_racks_that_claim_a_node_are_named_and_stop_enforcement() -> None:
    both = found(PowerDomainObject, domain("r1"), domain("r2", nodeSelector={"matchLabels": {"rack": "r1"}}))
    report = examine_topology(cluster(domains=both))
    assert ("domains", "fail") in trouble(report)
    assert "r2" in text(report, "domains")
    assert "no tree is in force" in text(report, "domains")


def test_a_cluster_without_domains_and_one_whose_nodes_may_not_be_seen_are_told() -> None:
    assert trouble(examine_topology(cluster(domains=Found()))) == {("domains", "warn")}
    assert trouble(examine_topology(cluster(nodes=Found((), REFUSED)))) == {("domains", "warn")}
    assert trouble(examine_topology(cluster(pods=Found((), REFUSED)))) == {("budgets", "warn")}
