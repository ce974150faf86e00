"""`powerplane doctor` on a cluster in order, and on one with faults planted: each is found by name, and no other."""

import base64
import copy
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.rig.cluster import bound, make_nodes, node, pod
from tests.rig.extender import change_domain, install_objects, make_domains, power_domain
from tests.rig.objects import DEFINITIONS, apply, written
from tests.rig.pki import Authority
from tests.rig.processes import wait_for
from tests.rig.rig import Rig, scheduler_config
from tests.rig.security import RBAC, applied
from tests.rig.webhook import CONFIGURATIONS, configuration, judged, registered, webhook_replica

from powerplane.adapters.webhook_lease import WEBHOOK_LEASE, read_reports
from powerplane.admission.gates.gating import GATE
from powerplane.models.api.crd import crd_documents
from powerplane.models.api.kinds import CAPPING_POLICY, CLUSTER_CAPPING_POLICY
from powerplane.models.requests import WATTS_RESOURCE

pytestmark = pytest.mark.rig

RACK = "powerplane.dev/rack"
FILES = ("rbac.yaml", "rbac-alerts.yaml", "admission-policies.yaml")
KEEP = os.environ.get("POWERPLANE_DOCTOR_OUT", "")
"""Folder to keep the reports in, as people see them."""

PARTS = [
    "api",
    "rights",
    "webhook",
    "extender",
    "certificates",
    "topology",
    "policies",
    "operator",
    "others",
    "telemetry",
]

Checks = set[tuple[str, str, str]]
PROGRESS = re.compile(r"powerplane: .* \([0-9]+ s\)")


def doctor(rig: Rig, keep: str = "", *flags: str, user: str = "") -> tuple[int, Any]:
    """Run it as a person does; its exit code and its report."""
    kubeconfig = rig.kubeconfig_for(user) if user else rig.kubeconfig
    command = [sys.executable, "-m", "powerplane", "doctor", f"--kubeconfig={kubeconfig}", *flags]
    done = subprocess.run([*command, "-o", "json"], capture_output=True, text=True, timeout=60, check=False)
    # A machine that is busy takes long enough for progress to be told.
    assert all(PROGRESS.fullmatch(line) for line in done.stderr.splitlines()), done.stderr
    if keep and KEEP:
        shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=wide())
        (Path(KEEP) / f"doctor-{keep}.txt").write_text(shown.stdout)
        assert shown.returncode == done.returncode
    return done.returncode, json.loads(done.stdout)


def wide() -> dict[str, str]:
    return {**os.environ, "COLUMNS": "120", "NO_COLOR": "1"}


def found(view: Any) -> Checks:
    """What is not as it should be: part, check and level."""
    return {
        (section["name"], one["check"], one["level"])
        for section in view["sections"]
        for one in section["findings"]
        if one["level"] != "ok"
    }


def told(view: Any, section: str, check: str) -> str:
    """Everything that one check says."""
    (part,) = [each for each in view["sections"] if each["name"] == section]
    return "\n".join(f"{each['text']} {each.get('next', '')}" for each in part["findings"] if each["check"] == check)


@pytest.fixture
def sound(rig: Rig) -> Iterator[tuple[Rig, Any, int]]:
    """Everything as shipped, a rack with room, a policy, a webhook that is called and a scheduler that asks."""
    install_objects(rig)
    with applied(rig, *FILES):
        make_nodes(rig, [node(name, {RACK: "r1"}, cpu="32", watts=400) for name in ("n1", "n2")])
        members = {"matchLabels": {RACK: "r1"}}
        node_watts = {"idle": "100W", "peak": "420W"}
        make_domains(rig, [power_domain("r1", budget="1kW", nodeSelector=members, node=node_watts)])
        spec = {"cap": {"watts": "1kW"}, "mode": "Initial"}
        apply(rig, CLUSTER_CAPPING_POLICY.path("all"), written(CLUSTER_CAPPING_POLICY, "all", spec))
        replica, port = webhook_replica(rig, "doctored", "--release-gates")
        replica.start()
        try:
            replica.wait_ready()
            with registered(rig, port), judged(rig, port, "powerplane"), judged(rig, port, "powerplane-rollouts"):
                rig.restart_scheduler(scheduler_config(replica.entry()))
                assert wait_for(lambda: beats(rig), 30, 0.2), "the webhook has no heartbeat"
                rig.api.post("/api/v1/namespaces/default/pods", pod("asks", watts=20))
                assert wait_for(lambda: len(bound(rig)) == 1, 30), "the first pod is not bound"
                yield rig, replica, port
        finally:
            replica.stop()
            for name in ("nodepools.karpenter.sh",):
                rig.api.call("DELETE", f"{DEFINITIONS}/{name}")
            for kind in ("clusterroles", "clusterrolebindings"):
                rig.api.call("DELETE", f"{RBAC}/{kind}/too-much")
            rig.api.call("DELETE", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n9")


def beats(rig: Rig) -> bool:
    """Whether the webhook's Lease has been renewed."""
    return "renewTime" in webhook_lease(rig)["spec"]


def says_ready(rig: Rig) -> bool:
    """Whether some replica of the webhook says that it is ready."""
    return any(each.ready for each in read_reports(webhook_lease(rig)["metadata"].get("annotations")).values())


def webhook_lease(rig: Rig) -> Any:
    return rig.api.get(f"/apis/coordination.k8s.io/v1/namespaces/powerplane-system/leases/{WEBHOOK_LEASE}")


def without_field(plural: str, *path: str) -> dict[str, Any]:
    """One of our definitions without a field of its specs."""
    body = copy.deepcopy(next(each for each in crd_documents() if each["spec"]["names"]["plural"] == plural))
    below = body["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    for name in path[:-1]:
        below = below["properties"][name]
    del below["properties"][path[-1]]
    return body


def plain_definition(group: str, kind: str) -> dict[str, Any]:
    """Somebody else's definition of a kind of the whole cluster."""
    plural = f"{kind.lower()}s"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Cluster",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def given(rig: Rig) -> bool:
    """Whether a new pod is given watts now."""
    made = rig.api.call("POST", "/api/v1/namespaces/default/pods?dryRun=All", pod("probe", cpu="1"))
    return WATTS_RESOURCE in made.body["spec"]["containers"][0]["resources"]["requests"]


def break_installation(rig: Rig, port: int, folder: Path) -> Checks:
    """Spoil what deploy/ installs."""
    lacking = without_field("clusterpowercappingpolicies", "admission", "maxGateSeconds")
    apply(rig, f"{DEFINITIONS}/{lacking['metadata']['name']}", lacking)
    rig.api.call("DELETE", f"{RBAC}/namespaces/powerplane-system/rolebindings/powerplane:lease")
    rig.api.call("DELETE", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/powerplane-plans")
    role = {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["delete"]}]}
    apply(rig, f"{RBAC}/clusterroles/too-much", {**rbac("ClusterRole"), **role})
    account = {"kind": "ServiceAccount", "name": "powerplane-alerts", "namespace": "powerplane-system"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "too-much"}
    binding = {**rbac("ClusterRoleBinding"), "roleRef": reference, "subjects": [account]}
    apply(rig, f"{RBAC}/clusterrolebindings/too-much", binding)
    wrong = configuration(rig, port)
    stranger = Authority(folder / "stranger", "stranger")
    wrong["webhooks"][0]["clientConfig"]["caBundle"] = base64.b64encode(stranger.file.read_bytes()).decode()
    wrong["webhooks"][0]["reinvocationPolicy"] = "Never"
    wrong["metadata"]["resourceVersion"] = rig.api.get(f"{CONFIGURATIONS}/powerplane")["metadata"]["resourceVersion"]
    rig.api.put(f"{CONFIGURATIONS}/powerplane", wrong)
    assert wait_for(lambda: not given(rig), 30, 0.2), "the wrong caBundle makes no difference"
    assert wait_for(lambda: not says_ready(rig), 30, 0.2), "the webhook takes itself for ready"
    return {
        ("api", "definitions", "fail"),
        ("api", "guards", "warn"),
        ("rights", "rights of powerplane", "fail"),
        ("rights", "rights of powerplane-alerts", "warn"),
        ("webhook", "registration", "warn"),
        ("webhook", "judging", "warn"),
        ("webhook", "heartbeat", "fail"),
        ("webhook", "self test", "fail"),
        ("certificates", "webhook's certificate", "fail"),
    }


def rbac(kind: str) -> dict[str, Any]:
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": "too-much"}}


def break_site(rig: Rig) -> Checks:
    """Leave holes in the topology, wrong clocks, and what others bring."""
    make_nodes(rig, [node("n3", watts=400), node("n4", {RACK: "r2"}, watts=400)])
    make_domains(rig, [power_domain("r2", nodeSelector={"matchLabels": {RACK: "r2"}})])
    change_domain(rig, "r1", budget="150W")
    rig.api.patch("/api/v1/nodes/n3", {"spec": {"taints": [{"key": "example.com/out", "effect": "NoExecute"}]}})
    later = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    lease = {"metadata": {"name": "n9"}, "spec": {"holderIdentity": "n9", "renewTime": later}}
    rig.api.post("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", lease)
    claims = {"cap": {"watts": "1kW"}, "mode": "Initial", "admission": {"lock": "Claims"}}
    apply(rig, CAPPING_POLICY.path("mine", "default"), written(CAPPING_POLICY, "mine", claims))
    rig.api.post("/api/v1/namespaces/default/pods", pod("unweighed"))
    pools = plain_definition("karpenter.sh", "NodePool")
    apply(rig, f"{DEFINITIONS}/{pools['metadata']['name']}", pools)
    listing = "/apis/karpenter.sh/v1/nodepools"
    assert wait_for(lambda: rig.api.call("GET", listing).ok, 30, 0.2), "NodePools are not served"
    rig.api.post(listing, {"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "spot"}})
    return {
        ("topology", "nodes in no domain", "warn"),
        ("topology", "domains without a budget", "warn"),
        ("topology", "nodes without idle and peak", "warn"),
        ("topology", "budgets", "warn"),
        ("certificates", "clocks", "warn"),
        ("policies", "lock", "fail"),
        ("policies", "pods without watts", "warn"),
        ("others", "Karpenter", "fail"),
        ("others", "NoExecute taints", "warn"),
    }


NAMED = (
    ("api", "definitions", "spec.admission.maxGateSeconds"),
    ("api", "guards", "powerplane-plans"),
    ("rights", "rights of powerplane", "leases.coordination.k8s.io/powerplane"),
    ("rights", "rights of powerplane-alerts", "delete pods"),
    ("webhook", "registration", "reinvocationPolicy is Never"),
    ("webhook", "judging", "caBundle of objects.powerplane.dev is not that of pods.powerplane.dev"),
    ("webhook", "heartbeat", "no replica is ready: doctored"),
    ("webhook", "self test", "namespace default"),
    ("certificates", "webhook's certificate", "not trusted by caBundle"),
    ("certificates", "clocks", "n9 60 min ahead"),
    ("topology", "nodes in no domain", "n3"),
    ("topology", "domains without a budget", "r2"),
    ("topology", "nodes without idle and peak", "n4"),
    ("topology", "budgets", "rack r1 by"),
    ("policies", "lock", "default/mine (Initial, 0 pods) asks for Claims"),
    ("policies", "pods without watts", "default/unweighed"),
    ("others", "Karpenter", "spot"),
    ("others", "NoExecute taints", "example.com/out"),
)
"""Part, check, and what must be named in it."""


def test_a_sound_cluster_is_told_to_be_sound_and_each_planted_fault_is_found_and_no_other(
    sound: tuple[Rig, Any, int], tmp_path: Path
) -> None:
    rig, replica, port = sound
    code, view = doctor(rig, "healthy")
    assert (found(view), code) == (set(), 0)
    assert [each["name"] for each in view["sections"]] == PARTS

    make_nodes(rig, [node("n5", {RACK: "r1"})])
    assert wait_for(lambda: "get Extender" in replica.log.read_text(), 20, 0.2), "the lock is not chosen anew"
    _, view = doctor(rig)
    assert found(view) == set()
    assert "held by Extender: 2 of 3 nodes list watts, and the scheduler asks" in told(view, "policies", "lock")
    rig.api.call("DELETE", "/api/v1/nodes/n5")
    assert wait_for(lambda: replica.log.read_text().count("get Partition") == 2, 20, 0.2)

    code, view = doctor(rig, user="stranger")
    assert code == 0
    assert ("rights", "your rights", "warn") in found(view)
    assert [each["name"] for each in view["sections"]] == PARTS

    expected = break_installation(rig, port, tmp_path) | break_site(rig)
    code, view = doctor(rig, "broken")
    assert (found(view), code) == (expected, 3)
    for section, check, name in NAMED:
        assert name in told(view, section, check)

    replica.stop()
    rig.api.post("/api/v1/namespaces/default/pods", pod("held", schedulingGates=[{"name": GATE}]))
    code, view = doctor(rig, "stopped")
    now_too = {
        ("extender", "answers the scheduler", "warn"),
        ("certificates", "webhook's port", "fail"),
        ("policies", "waiting pods", "fail"),
    }
    assert (found(view), code) == (expected - {("certificates", "webhook's certificate", "fail")} | now_too, 3)
    assert "no replica says that it runs" in told(view, "webhook", "heartbeat")
    assert "default/held" in told(view, "policies", "waiting pods")
    assert "refused" in told(view, "certificates", "webhook's port")
