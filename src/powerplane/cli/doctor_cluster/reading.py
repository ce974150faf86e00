"""``powerplane doctor``: what the parts about the cluster rest on, asked of the API server."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from powerplane.adapters.certificate_look import Shown, address_of, look_at_port, read_bundle
from powerplane.adapters.claim_feature import shares_capacity
from powerplane.adapters.cluster_look import ClusterLook, Found, Told
from powerplane.adapters.lease_look import Lease, LeaseLives
from powerplane.admission.gates.release_run import LEASE as GATES_LEASE
from powerplane.admission.lock_watch import CLAIMS_LEASE, EXTENDER_LEASE
from powerplane.admission.offering import LockSigns
from powerplane.cli.doctor_cluster.seen import (
    ApiSeen,
    Cluster,
    ConfigMap,
    Definition,
    DoctorPod,
    EndpointSlice,
    HookConfiguration,
    HookSeen,
    Named,
    OthersSeen,
)
from powerplane.cli.doctor_cluster.trial import try_pod
from powerplane.cli.doctor_cluster.webhook import our_hook
from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject, PowerCappingPolicyObject
from powerplane.models.api.crd import crd_documents
from powerplane.models.api.kinds import CAPPING_POLICY, CLUSTER_CAPPING_POLICY, KINDS, POWER_DOMAIN
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.objects import Namespace, Node
from powerplane.models.requests import WATTS_RESOURCE
from powerplane.models.rights import NAMESPACE

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
LEASES = "/apis/coordination.k8s.io/v1/namespaces"
SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"

Json = Mapping[str, Any]


class _Version(msgspec.Struct, frozen=True, rename="camel"):
    git_version: str = ""


class _Resource(msgspec.Struct, frozen=True):
    name: str = ""


class _Resources(msgspec.Struct, frozen=True):
    resources: tuple[_Resource, ...] = ()


class _GroupVersion(msgspec.Struct, frozen=True, rename="camel"):
    group_version: str = ""


class _Group(msgspec.Struct, frozen=True):
    versions: tuple[_GroupVersion, ...] = ()


class _Groups(msgspec.Struct, frozen=True):
    groups: tuple[_Group, ...] = ()


def read_api(look: ClusterLook) -> ApiSeen:
    """Ask for the API server's version, our definitions and what it serves; the version alone without an answer."""
    version = look.read("/version", _Version)
    if not version.items:
        return ApiSeen(look.access.server, version.told)
    groups = read_groups(look)
    pods = look.read("/api/v1", _Resources)
    resize = any(each.name == "pods/resize" for each in pods.items[0].resources) if pods.items else None
    shipped = {body["spec"]["names"]["plural"]: body for body in crd_documents()}
    return ApiSeen(
        server=look.access.server,
        version=version.told,
        git_version=version.items[0].git_version,
        definitions=tuple(_definition(look, plural, shipped[plural]) for plural in (kind.plural for kind in KINDS)),
        groups=groups,
        has_resize=resize,
        claims=shares_capacity(look),
        guards=look.listed(f"{ADMISSION}/validatingadmissionpolicies", Named),
    )


def read_groups(look: ClusterLook) -> frozenset[str] | None:
    """Group versions that are served; None where that is not told."""
    found = look.read("/apis", _Groups)
    if not found.items:
        return None
    return frozenset(version.group_version for group in found.items[0].groups for version in group.versions)


def read_cluster(look: ClusterLook, clock: Callable[[], float] = time.time) -> Cluster:
    """Ask for what several parts rest on."""
    nodes = look.listed("/api/v1/nodes", Node)
    leases = look.listed(f"{LEASES}/{NAMESPACE}/leases", Lease)
    # One question for the two clocks, with nothing between it and ours but half its way.
    told = look.get("/version")
    now_s = clock() - told.seconds / 2
    return Cluster(
        nodes=nodes,
        pods=look.listed("/api/v1/pods", DoctorPod),
        namespaces=look.listed("/api/v1/namespaces", Namespace),
        domains=look.listed(POWER_DOMAIN.list_path, PowerDomainObject),
        cluster_policies=look.listed(CLUSTER_CAPPING_POLICY.list_path, ClusterPowerCappingPolicyObject),
        policies=look.listed(CAPPING_POLICY.list_path, PowerCappingPolicyObject),
        leases=leases,
        node_leases=look.listed(f"{LEASES}/kube-node-lease/leases", Lease),
        now_s=now_s,
        # The server cuts its time to whole seconds: in the mean it is half a second on.
        server_s=None if told.at_s is None else told.at_s + 0.5,
        signs=signs_of(nodes, leases, now_s if told.at_s is None else told.at_s),
    )


def signs_of(nodes: Found[Node], leases: Found[Lease], now_s: float) -> LockSigns:
    """What one look shows of the locks."""
    open_nodes = [node for node in nodes.items if not node.spec.unschedulable]
    by_name = {each.metadata.name: each for each in leases.items}
    lives = LeaseLives(lambda: 0.0, lambda: now_s)
    alive = {name: lives.lives(name, by_name.get(name)) for name in (EXTENDER_LEASE, CLAIMS_LEASE, GATES_LEASE)}
    asked_s = by_name[EXTENDER_LEASE].asked_s if alive[EXTENDER_LEASE] else None
    return LockSigns(
        nodes=len(open_nodes),
        listing=sum(WATTS_RESOURCE in (node.status.allocatable or {}) for node in open_nodes),
        asked_ago_s=None if asked_s is None else max(0.0, now_s - asked_s),
        claims=alive[CLAIMS_LEASE],
        releaser=alive[GATES_LEASE],
    )


def read_webhook(look: ClusterLook, cluster: Cluster, timeout_s: float) -> HookSeen:
    """Ask for the webhook's configuration and replicas, look at its port, and send a pod for a trial."""
    configurations = look.listed(f"{ADMISSION}/mutatingwebhookconfigurations", HookConfiguration)
    judging = look.listed(f"{ADMISSION}/validatingwebhookconfigurations", HookConfiguration)
    hook = our_hook(HookSeen(configurations))
    probe = try_pod(look, cluster)
    if hook is None:
        return HookSeen(configurations, judging, probe=probe)
    client = hook.client_config
    bundle = read_bundle(client.ca_bundle)
    if client.service is None:
        return HookSeen(configurations, judging, bundle, _shown(client.url, bundle.pem, timeout_s), probe=probe)
    service = client.service
    root = f"/api/v1/namespaces/{service.namespace}/services/https:{service.name}:{service.port}"
    slices = look.listed(SLICES, EndpointSlice, [("labelSelector", f"kubernetes.io/service-name={service.name}")])
    name = f"{service.name}.{service.namespace}.svc"
    shown = _shown(f"https://{name}:{service.port}", bundle.pem, timeout_s)
    # A Service's name is known inside the cluster only: not to be reached from here tells nothing.
    there = shown if shown is not None and not shown.trouble else None
    return HookSeen(configurations, judging, bundle, there, look.get(f"{root}/proxy/readyz"), slices, probe)


def read_others(look: ClusterLook, groups: frozenset[str] | None) -> OthersSeen:
    """Ask what else is there."""
    names = frozenset(each.partition("/")[0] for each in groups or ())
    nothing: Found[Named] = Found()
    pools = _karpenter(look, groups or frozenset(), "nodepools") if "karpenter.sh" in names else nothing
    overlays = _karpenter(look, groups or frozenset(), "nodeoverlays") if "karpenter.sh" in names else nothing
    kueue: Found[ConfigMap] = Found()
    if "kueue.x-k8s.io" in names:
        kueue = look.read("/api/v1/namespaces/kueue-system/configmaps/kueue-manager-config", ConfigMap)
    status = look.read("/api/v1/namespaces/kube-system/configmaps/cluster-autoscaler-status", Named)
    return OthersSeen(names, pools, overlays, kueue, status)


def _karpenter(look: ClusterLook, groups: frozenset[str], plural: str) -> Found[Named]:
    """Objects of Karpenter's in whichever version serves them."""
    for version in sorted((each for each in groups if each.startswith("karpenter.sh/")), key=len):
        found = look.listed(f"/apis/{version}/{plural}", Named)
        if not found.told.absent:
            return found
    return Found((), Told(404))


def _shown(url: str, pem: str, timeout_s: float) -> Shown | None:
    try:
        host, port = address_of(url)
    except ValueError as error:
        return Shown(trouble=str(error))
    return look_at_port(host, port, pem, host, timeout_s) if pem else None


def _definition(look: ClusterLook, plural: str, shipped: Json) -> Definition:
    told = look.get(f"{DEFINITIONS}/{shipped['metadata']['name']}")
    if not told.ok:
        return Definition(plural, told)
    try:
        body = msgspec.json.decode(told.body)
        conditions = {each["type"]: each["status"] for each in body["status"].get("conditions") or ()}
        versions = {each["name"]: each for each in body["spec"]["versions"]}
        own = shipped["spec"]["versions"][0]
        there = versions.get(own["name"], {}).get("schema", {}).get("openAPIV3Schema", {})
        missing = sorted(_paths(own["schema"]["openAPIV3Schema"]) - _paths(there))
        return Definition(
            plural=plural,
            told=told,
            established=conditions.get("Established") == "True",
            served=tuple(name for name, each in versions.items() if each.get("served")),
            stored=tuple(body["status"].get("storedVersions") or ()),
            missing=_outermost(missing),
        )
    except (msgspec.MsgspecError, KeyError, TypeError, AttributeError) as error:
        return Definition(plural, Told(0, f"it cannot be read: {error!r}".encode()))


def _paths(schema: Json, at: str = "") -> set[str]:
    """Every field that a schema names."""
    found = set()
    for name, below in (schema.get("properties") or {}).items():
        path = f"{at}.{name}" if at else name
        found |= {path} | _paths(below, path)
    for below in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(below, dict):
            found |= _paths(below, f"{at}[]")
    return found


def _outermost(paths: list[str]) -> tuple[str, ...]:
    """Those that lie in no other of them."""
    return tuple(p for p in paths if not any(p.startswith((f"{o}.", f"{o}[")) for o in paths))
