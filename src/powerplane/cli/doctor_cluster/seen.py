"""Objects of the cluster as doctor reads them, narrowed to what it judges."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from powerplane.adapters.certificate_look import Bundle, Shown
from powerplane.adapters.cluster_look import Found, Told
from powerplane.adapters.lease_look import Lease
from powerplane.admission.offering import LockSigns
from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject, PowerCappingPolicyObject
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.objects import (
    LabelSelector,
    Namespace,
    Narrow,
    Node,
    ObjectMeta,
    PodStatus,
)
from powerplane.models.pod_reading import GatedPodSpec

NOTHING: Found[Any] = Found()
WELL = Told(200)


class DoctorPodSpec(GatedPodSpec, frozen=True):
    """A pod's spec with its gates and its scheduler."""

    scheduler_name: str = ""


class DoctorPod(Narrow, frozen=True):
    """A pod."""

    metadata: ObjectMeta
    spec: DoctorPodSpec = DoctorPodSpec()
    status: PodStatus = PodStatus()


class HookService(Narrow, frozen=True):
    """The Service that a webhook is called by."""

    name: str = ""
    namespace: str = ""
    port: int = 443
    path: str = ""


class HookClient(Narrow, frozen=True):
    """How a webhook is called."""

    url: str = ""
    service: HookService | None = None
    ca_bundle: str = ""


class HookRule(Narrow, frozen=True):
    """Requests that a webhook is asked about."""

    api_groups: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()


class HookCondition(Narrow, frozen=True):
    """A condition on requests."""

    name: str = ""


class Hook(Narrow, frozen=True):
    """One webhook."""

    name: str = ""
    client_config: HookClient = HookClient()
    rules: tuple[HookRule, ...] | None = None
    failure_policy: str = ""
    timeout_seconds: int = 10
    reinvocation_policy: str = ""
    side_effects: str = ""
    match_policy: str = ""
    namespace_selector: LabelSelector = LabelSelector()
    object_selector: LabelSelector = LabelSelector()
    match_conditions: tuple[HookCondition, ...] | None = None

    def is_for_new_pods(self) -> bool:
        """Whether it is asked about new pods."""
        return any(
            {"", "*"} & {*rule.api_groups} and {"pods", "*", "*/*"} & {*rule.resources}
            for rule in self.rules or ()
            if {"CREATE", "*"} & {*rule.operations}
        )


class HookConfiguration(Narrow, frozen=True):
    """MutatingWebhookConfiguration, ValidatingWebhookConfiguration."""

    metadata: ObjectMeta
    webhooks: tuple[Hook, ...] | None = None


class Named(Narrow, frozen=True):
    """Any object, of which the name is enough."""

    metadata: ObjectMeta


class EndpointConditions(Narrow, frozen=True):
    """Whether an endpoint takes connections; not told is yes."""

    ready: bool | None = None


class Endpoint(Narrow, frozen=True):
    """One replica behind a Service."""

    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()


class EndpointSlice(Narrow, frozen=True):
    """discovery.k8s.io/v1 EndpointSlice."""

    metadata: ObjectMeta
    endpoints: tuple[Endpoint, ...] | None = None


class ConfigMap(Narrow, frozen=True):
    """core/v1 ConfigMap."""

    metadata: ObjectMeta
    data: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """A CustomResourceDefinition of ours, beside the one that this version ships.

    Parameters
    ----------
    plural : str
    told : Told
        Of the question for it.
    established : bool
    served, stored : tuple of str
        Versions.
    missing : tuple of str
        Fields that ours has and it has not.
    """

    plural: str
    told: Told
    established: bool = False
    served: tuple[str, ...] = ()
    stored: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ApiSeen:
    """The API server.

    Parameters
    ----------
    server : str
    version : Told
        Of ``/version``.
    git_version : str
        "" where it is not told.
    definitions : tuple of Definition
    groups : frozenset of str
        Group versions that are served, or None where that is not told.
    has_resize : bool or None
        Whether pods can be resized in place.
    claims : bool or None
        Whether claims may share a device's capacity; None where that could not be tried.
    guards : Found of Named
        ValidatingAdmissionPolicies.
    """

    server: str
    version: Told
    git_version: str = ""
    definitions: tuple[Definition, ...] = ()
    groups: frozenset[str] | None = None
    has_resize: bool | None = None
    claims: bool | None = None
    guards: Found[Named] = NOTHING


class Half(NamedTuple):
    """A file that is applied in part: what its rights are for, and those that are lacking."""

    file: str
    does: str
    lacks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grip:
    """What an account may do.

    Parameters
    ----------
    name : str
    there : bool or None
        Whether the account is there; None where that may not be seen.
    lacks : tuple of str
        Rights that it needs and has not.
    too_much : tuple of str
        Rights that it must not have and has, each with why not.
    trouble : str
        Why it is not known; "" where it is.
    halves : tuple of Half
        Files of which it has some rights and lacks others.
    """

    name: str
    there: bool | None = True
    lacks: tuple[str, ...] = ()
    too_much: tuple[str, ...] = ()
    trouble: str = ""
    halves: tuple[Half, ...] = ()


@dataclass(frozen=True, slots=True)
class Probe:
    """A new pod, sent for a trial and not stored.

    Parameters
    ----------
    namespace : str
        Where; "" where no acting policy is for any namespace.
    told : Told
    watts : int
        That it was given.
    gated : bool
        Whether it would wait behind our gate.
    """

    namespace: str = ""
    told: Told = WELL
    watts: int = 0
    gated: bool = False


@dataclass(frozen=True, slots=True)
class HookSeen:
    """The webhook from outside.

    Parameters
    ----------
    configurations, judging : Found of HookConfiguration
        All that change objects, and all that judge them.
    bundle : Bundle or None
        What the API server trusts; None without a configuration.
    shown : Shown or None
        What its port shows us; None where it cannot be reached from here.
    proxied : Told or None
        Its ``/readyz`` by way of the API server; None where it is not called by a Service.
    endpoints : Found of EndpointSlice
    probe : Probe or None
        None where nothing was tried.
    """

    configurations: Found[HookConfiguration] = NOTHING
    judging: Found[HookConfiguration] = NOTHING
    bundle: Bundle | None = None
    shown: Shown | None = None
    proxied: Told | None = None
    endpoints: Found[EndpointSlice] = NOTHING
    probe: Probe | None = None


@dataclass(frozen=True, slots=True)
class OthersSeen:
    """Other controllers.

    Parameters
    ----------
    groups : frozenset of str
        Groups that are served, without versions.
    node_pools, node_overlays : Found of Named
        Karpenter's.
    kueue : Found of ConfigMap
        Its configuration.
    autoscaler : Found of Named
        The cluster-autoscaler's status.
    """

    groups: frozenset[str] = frozenset()
    node_pools: Found[Named] = NOTHING
    node_overlays: Found[Named] = NOTHING
    kueue: Found[ConfigMap] = NOTHING
    autoscaler: Found[Named] = NOTHING


@dataclass(frozen=True, slots=True)
class Cluster:
    """What several parts rest on.

    Parameters
    ----------
    nodes, pods, namespaces, domains, cluster_policies, policies, leases, node_leases
        As far as they may be seen; ``leases`` are ours.
    now_s : float
        Our clock when they were asked for.
    server_s : float or None
        The API server's, at the same moment.
    signs : LockSigns
    """

    nodes: Found[Node] = NOTHING
    pods: Found[DoctorPod] = NOTHING
    namespaces: Found[Namespace] = NOTHING
    domains: Found[PowerDomainObject] = NOTHING
    cluster_policies: Found[ClusterPowerCappingPolicyObject] = NOTHING
    policies: Found[PowerCappingPolicyObject] = NOTHING
    leases: Found[Lease] = NOTHING
    node_leases: Found[Lease] = NOTHING
    now_s: float = 0.0
    server_s: float | None = None
    signs: LockSigns = field(default_factory=LockSigns)

    def lease(self, name: str) -> Lease | None:
        """One of our Leases; None where it is not there, or may not be seen."""
        return next((each for each in self.leases.items if each.metadata.name == name), None)


def unread(why: Told) -> Cluster:
    """Nothing of a cluster, and why."""
    nothing: Found[Any] = Found((), why)
    return Cluster(nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing)
