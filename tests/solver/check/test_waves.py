"""Nodes and domains at every point of a wave."""

from tests.models.snapshots import BENT, TinyNode, TinyPod, rack, tiny_snapshot
from tests.solver.check.plans import kinds, move, verdict

from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.topology import PowerDomain

PAIR = (TinyNode("a"), TinyNode("b"))


def test_a_harmless_plan_passes():
    snapshot = tiny_snapshot(PAIR, [TinyPod("p", "a")], [rack("r", ["a", "b"], 500)])
    report = verdict(snapshot, [move(snapshot, "p", "b")])
    assert report.ok
    assert report.moves == 1
    assert report.domains[0].after_mw == 250_000


def test_a_target_that_is_too_small_is_refused_in_the_wave_and_at_the_end():
    snapshot = tiny_snapshot(PAIR, [TinyPod("p", "a", cpu=3, use=1), TinyPod("q", "b", cpu=2, use=1)])
    report = verdict(snapshot, [move(snapshot, "p", "b")])
    assert kinds(report) == {("capacity", 1), ("capacity", None)}


def test_a_swap_that_fits_only_once_both_have_left_is_refused_in_the_wave_alone():
    snapshot = tiny_snapshot(PAIR, [TinyPod("p", "a", cpu=3, use=1), TinyPod("q", "b", cpu=3, use=1)])
    report = verdict(snapshot, [move(snapshot, "p", "b"), move(snapshot, "q", "a")])
    assert kinds(report) == {("capacity", 1)}


def test_a_node_found_too_full_may_lose_a_pod_and_stay_too_full():
    full = [TinyPod(name, "a", cpu=3, use=1) for name in ("p", "q", "s")]
    snapshot = tiny_snapshot(PAIR, full)
    assert verdict(snapshot, [move(snapshot, "p", "b")]).ok


def test_a_target_given_more_use_than_it_has_cpu_is_refused():
    snapshot = tiny_snapshot(PAIR, [TinyPod("p", "a", use=3), TinyPod("q", "b", use=2)])
    assert kinds(verdict(snapshot, [move(snapshot, "p", "b")])) == {("cpu-use", 1), ("cpu-use", None)}


def test_a_node_driven_over_its_own_budget_is_refused():
    nodes = (TinyNode("a"), TinyNode("b", budget_watts=140))
    snapshot = tiny_snapshot(nodes, [TinyPod("p", "a")])
    report = verdict(snapshot, [move(snapshot, "p", "b")], status="infeasible")
    assert kinds(report) == {("node-budget", 1), ("node-budget", None)}


def test_arrivals_before_departures_count_against_a_node_budget():
    nodes = (TinyNode("a"), TinyNode("b", budget_watts=160))
    snapshot = tiny_snapshot(nodes, [TinyPod("p", "a"), TinyPod("q", "b")])
    report = verdict(snapshot, [move(snapshot, "p", "b"), move(snapshot, "q", "a")])
    assert kinds(report) == {("node-budget", 1)}


def test_a_rack_driven_over_its_budget_is_refused_in_the_wave_and_at_the_end():
    snapshot = tiny_snapshot(PAIR, [TinyPod("p", "a")], [rack("r1", ["a"]), rack("r2", ["b"], 149)])
    report = verdict(snapshot, [move(snapshot, "p", "b")])
    assert kinds(report) == {("domain-budget", 1), ("domain-budget", None)}


def test_a_swap_between_racks_is_refused_in_one_wave_and_passes_in_two():
    racks = [rack("r1", ["a"], 200), rack("r2", ["b"], 160)]
    snapshot = tiny_snapshot(PAIR, [TinyPod("p", "a"), TinyPod("q", "b")], racks)
    assert kinds(verdict(snapshot, [move(snapshot, "p", "b"), move(snapshot, "q", "a")])) == {("domain-budget", 1)}
    assert verdict(snapshot, [move(snapshot, "q", "a"), move(snapshot, "p", "b", wave=2)]).ok


def test_moves_within_a_rack_that_is_full_pass_where_no_subset_raises_its_draw():
    nodes = [TinyNode(name) for name in "abcd"]
    pods = [TinyPod("p", "a"), TinyPod("q", "b")]
    snapshot = tiny_snapshot(nodes, pods, [rack("r", "abcd", 500)])
    assert verdict(snapshot, [move(snapshot, "p", "c"), move(snapshot, "q", "d")]).ok


def two_pods_over_a_knee(budget_watts: float):
    """Two pods of 20 W each leave "a"; on the idle "b" the first draws 60 W, the second 20 W more."""
    nodes = [TinyNode(name, curve=BENT) for name in "ab"]
    pods = [TinyPod("p", "a", use=0.4), TinyPod("q", "a", use=0.4), TinyPod("s", "a", use=1.2)]
    snapshot = tiny_snapshot(nodes, pods, [rack("r", "ab", budget_watts)])
    return verdict(snapshot, [move(snapshot, "p", "b"), move(snapshot, "q", "b")])


def test_a_rack_whose_bound_is_too_coarse_is_judged_by_its_subsets():
    assert two_pods_over_a_knee(340).ok  # the bound says 380 W: both pods at the steep foot of the curve


def test_a_subset_that_breaks_a_rack_is_found_to_the_watt():
    assert kinds(two_pods_over_a_knee(339.999)) == {("domain-budget", 1), ("domain-budget", None)}


def test_a_step_that_would_relieve_a_rack_is_not_taken_for_granted():
    """Within the rack "p" sheds 16 W, on its own; before it has, "e" arrives from outside with 60 W."""
    nodes = [TinyNode(name, curve=BENT) for name in "abde"]
    pods = [
        TinyPod("p", "a", use=0.4),
        TinyPod("s", "a", use=0.2),
        TinyPod("q", "b", use=0.36),
        TinyPod("e", "e", use=0.4),
    ]

    def arriving(budget_watts):
        snapshot = tiny_snapshot(nodes, pods, [rack("r", "abd", budget_watts), rack("x", "e")])
        return kinds(verdict(snapshot, [move(snapshot, "p", "b"), move(snapshot, "e", "d")]))

    before = 150 + 134 + 80
    assert not arriving(before + 60)
    assert arriving(before + 59) == {("domain-budget", 1)}


def one_pod_to_a_rack_on_two_feeds(budget_watts: float):
    feeds = [PowerDomain("f1", "feed", NO_BUDGET), PowerDomain("f2", "feed", round(1000 * budget_watts))]
    racks = [
        rack("r1", ["a"], parents=("f1", "f2"), feed_load="shared"),
        rack("r2", ["b"], parents=("f2",)),
        rack("r3", ["c"], parents=("f1",)),
    ]
    snapshot = tiny_snapshot([TinyNode(name) for name in "abc"], [TinyPod("p", "c")], [*feeds, *racks])
    return verdict(snapshot, [move(snapshot, "p", "a")])


def test_a_feed_that_holds_while_all_live_is_refused_if_it_breaks_with_the_other_lost():
    report = one_pod_to_a_rack_on_two_feeds(249)
    assert kinds(report) == {("domain-budget", 1), ("domain-budget", None)}
    assert all("'f1' lost" in each.detail for each in report.violations)


def test_a_feed_that_holds_with_the_other_lost_passes():
    report = one_pod_to_a_rack_on_two_feeds(250)
    assert report.ok
    assert (report.domains[1].lost, report.domains[1].before_mw, report.domains[1].after_mw) == ("f1", 200_000, 250_000)


def test_a_rack_without_a_living_feed_is_dark():
    report = one_pod_to_a_rack_on_two_feeds(250)
    # With f1 lost, r3 is dark; with f2 lost, f1 carries r1 and r3: the 150 W and the 100 W.
    assert (report.domains[0].lost, report.domains[0].after_mw) == ("f2", 250_000)


def test_an_overloaded_rack_may_not_grow_worse():
    snapshot = tiny_snapshot(PAIR, [TinyPod("p", "a"), TinyPod("q", "b")], [rack("r1", ["a"]), rack("r2", ["b"], 120)])
    report = verdict(snapshot, [move(snapshot, "p", "b")])
    assert kinds(report) == {("domain-budget", 1), ("domain-budget", None)}


def test_an_overloaded_rack_may_be_left_as_it_was_found():
    snapshot = tiny_snapshot(PAIR, [TinyPod("p", "a"), TinyPod("q", "b")], [rack("r1", ["a"]), rack("r2", ["b"], 120)])
    report = verdict(snapshot, [])
    assert report.ok
    assert report.overload_mw == 30_000
