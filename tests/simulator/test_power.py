import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.topology import SHARED, PowerDomain, PowerTopology
from powerplane.simulator.power import surviving, wire

NODES = ("n1", "n2", "n3", "n4")
TOPOLOGY = PowerTopology(
    (
        PowerDomain("a", "feed", 1000),
        PowerDomain("b", "feed", 1000),
        PowerDomain("row", "row", 1000),
        PowerDomain("both", "rack", 1000, ("row", "a", "b"), ("n1", "n2"), feed_load=SHARED),
        PowerDomain("alone", "rack", 1000, ("row", "b"), ("n3", "n4")),
    )
)
ROWS = ("a", "b", "row", "both", "alone")


def carried(lost: tuple[str, ...], watts: tuple[int, ...]) -> dict[str, float]:
    wiring = wire(TOPOLOGY, NODES, lost)
    draw = np.where(wiring.lit, np.array(watts), 0)
    return dict(zip(ROWS, (wiring.weights @ draw / wiring.scale).tolist(), strict=True))


def test_a_feed_takes_over_all_that_the_lost_one_carried() -> None:
    assert carried((), (10, 20, 30, 40)) == {"a": 15, "b": 85, "row": 100, "both": 30, "alone": 70}
    assert carried(("a",), (10, 20, 30, 40)) == {"a": 0, "b": 100, "row": 100, "both": 30, "alone": 70}


def test_racks_without_a_living_feed_go_dark_and_the_others_stay() -> None:
    assert carried(("b",), (10, 20, 30, 40)) == {"a": 30, "b": 0, "row": 30, "both": 30, "alone": 0}
    assert wire(TOPOLOGY, NODES, ("b",)).lit.tolist() == [True, True, False, False]


def test_with_both_feeds_lost_nothing_is_left() -> None:
    assert surviving(TOPOLOGY, ("a", "b")).domains == ()
    assert carried(("a", "b"), (10, 20, 30, 40)) == dict.fromkeys(ROWS, 0)


@given(watts=st.tuples(*[st.integers(0, 10**6)] * 4), lost=st.sampled_from([(), ("a",), ("b",), ("a", "b"), ("both",)]))
def test_feeds_and_rows_carry_exactly_what_living_nodes_draw(watts: tuple[int, ...], lost: tuple[str, ...]) -> None:
    lit = wire(TOPOLOGY, NODES, lost).lit
    total = int(np.where(lit, np.array(watts), 0).sum())
    loads = carried(lost, watts)
    assert loads["a"] + loads["b"] == pytest.approx(total)
    assert loads["row"] == loads["both"] + loads["alone"] == total
