"""Descheduler's runs: what it sees, what it may evict, where pods land; and a recount that catches a false story."""

from dataclasses import replace

import numpy as np
import pytest

from powerplane.bench.descheduler.arms import ARMS, Arm
from powerplane.bench.descheduler.cells import LEVELS, SIZES, cut, draw_cluster, node_draws_mw
from powerplane.bench.descheduler.cycles import HORIZON_S, SETTLE_S, Runs
from powerplane.bench.descheduler.outcome import tell
from powerplane.bench.descheduler.placed import NOWHERE, Placed
from powerplane.bench.descheduler.recount import recount
from powerplane.solver.formulate import formulate

SIZE = SIZES[0]
SHARES = Arm("shares", "share")
CORDONED = Arm("cordoned", "fullest", node_fit=True, interval_s=60, cordoned=True)


@pytest.fixture(scope="module")
def clusters():
    return {family: draw_cluster(family, SIZE, 1) for family in ("slack", "constrained")}


def runs_of(snapshot, level, arm, seed=1):
    cell = cut(snapshot, SIZE, level, 1)
    return Runs(cell, formulate(cell.snapshot), arm, np.random.default_rng(seed))


@pytest.mark.parametrize("level", LEVELS)
def test_only_the_cut_domain_is_over_and_sheds_a_tenth_or_so(clusters, level):
    cell = cut(clusters["slack"], SIZE, level, 3)
    draw = node_draws_mw(cell.snapshot)
    ledger = Placed(cell.snapshot, formulate(cell.snapshot), np.random.default_rng(1)).ledger
    over = [ledger.line_names[line] for line in ledger.over_lines().tolist()]
    assert len(over) == 1
    assert over[0] == cell.name or level == "node"
    assert ledger.overload_mw() / draw[cell.inside].sum() == pytest.approx(1 - 1.12 * 0.8, abs=1e-3)
    assert (cell.share_mw < draw).tolist() == cell.inside.tolist()


def test_a_value_above_1_ends_the_run_for_every_node(clusters):
    story = runs_of(clusters["slack"], "rack", replace(SHARES, clamped=False)).play()
    assert story.error
    assert not story.events


def test_one_pod_a_run_leaves_each_node_over_its_share(clusters):
    runs = runs_of(clusters["slack"], "rack", SHARES)
    story = runs.play()
    first = [event.source for event in story.events if event.cycle == 0]
    assert sorted(first) == np.flatnonzero(runs.cell.inside).tolist()


def test_eviction_limits_bound_what_leaves_a_node_and_a_run(clusters):
    for arm, per_node, per_run in ((replace(SHARES, per_node=3), 3, 99), (replace(SHARES, in_all=2), 1, 2)):
        events = runs_of(clusters["slack"], "row", arm).play().events
        for cycle in {event.cycle for event in events}:
            sources = [event.source for event in events if event.cycle == cycle and event.source != NOWHERE]
            assert len(sources) <= per_run
            assert max((sources.count(node) for node in sources), default=0) <= per_node


def test_values_are_cut_to_whole_percent_before_they_meet_the_target(clusters):
    runs = runs_of(clusters["slack"], "rack", SHARES)
    node = int(np.flatnonzero(runs.cell.inside)[0])
    draw = int(runs.placed.ledger.node_mw[node])
    for share, percent in ((draw, 100), (draw + 1, 99), (draw * 2, 50), (draw // 2, 100)):
        runs.cell.share_mw[node] = share
        assert runs._percent()[node] == percent


def test_nothing_is_evicted_where_no_node_is_below_the_thresholds(clusters):
    story = runs_of(clusters["slack"], "rack", replace(SHARES, low_percent=50)).play()
    assert not story.events
    assert tell_of(clusters["slack"], "rack", replace(SHARES, low_percent=50)).why == "stands still"


def test_disruption_budgets_daemons_and_taints_are_kept_to(clusters):
    arm = replace(SHARES, per_node=20, interval_s=600)
    runs = runs_of(clusters["constrained"], "feed", arm)
    story = runs.play()
    assert story.refused > 0
    assert recount(runs.cell.snapshot, story).agrees
    templates = runs.cell.snapshot.templates
    pods = runs.cell.snapshot.pods
    assert not any(templates[pods.template[event.pod]].unmovable for event in story.events)


def test_the_lowest_priority_leaves_first(clusters):
    runs = runs_of(clusters["constrained"], "feed", SHARES)
    priority = runs.placed.priority[runs.placed.class_of]
    for node in range(SIZE.nodes):
        order = priority[runs.placed.on(node)].tolist()
        assert order == sorted(order)
    assert priority.max() > 0


def test_node_fit_spares_what_fits_on_no_other_node(clusters):
    runs = runs_of(clusters["slack"], "rack", replace(SHARES, node_fit=True))
    runs.placed.ledger.free[:] = 0
    assert not runs.play().events


def test_pods_that_fit_nowhere_wait_and_the_budget_does_not_count_as_held(clusters):
    snapshot = clusters["slack"]
    runs = runs_of(snapshot, "rack", SHARES)
    runs.placed.cordoned[:] = True
    runs.placed.cordoned[np.flatnonzero(~runs.cell.inside)[0]] = False
    runs.placed.ledger.free[:] = 0
    story = runs.play()
    assert story.looks[-1].waiting > 0
    assert not any(look.holds for look in story.looks)


def test_an_evicted_pods_requests_stay_taken_until_it_has_terminated(clusters):
    placed = runs_of(clusters["slack"], "rack", SHARES).placed
    pod = placed.on(0)[0]
    before, watts = placed.ledger.free[0].copy(), int(placed.ledger.node_mw[0])
    assert placed.evict(pod) == 0
    assert (placed.ledger.free[0] == before).all()
    assert placed.ledger.node_mw[0] < watts
    placed.settle()
    assert (placed.ledger.free[0] == before + placed.problem.requests[placed.class_of[pod]]).all()


def test_the_scheduler_scores_as_least_allocated_and_balanced_allocation_do(clusters):
    placed = runs_of(clusters["slack"], "rack", SHARES).placed
    pod_class = int(placed.class_of[0])
    cpu, memory = placed._scored
    for node, score in enumerate(placed._scores(pod_class).tolist()):
        fractions, left = [], []
        for row in (cpu, memory):
            offered = int(placed.problem.allocatable[node, row])
            free = int(placed.ledger.free[node, row]) - int(placed.problem.requests[pod_class, row])
            left.append(free * 100 // offered)
            fractions.append(1 - free / offered)
        deviation = float(np.std(fractions))
        assert abs(score - (sum(left) // 2 + int((1 - deviation) * 100))) <= 1


def test_an_operator_who_cordons_keeps_pods_out_of_the_cut_domain(clusters):
    runs = runs_of(clusters["slack"], "rack", CORDONED)
    inside = runs.cell.inside.copy()
    story = runs.play()
    assert story.events
    assert not any(inside[event.target] for event in story.events)
    assert not runs.placed.cordoned.any()


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_every_arms_story_agrees_with_the_recount(clusters, arm):
    for family, snapshot in clusters.items():
        runs = runs_of(snapshot, "rack", replace(arm, interval_s=600))
        assert recount(runs.cell.snapshot, runs.play()).differences == (), family


def test_the_recount_finds_what_a_false_story_hides(clusters):
    runs = runs_of(clusters["slack"], "rack", CORDONED)
    story, snapshot = runs.play(), runs.cell.snapshot
    first, look = story.events[0], story.looks[-1]
    back = int(np.flatnonzero(runs.cell.inside)[0])
    falsehoods = (
        replace(story, events=[replace(first, target=back), *story.events[1:]]),
        replace(story, events=[replace(first, source=first.target), *story.events[1:]]),
        replace(story, events=story.events[1:]),
        replace(story, looks=[*story.looks[:-1], replace(look, overload_mw=look.overload_mw + 10_000)]),
        replace(story, looks=[*story.looks[:-1], replace(look, evictions=look.evictions - 1)]),
        replace(story, looks=[*story.looks[:-1], replace(look, waiting=1)]),
        replace(story, looks=[*story.looks[:-1], replace(look, broken_mw=10_000, broken=("row-000",))]),
        replace(story, looks=story.looks[1:]),
        replace(story, first_overload_mw=0),
    )
    assert recount(snapshot, story).agrees
    for number, falsehood in enumerate(falsehoods):
        assert not recount(snapshot, falsehood).agrees, number


def tell_of(snapshot, level, arm):
    cell = cut(snapshot, SIZE, level, 1)
    formulation = formulate(cell.snapshot)
    story = Runs(cell, formulation, arm, np.random.default_rng(1)).play()
    return tell(cell, formulation, arm, story, ("slack-300x30", 1))


def test_an_outcome_counts_evictions_until_the_budgets_hold_and_tells_what_comes_after(clusters):
    told = tell_of(clusters["slack"], "rack", CORDONED)
    assert told.holds
    assert told.seconds == 30 + (told.cycles - 1) * 60 + SETTLE_S
    assert told.evictions > 0
    assert told.left_watts == 0
    assert told.checked
    churn = tell_of(clusters["slack"], "row", Arm("domains", "fullest", interval_s=60))
    assert not churn.holds
    assert churn.why == "goes in circles"
    assert churn.cycles == HORIZON_S // 60
    assert churn.returned > churn.evictions / 2


def test_an_uneven_spread_bars_only_the_zones_where_the_pod_is_one_too_many(clusters):
    placed = runs_of(clusters["constrained"], "rack", SHARES).placed
    rules = placed.ledger.rules
    number = next(i for i, rule in enumerate(rules.rules) if rule.kind == "spread")
    rule, pod_class = rules.rules[number], int(np.flatnonzero(rules.carried[number])[0])
    zones = np.unique(rule.zone)
    rules.targets[number][zones] = [2, 2 + rule.max_skew, 4 + rule.max_skew]
    open_zones = np.unique(rule.zone[rules.nodes_for_new(pod_class)]).tolist()
    assert open_zones == [zones[0]]
