import numpy as np
from tests.scheduler_extender.small import W, fact, topology

from powerplane.adapters.measured import Measured
from powerplane.models.drift import DriftRules, Sample
from powerplane.models.power_tree import NodeFigures, compile_tree
from powerplane.scheduler_extender.ledger import Ledger

RULES = DriftRules(scrape_s=5.0)


def floor():
    figures = [NodeFigures(name, 1000 * W, 100 * W, peak_mw=700 * W) for name in ("a", "b")]
    return compile_tree(topology({"r": ["a", "b"]}, rack_w=1200), figures)


def test_what_is_drawn_beyond_the_books_comes_off_the_node_and_all_above_it():
    samples = {"a": Sample(450 * W, 10.0)}
    ledger, measured = Ledger(floor()), Measured(lambda: samples, RULES)
    ledger.place(fact("p", "a", 200))
    tree = ledger.tree
    extra = measured.extra_mw(tree, ledger.used_mw.copy(), 11.0)
    assert (extra // W).tolist() == [150, 0]
    ledger.use(tree.with_extra(extra))
    assert (ledger.room_mw // W).tolist() == [550, 650]
    ledger.use(tree.with_extra(np.zeros(2, dtype=np.int64)))
    assert (ledger.room_mw // W).tolist() == [700, 800]


def test_less_than_the_books_frees_nothing():
    measured = Measured(lambda: {"a": Sample(120 * W, 10.0)}, RULES)
    tree = floor()
    assert measured.extra_mw(tree, np.array([200 * W, 0]), 11.0).tolist() == [0, 0]


def test_a_node_that_is_measured_no_more_counts_at_its_peak():
    samples = {"a": Sample(300 * W, 10.0)}
    tree, measured = floor(), Measured(lambda: samples, RULES)
    bound = np.array([200 * W, 0])
    assert measured.extra_mw(tree, bound, 11.0).tolist() == [0, 0]
    assert (measured.extra_mw(tree, bound, 26.0) // W).tolist() == [400, 0]


def test_a_node_that_was_never_measured_counts_by_the_books():
    assert Measured(dict, RULES).extra_mw(floor(), np.array([0, 0]), 99.0).tolist() == [0, 0]
