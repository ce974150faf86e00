"""Alerts on a real API server, with a real Prometheus and Alertmanager: told once, over kills, and resolved."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.alerts import receiver as receiver_module
from tests.adapters.alerts.alertmanager_process import AlertmanagerProcess
from tests.adapters.alerts.receiver import received
from tests.rig import processes
from tests.rig.cluster import make_nodes, node
from tests.rig.objects import apply, install_crds, written
from tests.rig.processes import free_ports, wait_for
from tests.rig.rig import Rig
from tests.rig.security import applied
from tests.rig.telemetry import measured

from powerplane.adapters.alerts.events import Events
from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.cluster_writes import Writer
from powerplane.models.alerts.alert import AlertKey, Finding, Notice
from powerplane.models.alerts.grouping import bundled
from powerplane.models.api.kinds import CLUSTER_CAPPING_POLICY, POWER_DOMAIN

pytestmark = pytest.mark.rig

ALERTS = "system:serviceaccount:powerplane-system:powerplane-alerts"
GROUPS = ("system:serviceaccounts", "system:serviceaccounts:powerplane-system")
EVENTS = "/apis/events.k8s.io/v1/namespaces/default/events"
SOON_S = 60.0
QUIET_S = 4.0
KEY = "k" * 32
KIND = "DomainOverBudget"


@pytest.fixture
def ready(rig: Rig) -> Iterator[Rig]:
    """The rig with our definitions and rights, two nodes in a rack of 700 W, and a policy that would like 500 W."""
    install_crds(rig)
    rig.api.delete(EVENTS)
    with applied(rig, "rbac.yaml", "rbac-alerts.yaml"):
        make_nodes(rig, [node("n1"), node("n2")])
        watts = {"idle": "50W", "peak": "400W"}
        rack = {"kind": "rack", "budget": "700W", "nodeNames": ["n1", "n2"], "node": watts}
        apply(rig, POWER_DOMAIN.path("rack-1"), written(POWER_DOMAIN, "rack-1", rack))
        limits = [{"domainNames": ["rack-1"], "maxPower": "500W"}]
        spec = {"mode": "Observe", "rackConstraints": limits, "levers": ["migrate"]}
        apply(rig, CLUSTER_CAPPING_POLICY.path("watch"), written(CLUSTER_CAPPING_POLICY, "watch", spec))
        yield rig


def ours(rig: Rig) -> dict[str, Any]:
    """Our events by their reason."""
    found = rig.api.items(EVENTS)
    return {each["reason"]: each for each in found if each.get("reportingController") == "powerplane.dev/alerts"}


def told(what: Any, sequence: int) -> Any:
    key = AlertKey(KIND, "rack-1", "/watch")
    finding = Finding(key, "over", "warning", 600_000, 500_000, "Observe", "rack")
    return bundled([Notice("e" * 32, sequence, what, 1.79e9 + sequence, 1.79e9, finding)])[0]


def test_the_api_server_takes_each_event_once_and_counts_what_is_told_again(ready: Rig) -> None:
    access = open_cluster(ready.kubeconfig_for(ALERTS, *GROUPS), None)
    sink = Events(Writer(access, attempts=1), "rig")
    for bundle in (told("fired", 1), told("fired", 1), told("repeated", 2), told("repeated", 2), told("resolved", 3)):
        sent = sink.send(bundle)
        assert sent.outcome == "ok", sent.told
    events = ours(ready)
    assert set(events) == {KIND, f"{KIND}Resolved"}
    assert events[KIND]["series"]["count"] == 2
    assert events[KIND]["regarding"]["name"] == "rack-1"


class Program:
    """``powerplane alert run`` under the account that it ships with."""

    def __init__(self, rig: Rig, folder: Path, *flags: str) -> None:
        self._log = folder / "alert.log"
        self._command = [
            sys.executable,
            "-m",
            "powerplane",
            "alert",
            "run",
            f"--kubeconfig={rig.kubeconfig_for(ALERTS, *GROUPS)}",
            f"--outbox={folder / 'outbox'}",
            "--every=1s",
            "--fire-after=2s",
            "--resolve-after=3s",
            "--events",
            "--allow-host=127.0.0.1",
            *flags,
        ]
        self.pid = 0

    def start(self) -> None:
        self.pid = processes.spawn(self._command, self._log, outlive=False, POWERPLANE_WEBHOOK_KEYS=KEY)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        assert wait_for(lambda: not processes.alive(self.pid), 5)

    def stop(self) -> None:
        processes.stop(self.pid)

    @property
    def log(self) -> str:
        """What it said."""
        return self._log.read_text()


@dataclass
class Receiver:
    """A receiver of our own webhook and of Alertmanager's, which may be killed and started again."""

    folder: Path
    port: int
    pid: int = 0

    def start(self) -> None:
        command = [sys.executable, str(Path(str(receiver_module.__file__))), str(self.port), str(self.folder / "told")]
        self.pid = processes.spawn(command, self.folder / "receiver.log", outlive=False)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        assert wait_for(lambda: not processes.alive(self.pid), 5)

    def stop(self) -> None:
        processes.stop(self.pid)

    def bodies(self, path: str) -> list[dict[str, Any]]:
        """What came to one path."""
        return [json.loads(each["body"]) for each in received(self.folder / "told") if each["path"] == path]

    def own(self) -> list[str]:
        """What our own webhook was told of the budget, doubles included; nodes that were not seen are told of apart."""
        return [body["what"] for body in self.bodies("/own") if body["kind"] == KIND]

    def whats(self) -> list[str]:
        """What our own webhook was told of the budget, doubles dropped by their id."""
        bodies = [body for body in self.bodies("/own") if body["kind"] == KIND]
        return list({body["id"]: body["what"] for body in bodies}.values())

    def statuses(self) -> list[str]:
        """What Alertmanager told of it."""
        alerts = [alert for body in self.bodies("/manager") for alert in body["alerts"]]
        return [each["status"] for each in alerts if each["labels"]["alertname"] == f"PowerPlane{KIND}"]


def fires(manager: AlertmanagerProcess) -> bool:
    """Whether Alertmanager holds the budget's alert as active."""
    return any(each["labels"]["alertname"] == f"PowerPlane{KIND}" for each in manager.alerts() or ())


@pytest.mark.prometheus
@pytest.mark.alertmanager
def test_a_policy_that_only_observes_is_told_everywhere_over_kills_and_resolved_everywhere(
    ready: Rig, prometheus: str, alertmanager: str, tmp_path: Path
) -> None:
    watts = {"n1": 300.0, "n2": 300.0}
    receiver = Receiver(tmp_path, *free_ports(1))
    receiver.start()
    manager = AlertmanagerProcess(alertmanager, tmp_path / "alertmanager", f"http://127.0.0.1:{receiver.port}/manager")
    try:
        manager.start()
        with measured(ready, prometheus, lambda: watts) as server:
            where = (
                f"--prometheus={server.url}",
                f"--alertmanager={manager.url}",
                f"--webhook=http://127.0.0.1:{receiver.port}/own",
            )
            program = Program(ready, tmp_path, *where)
            try:
                follow(ready, program, manager, receiver, watts)
            finally:
                program.stop()
        assert "forbidden" not in program.log.lower()
    finally:
        manager.close()
        receiver.stop()


def follow(
    rig: Rig, program: Program, manager: AlertmanagerProcess, receiver: Receiver, watts: dict[str, float]
) -> None:
    """Fire, kill everything, and resolve while the receiver is down; then nothing more may come."""
    program.start()
    assert wait_for(lambda: fires(manager), SOON_S), program.log
    assert wait_for(lambda: KIND in ours(rig), SOON_S), program.log
    program.kill()
    manager.kill()
    program.start()
    manager.start()
    assert wait_for(lambda: fires(manager), 2 * SOON_S), program.log
    assert wait_for(lambda: receiver.whats() == ["fired"] and "firing" in receiver.statuses(), SOON_S), program.log
    receiver.kill()
    program.kill()
    watts.update({"n1": 100.0, "n2": 100.0})
    program.start()
    assert wait_for(lambda: not fires(manager), SOON_S), program.log
    assert wait_for(lambda: f"{KIND}Resolved" in ours(rig), SOON_S), program.log
    receiver.start()
    assert wait_for(lambda: receiver.whats() == ["fired", "resolved"], SOON_S), receiver.whats()
    assert wait_for(lambda: receiver.statuses()[-1] == "resolved", SOON_S), receiver.statuses()
    told = receiver.own(), receiver.statuses()
    time.sleep(QUIET_S)
    assert (receiver.own(), receiver.statuses()) == told
