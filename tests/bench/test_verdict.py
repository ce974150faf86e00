import pytest

from powerplane.bench.measurement import Measurement
from powerplane.bench.verdict import Verdict, judge


def run(method, *, seed=1, objective="disruption", status="feasible", **figures):
    return Measurement(method=method, objective=objective, seed=seed, status=status, **figures)


@pytest.mark.parametrize(
    ("ours", "peers", "outcome"),
    [
        ({"cost": 5.0}, [{"cost": 6.0}], (1, 0, 0)),
        ({"cost": 6.0}, [{"cost": 6.0}], (0, 1, 0)),
        ({"cost": 6.0}, [{"cost": 7.0}, {"cost": 5.999}], (0, 0, 1)),
        ({"cost": 60.0}, [{"cost": 5.0, "overload_watts": 0.001}], (1, 0, 0)),
        ({"cost": 1.0, "overload_watts": 2.0}, [{"cost": 5.0, "overload_watts": 1.0}], (0, 0, 1)),
        ({"cost": 60.0}, [{"cost": 1.0, "unplaced": 1}], (1, 0, 0)),
        ({"cost": 60.0}, [{"status": "failed"}], (1, 0, 0)),
        ({"cost": 1.0, "checked": False}, [{"cost": 5.0}], (0, 0, 1)),
        ({"status": "failed"}, [{"cost": 5.0}], (0, 0, 1)),
    ],
)
def test_less_overload_comes_before_less_cost_and_an_unsound_plan_loses(ours, peers, outcome):
    runs = [run("powerplane", **ours), *(run(f"peer-{i}", **peer) for i, peer in enumerate(peers))]
    assert judge(runs) == Verdict(*outcome)


def test_the_energy_objective_is_judged_by_the_draw_with_empty_nodes_asleep():
    ours = run("powerplane", objective="energy", asleep_watts=90.0, draw_watts=100.0, cost=9.0)
    peer = run("drain", objective="energy", asleep_watts=91.0, draw_watts=95.0, cost=1.0)
    assert judge([ours, peer]) == Verdict(1, 0, 0)


def test_each_seed_is_judged_against_its_own_best_peer():
    runs = [run("powerplane", seed=1, cost=5.0), run("powerplane", seed=2, cost=5.0)]
    runs += [run("greedy", seed=1, cost=6.0), run("greedy", seed=2, cost=4.0)]
    assert judge(runs) == Verdict(1, 0, 1)


def test_a_loss_is_printed_in_bold_and_a_win_is_not():
    assert str(Verdict(4, 0, 1)) == "**4 won, 0 tied, 1 lost**"
    assert str(Verdict(4, 1, 0)) == "4 won, 1 tied, 0 lost"
