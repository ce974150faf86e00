import dataclasses
import time

import numpy as np
import pytest

from powerplane.models.plan import Plan
from powerplane.models.snapshot import Snapshot
from powerplane.simulator.migration import Rollout
from powerplane.simulator.power import predict
from powerplane.simulator.run import simulate, world_of
from powerplane.simulator.scenario import Pace, Scenario
from powerplane.solver.check import check
from powerplane.solver.compose import compose_plan
from powerplane.solver.explain import reasons
from powerplane.solver.formulate import formulate
from powerplane.solver.solve import solve


@pytest.fixture(scope="module")
def lost(story: Scenario) -> Snapshot:
    return story.snapshot_at(story.seen_at_s)


@pytest.fixture(scope="module")
def plan(lost: Snapshot) -> Plan:
    """The solver's own."""
    formulation = formulate(lost)
    result = solve(formulation.problem, objective="disruption", seconds=4.0, seed=0, clock=time.monotonic)
    return compose_plan(lost, formulation, result, reasons(formulation.problem, result.flows))


def test_the_plan_for_the_lost_feed_passes_the_check_and_holds_every_budget(lost: Snapshot, plan: Plan) -> None:
    report = check(lost, plan)
    assert report.violations == ()
    assert report.overload_mw == 0
    assert plan.status in ("optimal", "feasible")
    assert plan.moves


def test_without_the_plan_the_feed_trips_and_with_it_nothing_is_lost(story: Scenario, plan: Plan) -> None:
    alone, guarded = simulate(story), simulate(story, plan)
    assert "feed-b" in alone.tripped
    assert alone.lost_pods > 0
    assert guarded.tripped == {}
    assert guarded.lost_pods == 0
    assert guarded.broken == ()
    assert guarded.moved == len(plan.moves)


@pytest.mark.parametrize("at_once", [7, 10_000])
def test_carried_out_in_any_parts_a_plan_never_draws_more_than_the_check_allows(
    story: Scenario, lost: Snapshot, plan: Plan, at_once: int
) -> None:
    """The check allows a domain its budget or, where that was broken before, what it drew then."""
    pace = Pace(at_once=at_once, surge=1.0)
    snapshot = _without_breakers(story.snapshot)
    run = simulate(dataclasses.replace(story, snapshot=snapshot, pace=pace, ends_s=2400), plan)
    assert run.moved == len(plan.moves)
    before = {each.domain: each.draw_mw for each in predict(lost) if not each.lost}
    for domain, draw_mw in before.items():
        i = run.domains.index(domain)
        after = run.domain_mw[story.planned_at_s :, i]
        allowed = np.maximum(run.budget_mw[story.planned_at_s :, i], draw_mw)
        assert (after <= allowed).all(), domain


def test_no_disruption_budget_is_ever_overdrawn_while_the_plan_is_carried_out(story: Scenario, plan: Plan) -> None:
    calm = dataclasses.replace(story, snapshot=_without_breakers(story.snapshot))
    world = world_of(calm)
    rollout = Rollout(world, plan, story.planned_at_s)
    snapshot = story.snapshot
    app = [dict(template.labels)["app"] for template in snapshot.templates]
    allowed = {budget.metadata.name: budget.status.disruptions_allowed for budget in snapshot.disruption_budgets}
    worst = dict.fromkeys(allowed, 0)
    rows = np.arange(len(snapshot.pods))
    for _ in range(story.planned_at_s + 4000):
        rollout.step()
        world.step(1.0)
        down = [app[snapshot.pods.template[pod]] for pod in np.flatnonzero(~world.serving(rows))]
        worst = {name: max(most, down.count(name)) for name, most in worst.items()}
        if rollout.done:
            break
    assert rollout.done
    assert all(worst[name] <= allowed[name] for name in allowed)


def _without_breakers(snapshot: Snapshot) -> Snapshot:
    """So that a slow rollout is seen to its end."""
    domains = tuple(
        dataclasses.replace(
            domain, breaker=domain.breaker and dataclasses.replace(domain.breaker, curve=((90.0, 9.0),))
        )
        for domain in snapshot.topology.domains
    )
    return dataclasses.replace(snapshot, topology=dataclasses.replace(snapshot.topology, domains=domains))
