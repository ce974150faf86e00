"""The power tree is taken whole or not at all, and every defect is told where it is."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.api.domains import domain, spec_of

from powerplane.models.api.domain_reading import NodeAllowance
from powerplane.models.api.standing import domain_conditions
from powerplane.models.api.tree import TreeReading, read_tree
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.topology import PowerTopology

NODES = [("n1", {"rack": "r1"}), ("n2", {"rack": "r1"}), ("n3", {"rack": "r2"})]
R1 = {"matchLabels": {"rack": "r1"}}
FEED = domain("feed-a", "feed", budget="20kW")
RACK = domain("rack-1", parents=["feed-a"], budget="12kW", nodeSelector=R1)


def reasons(reading: TreeReading) -> dict[str, list[str]]:
    return {name: [defect.reason for defect in own] for name, own in reading.defects.items()}


def test_domains_are_read_into_a_topology_with_figures_in_milliwatts():
    curve = [{"timesOver": 1.25, "seconds": 60}]
    rack = domain(
        "rack-1",
        parents=["feed-a", "feed-b"],
        feedLoad="Shared",
        budget="1.5kW",
        nodeSelector=R1,
        breaker={"rating": "2kW", "curve": curve},
    )
    reading = read_tree([rack, FEED, domain("feed-b", "feed")], NODES)
    assert reading.in_force == "current"
    assert reading.defects == {}
    found = reading.topology.by_name["rack-1"]
    assert (found.budget_mw, found.nodes, found.feed_load) == (1_500_000, ("n1", "n2"), "shared")
    assert (found.breaker.rating_mw, found.breaker.curve) == (2_000_000, ((1.25, 60.0),))
    assert reading.topology.by_name["feed-b"].budget_mw == NO_BUDGET
    assert reading.outside == ("n3",)


def test_members_by_name_are_those_that_the_cluster_has():
    reading = read_tree([domain("r", nodeNames=["n3", "n1", "to-come"])], NODES)
    assert reading.topology.by_name["r"].nodes == ("n1", "n3")


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ({}, ("n1", "n2", "n3")),
        ({"matchLabels": {"rack": "r1", "row": "x"}}, ()),
        ({"matchExpressions": [{"key": "rack", "operator": "NotIn", "values": ["r1"]}]}, ("n3",)),
        ({"matchLabels": {"rack": "r2"}, "matchExpressions": [{"key": "row", "operator": "DoesNotExist"}]}, ("n3",)),
    ],
)
def test_selectors_mean_what_they_mean_in_kubernetes(selector, chosen):
    reading = read_tree([domain("r", nodeSelector=selector), domain("all", "site", nodeSelector={})], NODES)
    nodes = {each.name: each.nodes for each in reading.topology.domains}
    assert nodes.get("r", ()) == chosen


def test_domains_that_no_node_draws_through_are_left_out_and_no_defect():
    reading = read_tree([FEED, RACK, domain("empty", parents=["feed-a"]), domain("spare", "feed")], NODES)
    assert {each.name for each in reading.topology.domains} == {"feed-a", "rack-1"}
    assert read_tree([FEED], NODES).topology == PowerTopology(())
    assert read_tree([], []).in_force == "current"


def test_allowances_are_those_of_the_node_s_domain_and_the_worse_of_two():
    rack = domain("r", nodeSelector=R1, node={"budget": "500W", "idle": "100W"})
    zone = domain("z", "zone", nodeNames=["n1", "n3"], node={"budget": "400W", "idle": "90W", "peak": "700W"})
    assert read_tree([rack, zone], NODES).allowances == {
        "n1": NodeAllowance(400_000, 100_000, 700_000),
        "n2": NodeAllowance(500_000, 100_000, None),
        "n3": NodeAllowance(400_000, 90_000, 700_000),
    }
    assert read_tree([domain("r", nodeNames=["n1"])], NODES).allowances == {"n1": NodeAllowance(NO_BUDGET, 0, None)}


@pytest.mark.parametrize(
    ("bad", "reason", "words"),
    [
        ([domain("r", parents=["gone"])], {"r": ["UnknownParent"]}, "'gone' does not exist"),
        ([domain("a", parents=["a"])], {"a": ["Cycle"]}, "a → a"),
        ([domain("a", parents=["b"]), domain("b", parents=["a"])], {"a": ["Cycle"], "b": ["Cycle"]}, "a → b → a"),
        (
            [domain("a", nodeNames=["n1"]), domain("b", nodeSelector=R1)],
            {"a": ["NodeInTwoDomains"], "b": ["NodeInTwoDomains"]},
            "node 'n1' is in 'b', too",
        ),
        (
            [domain("f", "feed"), domain("g", "feed"), domain("r", parents=["f", "g"])],
            {"r": ["ParentsOfOneKind"]},
            "2 parents are of kind 'feed'",
        ),
        ([domain("r", budget="12")], {"r": ["BadBudget"]}, "has no unit"),
        ([domain("r", budget="12kWh")], {"r": ["BadBudget"]}, "unknown unit"),
        ([domain("r", breaker={"rating": "0W", "curve": []})], {"r": ["BadBreaker"]}, "no curve"),
        (
            [domain("r", breaker={"rating": "1kW", "curve": [{"timesOver": 0.5, "seconds": 1}]})],
            {"r": ["BadBreaker"]},
            "out of range",
        ),
        ([domain("r", node={"idle": "2kW", "budget": "1kW"})], {"r": ["BadNodeWatts"]}, "with no pods"),
        ([domain("r", node={"idle": "2kW", "peak": "1kW"})], {"r": ["BadNodeWatts"]}, "below its idle"),
        ([domain("r", nodeSelector={}, nodeNames=["n1"])], {"r": ["TwoMemberships"]}, "leave one"),
        (
            [domain("r", nodeSelector={"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]})],
            {"r": ["BadSelector"]},
            "'Gt'",
        ),
        ([domain("r", feedLoad="halves")], {"r": ["BadFeedLoad"]}, "halves"),
        ([domain("f", "feed"), domain("r", parents=["f", "f"])], {"r": ["ParentTwice"]}, "named twice"),
        ([domain("r", "")], {"r": ["NoKind"]}, "kind is empty"),
        (
            [domain("r", budget="x", parents=["gone", "r"], node={"idle": "1"})],
            {"r": ["BadBudget", "BadNodeWatts", "UnknownParent", "Cycle"]},
            "is not a finite power",
        ),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_every_defect_is_told_at_its_domain_and_nothing_comes_in_force(bad, reason, words):
    reading = read_tree([FEED, *bad], NODES)
    assert reasons(reading) == reason
    assert any(words in defect.message for own in reading.defects.values() for defect in own)
    assert (reading.in_force, reading.topology, reading.specs) == ("none", None, {})


def test_with_a_defect_the_last_accepted_specs_stay_in_force_all_of_them():
    good = read_tree([FEED, RACK], NODES)
    broken = [domain("feed-a", "feed", budget="5kW"), domain("rack-1", parents=["gone"], budget="1kW", nodeSelector=R1)]
    reading = read_tree(broken, NODES, good.specs)
    assert reading.in_force == "accepted"
    assert reading.topology == good.topology
    assert reading.specs == good.specs
    assert reasons(reading) == {"rack-1": ["UnknownParent"]}


def test_after_a_restart_the_accepted_specs_come_from_status():
    feed = domain("feed-a", "feed", budget="nothing", accepted={"kind": "feed", "budget": "20kW"})
    rack = domain("rack-1", budget="1kW", accepted=msgspec.to_builtins(RACK.spec))
    reading = read_tree([feed, rack, domain("new", nodeNames=["n3"])], NODES)
    assert reading.in_force == "accepted"
    assert reading.topology == read_tree([FEED, RACK], NODES).topology


def test_a_deleted_feed_stays_in_force_while_a_rack_still_names_it():
    good = read_tree([FEED, RACK], NODES)
    reading = read_tree([RACK], NODES, good.specs)
    assert reading.in_force == "accepted"
    assert "feed-a" in reading.topology.by_name


def test_one_relabelled_node_does_not_unmake_the_tree():
    racks = [RACK, FEED, domain("rack-2", nodeSelector={"matchLabels": {"rack": "r2"}}), domain("zz", nodeNames=["n9"])]
    good = read_tree(racks, NODES)
    reading = read_tree(racks, [*NODES, ("n9", {"rack": "r1"})], good.specs)
    assert reading.in_force == "accepted"
    assert reasons(reading) == {"rack-1": ["NodeInTwoDomains"], "zz": ["NodeInTwoDomains"]}
    assert reading.topology.by_name["rack-1"].nodes == ("n1", "n2", "n9")
    assert reading.topology.by_name["rack-2"].nodes == ("n3",)


def test_many_domains_over_the_same_nodes_are_told_without_telling_every_pair():
    racks = [domain(f"r{i:03d}", nodeSelector={}) for i in range(200)]
    reading = read_tree(racks, [(f"n{i}", {}) for i in range(500)])
    assert all(len(own) == 1 for own in reading.defects.values())
    assert "and 499 more" in reading.defects["r007"][0].message


# What is said of domains -----------------------------------------------------------------------------------------


def said(reading, one):
    return {each.type: (each.status, each.reason) for each in domain_conditions(one, reading)}


def test_conditions_say_what_is_in_force():
    good = read_tree([FEED, RACK], NODES)
    assert said(good, RACK) == {"Accepted": ("True", "TreeIsWhole"), "Ready": ("True", "InForce")}
    worse = domain("rack-1", parents=["gone"], nodeSelector=R1)
    late = domain("late", nodeNames=["n3"])
    reading = read_tree([FEED, worse, late], NODES, good.specs)
    assert said(reading, worse) == {"Accepted": ("False", "UnknownParent"), "Ready": ("False", "LastAcceptedInForce")}
    assert said(reading, FEED) == {"Accepted": ("False", "OtherDomainDefective"), "Ready": ("True", "InForce")}
    assert said(reading, late) == {"Accepted": ("False", "OtherDomainDefective"), "Ready": ("False", "NothingInForce")}
    assert "rack-1" in domain_conditions(FEED, reading)[0].message
    assert all(each.observed_generation == 3 for each in domain_conditions(FEED, reading))


# Any edits -------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "c", "d"])
SPECS = st.builds(
    lambda kind, parents, shared, budget, nodes, selector: spec_of(
        kind,
        parents=parents,
        feedLoad="Shared" if shared else "",
        budget=budget,
        **({"nodeNames": nodes} if selector is None else {"nodeSelector": selector}),
    ),
    st.sampled_from(["feed", "row", "rack"]),
    st.lists(NAMES, max_size=2, unique=True),
    st.booleans(),
    st.sampled_from(["", "5kW", "5kW", "7W", "5"]),
    st.lists(st.sampled_from(["n1", "n2", "n3"]), max_size=2),
    st.sampled_from([None, None, R1, {"matchLabels": {"rack": "r2"}}]),
)
EDITS = st.lists(st.tuples(NAMES, st.none() | SPECS), max_size=12)
LABELS = st.fixed_dictionaries({}, optional={"rack": st.sampled_from(["r1", "r2"])})


@given(EDITS, st.lists(st.tuples(LABELS, LABELS, LABELS), min_size=1, max_size=12))
def test_after_any_edits_what_is_in_force_is_one_valid_tree_current_or_accepted(edits, labellings):
    specs, last = {}, {}
    for step, (name, spec) in enumerate(edits):
        specs = {k: v for k, v in specs.items() if k != name} | ({name: spec} if spec else {})
        objects = [msgspec.structs.replace(domain(k, v.kind), spec=v) for k, v in specs.items()]
        nodes = [(f"n{i}", own) for i, own in enumerate(labellings[step % len(labellings)], 1)]
        reading = read_tree(objects, nodes, last)
        if reading.in_force == "none":
            assert reading.defects
            assert not last
            continue
        assert dict(reading.specs) == (specs if reading.in_force == "current" else dict(last))
        assert (reading.in_force == "current") == (not reading.defects)
        PowerTopology(reading.topology.domains)
        placed = {node for one in reading.topology.domains for node in one.nodes}
        assert set(reading.allowances) == placed
        assert placed | set(reading.outside) == {"n1", "n2", "n3"}
        for one in reading.topology.domains:
            assert (one.kind, one.parents) == (reading.specs[one.name].kind, reading.specs[one.name].parents)
        last = reading.specs
