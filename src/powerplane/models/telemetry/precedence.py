"""Which source is believed before which, for each quantity, and why. An order that is stated, and shown with results.

A node's watts are best measured at its wall or power supplies; the sum of parts (packages, memory, GPUs) leaves out
fans, disks, boards and losses, and is used where nothing measures the whole.
"""

from powerplane.models.telemetry.metrics import MEANINGS
from powerplane.models.telemetry.readings import Meaning, Quantity

WALL_SOURCES: tuple[str, ...] = ("redfish", "ipmi", "telegraf", "kepler-platform", "hwmon", "ipmi-sensor")
"""Who measures whole nodes, the best first."""

PART_SOURCES: tuple[str, ...] = ("kepler", "rapl", "scaphandre", "kepler-old")
"""Who measures packages and memory, the best first; GPUs are added from ``GPU_SOURCES``."""

NODE_SOURCES: tuple[str, ...] = (*WALL_SOURCES, *PART_SOURCES)
"""Whom a node's watts are taken from: the first that can be believed."""

GPU_SOURCES: tuple[str, ...] = ("dcgm", "kepler")

POD_SHARE_SOURCES: tuple[str, ...] = ("kepler", "kepler-old", "scaphandre")

NODE_USE_SOURCES: tuple[str, ...] = ("cadvisor", "kubelet", "node-exporter", "metrics-server")

POD_USE_SOURCES: tuple[str, ...] = ("cadvisor", "kubelet", "metrics-server")

PRECEDENCE: dict[Quantity, tuple[str, ...]] = {
    "node watts": WALL_SOURCES,
    "cpu watts": PART_SOURCES,
    "dram watts": PART_SOURCES,
    "gpu watts": (*GPU_SOURCES, "kepler-old"),
    "pod watts": POD_SHARE_SOURCES,
    "node cpu cores": NODE_USE_SOURCES,
    "pod cpu cores": POD_USE_SOURCES,
    "gpu utilisation": ("dcgm",),
    "gpu limit watts": ("dcgm",),
    "celsius": ("ipmi-sensor", "hwmon", "telegraf", "dcgm"),
    "fan rpm": ("ipmi-sensor", "hwmon", "telegraf"),
    "throughput": ("vllm", "kserve", "knative"),
    "info": ("kube-state-metrics", "node-exporter"),
}
"""Sources of each quantity, the best first."""

WHY: dict[str, str] = {
    "redfish": "the node's own management controller, asked directly, so that nothing stands between",
    "ipmi": "the same controller by DCMI, whose figure is of the whole machine",
    "telegraf": "the same controller by Redfish, as old as Telegraf's interval and Prometheus' scrape together",
    "kepler-platform": "the same by way of Kepler, which calls it experimental",
    "hwmon": "the ACPI power meter as the kernel shows it: the whole machine, but not on every board, and often coarse",
    "ipmi-sensor": "a sensor whose name says that it is the whole machine, which its exporter does not vouch for",
    "kepler": "packages, memory and GPUs; each zone summed over the sockets, overlapping zones told apart",
    "rapl": "the same counters of the processor, without GPUs",
    "scaphandre": "the same counters of the processor, one more estimate away",
    "kepler-old": "Kepler up to 0.7; on machines without the counters it reports a model's estimate",
    "dcgm": "NVIDIA's own reading of each card",
    "cadvisor": "one counter a node and a pod, with the times at which the kubelet took them",
    "kubelet": "the same counters from the kubelet's resource page, which is scraped less often",
    "node-exporter": "a counter a CPU and mode, which have to be summed",
    "metrics-server": "averages over a window of its own, coarse and late; there where nothing else is installed",
    "kube-state-metrics": "what the API server knows of pods and nodes",
    "vllm": "tokens, which say more of a model's work than requests do",
    "kserve": "requests that the model server itself has answered",
    "knative": "requests that the proxy beside the container has passed on",
}
"""What each source is, and why it stands where it does."""


def rank(meaning: Meaning) -> int:
    """Place of a row among all of its quantity: first by its source, then by the table; 0 is the best."""
    order = PRECEDENCE[meaning.quantity]
    rows = [row for row in MEANINGS if row.quantity == meaning.quantity]
    ranked = sorted(rows, key=lambda row: (order.index(row.source), rows.index(row)))
    return ranked.index(meaning)
