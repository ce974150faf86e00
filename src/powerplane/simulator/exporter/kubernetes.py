"""What Kubernetes says of pods: the kubelet's cAdvisor page, and kube-state-metrics.

cAdvisor's page shows the same CPU seconds at every level of control groups: the machine, each pod, each container;
and it writes the time of its own housekeeping beside each sample.
"""

from collections.abc import Mapping

from powerplane.simulator.exporter.family import Family
from powerplane.simulator.exporter.kepler import CONTAINER, container_id
from powerplane.simulator.exporter.layout import Layout
from powerplane.simulator.exporter.page import Exporter

IMAGE = "registry.example/app:1"


def _cgroup(layout: Layout, row: int) -> str:
    return f"/kubepods.slice/kubepods-burstable.slice/pod{layout.truth.pod_uid[row].replace('-', '_')}.slice"


def _machine(_layout: Layout, _row: int) -> Mapping[str, str]:
    return {"container": "", "cpu": "total", "id": "/", "image": "", "name": "", "namespace": "", "pod": ""}


def _pod(layout: Layout, row: int) -> Mapping[str, str]:
    truth = layout.truth
    return {
        "container": "",
        "cpu": "total",
        "id": _cgroup(layout, row),
        "image": "",
        "name": "",
        "namespace": truth.pod_namespace[row],
        "pod": truth.pod_name[row],
    }


def _container(layout: Layout, row: int) -> Mapping[str, str]:
    name = container_id(layout.truth.pod_uid[row])
    return {
        **_pod(layout, row),
        "container": CONTAINER,
        "id": f"{_cgroup(layout, row)}/cri-containerd-{name}.scope",
        "image": IMAGE,
        "name": name,
    }


_CPU = "container_cpu_usage_seconds_total"

CADVISOR = Exporter(
    "cadvisor",
    10250,
    {_CPU: ("counter", "Cumulative cpu time consumed in seconds.")},
    (
        Family(_CPU, "node", "node", _machine, stamped=True),
        Family(_CPU, "pod", "pod", _pod, stamped=True),
        Family(_CPU, "pod", "pod", _container, stamped=True),
    ),
)


def _owner(layout: Layout, row: int) -> tuple[str, str]:
    kind, _, name = layout.truth.pod_owner[row].partition("/")
    return (kind, name) if kind else ("<none>", "<none>")


def _pod_info(layout: Layout, row: int) -> Mapping[str, str]:
    truth = layout.truth
    kind, name = _owner(layout, row)
    node = int(truth.pod_node[row])
    return {
        "created_by_kind": kind,
        "created_by_name": name,
        "host_ip": layout.addresses[node] if node >= 0 else "",
        "host_network": "false",
        "namespace": truth.pod_namespace[row],
        "node": layout.node_name(node),
        "pod": truth.pod_name[row],
        "priority_class": "",
        "uid": truth.pod_uid[row],
    }


def _pod_owner(layout: Layout, row: int) -> Mapping[str, str]:
    truth = layout.truth
    kind, name = _owner(layout, row)
    return {
        "namespace": truth.pod_namespace[row],
        "owner_is_controller": "<none>" if kind == "<none>" else "true",
        "owner_kind": kind,
        "owner_name": name,
        "pod": truth.pod_name[row],
        "uid": truth.pod_uid[row],
    }


def _node_info(layout: Layout, row: int) -> Mapping[str, str]:
    return {
        "container_runtime_version": "containerd://2.1.4",
        "internal_ip": layout.addresses[row],
        "kernel_version": "6.1.0",
        "kubelet_version": "v1.34.1",
        "node": layout.node_name(row),
        "os_image": "Debian GNU/Linux 12",
    }


def _node_labels(layout: Layout, row: int) -> Mapping[str, str]:
    place = layout.places.get(layout.node_name(row), {})
    return {
        "label_powerplane_dev_row": place.get("Row", ""),
        "label_topology_kubernetes_io_rack": place.get("Rack", ""),
        "node": layout.node_name(row),
    }


KUBE_STATE_METRICS = Exporter(
    "kube-state-metrics",
    8080,
    {
        "kube_node_info": ("gauge", "Information about a cluster node."),
        "kube_node_labels": ("gauge", "Kubernetes labels converted to Prometheus labels."),
        "kube_pod_info": ("gauge", "Information about pod."),
        "kube_pod_owner": ("gauge", "Information about the Pod's owner."),
    },
    (
        Family("kube_node_info", "node", "", _node_info, cluster=True),
        Family("kube_node_labels", "node", "", _node_labels, cluster=True),
        Family("kube_pod_info", "pod", "", _pod_info, cluster=True),
        Family("kube_pod_owner", "pod", "", _pod_owner, cluster=True),
    ),
    says_node=True,
    per_node=False,
)
