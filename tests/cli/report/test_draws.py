import numpy as np
import pytest
from tests.cli.report.samples import sample
from tests.models.snapshots import TinyNode, TinyPod, rack, tiny_snapshot

from powerplane.cli.report.draws import add_up
from powerplane.models.plan import Move, Plan
from powerplane.models.topology import PowerDomain

NODES = [TinyNode("n1"), TinyNode("n2"), TinyNode("n3")]


def plan_of(*steps: tuple[str, str, str, int]) -> Plan:
    moves = tuple(
        Move(namespace="default", pod=pod, uid="", source=source, target=target, watts=0, wave=wave)
        for pod, source, target, wave in steps
    )
    figures = {"cost": 1, "bound": 1, "gap": 0, "seed": 0, "seconds": 1}
    return Plan(status="feasible", objective="disruption", snapshot="tiny", moves=moves, **figures)


def test_before_and_after_equal_the_plans_own_figures_on_a_cluster_added_up_plainly() -> None:
    snapshot, plan = sample(racks=8, nodes_a_rack=6, node_budgets=True)
    draws = add_up(snapshot, plan)
    for domain in plan.domains:
        watts = draws.domain_watts(domain.name, domain.lost)
        assert watts[0] == pytest.approx(domain.before_watts, abs=0.05)
        assert watts[-1] == pytest.approx(domain.after_watts, abs=0.05)


def test_a_pod_takes_its_use_and_its_accelerator_along() -> None:
    snapshot = tiny_snapshot(NODES, [TinyPod("p", "n1", use=2, accelerator_watts=250), TinyPod("q", "n2", use=1)])
    draws = add_up(snapshot, plan_of(("p", "n1", "n2", 1)))
    assert draws.node_mw.tolist() == [[450_000, 150_000, 100_000], [100_000, 500_000, 100_000]]


def test_a_parked_pod_is_counted_where_it_is_after_each_wave() -> None:
    snapshot = tiny_snapshot(NODES, [TinyPod("p", "n1", use=4)])
    draws = add_up(snapshot, plan_of(("p", "n1", "n2", 3), ("p", "n2", "n3", 7)))
    assert draws.waves == (3, 7)
    assert np.argmax(draws.node_mw, axis=1).tolist() == [0, 1, 2]


def test_a_pod_that_waited_adds_to_its_node_only() -> None:
    snapshot = tiny_snapshot(NODES, [TinyPod("p", "", use=4)])
    draws = add_up(snapshot, plan_of(("p", "", "n2", 1)))
    assert draws.node_mw.tolist() == [[100_000] * 3, [100_000, 300_000, 100_000]]


def test_a_lost_feed_puts_the_whole_load_on_the_other() -> None:
    feeds = [PowerDomain(f"feed-{x}", "feed", 10**6) for x in "ab"]
    shared = rack("r", ["n1", "n2", "n3"], 900, parents=("feed-a", "feed-b"), feed_load="shared")
    draws = add_up(tiny_snapshot(NODES, [], [*feeds, shared]), plan_of())
    assert draws.domain_watts("feed-a", "").tolist() == [150.0]
    assert draws.domain_watts("feed-a", "feed-b").tolist() == [300.0]
