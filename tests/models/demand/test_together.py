"""The quantile of a sum."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import ndtri
from scipy.stats import gamma

from powerplane.models.demand.together import (
    PodSpreads,
    SumSpreads,
    normal_factor,
    quantile_of_sum,
    spread_of_sums,
)


def pods(count, workload=None, mean=100.0, common=0.0, level=0.0, own=10.0, skewness=0.0) -> PodSpreads:
    loadings = np.zeros((count, 2))
    loadings[:, 0] = common
    return PodSpreads(
        np.zeros(count, dtype=np.int64) if workload is None else np.array(workload),
        np.full(count, mean),
        loadings,
        np.full(count, level),
        np.full(count, own),
        np.full(count, skewness),
    )


def whole(count) -> sparse.csr_array:
    return sparse.csr_array(np.ones((1, count)))


@st.composite
def mixtures(draw):
    count = draw(st.integers(1, 12))
    amounts = st.lists(st.floats(0, 100), min_size=count, max_size=count)
    signed = st.lists(st.floats(-50, 50), min_size=2 * count, max_size=2 * count)
    return PodSpreads(
        np.array(draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))),
        np.array(draw(amounts)),
        np.array(draw(signed)).reshape(count, 2),
        np.array(draw(amounts)),
        np.array(draw(amounts)),
        np.zeros(count),
    )


@given(mixtures(), st.floats(0.5, 0.999))
def test_the_quantile_of_the_sum_lies_between_the_sum_of_means_and_the_sum_of_quantiles(mixture, level):
    together = quantile_of_sum(spread_of_sums(mixture, whole(len(mixture.mean))), level)[0]
    apart = quantile_of_sum(spread_of_sums(mixture, sparse.csr_array(np.eye(len(mixture.mean)))), level).sum()
    assert mixture.mean.sum() <= together + 1e-6
    assert together <= apart + 1e-6 * max(apart, 1)


@given(mixtures())
def test_the_variance_is_that_of_the_covariance_matrix_written_out(mixture):
    count = len(mixture.mean)
    same = mixture.workload[:, None] == mixture.workload[None, :]
    covariance = mixture.common @ mixture.common.T + same * np.outer(mixture.level, mixture.level)
    covariance += np.diag(mixture.own**2)
    shares = np.random.default_rng(count).uniform(0, 1, (3, count))
    found = spread_of_sums(mixture, sparse.csr_array(shares)).deviation
    assert found == pytest.approx(np.sqrt(np.einsum("kp,pq,kq->k", shares, covariance, shares)), rel=1e-6, abs=1e-3)


def test_independent_pods_add_up_by_the_root_of_their_number():
    assert spread_of_sums(pods(400), whole(400)).deviation[0] == pytest.approx(200)


def test_pods_of_one_workload_add_up_in_step_and_those_of_two_do_not():
    in_step = spread_of_sums(pods(100, level=10, own=0), whole(100)).deviation[0]
    of_two = spread_of_sums(pods(100, workload=[0] * 50 + [1] * 50, level=10, own=0), whole(100)).deviation[0]
    assert in_step == pytest.approx(1000)
    assert of_two == pytest.approx(1000 / np.sqrt(2))


def test_workloads_that_rest_while_others_work_take_from_each_other():
    mixture = pods(2, workload=[0, 1], own=0)
    mixture.common[:, 0] = (10, -10)
    assert spread_of_sums(mixture, whole(2)).deviation[0] == 0


def test_skewness_fades_with_the_number_of_independent_pods_and_stays_with_common_ones():
    assert spread_of_sums(pods(1, skewness=2), whole(1)).skewness[0] == pytest.approx(2)
    assert spread_of_sums(pods(400, skewness=2), whole(400)).skewness[0] == pytest.approx(0.1)
    assert spread_of_sums(pods(400, common=10, own=0, skewness=2), whole(400)).skewness[0] == pytest.approx(2)


def test_the_factor_is_the_normal_one_without_skewness_and_rises_with_it():
    assert normal_factor(0.95, np.zeros(1))[0] == pytest.approx(ndtri(0.95))
    rising = normal_factor(0.95, np.linspace(-1, 1, 21))
    assert (np.diff(rising) > 0).all()


@pytest.mark.parametrize(("shape", "level"), [(8, 0.95), (8, 0.99), (20, 0.95), (50, 0.9)])
def test_the_corrected_factor_is_nearer_to_a_gamma_quantile_than_the_normal_one(shape, level):
    true = (gamma(shape).ppf(level) - shape) / np.sqrt(shape)
    corrected = normal_factor(level, np.array([2 / np.sqrt(shape)]))[0]
    assert abs(corrected - true) < 0.5 * abs(ndtri(level) - true)


@pytest.mark.parametrize("common", [0.0, 6.0])
def test_a_stated_share_of_independent_and_of_correlated_draws_stays_within(common):
    rng = np.random.default_rng(3)
    mixture = pods(30, workload=np.arange(30) % 5, common=common, level=5, own=8)
    draws = 20_000
    watts = mixture.mean.sum() + common * 30 * rng.standard_normal(draws)
    watts += 5 * 6 * rng.standard_normal((5, draws)).sum(axis=0) + 8 * rng.standard_normal((30, draws)).sum(axis=0)
    stated = quantile_of_sum(spread_of_sums(mixture, whole(30)), 0.95)[0]
    assert (watts <= stated).mean() == pytest.approx(0.95, abs=0.006)


def test_what_is_unknown_makes_its_own_sums_unknown_and_no_other():
    mixture = pods(3)
    mixture.own[1] = np.nan
    spreads = spread_of_sums(mixture, sparse.csr_array(np.array([[1.0, 1, 0], [1, 0, 1]])))
    assert np.isnan(spreads.deviation).tolist() == [True, False]
    assert np.isnan(spreads.skewness).tolist() == [True, False]
    assert np.isnan(quantile_of_sum(spreads, 0.95)).tolist() == [True, False]


@pytest.mark.parametrize("level", [0.3, 1.0, -1, 2])
def test_a_level_that_keeps_nothing_back_or_everything_is_refused(level):
    with pytest.raises(ValueError, match="level"):
        quantile_of_sum(SumSpreads(np.ones(1), np.ones(1), np.zeros(1)), level)


def test_a_learnt_factor_takes_the_place_of_the_normal_one_and_never_goes_below_the_mean():
    spreads = SumSpreads(np.full(2, 100.0), np.full(2, 10.0), np.zeros(2))
    assert quantile_of_sum(spreads, 0.95, np.array([3.0, -2.0])).tolist() == [130.0, 100.0]


def test_no_pods_draw_nothing_and_vary_by_nothing():
    spreads = spread_of_sums(pods(0), sparse.csr_array((2, 0)))
    assert spreads.mean.tolist() == [0, 0]
    assert spreads.deviation.tolist() == [0, 0]
