"""Watts foretold: by history where there is one, and never by less than what is known."""

from fractions import Fraction
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.adapters.node_rates import Rates
from powerplane.admission.predicting import Bounds, KnownDemand, Predictor, class_key
from powerplane.models.errors import InputError
from powerplane.models.pod_watts import is_believed, least_watts

GPU = "nvidia.com/gpu"
RATES = Rates(per_core_mw=5500, device_mw={GPU: 400_000})
FLOATS = st.floats(0.0, 1e5)
AMOUNTS = st.fractions(0, 64)


def bounds(most):
    return st.tuples(st.floats(0.0, most), st.floats(0.0, most) | st.just(inf)).map(lambda b: Bounds(b[0], b[0] + b[1]))


KNOWN = st.builds(KnownDemand, cores=st.none() | bounds(100), watts=st.none() | bounds(5000))


def test_without_a_history_requests_count_on_the_node_type_that_draws_the_most():
    amounts = {"cpu": Fraction(3, 2), GPU: Fraction(2), "memory": Fraction(10**9)}
    found = Predictor(RATES).predict("", amounts)
    assert (found.watts, found.source) == (809, "requests")


def test_a_pod_that_asks_for_nothing_is_never_0_w():
    found = Predictor(RATES).predict("", {})
    assert (found.watts, found.source) == (1, "floor")


def test_a_long_history_counts_in_the_place_of_requests():
    known = {"d/Deployment/web": KnownDemand(cores=Bounds(4, 5))}
    assert Predictor(RATES, known).predict("d/Deployment/web", {"cpu": Fraction(64)}).watts == 28
    assert Predictor(RATES, known).predict("d/Deployment/web", {}).watts == 22


def test_a_young_history_counts_by_requests_until_its_bound_falls_below_them():
    young = {"o": KnownDemand(cores=Bounds(4.0, inf))}
    assert Predictor(RATES, young).predict("o", {"cpu": Fraction(20)}).watts == 110


def test_cards_that_were_never_metered_count_by_request_whatever_is_known_of_the_cpu():
    known = {"o": KnownDemand(cores=Bounds(1, 1.1))}
    found = Predictor(RATES, known).predict("o", {"cpu": Fraction(8), GPU: Fraction(2)})
    assert (found.watts, found.source) == (807, "history")


def test_cards_that_were_metered_count_by_what_they_drew():
    known = {"o": KnownDemand(watts=Bounds(120, 150))}
    assert Predictor(RATES, known).predict("o", {"cpu": Fraction(2), GPU: Fraction(1)}).watts == 161


def test_a_pod_of_no_known_workload_counts_by_its_class():
    amounts = {"cpu": Fraction(16)}
    alike = class_key("batch", ["reg.example:5000/team/job:1.4"], amounts)
    predictor = Predictor(RATES, {}, {alike: KnownDemand(cores=Bounds(2, 3))})
    again = class_key("batch", ["reg.example:5000/team/job@sha256:00"], amounts)
    found = predictor.predict("batch/Job/run-17", amounts, again)
    assert (found.watts, found.source) == (17, "class")
    for other in (
        class_key("other", ["reg.example:5000/team/job"], amounts),
        class_key("batch", ["reg.example:5000/team/else"], amounts),
        class_key("batch", ["reg.example:5000/team/job"], {"cpu": Fraction(17)}),
        class_key("batch", ["reg.example:5000/team/job"], amounts | {GPU: Fraction(1)}),
    ):
        assert predictor.predict("batch/Job/run-17", amounts, other).source == "requests"


def test_a_young_workload_is_bound_by_its_older_class_and_never_below_its_own_target():
    amounts = {"cpu": Fraction(16)}
    alike = class_key("n", ["i"], amounts)
    for older, watts in ((Bounds(2, 3), 17), (Bounds(0.1, 0.2), 11), (Bounds(20, 30), 55)):
        known = {"o": KnownDemand(cores=Bounds(2, 10))}
        found = Predictor(RATES, known, {alike: KnownDemand(cores=older)}).predict("o", amounts, alike)
        assert (found.watts, found.source) == (watts, "history")


def test_memory_and_watts_that_are_asked_for_make_no_other_class():
    amounts = {"cpu": Fraction(1)}
    more = amounts | {"memory": Fraction(5), "powerplane.dev/watts": Fraction(9), "pods": Fraction(1)}
    assert class_key("n", ["i"], amounts) == class_key("n", ["i"], more)


@pytest.mark.parametrize("known", [{}, {"o": KnownDemand(cores=Bounds(1, 2))}])
def test_where_no_node_states_its_watts_cores_rate_nothing(known):
    assert Predictor(Rates(), known).predict("o", {"cpu": Fraction(4)}).watts == 1
    assert Predictor(Rates(), known).predict("o", {"cpu": Fraction(64)}).watts == 16


@given(AMOUNTS, st.integers(0, 8), KNOWN, st.sampled_from([Rates(), RATES]))
def test_what_is_foretold_is_always_enough_to_be_believed(cpu, cards, known, rates):
    amounts = {"cpu": cpu, GPU: Fraction(cards)}
    assert is_believed(Predictor(rates, {"o": known}).predict("o", amounts).watts, amounts)
    assert is_believed(Predictor(rates).predict("o", amounts).watts, amounts)


@given(AMOUNTS, AMOUNTS, st.integers(0, 8), KNOWN, st.none() | KNOWN)
def test_asking_for_less_never_foretells_less_than_the_target_of_the_history(less, more, cards, known, like):
    less, more = sorted((less, more))
    predictor = Predictor(RATES, {"o": known}, {"c": like} if like else {})
    low, high = (predictor.predict("o", {"cpu": cpu, GPU: Fraction(cards)}, "c").watts for cpu in (less, more))
    target = (known.cores.target * 5.5 if known.cores else 0) + (known.watts.target if known.watts else 0)
    assert target * (1 - 1e-9) <= low <= high


@given(AMOUNTS, KNOWN)
def test_history_never_foretells_more_than_its_own_bound_and_never_changes_by_being_asked(cpu, known):
    predictor = Predictor(RATES, {"o": known})
    first, again = (predictor.predict("o", {"cpu": cpu}) for _ in range(2))
    assert first == again
    by_requests = float(cpu) * 5.5
    cores = max(known.cores.target * 5.5, min(known.cores.upper * 5.5, by_requests)) if known.cores else by_requests
    watts = known.watts.target if known.watts else 0
    assert first.watts <= max(cores + watts, least_watts({"cpu": cpu})) * (1 + 1e-9) + 1.01


@pytest.mark.parametrize("known", [{}, {"ns/Deployment/web": KnownDemand(Bounds(1, 2))}])
@pytest.mark.parametrize("asked", ["cpu", "powerpl/ggggggpu"])
def test_a_quantity_beyond_any_site_is_refused_though_no_node_rates_it(known, asked):
    with pytest.raises(InputError):
        Predictor(known=known).predict("ns/Deployment/web", {asked: Fraction(3 * 10**15 + 10**14)}, "")
