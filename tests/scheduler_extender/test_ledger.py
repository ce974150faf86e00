import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.scheduler_extender.small import W, fact, tree

from powerplane.adapters.node_rates import Draw
from powerplane.models.power_tree import compile_tree
from powerplane.scheduler_extender.ledger import Hold, Ledger

RACKS = {"r1": ["a", "b"], "r2": ["c"]}


def held(key, columns, watts, namespace="default"):
    nodes = np.array(columns, dtype=np.int64)
    return Hold(key, namespace, nodes, np.full(len(nodes), watts * W, dtype=np.int64), 10.0)


def room_w(ledger):
    return {node.name: int(mw) // W for node, mw in zip(ledger.tree.nodes, ledger.room_mw, strict=True)}


def test_room_is_the_least_that_any_budget_above_a_node_leaves():
    ledger = Ledger(tree(RACKS, node_w=800, rack_w=1000, row_w=1500, base_w=100))
    assert room_w(ledger) == {"a": 700, "b": 700, "c": 700}
    ledger.place(fact("p1", "a", 600))
    assert room_w(ledger) == {"a": 100, "b": 200, "c": 600}
    ledger.place(fact("p2", "c", 550))
    assert room_w(ledger) == {"a": 50, "b": 50, "c": 50}


def test_a_lost_feed_counts_the_whole_load_on_the_other():
    ledger = Ledger(tree({"r1": ["a"]}, rack_w=None, feeds=(("f1", 500), ("f2", 400))))
    assert room_w(ledger) == {"a": 400}


def test_a_pod_seen_twice_counts_once():
    ledger = Ledger(tree(RACKS))
    ledger.place(fact("p1", "a", 600))
    ledger.place(fact("p1", "a", 600, version=9))
    assert room_w(ledger)["a"] == 400
    ledger.remove("p1")
    ledger.remove("p1")
    assert room_w(ledger)["a"] == 1000
    assert ledger.loads == {}


def test_a_resized_pod_counts_as_it_is_now():
    ledger = Ledger(tree(RACKS))
    ledger.place(fact("p1", "a", 600))
    ledger.place(fact("p1", "a", 200, version=9))
    assert room_w(ledger)["a"] == 800


def test_a_hold_on_several_nodes_charges_each_node_whole_and_each_domain_once():
    ledger = Ledger(tree(RACKS, node_w=900, rack_w=1000, row_w=1800))
    ledger.hold(held("p1", [0, 1, 2], 300))
    assert ledger.node_room_mw.tolist() == [600 * W] * 3
    assert room_w(ledger) == {"a": 600, "b": 600, "c": 600}
    free = {name: int(row) // W for name, row in zip(ledger.tree.row_domain, ledger.row_free[:-1], strict=True)}
    assert free == {"r1": 700, "r2": 700, "row": 1500}
    ledger.place(fact("p1", "c", 300))
    assert room_w(ledger) == {"a": 900, "b": 900, "c": 600}
    assert ledger.holds == {}


def test_a_pod_without_watts_counts_by_its_cores():
    ledger = Ledger(tree(RACKS, per_core_w=7))
    ledger.place(fact("p1", "a", None))
    assert room_w(ledger)["a"] == 993
    assert ledger.silent_pods == 1
    ledger.remove("p1")
    assert ledger.silent_pods == 0


def test_a_pod_that_states_too_few_watts_to_be_believed_counts_by_its_cores_too():
    ledger, few = Ledger(tree(RACKS, per_core_w=7)), Draw(1 * W, 8000)
    assert ledger.drawn_mw(few, 0) == 57 * W
    assert ledger.demand_mw(few).tolist() == [57 * W] * 3
    ledger.place(fact("p1", "a", demand=few))
    assert (room_w(ledger)["a"], ledger.silent_pods, ledger.without_watts) == (943, 1, {"default": 1})
    ledger.remove("p1")
    assert (room_w(ledger)["a"], ledger.silent_pods, +ledger.without_watts) == (1000, 0, {})


def test_pods_that_should_have_watts_and_have_none_are_counted_by_namespace_until_they_go():
    ledger = Ledger(tree(RACKS))
    ledger.place(fact("late", "a", None))
    ledger.place(fact("agent", "a", None, own=True))
    ledger.place(fact("given", "a", 100, namespace="web"))
    assert (+ledger.without_watts, ledger.silent_pods) == ({"default": 1}, 2)
    ledger.remove("late")
    assert +ledger.without_watts == {}


def test_a_pod_on_a_node_that_is_not_known_counts_once_it_is():
    ledger = Ledger(tree(RACKS))
    ledger.place(fact("p1", "late", 400))
    assert room_w(ledger)["a"] == 1000
    ledger.use(tree({"r1": ["a", "late"]}))
    assert room_w(ledger) == {"a": 600, "late": 600}


def test_holds_survive_another_tree_on_the_nodes_that_are_left():
    ledger = Ledger(tree(RACKS))
    ledger.hold(held("p1", [0, 2], 300))
    ledger.hold(held("p2", [1], 300))
    ledger.use(tree({"r2": ["c"], "r3": ["d"]}))
    assert room_w(ledger) == {"c": 700, "d": 1000}
    assert list(ledger.holds) == ["p1"]
    assert ledger.holds_of("default") == 1


def test_no_domains_hold_nobody():
    ledger = Ledger(compile_tree(None, tree(RACKS).nodes))
    ledger.place(fact("p1", "a", 10**6))
    assert room_w(ledger)["b"] > 10**9


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["place", "remove", "hold", "release", "use"]),
        st.integers(0, 5),
        st.integers(0, 2),
        st.integers(0, 400),
    ),
    max_size=40,
)


@given(STEPS)
def test_books_kept_step_by_step_equal_books_added_up_from_nothing(steps):
    forest = [tree(RACKS, node_w=900, row_w=1500), tree({"r1": ["a"], "r2": ["c", "b"]}, rack_w=700)]
    ledger, pods, holds, turn = Ledger(forest[0]), {}, {}, 0
    for what, number, column, watts in steps:
        key = f"p{number}"
        if what == "place":
            pods[key] = ("abc"[column], watts)
            holds.pop(key, None)
            ledger.place(fact(key, "abc"[column], watts))
        elif what == "remove":
            pods.pop(key, None)
            ledger.remove(key)
        elif what == "hold":
            names = "abc"[: column + 1]
            holds[key] = (names, watts)
            ledger.hold(held(key, [ledger.tree.index[name] for name in names], watts))
        elif what == "release":
            holds.pop(key, None)
            ledger.release(key)
        else:
            turn = 1 - turn
            ledger.use(forest[turn])
    own = {name: sum(w for node, w in pods.values() if node == name) for name in "abc"}
    on_offer = {name: sum(w for names, w in holds.values() if name in names) for name in "abc"}
    under = ({"r1": "ab", "r2": "c", "row": "abc"}, {"r1": "a", "r2": "cb"})[turn]
    budget = ({"r1": 1000, "r2": 1000, "row": 1500}, {"r1": 700, "r2": 700})[turn]
    left = {
        domain: budget[domain]
        - sum(own[name] for name in names)
        - sum(w for offer, w in holds.values() if set(offer) & set(names))
        for domain, names in under.items()
    }
    for name in "abc":
        rooms = [left[domain] for domain, names in under.items() if name in names]
        own_room = [900 - own[name] - on_offer[name]] if not turn else []
        assert room_w(ledger)[name] == min(rooms + own_room)
