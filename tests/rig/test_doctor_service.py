"""`powerplane doctor` on a webhook that is called by its Service, as deploy/ ships it: what the API server reaches."""

import base64
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tests.rig.cluster import make_nodes, node
from tests.rig.extender import NAMESPACE, Replica, install_objects, make_domains, power_domain
from tests.rig.objects import apply, written
from tests.rig.processes import free_ports, wait_for
from tests.rig.rig import Rig
from tests.rig.test_doctor import doctor, given, told
from tests.rig.webhook import CONFIGURATIONS, MANIFEST

from powerplane.models.api.kinds import CLUSTER_CAPPING_POLICY

pytestmark = pytest.mark.rig

SERVICE = "powerplane-webhook"
SERVICES = f"/api/v1/namespaces/{NAMESPACE}/services"
SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
SHIPPED = {
    each["kind"]: each
    for each in yaml.safe_load_all(MANIFEST.read_text())
    if each["metadata"]["name"] in (SERVICE, "powerplane")
}


@pytest.fixture
def address() -> str:
    """An address of this machine that Kubernetes takes for an endpoint: not on loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a datagram's socket: nothing is sent
            own = str(probe.getsockname()[0])
        except OSError:
            own = "127.0.0.1"
    if own.startswith("127."):
        pytest.skip("this machine has no address but loopback's, which no endpoint may have")
    return own


def endpoints(address: str, port: int) -> dict[str, Any]:
    """What the endpoint controller would write of one replica."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": SERVICE, "namespace": NAMESPACE, "labels": {"kubernetes.io/service-name": SERVICE}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [{"name": "webhook", "port": port, "protocol": "TCP"}],
    }


@pytest.fixture
def served(rig: Rig, address: str) -> Iterator[tuple[Rig, int]]:
    """The shipped configuration, a replica on the machine's own address, and a Service without endpoints."""
    install_objects(rig)
    make_nodes(rig, [node("n1", watts=400)])
    make_domains(rig, [power_domain("r1", budget="1kW", nodeNames=["n1"], node={"idle": "100W", "peak": "420W"})])
    spec = {"cap": {"watts": "1kW"}, "mode": "Initial", "admission": {"lock": "Partition"}}
    apply(rig, CLUSTER_CAPPING_POLICY.path("all"), written(CLUSTER_CAPPING_POLICY, "all", spec))
    pair = rig.authority.issue(SERVICE, file="webhook-service", host=f"{SERVICE}.{NAMESPACE}.svc")
    (port,) = free_ports(1)
    own = (f"--webhook-port={port}", f"--webhook-host={address}")
    replica = Replica(rig, "served", *own, f"--webhook-cert={pair.certificate}", f"--webhook-key={pair.key}").start()
    configuration = SHIPPED["MutatingWebhookConfiguration"]
    for hook in configuration["webhooks"]:
        hook["clientConfig"]["caBundle"] = base64.b64encode(rig.authority.file.read_bytes()).decode()
    # Without a selector, nobody else writes its endpoints.
    service = SHIPPED["Service"] | {"spec": {"ports": SHIPPED["Service"]["spec"]["ports"]}}
    try:
        rig.api.post(SERVICES, service)
        rig.api.post(CONFIGURATIONS, configuration)
        replica.wait_ready()
        yield rig, port
    finally:
        replica.stop()
        rig.api.call("DELETE", f"{CONFIGURATIONS}/powerplane")
        rig.api.call("DELETE", f"{SERVICES}/{SERVICE}")
        rig.api.call("DELETE", f"{SLICES}/{SERVICE}")


def says(view: Any, check: str) -> str:
    """Level and text of one of the webhook's checks; "" where it is not there."""
    (part,) = [each for each in view["sections"] if each["name"] == "webhook"]
    levels = [each["level"] for each in part["findings"] if each["check"] == check]
    return f"{levels[0]}: {told(view, 'webhook', check)}" if levels else ""


def test_a_webhook_behind_its_service_is_looked_at_as_the_api_server_reaches_it(
    served: tuple[Rig, int], address: str
) -> None:
    rig, port = served
    _, view = doctor(rig)
    assert says(view, "replicas").startswith(f"fail: no replica is ready behind Service {SERVICE}")
    assert says(view, "self test").startswith("fail: ")
    assert not says(view, "reached by the API server")

    apply(rig, f"{SLICES}/{SERVICE}", endpoints(address, port))
    assert wait_for(lambda: given(rig), 10, 0.1), "the API server does not call the replica"
    _, view = doctor(rig)
    assert says(view, "replicas").startswith(f"warn: one replica is ready behind Service {SERVICE}")
    # By a slice alone the API server calls the webhook, while its proxy of Services says 404.
    assert says(view, "reached by the API server").startswith("warn: its /readyz does not answer by way of the API")
