"""The checker against brute force: every state that a wave can pass through, one by one."""

from fractions import Fraction
from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.models.snapshots import TinyNode, TinyPod, rack, tiny_snapshot
from tests.solver.check.plans import move, verdict

from powerplane.models.curves import PowerCurve
from powerplane.models.incidence import compile_incidence
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.topology import PowerDomain
from powerplane.solver.check import transit
from powerplane.solver.check.words import TOLERANCE_MW

NODES = "abcd"


def curves():
    """Any monotone curve: convex, concave, with flats and jumps."""
    inner = st.lists(st.integers(1, 9), max_size=3, unique=True).map(sorted)
    knots = inner.map(lambda tenths: (Fraction(0), *(Fraction(t, 10) for t in tenths), Fraction(1)))
    return knots.flatmap(
        lambda u: st.lists(st.integers(1, 300), min_size=len(u), max_size=len(u)).map(
            lambda w: PowerCurve("any", u, tuple(1000 * each for each in sorted(w)))
        )
    )


budgets = st.one_of(st.none(), st.integers(1, 900))


@st.composite
def clusters(draw):
    """Up to four nodes in two racks, on two feeds and a row, with tight budgets; one wave of some moves."""
    nodes = [TinyNode(n, cpu=2, curve=draw(curves()), budget_watts=draw(budgets)) for n in NODES]
    cut = draw(st.integers(1, 3))
    feeds = [PowerDomain(name, "feed", NO_BUDGET if (b := draw(budgets)) is None else b * 1000) for name in ("f", "g")]
    row = PowerDomain("row", "row", NO_BUDGET if (b := draw(budgets)) is None else b * 1000)
    domains = [*feeds, row]
    for name, members in (("r", NODES[:cut]), ("s", NODES[cut:])):
        on = draw(st.sampled_from([("f",), ("g",), ("f", "g"), ("row", "f", "g"), ("row",)]))
        domains.append(rack(name, members, draw(budgets), parents=on, feed_load="shared"))
    used = {parent for domain in domains for parent in domain.parents}
    domains = [domain for domain in domains if domain.kind == "rack" or domain.name in used]
    tenths = st.integers(0, 12).map(lambda t: t / 10)
    pods = [
        TinyPod(f"p{i}", draw(st.sampled_from(NODES)), cpu=draw(tenths), use=draw(tenths), accelerator_watts=watts)
        for i, watts in enumerate(draw(st.lists(st.sampled_from([0, 0, 40]), min_size=1, max_size=4)))
    ]
    snapshot = tiny_snapshot(nodes, pods, domains)
    places = [(i, draw(st.sampled_from([n for n in NODES if n != pod.node]))) for i, pod in enumerate(pods)]
    return snapshot, draw(st.lists(st.sampled_from(places), unique=True, min_size=1))


def states(snapshot, moves):
    """Place of every pod, -1 for nowhere, in every state of the wave; the first is the start."""
    start = snapshot.pods.node.tolist()
    for choice in product(range(3), repeat=len(moves)):
        places = list(start)
        for (pod, target), now in zip(moves, choice, strict=True):
            places[pod] = (start[pod], -1, snapshot.node_names.index(target))[now]
        yield places


def node_watts(snapshot, places):
    """Milliwatts of each node, straight from the definition."""
    draws = []
    for node, curve in enumerate(snapshot.node_curve):
        here = [pod for pod, place in enumerate(places) if place == node]
        use = sum(int(snapshot.pods.use_ucores[pod]) for pod in here)
        at = min(Fraction(use, 1000 * int(snapshot.allocatable[node, 0])), Fraction(1))
        for (u, w), (v, x) in pairwise(zip(curve.utilisation, curve.milliwatts, strict=True)):
            if u <= at <= v:
                draw = w + (x - w) * (at - u) / (v - u)
        draws.append(draw + sum(int(snapshot.pods.accelerator_mw[pod]) for pod in here))
    return draws


def row_watts(incidence, draws):
    weights = incidence.weights.toarray().tolist()
    return [sum(w * d for w, d in zip(row, draws, strict=True)) / incidence.scale for row in weights]


def is_worse(draw, start, budget, grace):
    return draw > budget and (start <= budget or draw > start + grace)


def broken_domains(snapshot, moves):
    """Domains whose budget some state of the wave breaks, or worsens beyond what rounding explains."""
    incidence = compile_incidence(snapshot.topology, snapshot.node_names)
    grace = TOLERANCE_MW + len(
        {end for pod, target in moves for end in (snapshot.node_names[snapshot.pods.node[pod]], target)}
    )
    start, broken = None, set()
    for places in states(snapshot, moves):
        rows = row_watts(incidence, node_watts(snapshot, places))
        start = start or rows
        for name, draw, found, budget in zip(incidence.domain, rows, start, incidence.budget_mw.tolist(), strict=True):
            if is_worse(draw, found, budget, grace):
                broken.add(name)
    return broken


def broken_nodes(snapshot, moves):
    """Nodes whose budget, requests or use some state of the wave breaks; only those that receive count."""
    broken, start = set(), None
    targets = {snapshot.node_names.index(target) for _, target in moves}
    for places in states(snapshot, moves):
        draws = node_watts(snapshot, places)
        start = start or draws
        for node in targets:
            here = [pod for pod, place in enumerate(places) if place == node]
            requests = sum(snapshot.templates[snapshot.pods.template[pod]].requests[0] for pod in here)
            budget = int(snapshot.node_budget_mw[node])
            if requests > snapshot.allocatable[node, 0] or is_worse(draws[node], start[node], budget, TOLERANCE_MW + 1):
                broken.add(snapshot.node_names[node])
    return broken


def found(snapshot, moves, kinds):
    named = [move(snapshot, f"p{pod}", target) for pod, target in moves]
    report = verdict(snapshot, named)
    return {each.subject for each in report.violations if each.wave == 1 and each.kind in kinds}


@given(clusters())
@settings(max_examples=100, deadline=None)
def test_exactly_the_domains_that_some_subset_breaks_are_refused(cluster):
    snapshot, moves = cluster
    assert found(snapshot, moves, {"domain-budget"}) == broken_domains(snapshot, moves)


@given(clusters())
@settings(max_examples=60, deadline=None)
def test_where_subsets_are_too_many_to_try_no_broken_domain_is_accepted(cluster):
    snapshot, moves = cluster
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transit, "MOST_SUBSETS", 1)
        assert broken_domains(snapshot, moves) <= found(snapshot, moves, {"domain-budget"})


@given(clusters())
@settings(max_examples=60, deadline=None)
def test_no_node_that_some_subset_breaks_by_an_arrival_is_accepted(cluster):
    snapshot, moves = cluster
    asked = {target for pod, target in moves if snapshot.templates[snapshot.pods.template[pod]].requests[0]}
    drawing = {target for _, target in moves}
    assert broken_nodes(snapshot, moves) & asked <= found(snapshot, moves, {"capacity", "node-budget"}) & drawing
