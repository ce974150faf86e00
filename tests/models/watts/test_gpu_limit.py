"""Accelerators under a power limit: the knee, the physics' order, and points that refine it."""

from dataclasses import replace
from math import nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.catalogue import gpu, load_catalogue
from powerplane.models.envelopes import GpuEnvelope
from powerplane.models.errors import InputError
from powerplane.models.watts.gpu_limit import GpuLimitModel, LimitPoint
from powerplane.models.watts.gpu_physics import GpuShape

CARDS = load_catalogue().gpus


def card(name: str = "V100") -> GpuEnvelope:
    found = gpu(name)
    assert found is not None
    return found


SHAPES = st.builds(
    GpuShape,
    st.just(30.0),
    st.floats(60, 500),
    st.floats(0, 0.9),
    st.floats(0.4, 0.97),
    st.floats(0, 0.9),
    st.floats(0.2, 10),
    st.floats(0.1, 1e4),
)


@given(SHAPES)
def test_more_limit_never_means_less_work_and_watts_stay_between_idle_and_the_limit(shape: GpuShape) -> None:
    limits = np.linspace(40, 600, 57)
    speed, watts = shape.throughput(limits), shape.watts(limits)
    assert (np.diff(speed) >= -1e-9 * speed[:-1]).all()
    assert (speed > 0).all()
    assert (speed <= shape.speed * (1 + 1e-9)).all()
    assert (watts >= shape.idle_watts - 1e-9).all()
    assert (watts <= limits + 1e-9).all()


@pytest.mark.parametrize("each", CARDS, ids=lambda each: each.model)
def test_every_card_of_the_catalogue_has_a_model_that_slows_mildly_at_first_and_then_falls_off(
    each: GpuEnvelope,
) -> None:
    model = GpuLimitModel.of_card(each)
    mild, deep = (model.slowdown(each.idle_watts + share * (each.max_watts - each.idle_watts)) for share in (0.8, 0.4))
    assert 0 <= mild < 0.1
    assert deep > 4 * mild


@pytest.mark.parametrize("each", [each for each in CARDS if each.knee], ids=lambda each: each.model)
def test_at_the_catalogues_knee_work_slows_by_less_than_a_tenth(each: GpuEnvelope) -> None:
    assert each.knee is not None
    assert GpuLimitModel.of_card(each).slowdown(each.knee * each.max_watts) < 0.1


def test_the_lowest_limit_for_a_slowdown_keeps_it_and_a_watt_less_does_not() -> None:
    model = GpuLimitModel.of_card(card())
    limit = model.lowest_limit(0.1)
    assert model.slowdown(limit) <= 0.1 < model.slowdown(limit - 1)
    assert model.lowest_limit(1e9) == 100


def test_points_of_a_known_workload_are_found_again_between_and_beyond_them() -> None:
    truth = GpuShape(25.0, 230.0, 0.2, 0.8, 0.1, 1.3, 40.0)
    limits = np.array([100.0, 150, 200, 250])
    points = [LimitPoint(*each) for each in zip(limits, truth.watts(limits), truth.throughput(limits), strict=True)]
    model = GpuLimitModel.of_card(card()).refined(points)
    for unseen in (125.0, 175.0, 225.0):
        assert model.throughput(unseen) == pytest.approx(truth.throughput(np.array([unseen]))[0], rel=0.03)
        assert model.watts(unseen) == pytest.approx(truth.watts(np.array([unseen]))[0], rel=0.03)


def test_a_point_that_is_far_off_does_not_pull_the_others_along() -> None:
    truth = GpuShape(25.0, 230.0, 0.2, 0.8, 0.1, 1.3, 40.0)
    limits = np.array([100.0, 125, 150, 175, 200, 225, 250])
    points = [LimitPoint(*each) for each in zip(limits, truth.watts(limits), truth.throughput(limits), strict=True)]
    points[3] = replace(points[3], throughput=points[3].throughput * 0.5)
    model = GpuLimitModel.of_card(card()).refined(points)
    assert model.throughput(175.0) == pytest.approx(truth.throughput(np.array([175.0]))[0], rel=0.06)


def test_one_point_is_enough_to_know_the_unit() -> None:
    model = GpuLimitModel.of_card(card()).refined([LimitPoint(250.0, 210.0, 1234.0)])
    assert model.throughput(250.0) == pytest.approx(1234.0, rel=0.02)


def test_watts_alone_refine_watts() -> None:
    points = [LimitPoint(limit, 0.8 * limit, nan) for limit in (150.0, 200.0, 250.0)]
    assert GpuLimitModel.of_card(card()).refined(points).watts(200.0) == pytest.approx(160.0, rel=0.1)


def test_points_that_say_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="no point"):
        GpuLimitModel.of_card(card()).refined([LimitPoint(200.0, nan, nan), LimitPoint(-1.0, 5.0, 5.0)])
