"""The watts of one pod on a node type's curve."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.snapshots import BENT, LINE

from powerplane.models.curves import PowerCurve
from powerplane.models.demand.buckets import CORES, WATTS
from powerplane.models.demand.histogram import DecayingHistogram
from powerplane.models.demand.workload import WorkloadDemand

NOW = 1_700_000_000.0


def seen(values, buckets=CORES) -> DecayingHistogram:
    return DecayingHistogram(buckets).add(np.array(values, dtype=float), NOW + 60.0 * np.arange(len(values)))


def test_on_a_line_a_pod_draws_its_share_of_the_rise():
    # 200 W over 4 cores: 50 W a core.
    watts = WorkloadDemand("a", seen([1.0, 3.0])).watts(LINE, 4)
    assert watts.mean == pytest.approx(100, rel=0.03)
    assert watts.deviation == pytest.approx(50, rel=0.06)


def test_on_a_bent_curve_the_first_cores_cost_more_than_the_last():
    demand = WorkloadDemand("a", seen([1.0] * 5))
    assert demand.watts(BENT, 10, busy_cores=0).mean > 2 * demand.watts(BENT, 10, busy_cores=6).mean


def test_a_pod_on_a_full_node_can_draw_no_more_by_the_curve():
    assert WorkloadDemand("a", seen([2.0])).watts(LINE, 4, busy_cores=4).mean == 0


def test_accelerators_come_on_top():
    with_cards = WorkloadDemand("a", seen([1.0]), seen([300.0, 500.0], WATTS)).watts(LINE, 4)
    without = WorkloadDemand("a", seen([1.0])).watts(LINE, 4)
    assert with_cards.mean - without.mean == pytest.approx(400, rel=0.01)
    assert with_cards.deviation == pytest.approx(100, rel=0.01)


def test_a_workload_never_seen_has_no_watts_instead_of_none():
    watts = WorkloadDemand("a").watts(LINE, 4)
    assert np.isnan([watts.mean, watts.variance, watts.target, watts.deviation]).all()
    assert watts.upper == np.inf


@given(
    st.lists(st.floats(0, 20), min_size=1, max_size=30),
    st.floats(0.5, 64),
    st.floats(0, 1),
    st.sampled_from([LINE, BENT, PowerCurve("flat", (Fraction(0), Fraction(1)), (100_000, 100_000))]),
)
def test_bounds_stand_in_their_order_and_within_the_curve(values, capacity, busy_share, curve):
    watts = WorkloadDemand("a", seen(values)).watts(curve, capacity, busy_share * capacity)
    assert 0 <= watts.lower <= watts.target <= watts.upper
    assert watts.upper <= (curve.peak_mw - curve.idle_mw) / 1000 + 1e-6
    assert watts.variance >= 0
    assert watts.mean >= 0
