"""The declared table: every metric that is read, what it means, in which unit, and which labels say whose it is.

Rows of one source and quantity with the same part are alternatives, the better one first; rows with different parts
add up. Names and labels are those of the exporters' own sources and pages: Kepler (docs/user/metrics.md, and
pkg/metrics of v0.7.12), dcgm-exporter (etc/default-counters.csv), node_exporter (collector/rapl_linux.go, hwmon),
ipmi_exporter (docs/metrics.md), Telegraf (inputs.redfish), Scaphandre (references/metrics.md), cAdvisor,
kube-state-metrics and the kubelet. Nothing here is written twice: the reference page is made from this table.
"""

from collections.abc import Iterable
from dataclasses import replace

from powerplane.models.telemetry.readings import Kind, Meaning, Quantity

NODE = ("node", "kubernetes_node", "node_name", "nodename")
"""Labels that name a node outright."""

HOST = (*NODE, "hostname", "Hostname", "host", "instance")
"""The same, else a host name, else the scraped address, which stands for the node until the two are matched."""

NAMESPACE, POD = ("exported_namespace", "namespace"), ("exported_pod", "pod")
"""Of the pod that is measured: Prometheus renames what an exporter says to ``exported_`` when it keeps its own."""

WORKED = "~user|nice|system|irq|softirq|steal"
"""Modes of a CPU in which it works; guest time is part of user time, and waiting for a disk is idle."""


WHOLE_MACHINE = "~Pwr Consumption|Power Meter|Sys_Power|System Power|Total_Power|Total Power|PS_Total|Sys Power"
INLET = "~Inlet Temp|01-Inlet Ambient|Ambient Temp|Inlet_Temp|Front Panel Temp|Ambient"
"""Sensors by vendors' names for them: Dell, HPE, Lenovo, Supermicro, Inspur, Intel. Plain alternatives, which
Prometheus looks up; a pattern would be tried on the names of all containers, which cAdvisor keeps under that label."""

NODE_LABELS = (
    "label_powerplane_dev_rack",
    "label_topology_kubernetes_io_rack",
    "label_powerplane_dev_row",
    "label_powerplane_dev_feed",
)
"""Labels of nodes, as kube-state-metrics spells them where it is told to show them."""


def _kepler(metric: str, quantity: Quantity, kind: Kind, zone: str) -> Meaning:
    """Return one zone of a node, as Kepler sums it over the sockets; zones overlap, so that each is a row."""
    return Meaning(metric, "kepler", quantity, kind, _unit(kind), node=("node_name",), where=(("zone", zone),))


def _kepler_pod(zone: str) -> Meaning:
    return Meaning(
        "kepler_pod_cpu_watts",
        "kepler",
        "pod watts",
        "gauge",
        "W",
        node=("node_name",),
        namespace=("pod_namespace",),
        pod=("pod_name",),
        uid=("pod_id",),
        where=(("state", "running"), ("zone", zone)),
        part=zone,
    )


def _kepler_old(zone: str, quantity: Quantity, device: tuple[str, ...], sum_over: tuple[str, ...]) -> Meaning:
    """Return a node's counter of Kepler up to 0.7, which parts each zone into idle and dynamic energy."""
    return Meaning(
        f"kepler_node_{zone}_joules_total",
        "kepler-old",
        quantity,
        "counter",
        "J",
        # `instance` is set by Kepler itself to the node's name, and renamed where Prometheus sets its own.
        node=("exported_instance", "node", "kubernetes_node", "instance"),
        device=device,
        sum_over=sum_over,
    )


def _rapl(zone: str, quantity: Quantity, *, labelled: bool) -> Meaning:
    """Return a zone of node_exporter: a metric each, or with ``--collector.rapl.enable-zone-label`` a label."""
    return Meaning(
        "node_rapl_joules_total" if labelled else f"node_rapl_{zone}_joules_total",
        "rapl",
        quantity,
        "counter",
        "J",
        node=HOST,
        device=("path", "index"),
        where=(("rapl_zone", zone),) if labelled else (),
    )


def _hwmon(metric: str, quantity: Quantity, unit: str, where: tuple[tuple[str, str], ...]) -> Meaning:
    return Meaning(metric, "hwmon", quantity, "gauge", unit, node=HOST, where=where)


def _ipmi(metric: str, source: str, quantity: Quantity, unit: str, where: tuple[tuple[str, str], ...]) -> Meaning:
    return Meaning(metric, source, quantity, "gauge", unit, node=HOST, where=where)


def _dcgm(metric: str, quantity: Quantity, kind: Kind, unit: str, scale: float = 1.0) -> Meaning:
    """Return a figure of one GPU, and the pod that holds it where the exporter knows."""
    return Meaning(
        metric,
        "dcgm",
        quantity,
        kind,
        unit,
        scale,
        node=HOST,
        namespace=NAMESPACE,
        pod=POD,
        container=("exported_container", "container"),
        device=("UUID", "uuid", "gpu"),
    )


def _cadvisor(quantity: Quantity, where: tuple[tuple[str, str], ...]) -> Meaning:
    metric = "container_cpu_usage_seconds_total"
    return Meaning(metric, "cadvisor", quantity, "counter", "s", node=HOST, where=where)


def _state(metric: str, kept: tuple[str, ...]) -> Meaning:
    """Return a row of kube-state-metrics whose labels are what is read."""
    return Meaning(metric, "kube-state-metrics", "info", "gauge", "", node=("exported_node", "node"), kept=kept)


def _unit(kind: Kind) -> str:
    return "W" if kind == "gauge" else "J"


PLACE = ("datacenter", "room", "row", "rack")
"""Where a chassis says that it stands."""

REDFISH = tuple(
    Meaning(metric, "redfish", "node watts", "gauge", "W", node=("node",), device=device, kept=PLACE)
    for metric, device in (
        ("EnvironmentMetrics.PowerWatts", ()),
        ("PowerControl.PowerConsumedWatts", ()),
        ("PowerSupplyMetrics.InputPowerWatts", ("device",)),
    )
)
"""Asked of the BMC itself; no Prometheus metrics, and named after the property that is read."""

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

_IPMI = (
    _ipmi("ipmi_dcmi_power_consumption_current_watts", "ipmi", "node watts", "W", ()),
    _ipmi("ipmi_dcmi_power_consumption_watts", "ipmi", "node watts", "W", ()),
    _ipmi(
        "ipmi_power_watts",
        "ipmi-sensor",
        "node watts",
        "W",
        (("name", WHOLE_MACHINE),),
    ),
    replace(
        _ipmi("ipmi_temperature_celsius", "ipmi-sensor", "celsius", "°C", (("name", INLET),)),
        device=("name",),
    ),
    replace(_ipmi("ipmi_fan_speed_rpm", "ipmi-sensor", "fan rpm", "rpm", ()), device=("name",)),
)

_CORETEMP = (("chip", "~platform_coretemp_.*"), ("sensor", "temp1"))
"""The packages of Intel's processors; AMD's have no name that tells them from other chips."""

PACKAGE_TEMPERATURE = "~CPU1 Temp|CPU2 Temp|CPU Temp|CPU1_Temp|CPU2_Temp|Temp CPU1|Temp CPU2|02-CPU 1|03-CPU 2"

_TELEGRAF_NODE = ("node", "kubernetes_node", "source", "address")


def _telegraf_heat(metric: str, quantity: Quantity, unit: str, where: tuple[tuple[str, str], ...]) -> Meaning:
    """Return what Telegraf reads of Redfish's Thermal, or of ThermalSubsystem, which replaces that."""
    return Meaning(metric, "telegraf", quantity, "gauge", unit, node=_TELEGRAF_NODE, device=("name",), where=where)


HEAT = (
    replace(
        _ipmi("ipmi_temperature_celsius", "ipmi-sensor", "celsius", "°C", (("name", PACKAGE_TEMPERATURE),)),
        device=("name",),
    ),
    replace(_hwmon("node_hwmon_temp_celsius", "celsius", "°C", _CORETEMP), device=("chip",)),
    replace(_hwmon("node_hwmon_fan_rpm", "fan rpm", "rpm", ()), device=("chip", "sensor")),
    _telegraf_heat("redfish_thermal_fans_reading_rpm", "fan rpm", "rpm", ()),
    _telegraf_heat("redfish_thermalsubsys_fans_reading_rpm", "fan rpm", "rpm", ()),
    _telegraf_heat("redfish_thermal_temperatures_reading_celsius", "celsius", "°C", (("name", PACKAGE_TEMPERATURE),)),
    _telegraf_heat(
        "redfish_thermalsubsys_temperatures_reading_celsius", "celsius", "°C", (("name", PACKAGE_TEMPERATURE),)
    ),
)
"""Heat beside watts: read by `fit` alone, since no plan and no round of watts rests on it."""

_TELEGRAF = Meaning(
    "redfish_power_powercontrol_power_consumed_watts",
    "telegraf",
    "node watts",
    "gauge",
    "W",
    node=_TELEGRAF_NODE,
    # The first control is the whole chassis; others are parts of it, and never added.
    where=(("member_id", "~0|PowerControl|"),),
    kept=PLACE,
)

_KEPLER = (
    Meaning(
        "kepler_platform_watts",
        "kepler-platform",
        "node watts",
        "gauge",
        "W",
        node=("node_name",),
        where=(("source_type", "PowerControl"), ("source_id", "~0|PC1|PowerControl|")),
    ),
    Meaning(
        "kepler_platform_watts",
        "kepler-platform",
        "node watts",
        "gauge",
        "W",
        node=("node_name",),
        device=("source_id",),
        where=(("source_type", "PowerSupply"),),
    ),
    _kepler("kepler_node_cpu_watts", "cpu watts", "gauge", "package"),
    _kepler("kepler_node_cpu_joules_total", "cpu watts", "counter", "package"),
    _kepler("kepler_node_cpu_watts", "dram watts", "gauge", "dram"),
    _kepler("kepler_node_cpu_joules_total", "dram watts", "counter", "dram"),
    Meaning("kepler_node_gpu_watts", "kepler", "gpu watts", "gauge", "W", node=("node_name",), device=("gpu_uuid",)),
    Meaning(
        "kepler_node_gpu_joules_total",
        "kepler",
        "gpu watts",
        "counter",
        "J",
        node=("node_name",),
        device=("gpu_uuid",),
        # Kepler up to 0.7 has a metric of the same name, by node.
        where=(("gpu_uuid", "~.+"),),
    ),
    _kepler_pod("package"),
    _kepler_pod("dram"),
    Meaning(
        "kepler_pod_gpu_watts",
        "kepler",
        "pod watts",
        "gauge",
        "W",
        node=("node_name",),
        namespace=("pod_namespace",),
        pod=("pod_name",),
        uid=("pod_id",),
        where=(("state", "running"),),
        part="gpu",
    ),
)

_KEPLER_OLD = (
    _kepler_old("package", "cpu watts", ("package",), ("mode", "source")),
    _kepler_old("dram", "dram watts", ("package",), ("mode", "source")),
    replace(_kepler_old("gpu", "gpu watts", (), ("mode", "source", "package")), where=(("gpu_uuid", ""),)),
    Meaning(
        "kepler_container_joules_total",
        "kepler-old",
        "pod watts",
        "counter",
        "J",
        node=("node", "kubernetes_node", "instance"),
        namespace=("container_namespace",),
        pod=("pod_name",),
        where=(("mode", "dynamic"),),
        sum_over=("container_id", "container_name", "source"),
    ),
)

_NODE_EXPORTER = (
    _rapl("package", "cpu watts", labelled=False),
    _rapl("package", "cpu watts", labelled=True),
    _rapl("dram", "dram watts", labelled=False),
    _rapl("dram", "dram watts", labelled=True),
    # The ACPI power meter (ACPI000D) measures the whole machine; what other chips measure is not known from here.
    _hwmon("node_hwmon_power_average_watt", "node watts", "W", (("chip", "~.*acpi000d:.*|.*power_meter.*"),)),
    _hwmon("node_hwmon_power_input_watt", "node watts", "W", (("chip", "~.*acpi000d:.*|.*power_meter.*"),)),
)

_SCAPHANDRE = (
    Meaning(
        "scaph_socket_power_microwatts",
        "scaphandre",
        "cpu watts",
        "gauge",
        "µW",
        1e-6,
        node=HOST,
        device=("socket_id",),
    ),
    Meaning(
        "scaph_domain_power_microwatts",
        "scaphandre",
        "dram watts",
        "gauge",
        "µW",
        1e-6,
        node=HOST,
        device=("socket_id",),
        where=(("domain_name", "dram"),),
    ),
    Meaning(
        "scaph_process_power_consumption_microwatts",
        "scaphandre",
        "pod watts",
        "gauge",
        "µW",
        1e-6,
        node=("kubernetes_node_name", *HOST),
        namespace=("kubernetes_pod_namespace",),
        pod=("kubernetes_pod_name",),
        sum_over=("pid", "exe", "cmdline", "container_id"),
    ),
)

_DCGM = (
    _dcgm("DCGM_FI_DEV_POWER_USAGE", "gpu watts", "gauge", "W"),
    _dcgm("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "gpu watts", "counter", "mJ", 1e-3),
    _dcgm("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "gpu utilisation", "gauge", "ratio"),
    _dcgm("DCGM_FI_DEV_GPU_UTIL", "gpu utilisation", "gauge", "%", 0.01),
    _dcgm("DCGM_FI_DEV_POWER_MGMT_LIMIT", "gpu limit watts", "gauge", "W"),
    _dcgm("DCGM_FI_DEV_GPU_TEMP", "celsius", "gauge", "°C"),
)

_USE = (
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

_PLACES = (
    _state("kube_node_info", ("internal_ip",)),
    _state("kube_node_labels", NODE_LABELS),
    Meaning("node_uname_info", "node-exporter", "info", "gauge", "", node=("instance",), kept=("nodename",)),
)

SCRAPED = (
    *_IPMI[:2],
    _TELEGRAF,
    *_KEPLER,
    *_NODE_EXPORTER,
    *_IPMI[2:],
    *_SCAPHANDRE,
    *_KEPLER_OLD,
    *_DCGM,
    *_USE,
    *_PLACES,
)
"""What Prometheus carries and a round of watts needs."""

NEEDED = tuple(meaning for meaning in SCRAPED if meaning.quantity != "pod watts")
"""The same without what sources attribute to pods, which is only shown: more than half of all series."""

MEANINGS: tuple[Meaning, ...] = (*REDFISH, *SCRAPED, *HEAT, *OWNERS, *METRICS_SERVER)
"""The whole table."""

DEAR: tuple[Quantity, ...] = ("node cpu cores", "pod cpu cores", "pod watts")
"""What has to be summed and is one of these is read only where nothing better brought it: every CPU's, every
container's series are many times as many, and neither decides what a node counts as drawing."""


def meanings_of(source: str) -> tuple[Meaning, ...]:
    """Rows of one source, in order of preference."""
    return tuple(meaning for meaning in MEANINGS if meaning.source == source)


def meanings_for(*quantities: Quantity, among: Iterable[Meaning] = MEANINGS) -> tuple[Meaning, ...]:
    """Rows of some quantities, in order of preference."""
    return tuple(meaning for meaning in among if meaning.quantity in quantities)
