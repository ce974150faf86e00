"""The webhook of `powerplane serve`, registered with a rig's API server as deploy/ does, but by its address."""

import base64
import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from tests.rig.extender import Replica
from tests.rig.processes import free_ports, wait_for
from tests.rig.rig import Rig

MANIFEST = Path(__file__).parents[2] / "deploy" / "webhook.yaml"
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
JUDGING = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


def configuration(rig: Rig, port: int, name: str = "powerplane", kind: str = "Mutating") -> dict[str, Any]:
    """A shipped configuration, with an address on loopback in the place of the Service."""
    shipped: dict[str, Any] = next(
        each
        for each in yaml.safe_load_all(MANIFEST.read_text())
        if each["kind"] == f"{kind}WebhookConfiguration" and each["metadata"]["name"] == name
    )
    for hook in shipped["webhooks"]:
        path = hook["clientConfig"].pop("service")["path"]
        hook["clientConfig"] = {
            "url": f"https://127.0.0.1:{port}{path}",
            "caBundle": base64.b64encode(rig.authority.file.read_bytes()).decode(),
        }
    return shipped


@contextmanager
def registered(rig: Rig, port: int) -> Iterator[None]:
    """The configuration for as long as the block runs."""
    rig.api.post(CONFIGURATIONS, configuration(rig, port))
    try:
        yield
    finally:
        rig.api.call("DELETE", f"{CONFIGURATIONS}/powerplane")


@contextmanager
def judged(rig: Rig, port: int, name: str) -> Iterator[None]:
    """A validating configuration for as long as the block runs."""
    rig.api.post(JUDGING, configuration(rig, port, name, "Validating"))
    try:
        yield
    finally:
        rig.api.call("DELETE", f"{JUDGING}/{name}")


def webhook_replica(rig: Rig, name: str, *flags: str) -> tuple[Replica, int]:
    """A replica that has a webhook, not started yet, and the webhook's port."""
    (port,) = free_ports(1)
    pair = rig.authority.issue("powerplane-webhook", file=f"webhook-{name}")
    own = (f"--webhook-port={port}", f"--webhook-cert={pair.certificate}", f"--webhook-key={pair.key}")
    return Replica(rig, name, *own, *flags), port


class Hook:
    """The webhook of one replica: ready by itself, whichever replica the scheduler is answered by."""

    def __init__(self, rig: Rig, name: str, *flags: str) -> None:
        self.rig = rig
        self.replica, self.port = webhook_replica(rig, name, *flags)

    def ready(self) -> bool:
        """Whether it answers reviews now."""
        trusted = ssl.create_default_context(cafile=str(self.rig.authority.file))
        try:
            urllib.request.urlopen(f"https://127.0.0.1:{self.port}/readyz", timeout=2, context=trusted).close()
        except OSError:
            return False
        return True

    def certificate(self) -> str:
        """What it shows to a new connection, in PEM."""
        return ssl.get_server_certificate(("127.0.0.1", self.port), timeout=2)

    def rotate(self, within_s: float = 10.0) -> None:
        """Write another certificate over its own, and wait until that is shown."""
        before = self.certificate()
        self.rig.authority.issue("powerplane-webhook", file=f"webhook-{self.replica.name}")
        assert wait_for(lambda: self.certificate() != before, within_s, 0.2), "the old certificate is still shown"
