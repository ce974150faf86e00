"""KubeSchedulerConfiguration with PowerPlane's extender in it: written anew, or put into one that is there.

Source: k8s.io/kube-scheduler/config/v1/types.go. The document is handled as plain mappings, so that fields that are not
known here are kept as they are. What it must hold to be of use is checked in `scheduler_config_check`.
"""

from dataclasses import dataclass
from typing import Any, Literal

from powerplane.models.errors import InputError
from powerplane.models.requests import WATTS_RESOURCE

API_VERSION = "kubescheduler.config.k8s.io/v1"
KIND = "KubeSchedulerConfiguration"
URL_PATH = "/scheduler/v1"
"""Where the extender's verbs are, as `powerplane serve` has them."""

DEFAULT_URL = f"https://powerplane-extender.powerplane-system.svc:9443{URL_PATH}"
DEFAULT_WEIGHT = 12
"""The built-in scores' weights add up to 12 (types.go's defaults, 1.36), each on 0..100 like ours: as much as all."""

ALL_NODES = 100
"""percentageOfNodesToScore: the extender is asked about every node that fits otherwise."""

Document = dict[str, Any]
Lock = Literal["extender", "both"]
"""What holds the budgets: the extender alone, or watts advertised by nodes as well."""


@dataclass(frozen=True, slots=True)
class ExtenderEntry:
    """PowerPlane's place in the scheduler's configuration.

    Parameters
    ----------
    lock : "extender" or "both"
        With "extender", nodes advertise no watts, so the scheduler must not look for them (ignoredByScheduler). With
        "both" it must.
    url : str
        `urlPrefix`: address and path, without a verb.
    ca_file, cert_file, key_file : str
        Paths as kube-scheduler sees them: the extender's authority, the scheduler's own certificate and key.
    weight : int
        Against the built-in scores; each of theirs is at most 100 times its weight, ours 100 times this.
    timeout : str
        Go duration. The scheduler places one pod at a time and waits this long for an extender that hangs.
    binds : bool
        Whether pods are bound by the extender. At most one extender may.
    """

    lock: Lock = "extender"
    url: str = DEFAULT_URL
    ca_file: str = "/etc/kubernetes/powerplane/ca.crt"
    cert_file: str = "/etc/kubernetes/powerplane/tls.crt"
    key_file: str = "/etc/kubernetes/powerplane/tls.key"
    weight: int = DEFAULT_WEIGHT
    timeout: str = "500ms"
    binds: bool = False

    def document(self) -> Document:
        """Return one item of `extenders`."""
        verbs = {"filterVerb": "filter", "prioritizeVerb": "prioritize", "preemptVerb": "preempt"}
        if self.binds:
            verbs["bindVerb"] = "bind"
        return {
            "urlPrefix": self.url,
            **verbs,
            "weight": self.weight,
            "enableHTTPS": True,
            "tlsConfig": {"caFile": self.ca_file, "certFile": self.cert_file, "keyFile": self.key_file},
            "httpTimeout": self.timeout,
            "nodeCacheCapable": True,
            "ignorable": False,
            "managedResources": [{"name": WATTS_RESOURCE, "ignoredByScheduler": self.lock == "extender"}],
        }


def second_scheduler(entry: ExtenderEntry, name: str, namespace: str, kubeconfig: str = "") -> Document:
    """Return the configuration of a scheduler beside the default one, for the pods that name it.

    Parameters
    ----------
    entry : ExtenderEntry
    name : str
        Scheduler's name, and that of its Lease: a Lease shared with the default scheduler would keep one waiting.
    namespace : str
        Of the Lease.
    kubeconfig : str
        Path as that scheduler sees it; empty in a pod, which has its service account.
    """
    connection = {"clientConnection": {"kubeconfig": kubeconfig}} if kubeconfig else {}
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        **connection,
        "leaderElection": {
            "leaderElect": True,
            "resourceLock": "leases",
            "resourceName": name,
            "resourceNamespace": namespace,
        },
        "percentageOfNodesToScore": ALL_NODES,
        "profiles": [{"schedulerName": name}],
        "extenders": [entry.document()],
    }


def patched(configuration: object, entry: ExtenderEntry) -> Document:
    """Return a configuration with our extender in it; ours, where it is there already, is renewed in its fields.

    It comes first: extenders are asked in order, each about what the one before has left, and those that tell nodes
    where no preemption helps from others belong ahead (KEP-1819). Every node is shown to it, because a rejection of
    all that are shown fails the pod. Nothing else is touched.

    Raises
    ------
    InputError
        For what is no configuration of this version.
    """
    if not isinstance(configuration, dict) or configuration.get("kind") != KIND:
        raise InputError("this is no KubeSchedulerConfiguration", f"give a file with `kind: {KIND}`")
    if configuration.get("apiVersion") != API_VERSION:
        found = configuration.get("apiVersion")
        raise InputError(f"apiVersion {found!r} is not read by this version", f"convert it to {API_VERSION}")
    there = configuration.get("extenders") or []
    if not isinstance(there, list) or not all(isinstance(one, dict) for one in there):
        raise InputError("extenders is no list of mappings", "correct it, as kube-scheduler would refuse it too")
    ours: Document = next((one for one in there if is_ours(one)), {})
    others = [one for one in there if not is_ours(one)]
    fresh = entry.document() | ({} if entry.binds else {"bindVerb": ""})
    renewed = {key: value for key, value in (ours | fresh).items() if value != ""}
    return {**configuration, "percentageOfNodesToScore": ALL_NODES, "extenders": [renewed, *others]}


def is_ours(extender: Document) -> bool:
    """Whether an item of `extenders` is PowerPlane's: it manages watts, or its address says so."""
    managed = extender.get("managedResources")
    names = [one.get("name") for one in managed if isinstance(one, dict)] if isinstance(managed, list) else []
    return WATTS_RESOURCE in names or "powerplane" in str(extender.get("urlPrefix", ""))


def nodes_shown(nodes: int, percentage: int) -> int:
    """Return how many feasible nodes the scheduler looks for before it asks extenders.

    Source: numFeasibleNodesToFind in pkg/scheduler/schedule_one.go: all below 100 nodes; else the percentage, where 0
    stands for 50 − nodes/125, at least 5; never below 100 nodes.
    """
    if nodes < 100 or percentage >= 100:
        return nodes
    share = percentage or max(50 - nodes // 125, 5)
    return max(nodes * share // 100, 100)
