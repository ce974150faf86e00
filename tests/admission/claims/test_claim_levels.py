"""The webhook's levels are the controller's."""

from datetime import UTC, datetime

import msgspec
from prometheus_client import CollectorRegistry
from tests.admission.claims.claim_world import tree
from tests.admission.gates.gate_world import World

from powerplane.adapters.watch import Batch
from powerplane.admission.claims.excess import Excess
from powerplane.admission.claims.layout import capacities, lay_out
from powerplane.admission.claims.levels import LevelBook
from powerplane.admission.claims.metrics import ClaimMetrics
from powerplane.admission.gates.books import GateBooks
from powerplane.admission.gates.rules import GateRules
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.drift import Sample
from powerplane.models.objects import Node


def objects(world):
    domains = [msgspec.convert(each, PowerDomainObject) for each in world.domains()]
    labels = {each["metadata"]["name"]: each["metadata"]["labels"] for each in world.nodes()}
    return domains, labels


def controllers_tree(world):
    rules, books = GateRules(), GateBooks()
    rules.sink("domains")(Batch(True, tuple(("ADDED", each) for each in objects(world)[0])))
    books.nodes(Batch(True, tuple(("ADDED", msgspec.convert(each, Node)) for each in world.nodes())))
    return rules.ground(books.moment(), datetime(2026, 5, 1, tzinfo=UTC)).tree


def test_the_webhook_comes_to_the_same_levels_as_the_controller():
    world = World()
    levels = LevelBook().levels(*objects(world))
    assert levels == lay_out(controllers_tree(world)).levels == ("node", "feed", "feed-2", "rack", "row")


def test_while_domains_make_no_tree_the_last_levels_stay():
    book = LevelBook()
    domains, labels = objects(World())
    levels = book.levels(domains, labels)
    broken = [each for each in domains if each.metadata.name != "row"]
    assert book.levels(broken, labels) == levels
    assert book.levels([], {}) == ()


def test_what_a_node_is_measured_to_draw_beyond_its_books_is_excess_and_stale_samples_count_at_the_peak():
    tree = controllers_tree(World())
    drawn = 0 * tree.node_free_mw
    drawn[0] = 100_000
    excess = Excess()
    first = excess.follow(tree, drawn, {tree.nodes[0].name: Sample(160_000, 10.0)}, 10.0)
    assert first[0] == 60_000
    assert first[1:].sum() == 0
    again = excess.follow(tree, drawn, {tree.nodes[0].name: Sample(160_000, 10.0)}, 500.0)
    assert again[0] >= 60_000


def test_metrics_tell_what_domains_offer_and_forget_those_that_are_gone():
    registry = CollectorRegistry()
    metrics = ClaimMetrics(registry)
    for made in (tree(), tree(feed_w=None)):
        layout = lay_out(made)
        metrics.decided({"devices": 3.0}, layout, capacities(made, layout, 0 * layout.device_at))
    assert registry.get_sample_value("powerplane_claims_offered_watts", {"pool": "rack/r1"}) == 900
    assert registry.get_sample_value("powerplane_claims_offered_watts", {"pool": "feed/fa/lost/fb"}) is None
    metrics.wrote("slice", "patch", "ok")
    assert registry.get_sample_value(
        "powerplane_claims_writes_total", {"kind": "slice", "verb": "patch", "outcome": "ok"}
    )
