from fractions import Fraction
from math import ceil, isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.telemetry.made import Reading, node_readings, unmeasured

from powerplane.models.breakers import Breaker
from powerplane.models.errors import InputError
from powerplane.models.incidence import compile_incidence
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.telemetry.domains import WORST, compile_domains, node_milliwatts, read_domains
from powerplane.models.topology import SHARED, PowerDomain, PowerTopology

KW = 1_000_000


def two_feeds(racks: dict[str, tuple[str, ...]], feed_mw: int = NO_BUDGET, rack_mw: int = NO_BUDGET) -> PowerTopology:
    """Racks in one row that share two feeds."""
    feeds = tuple(PowerDomain(name, "feed", feed_mw) for name in ("feed-a", "feed-b"))
    row = PowerDomain("row-1", "row", NO_BUDGET, ("feed-a", "feed-b"), feed_load=SHARED)
    return PowerTopology(
        (*feeds, row, *(PowerDomain(name, "rack", rack_mw, ("row-1",), nodes) for name, nodes in racks.items()))
    )


def by_name(topology: PowerTopology, nodes: dict[str, Reading]) -> dict[str, object]:
    book = compile_domains(topology, tuple(nodes))
    return {row.name: row for row in read_domains(book, node_readings(nodes))}


reading = st.builds(
    Reading,
    watts=st.floats(0, 1e6).map(lambda watts: round(watts, 3)),
    state=st.sampled_from(["measured", "held", "worst"]),
    source=st.sampled_from(["ipmi", "kepler", "redfish"]),
    age_s=st.floats(0, 1e6),
)


@st.composite
def measured_clusters(draw):
    """A tree of one to three feeds, rows of racks on some of them, and readings of all nodes and a few in no rack."""
    feeds = draw(st.integers(1, 3))
    names = [f"feed-{i}" for i in range(feeds)]
    budget = st.one_of(st.just(NO_BUDGET), st.integers(1, 10**9))
    domains = [PowerDomain(name, "feed", draw(budget)) for name in names]
    nodes = []
    for i in range(draw(st.integers(feeds, 5))):
        on = sorted({names[i % feeds], *draw(st.sets(st.sampled_from(names)))})
        here = tuple(f"n{i}-{j}" for j in range(draw(st.integers(1, 3))))
        nodes += here
        load = SHARED if len(on) > 1 else ""
        domains.append(PowerDomain(f"rack-{i}", "rack", draw(budget), tuple(on), here, feed_load=load))
    nodes += [f"loose-{i}" for i in range(draw(st.integers(0, 2)))]
    return PowerTopology(tuple(domains)), {name: draw(reading) for name in nodes}


@given(measured_clusters())
def test_a_domains_draw_is_the_sum_of_its_rows_of_the_incidence_rounded_up_once(cluster):
    topology, nodes = cluster
    incidence = compile_incidence(topology, tuple(nodes))
    mw = [round(Fraction(str(one.watts)) * 1000) for one in nodes.values()]
    rows = {
        (name, lost): ceil(Fraction(sum(int(w) * v for w, v in zip(row, mw, strict=True)), incidence.scale))
        for name, lost, row in zip(incidence.domain, incidence.lost, incidence.weights.toarray(), strict=True)
    }
    for domain in read_domains(compile_domains(topology, tuple(nodes)), node_readings(nodes)):
        assert domain.draw_mw == rows[domain.name, ""]
        assert domain.lost_mw == max(value for (name, _), value in rows.items() if name == domain.name)
        assert domain.lost == "" or rows[domain.name, domain.lost] == domain.lost_mw
        assert (domain.lost == "") == (domain.lost_mw == domain.draw_mw)


@given(measured_clusters())
def test_the_parts_by_source_add_up_to_the_draw_and_their_nodes_to_the_domains(cluster):
    topology, nodes = cluster
    for domain in read_domains(compile_domains(topology, tuple(nodes)), node_readings(nodes)):
        assert sum(part.draw_mw for part in domain.sources) == domain.draw_mw
        assert sum(part.nodes for part in domain.sources) == domain.nodes == len(topology.nodes_under(domain.name))
        assert domain.measured + domain.held + domain.worst == domain.nodes
        assert sum(part.nodes for part in domain.sources if part.source == WORST) == domain.worst
        assert 0 <= domain.worst_case_mw <= domain.draw_mw


@given(measured_clusters())
def test_a_domain_is_as_old_as_the_oldest_sample_that_it_rests_on(cluster):
    topology, nodes = cluster
    for domain in read_domains(compile_domains(topology, tuple(nodes)), node_readings(nodes)):
        ages = [nodes[name].age_s for name in topology.nodes_under(domain.name) if nodes[name].state != "worst"]
        assert domain.age_s == max(ages) if ages else isnan(domain.age_s)


@given(measured_clusters())
def test_a_domain_is_broken_where_its_draw_is_above_its_budget_and_by_assumption_where_samples_do_not_say_so(cluster):
    topology, nodes = cluster
    for domain in read_domains(compile_domains(topology, tuple(nodes)), node_readings(nodes)):
        assert domain.is_broken == (domain.budget_mw != NO_BUDGET and domain.draw_mw > domain.budget_mw)
        if domain.is_broken_by_assumption:
            assert domain.worst > 0
            assert domain.draw_mw - domain.worst_case_mw <= domain.budget_mw
        if domain.breaks_when_lost:
            assert domain.lost
            assert not domain.is_broken


def test_each_of_two_feeds_carries_half_and_all_of_it_when_the_other_is_lost():
    rows = by_name(two_feeds({"r1": ("a", "b")}), {"a": Reading(100.001), "b": Reading(200)})
    assert (rows["feed-a"].draw_mw, rows["feed-a"].lost, rows["feed-a"].lost_mw) == (150_001, "feed-b", 300_001)
    assert (rows["r1"].draw_mw, rows["r1"].lost, rows["r1"].lost_mw) == (300_001, "", 300_001)


def test_a_budget_that_only_the_worst_case_of_unmeasured_nodes_breaks_is_broken_by_assumption():
    nodes = {"a": Reading(300), "b": unmeasured(500)}
    rack = by_name(two_feeds({"r1": ("a", "b")}, rack_mw=600_000), nodes)["r1"]
    assert (rack.is_broken, rack.is_broken_by_assumption, rack.worst_case_mw) == (True, True, 500_000)
    tight = by_name(two_feeds({"r1": ("a", "b")}, rack_mw=299_999), nodes)["r1"]
    assert (tight.is_broken, tight.is_broken_by_assumption) == (True, False)


def test_a_feed_that_would_break_without_its_twin_is_at_risk_and_not_broken():
    feed = by_name(two_feeds({"r1": ("a",)}, feed_mw=250_000), {"a": Reading(400)})["feed-a"]
    assert (feed.is_broken, feed.breaks_when_lost, feed.headroom_mw) == (False, True, 50_000)


def test_a_draw_of_exactly_the_budget_is_held():
    rack = by_name(two_feeds({"r1": ("a",)}, rack_mw=400_100), {"a": Reading(400.1)})["r1"]
    assert (rack.is_broken, rack.headroom_mw) == (False, 0)


def test_nodes_in_no_domain_are_named():
    book = compile_domains(two_feeds({"r1": ("a",)}), ("a", "stray"))
    assert book.outside == ("stray",)
    assert compile_domains(PowerTopology(()), ("a",)).outside == ("a",)


def test_no_domains_at_all_give_no_rows():
    assert read_domains(compile_domains(PowerTopology(()), ("a",)), node_readings({"a": Reading(1)})) == ()


def test_a_domain_that_lists_a_node_that_is_not_there_is_refused_and_named():
    with pytest.raises(InputError, match="'r1' lists node 'gone'"):
        compile_domains(two_feeds({"r1": ("a", "gone")}), ("a",))


def test_readings_of_other_nodes_than_the_domains_were_compiled_for_are_refused():
    book = compile_domains(two_feeds({"r1": ("a",)}), ("a",))
    with pytest.raises(ValueError, match="not of the nodes"):
        read_domains(book, node_readings({"b": Reading(1)}))


@pytest.mark.parametrize("watts", [float("nan"), float("inf"), -1.0])
def test_watts_that_no_reading_may_hold_are_an_error_and_never_0(watts):
    with pytest.raises(ValueError, match="node 'a' counts as"):
        node_milliwatts(node_readings({"a": Reading(watts)}))


@given(st.integers(0, 10**10))
def test_whole_milliwatts_stay_what_they_are(mw):
    assert node_milliwatts(node_readings({"a": Reading(mw / 1000)})).tolist() == [mw]


def test_a_part_of_a_milliwatt_counts_as_a_whole_one():
    assert node_milliwatts(node_readings({"a": Reading(1.0001)})).tolist() == [1001]


def test_five_thousand_nodes_in_three_hundred_domains_add_up():
    racks = {f"r{i}": tuple(f"n{i}-{j}" for j in range(20)) for i in range(250)}
    topology = two_feeds(racks)
    nodes = {name: Reading(400.0 + i % 7) for i, name in enumerate(name for rack in racks.values() for name in rack)}
    book, readings = compile_domains(topology, tuple(nodes)), node_readings(nodes)
    rows = read_domains(book, readings)
    assert rows[0].draw_mw == ceil(int(np.sum([round(one.watts * 1000) for one in nodes.values()])) / 2)
    assert rows[0].nodes == 5000


def test_the_breaker_goes_along():
    breaker = Breaker(KW, ((1.1, 60.0),))
    topology = PowerTopology((PowerDomain("r1", "rack", KW, nodes=("a",), breaker=breaker),))
    assert by_name(topology, {"a": Reading(1)})["r1"].breaker == breaker
