"""Two thousand pods that say nothing of watts, on five hundred nodes under tight budgets, by each lock that there is.

What a pod draws is known to the witness from the test's own physics, whatever anybody wrote into the pod: ten watts
for each core that it asks for.
"""

import os
import threading
import time
import urllib.request
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import Any

import pytest
from tests.rig.claims import controller, offered
from tests.rig.cluster import WATTS, delete_pods, make_nodes, make_pods, pod
from tests.rig.extender import Front, entry, install_objects, make_domains, partition
from tests.rig.floor import Floor
from tests.rig.objects import apply, written
from tests.rig.processes import free_ports, wait_for
from tests.rig.rig import Rig, scheduler_config
from tests.rig.webhook import Hook, registered
from tests.rig.witness import Breach, Witness

from powerplane.models.api.kinds import CLUSTER_CAPPING_POLICY

pytestmark = [pytest.mark.rig, pytest.mark.storms]

CORES = 96
PER_CORE_W = 10
FLOOR = Floor(
    racks=25,
    per_rack=20,
    rows=5,
    node_w=430,
    rack_w=6000,
    row_w=28000,
    feed_w=135000,
    idle_w=50,
    peak_w=50 + CORES * PER_CORE_W,
)
"""Room for pods: 380 W a node, 5,000 W a rack, 23,000 W a row, 110,000 W on one feed; the pods below want 300,000 W."""

PODS = 2000
SIZES = (6, 9, 13, 17, 30)
"""Cores; 60 W to 300 W."""

EARLY = 300

PODS_PATH = "/api/v1/namespaces/default/pods"
METRIC = "powerplane_pods_without_watts{"
SETTLED_S = 150.0
ALL_S = 90.0
COUNTED_S = 4.0
"""From the binding of a pod without watts until no other pod takes its room: the look, the taint, and the lags."""

DOWN_S = float(os.environ.get("POWERPLANE_RIG_DOWN_S", "4"))
"""How long there is no webhook at all; the time itself changes nothing, a hundred pods come in it."""


def true_watts(made: Mapping[str, Any]) -> float:
    """What a pod draws, by nothing but its cores."""
    return sum(PER_CORE_W * int(each["resources"]["requests"]["cpu"]) for each in made["spec"]["containers"])


def unlabelled(_: int) -> dict[str, str]:
    """No labels."""
    return {}


def storm(first: int, last: int, labels: Callable[[int], dict[str, str]] = unlabelled) -> list[dict[str, Any]]:
    """Pods that state cores and nothing else; the first ones are small.

    Where these come in without watts, nobody counts them as they are placed: three on one node are not too many.
    """
    sizes = [SIZES[i % (2 if i < EARLY else len(SIZES))] for i in range(first, last)]
    return [pod(f"p{i:04}", cpu=str(cpu), labels=labels(i)) for i, cpu in zip(range(first, last), sizes, strict=True)]


def lay(rig: Rig, lock: str, **allocatable: Any) -> None:
    """A floor, and a policy that acts on every pod by one lock."""
    install_objects(rig)
    make_nodes(rig, FLOOR.nodes(cpu=str(CORES), **allocatable))
    make_domains(rig, FLOOR.domains())
    choice = {"lock": lock, "maxGateSeconds": 3600}
    spec = {"cap": {"watts": "1MW"}, "mode": "Initial", "admission": choice}
    apply(rig, CLUSTER_CAPPING_POLICY.path("all"), written(CLUSTER_CAPPING_POLICY, "all", spec))
    lease = "/apis/coordination.k8s.io/v1/namespaces/powerplane-system/leases"
    answer = rig.api.call("POST", lease, {"metadata": {"name": "powerplane-gates"}, "spec": {}})
    assert answer.ok or answer.status == 409, answer.message


@contextmanager
def hooks(rig: Rig, names: Sequence[str], *flags: str) -> Iterator[list[Hook]]:
    """Replicas with webhooks behind one Service, registered, and called by the API server."""
    made = [Hook(rig, name, *flags) for name in names]
    for each in made:
        each.replica.start()
    try:
        with Front(made) as front, registered(rig, front.port):
            assert wait_for(lambda: seen(rig), 20, 0.2), "the webhook is not called"
            yield made
    finally:
        for each in made:
            each.replica.stop()


def seen(rig: Rig) -> bool:
    """Whether a new pod would come in with its watts: as a request, or noted beside a gate."""
    answer = rig.api.call("POST", f"{PODS_PATH}?dryRun=All", pod("probe", cpu="1"))
    assert answer.ok, answer.message
    return known_watts(answer.body) == PER_CORE_W


def known_watts(made: Mapping[str, Any]) -> int:
    """What a pod says of its watts."""
    requested = sum(int(each["resources"]["requests"].get(WATTS, 0)) for each in made["spec"]["containers"])
    return requested or int(made["metadata"].get("annotations", {}).get("powerplane.dev/predicted-watts", 0))


def is_quiet(witness: Witness, quiet_s: float) -> bool:
    """Whether nothing has been bound for a while."""
    return bool(witness.bound) and time.monotonic() - witness.last_s > quiet_s


def settle(witness: Witness, quiet_s: float) -> None:
    """Wait until nothing has been bound for a while."""
    assert wait_for(lambda: is_quiet(witness, quiet_s), SETTLED_S, 0.5)


def tightest(witness: Witness) -> tuple[str, float]:
    """The kind of budget that is fullest, taken over all of its kind, and how full it is."""
    sums: dict[str, list[float]] = {}
    for budget in witness.budgets:
        drawn, whole = sums.setdefault(budget.name.partition("-")[0], [0.0, 0.0])
        sums[budget.name.partition("-")[0]] = [drawn + witness.draw(budget.name), whole + budget.watts]
    shares = {name: drawn / whole for name, (drawn, whole) in sums.items() if name in ("rack", "row", "feed")}
    name = max(shares, key=lambda each: shares[each])
    return name, shares[name]


def row(rig: Rig, lock: str, witness: Witness) -> str:
    """A line of the table by lock."""
    name, share = tightest(witness)
    silent = without_watts(rig)
    over = [each for each in witness.breaches if each.pod not in silent]
    return (
        f"{lock} | {len(witness.bound)} bound | {100 * share:.1f} % of the {name}s | "
        f"{witness.last_s - witness.first_s:.0f} s | {len(over)} breaches | "
        f"{len(silent)} without watts, {len(witness.breaches) - len(over)} breaches by them"
    )


def without_watts(rig: Rig) -> dict[str, dict[str, Any]]:
    """Pods that say nothing of their watts, by name."""
    return {each["metadata"]["name"]: each for each in rig.api.items(PODS_PATH) if not known_watts(each)}


def told_without_watts(port: int) -> float:
    """How many such pods the controller of the nodes' watts tells of."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:
        return told(answer.read().decode())


def told(page: str | None) -> float:
    """How many such pods a page of metrics tells of."""
    lines = (page or "").splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(METRIC))


def overdrawn(rig: Rig, witness: Witness) -> dict[str, float]:
    """Budgets that could be passed by what nodes list, beside what runs on them without watts; by how much."""
    listed = {each["metadata"]["name"]: float(each["status"]["allocatable"].get(WATTS, 0)) for each in nodes(rig)}
    silent, requested = dict.fromkeys(listed, 0.0), dict.fromkeys(listed, 0.0)
    for each in rig.api.items(PODS_PATH):
        if each["spec"].get("nodeName"):
            known = known_watts(each)
            (requested if known else silent)[each["spec"]["nodeName"]] += known or true_watts(each)
    over = {}
    for budget in witness.budgets:
        load = sum(share * (listed[name] + silent[name]) for name, share in budget.shares.items())
        # What runs already may be too much; then nothing more than that may be listed.
        if load > budget.watts and any(listed[name] > max(1.0, requested[name]) for name in budget.shares):
            over[budget.name] = load - budget.watts
    return over


def nodes(rig: Rig) -> list[dict[str, Any]]:
    return rig.api.items("/api/v1/nodes")


def unexcused(witness: Witness, silent: Collection[str]) -> list[Breach]:
    """Breaches that no pod without watts brought about: by itself, or so late that no number could fall for it yet."""
    under = {budget.name: budget.shares for budget in witness.budgets}
    came = [witness.came_s[name] for name in silent if name in witness.came_s]

    def excused(breach: Breach) -> bool:
        late = any(node in under[breach.budget] and 0 <= breach.at_s - at_s < COUNTED_S for node, at_s in came)
        return breach.pod in silent or late

    return [each for each in witness.breaches if not excused(each)]


def rotate(each: Hook) -> None:
    """Give a webhook another certificate while it serves."""
    each.rotate()


def kill(each: Hook) -> None:
    """End a replica as a power cut would, and start it again."""
    each.replica.kill()
    each.replica.start()
    assert wait_for(each.ready, 30, 0.1)


@contextmanager
def trouble(made: Sequence[Hook], *deeds: Callable[[Hook], None]) -> Iterator[list[str]]:
    """Do something to one replica after the other, at least once to each, for as long as the block runs."""
    over, done = threading.Event(), list[str]()

    def run() -> None:
        for each in cycle(made):
            for deed in deeds:
                deed(each)
                done.append(f"{deed.__name__} {each.replica.name}")
            if over.wait(1.0) and len(done) >= len(made) * len(deeds):
                return

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield done
    finally:
        over.set()
        thread.join(90)
    assert not thread.is_alive()
    assert len(done) >= len(made) * len(deeds)


def arrive(rig: Rig, first: int, last: int, seconds: float) -> None:
    """Let pods come in ten at a time."""
    began = time.monotonic()
    for start in range(first, last, 10):
        make_pods(rig, storm(start, min(start + 10, last)))
        time.sleep(max(0.0, began + seconds * (start + 10 - first) / (last - first) - time.monotonic()))


def test_by_the_webhook_and_watts_on_nodes_no_budget_is_broken_and_what_came_in_without_watts_is_counted(
    rig: Rig, figure: Any
) -> None:
    """Replicas are killed, for a while there is no webhook at all, and certificates are rotated all the time.

    What comes in without watts finds room at first: it must not be given away a second time. At the end there is none,
    and replicas are killed again: what then comes in without watts is over at once, and nobody can help that; but
    nobody else ever is.
    """
    lay(rig, "Partition")
    (port,) = free_ports(1)
    with (
        partition(rig, f"--operations-port={port}"),
        hooks(rig, ["one", "two"]) as made,
        Witness(rig, FLOOR.budgets(), true_watts) as witness,
    ):
        with trouble(made, kill, rotate) as first:
            arrive(rig, 0, 200, 8.0)
        for each in made:
            each.replica.kill()
        before = len(without_watts(rig))
        arrive(rig, 200, 300, DOWN_S)
        for each in made:
            each.replica.start()
        assert wait_for(lambda: seen(rig), 30, 0.2)
        silent = without_watts(rig)
        assert len(silent) == before + 100
        assert wait_for(lambda: told_without_watts(port) == len(silent), 20, 0.2), told_without_watts(port)
        assert wait_for(lambda: not overdrawn(rig, witness), 30, 0.5), overdrawn(rig, witness)
        with trouble(made, rotate) as second:
            make_pods(rig, storm(300, PODS - 300))
        settle(witness, 12.0)
        figure(row(rig, "webhook and partition", witness))
        figure(
            f"of these {len(without_watts(rig))} without watts, {before} by {len(first) // 2} kills and 100 in "
            f"{DOWN_S:.0f} s without a webhook; {told_without_watts(port):.0f} told of; {len(second)} more rotations"
        )
        assert unexcused(witness, without_watts(rig)) == []
        assert tightest(witness)[1] > 0.9
        with trouble(made, kill):
            make_pods(rig, storm(PODS - 300, PODS))
        settle(witness, 8.0)
        silent = without_watts(rig)
        assert unexcused(witness, silent) == []
        assert told_without_watts(port) == sum(bool(each["spec"].get("nodeName")) for each in silent.values())
        # As they go, so does the count.
        for name in silent:
            rig.api.delete(f"{PODS_PATH}/{name}", {"gracePeriodSeconds": 0})
        assert wait_for(lambda: told_without_watts(port) == 0, 20, 0.2)


def test_by_the_webhook_and_gates_no_budget_is_broken(rig: Rig, figure: Any) -> None:
    """Nodes list no watts: nothing but the gates holds anything. For a while there is no webhook, and no releaser."""
    lay(rig, "Gate")
    with (
        hooks(rig, ["one", "two"], "--release-gates") as made,
        Witness(rig, FLOOR.budgets(), true_watts) as witness,
    ):
        make_pods(rig, storm(0, 200))
        assert wait_for(lambda: len(witness.bound) == 200, 60, 0.2)
        for each in made:
            each.replica.kill()
        before = len(without_watts(rig))
        make_pods(rig, storm(200, 250))
        for each in made:
            each.replica.start()
        assert wait_for(lambda: seen(rig), 30, 0.2)
        silent = len(without_watts(rig))
        assert silent == before + 50
        assert wait_for(lambda: [told(each.replica.page("/metrics")) for each in made] == [silent] * 2, 20, 0.2)
        make_pods(rig, storm(250, PODS))
        # Who lets go after a kill holds the Lease once the dead one's has run out, and has seen what that one let go.
        assert wait_for(lambda: len(witness.bound) > 300, 60, 0.2), len(witness.bound)
        settle(witness, 8.0)
        figure(row(rig, "webhook and gates", witness))
        assert unexcused(witness, without_watts(rig)) == []
        assert tightest(witness)[1] > 0.9


CLAIMING = {"rig.powerplane.dev/lock": "claims"}


def claims(i: int) -> dict[str, str]:
    """Labels: one pod of four, of every size, is of the policy by which pods claim."""
    return CLAIMING if i // len(SIZES) % 4 == 0 else {}


def let_some_claim(rig: Rig) -> None:
    """A second policy on the same floor, by another lock."""
    choice = {"cap": {"watts": "1MW"}, "mode": "Initial", "priority": 10, "admission": {"lock": "Claims"}}
    spec = choice | {"selector": {"matchLabels": CLAIMING}}
    apply(rig, CLUSTER_CAPPING_POLICY.path("claiming"), written(CLUSTER_CAPPING_POLICY, "claiming", spec))


def claims_seen(rig: Rig) -> bool:
    """Whether a new pod of the second policy would come in with a claim."""
    answer = rig.api.call("POST", f"{PODS_PATH}?dryRun=All", pod("probe", cpu="1", labels=CLAIMING))
    return answer.ok and "resourceClaims" in answer.body["spec"]


def test_by_all_locks_together_no_budget_is_broken(rig: Rig, figure: Any) -> None:
    """Two policies share every budget.

    The pods of one wait behind gates, for watts on nodes that the scheduler counts itself, and for an extender that it
    asks as well; those of the other claim their watts.
    """
    lay(rig, "Gate")
    let_some_claim(rig)
    with controller(rig) as claiming, partition(rig), hooks(rig, ["one", "two"], "--release-gates") as made:
        assert wait_for(lambda: all(each["status"]["allocatable"].get(WATTS) for each in nodes(rig)), 40, 0.3)
        assert wait_for(lambda: len(offered(rig)) == len(nodes(rig)) + FLOOR.racks + FLOOR.rows + 2, 60, 0.5), (
            claiming.told()
        )
        assert wait_for(lambda: claims_seen(rig), 20, 0.2)
        with Front([each.replica for each in made]) as front:
            counted = [{"name": WATTS, "ignoredByScheduler": False}]
            rig.restart_scheduler(scheduler_config(entry(rig, front.port, managedResources=counted)))
            with Witness(rig, FLOOR.budgets(), true_watts) as witness:
                make_pods(rig, storm(0, PODS, claims))
                # Pods that claim cost the scheduler most: what is bound by then is told, not how long the last takes.
                wait_for(lambda: is_quiet(witness, 15.0), ALL_S, 0.5)
                came = sum(bool(claims(int(name[1:]))) for name in witness.came_s)
                figure(row(rig, f"all together, {came} by claims", witness))
                assert unexcused(witness, without_watts(rig)) == []
                assert tightest(witness)[1] > 0.8
                assert min(came, len(witness.bound) - came) > 50
            delete_pods(rig)
