"""A cluster in order as doctor reads it, from which each test takes or to which it adds what it is about."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import yaml

from powerplane.adapters.certificate_look import Bundle, Certificate, Shown
from powerplane.adapters.cluster_look import Found, Told
from powerplane.adapters.lease_look import ASKED_ANNOTATION, Lease
from powerplane.adapters.webhook_lease import WEBHOOK_LEASE, Report, report_key
from powerplane.admission.gates.release_run import LEASE as GATES_LEASE
from powerplane.cli.doctor_cluster.api import GUARDS
from powerplane.cli.doctor_cluster.reading import signs_of
from powerplane.cli.doctor_cluster.seen import (
    ApiSeen,
    Cluster,
    Definition,
    DoctorPod,
    HookConfiguration,
    HookSeen,
    Named,
    Probe,
)
from powerplane.cli.doctor_cluster.webhook import JUDGES
from powerplane.cli.doctor_section import SectionReport
from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject, PowerCappingPolicyObject
from powerplane.models.api.kinds import KINDS, VERSION
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.objects import Namespace, Node, ObjectMeta
from powerplane.models.requests import WATTS_RESOURCE

Json = dict[str, Any]

DEPLOY = Path(__file__).parents[2] / "deploy"

NOW_S = 1767225600.0
AT = "2026-01-01T00:00:00.000000Z"
BEFORE = "2025-12-31T00:00:00Z"
REFUSED = Told(403, b'{"message": "forbidden"}')
SILENT = Told(0, b"no complete answer within 5 s")


def trouble(report: SectionReport) -> set[tuple[str, str]]:
    """What is not as it should be: check and level."""
    return {(each.check, each.level) for each in report.view.findings if each.level != "ok"}


def text(report: SectionReport, check: str) -> str:
    """Everything that one check says, and what to do."""
    return "\n".join(f"{each.text} {each.next}" for each in report.view.findings if each.check == check)


def shipped(file: str, kind: str) -> list[Json]:
    """Objects of one kind that a file under ``deploy`` brings."""
    documents = yaml.safe_load_all((DEPLOY / file).read_text(encoding="utf-8"))
    return [each for each in documents if each["kind"] == kind]


def found(struct: Any, *bodies: Json) -> Found[Any]:
    """Objects as a list brings them."""
    return Found(tuple(msgspec.convert(body, struct) for body in bodies))


def node(name: str, *, watts: bool = True, labels: Json | None = None, **spec: Any) -> Json:
    offers = {"cpu": "10", **({WATTS_RESOURCE: "300"} if watts else {})}
    metadata = {"name": name, "labels": {"rack": "r1"} if labels is None else labels}
    return {"metadata": metadata, "spec": spec, "status": {"allocatable": offers}}


def pod(name: str, *, watts: int = 50, at: str = AT, **spec: Any) -> Json:
    requests = {"cpu": "1", **({WATTS_RESOURCE: str(watts)} if watts else {})}
    containers = [{"name": "main", "resources": {"requests": requests}}]
    metadata = {"name": name, "namespace": "shop", "uid": name, "creationTimestamp": at}
    return {"metadata": metadata, "spec": {"containers": containers, "nodeName": "n1", **spec}}


def lease(name: str, holder: str = "one", renewed: str = AT, written: str = AT, **annotations: str) -> Json:
    metadata = {"name": name, "resourceVersion": "7", "annotations": annotations}
    metadata["managedFields"] = [{"manager": "powerplane", "time": written}]
    return {"metadata": metadata, "spec": {"holderIdentity": holder, "renewTime": renewed}}


def domain(name: str, budget: str = "1kW", **spec: Any) -> Json:
    own = {"kind": "rack", "nodeSelector": {"matchLabels": {"rack": name}}, "node": {"idle": "100W", "peak": "300W"}}
    return {"metadata": {"name": name}, "spec": own | ({"budget": budget} if budget else {}) | spec}


def policy(name: str, mode: str = "Initial", lock: str = "Auto", **spec: Any) -> Json:
    body = {"mode": mode, "cap": {"watts": "1kW"}, "admission": {"lock": lock}, **spec}
    return {"metadata": {"name": name, "creationTimestamp": BEFORE}, "spec": body}


def reports(**ready: bool) -> dict[str, str]:
    """What replicas of the webhook say of themselves."""
    return {
        report_key(name): msgspec.json.encode(Report(name, AT, ready=is_so)).decode() for name, is_so in ready.items()
    }


LEASES = (
    lease("powerplane", **{ASKED_ANNOTATION: "2025-12-31T23:59:50+00:00"}),
    lease(GATES_LEASE),
    lease(WEBHOOK_LEASE, **reports(one=True, two=True)),
    lease("powerplane-node-watts"),
)


def cluster(**parts: Any) -> Cluster:
    """Two nodes of a rack, a pod with watts, a policy that acts; ``parts`` in the place of some of it."""
    whole: dict[str, Any] = {
        "nodes": found(Node, node("n1"), node("n2")),
        "pods": found(DoctorPod, pod("a")),
        "namespaces": found(Namespace, {"metadata": {"name": "shop"}}, {"metadata": {"name": "kube-system"}}),
        "domains": found(PowerDomainObject, domain("r1")),
        "cluster_policies": found(ClusterPowerCappingPolicyObject, policy("all")),
        "policies": found(PowerCappingPolicyObject),
        "leases": found(Lease, *LEASES),
        "node_leases": found(Lease, lease("n1", "n1"), lease("n2", "n2")),
        "now_s": NOW_S,
        "server_s": NOW_S,
    } | parts
    whole.setdefault("signs", signs_of(whole["nodes"], whole["leases"], NOW_S))
    return Cluster(**whole)


def hook_body() -> Json:
    """The shipped configuration's only webhook, called by URL."""
    expressions = [
        {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system", "powerplane-system"]},
        {"key": "powerplane.dev/admission", "operator": "NotIn", "values": ["ignore"]},
    ]
    return {
        "name": "pods.powerplane.dev",
        "clientConfig": {"url": "https://hook:8443/mutate", "caBundle": "AA=="},
        "rules": [{"apiGroups": [""], "operations": ["CREATE"], "resources": ["pods"]}],
        "namespaceSelector": {"matchExpressions": expressions},
        "matchConditions": [{"name": "not-a-mirror"}, {"name": "not-bound"}],
        "failurePolicy": "Ignore",
        "timeoutSeconds": 2,
        "matchPolicy": "Equivalent",
        "reinvocationPolicy": "IfNeeded",
        "sideEffects": "None",
    }


def certificate(days: float, life_days: float = 30.0) -> Certificate:
    """One that ends some days from now."""
    return Certificate("it", NOW_S + (days - life_days) * 86_400, NOW_S + days * 86_400)


def hooks(hook: Json | None = None, *others: Json, **parts: Any) -> HookSeen:
    """The webhook registered, trusted and at work; ``parts`` in the place of some of it."""
    ours = {"metadata": {"name": "powerplane"}, "webhooks": [hook or hook_body()]}
    judges = [{**hook_body(), "name": name} for name in JUDGES]
    whole: dict[str, Any] = {
        "configurations": found(HookConfiguration, ours, *others),
        "judging": found(HookConfiguration, {"metadata": {"name": "powerplane"}, "webhooks": judges}),
        "bundle": Bundle((certificate(300, 365),), pem="pem"),
        "shown": Shown(certificate(20)),
        "probe": Probe("shop", Told(201, b"", 0.01), 30),
    } | parts
    return HookSeen(**whole)


def api_seen(**parts: Any) -> ApiSeen:
    """An API server of today, with all that is shipped."""
    definitions = tuple(Definition(k.plural, Told(200), True, (VERSION,), (VERSION,)) for k in KINDS)
    whole: dict[str, Any] = {
        "server": "https://it",
        "version": Told(200),
        "git_version": "v1.36.3",
        "definitions": definitions,
        "groups": frozenset({"admissionregistration.k8s.io/v1", "resource.k8s.io/v1"}),
        "has_resize": True,
        "claims": True,
        "guards": Found(tuple(Named(ObjectMeta(name=name)) for name in GUARDS)),
    } | parts
    return ApiSeen(**whole)


def spoilt(definition: Definition, **parts: Any) -> tuple[Definition, ...]:
    """Definitions of which the first is another."""
    return (replace(definition, **parts), *api_seen().definitions[1:])
