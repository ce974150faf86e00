"""Kepler, as it is since 0.10 and as it was until 0.7: metrics, labels and their overlaps.

Names and labels: Kepler's ``docs/user/metrics.md`` and its ``pkg/metrics`` at v0.7.12. Zones overlap (psys holds
packages and memory); containers' series repeat their pods'; idle and dynamic energy are told apart since 0.10 by the
CPU's use, before by the least that was seen.
"""

from collections.abc import Mapping
from hashlib import sha256

from powerplane.simulator.exporter.family import Family, Labels
from powerplane.simulator.exporter.layout import Layout
from powerplane.simulator.exporter.page import Exporter
from powerplane.simulator.sensors.bank import Said
from powerplane.simulator.sensors.channels import Floats

CONTAINER = "main"
"""Each pod's one container."""


def container_id(uid: str) -> str:
    """64 hexadecimal digits, as container runtimes give."""
    return sha256(uid.encode()).hexdigest()


def _zone(zone: str) -> Labels:
    def labels(layout: Layout, row: int) -> Mapping[str, str]:
        return {"node_name": layout.node_name(row), "path": f"aggregated-{zone}", "zone": zone}

    return labels


def _node(layout: Layout, row: int) -> Mapping[str, str]:
    return {"node_name": layout.node_name(row)}


def _platform(layout: Layout, row: int) -> Mapping[str, str]:
    return {
        "bmc_id": f"bmc-{layout.node_name(row)}",
        "chassis_id": "1",
        "node_name": layout.node_name(row),
        "source": "redfish",
        "source_id": "0",
        "source_name": "Server Power Control",
        "source_type": "PowerControl",
    }


def _gpu(layout: Layout, row: int) -> Mapping[str, str]:
    truth = layout.truth
    return {
        "gpu": str(layout.gpu_index[row]),
        "gpu_name": truth.gpu_model[row],
        "gpu_uuid": truth.gpu_uuid[row],
        "node_name": layout.node_name(int(truth.gpu_node[row])),
        "vendor": "nvidia",
    }


def _pod(**more: str) -> Labels:
    def labels(layout: Layout, row: int) -> Mapping[str, str]:
        truth = layout.truth
        return {
            "node_name": layout.node_name(int(truth.pod_node[row])),
            "pod_id": truth.pod_uid[row],
            "pod_name": truth.pod_name[row],
            "pod_namespace": truth.pod_namespace[row],
            "state": "running",
            **more,
        }

    return labels


def _container(**more: str) -> Labels:
    def labels(layout: Layout, row: int) -> Mapping[str, str]:
        truth = layout.truth
        return {
            "container_id": container_id(truth.pod_uid[row]),
            "container_name": CONTAINER,
            "node_name": layout.node_name(int(truth.pod_node[row])),
            "pod_id": truth.pod_uid[row],
            "runtime": "containerd",
            "state": "running",
            **more,
        }

    return labels


_CPU_J, _CPU_W = "Energy consumption of cpu at {} level in joules", "Power consumption of cpu at {} level in watts"
_PART_J, _PART_W = (
    "Energy consumption of cpu in {} state at node level in joules",
    "Power consumption of cpu in {} state at node level in watts",
)
_SECONDS = "Total user and system time of cpu at container level in seconds"

KEPLER = Exporter(
    "kepler",
    28282,
    {
        "kepler_container_cpu_joules_total": ("counter", _CPU_J.format("container")),
        "kepler_container_cpu_seconds_total": ("counter", _SECONDS),
        "kepler_container_cpu_watts": ("gauge", _CPU_W.format("container")),
        "kepler_node_cpu_active_joules_total": ("counter", _PART_J.format("active")),
        "kepler_node_cpu_active_watts": ("gauge", _PART_W.format("active")),
        "kepler_node_cpu_idle_joules_total": ("counter", _PART_J.format("idle")),
        "kepler_node_cpu_idle_watts": ("gauge", _PART_W.format("idle")),
        "kepler_node_cpu_joules_total": ("counter", _CPU_J.format("node")),
        "kepler_node_cpu_usage_ratio": ("gauge", "CPU usage ratio of a node (value between 0.0 and 1.0)"),
        "kepler_node_cpu_watts": ("gauge", _CPU_W.format("node")),
        "kepler_node_gpu_joules_total": ("counter", "Energy consumption of gpu at node level in joules"),
        "kepler_node_gpu_watts": ("gauge", "Power consumption of gpu at node level in watts"),
        "kepler_platform_watts": ("gauge", "Platform power in watts from the management controller"),
        "kepler_pod_cpu_joules_total": ("counter", _CPU_J.format("pod")),
        "kepler_pod_cpu_watts": ("gauge", _CPU_W.format("pod")),
        "kepler_pod_gpu_watts": ("gauge", "Power consumption of gpu at pod level in watts"),
    },
    (
        Family(
            "kepler_container_cpu_joules_total", "pod", "pod package total", _container(zone="package"), repeats=True
        ),
        Family("kepler_container_cpu_joules_total", "pod", "pod dram total", _container(zone="dram"), repeats=True),
        Family("kepler_container_cpu_seconds_total", "pod", "pod seconds", _container(), repeats=True),
        Family("kepler_container_cpu_watts", "pod", "pod package", _container(zone="package"), repeats=True),
        Family("kepler_container_cpu_watts", "pod", "pod dram", _container(zone="dram"), repeats=True),
        Family("kepler_node_cpu_active_joules_total", "node", "active total", _zone("package")),
        Family("kepler_node_cpu_active_watts", "node", "active", _zone("package")),
        Family("kepler_node_cpu_idle_joules_total", "node", "idle total", _zone("package")),
        Family("kepler_node_cpu_idle_watts", "node", "idle", _zone("package")),
        Family("kepler_node_cpu_joules_total", "node", "package total", _zone("package")),
        Family("kepler_node_cpu_joules_total", "node", "dram total", _zone("dram")),
        Family("kepler_node_cpu_joules_total", "node", "psys total", _zone("psys")),
        Family("kepler_node_cpu_usage_ratio", "node", "usage", _node),
        Family("kepler_node_cpu_watts", "node", "package", _zone("package")),
        Family("kepler_node_cpu_watts", "node", "dram", _zone("dram")),
        Family("kepler_node_cpu_watts", "node", "psys", _zone("psys")),
        Family("kepler_node_gpu_joules_total", "gpu", "gpu total", _gpu),
        Family("kepler_node_gpu_watts", "gpu", "gpu", _gpu),
        Family("kepler_platform_watts", "node", "platform", _platform),
        Family("kepler_pod_cpu_joules_total", "pod", "pod package total", _pod(zone="package")),
        Family("kepler_pod_cpu_joules_total", "pod", "pod dram total", _pod(zone="dram")),
        Family("kepler_pod_cpu_watts", "pod", "pod package", _pod(zone="package")),
        Family("kepler_pod_cpu_watts", "pod", "pod dram", _pod(zone="dram")),
        Family("kepler_pod_gpu_watts", "pod", "pod gpu", _pod()),
    ),
    says_node=True,
)
"""Since 0.10."""


def _old_node(mode: str, package: str = "0") -> Labels:
    def labels(layout: Layout, row: int) -> Mapping[str, str]:
        source = "rapl-sysfs" if package else "redfish"
        return {"instance": layout.node_name(row), "mode": mode, "package": package or "0", "source": source}

    return labels


def _old_container(mode: str, source: str = "") -> Labels:
    def labels(layout: Layout, row: int) -> Mapping[str, str]:
        truth = layout.truth
        return {
            "container_id": container_id(truth.pod_uid[row]),
            "container_name": CONTAINER,
            "container_namespace": truth.pod_namespace[row],
            "mode": mode,
            "pod_name": truth.pod_name[row],
            "source": source,
        }

    return labels


def _dynamic_sum(said: Said, _layout: Layout) -> Floats:
    total: Floats = sum(
        (said.readings["kepler-old", what].value for what in ("pod dram", "pod gpu")),
        start=said.readings["kepler-old", "pod dynamic"].value,
    )
    return total


_OLD_ZONE = "Aggregated value in {} zone in joules"
_OLD_POD = "Aggregated value in {} zone of the container in joules"
_DYNAMIC, _IDLE = _old_container("dynamic", "rapl-sysfs"), _old_container("idle", "rapl-sysfs")

KEPLER_OLD = Exporter(
    "kepler-old",
    9102,
    {
        "kepler_node_package_joules_total": ("counter", _OLD_ZONE.format("package")),
        "kepler_node_dram_joules_total": ("counter", _OLD_ZONE.format("dram")),
        "kepler_node_platform_joules_total": ("counter", "Aggregated energy of the whole node in joules"),
        "kepler_container_package_joules_total": ("counter", _OLD_POD.format("package")),
        "kepler_container_dram_joules_total": ("counter", _OLD_POD.format("dram")),
        "kepler_container_gpu_joules_total": ("counter", _OLD_POD.format("gpu")),
        "kepler_container_joules_total": ("counter", "Aggregated energy of the container in all zones in joules"),
    },
    (
        Family("kepler_node_package_joules_total", "node", "package dynamic", _old_node("dynamic")),
        Family("kepler_node_package_joules_total", "node", "package idle", _old_node("idle")),
        Family("kepler_node_dram_joules_total", "node", "dram", _old_node("dynamic")),
        Family("kepler_node_platform_joules_total", "node", "platform", _old_node("dynamic", "")),
        Family("kepler_container_package_joules_total", "pod", "pod dynamic", _DYNAMIC, repeats=True),
        Family("kepler_container_package_joules_total", "pod", "pod idle", _IDLE, repeats=True),
        Family("kepler_container_dram_joules_total", "pod", "pod dram", _DYNAMIC, repeats=True),
        Family("kepler_container_gpu_joules_total", "pod", "pod gpu", _old_container("dynamic", "nvml"), repeats=True),
        Family("kepler_container_joules_total", "pod", "pod dynamic", _old_container("dynamic"), _dynamic_sum),
        Family("kepler_container_joules_total", "pod", "pod idle", _old_container("idle")),
    ),
)
"""Until 0.7."""
