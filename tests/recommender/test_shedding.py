"""Who is evicted for a cap, checked by a brute force that knows nothing of how they are chosen."""

import itertools
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from powerplane.recommender.shedding import Candidate, choose_evictions

ALL = 100


def pod(name: str, mw: int, priority: int = 0, budget: int = -1, namespace: str = "default") -> Candidate:
    return Candidate(namespace, name, f"uid-{namespace}-{name}", priority, mw, budget)


def names(chosen) -> list[str]:
    return [each.name for each in chosen]


def drawn(pods) -> int:
    return sum(each.mw for each in pods)


def within(pods, allowed: dict[int, int]) -> bool:
    counts = Counter(each.budget for each in pods if each.budget >= 0)
    return all(count <= allowed.get(budget, 0) for budget, count in counts.items())


def most_freed(pods, allowed: dict[int, int]) -> int:
    """The most that may go at all, by trying every subset."""
    subsets = itertools.chain.from_iterable(itertools.combinations(pods, n) for n in range(len(pods) + 1))
    return max(drawn(each) for each in subsets if within(each, allowed))


def fewest(pods, excess: int, allowed: dict[int, int]) -> int | None:
    """Of the fewest pods that draw the excess, how many; None where there are none."""
    for count in range(len(pods) + 1):
        if any(drawn(each) >= excess and within(each, allowed) for each in itertools.combinations(pods, count)):
            return count
    return None


@st.composite
def cases(draw):
    count = draw(st.integers(0, 8))
    pods = [
        pod(f"p{i}", draw(st.integers(1, 12)), draw(st.integers(-1, 2)), draw(st.integers(-1, 1))) for i in range(count)
    ]
    allowed = {0: draw(st.integers(0, 3)), 1: draw(st.integers(0, 3))}
    return pods, draw(st.integers(1, 60)), allowed


@given(cases())
def test_without_any_one_of_the_chosen_the_cap_stays_broken_and_with_all_it_is_held_where_it_can_be(case):
    pods, excess, allowed = case
    chosen = choose_evictions(pods, excess, allowed, ALL)
    assert set(chosen) <= set(pods)
    assert len(set(chosen)) == len(chosen)
    assert within(chosen, allowed)
    if most_freed(pods, allowed) >= excess:
        assert drawn(chosen) >= excess
    else:
        assert drawn(chosen) == most_freed(pods, allowed)
    for each in chosen:
        assert drawn(chosen) - each.mw < excess


@given(cases())
def test_no_pod_goes_where_those_of_lower_priority_suffice(case):
    pods, excess, allowed = case
    chosen = choose_evictions(pods, excess, allowed, ALL)
    if chosen:
        highest = max(each.priority for each in chosen)
        assert most_freed([each for each in pods if each.priority < highest], allowed) < excess
    assert [each.priority for each in chosen] == sorted(each.priority for each in chosen)


@given(cases())
def test_of_one_priority_the_fewest_go(case):
    pods, excess, allowed = case
    alike = [pod(each.name, each.mw, 0, each.budget) for each in pods]
    count = fewest(alike, excess, allowed)
    if count is not None:
        assert len(choose_evictions(alike, excess, allowed, ALL)) == count


@given(cases(), st.randoms())
def test_the_choice_does_not_hang_on_the_order_in_which_pods_are_told(case, random):
    pods, excess, allowed = case
    shuffled = list(pods)
    random.shuffle(shuffled)
    assert choose_evictions(shuffled, excess, allowed, ALL) == choose_evictions(pods, excess, allowed, ALL)


def test_the_last_is_the_smallest_that_brings_the_rest():
    pods = [pod("a", 10), pod("b", 7), pod("c", 4), pod("d", 3)]
    assert names(choose_evictions(pods, 13, {}, ALL)) == ["a", "d"]
    assert names(choose_evictions(pods, 4, {}, ALL)) == ["c"]


def test_those_below_are_spared_where_one_of_higher_priority_has_to_go_and_suffices():
    pods = [pod("low", 3), pod("low2", 3), pod("high", 20, 5)]
    assert names(choose_evictions(pods, 10, {}, ALL)) == ["high"]
    assert names(choose_evictions(pods, 22, {}, ALL)) == ["low2", "high"]


def test_no_more_go_at_once_than_may():
    assert len(choose_evictions([pod(f"p{i:03}", 1) for i in range(50)], 50, {}, 7)) == 7
