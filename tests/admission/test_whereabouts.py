"""Rates by where a pod can go: never below those of a node that can take it, and no higher than those of all."""

from hypothesis import given
from hypothesis import strategies as st

from powerplane.adapters.node_rates import Rates
from powerplane.admission.rates import Rated, whereabouts_of
from powerplane.admission.whereabouts import Whereabouts, highest, lowest
from powerplane.models.api.power_domain import MemberNode, PowerDomainObject, PowerDomainSpec
from powerplane.models.eligibility import NodeIndex
from powerplane.models.objects import (
    Affinity,
    Node,
    NodeAffinity,
    NodeSelector,
    NodeSelectorTerm,
    ObjectMeta,
    PodSpec,
    Requirement,
)

GPU = "nvidia.com/gpu"


def domain(name, peak_watts, nodes):
    member = MemberNode(idle="100W", peak=f"{peak_watts}W")
    return PowerDomainObject(ObjectMeta(name=name), PowerDomainSpec("rack", node_names=tuple(nodes), node=member))


def site():
    """Two frugal nodes, two hungrier ones, and one of which no peak is known."""
    nodes = [
        Rated("frugal-1", {"type": "frugal", "zone": "a"}, {"cpu": "10"}),
        Rated("frugal-2", {"type": "frugal", "zone": "b"}, {"cpu": "10"}),
        Rated("hungry", {"type": "hungry", "zone": "b"}, {"cpu": "10"}),
        Rated("hungriest", {"type": "hungriest", "zone": "c"}, {"cpu": "10"}),
        Rated("unknown", {"type": "unknown", "zone": "c"}, {"cpu": "10"}),
    ]
    domains = [
        domain("f", 200, ["frugal-1", "frugal-2"]),
        domain("h", 400, ["hungry"]),
        domain("m", 500, ["hungriest"]),
    ]
    return whereabouts_of(nodes, domains)


def spec(selector=None, *terms):
    affinity = None
    if terms:
        made = tuple(NodeSelectorTerm(tuple(Requirement(*each) for each in term)) for term in terms)
        affinity = Affinity(NodeAffinity(NodeSelector(made)))
    return PodSpec(node_selector=selector, affinity=affinity)


def per_core(made):
    return site().rates_for(made, ()).per_core_mw


def test_a_pod_that_can_go_anywhere_counts_on_the_hungriest_node():
    assert per_core(spec()) == 40_000


def test_a_node_selector_narrows_to_the_nodes_that_have_its_labels():
    assert per_core(spec({"type": "frugal"})) == 10_000
    assert per_core(spec({"zone": "b"})) == 30_000
    assert per_core(spec({"zone": "b", "type": "frugal"})) == 10_000


def test_a_required_affinity_narrows_by_its_values_and_the_hungriest_of_its_terms_counts():
    assert per_core(spec(None, [("type", "In", ("frugal", "hungry"))])) == 30_000
    assert per_core(spec(None, [("type", "In", ("frugal",))], [("type", "In", ("hungry",))])) == 30_000
    assert per_core(spec(None, [("type", "In", ("frugal", "hungry")), ("zone", "In", ("a",))])) == 10_000


def test_what_cannot_be_told_narrows_nothing():
    assert per_core(spec(None, [("type", "NotIn", ("hungriest",))])) == 40_000
    assert per_core(spec(None, [("type", "In", ("frugal", "yet-to-come"))])) == 40_000
    assert per_core(spec({"type": "yet-to-come"})) == 40_000
    assert per_core(spec(None, [])) == 40_000


def test_a_label_that_a_node_of_unknown_peak_has_narrows_nothing():
    assert per_core(spec({"zone": "c"})) == per_core(spec({"type": "unknown"})) == 40_000


def test_a_pod_of_cards_counts_on_nodes_of_cards():
    narrow = whereabouts_of(
        [Rated("cards", {}, {"cpu": "100", GPU: "1"}), Rated("hungry", {}, {"cpu": "10"})],
        [domain("c", 900, ["cards"]), domain("h", 400, ["hungry"])],
    )
    assert narrow.rates_for(spec(), ["cpu"]).per_core_mw == 30_000
    assert narrow.rates_for(spec(), ["cpu", GPU]) == Rates(1000, {GPU: 700_000})


def test_bounds_of_two_kinds_keep_what_either_knows():
    one, other = Rates(5, {"a": 3}), Rates(7, {"a": 2, "b": 9})
    assert highest(one, other) == Rates(7, {"a": 3, "b": 9})
    assert lowest(one, other) == Rates(5, {"a": 2, "b": 9})


LABELS = st.dictionaries(st.sampled_from("kl"), st.sampled_from("xyz"), max_size=2)
EXPRESSIONS = st.tuples(
    st.sampled_from("kl"),
    st.sampled_from(("In", "NotIn", "Exists", "DoesNotExist")),
    st.lists(st.sampled_from("xyzw"), min_size=1, max_size=3, unique=True).map(tuple),
).map(lambda each: (each[0], each[1], each[2] if each[1].endswith("In") else None))


@given(
    st.lists(st.tuples(LABELS, st.sampled_from((None, 200, 300, 900)), st.integers(1, 4)), min_size=1, max_size=6),
    LABELS,
    st.lists(st.lists(EXPRESSIONS, min_size=1, max_size=2), max_size=2),
)
def test_no_node_that_can_take_a_pod_draws_more_for_a_core_than_its_rates_say(nodes, selector, terms):
    names = [f"n{i}" for i in range(len(nodes))]
    rated = [Rated(name, labels, {"cpu": str(10 * cpus)}) for name, (labels, _, cpus) in zip(names, nodes, strict=True)]
    peaks = {name: peak for name, (_, peak, _) in zip(names, nodes, strict=True) if peak}
    made = spec(selector, *terms)
    found = whereabouts_of(rated, [domain(name, peak, [name]) for name, peak in peaks.items()])
    index = NodeIndex(tuple(Node(ObjectMeta(name=each.name, labels=dict(each.labels))) for each in rated))
    affinity = made.affinity.node_affinity if made.affinity else None
    fits = index.chosen(tuple(sorted(selector.items())), affinity)
    rates = found.rates_for(made, ("cpu",))
    assert rates.per_core_mw <= found.everywhere.per_core_mw
    for name, (_, peak, cpus), fit in zip(names, nodes, fits, strict=True):
        if fit and peak:
            assert rates.per_core_mw * 10 * cpus >= (peak - 100) * 1000, name


def test_without_anything_known_nothing_is_foretold():
    assert Whereabouts().rates_for(spec({"a": "b"}), [GPU]) == Rates()
