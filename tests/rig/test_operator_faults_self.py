"""What is ours fails while `powerplane operate` moves pods: clocks jump, two run for one, parts are killed.

Judged by the API server's audit log. How long each took to come right is in the run's summary.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import find_prometheus
from tests.rig.audit_log import read_writes
from tests.rig.extender import Replica
from tests.rig.odd_operators import OddOperator
from tests.rig.operator import LEASES, Operated, OperatedCluster, Operator, operated
from tests.rig.processes import alive, wait_for
from tests.rig.rig import running_rig, scheduler_config
from tests.rig.sizes import chosen_size
from tests.rig.trials import Figure, Trial

from powerplane.models.api.kinds import CLUSTER_CAPPING_POLICY

pytestmark = [pytest.mark.rig, pytest.mark.faults, pytest.mark.prometheus]

Json = dict[str, Any]

FEW = f"--most-at-once={chosen_size().few}"
"""So that there is a middle of a plan."""

HOUR_S = 3600.0
PAUSED_S = 45.0
"""Within this an extender counts as gone, which is looked for every five seconds, after thirty."""


@pytest.fixture(scope="module")
def parts() -> Iterator[Operated]:
    """As everywhere, but that the webhook's process does not answer for the extender, too."""
    with (
        running_rig("operator", audit=True) as rig,
        operated(rig, find_prometheus(), chosen_size(), hook_flags=("--release-gates", "--lease=")) as made,
    ):
        yield made


@pytest.fixture
def trial(parts: Operated, racks: OperatedCluster, heaviest: str, figure: Figure) -> Trial:
    return Trial(parts, racks, heaviest, figure)


# -- clocks


@pytest.mark.parametrize("seconds", [HOUR_S, -HOUR_S])
def test_a_clock_that_jumps_by_an_hour_and_back(parts: Operated, trial: Trial, seconds: float) -> None:
    operator = OddOperator(parts, f"jumps{seconds:+.0f}", FEW)
    operator.start()
    trial.endure(jumped(operator, seconds), 15, whole=True)


def test_an_hour_of_evictions_is_used_up_whatever_is_done_to_clock_and_lease(
    parts: Operated, racks: OperatedCluster, heaviest: str, figure: Figure
) -> None:
    before, most = parts.evictions(), 3
    flags = (FEW, f"--most-per-hour={told(racks) + most}")
    operator = OddOperator(parts, "hourly", *flags)
    operator.start()
    racks.cut(heaviest)

    def used_up() -> bool:
        return parts.evictions() == before + most

    parts.wait(used_up, 40)
    for seconds in (-HOUR_S, -2 * HOUR_S, 0.0):
        operator.set_clock(seconds)
        time.sleep(4)
        assert used_up(), parts.said()
    # Without the Lease plans alone tell what there was, those of this test.
    for name, seconds, limit in (("later", -HOUR_S, flags[1]), ("last", 0.0, f"--most-per-hour={most}")):
        operator.kill()
        if name == "last":
            racks.rig.api.delete(f"{LEASES}/powerplane-actuator")
        operator = OddOperator(parts, name, FEW, limit)
        operator.set_clock(seconds)
        operator.start()
        parts.wait(lambda own=operator: writes_statuses(racks, own), 25)
        time.sleep(4)
        assert used_up(), parts.said()
    parts.end_operators()
    freed_s = time.monotonic()
    parts.operator()
    parts.wait_settled()
    parts.sound()
    figure(f"all settled {time.monotonic() - freed_s:.1f} s after the limit was lifted; load {os.getloadavg()[0]:.1f}")


# -- two for one


def test_of_two_operators_the_one_that_leads_freezes_and_comes_back(parts: Operated, trial: Trial) -> None:
    pair = [OddOperator(parts, name, FEW) for name in ("left", "right")]
    twice(trial, pair)


def test_of_two_operators_of_one_name_the_one_that_leads_freezes_and_comes_back(parts: Operated, trial: Trial) -> None:
    pair = [OddOperator(parts, name, FEW, identity="twin") for name in ("castor", "pollux")]
    twice(trial, pair)


def twice(trial: Trial, pair: list[OddOperator]) -> None:
    before = trial.racks.audited(finished=False).tokens
    for each in pair:
        each.start()
    report = trial.endure(frozen_leader(trial.racks, pair), 14, whole=True)
    assert report.tokens >= before + 2


def test_leases_that_are_deleted(parts: Operated, racks: OperatedCluster, trial: Trial) -> None:
    for name in ("first", "second"):
        OddOperator(parts, name, FEW).start()
    trial.endure(no_leases(racks), 0)


# -- parts that are killed


def test_a_webhook_that_is_killed_and_comes_back(parts: Operated, trial: Trial) -> None:
    parts.operator(FEW)
    trial.endure(no_webhook(parts), 12, whole=True)


def test_a_webhook_that_is_away_for_long(parts: Operated, racks: OperatedCluster, trial: Trial) -> None:
    parts.operator(FEW)
    trial.endure(no_webhook(parts, for_long=True), 15, whole=True)


def test_an_extender_that_is_killed_and_comes_back(parts: Operated, racks: OperatedCluster, trial: Trial) -> None:
    with extended(parts) as extender:
        parts.operator(FEW)
        trial.endure(no_extender(parts, extender), PAUSED_S, whole=True)


def test_a_solver_that_hangs_and_is_killed_and_one_that_is_killed_while_pods_move(
    parts: Operated, racks: OperatedCluster, heaviest: str, figure: Figure
) -> None:
    operator = parts.operator(FEW)
    parts.wait(lambda: solvers_of(operator), 30)
    (hung,) = solvers_of(operator)
    os.kill(hung, signal.SIGSTOP)
    racks.cut(heaviest)
    assert not wait_for(racks.open_plans, 11, 0.2)
    os.kill(hung, signal.SIGKILL)
    hit_s = time.monotonic()
    parts.wait_begun()
    begun_s = time.monotonic()
    (next_one,) = solvers_of(operator)
    assert next_one != hung
    os.kill(next_one, signal.SIGKILL)
    parts.wait_settled()
    assert parts.sound().evictions
    parts.wait(lambda: solvers_of(operator), 20)
    figure(
        f"moves began {begun_s - hit_s:.1f} s after the hung one was killed, all settled after "
        f"{time.monotonic() - hit_s:.1f} s; load {os.getloadavg()[0]:.1f}"
    )
    (last,) = solvers_of(operator)
    operator.kill()
    assert wait_for(lambda: not any(map(alive, (hung, next_one, last))), 5, 0.1), "a solver outlives its recommender"


# -- the faults


@contextmanager
def jumped(operator: OddOperator, seconds: float) -> Iterator[None]:
    operator.set_clock(seconds)
    try:
        yield
    finally:
        operator.set_clock(0.0)


@contextmanager
def frozen_leader(racks: OperatedCluster, pair: list[OddOperator]) -> Iterator[None]:
    """Whoever has written a plan's status last stands still for longer than its Lease holds."""
    leader = next(each for each in pair if writes_statuses(racks, each))
    leader.freeze()
    try:
        yield
        (other,) = [each for each in pair if each is not leader]
        assert writes_statuses(racks, other), "nobody took over"
    finally:
        leader.thaw()


@contextmanager
def no_leases(racks: OperatedCluster) -> Iterator[None]:
    for name in ("powerplane-actuator", "powerplane-recommender"):
        racks.rig.api.delete(f"{LEASES}/{name}")
    yield


@contextmanager
def no_webhook(parts: Operated, *, for_long: bool = False) -> Iterator[None]:
    """The webhook is killed; where it is for long, its Lease looks as it would after two minutes."""
    api = parts.cluster.rig.api
    parts.hook.replica.kill()
    if for_long:
        long_ago = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(time.time() - 120))
        api.patch(f"{LEASES}/powerplane-webhook", {"spec": {"renewTime": long_ago}})
    try:
        yield
        if for_long:
            paused(parts)
    finally:
        parts.hook.replica.start()
    assert wait_for(parts.hook.ready, 40, 0.1)


@contextmanager
def no_extender(parts: Operated, extender: Replica) -> Iterator[None]:
    extender.kill()
    try:
        yield
        paused(parts)
    finally:
        extender.start()
    extender.wait_ready()


def paused(parts: Operated) -> None:
    """Hold that a plan waits, and that nobody is evicted."""
    conditions = [each for plan in parts.cluster.open_plans() for each in plan["status"].get("conditions", ())]
    assert "Paused" in {each["reason"] for each in conditions}, parts.said()
    before = parts.evictions()
    time.sleep(4)
    assert parts.evictions() == before


@contextmanager
def extended(parts: Operated) -> Iterator[Replica]:
    """The scheduler asks an extender, which is no part of the webhook's process, and policies say so."""
    rig, policy = parts.cluster.rig, CLUSTER_CAPPING_POLICY.path("all")
    extender = Replica(rig, "apart").start()
    try:
        extender.wait_ready()
        rig.restart_scheduler(scheduler_config(extender.entry()))
        rig.api.patch(policy, {"spec": {"admission": {"lock": "Extender"}}})
        yield extender
    finally:
        parts.end_operators()
        rig.api.patch(policy, {"spec": {"admission": {"lock": "Partition"}}})
        rig.restart_scheduler(scheduler_config())
        extender.stop()
        make_lease(parts.cluster, "powerplane")


def make_lease(racks: OperatedCluster, name: str) -> None:
    """Put a Lease there that nobody has held, as deploy/ does."""
    racks.rig.api.delete(f"{LEASES}/{name}")
    racks.rig.api.post(LEASES, {"metadata": {"name": name}, "spec": {}})


def told(racks: OperatedCluster) -> int:
    """How many evictions of the last hour the actuator's Lease tells of."""
    annotations = racks.rig.api.get(f"{LEASES}/powerplane-actuator")["metadata"].get("annotations") or {}
    parts = annotations.get("powerplane.dev/evictions", "").split(",")
    return sum(int(part.partition(":")[2]) for part in parts if part)


# -- who does what


def writes_statuses(racks: OperatedCluster, operator: Operator) -> bool:
    """Whether the last status of a plan that was written is by this one."""
    users = [
        each.user
        for each in read_writes(racks.rig.audit_log)
        if each.resource == "placementplans" and each.sub == "status" and each.ok
    ]
    return bool(users) and users[-1] == f"operator-{operator.name}"


def solvers_of(operator: Operator) -> list[int]:
    """Processes that solve for an operator."""
    children = Path(f"/proc/{operator.pid}/task").glob("*/children")
    pids = [int(pid) for each in children for pid in each.read_text().split()]
    return [pid for pid in pids if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text() and state_of(pid) != "Z"]


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
