from tests.cli.report.samples import sample

from powerplane.cli.report.floor import Band, lay_out
from powerplane.models.topology import PowerDomain, PowerTopology


def domain(name: str, kind: str, *parents: str, nodes: tuple[str, ...] = (), feed_load: str = "") -> PowerDomain:
    return PowerDomain(name, kind, 1000, parents, nodes, feed_load=feed_load)


def test_racks_stand_in_the_band_of_their_row_and_feeds_above() -> None:
    snapshot, _ = sample(racks=4)
    floor = lay_out(snapshot.topology, snapshot.node_names)
    assert floor.levels == (("feed", ("feed-b", "feed-a")),) or floor.levels == (("feed", ("feed-a", "feed-b")),)
    assert floor.bands == (Band(("row-1",), ("rack-001", "rack-003")), Band(("row-2",), ("rack-002", "rack-004")))


def test_racks_on_two_feeds_only_stand_in_a_band_of_both() -> None:
    rack = domain("r", "rack", "b", "a", nodes=("n",), feed_load="shared")
    floor = lay_out(PowerTopology((domain("a", "feed"), domain("b", "feed"), rack)), ("n",))
    assert floor.levels == (("feed", ("a", "b")),)
    assert floor.bands == (Band(("a", "b"), ("r",)),)


def test_a_rack_without_parents_stands_in_a_band_of_its_own() -> None:
    floor = lay_out(PowerTopology((domain("r", "rack", nodes=("n",)),)), ("n",))
    assert floor.levels == ()
    assert floor.bands == (Band((), ("r",)),)


def test_a_node_in_domains_of_two_kinds_stands_in_the_kind_that_holds_more() -> None:
    zone = domain("cold-aisle", "zone", nodes=("n1",))
    racks = (domain("r1", "rack", nodes=("n1",)), domain("r2", "rack", nodes=("n2",)))
    floor = lay_out(PowerTopology((zone, *racks)), ("n1", "n2"))
    assert floor.rack_of == ("r1", "r2")
    assert floor.levels == (("zone", ("cold-aisle",)),)


def test_every_domain_has_exactly_one_place() -> None:
    snapshot, _ = sample(racks=30, rows=4)
    floor = lay_out(snapshot.topology, snapshot.node_names)
    placed = [name for _, names in floor.levels for name in names]
    placed += [name for band in floor.bands for name in (*band.heads, *band.racks)]
    assert sorted(placed) == sorted(snapshot.topology.by_name)
