"""How much slower pods are created where the webhook is registered: a real API server, in turns with it and without.

Pods are posted by wrk to etcd and kube-apiserver alone (no scheduler, no controller). The arms take turns, and each
round creates as many pods in each; medians are printed as markdown. Webhooks that decide nothing, one of which changes
every pod, tell what any webhook costs from what ours adds. Needs wrk on PATH, and the control plane of tests/rig.

    python -m benchmarks.webhook_create_rate --pods 2000 --rounds 5 --out benchmarks/RESULTS.md
"""

import argparse
import contextlib
import datetime
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving_cost import post_count
from benchmarks.webhook_arms import (
    BARE,
    NEVER,
    NONE,
    NOTE,
    OURS,
    PODS,
    TWICE,
    WHOLE,
    YES,
    calls,
    hooked,
    start_yes,
    used_s,
)
from benchmarks.webhook_cells import pod_spec
from tests.rig import processes
from tests.rig.cluster import AT_ONCE, make_nodes, node
from tests.rig.extender import install_objects, make_domains, power_domain
from tests.rig.objects import apply, written
from tests.rig.processes import wait_for
from tests.rig.rig import Rig, running_rig
from tests.rig.webhook import webhook_replica

from powerplane.bench.machine import load_line, machine_line
from powerplane.bench.sections import put_section
from powerplane.models.api.kinds import CLUSTER_CAPPING_POLICY

SECTION = "webhook-create-rate"
ARMS = (NONE, YES, NOTE, OURS, BARE, NEVER, WHOLE, TWICE)
LONGEST_S = 120.0
SETTLE_S = 0.5


@dataclass(frozen=True, slots=True)
class Figures:
    """One arm's round: pods created a second; processor time by pod, in µs, of API server and webhook; calls by pod."""

    per_s: float
    server_us: float
    webhook_us: float
    calls: float


@dataclass(frozen=True, slots=True)
class Ground:
    """What every round shares: the rig, the pods' file, the token, and webhooks by arm (pid and port)."""

    rig: Rig
    bodies: Path
    token: str
    hooks: dict[str, tuple[int, int]]


def main() -> None:
    """Run the arms in turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pods", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--at-once", type=int, action="append", help="posts in flight; default 1, 4 and 16")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="a page whose section is to be put anew")
    parser.add_argument("--arm", choices=ARMS, action="append", help="beside no webhook; default all")
    given = parser.parse_args()
    arms = [arm for arm in ARMS if not given.arm or arm == NONE or arm in given.arm]
    counts, before = tuple(given.at_once or (1, 4, 16)), load_line()
    found: dict[tuple[int, str], list[Figures]] = {(count, arm): [] for count in counts for arm in arms}
    with tempfile.TemporaryDirectory() as name, ground(Path(name), given.seed) as shared:
        for turn in range(given.rounds):
            for count in counts:
                for arm in arms if turn % 2 == 0 else arms[::-1]:
                    found[count, arm].append(one_round(shared, arm, given.pods, count))
                    sys.stderr.write(f"{count} {arm}: {found[count, arm][-1]}\n")
    page = "\n".join([*preface(given, before), table(found)])
    sys.stdout.write(page)
    if given.out:
        given.out.write_text(put_section(given.out.read_text(encoding="utf-8"), SECTION, page), encoding="utf-8")


def preface(given: argparse.Namespace, load_before: str) -> list[str]:
    """What the figures were measured on, and what they mean."""
    today = datetime.datetime.now(datetime.UTC).date()
    return [
        "## How fast pods are created with the webhook registered",
        "",
        f"`python -m benchmarks.webhook_create_rate --pods {given.pods} --rounds {given.rounds}`, {today}, "
        f"{machine_line()}; load {load_before} before, {load_line()} after; seed {given.seed}.",
        "",
        "etcd, kube-apiserver, the webhook and the client (wrk) share the cores; nothing else of a cluster runs. Pods "
        "of 2 to 7 KB, the arms in turns. *yes* is a webhook that lets everything in unread, *a label* one that "
        "adds a label unread: what any webhook costs, and any that changes a pod. The last row has beside "
        "all that is shipped a validating webhook, which is asked about each pod once more. *Calls*: for each pod. "
        "*µs*: processor time for each pod; what the API server spends more than without is its work of calling out.",
        "",
    ]


@contextlib.contextmanager
def ground(folder: Path, seed: int) -> Iterator[Ground]:
    """A rig of etcd and kube-apiserver, with both webhooks running, none registered."""
    with running_rig("create-rate") as rig:
        install_objects(rig)
        make_nodes(rig, [node("n1", cpu="32", watts=300)])
        make_domains(rig, [power_domain("r1", budget="2kW", nodeNames=["n1"], node={"idle": "100W", "peak": "420W"})])
        policy = {"cap": {"watts": "2kW"}, "mode": "Enforce", "admission": {"lock": "Partition"}}
        apply(rig, CLUSTER_CAPPING_POLICY.path("all"), written(CLUSTER_CAPPING_POLICY, "all", policy))
        token = bearer(rig)
        for part in ("kube-scheduler", "kube-controller-manager", "kwok"):
            rig.kill(part, hard=False)
        replica, port = webhook_replica(rig, "hook")
        replica.start()
        yes_pid, yes_port = start_yes(rig)
        bodies = folder / "pods"
        write_pods(bodies, seed)
        try:
            replica.wait_ready()
            theirs = dict.fromkeys((YES, NOTE), (yes_pid, yes_port))
            ours = dict.fromkeys((OURS, BARE, NEVER, WHOLE, TWICE), (replica.pid, port))
            yield Ground(rig, bodies, token, theirs | ours)
        finally:
            processes.stop(yes_pid)
            replica.stop()


def bearer(rig: Rig) -> str:
    """A token of an administrator's service account: wrk has no client certificates."""
    rig.api.post("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "maker"}})
    binding = {
        "metadata": {"name": "maker"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "maker", "namespace": "default"}],
    }
    rig.api.post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    path = "/api/v1/namespaces/default/serviceaccounts/maker/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token: str = rig.api.post(path, body)["status"]["token"]
    return token


def write_pods(bodies: Path, seed: int) -> None:
    """Pods as a controller posts them, by names that the API server makes."""
    chance = random.Random(seed)
    lines = []
    for at in range(200):
        meta = {"generateName": f"web-{at % 20}-", "labels": {"app": f"web-{at % 20}"}}
        spec = {**pod_spec(chance), "terminationGracePeriodSeconds": 0}
        lines.append(json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}) + "\n")
    bodies.write_text("".join(lines), encoding="utf-8")


def one_round(shared: Ground, arm: str, pods: int, at_once: int) -> Figures:
    """Create pods in one arm, and remove them again."""
    rig = shared.rig
    pid, port = shared.hooks.get(arm, (0, 0))
    with hooked(rig, arm, port):
        before, asked = used_s(rig, pid), calls(rig)
        took_s, bad = post_count(
            rig.server + PODS, shared.bodies, at_once, pods, {"authorization": f"Bearer {shared.token}"}
        )
        after, asked = used_s(rig, pid), calls(rig) - asked
    if bad:
        raise SystemExit(f"{arm}: {bad} pods were not created")
    rig.api.call("DELETE", PODS, AT_ONCE)
    assert wait_for(lambda: not rig.api.get(f"{PODS}?limit=1")["items"], LONGEST_S, 0.2)
    time.sleep(SETTLE_S)
    server_us, webhook_us = (1e6 * (new - old) / pods for old, new in zip(before, after, strict=True))
    return Figures(pods / took_s, server_us, webhook_us, asked / pods)


def table(found: dict[tuple[int, str], list[Figures]]) -> str:
    """Medians over the rounds, with the lowest and the highest rate; rates are compared within a round."""
    rows = [
        "| in flight | webhook | pods per s, median (least, most) | of the rate without | API server µs | webhook µs "
        "| calls |",
        "|---|---|---|---|---|---|---|",
    ]
    for (count, arm), rounds in found.items():
        rates = [each.per_s for each in rounds]
        # Each round against its own: what else the machine does changes from round to round.
        share = 100 * statistics.median(
            each.per_s / base.per_s for each, base in zip(rounds, found[count, NONE], strict=True)
        )
        server_us, webhook_us, asked = (
            statistics.median(getattr(each, name) for each in rounds) for name in ("server_us", "webhook_us", "calls")
        )
        rows.append(
            f"| {count} | {arm} | {statistics.median(rates):.0f} ({min(rates):.0f}, {max(rates):.0f}) | {share:.0f} % "
            f"| {server_us:.0f} | {webhook_us:.0f} | {asked:.2f} |"
        )
    return "\n".join([*rows, ""])


if __name__ == "__main__":
    main()
