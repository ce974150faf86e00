import dataclasses
from pathlib import Path

import numpy as np
import pytest
from tests.simulator.worlds import SMALL, study_of

from powerplane.models.errors import InputError
from powerplane.models.incidence import compile_incidence
from powerplane.models.plan import Move, Plan
from powerplane.models.snapshot import NO_BUDGET, Snapshot
from powerplane.simulator.compare import POLICIES, run_policy
from powerplane.simulator.migration import Rollout
from powerplane.simulator.observing import Observer
from powerplane.simulator.outcomes import Outcome
from powerplane.simulator.planning import Planning
from powerplane.simulator.policies import static_limits
from powerplane.simulator.scenario_file import Study
from powerplane.simulator.seen_snapshot import seen_snapshot
from powerplane.simulator.settings import PlanSettings, SensorSettings
from powerplane.simulator.throttling import CAP_AT, CAP_TO, UNCAP_AT
from powerplane.simulator.world import World
from powerplane.solver.check import check
from powerplane.solver.compose import compose_plan
from powerplane.solver.explain import reasons
from powerplane.solver.formulate import formulate
from powerplane.solver.solve import solve

TIGHT = """\
seed: 2
duration: 40m
step: 2s
starts: Monday 12:00
cluster:
  types: {web: {cores: 16, memory: 64Gi, curve: [[0, 100], [0.1, 140], [0.5, 220], [1, 320]], fans: 30W}}
  rows:
  - {name: row-1, racks: 2, nodes: {web: 4}, feeds: [feed-a, feed-b]}
  - {name: row-2, racks: 2, nodes: {web: 4}, feeds: [feed-c, feed-d]}
  limits:
    feed: {budget: 1.35kW, breaker: {rating: 1.4kW, curve: [[1.05, 600], [1.3, 120], [2, 30]]}}
    byName: {feed-c: {budget: 2.5kW}, feed-d: {budget: 2.5kW}}
workloads:
- {name: shop, replicas: 56, requests: {cpu: 2, memory: 4Gi}, use: 70%, mayBeDown: 20%, priority: 10}
- {name: agent, kind: DaemonSet, requests: {cpu: 100m, memory: 64Mi}, use: 80%}
events:
- {at: 10m, lose: feed-a}
sensors: {every: 5s, delay: 1s, noise: 0.5%}
plan: {every: 1m, solve: 5s}
"""


def solver(snapshot: Snapshot) -> Plan:
    """The solver's own plan, checked."""
    formulation = formulate(snapshot)
    counted = iter(range(10**9))
    result = solve(formulation.problem, objective="disruption", seconds=2.0, seed=0, clock=lambda: next(counted) / 1000)
    plan = compose_plan(snapshot, formulation, result, reasons(formulation.problem, result.flows))
    assert check(snapshot, plan).violations == ()
    return plan


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return study_of(TIGHT, tmp_path_factory.mktemp("tight"))


@pytest.fixture(scope="module")
def outcomes(study: Study) -> dict[str, Outcome]:
    return {name: run_policy(study, name, solver) for name in POLICIES}


def test_left_alone_the_other_feed_trips_and_pods_go_down(outcomes: dict[str, Outcome]) -> None:
    figures = outcomes["none"].figures
    assert "feed-b" in outcomes["none"].tripped
    assert figures.trips == 1
    assert figures.most_lost > 0
    assert figures.lost_pod_minutes > 0
    assert figures.over_minutes > 0
    assert figures.work_lost > outcomes["plan"].figures.work_lost


@pytest.mark.parametrize("policy", ["static", "throttle", "plan", "plan+throttle"])
def test_under_every_policy_no_breaker_trips_and_no_pod_goes_down(outcomes: dict[str, Outcome], policy: str) -> None:
    figures = outcomes[policy].figures
    assert figures.trips == 0
    assert figures.most_lost == 0
    assert figures.lost_pod_minutes == 0


def test_static_limits_break_no_budget_and_cost_work_all_day(outcomes: dict[str, Outcome]) -> None:
    figures = outcomes["static"].figures
    assert figures.over_minutes == 0
    assert figures.work_limited > 0
    series, throttled = outcomes["static"].series, outcomes["throttle"].series
    before = (series.at_s > 60) & (series.at_s < 600)
    assert (series.work[before] < 0.99).all()
    assert (throttled.work[before] > 0.999).all()


def test_throttling_brings_the_feed_under_its_budget_within_seconds(outcomes: dict[str, Outcome]) -> None:
    assert outcomes["throttle"].figures.over_minutes < 0.5
    longest = max((each.lasted_s for each in outcomes["throttle"].overloads), default=0.0)
    assert longest <= 20


def test_a_plan_moves_pods_and_costs_less_work_than_any_limits(outcomes: dict[str, Outcome]) -> None:
    figures = outcomes["plan"].figures
    assert figures.moves > 0
    assert figures.work_limited == 0
    assert figures.work_lost < outcomes["static"].figures.work_lost
    both = outcomes["plan+throttle"].figures
    assert both.work_limited < outcomes["throttle"].figures.work_limited
    assert both.over_minutes <= outcomes["plan"].figures.over_minutes


def test_the_same_seed_gives_the_same_outcome_under_every_policy(study: Study, outcomes: dict[str, Outcome]) -> None:
    for name in ("none", "throttle", "plan"):
        again = run_policy(study, name, solver)
        assert again.figures == outcomes[name].figures
        assert again.notes == outcomes[name].notes
        assert again.series.watts.tobytes() == outcomes[name].series.watts.tobytes()


def test_a_run_lasts_as_long_as_it_says_also_where_steps_do_not_fit(study: Study) -> None:
    spec = dataclasses.replace(study.spec, duration_s=101.0, step_s=2.0, happenings=())
    odd = run_policy(dataclasses.replace(study, spec=spec), "none", None)
    even = run_policy(dataclasses.replace(study, spec=dataclasses.replace(spec, duration_s=100.0)), "none", None)
    assert odd.series.at_s[-1] == even.series.at_s[-1] + 2.0
    more = odd.figures.energy_kwh - even.figures.energy_kwh
    assert more == pytest.approx(even.figures.energy_kwh / 100, rel=0.05)


def test_figures_are_those_of_the_series(outcomes: dict[str, Outcome]) -> None:
    for outcome in outcomes.values():
        series = outcome.series
        share = (series.watts / series.budget_watts).max()
        assert share == pytest.approx(outcome.figures.peak_share)
        feeds = [i for i, name in enumerate(outcome.domains) if name.startswith("feed")]
        mean = series.watts[:, feeds].sum(axis=1).mean()
        assert outcome.figures.energy_kwh == pytest.approx(mean * 40 / 60 / 1000, rel=0.01)


def test_every_overload_of_a_breaker_that_tripped_gathered_all_its_heat(outcomes: dict[str, Outcome]) -> None:
    trips = [each for outcome in outcomes.values() for each in outcome.overloads if each.tripped]
    assert trips
    assert all(each.heat == pytest.approx(1.0, rel=1e-6) for each in trips)
    spared = [each for outcome in outcomes.values() for each in outcome.overloads if not each.tripped]
    assert all(each.heat < 1.0 for each in spared)


def test_static_limits_hold_every_row_also_with_a_feed_lost(study: Study) -> None:
    world = World(study.spec)
    limits = static_limits(world)
    incidence = compile_incidence(world.supply.topology, world.nodes)
    for load, budget in zip(
        (incidence.weights @ limits / incidence.scale).tolist(), incidence.budget_mw.tolist(), strict=True
    ):
        assert budget == NO_BUDGET or load * 1000 <= budget + 1e-3


def test_unknown_policies_and_plans_without_a_planner_are_refused(study: Study) -> None:
    with pytest.raises(InputError, match="no policy 'prayer'"):
        run_policy(study, "prayer", None)
    with pytest.raises(InputError, match="no planner"):
        run_policy(study, "plan", None)


def test_what_a_planner_sees_is_what_is_so_within_the_sensors_error(study: Study) -> None:
    world = World(study.spec)
    observer = Observer(world, SensorSettings(5.0, 1.0, 0.0))
    for _ in range(300):
        observer.look()
        world.step(2.0)
    snapshot = seen_snapshot(world, observer)
    truth = world.truth()
    assert set(snapshot.pods.names) == set(truth.pod_name)
    seen = np.bincount(snapshot.pods.node, snapshot.pods.use_ucores / 1e6, len(snapshot.nodes))
    assert (seen >= truth.busy_cores * 0.95).all()
    assert (seen <= truth.busy_cores * 1.25).all()


def test_a_planner_sees_what_accelerators_would_draw_without_the_limits_that_hold_them(tmp_path: Path) -> None:
    world = World(study_of(SMALL, tmp_path).spec)
    observer = Observer(world, SensorSettings(5.0, 0.0, 0.0))
    world.step(5.0)
    observer.look()
    before = observer.pod_device_watts.sum()
    world.limit_nodes(np.arange(len(world.nodes)), world.machines.idle + world.machines.device_idle)
    observer = Observer(world, SensorSettings(5.0, 0.0, 0.0))
    for _ in range(4):
        world.step(5.0)
    observer.look()
    assert observer.pod_device_watts.sum() == pytest.approx(before, rel=0.2)
    assert world.moment().load.device.sum() < 1.2 * world.spec.devices.idle_watts.sum()


def test_a_planner_never_sees_dark_nodes_and_sees_budgets_as_they_are(study: Study) -> None:
    world = World(study.spec)
    observer = Observer(world, study.sensors)
    observer.look()
    world.lose("row-1")
    snapshot = seen_snapshot(world, observer, margin=0.1)
    assert all(name.startswith("row-2") for name in snapshot.node_names)
    assert "row-1" not in snapshot.topology.by_name
    assert snapshot.topology.by_name["feed-c"].budget_mw == pytest.approx(0.9 * 2.5e6, abs=1)
    assert (snapshot.pods.node >= 0).all()
    assert snapshot.disruption_budgets[0].status.disruptions_allowed == 0


def test_steering_keeps_new_pods_off_what_is_full_and_frees_it_again(study: Study) -> None:
    world = World(study.spec)
    settings = PlanSettings(every_s=1e6, steer=True, margin=0.03)
    planning = Planning(world, settings, SensorSettings(5.0, 0.0, 0.0), lambda _: None)
    world.supply.budget_watts[:] = np.inf
    world.step(2.0)
    planning.act()
    assert not world.owners.closed.any()
    world.supply.budget_watts[world.supply.row["row-1"]] = 0.9 * world.moment().domain_watts[world.supply.row["row-1"]]
    for _ in range(5):
        world.step(2.0)
        planning.act()
    assert [name for name, shut in zip(world.nodes, world.owners.closed, strict=True) if shut] == [
        name for name in world.nodes if name.startswith("row-1")
    ]
    rows = [world.owners._replicas.add(0) for _ in range(4)]
    world.owners._freed = True
    world.step(2.0)
    placed = [world.nodes[world.pods.node[row]] for row in rows]
    assert all(name.startswith("row-2") for name in placed)
    world.supply.budget_watts[world.supply.row["row-1"]] = np.inf
    for _ in range(5):
        world.step(2.0)
        planning.act()
    assert not world.owners.closed.any()


def test_moves_that_are_no_longer_possible_are_passed_over(study: Study) -> None:
    world = World(study.spec)
    names = [world.pods.name_and_uid(row) for row in range(4)]
    nodes = [world.nodes[world.pods.node[row]] for row in range(4)]
    moves = [
        Move(namespace="default", pod=name, uid=uid, source=node, target=node, watts=0.0, wave=1)
        for (name, uid), node in zip(names, nodes, strict=True)
    ]
    moves.append(Move(namespace="default", pod="gone", uid="gone", source="x", target=nodes[0], watts=0.0, wave=1))
    plan = Plan(
        status="feasible",
        objective="disruption",
        cost=1.0,
        bound=0.0,
        gap=None,
        seed=0,
        seconds=0.0,
        snapshot="",
        moves=tuple(moves),
    )
    rollout = Rollout(world, plan, 0.0, lenient=True)
    for _ in range(40):
        rollout.step()
        world.step(2.0)
    assert rollout.done
    assert rollout.moved == 0
    assert rollout.refused == 4


def test_the_bands_leave_room_between_capping_and_freeing() -> None:
    assert UNCAP_AT < CAP_TO < CAP_AT <= 1
