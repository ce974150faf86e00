"""Prometheus and what it scrapes fail while `powerplane operate` moves pods: gone, frozen, old, lying, empty.

A plan that has begun before is brought to its end, no further one is made on watts that cannot be true, and once they
can be believed again the budget is held. Judged by the API server's audit log.
"""

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from tests.rig.operator import CALM_S, Operated, OperatedCluster, Operator
from tests.rig.sizes import chosen_size
from tests.rig.trials import Figure, Trial

from powerplane.simulator.sensors.faults import Frozen, Late, Lies

pytestmark = [pytest.mark.rig, pytest.mark.faults, pytest.mark.prometheus]

Fault = Callable[[Operated], AbstractContextManager[None]]

GAP_S = 17.0 + chosen_size().old_s
"""Long enough for several looks after whatever was believed before is too old."""

FROZEN_S = 35.0 + chosen_size().plan_s
"""As long as a plan takes, and longer than power trees rest after it."""

OLD_S = 5.0 + chosen_size().old_s
"""After this no sample of before the fault is held any more."""


# -- faults


@contextmanager
def killed(parts: Operated) -> Iterator[None]:
    parts.prometheus.kill()
    yield
    parts.prometheus.start()


@contextmanager
def emptied(parts: Operated) -> Iterator[None]:
    parts.prometheus.kill()
    shutil.rmtree(parts.prometheus.data)
    yield
    parts.prometheus.start()


@contextmanager
def hung(parts: Operated) -> Iterator[None]:
    parts.prometheus.send(signal.SIGSTOP)
    try:
        yield
    finally:
        parts.prometheus.send(signal.SIGCONT)


@contextmanager
def stuttering(parts: Operated) -> Iterator[None]:
    """It stands still for three seconds of four, so that scrapes fall out and answers come late."""
    over = threading.Event()

    def stutter() -> None:
        while not over.is_set():
            parts.prometheus.send(signal.SIGSTOP)
            over.wait(3.0)
            parts.prometheus.send(signal.SIGCONT)
            over.wait(1.0)

    thread = threading.Thread(target=stutter, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(5)


def silent(parts: Operated) -> AbstractContextManager[None]:
    """Whoever scrapes waits until the next scrape is due, and longer."""
    return parts.meters.failing(Late, seconds=GAP_S)


def undated(parts: Operated) -> AbstractContextManager[None]:
    """What was read at the beginning, as if it were read now."""
    return parts.meters.failing(Frozen)


def dated(parts: Operated) -> AbstractContextManager[None]:
    """What was read at the beginning, with its time."""
    return parts.meters.standing_still()


def tenfold(parts: Operated) -> AbstractContextManager[None]:
    """Ten times what is true."""
    return parts.meters.failing(Lies, times=10.0)


# -- tests


@pytest.fixture
def trial(parts: Operated, racks: OperatedCluster, heaviest: str, operator: Operator, figure: Figure) -> Trial:
    return Trial(parts, racks, heaviest, figure)


@pytest.mark.parametrize("fault", [killed, emptied, hung, stuttering, silent, dated, tenfold])
def test_a_plan_is_brought_to_its_end_and_no_other_is_made_while_watts_cannot_be_true(
    parts: Operated, trial: Trial, fault: Fault
) -> None:
    with one_plan(parts):
        trial.endure(fault(parts), GAP_S)


@pytest.mark.parametrize("fault", [killed, hung, tenfold])
def test_nothing_is_begun_while_watts_cannot_be_true(
    parts: Operated, racks: OperatedCluster, heaviest: str, operator: Operator, figure: Figure, fault: Fault
) -> None:
    before = len(racks.plans()), parts.evictions()
    with fault(parts):
        time.sleep(OLD_S)
        racks.cut(heaviest)
        time.sleep(CALM_S)
        assert (len(racks.plans()), parts.evictions()) == before, parts.said()
    over_s = time.monotonic()
    parts.wait_settled()
    well_s = time.monotonic() - over_s
    report = parts.sound()
    plans, evictions = len(racks.plans()) - before[0], report.evictions - before[1]
    figure(
        f"nothing was begun; all well {well_s:.1f} s after it, {plans} plans, {evictions} evictions; "
        f"refused in all {dict(report.refused)}; load {os.getloadavg()[0]:.1f}"
    )


def test_old_watts_that_look_new_cost_no_more_than_another_plan(parts: Operated, trial: Trial) -> None:
    before = len(parts.cluster.plans())
    trial.endure(undated(parts), FROZEN_S, whole=True)
    assert len(parts.cluster.plans()) - before <= 2, parts.said()


@contextmanager
def one_plan(parts: Operated) -> Iterator[None]:
    """Not more than one plan, whatever happens."""
    before = len(parts.cluster.plans())
    yield
    assert len(parts.cluster.plans()) == before + 1, parts.said()
