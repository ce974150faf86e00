"""The order of waiting pods."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from powerplane.admission.gates.queue import FairQueue


@dataclass(frozen=True)
class Waiter:
    uid: str
    namespace: str = "a"
    priority: int = 0
    created_s: float = 0.0
    mw: int = 100


def served(waiting, held=None, weights=None):
    queue = FairQueue(waiting, held or {}, weights or {})
    order = []
    for each in queue:
        order.append(each.uid)
        queue.granted(each.namespace, each.mw)
    return order


def test_higher_priority_goes_first_whatever_age_and_share():
    assert served([Waiter("old"), Waiter("high", "b", 5, 9.0)], {"b": 10**9}) == ["high", "old"]


def test_within_a_namespace_the_oldest_goes_first_and_names_break_ties():
    assert served([Waiter("c", created_s=2), Waiter("b", created_s=1), Waiter("a", created_s=2)]) == ["b", "a", "c"]


def test_the_namespace_with_the_least_of_its_share_goes_first():
    many = [Waiter(f"a{i}") for i in range(4)] + [Waiter(f"b{i}", "b", created_s=9) for i in range(4)]
    assert served(many) == ["a0", "b0", "a1", "b1", "a2", "b2", "a3", "b3"]
    assert served(many, {"a": 250})[:3] == ["b0", "b1", "b2"]


def test_a_quota_three_times_as_large_is_given_three_times_as_much():
    many = [Waiter(f"a{i}") for i in range(30)] + [Waiter(f"b{i}", "b") for i in range(30)]
    first = served(many, weights={"a": 300, "b": 100})[:20]
    assert sum(uid.startswith("a") for uid in first) == 15


def test_a_namespace_without_a_quota_counts_as_the_smallest():
    many = [Waiter(f"{n}{i}", n) for n in "abc" for i in range(30)]
    first = served(many, weights={"a": 200, "b": 100})[:20]
    assert [sum(uid[0] == name for uid in first) for name in "abc"] == [10, 5, 5]


WAITERS = st.lists(
    st.builds(
        Waiter,
        st.uuids().map(str),
        st.sampled_from("abcd"),
        st.integers(-2, 2),
        st.integers(0, 5).map(float),
        st.integers(0, 500),
    ),
    max_size=30,
)


@given(WAITERS, st.dictionaries(st.sampled_from("abcd"), st.integers(0, 900)), st.data())
def test_every_pod_comes_once_and_each_is_the_first_by_the_stated_order(waiting, held, data):
    weights = data.draw(st.dictionaries(st.sampled_from("abc"), st.integers(1, 5)))
    least = min(weights.values(), default=1)
    queue = FairQueue(waiting, held, weights)
    left, holds = list(waiting), dict(held)
    for got in queue:

        def rank(each):
            share = holds.get(each.namespace, 0) / weights.get(each.namespace, least)
            return -each.priority, share, each.created_s, each.namespace, each.uid

        # Of a namespace only the oldest pod of the highest priority stands for it.
        heads = {}
        for each in sorted(left, key=lambda one: (-one.priority, one.created_s, one.uid)):
            heads.setdefault((each.priority, each.namespace), each)
        assert rank(got) == min(map(rank, heads.values()))
        left.remove(got)
        if data.draw(st.booleans()):
            queue.granted(got.namespace, got.mw)
            holds[got.namespace] = holds.get(got.namespace, 0) + got.mw
    assert left == []
