import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.scheduler_extender.small import W, broken, topology

from powerplane.models.power_tree import NodeFigures, compile_tree


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.sampled_from([None, 400, 1500]),
    st.sampled_from([None, 900, 2500]),
    st.sampled_from([(), (("f1", 800),), (("f1", 1200), ("f2", 700))]),
    st.lists(st.integers(0, 300), min_size=16, max_size=16),
)
def test_a_pod_that_fills_the_room_breaks_nothing_and_one_watt_more_does(sizes, rack_w, row_w, feeds, loads):
    racks = {f"r{i}": [f"n{i}-{j}" for j in range(size)] for i, size in enumerate(sizes)}
    shape = topology(racks, rack_w=rack_w, row_w=row_w, feeds=feeds)
    names = [name for nodes in racks.values() for name in nodes]
    tree = compile_tree(shape, [NodeFigures(name) for name in names])
    placed = dict(zip(names, loads, strict=False))
    if broken(shape, placed, None):
        return
    weights = np.zeros((len(tree.row_free), len(names)), dtype=np.int64)
    for column in range(len(names)):
        rows, shares = tree.group_row[tree.group[column]], tree.group_weight[tree.group[column]]
        weights[rows, column] = shares
    free = tree.row_free - weights @ (np.array(list(placed.values())) * W)
    free[-1] = tree.row_free[-1]
    room = tree.group_room(free)[tree.group]
    for column, name in enumerate(names):
        if room[column] >= 10**12:
            continue
        whole = int(room[column]) // W
        assert broken(shape, placed | {name: placed[name] + whole}, None) == []
        assert broken(shape, placed | {name: placed[name] + whole + 1}, None) != []


def test_nodes_under_the_same_budgets_are_one_group():
    tree = compile_tree(topology({"r1": ["a", "b"], "r2": ["c"]}), [NodeFigures(name) for name in "abcd"])
    assert tree.group[0] == tree.group[1]
    assert len(set(tree.group.tolist())) == 3


def test_a_budget_in_force_takes_the_place_of_the_topologys():
    shape = topology({"r1": ["a"]}, rack_w=1000)
    tree = compile_tree(shape, [NodeFigures("a", base_mw=100 * W)], {"r1": 300 * W})
    assert tree.group_room(tree.row_free).tolist() == [200 * W]
