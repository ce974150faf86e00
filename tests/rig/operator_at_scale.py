"""The same at scale, by hand: 500 nodes, 5,000 pods, a rack cut by 20 %, and what the operator's processes use.

``python -m tests.rig.operator_at_scale``; with a number behind it, so many workloads of twenty pods instead of 250.
"""

import sys
import time
from dataclasses import replace

from tests.conftest import find_prometheus
from tests.rig.operator import Operated, operated
from tests.rig.processes import wait_for
from tests.rig.rig import running_rig
from tests.rig.sizes import LARGE
from tests.rig.usage import Meter, solver_of

WITHIN_S = 240.0
IDLE_S = 30.0
STARTED_S = 15.0


def main(workloads: int = LARGE.workloads) -> int:
    """Run once, and tell; 1 where budgets were not held, or a rule was broken."""
    began_s, size = time.monotonic(), replace(LARGE, workloads=workloads)
    with running_rig("operator-scale", audit=True) as rig, operated(rig, find_prometheus(), size) as parts:
        tell(f"{size.racks * size.per_rack} nodes, {size.pods} pods after {time.monotonic() - began_s:.0f} s")
        return int(not cut_and_hold(parts))


def cut_and_hold(parts: Operated) -> bool:
    """Cut the heaviest rack, and say when it was held and when all was over."""
    deciding, acting = parts.operator("--only=recommender"), parts.operator("--only=actuator")
    meter = Meter(
        {
            "recommender": lambda: deciding.pid,
            "solver": lambda: solver_of(deciding.pid),
            "actuator": lambda: acting.pid,
        },
        time.monotonic,
    )
    time.sleep(STARTED_S)
    with meter.phase("idle"):
        time.sleep(IDLE_S)
    with meter.phase("plan"):
        good = _cut_and_hold(parts)
    tell(meter.table())
    return good


def _cut_and_hold(parts: Operated) -> bool:
    cluster = parts.cluster
    rack = max(cluster.budgets_w, key=cluster.draw_w)
    before_w = cluster.draw_w(rack)
    cut_s = cluster.cut(rack)
    tell(f"{rack} draws {before_w:g} W, may draw {cluster.budgets_w[rack]:g} W")
    held = wait_for(cluster.held, WITHIN_S, 0.1)
    tell(f"held: {held} after {time.monotonic() - cut_s:.1f} s")
    settled = wait_for(cluster.settled, 60, 0.5)
    tell(f"all over: {settled} after {time.monotonic() - cut_s:.1f} s")
    report = cluster.audited()
    tell(
        f"{report.evictions} evictions, {report.placeholders} placeholders, {report.plans} plans, "
        f"refused {dict(report.refused)}"
    )
    for finding in report.findings[:20]:
        tell(str(finding))
    if not (held and settled and not report.findings):
        tell(parts.said())
    return held and settled and not report.findings


def tell(text: str) -> None:
    """Say something at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:2])))
