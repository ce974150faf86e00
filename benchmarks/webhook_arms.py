"""What the benchmarks of creation register in turns: webhooks that decide nothing, and ours in its shapes."""

import contextlib
import copy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.serving_cost import processor_s
from benchmarks.webhook_cells import yes_listener
from tests.rig.processes import free_ports, spawn, wait_for
from tests.rig.rig import Rig
from tests.rig.webhook import CONFIGURATIONS, JUDGING, configuration

from powerplane.adapters.serving.limits import DEFAULT_LIMITS
from powerplane.adapters.serving.listener import ListenerSettings
from powerplane.adapters.serving.server import Server, run_until_signal
from powerplane.adapters.serving.tls import TlsFiles
from powerplane.admission.metrics import AdmissionMetrics

NONE, YES, NOTE = "no webhook", "yes", "a label"
BARE, NEVER = "PowerPlane's, without match conditions", "PowerPlane's, reinvocationPolicy Never"
OURS, WHOLE, TWICE = (
    "PowerPlane's on pods",
    "PowerPlane, all of deploy/webhook.yaml",
    "all, and pods judged by a second call",
)
PODS = "/api/v1/namespaces/default/pods"
CALLS = "apiserver_admission_webhook_admission_duration_seconds_count"
SEEN_S = 120.0
HAS_WATTS = (
    "'powerplane.dev/predicted-watts' in object.metadata.?annotations.orValue({}) || object.spec.containers.exists(c, "
    "'powerplane.dev/watts' in c.?resources.?requests.orValue({}))"
)


@contextlib.contextmanager
def hooked(rig: Rig, arm: str, port: int) -> Iterator[None]:
    """An arm's configurations for as long as the block runs, from when the API server goes by them."""
    made = _configurations(rig, arm, port)
    for path, body in made:
        rig.api.post(path, body)
    try:
        _wait_called(rig, {NONE: 0, TWICE: 2}.get(arm, 1))
        yield
    finally:
        for path, body in made:
            rig.api.call("DELETE", f"{path}/{body['metadata']['name']}")


def _configurations(rig: Rig, arm: str, port: int) -> list[tuple[str, dict[str, Any]]]:
    """Paths and bodies: the shipped ones, or such as differ in a word."""
    if arm == NONE:
        return []
    mutating = configuration(rig, port)
    (hook,) = mutating["webhooks"]
    if arm == BARE:
        del hook["matchConditions"]
    if arm == NEVER:
        hook["reinvocationPolicy"] = "Never"
    if arm == NOTE:
        hook["clientConfig"]["url"] = f"https://127.0.0.1:{port}/note"
    made = [(CONFIGURATIONS, mutating)]
    if arm in (WHOLE, TWICE):
        judging = [configuration(rig, port, name, "Validating") for name in ("powerplane", "powerplane-rollouts")]
        if arm == TWICE:
            judging[0]["webhooks"].append(_second_call(hook, port))
        made += [(JUDGING, each) for each in judging]
    return made


def _second_call(hook: dict[str, Any], port: int) -> dict[str, Any]:
    """A validating webhook that is asked about each pod with watts, as it will be stored."""
    second = copy.deepcopy(hook)
    del second["reinvocationPolicy"]
    second["name"] = "second.powerplane.dev"
    second["clientConfig"]["url"] = f"https://127.0.0.1:{port}/validate"
    second["matchConditions"] = [{"name": "not-bound", "expression": "object.spec.?nodeName.orValue('') == ''"}]
    second["matchConditions"].append({"name": "has-watts", "expression": HAS_WATTS})
    return second


def _wait_called(rig: Rig, wanted: int) -> None:
    """Wait until the API server calls webhooks so often for a pod; it learns of registrations after a while."""

    def called() -> float:
        before = calls(rig)
        body = {"metadata": {"generateName": "p-"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        rig.api.call("POST", f"{PODS}?dryRun=All", body)
        return calls(rig) - before

    assert wait_for(lambda: called() == wanted, SEEN_S, 0.3), "the registration was not seen"


def calls(rig: Rig) -> float:
    """Times that admission webhooks were called until now."""
    return metric(rig, CALLS)


def metric(rig: Rig, name: str) -> float:
    """Sum of one of the API server's own figures over its labels."""
    page = rig.api.pool.request("GET", f"{rig.server}/metrics").data.decode()
    return sum(float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith(name))


def used_s(rig: Rig, pid: int) -> tuple[float, float]:
    """Processor time until now of API server and webhook."""
    return processor_s(rig.pids["kube-apiserver"]), processor_s(pid) if pid else 0.0


def start_yes(rig: Rig) -> tuple[int, int]:
    """A process that lets everything in; its id and port."""
    (port,) = free_ports(1)
    pair = rig.authority.issue("powerplane-webhook", file="webhook-yes")
    pair.certificate.with_suffix(".port").write_text(f"{port}", encoding="utf-8")
    command = [sys.executable, "-m", "benchmarks.webhook_arms", str(pair.certificate)]
    return spawn(command, rig.log("yes"), outlive=False), port


def say_yes(certificate: Path) -> None:
    """Serve until the parent ends it."""
    port = int(certificate.with_suffix(".port").read_text(encoding="utf-8"))
    tls = TlsFiles(certificate, certificate.with_suffix(".key"), None, ())
    settings = ListenerSettings(port=port, tls=tls, insecure=True, limits=DEFAULT_LIMITS)
    run_until_signal(lambda: Server([yes_listener(settings, AdmissionMetrics(), at_once=True)]))


if __name__ == "__main__":
    say_yes(Path(sys.argv[1]))
