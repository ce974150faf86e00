"""How fast a Deployment's pods are made with the webhook registered and without, by a real kube-controller-manager.

A Deployment is raised from one pod to many on a whole cluster (etcd, kube-apiserver, kube-controller-manager,
kube-scheduler, KWOK), at several of the limits that a controller manager keeps to (``--kube-api-qps``,
``--kube-api-burst``). The arms take turns; medians are printed as markdown. Needs the control plane of tests/rig.

    python -m benchmarks.webhook_controller_rate --out benchmarks/RESULTS.md
"""

import argparse
import contextlib
import datetime
import itertools
import json
import random
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
from benchmarks.webhook_arms import NONE, OURS, PODS, TWICE, WHOLE, calls, hooked, metric, used_s
from benchmarks.webhook_cells import pod_spec
from tests.rig.cluster import AT_ONCE, WATTS, make_nodes, node
from tests.rig.extender import install_objects, make_domains, power_domain
from tests.rig.objects import apply, written
from tests.rig.processes import wait_for
from tests.rig.rig import Rig, running_rig
from tests.rig.webhook import webhook_replica

from powerplane.bench.machine import load_line, machine_line
from powerplane.bench.sections import put_section
from powerplane.models.api.kinds import CLUSTER_CAPPING_POLICY

SECTION = "webhook-controller-rate"
ARMS = (NONE, OURS, WHOLE, TWICE)
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
REPLICA_SETS = "/apis/apps/v1/namespaces/default/replicasets"
WAITED = "apiserver_admission_webhook_admission_duration_seconds_sum"
NAMES_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
NODES, PODS_A_NODE = 20, 110
LONGEST_S = 240.0
SETTLE_S = 3.0
"""In which a limiter's burst is whole again, and the cluster at rest."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A controller manager's limits, and how many pods it is asked for."""

    qps: int
    burst: int
    pods: int


CELLS = (Cell(20, 30, 300), Cell(200, 400, 2000), Cell(5000, 10000, 2000))
"""The flags' defaults; ten times as much; what the rig's own tests run with, as good as none."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One arm's round.

    Parameters
    ----------
    per_s : float
        Pods created a second, from the first to the last.
    server_us, webhook_us : float
        Processor time for each pod.
    waited_ms : float
        How long the API server waited for webhooks, for each pod.
    calls : float
        For each pod.
    bare : int
        Pods that came in without watts.
    """

    per_s: float
    server_us: float
    webhook_us: float
    waited_ms: float
    calls: float
    bare: int


def main() -> None:
    """Run the arms in turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--qps", type=int, action="append", help="of the cells, those with this limit; default all")
    parser.add_argument("--arm", choices=ARMS, action="append", help="beside no webhook; default all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="a page whose section is to be put anew")
    given = parser.parse_args()
    cells = [cell for cell in CELLS if not given.qps or cell.qps in given.qps]
    arms = [arm for arm in ARMS if not given.arm or arm == NONE or arm in given.arm]
    before = load_line()
    found: dict[tuple[Cell, str], list[Figures]] = {(cell, arm): [] for cell in cells for arm in arms}
    with ground(given.seed) as (rig, pid, port, template):
        for turn, cell in itertools.product(range(given.rounds), cells):
            for arm in arms if turn % 2 == 0 else arms[::-1]:
                with hooked(rig, arm, port):
                    found[cell, arm].append(one_round(rig, cell, pid if arm != NONE else 0, template))
                sys.stderr.write(f"{cell} {arm}: {found[cell, arm][-1]}\n")
    page = "\n".join([*preface(given, before), table(found)])
    sys.stdout.write(page)
    if given.out:
        given.out.write_text(put_section(given.out.read_text(encoding="utf-8"), SECTION, page), encoding="utf-8")


def preface(given: argparse.Namespace, load_before: str) -> list[str]:
    """What the figures were measured on, and what they mean."""
    today = datetime.datetime.now(datetime.UTC).date()
    words = [f" --qps {each}" for each in given.qps or ()] + [f" --arm '{each}'" for each in given.arm or ()]
    return [
        "## How fast a Deployment's pods are made with the webhook registered",
        "",
        f"`python -m benchmarks.webhook_controller_rate --rounds {given.rounds}{''.join(words)}`, {today}, "
        f"{machine_line()}; load {load_before} before, {load_line()} after; seed {given.seed}.",
        "",
        f"A Deployment of one pod is raised to so many; {NODES} nodes of KWOK take them. etcd, kube-apiserver, "
        "kube-controller-manager, kube-scheduler, KWOK and the webhook share the cores. *Limit*: the controller "
        "manager's `--kube-api-qps` and `--kube-api-burst`; 20 and 30 are its defaults. *Pods per s*: from the first "
        "to the last, as a watch sees them. *Waited ms*: how long the API server waited for webhooks, for each pod. "
        "*Without watts*: pods that came in without, of all rounds; the API server gives the webhook two seconds.",
        "",
    ]


@contextlib.contextmanager
def ground(seed: int) -> Iterator[tuple[Rig, int, int, dict[str, Any]]]:
    """A whole cluster with our webhook running, not registered; its process, its port, and a pod template."""
    with running_rig("controller-rate") as rig:
        install_objects(rig)
        names = [f"n{at}" for at in range(NODES)]
        room: dict[str, str | int] = {"cpu": "1000", "memory": "10Ti", "pods": PODS_A_NODE, "watts": 20_000}
        make_nodes(rig, [node(name, **room) for name in names])
        member = {"idle": "100W", "peak": "10.1kW"}
        make_domains(rig, [power_domain("r1", budget="400kW", nodeNames=names, node=member)])
        policy = {"cap": {"watts": "400kW"}, "mode": "Enforce", "admission": {"lock": "Partition"}}
        apply(rig, CLUSTER_CAPPING_POLICY.path("all"), written(CLUSTER_CAPPING_POLICY, "all", policy))
        spec = {**pod_spec(random.Random(seed)), "terminationGracePeriodSeconds": 0}
        replica, port = webhook_replica(rig, "hook")
        replica.start()
        try:
            replica.wait_ready()
            yield rig, replica.pid, port, {"metadata": {"labels": {"app": "web"}}, "spec": spec}
        finally:
            replica.stop()


def one_round(rig: Rig, cell: Cell, webhook: int, template: dict[str, Any]) -> Figures:
    """Have pods made, and remove them again."""
    rig.restart_controllers(f"--kube-api-qps={cell.qps}", f"--kube-api-burst={cell.burst}")
    selector = {"matchLabels": template["metadata"]["labels"]}
    spec = {"replicas": 1, "selector": selector, "template": template}
    rig.api.post(DEPLOYMENTS, {"metadata": {"name": "web"}, "spec": spec})
    assert wait_for(lambda: bool(rig.api.get(f"{PODS}?limit=1")["items"]), LONGEST_S, 0.2), "no controller is there"
    time.sleep(SETTLE_S)
    before, asked, waited = used_s(rig, webhook), calls(rig), metric(rig, WAITED)
    since = rig.api.get(f"{PODS}?limit=1")["metadata"]["resourceVersion"]
    rig.api.patch(f"{DEPLOYMENTS}/web", {"spec": {"replicas": cell.pods + 1}})
    took_s = seconds_until(rig, since, cell.pods)
    after, asked, waited = used_s(rig, webhook), calls(rig) - asked, metric(rig, WAITED) - waited
    made = rig.api.items(PODS)
    bare = sum(WATTS not in each["spec"]["containers"][0]["resources"].get("requests", {}) for each in made)
    # Without a controller manager, which would delete one by one, at its limit.
    rig.kill("kube-controller-manager", hard=False)
    for path in (DEPLOYMENTS, REPLICA_SETS, PODS):
        rig.api.call("DELETE", path, AT_ONCE)
    assert wait_for(lambda: not rig.api.get(f"{PODS}?limit=1")["items"], LONGEST_S, 0.2), "pods do not go"
    server_us, webhook_us = (1e6 * (new - old) / cell.pods for old, new in zip(before, after, strict=True))
    rate = (cell.pods - 1) / took_s
    return Figures(rate, server_us, webhook_us, 1000 * waited / cell.pods, asked / cell.pods, bare if webhook else 0)


def seconds_until(rig: Rig, since: str, pods: int) -> float:
    """From the first of so many new pods to the last, as a watch sees them: names alone, and hardly anything parsed."""
    seen, first_s, began_s = 0, 0.0, time.monotonic()
    while time.monotonic() - began_s < LONGEST_S:
        # An API server that is short of time ends watches that fall behind: another goes on from there.
        for now_s, lines in _watched(rig, since):
            seen += sum(line.startswith(b'{"type":"ADDED"') for line in lines)
            first_s = first_s or (now_s if seen else 0.0)
            if seen >= pods:
                return now_s - first_s
            since = json.loads(lines[-1])["object"]["metadata"]["resourceVersion"]
    raise SystemExit(f"{seen} of {pods} pods were made within {LONGEST_S:g} s")


def _watched(rig: Rig, since: str) -> Iterator[tuple[float, list[bytes]]]:
    """Events as they come, some lines at a time, until the API server ends the watch."""
    answer = rig.api.pool.request(
        "GET",
        f"{rig.server}{PODS}?watch=1&resourceVersion={since}&timeoutSeconds={LONGEST_S:.0f}",
        headers={"Accept": NAMES_ONLY},
        preload_content=False,
        timeout=urllib3.Timeout(connect=5, read=LONGEST_S),
    )
    rest = b""
    try:
        for chunk in answer.read_chunked():
            *lines, rest = (rest + chunk).split(b"\n")
            if lines:
                yield time.monotonic(), lines
    finally:
        answer.close()


def table(found: dict[tuple[Cell, str], list[Figures]]) -> str:
    """Medians over the rounds, with the lowest and the highest rate; rates are compared within a round."""
    rows = [
        "| limit | pods | webhook | pods per s, median (least, most) | of the rate without (least, most) "
        "| API server µs | webhook µs | waited ms | calls | without watts |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (cell, arm), rounds in found.items():
        rates = [each.per_s for each in rounds]
        shares = [100 * each.per_s / base.per_s for each, base in zip(rounds, found[cell, NONE], strict=True)]
        server_us, webhook_us, waited_ms, asked = (
            statistics.median(getattr(each, name) for each in rounds)
            for name in ("server_us", "webhook_us", "waited_ms", "calls")
        )
        rows.append(
            f"| {cell.qps}, {cell.burst} | {cell.pods} | {arm} "
            f"| {statistics.median(rates):.1f} ({min(rates):.1f}, {max(rates):.1f}) "
            f"| {statistics.median(shares):.0f} % ({min(shares):.0f}, {max(shares):.0f}) | {server_us:.0f} "
            f"| {webhook_us:.0f} | {waited_ms:.1f} | {asked:.2f} | {sum(each.bare for each in rounds)} |"
        )
    return "\n".join([*rows, ""])


if __name__ == "__main__":
    main()
