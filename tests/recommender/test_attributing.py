"""What pods are said to draw adds up to what meters say, on any node."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.recommender.world import IDLE_W, PEAK_W, WATTS_PER_CORE, Cluster, Watching

from powerplane.models.usage import UsageRow
from powerplane.recommender.attributing import PodWatts, pod_watts
from powerplane.recommender.seeing import GroundKeeper, Learned, snapshot_of

ROUNDING_W = 0.1


def attributed(cluster: Cluster, learned: Learned | None = None) -> tuple[Watching, PodWatts]:
    watching = Watching(cluster)
    watching.watch()
    seen, learned = watching.books.seen(), learned or Learned()
    ground = GroundKeeper().ground(seen, cluster.now_s)
    look = watching.parts.looker.whole(ground)
    snapshot = snapshot_of(seen, ground, look.round, cluster.now_s, learned)
    return watching, pod_watts(snapshot, ground, look.round.nodes, learned)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.floats(0.0, 2.0))
def test_pods_draw_no_more_than_their_node_was_measured_above_idle_nor_than_its_curve_says(tenths, bend):
    cores = [tenth / 10 for tenth in tenths]
    cluster = Cluster({"r1": None}, per_rack=1)
    for number, each in enumerate(cores):
        cluster.run(f"app{number}", "r1-n0", 1, cpu=each)
    above_w = bend * WATTS_PER_CORE * sum(cores)
    cluster.tell = lambda _name, _watts: IDLE_W + above_w
    _, found = attributed(cluster)
    drawn_w = found.mw.sum() / 1000
    by_curve_w = min(WATTS_PER_CORE * sum(cores), PEAK_W - IDLE_W)
    assert drawn_w == pytest.approx(min(above_w, by_curve_w), abs=ROUNDING_W)
    shares = found.mw / max(found.mw.sum(), 1)
    if above_w > 1:
        assert shares == pytest.approx(np.array(cores) / sum(cores), abs=0.02)


def test_pods_on_a_node_that_is_not_measured_count_by_its_curve_and_are_told_apart():
    cluster = Cluster({"r1": None})
    cluster.run("dark", "r1-n0", 2)
    cluster.run("seen", "r1-n1", 2)
    cluster.tell = lambda name, watts: float("nan") if name == "r1-n0" else watts
    _, found = attributed(cluster)
    assert found.known.tolist() == [False, False, True, True]
    assert found.mw.tolist()[:2] == [20_000, 20_000]
    assert np.isinf(found.age_s[0])
    assert np.isfinite(found.age_s[2])


def test_the_peak_is_what_a_pod_draws_with_all_it_requests_in_use():
    cluster = Cluster({"r1": None}, per_rack=1)
    cluster.run("small", "r1-n0", 1, cpu=2.0)
    cluster.tell = lambda _name, _watts: IDLE_W + 1
    _, found = attributed(cluster)
    assert found.peak_mw.tolist() == [40_000]
    assert found.mw[0] < 2000


def test_what_pods_usually_draw_is_by_what_is_remembered_of_them():
    cluster = Cluster({"r1": None}, per_rack=1)
    cluster.run("web", "r1-n0", 2)
    first, second = cluster.pods
    learned = Learned((UsageRow("default", first, 500_000, None),))
    _, found = attributed(cluster, learned)
    # The other counts by its request, and both by what the node draws a core.
    assert found.usual_mw[0] == pytest.approx(10_000, rel=0.02)
    assert np.isnan(found.usual_mw[1])
    assert second
