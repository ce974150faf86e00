"""No plan for noise: what is acted on, when trees rest, and which plans are worth their moves."""

from hypothesis import given
from hypothesis import strategies as st

from powerplane.recommender.hysteresis import Calm, Hysteresis, Pauses, is_worth
from powerplane.recommender.violations import Violation

CALM = Calm()
BUDGET_MW = 1_000_000


def violation(over_mw: int, when: str = "now", name: str = "r1") -> Violation:
    return Violation(name, "rack", when, BUDGET_MW, BUDGET_MW + over_mw, "")


small = st.integers(1, int(CALM.real_share * BUDGET_MW) - 1)
real = st.integers(int(CALM.real_share * BUDGET_MW), BUDGET_MW)


@given(real)
def test_a_real_excess_is_acted_on_at_the_first_look(over_mw):
    assert Hysteresis(CALM).follow([violation(over_mw)])


@given(st.lists(st.none() | small, max_size=40))
def test_a_small_excess_is_acted_on_exactly_when_enough_of_the_last_looks_had_one(looks):
    hysteresis = Hysteresis(CALM)
    for end, over_mw in enumerate(looks, 1):
        acted = hysteresis.follow([] if over_mw is None else [violation(over_mw)])
        recent = [each for each in looks[max(0, end - CALM.of) : end] if each is not None]
        assert bool(acted) == (over_mw is not None and len(recent) >= CALM.seen)


@given(st.sampled_from(["ahead", "if lost"]), real)
def test_what_is_only_foreseen_is_never_acted_on_at_the_first_look(when, over_mw):
    hysteresis = Hysteresis(CALM)
    assert not hysteresis.follow([violation(over_mw, when)])
    assert not hysteresis.follow([violation(over_mw, when)])
    assert hysteresis.follow([violation(over_mw, when)])


@given(st.lists(st.lists(st.tuples(st.sampled_from("abc"), real | small), max_size=5), max_size=10))
def test_only_what_is_violated_now_is_acted_on(looks):
    hysteresis = Hysteresis(CALM)
    for look in looks:
        found = [violation(over, name=name) for name, over in dict(look).items()]
        assert set(hysteresis.follow(found)) <= set(found)


def test_a_domain_and_a_node_of_one_name_are_two_things():
    hysteresis = Hysteresis(CALM)
    node = Violation("r1", "node", "now", BUDGET_MW, BUDGET_MW + 1, "")
    for _ in range(2):
        hysteresis.follow([node])
    assert not hysteresis.follow([violation(1)])


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_pauses_grow_with_failures_in_a_row_within_bounds_and_end(failures):
    pauses, now_s, in_a_row = Pauses(CALM), 0.0, 0
    for failed in failures:
        pauses.ended(["t"], now_s, failed=failed)
        in_a_row = in_a_row + 1 if failed else 0
        wanted_s = CALM.settle_s
        if failed:
            wanted_s = max(CALM.settle_s, min(CALM.first_pause_s * 2 ** (in_a_row - 1), CALM.longest_pause_s))
        assert pauses.resting(now_s + wanted_s - 0.01) == {"t"}
        assert not pauses.resting(now_s + wanted_s)
        now_s += wanted_s


@given(st.integers(1, 10**9), st.integers(0, 10**9), st.integers(1, 3000))
def test_a_plan_that_saves_nothing_is_worth_nothing_and_one_that_takes_all_is_worth_it(before_mw, more_mw, moves):
    assert not is_worth(before_mw, before_mw + more_mw, moves, CALM)
    assert is_worth(before_mw, 0, moves, CALM)
    assert not is_worth(before_mw, 0, 0, CALM)


@given(st.integers(1, 10**9), st.integers(0, 10**9), st.integers(0, 10**6), st.integers(1, 3000))
def test_a_plan_that_saves_more_is_worth_it_where_one_that_saves_less_is(before_mw, after_mw, better_mw, moves):
    if is_worth(before_mw, after_mw, moves, CALM):
        assert is_worth(before_mw, max(0, after_mw - better_mw), moves, CALM)


def test_a_plan_that_takes_a_few_watts_of_many_is_not_worth_its_moves():
    assert not is_worth(1_000_000, 950_000, 3, CALM)
    assert not is_worth(10_000, 8_000, 5, CALM)
    assert is_worth(1_000_000, 500_000, 30, CALM)
