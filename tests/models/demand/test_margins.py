"""Watts to keep back in each domain."""

import numpy as np
import pytest
from tests.models.snapshots import BENT, TinyNode, TinyPod, rack, tiny_snapshot

from powerplane.models.demand.confidence import BoundRules
from powerplane.models.demand.margins import margins
from powerplane.models.demand.mean_use import mean_use
from powerplane.models.demand.memory import DemandMemory, owners
from powerplane.models.demand.spreads import domain_spreads
from powerplane.models.draws import draws_mw, node_kinds
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.topology import PowerDomain, PowerTopology

NOW = 1_700_000_000.0 // 86_400 * 86_400
STEP_S = 900.0


def cluster(racks=2, nodes=4, pods=3, **more):
    """Racks on one feed; each pod of a Deployment of its own node's number."""
    names = [[f"n{r}-{n}" for n in range(nodes)] for r in range(racks)]
    domains = [PowerDomain("feed", "feed", NO_BUDGET)]
    domains += [rack(f"r{r}", members, parents=("feed",)) for r, members in enumerate(names)]
    made = [
        TinyPod(f"{node}-p{p}", node, owner=f"Deployment/app-{p}", **more)
        for members in names
        for node in members
        for p in range(pods)
    ]
    return tiny_snapshot([TinyNode(node, cpu=8) for members in names for node in members], made, domains)


def learnt(snapshot, use, days=6, watts=None) -> DemandMemory:
    memory = DemandMemory(BoundRules(sample_s=STEP_S))
    rows = memory.rows(owners(snapshot))
    nothing = np.full(len(rows), np.nan)
    for step in range(int(days * 96)):
        cards = nothing if watts is None else watts()
        memory.observe(rows, use(), cards, NOW + step * STEP_S)
    return memory


def apart(snapshot, seed=0, size=0.4):
    rng = np.random.default_rng(seed)
    return lambda: np.clip(1 + size * rng.standard_normal(len(snapshot.pods)), 0, None)


def in_step(snapshot, seed=0, size=0.4):
    rng = np.random.default_rng(seed)
    return lambda: np.full(len(snapshot.pods), max(1 + size * rng.standard_normal(), 0.0))


def test_the_mean_is_what_a_plan_on_mean_use_draws():
    snapshot = cluster()
    demand = learnt(snapshot, apart(snapshot)).demand()
    use = mean_use(snapshot, demand)
    load = np.bincount(snapshot.pods.node, use.use_ucores).astype(np.int64)
    node_mw = draws_mw(node_kinds(snapshot), load, np.zeros(len(snapshot.nodes), dtype=np.int64))
    found = margins(snapshot, demand).spreads
    assert found.mean_mw[found.domain.index("feed")] == pytest.approx(node_mw.sum(), abs=len(node_mw))


def test_domains_of_pods_that_vary_apart_keep_less_back_than_their_racks_do_together():
    snapshot = cluster(racks=4)
    found = margins(snapshot, learnt(snapshot, apart(snapshot)).demand())
    keep = dict(zip(found.spreads.domain, found.keep_mw.tolist(), strict=True))
    assert 0 < keep["feed"] < 0.75 * sum(keep[f"r{r}"] for r in range(4))


def test_pods_that_vary_in_step_save_nothing_by_being_many():
    snapshot = cluster(racks=4)
    found = margins(snapshot, learnt(snapshot, in_step(snapshot)).demand())
    keep = dict(zip(found.spreads.domain, found.keep_mw.tolist(), strict=True))
    assert keep["feed"] > 0.95 * sum(keep[f"r{r}"] for r in range(4))


@pytest.mark.parametrize("use", [apart, in_step], ids=["apart", "in step"])
def test_the_quantile_holds_in_the_days_that_follow(use):
    snapshot = cluster(racks=4)
    demand = learnt(snapshot, use(snapshot, size=0.2), days=8).demand()
    found = margins(snapshot, demand)
    feed = found.spreads.domain.index("feed")
    later = use(snapshot, seed=1, size=0.2)
    # The curve is a line: 25 W a core above 100 W a node.
    draws = np.array([100 * 16 + 25 * later().sum() for _ in range(4000)])
    within = (draws * 1000 <= found.spreads.mean_mw[feed] + found.keep_mw[feed]).mean()
    # Eight days widen the variance by an eighth, and the double count of what is common a little more.
    assert 0.93 <= within <= 0.985


def test_pods_of_a_workload_never_seen_keep_back_the_way_to_their_requests_in_full():
    snapshot = cluster(racks=1, nodes=1, pods=2, cpu=2, use=0.5)
    found = margins(snapshot, DemandMemory().demand())
    # 8 cores, 200 W: two pods from 0.5 to 2 cores each.
    assert found.spreads.unseen == 2
    assert found.keep_mw.tolist() == [75_000, 75_000]
    assert found.spreads.mean_mw.tolist() == [125_000, 125_000]


def test_a_workload_seen_for_a_moment_only_counts_as_one_never_seen():
    snapshot = cluster(racks=1, nodes=1, pods=2, cpu=2, use=0.5)
    memory = DemandMemory()
    rows = memory.rows(owners(snapshot))
    for second in range(3):
        memory.observe(rows, np.array([0.1, 0.4]), np.full(2, np.nan), NOW + second)
    found = margins(snapshot, memory.demand())
    assert found.spreads.unseen == 2
    assert found.keep_mw.tolist() == [75_000, 75_000]


def test_without_variation_or_pods_nothing_is_kept_back():
    still = cluster(racks=1)
    found = margins(still, learnt(still, lambda: np.full(len(still.pods), 1.0)).demand())
    assert found.keep_mw.max() < 5
    bare = tiny_snapshot([TinyNode("n1")])
    assert margins(bare, DemandMemory().demand()).keep_mw.tolist() == [0]
    assert margins(bare, DemandMemory().demand()).spreads.mean_mw.tolist() == [100_000]


def test_nothing_is_kept_back_beyond_the_worst_case():
    snapshot = cluster()
    demand = learnt(snapshot, apart(snapshot)).demand()
    for factors in ({"feed": np.inf}, {"feed": 1e9}):
        found = margins(snapshot, demand, factors=factors)
        feed = found.spreads.domain.index("feed")
        assert found.spreads.mean_mw[feed] + found.keep_mw[feed] == 8 * 300_000


def test_a_learnt_factor_counts_for_its_domain_alone_and_a_negative_one_keeps_nothing():
    snapshot = cluster()
    demand = learnt(snapshot, apart(snapshot)).demand()
    plain, learnt_ = margins(snapshot, demand), margins(snapshot, demand, factors={"r0": 0.5, "r1": -3.0})
    r0, r1, feed = (plain.spreads.domain.index(name) for name in ("r0", "r1", "feed"))
    assert learnt_.keep_mw[r0] == pytest.approx(0.5 * plain.spreads.deviation_mw[r0], abs=1)
    assert learnt_.keep_mw[r1] == 0
    assert learnt_.keep_mw[feed] == plain.keep_mw[feed]


def test_a_higher_level_keeps_more_back():
    snapshot = cluster()
    demand = learnt(snapshot, apart(snapshot)).demand()
    kept = [int(margins(snapshot, demand, level=level).keep_mw.sum()) for level in (0.5, 0.8, 0.95, 0.99)]
    assert kept == sorted(kept)
    assert kept[0] < kept[-1]


def test_with_a_feed_lost_the_other_keeps_back_for_all():
    domains = [PowerDomain("fa", "feed", NO_BUDGET), PowerDomain("fb", "feed", NO_BUDGET)]
    domains.append(rack("r1", ["n1", "n2"], parents=("fa", "fb"), feed_load="shared"))
    snapshot = tiny_snapshot([TinyNode("n1"), TinyNode("n2")], [TinyPod("p1", "n1"), TinyPod("p2", "n2")], domains)
    found = margins(snapshot, learnt(snapshot, apart(snapshot)).demand())
    keep = dict(zip(zip(found.spreads.domain, found.spreads.lost, strict=True), found.keep_mw.tolist(), strict=True))
    assert keep["fa", "fb"] == pytest.approx(2 * keep["fa", ""], abs=2)
    assert keep["fa", "fb"] == pytest.approx(keep["r1", ""], abs=2)


def test_another_topology_may_be_asked_about():
    snapshot = cluster()
    one = PowerTopology((PowerDomain("all", "room", NO_BUDGET, nodes=snapshot.node_names),))
    demand = learnt(snapshot, apart(snapshot)).demand()
    assert domain_spreads(snapshot, demand, one).domain == ("all",)


def test_accelerators_vary_too():
    snapshot = cluster(racks=1, nodes=2, pods=2)
    rng = np.random.default_rng(5)
    still = margins(snapshot, learnt(snapshot, lambda: np.ones(4), watts=lambda: np.full(4, 300.0)).demand())
    moved = learnt(snapshot, lambda: np.ones(4), watts=lambda: 300 + 60 * rng.standard_normal(4))
    moved = margins(snapshot, moved.demand())
    assert still.spreads.mean_mw[0] == pytest.approx(2 * 150_000 + 4 * 300_000, rel=0.001)
    assert still.keep_mw.max() < 100
    # Four cards of 60 W each, apart: 120 W, by 1.6 and a sixth more for six days of data.
    assert moved.keep_mw[0] == pytest.approx(120_000 * 1.645 * 1.08, rel=0.25)


def test_pods_that_wait_for_a_node_are_kept_nothing_back_for():
    pods = [TinyPod("p1", "n1"), TinyPod("p2", "")]
    snapshot = tiny_snapshot([TinyNode("n1", curve=BENT)], pods)
    found = margins(snapshot, DemandMemory().demand())
    assert found.spreads.unseen == 1
    assert found.keep_mw.tolist() == [0]
