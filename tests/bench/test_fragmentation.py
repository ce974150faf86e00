"""What a partition of watts strands: rules on books of their own, none above the bound, and a page of them."""

import numpy as np
import pytest

from powerplane.bench.fragmentation import RULES, measure, page
from powerplane.bench.fragmentation_cells import KINDS, Arrivals, draw_cell
from powerplane.bench.fragmentation_rules import Books, upper_bound


@pytest.mark.parametrize("kind", KINDS)
def test_no_rule_places_more_than_the_bound(kind):
    found = measure(Arrivals(kind, 20, tightness=1.2), seed=1)
    assert 0 < found.bound <= found.pods
    for rule in RULES:
        assert 0 < found.by_rule[rule] <= found.bound


def test_shifting_places_more_large_pods_than_a_static_partition():
    found = measure(Arrivals("large pods", 30), seed=2)
    assert found.by_rule["shifting"] > max(found.by_rule["static, equal"], found.by_rule["static, by cores"])


def test_a_cell_is_the_same_for_the_same_seed():
    one, other = (draw_cell(Arrivals("mixed pods", 20), 7) for _ in range(2))
    assert (one.watts == other.watts).all()
    assert (one.ground.rows.limit == other.ground.rows.limit).all()


def test_the_bound_is_every_pod_where_all_fit():
    cell = draw_cell(Arrivals("small pods", 20, tightness=0.3), 1)
    assert upper_bound(cell) == len(cell.watts)


def test_books_take_the_node_where_most_stays_free():
    cell = draw_cell(Arrivals("small pods", 20), 1)
    books = Books(cell)
    assert books.bind(0, np.ones(20, dtype=bool))
    assert cell.cores[books.bound > 0][0] == cell.cores.max()
    assert not books.bind(1, np.zeros(20, dtype=bool))


def test_the_page_names_the_worst_and_where_shifting_loses():
    found = [measure(Arrivals("large pods", 20), seed) for seed in (1, 2)]
    text = page(found)
    assert "Seeds: 1, 2." in text
    assert "fewer pods than the extender in" in text
    assert text.count("|") > 20
