"""The measurement of predictions at admission: what it counts, on a small site."""

from dataclasses import replace

import numpy as np
import pytest
from tests.bench.watts.test_quantiles import apart, small_site

from powerplane.bench.watts import admission
from powerplane.bench.watts.admission import Cards, Course, follow_site
from powerplane.bench.watts.admission_table import Case, rows_of


@pytest.fixture(scope="module")
def cases():
    site = small_site()
    course = Course("apart", lambda site, _: apart(site, admission.DAYS, size=0.1), 1)
    nodes = len(site.snapshot.nodes)
    return follow_site(course, site, Cards(np.zeros(nodes), ("",) * nodes), np.random.default_rng(1))


def test_every_service_is_foretold_at_its_first_and_tenth_pod(cases):
    assert sorted(case.age for case in cases) == [1] * 4 + [10] * 4
    assert {case.source for case in cases if case.age == 10} == {"history"}
    assert any(case.source == "requests" for case in cases if case.age == 1)


def test_what_a_pod_drew_is_its_share_of_its_node(cases):
    # One core of the two that it asks for, on nodes that draw 20 W a core.
    for case in cases:
        assert case.mean == pytest.approx(20, rel=0.02)
        assert case.busy == pytest.approx(23.3, rel=0.03)
        assert case.by_requests == 40


def test_history_foretells_no_more_than_requests_and_no_less_than_was_drawn(cases):
    for case in cases:
        assert 22 <= case.predicted <= 40
        assert case.at_home == case.anywhere == case.predicted


def test_a_pod_that_names_models_is_foretold_for_these_and_never_for_less_than_where_it_runs():
    plain = small_site()
    nodes, node = len(plain.snapshot.nodes), plain.snapshot.pods.node
    model = tuple("G3" if at % 2 else "T4" for at in range(nodes))
    watts = np.array([60.0 if each == "T4" else 340.0 for each in model])
    named = tuple((model[at],) if at < nodes // 2 else () for at in node.tolist())
    # A quarter of a card each: 15 W of a T4, 85 W of a G3.
    site = replace(plain, models=named, card_watts=watts[node] / 4)
    course = Course("apart", lambda site, _: apart(site, admission.DAYS, size=0.1), 1)
    cases = follow_site(course, site, Cards(watts, model), np.random.default_rng(1))
    assert {case.named for case in cases} == {True, False}
    assert {case.by_requests_anywhere for case in cases} == {40 + 85}
    assert {case.by_requests for case in cases if case.named} == {40 + 15}
    for case in cases:
        assert case.at_home <= case.predicted <= case.anywhere
        assert case.by_requests <= case.by_requests_anywhere
        if case.named:
            assert case.predicted == case.at_home
        else:
            assert case.predicted == case.anywhere


def test_rows_say_where_history_is_worse_and_where_it_is_too_low():
    worse = [Case(10, "history", False, 10, 20, 30, 40, 10, 20, 15)] * 3
    (row,) = rows_of("made up", "any", 10, [worse, worse])
    assert row[:5] == ("made up", "any", "tenth", "history", "6")
    assert row[5].startswith("**50%")
    assert row[6:10] == ("50%", "0%", "100%", "50%")
    assert row[10:] == ("**100%**", "0%", "0.67", "1.33")
