"""The declared table's rows of what is in use, of who made which pod, and of where nodes stand."""

from dataclasses import replace

from powerplane.models.telemetry.metric_labels import HOST, NAMESPACE, POD
from powerplane.models.telemetry.readings import Meaning, Quantity

WORKED = "~user|nice|system|irq|softirq|steal"
"""Modes of a CPU in which it works; guest time is part of user time, and waiting for a disk is idle."""

NODE_LABELS = (
    "label_powerplane_dev_rack",
    "label_topology_kubernetes_io_rack",
    "label_powerplane_dev_row",
    "label_powerplane_dev_feed",
)
"""Labels of nodes, as kube-state-metrics spells them where it is told to show them."""


def _cadvisor(quantity: Quantity, where: tuple[tuple[str, str], ...]) -> Meaning:
    metric = "container_cpu_usage_seconds_total"
    return Meaning(metric, "cadvisor", quantity, "counter", "s", node=HOST, where=where)


def _state(metric: str, kept: tuple[str, ...]) -> Meaning:
    """Return a row of kube-state-metrics whose labels are what is read."""
    return Meaning(metric, "kube-state-metrics", "info", "gauge", "", node=("exported_node", "node"), kept=kept)


METRICS_SERVER = (
    Meaning("NodeMetrics.usage.cpu", "metrics-server", "node cpu cores", "gauge", "cores", node=("node",)),
    Meaning(
        "PodMetrics.usage.cpu",
        "metrics-server",
        "pod cpu cores",
        "gauge",
        "cores",
        namespace=("namespace",),
        pod=("pod",),
    ),
)
"""Of the API metrics.k8s.io; no Prometheus metrics, and named after the API's kinds."""

USE = (
    _cadvisor("node cpu cores", (("id", "/"),)),
    Meaning("node_cpu_usage_seconds_total", "kubelet", "node cpu cores", "counter", "s", node=HOST),
    Meaning(
        "node_cpu_seconds_total",
        "node-exporter",
        "node cpu cores",
        "counter",
        "s",
        node=HOST,
        where=(("mode", WORKED),),
        sum_over=("cpu", "mode"),
    ),
    # A pod's own control group, which the kubelet counts beside its containers' and shows without a container.
    replace(_cadvisor("pod cpu cores", (("container", ""),)), namespace=("namespace",), pod=("pod",)),
    Meaning(
        "pod_cpu_usage_seconds_total",
        "kubelet",
        "pod cpu cores",
        "counter",
        "s",
        node=HOST,
        namespace=("namespace",),
        pod=("pod",),
    ),
    replace(
        # The kubelet's other page has the same metric, without images: it is not to be counted twice.
        _cadvisor("pod cpu cores", (("container", "~.+"), ("image", "~.+"))),
        namespace=("namespace",),
        pod=("pod",),
        sum_over=("container", "id", "image", "name"),
    ),
)

OWNERS = (
    replace(
        _state("kube_pod_info", ("created_by_kind", "created_by_name")), namespace=NAMESPACE, pod=POD, uid=("uid",)
    ),
    replace(_state("kube_pod_owner", ("owner_kind", "owner_name")), namespace=NAMESPACE, pod=POD, uid=("uid",)),
)
"""Who made each pod, and where it runs. As many series as pods, which change seldom, and which the API server knows
as well: read where it is not at hand."""

PLACES = (
    _state("kube_node_info", ("internal_ip",)),
    _state("kube_node_labels", NODE_LABELS),
    Meaning("node_uname_info", "node-exporter", "info", "gauge", "", node=("instance",), kept=("nodename",)),
)
