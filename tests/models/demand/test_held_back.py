import numpy as np
from tests.models.snapshots import TinyNode, TinyPod, rack, tiny_snapshot

from powerplane.models.demand.held_back import hold_back
from powerplane.models.demand.memory import DemandMemory, owners
from powerplane.models.draws import node_draws_mw
from powerplane.models.snapshot import NO_BUDGET, Snapshot
from powerplane.models.topology import PowerDomain

NOW = 1_700_000_000.0


def site(use: float, watts: float | None = 2000.0) -> Snapshot:
    """A rack of four nodes of 100 W to 300 W, on eight cores each with four pods that use ``use`` cores now."""
    names = [f"n{i}" for i in range(4)]
    pods = [TinyPod(f"{name}-{i}", name, use=use) for name in names for i in range(4)]
    domains = [PowerDomain("row", "row", NO_BUDGET), rack("r1", names, watts, parents=("row",))]
    return tiny_snapshot([TinyNode(name, cpu=8) for name in names], pods, domains)


def learnt(snapshot: Snapshot, high: float = 1.5, low: float = 0.5):
    """Demand of pods that were low and high together in turns, for two days."""
    memory = DemandMemory()
    rows = memory.rows(owners(snapshot))
    for step in range(192):
        use = high if step % 2 else low
        memory.observe(rows, np.full(len(rows), use), np.full(len(rows), np.nan), NOW + 900.0 * step)
    return memory.demand()


def budget_watts(snapshot: Snapshot, name: str = "r1") -> float:
    return snapshot.topology.by_name[name].budget_mw / 1000


def test_what_is_drawn_now_and_what_is_kept_back_make_the_quantile_of_what_was_drawn():
    low, high = site(0.5), site(1.5)
    kept = hold_back(low, learnt(low), 0.95).kept_mw["r1"] / 1000
    # All high at once draw 400 W more than all low; that is what happens half of the time.
    assert node_draws_mw(high).sum() - node_draws_mw(low).sum() == 400_000
    assert 350 <= kept <= 600


def test_the_more_is_drawn_now_the_less_is_kept_back():
    kept = [hold_back(site(use), learnt(site(use)), 0.95).kept_mw["r1"] for use in (0.2, 0.8, 1.4, 2.0)]
    assert kept == sorted(kept, reverse=True)
    assert kept[-1] == 0


def test_a_domain_without_a_budget_gets_none_and_nothing_but_budgets_changes():
    before = site(0.5, watts=None)
    held = hold_back(before, learnt(before), 0.95)
    assert held.kept_mw == {}
    assert held.snapshot.topology.by_name["r1"].budget_mw == NO_BUDGET
    assert (node_draws_mw(held.snapshot) == node_draws_mw(before)).all()
    assert held.snapshot.pods is before.pods


def test_a_budget_is_never_below_nothing():
    before = site(0.2, watts=100.0)
    assert budget_watts(hold_back(before, learnt(before), 0.99).snapshot) >= 0


def test_pods_whose_workload_was_never_seen_keep_their_requests_back_and_are_told():
    before = site(0.5)
    demand = DemandMemory().demand()
    held = hold_back(before, demand, 0.95)
    # Each of 16 pods requests a core and uses half of it: 16 * 0.5 cores at 25 W a core.
    assert held.kept_mw["r1"] == 200_000
    assert any("16 of 16 pods are of workloads without a history" in each for each in held.snapshot.assumptions)
