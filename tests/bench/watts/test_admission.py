"""The measurement of predictions at admission: what it counts, on a small site."""

import numpy as np
import pytest
from tests.bench.watts.test_quantiles import apart, small_site

from powerplane.bench.watts import admission
from powerplane.bench.watts.admission import Case, Course, follow_site


@pytest.fixture(scope="module")
def cases():
    site = small_site()
    course = Course("apart", lambda site, _: apart(site, admission.DAYS, size=0.1), 1)
    return follow_site(course, site, np.zeros(len(site.snapshot.nodes)), np.random.default_rng(1))


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
        assert case.at_home == case.predicted


def test_rows_say_where_history_is_worse_and_where_it_is_too_low():
    worse = [Case(10, "history", 10, 20, 10, 20, 15)] * 3
    row = admission._row("made up", 10, "history", [worse, worse])
    assert row[:4] == ("made up", "tenth", "history", "6")
    assert row[4].startswith("**50%")
    assert row[7] == "**100%**"
    assert (row[5], row[6], row[8], row[9], row[10]) == ("0%", "50%", "0%", "0.67", "1.33")
