"""`powerplane operate` holds budgets by moving pods, whatever breaks meanwhile; judged by the API server's audit log.

One rig, one cluster of 30 nodes and 300 pods for all: each test cuts a rack's budget, breaks something, and leaves the
cluster whole again. More faults: ``test_operator_faults.py``. With POWERPLANE_RIG_SIZE=large all of it has 500
nodes and 5,000 pods.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from tests.rig.objects import apply, written
from tests.rig.operator import (
    CALM_S,
    COUNTED_S,
    HELD_S,
    LEASES,
    SERVERS,
    SIZES,
    TOKENS_PER_S,
    WATTS_PER_CORE,
    Operated,
    OperatedCluster,
    Operator,
)
from tests.rig.processes import wait_for

from powerplane.models.api.kinds import CLUSTER_CAPPING_POLICY
from powerplane.simulator.sensors.faults import Lies, Missing, Says

pytestmark = [pytest.mark.rig, pytest.mark.prometheus]


def test_a_rack_whose_budget_is_cut_by_a_fifth_is_held_by_migration_alone(
    parts: Operated, racks: OperatedCluster, heaviest: str, operator: Operator, figure: Callable[[str], None]
) -> None:
    before_w = racks.draw_w(heaviest)
    began_s = racks.cut(heaviest)
    assert wait_for(racks.held, HELD_S, 0.05), parts.said()
    took_s = time.monotonic() - began_s
    parts.wait_settled()
    report = parts.sound()
    assert 0 < report.evictions <= racks.size.pods // 5
    figure(
        f"{heaviest} from {before_w:g} to {racks.draw_w(heaviest):g} W of {racks.budgets_w[heaviest]:g} W in "
        f"{took_s:.1f} s: {report.evictions} evictions, {report.placeholders} placeholders, {report.plans} plans"
    )


def test_a_policys_status_says_what_its_pods_do_with_a_watt_by_vllms_counters(
    parts: Operated, racks: OperatedCluster
) -> None:
    path = CLUSTER_CAPPING_POLICY.path("work")
    cores = float(SIZES[0].removesuffix("m")) / 1000
    spec = {
        "priority": 1,
        "selector": {"matchLabels": {"app": SERVERS}},
        "performancePowerRatio": {"target": 2 * TOKENS_PER_S / (cores * WATTS_PER_CORE), "tolerance": 0.1},
    }
    apply(racks.rig, path, written(CLUSTER_CAPPING_POLICY, "work", spec))
    try:
        operator = parts.operator("--only=recommender", "--period=5s")

        def said() -> dict[str, Any]:
            status: dict[str, Any] = racks.rig.api.get(path).get("status") or {}
            return status

        def is_met(wanted: str) -> bool:
            held = {each["type"]: each["status"] for each in said().get("conditions") or ()}
            return held.get("PerformanceMet") == wanted

        assert wait_for(lambda: is_met("True"), 60, 0.5), f"{said()}\n{operator.said()}"
        told = said()["performance"]
        pods = racks.size.replicas
        assert told["metric"] == "vllm:tokens"
        assert told["perSecond"] == pytest.approx(2 * TOKENS_PER_S * pods, rel=0.05)
        assert told["watts"] == pytest.approx(cores * WATTS_PER_CORE * pods, rel=0.05)
        assert told["met"] is True
        spec["performancePowerRatio"]["target"] *= 2
        apply(racks.rig, path, written(CLUSTER_CAPPING_POLICY, "work", spec))
        assert wait_for(lambda: is_met("False"), 60, 0.5), f"{said()}\n{operator.said()}"
    finally:
        racks.rig.api.delete(path)


@pytest.mark.faults
@pytest.mark.usefixtures("course")
def test_an_actuator_that_is_killed_at_each_step_finishes_the_plan_once(
    parts: Operated, racks: OperatedCluster, heaviest: str
) -> None:
    parts.operator("--only=recommender")
    actuator = parts.operator("--only=actuator")
    racks.cut(heaviest)
    killed = []
    for step in ("Reserving", "Reserved", "Evicting", "Evicted", "Steering", "Bound"):
        if wait_for(lambda step=step: racks.steps()[step] or racks.settled(), 40, 0.01) and not racks.settled():
            actuator.kill()
            killed.append(step)
            actuator.start()
    parts.wait_settled(HELD_S + COUNTED_S)
    parts.sound()
    assert len(killed) >= 3, killed


@pytest.mark.faults
@pytest.mark.usefixtures("course")
def test_of_two_operators_one_acts_and_the_other_takes_over_when_it_is_killed(
    parts: Operated, racks: OperatedCluster, heaviest: str
) -> None:
    first, second = parts.operator(), parts.operator()
    racks.cut(heaviest)
    parts.wait_begun()
    holder = parts.cluster.rig.api.get(f"{LEASES}/powerplane-actuator")["spec"]["holderIdentity"]
    (leader,) = [each for each in (first, second) if holder.startswith(each.name)]
    leader.kill()
    parts.wait_settled(HELD_S + COUNTED_S)
    assert parts.sound().tokens >= 2


@pytest.mark.faults
@pytest.mark.usefixtures("course")
def test_nothing_is_evicted_while_no_webhook_lives(
    parts: Operated, racks: OperatedCluster, heaviest: str, operator: Operator
) -> None:
    before = parts.evictions()
    parts.hook.replica.kill()
    long_ago = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(time.time() - 120))
    racks.rig.api.patch(f"{LEASES}/powerplane-webhook", {"spec": {"renewTime": long_ago}})
    racks.cut(heaviest)
    time.sleep(CALM_S)
    assert parts.evictions() == before
    parts.hook.replica.start()
    parts.wait_settled()
    parts.sound()


@pytest.mark.faults
@pytest.mark.usefixtures("course")
def test_without_telemetry_to_be_believed_nothing_is_done(
    parts: Operated, racks: OperatedCluster, heaviest: str, operator: Operator
) -> None:
    before = len(racks.plans()), parts.evictions()
    with lying(parts):
        time.sleep(3 + parts.cluster.size.old_s)
        racks.cut(heaviest)
        time.sleep(CALM_S)
        assert (len(racks.plans()), parts.evictions()) == before
    parts.wait_settled()
    parts.sound()


@contextmanager
def lying(parts: Operated) -> Iterator[None]:
    """Of a third of the nodes nothing is said, of a third NaN, and of a third less than nothing."""
    names = parts.cluster.floor.node_names
    third = [frozenset(names[number::3]) for number in range(3)]
    with ExitStack() as faults:
        faults.enter_context(parts.meters.failing(Missing, third[0]))
        faults.enter_context(parts.meters.failing(Says, third[1], value=float("nan")))
        faults.enter_context(parts.meters.failing(Lies, third[2], times=-1.0))
        yield
