"""Certificates of our own, renewed under a steady stream of new pods: no pod comes in without its watts."""

import base64
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from cryptography import x509
from tests.rig.api import JSON_PATCH, MERGE
from tests.rig.balancer import Balancer
from tests.rig.cluster import WATTS, make_nodes, node, pod
from tests.rig.extender import Replica, install_objects, make_domains, power_domain
from tests.rig.objects import apply, written
from tests.rig.processes import free_ports, wait_for
from tests.rig.rig import Rig
from tests.rig.security import ADMISSION, SERVING, applied, documents
from tests.rig.webhook import CONFIGURATIONS, configuration

from powerplane.adapters.lease_look import Lease
from powerplane.adapters.webhook_lease import STALE_S, WEBHOOK_LEASE, admission_is_alive
from powerplane.admission.certificates.cluster import ASKED_ANNOTATION, INJECTED_ANNOTATION
from powerplane.admission.certificates.run import LEASE, SECRET
from powerplane.models.api.kinds import CLUSTER_CAPPING_POLICY

pytestmark = pytest.mark.rig

GROUPS = ("system:serviceaccounts", "system:serviceaccounts:powerplane-system")
SECRET_PATH = f"/api/v1/namespaces/powerplane-system/secrets/{SECRET}"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/powerplane-system/leases"
PODS = "/api/v1/namespaces/default/pods"
PER_CORE_WATTS = 10
PAUSE_S = 0.02
FLAGS = ("--webhook-name=127.0.0.1", "--certificate-settle=1s", "--certificate-forget=12s", "--verbose")


@dataclass
class Stream:
    """New pods, one after the other, for as long as the block runs."""

    rig: Rig
    made: int = 0
    bare: list[str] = field(default_factory=list)
    longest_s: float = 0.0
    between: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> "Stream":
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._stop.wait(PAUSE_S):
            name = f"s{self.made:05d}"
            wanted = pod(name, cpu="1")
            wanted["spec"]["schedulerName"] = "nobody"
            with self.between:
                started = time.monotonic()
                made = self.rig.api.post(PODS, wanted)
                self.longest_s = max(self.longest_s, time.monotonic() - started)
            self.made += 1
            if watts(made) != PER_CORE_WATTS:
                self.bare.append(f"{name} at {datetime.now(UTC):%H:%M:%S.%f}")


def watts(made: dict[str, Any]) -> int:
    return sum(int(each["resources"].get("requests", {}).get(WATTS, 0)) for each in made["spec"]["containers"])


class Site:
    """Two replicas behind a balancer, and what they keep in the cluster."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.ports = free_ports(2)
        kubeconfig = rig.kubeconfig_for(SERVING, *GROUPS)
        self.replicas = [
            Replica(
                rig, f"cert-{n}", f"--webhook-port={port}", f"--webhook-secret={SECRET}", *FLAGS, kubeconfig=kubeconfig
            )
            for n, port in enumerate(self.ports)
        ]
        self.keys: set[str] = set()

    def secret(self) -> dict[str, bytes]:
        """The Secret's data; keys are remembered."""
        data = {name: base64.b64decode(text) for name, text in self.rig.api.get(SECRET_PATH).get("data", {}).items()}
        for name, pem in data.items():
            if name.endswith(".key"):
                self.keys |= {line for line in pem.decode(errors="replace").splitlines()[1:-1] if len(line) > 20}
                self.keys |= {base64.b64encode(pem).decode()[60:120]} - {""}
        return data

    def trusted(self) -> list[x509.Certificate]:
        """What API servers trust now."""
        (hook,) = self.rig.api.get(f"{CONFIGURATIONS}/powerplane")["webhooks"]
        pem = base64.b64decode(hook["clientConfig"].get("caBundle", ""))
        return x509.load_pem_x509_certificates(pem) if pem else []

    def shown(self) -> list[x509.Certificate]:
        """What each port shows to a new connection."""
        found = (ssl.get_server_certificate(("127.0.0.1", port), timeout=2) for port in self.ports)
        return [x509.load_pem_x509_certificate(pem.encode()) for pem in found]

    def ask(self, what: str) -> None:
        """Ask for another certificate or authority, as the documentation says."""
        body = {"metadata": {"annotations": {ASKED_ANNOTATION: what}}}
        answer = self.rig.api.call("PATCH", SECRET_PATH, body, MERGE)
        assert answer.ok, answer.message

    def settled(self, not_by: x509.Certificate | None = None) -> bool:
        """Whether one authority is trusted, another than before, and all show what it signed."""
        trusted = self.trusted()
        if len(trusted) != 1 or trusted[0] == not_by:
            return False
        try:
            return all(each.issuer == trusted[0].subject for each in self.shown())
        except OSError:
            return False

    def lease(self) -> Lease:
        """The sign of life."""
        return msgspec.convert(self.rig.api.get(f"{LEASES}/{WEBHOOK_LEASE}"), Lease)

    def writer(self) -> int:
        """Which replica makes the certificates."""
        holder = self.rig.api.get(f"{LEASES}/{LEASE}")["spec"]["holderIdentity"]
        return next(n for n, each in enumerate(self.replicas) if holder.startswith(each.name))

    @contextmanager
    def only(self, balancer: Balancer, writer: int, stream: Stream) -> Iterator[None]:
        """Asks none but the other replica; a review that is broken off in the middle would be no fault of ours."""
        with stream.between:
            balancer.drain(self.ports[writer])
        yield
        balancer.ports.append(self.ports[writer])


@pytest.fixture
def site(rig: Rig) -> Iterator[tuple[Site, Balancer]]:
    """A rack, an acting policy, our rights, a configuration without caBundle, and two replicas under our account."""
    install_objects(rig)
    make_nodes(rig, [node("n1", cpu="32", watts=300)])
    member = {"idle": "100W", "peak": f"{100 + 32 * PER_CORE_WATTS}W"}
    make_domains(rig, [power_domain("r1", budget="2kW", nodeNames=["n1"], node=member)])
    policy = {"cap": {"watts": "2kW"}, "mode": "Initial"}
    apply(rig, CLUSTER_CAPPING_POLICY.path("all"), written(CLUSTER_CAPPING_POLICY, "all", policy))
    found = Site(rig)
    files = ("rbac.yaml", "admission-policies.yaml", "webhook-own-certificates.yaml")
    with applied(rig, *files), Balancer(found.ports) as balancer:
        hooks = configuration(rig, balancer.port)
        for hook in hooks["webhooks"]:
            del hook["clientConfig"]["caBundle"]
        rig.api.post(CONFIGURATIONS, hooks)
        try:
            for each in found.replicas:
                each.start()
            yield found, balancer
        finally:
            for each in found.replicas:
                each.stop()
            rig.api.call("DELETE", f"{CONFIGURATIONS}/powerplane")
            rig.api.call("DELETE", PODS)


def test_neither_applying_our_manifests_again_nor_cert_managers_part_takes_the_bundle_away(rig: Rig) -> None:
    shipped = [each for each in documents("webhook.yaml") if each["kind"].endswith("WebhookConfiguration")]
    parts = [each for each in documents("webhook-cert-manager.yaml") if each["kind"].endswith("WebhookConfiguration")]
    paths = {identity(each): f"{ADMISSION}/{each['kind'].lower()}s/{each['metadata']['name']}" for each in shipped}
    bundle = base64.b64encode(rig.authority.file.read_bytes()).decode()
    try:
        for each in shipped:
            path = paths[identity(each)]
            apply(rig, path, each)
            hooks = range(len(each["webhooks"]))
            patch = [{"op": "add", "path": f"/webhooks/{n}/clientConfig/caBundle", "value": bundle} for n in hooks]
            assert rig.api.call("PATCH", f"{path}?fieldManager=powerplane", patch, JSON_PATCH).ok
        for each in parts:
            apply(rig, paths[identity(each)], each, manager="powerplane-certificates")
        for each in shipped:
            apply(rig, paths[identity(each)], each)
        for each in shipped:
            found = rig.api.get(paths[identity(each)])
            assert [hook["clientConfig"]["caBundle"] for hook in found["webhooks"]] == [bundle] * len(each["webhooks"])
            assert found["metadata"]["annotations"] == {INJECTED_ANNOTATION: "powerplane-system/powerplane-webhook"}
    finally:
        for path in paths.values():
            rig.api.call("DELETE", path)


def identity(document: dict[str, Any]) -> tuple[str, str]:
    return document["kind"], document["metadata"]["name"]


def within(seconds: float, holds: Any, what: str) -> float:
    started = time.monotonic()
    assert wait_for(holds, seconds, 0.2), what
    return time.monotonic() - started


def test_certificates_are_made_renewed_and_mended_and_no_pod_comes_in_without_its_watts(
    site: tuple[Site, Balancer], figure: Any
) -> None:
    here, balancer = site
    first_s = within(40, lambda: len(balancer.ready) == 2, f"not both are ready: {balancer.ready}")
    figure(f"both ready {first_s:.1f} s after the start, from an empty Secret")
    assert here.settled()
    with Stream(here.rig) as stream:
        within(5, lambda: stream.made > 10, "no pods come in")
        before, (authority,) = here.shown(), here.trusted()
        here.ask("certificate")
        took = within(20, lambda: not set(here.shown()) & set(before), "the certificate is not renewed")
        figure(f"certificate renewed on both after {took:.1f} s")
        assert here.trusted() == [authority]

        here.ask("authority")
        took = within(40, lambda: here.settled(authority), "the authority is not renewed")
        figure(f"authority renewed, the old one gone, after {took:.1f} s")
        assert "old.crt" not in here.secret()

        (authority,) = here.trusted()
        writer = here.writer()
        with here.only(balancer, writer, stream):
            here.ask("authority")
            within(20, lambda: "next.crt" in here.secret(), "no new authority is prepared")
            here.replicas[writer].kill()
            within(40, lambda: "next.crt" not in here.secret(), "nobody goes on where the writer was killed")
            here.replicas[writer].start()
            took = within(40, lambda: here.settled(authority), "the rotation does not come to its end")
        figure(f"{took:.1f} s from the killed writer's start to the end of its rotation")

        (authority,) = here.trusted()
        garbage = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nMIIB").decode()
        body = {"data": {"tls.crt": garbage, "ca.key": None, "ca.crt": garbage}}
        assert here.rig.api.call("PATCH", SECRET_PATH, body, MERGE).ok
        took = within(40, lambda: here.settled(authority), "the Secret is not mended")
        figure(f"a broken Secret mended after {took:.1f} s")
        within(10, lambda: len(balancer.ready) == 2, "not both are ready at the end")
    assert stream.bare == [], f"of {stream.made} pods"
    figure(f"{stream.made} pods, none without its watts, the slowest in {stream.longest_s * 1000:.0f} ms")

    assert all(each.extensions.get_extension_for_class(x509.BasicConstraints).value.ca for each in here.trusted())
    alive = here.lease()
    assert admission_is_alive(alive, datetime.now(UTC))
    for each in here.replicas:
        each.kill()
    dead = here.lease()
    time.sleep(12)
    assert here.lease() == dead, "a dead replica renews"
    assert not admission_is_alive(dead, datetime.fromtimestamp(dead.renewed_s or 0, UTC) + timedelta(seconds=STALE_S))
    here.secret()
    assert len(here.keys) > 6
    for each in here.replicas:
        told = each.log.read_text()
        assert not [key for key in here.keys if key in told], "a key is in the log"
        assert "forbidden" not in told.lower()
