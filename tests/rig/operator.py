"""A cluster whose budgets `powerplane operate` holds: workloads of all kinds, a Prometheus that measures what runs.

Watts are true here by the test's own arithmetic: a node draws its idle watts and so much for each core that its pods
request, known from a watch of pods in which nothing of ours has a hand. What Prometheus scrapes are the simulator's
exporters, whose sensors see that truth as real ones would.
"""

import itertools
import math
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.rig import processes
from tests.rig.audit_facts import Report
from tests.rig.audit_log import read_writes
from tests.rig.auditor import Auditor
from tests.rig.cluster import make_nodes
from tests.rig.extender import change_domain, install_objects, make_domains
from tests.rig.floor import Floor
from tests.rig.meters import Meters, PodsWorld, metered
from tests.rig.objects import apply, written
from tests.rig.operator_objects import disruption_budget, workload
from tests.rig.processes import free_ports, wait_for
from tests.rig.rig import Rig
from tests.rig.sizes import SMALL, Size
from tests.rig.telemetry import Prometheus
from tests.rig.webhook import Hook, registered
from tests.rig.witness import Budget, Witness

from powerplane.models.api.kinds import CLUSTER_CAPPING_POLICY

Json = dict[str, Any]

CORES, IDLE_W, WATTS_PER_CORE = 16, 100, 20
PEAK_W = IDLE_W + CORES * WATTS_PER_CORE
SIZES = ("500m", "1", "1500m")
SERVERS, TOKENS_PER_S = "deployment-000", 15.0
"""The workload whose pods serve a language model, and how many tokens each reads, and writes, a second."""

OWN = "/api/v1/namespaces/powerplane-system/pods"
PLANS = "/apis/powerplane.dev/v1alpha1/placementplans"
PDBS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/powerplane-system/leases"
STOP = "powerplane.dev/stop"
OVER = ("Done", "Failed", "Expired", "Stopped")
PATHS = {
    "Deployment": "/apis/apps/v1/namespaces/default/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/default/statefulsets",
    "Job": "/apis/batch/v1/namespaces/default/jobs",
}
PLACED_S = 180.0
HELD_S = 120.0
METER_ERROR = 0.005
"""Standard deviation of a meter's calibration, as a share of what it measures (the simulator's BMCs)."""

COUNTED_S = 150.0
"""A disruption budget counts an eviction that it allowed for two minutes, and may allow no other in them, where no pod
of that name is seen to go (``status.disruptedPods``): where the eviction's client was killed before it was done, and
where a StatefulSet's next pod, which has the same name, came sooner than the going was seen."""

CALM_S = 12.0
"""Long enough for an operator to act if it were going to: it sees a broken budget within ten seconds."""

BEGUN = ("Reserving", "Reserved", "Surging", "Evicting", "Evicted", "Steering", "Bound", "Ready", "Done")


class Operator:
    """One process of `powerplane operate`."""

    def __init__(self, rig: Rig, name: str, url: str, *flags: str) -> None:
        self.name = name
        self.log = rig.folder / f"operate-{name}.log"
        (self.port,) = free_ports(1)
        own = f"--kubeconfig={rig.kubeconfig_for(f'operator-{name}', 'system:masters')}"
        self._command = [
            *(sys.executable, "-m", "powerplane", "operate"),
            *(() if any(flag.startswith("--kubeconfig=") for flag in flags) else (own,)),
            *(() if "--only=actuator" in flags else (f"--prometheus={url}",)),
            *(f"--identity={name}", f"--metrics-address=127.0.0.1:{self.port}"),
            *flags,
        ]
        self.pid = 0

    def start(self) -> "Operator":
        """Start it; does not wait."""
        self.pid = processes.spawn(self._command, self.log, outlive=False, PYTHONUNBUFFERED="1")
        return self

    def kill(self) -> None:
        """End it as a power cut would."""
        os.kill(self.pid, signal.SIGKILL)
        wait_for(lambda: not processes.alive(self.pid), 5.0)

    def stop(self) -> None:
        """End it as a rollout would."""
        processes.stop(self.pid)

    def said(self) -> str:
        """The end of its log."""
        return processes.tail(self.log, 40)


@dataclass
class OperatedCluster:
    """The floor, its workloads by kind and name, and what is true of it."""

    rig: Rig
    size: Size = SMALL
    owners: dict[tuple[str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rack_w = self.size.per_rack * PEAK_W
        self.floor = Floor(
            racks=self.size.racks, per_rack=self.size.per_rack, rack_w=rack_w, idle_w=IDLE_W, peak_w=PEAK_W
        )
        self.budgets_w = {self.rack(number): float(rack_w) for number in range(self.size.racks)}
        self.witness = Witness(self.rig, self._sums(), _watts)

    def _sums(self) -> list[Budget]:
        nodes = [Budget(name, math.inf, {name: 1.0}) for name in self.floor.node_names]
        racks = [
            Budget(self.rack(number), math.inf, dict.fromkeys(self.floor.in_rack(number), 1.0))
            for number in range(self.size.racks)
        ]
        return nodes + racks

    @staticmethod
    def rack(number: int) -> str:
        """Name of a rack."""
        return f"rack-{number:03}"

    # -- the cluster

    def furnish(self) -> None:
        """Nodes, PowerDomains and an enforcing policy."""
        install_objects(self.rig)
        for name in ("powerplane-recommender", "powerplane-actuator", "powerplane-gates"):
            self.rig.api.call("POST", LEASES, {"metadata": {"name": name}, "spec": {}})
        make_nodes(self.rig, self.floor.nodes(cpu=CORES, watts=PEAK_W - IDLE_W))
        make_domains(self.rig, self.floor.domains())
        self.enforce()

    def enforce(self) -> None:
        """The policy under which pods may be moved."""
        spec = {
            "cap": {"watts": f"{10 * self.size.racks * self.size.per_rack * PEAK_W}W"},
            "mode": "Enforce",
            "levers": ["migrate"],
            "admission": {"lock": "Partition"},
        }
        apply(self.rig, CLUSTER_CAPPING_POLICY.path("all"), written(CLUSTER_CAPPING_POLICY, "all", spec))

    def deploy(self) -> None:
        """All workloads, with disruption budgets for those that have replicas, and wait until they run."""
        by_kind: dict[str, list[Json]] = {kind: [] for kind in PATHS}
        for number in range(self.size.workloads):
            kind = "Job" if number % 10 == 9 else "StatefulSet" if number % 10 > 6 else "Deployment"
            name = f"{kind.lower()}-{number:03}"
            by_kind[kind].append(workload(kind, name, SIZES[number % len(SIZES)], self.size.replicas))
            self.owners[kind, name] = self.size.replicas
        for kind, bodies in by_kind.items():
            self.rig.api.post_all(PATHS[kind], bodies)
        self.rig.api.post_all(PDBS, [disruption_budget(*owner, count) for owner, count in self.owners.items()])
        assert wait_for(self.whole, PLACED_S * self.size.patience, 0.5), f"not all pods run: {self.running()}"
        self._wait_disruptions(True)

    def allow_disruptions(self, allowed: bool) -> None:
        """Let disruption budgets allow nothing, or what they did before."""
        for (kind, name), count in self.owners.items():
            self.rig.api.patch(
                f"{PDBS}/{name}", {"spec": disruption_budget(kind, name, count, closed=not allowed)["spec"]}
            )
        self._wait_disruptions(allowed)

    def _wait_disruptions(self, allowed: bool) -> None:
        def told() -> bool:
            return all(
                each.get("status", {}).get("observedGeneration") == each["metadata"]["generation"]
                and (each["status"]["disruptionsAllowed"] > 0) == allowed
                for each in self.rig.api.items(PDBS)
            )

        assert wait_for(told, 90 * self.size.patience, 0.5), f"disruption budgets do not say {allowed}"

    def scale(self, name: str, replicas: int) -> None:
        """Change how many pods a Deployment wants."""
        self.rig.api.patch(f"{PATHS['Deployment']}/{name}", {"spec": {"replicas": replicas}})
        self.owners["Deployment", name] = replicas

    def close(self, nodes: Iterable[str], closed: bool) -> None:
        """Cordon nodes, or let pods in again."""
        for name in nodes:
            self.rig.api.patch(f"/api/v1/nodes/{name}", {"spec": {"unschedulable": closed}})

    def running(self) -> Counter[str]:
        """How many pods of each workload run."""
        return Counter(each["metadata"]["labels"]["app"] for each in self.pods() if _runs(each))

    def pods(self) -> list[Json]:
        """All pods of workloads that are not on their way out."""
        found = self.rig.api.items("/api/v1/namespaces/default/pods")
        return [each for each in found if "deletionTimestamp" not in each["metadata"]]

    def whole(self) -> bool:
        """Whether every workload has all its pods, running."""
        wanted = Counter({name: count for (_, name), count in self.owners.items() if count})
        return self.running() == wanted

    # -- watts

    def world(self) -> PodsWorld:
        """What the simulator's sensors see."""
        nodes = tuple(self.floor.node_names)
        return PodsWorld(self.witness, nodes, CORES, IDLE_W, WATTS_PER_CORE, {SERVERS: (TOKENS_PER_S, TOKENS_PER_S)})

    def draw_w(self, rack: str) -> float:
        """What a rack draws in truth."""
        return self.size.per_rack * IDLE_W + self.witness.draw(rack)

    def settle_budgets(self, share: float = 1.1) -> None:
        """Give each rack a budget of so much of what it draws now, to ten watts."""
        for number in range(self.size.racks):
            rack = self.rack(number)
            self.budget(rack, math.ceil(share * self.draw_w(rack) / 10) * 10)

    def budget(self, rack: str, watts: float) -> None:
        """Change a rack's budget."""
        self.budgets_w[rack] = watts
        change_domain(self.rig, rack, budget=f"{watts:g}W")

    def cut(self, rack: str, by: float = 0.2) -> float:
        """Cut what a rack may draw to so much less than what it draws; when that was, in monotonic seconds."""
        time.sleep(self.size.caught_up_s)
        self.budget(rack, math.floor((1 - by) * self.draw_w(rack) / 10) * 10)
        return time.monotonic()

    def held(self) -> bool:
        """Whether every rack draws no more than it may, as far as its meters can tell."""
        return all(self.draw_w(rack) <= (1 + METER_ERROR) * watts for rack, watts in self.budgets_w.items())

    # -- plans

    def plans(self) -> list[Json]:
        """All plans."""
        return self.rig.api.items(PLANS)

    def drop_plans(self) -> None:
        """Delete all plans: whoever plans next starts from nothing."""
        for each in self.plans():
            self.rig.api.delete(f"{PLANS}/{each['metadata']['name']}")

    def open_plans(self) -> list[Json]:
        """Plans that are not over."""
        return [each for each in self.plans() if (each.get("status") or {}).get("phase", "") not in OVER]

    def steps(self) -> Counter[str]:
        """How many moves of all plans are at which step."""
        moves = [move for plan in self.plans() for move in (plan.get("status") or {}).get("moves") or ()]
        return Counter(move.get("step", "") for move in moves)

    def quiet(self) -> bool:
        """Whether nothing is under way: no open plan, no placeholder, every pod runs."""
        return not self.open_plans() and not self.rig.api.items(OWN) and self.whole()

    def settled(self) -> bool:
        """Whether budgets hold and nothing is under way."""
        return self.held() and self.quiet()

    def audited(self, *, finished: bool = True) -> Report:
        """What the API server's own log says of everything so far."""
        return Auditor(finished=finished).audit(read_writes(self.rig.audit_log))

    def stop_everything(self, reason: str | None) -> None:
        """Say stop, or take it back, as `powerplane stop` and `resume` do."""
        self.rig.api.patch("/api/v1/namespaces/powerplane-system", {"metadata": {"annotations": {STOP: reason}}})

    def explain(self) -> str:
        """What is the matter, for a test that failed."""
        over = {
            rack: f"{self.draw_w(rack):g} of {watts:g} W"
            for rack, watts in self.budgets_w.items()
            if self.draw_w(rack) > watts
        }
        phases = {each["metadata"]["name"]: (each.get("status") or {}).get("phase", "") for each in self.plans()}
        holds = [each["metadata"]["name"] for each in self.rig.api.items(OWN)]
        missing = Counter({name: count for (_, name), count in self.owners.items()}) - self.running()
        return f"over: {over}; plans: {phases}; steps: {dict(self.steps())}; holds: {holds}; missing: {dict(missing)}"


@dataclass
class Operated:
    """A cluster that is operated: its parts, to be broken one by one."""

    cluster: OperatedCluster
    prometheus: Prometheus
    meters: Meters
    hook: Hook
    flags: tuple[str, ...] = ()
    operators: list[Operator] = field(default_factory=list)
    settling_s: float = 0.0
    _count: Iterator[int] = field(default_factory=itertools.count)

    def operator(self, *flags: str) -> Operator:
        """Start another process of `powerplane operate`."""
        made = Operator(self.cluster.rig, f"o{next(self._count)}", self.prometheus.url, *self.flags, *flags).start()
        self.operators.append(made)
        return made

    def end_operators(self) -> None:
        """End all of them as a rollout would."""
        for each in self.operators:
            each.stop()
        self.operators.clear()

    def wait(self, until: Callable[[], object], within_s: float, every_s: float = 0.2) -> None:
        """Wait for something, as much longer as the cluster is larger."""
        assert wait_for(until, within_s * self.cluster.size.patience, every_s), self.said()

    def wait_settled(self, within_s: float = HELD_S) -> None:
        """Wait until all budgets hold and nothing is under way; notes how long that took."""
        began_s = time.monotonic()
        self.wait(self.cluster.settled, within_s)
        self.settling_s = time.monotonic() - began_s

    def wait_begun(self, *steps: str, within_s: float = 40.0) -> None:
        """Wait until some move is at one of these steps; at any from the first on where none is named."""
        wanted = steps or BEGUN
        self.wait(lambda: any(self.cluster.steps()[step] for step in wanted), within_s, 0.02)

    def sound(self, *, finished: bool = True) -> Report:
        """The auditor's report, which has found nothing."""
        report = self.cluster.audited(finished=finished)
        assert report.findings == (), "\n".join([*map(str, report.findings[:20]), self.said()])
        return report

    def evictions(self) -> int:
        """How many there have been."""
        return self.cluster.audited(finished=False).evictions

    def said(self) -> str:
        """What is the matter, with the ends of all operators' logs."""
        logs = "\n".join(f"--- {each.name}\n{each.said()}" for each in self.operators)
        return f"{self.cluster.explain()}\n{logs}"


@contextmanager
def operated(
    rig: Rig,
    prometheus: str,
    size: Size = SMALL,
    flags: tuple[str, ...] = (),
    hook_flags: tuple[str, ...] = ("--release-gates",),
) -> Iterator[Operated]:
    """A cluster under load with a webhook and a Prometheus, for as long as the block runs; no operator runs yet."""
    cluster = OperatedCluster(rig, size)
    cluster.furnish()
    hook = Hook(rig, "moves", *hook_flags)
    with ExitStack() as parts:
        hook.replica.start()
        parts.callback(hook.replica.stop)
        assert wait_for(hook.ready, 40, 0.1), processes.tail(hook.replica.log)
        parts.enter_context(registered(rig, hook.port))
        parts.enter_context(cluster.witness)
        cluster.deploy()
        cluster.settle_budgets()
        server, meters = parts.enter_context(metered(rig, prometheus, cluster.world(), size.scrape_s))
        made = Operated(cluster, server, meters, hook, flags)
        parts.callback(made.end_operators)
        yield made


def _runs(pod: Json) -> bool:
    return bool(pod["spec"].get("nodeName")) and pod["status"].get("phase") == "Running"


def _watts(pod: Mapping[str, Any]) -> float:
    text = str(pod["spec"]["containers"][0].get("resources", {}).get("requests", {}).get("cpu", "0"))
    cores = float(text[:-1]) / 1000 if text.endswith("m") else float(text)
    return cores * WATTS_PER_CORE
