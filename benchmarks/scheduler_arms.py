"""kube-scheduler with the extender and without it, in one run on one rig: seconds per pod, and pods per second.

Each arm finds the same nodes and the same waiting pods: they are created while no scheduler runs, so that what is timed
is scheduling, not creating. The arms alternate, and a table of medians is printed as markdown.

    python -m benchmarks.scheduler_arms --nodes 1000 --pods 1000 --rounds 3
"""

import argparse
import os
import re
import statistics
import sys
import time
from dataclasses import dataclass

from tests.rig.cluster import AT_ONCE, make_nodes, make_pods, pod
from tests.rig.extender import extender, install_objects, make_domains
from tests.rig.floor import Floor
from tests.rig.processes import wait_for
from tests.rig.rig import Rig, running_rig, scheduler_config
from tests.rig.witness import Witness

ALGORITHM = "scheduler_scheduling_algorithm_duration_seconds"
LONGEST_S = 900.0
WITHOUT, FILTER, BOTH = "no extender", "filter", "filter and prioritize"
ARMS = (WITHOUT, FILTER, BOTH)


@dataclass(frozen=True, slots=True)
class Figures:
    """One arm's round: milliseconds of the scheduling algorithm per pod, pods bound per second, and pods bound."""

    algorithm_ms: float
    pods_per_s: float
    bound: int


def main() -> int:
    """Run the arms and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--pods", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--all-nodes", action="store_true", help="percentageOfNodesToScore: 100 in both arms")
    options = parser.parse_args()
    floor = Floor(
        racks=options.nodes // 20,
        per_rack=20,
        rows=max(1, options.nodes // 200),
        node_w=900,
        rack_w=14_000,
        row_w=130_000,
        feed_w=600 * options.nodes,
        idle_w=100,
    )
    extra = {"percentageOfNodesToScore": 100} if options.all_nodes else {}
    found: dict[str, list[Figures]] = {arm: [] for arm in ARMS}
    with running_rig("arms") as rig:
        install_objects(rig)
        make_nodes(rig, floor.nodes())
        make_domains(rig, floor.domains())
        for turn in range(options.rounds):
            for arm in ARMS if turn % 2 == 0 else ARMS[::-1]:
                found[arm].append(_round(rig, floor, arm, options.pods, extra))
                sys.stderr.write(f"{arm}: {found[arm][-1]}\n")
    _print(found, options)
    return 0


def _round(rig: Rig, floor: Floor, arm: str, pods: int, extra: dict[str, int]) -> Figures:
    rig.kill("kube-scheduler", hard=False)
    make_pods(rig, [pod(f"p{i:05}", watts=50 + i % 7 * 10, cpu="100m") for i in range(pods)])
    if arm == WITHOUT:
        figures = _time(rig, floor, pods, scheduler_config(**extra))
    else:
        with extender(rig, "arm") as replica:
            verbs = replica.entry() if arm == BOTH else replica.entry(prioritizeVerb="")
            figures = _time(rig, floor, pods, scheduler_config(verbs, **extra))
    rig.api.call("DELETE", "/api/v1/namespaces/default/pods", AT_ONCE)
    wait_for(lambda: not rig.api.get("/api/v1/namespaces/default/pods?limit=1")["items"], LONGEST_S, 0.5)
    return figures


def _time(rig: Rig, floor: Floor, pods: int, config: dict[str, object]) -> Figures:
    # Without the extender nobody knows of watts: the arm's own scheduler would refuse a resource that no node offers.
    ignored = {"name": "powerplane.dev/watts", "ignoredByScheduler": True}
    if not config["extenders"]:
        profile = {
            "schedulerName": "default-scheduler",
            "pluginConfig": [
                {"name": "NodeResourcesFit", "args": {"ignoredResources": [ignored["name"]]}},
            ],
        }
        config = config | {"profiles": [profile]}
    with Witness(rig, floor.budgets()) as witness:
        rig.restart_scheduler(config)
        wait_for(lambda: len(witness.bound) >= pods, LONGEST_S, 0.2)
        took_s = max(witness.last_s - witness.first_s, 1e-9)
        if config["extenders"] and witness.breaches:
            raise SystemExit(f"budgets were broken: {witness.breaches[:3]}")
        bound = len(witness.bound)
    page = rig.scheduler_get("/metrics") or ""
    total, count = (_figure(page, f"{ALGORITHM}_{part}") for part in ("sum", "count"))
    return Figures(1000 * total / max(count, 1), bound / took_s, bound)


def _figure(page: str, name: str) -> float:
    return sum(float(text) for text in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", page, re.MULTILINE))


def _print(found: dict[str, list[Figures]], options: argparse.Namespace) -> None:
    load = os.getloadavg()[0]
    sys.stdout.write(
        f"{options.nodes} nodes, {options.pods} pods, {options.rounds} rounds, load {load:.1f} on "
        f"{os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}\n\n"
        "| arm | algorithm ms per pod, median (worst) | ratio | pods per s, median (worst) | ratio | pods bound |\n"
        "|---|---|---|---|---|---|\n"
    )
    base = [
        statistics.median(getattr(each, name) for each in found[WITHOUT]) for name in ("algorithm_ms", "pods_per_s")
    ]
    for arm, rounds in found.items():
        slow, fast = [each.algorithm_ms for each in rounds], [each.pods_per_s for each in rounds]
        sys.stdout.write(
            f"| {arm} | {statistics.median(slow):.2f} ({max(slow):.2f}) | {statistics.median(slow) / base[0]:.2f} "
            f"| {statistics.median(fast):.0f} ({min(fast):.0f}) | {statistics.median(fast) / base[1]:.2f} "
            f"| {min(each.bound for each in rounds)} |\n"
        )


if __name__ == "__main__":
    sys.exit(main())
