"""Watts foretold: by history where there is one, and never by less than what is known."""

from fractions import Fraction
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from powerplane.admission.predicting import KnownDemand, Predictor, Rates

RATES = Rates(per_core_mw=5500, device_mw={"nvidia.com/gpu": 400_000})
FLOATS = st.floats(0.0, 1e5)


def test_without_a_history_requests_count_on_the_node_type_that_draws_the_most():
    amounts = {"cpu": Fraction(3, 2), "nvidia.com/gpu": Fraction(2), "memory": Fraction(10**9)}
    found = Predictor(RATES).predict("", amounts)
    assert (found.watts, found.source) == (809, "requests")


def test_a_pod_that_asks_for_nothing_is_never_0_w():
    found = Predictor(RATES).predict("", {})
    assert (found.watts, found.source) == (1, "floor")


def test_a_long_history_counts_in_the_place_of_requests():
    known = {"d/Deployment/web": KnownDemand(40.2, 55.5)}
    assert Predictor(RATES, known).predict("d/Deployment/web", {"cpu": Fraction(64)}).watts == 56
    assert Predictor(RATES, known).predict("d/Deployment/web", {}).watts == 41


def test_a_young_history_counts_by_requests_until_its_bound_falls_below_them():
    young = {"o": KnownDemand(40.0, inf)}
    assert Predictor(RATES, young).predict("o", {"cpu": Fraction(20)}).watts == 110


@given(st.fractions(0, 64), st.fractions(0, 64), FLOATS, FLOATS)
def test_asking_for_less_never_foretells_less_than_the_target_of_the_history(less, more, target, beyond):
    less, more = sorted((less, more))
    predictor = Predictor(RATES, {"o": KnownDemand(target, target + beyond)})
    low, high = (predictor.predict("o", {"cpu": cpu}).watts for cpu in (less, more))
    assert target <= low <= high <= max(target + beyond + 1, 1)
