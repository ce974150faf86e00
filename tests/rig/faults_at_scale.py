"""Some of the operator's faults at scale, by hand: 500 nodes, 5,000 pods, a rack cut by 20 % before each.

``python -m tests.rig.faults_at_scale``; with a number behind it, so many workloads of twenty pods instead of 250. All
others are tried on 30 nodes (``make faults``).
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from tests.conftest import find_prometheus
from tests.rig.operator import LARGE, Operated, Operator, operated
from tests.rig.operator_at_scale import tell
from tests.rig.processes import wait_for
from tests.rig.rig import running_rig
from tests.rig.trials import Trial

WITHIN_S = 240.0
READY_S = 12.0
"""Until the operator's watches have caught up with so many pods."""


@contextmanager
def killed(each: Operator, lasts_s: float = 0.0) -> Iterator[None]:
    """Kill a part, and start it again."""
    each.kill()
    time.sleep(lasts_s)
    each.start()
    yield


@contextmanager
def api_server_stopped(parts: Operated) -> Iterator[None]:
    """The API server stands still."""
    pid = parts.cluster.rig.pids["kube-apiserver"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def prometheus_killed(parts: Operated) -> Iterator[None]:
    """Prometheus is away."""
    parts.prometheus.kill()
    yield
    parts.prometheus.start()


def main(workloads: int = LARGE.workloads) -> int:
    """Try each, and tell; 1 where one did not come right, or a rule was broken."""
    size = replace(LARGE, workloads=workloads)
    with running_rig("faults-scale", audit=True) as rig, operated(rig, find_prometheus(), size) as parts:
        tell(f"{size.racks * size.per_rack} nodes, {size.pods} pods")
        trials: dict[str, Callable[[Trial, Operator, Operator], object]] = {
            "actuator killed": lambda trial, _, acting: trial.endure(killed(acting), 0, within_s=WITHIN_S),
            "recommender killed": lambda trial, deciding, _: trial.endure(killed(deciding), 0, within_s=WITHIN_S),
            "API server stopped for 15 s": lambda trial, *_: trial.endure(
                api_server_stopped(parts), 15, within_s=WITHIN_S, sees=False
            ),
            "Prometheus killed for 20 s": lambda trial, *_: trial.endure(
                prometheus_killed(parts), 20, within_s=WITHIN_S, whole=True
            ),
        }
        return int(sum(not tried(parts, name, trial) for name, trial in trials.items()) > 0)


def tried(parts: Operated, name: str, fault: Callable[[Trial, Operator, Operator], object]) -> bool:
    """Try one, from a cluster that is whole and held on."""
    cluster = parts.cluster
    if not wait_for(cluster.whole, WITHIN_S, 0.5):
        tell(f"{name}: not tried, as pods are missing\n{parts.said()}")
        return False
    cluster.drop_plans()
    cluster.settle_budgets()
    rack = max(cluster.budgets_w, key=cluster.draw_w)
    deciding, acting = parts.operator("--only=recommender"), parts.operator("--only=actuator")
    time.sleep(READY_S)
    try:
        fault(Trial(parts, cluster, rack, lambda text: tell(f"{name}: {text}")), deciding, acting)
    except AssertionError as error:
        tell(f"{name}: {error}")
        return False
    finally:
        parts.end_operators()
    return True


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:2])))
