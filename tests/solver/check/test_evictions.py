"""What may be evicted in a wave."""

from tests.models.snapshots import TinyNode, TinyPod, disruption_budget, tiny_snapshot
from tests.solver.check.plans import kinds, move, verdict

NODES = (TinyNode("a"), TinyNode("b"))
WEB = {"app": "web"}


def two_moves(budgets, waves=(1, 1)):
    pods = [TinyPod(name, "a", labels=WEB) for name in ("p", "q")]
    snapshot = tiny_snapshot(NODES, pods, disruption_budgets=budgets)
    return verdict(snapshot, [move(snapshot, pod, "b", wave) for pod, wave in zip("pq", waves, strict=True)])


def test_a_pod_that_must_stay_may_not_move():
    snapshot = tiny_snapshot(NODES, [TinyPod("p", "a", unmovable="DaemonSet")])
    report = verdict(snapshot, [move(snapshot, "p", "b")])
    assert kinds(report) == {("unmovable", 1)}
    assert "DaemonSet" in report.violations[0].detail


def test_more_covered_pods_in_a_wave_than_may_be_down_are_refused():
    assert kinds(two_moves([disruption_budget("web", {"matchLabels": WEB}, 1)])) == {("disruption-budget", 1)}


def test_as_many_covered_pods_in_each_wave_as_may_be_down_pass():
    assert two_moves([disruption_budget("web", {"matchLabels": WEB}, 1)], waves=(1, 2)).ok


def test_an_empty_selector_covers_every_pod_of_its_namespace():
    assert kinds(two_moves([disruption_budget("all", {}, 0)])) == {("disruption-budget", 1)}


def test_a_budget_without_selector_or_of_another_namespace_covers_nothing():
    assert two_moves([disruption_budget("none", None, 0), disruption_budget("else", {}, 0, namespace="other")]).ok


def test_a_pod_covered_by_two_budgets_never_moves():
    budgets = [disruption_budget(name, {"matchLabels": WEB}, 5) for name in ("one", "two")]
    report = two_moves(budgets, waves=(1, 2))
    assert kinds(report) == {("covered-twice", 1), ("covered-twice", 2)}
    assert "default/one, default/two" in report.violations[0].detail
