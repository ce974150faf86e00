"""Power claims on a rig: the controller as a process, pods that claim, and what is offered."""

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import yaml
from tests.rig import processes
from tests.rig.cluster import pod
from tests.rig.extender import NAMESPACE
from tests.rig.objects import apply
from tests.rig.processes import wait_for
from tests.rig.rig import Rig
from tests.rig.security import DEPLOY

RESOURCE = "/apis/resource.k8s.io/v1"
SLICES = f"{RESOURCE}/resourceslices"
CLASS = f"{RESOURCE}/deviceclasses/power.powerplane.dev"
OURS = "fieldSelector=spec.driver%3Dpower.powerplane.dev"
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
CLAIM = "powerplane-watts"


def claiming(name: str, watts: int, levels: str, **spec: Any) -> dict[str, Any]:
    """A pod that names a template of ours, as the webhook leaves it."""
    made = pod(name, cpu="10m", **spec)
    made["metadata"]["annotations"] = {"powerplane.dev/predicted-watts": str(watts)}
    made["spec"]["resourceClaims"] = [{"name": CLAIM, "resourceClaimTemplateName": f"powerplane-{watts}w.{levels}"}]
    made["spec"]["containers"][0]["resources"]["claims"] = [{"name": CLAIM}]
    return made


def noted_watts(made: Mapping[str, Any]) -> float:
    """What a pod draws, for the witness."""
    return float(made["metadata"].get("annotations", {}).get("powerplane.dev/predicted-watts", 0))


def install_class(rig: Rig) -> None:
    """Our device class and the controller's Lease, as deploy/ ships them."""
    shipped = yaml.safe_load_all((DEPLOY / "claims.yaml").read_text(encoding="utf-8"))
    apply(rig, CLASS, next(each for each in shipped if each["kind"] == "DeviceClass"))
    answer = rig.api.call("POST", LEASES, {"metadata": {"name": "powerplane-claims"}, "spec": {}})
    assert answer.ok or answer.status == 409, answer.message


def offered(rig: Rig) -> dict[str, str]:
    """Watts that each pool offers, as the API server writes them."""
    return {
        each["spec"]["pool"]["name"]: each["spec"]["devices"][0]["capacity"]["watts"]["value"]
        for each in rig.api.items(f"{SLICES}?{OURS}")
    }


def remove_all(rig: Rig) -> None:
    """Take slices, class and templates away; claims go with their pods."""
    rig.api.call("DELETE", f"{SLICES}?{OURS}")
    rig.api.call("DELETE", CLASS)
    rig.api.call("DELETE", f"{RESOURCE}/namespaces/default/resourceclaimtemplates")
    assert wait_for(lambda: not rig.api.items(f"{SLICES}?{OURS}"), 10, 0.1), "slices do not go"


class Controller:
    """`powerplane claims run` as a process."""

    def __init__(self, rig: Rig, name: str = "claims", *flags: str, kubeconfig: Any = None) -> None:
        own = f"--kubeconfig={kubeconfig or rig.kubeconfig}"
        self._command = [sys.executable, "-m", "powerplane", "claims", "run", own, f"--identity={name}", *flags]
        self.rig = rig
        self.log = rig.folder / f"{name}.log"
        self.pid = 0

    def start(self) -> "Controller":
        """Start it; does not wait."""
        self.pid = processes.spawn(self._command, self.log, outlive=False, PYTHONUNBUFFERED="1")
        return self

    def told(self) -> str:
        """What is offered, and what it logged, for a test that fails."""
        return f"{offered(self.rig)}\n{self.log.read_text()}"

    def kill(self) -> None:
        """End it as a power cut would."""
        os.kill(self.pid, signal.SIGKILL)
        wait_for(lambda: not processes.alive(self.pid), 5.0)

    def stop(self) -> None:
        """End it as a roll-out would."""
        processes.stop(self.pid)


@contextmanager
def controller(rig: Rig, *flags: str, kubeconfig: Any = None) -> Iterator[Controller]:
    """A controller for as long as the block runs; afterwards nothing is left of it."""
    install_class(rig)
    made = Controller(rig, "claims", *flags, kubeconfig=kubeconfig).start()
    try:
        yield made
    finally:
        made.stop()
        remove_all(rig)
