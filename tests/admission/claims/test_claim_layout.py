"""Budgets as devices: what is claimed within them breaks none."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.admission.claims.claim_world import MW, NODES, tree

from powerplane.admission.claims.layout import capacities, lay_out


def pools(made):
    return {device.pool for device in lay_out(made).devices}


def nothing(layout):
    return np.zeros((len(layout.levels), layout.size), dtype=np.int64)


def watts(made, beside=None):
    layout = lay_out(made)
    amounts = capacities(made, layout, nothing(layout) if beside is None else beside)
    return {device.pool: amount for device, amount in zip(layout.devices, amounts, strict=True)}


def test_each_domain_with_a_budget_is_a_device_and_a_feed_counts_with_the_other_lost():
    assert lay_out(tree()).levels == ("feed", "feed-2", "rack", "row")
    assert pools(tree()) == {"feed/fa/lost/fb", "feed/fb/lost/fa", "rack/r1", "rack/r2", "rack/r3", "row/row"}


def test_domains_without_a_budget_are_no_level():
    assert lay_out(tree(feed_w=None, row_w=None)).levels == ("rack",)


def test_nodes_own_budgets_are_a_level_of_their_own_where_there_are_any():
    made = tree(budget_mw=300 * MW, idle_w=50)
    assert lay_out(made).levels[0] == "node"
    assert watts(made)["own.budget/a1"] == 250


def test_where_a_node_draws_through_nothing_of_a_level_there_is_a_device_without_a_limit():
    made = tree(single=("r3",))
    found = watts(made)
    assert found["no.limit/feed-2"] is None
    layout = lay_out(made)
    (free,) = [device for device in layout.devices if not device.limited]
    assert [NODES[column] for column in free.nodes] == ["c1"]


def test_every_node_is_in_exactly_one_device_of_each_level():
    for made in (tree(), tree(single=("r1", "r3")), tree(feed_w=None), tree(budget_mw=1)):
        layout = lay_out(made)
        assert (layout.device_at >= 0).all()
        places = [(device.level, column) for device in layout.devices for column in device.nodes]
        assert len(places) == len(set(places)) == len(layout.levels) * len(NODES)


def test_idle_and_what_is_not_claimed_are_taken_off_and_nothing_falls_below_zero():
    made = tree(idle_w=50)
    assert watts(made)["rack/r1"] == 750
    layout = lay_out(made)
    beside = nothing(layout)
    beside[layout.levels.index("rack"), 0] = 100 * MW + 1
    assert watts(made, beside)["rack/r1"] == 649
    assert watts(made, beside)["row/row"] == 1500
    beside[:] = 10_000 * MW
    assert set(watts(made, beside).values()) == {0}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(NODES) - 1), st.integers(1, 400), st.booleans()), max_size=40),
    st.sets(st.sampled_from(["r1", "r2", "r3"]), max_size=2),
    st.integers(0, 60),
    st.sampled_from([None, 250 * MW]),
)
def test_whatever_is_claimed_within_the_devices_breaks_no_row(asked, single, idle_w, own_mw):
    made = tree(single=tuple(sorted(single)), idle_w=idle_w, feed_w=1500, **({"budget_mw": own_mw} if own_mw else {}))
    layout = lay_out(made)
    beside = nothing(layout)
    drawn = np.zeros(len(NODES), dtype=np.int64)
    # Pods that claim nothing come first, and take what they take.
    for column, amount, claims in asked:
        if not claims:
            beside[:, column] += amount * MW
            drawn[column] += amount * MW
    left = list(capacities(made, layout, beside))
    held = (made.weights @ drawn <= made.row_free[:-1]) | (made.weights @ drawn == 0)
    for column, amount, claims in asked:
        mine = layout.device_at[:, column].tolist()
        if claims and all(left[place] is None or left[place] >= amount for place in mine):
            drawn[column] += amount * MW
            for place in mine:
                left[place] = None if left[place] is None else left[place] - amount
    after = made.weights @ drawn
    assert (after[held] <= made.row_free[:-1][held]).all()
