"""The declared table's rows of watts: of machines, of their processors and accelerators, and of pods."""

from dataclasses import replace

from powerplane.models.telemetry.metric_labels import HOST, NAMESPACE, PLACE, POD, TELEGRAF_NODE, hwmon, ipmi
from powerplane.models.telemetry.readings import Kind, Meaning, Quantity

WHOLE_MACHINE = "~Pwr Consumption|Power Meter|Sys_Power|System Power|Total_Power|Total Power|PS_Total|Sys Power"
INLET = "~Inlet Temp|01-Inlet Ambient|Ambient Temp|Inlet_Temp|Front Panel Temp|Ambient"
"""Sensors by vendors' names for them: Dell, HPE, Lenovo, Supermicro, Inspur, Intel. Plain alternatives, which
Prometheus looks up; a pattern would be tried on the names of all containers, which cAdvisor keeps under that label."""


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


def _unit(kind: Kind) -> str:
    return "W" if kind == "gauge" else "J"


REDFISH = tuple(
    Meaning(metric, "redfish", "node watts", "gauge", "W", node=("node",), device=device, kept=PLACE)
    for metric, device in (
        ("EnvironmentMetrics.PowerWatts", ()),
        ("PowerControl.PowerConsumedWatts", ()),
        ("PowerSupplyMetrics.InputPowerWatts", ("device",)),
    )
)
"""Asked of the BMC itself; no Prometheus metrics, and named after the property that is read."""

IPMI = (
    ipmi("ipmi_dcmi_power_consumption_current_watts", "ipmi", "node watts", "W", ()),
    ipmi("ipmi_dcmi_power_consumption_watts", "ipmi", "node watts", "W", ()),
    ipmi(
        "ipmi_power_watts",
        "ipmi-sensor",
        "node watts",
        "W",
        (("name", WHOLE_MACHINE),),
    ),
    replace(
        ipmi("ipmi_temperature_celsius", "ipmi-sensor", "celsius", "°C", (("name", INLET),)),
        device=("name",),
    ),
    replace(ipmi("ipmi_fan_speed_rpm", "ipmi-sensor", "fan rpm", "rpm", ()), device=("name",)),
)

TELEGRAF = Meaning(
    "redfish_power_powercontrol_power_consumed_watts",
    "telegraf",
    "node watts",
    "gauge",
    "W",
    node=TELEGRAF_NODE,
    # The first control is the whole chassis; others are parts of it, and never added.
    where=(("member_id", "~0|PowerControl|"),),
    kept=PLACE,
)

KEPLER = (
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

KEPLER_OLD = (
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

NODE_EXPORTER = (
    _rapl("package", "cpu watts", labelled=False),
    _rapl("package", "cpu watts", labelled=True),
    _rapl("dram", "dram watts", labelled=False),
    _rapl("dram", "dram watts", labelled=True),
    # The ACPI power meter (ACPI000D) measures the whole machine; what other chips measure is not known from here.
    hwmon("node_hwmon_power_average_watt", "node watts", "W", (("chip", "~.*acpi000d:.*|.*power_meter.*"),)),
    hwmon("node_hwmon_power_input_watt", "node watts", "W", (("chip", "~.*acpi000d:.*|.*power_meter.*"),)),
)

SCAPHANDRE = (
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

DCGM = (
    _dcgm("DCGM_FI_DEV_POWER_USAGE", "gpu watts", "gauge", "W"),
    _dcgm("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "gpu watts", "counter", "mJ", 1e-3),
    _dcgm("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "gpu utilisation", "gauge", "ratio"),
    _dcgm("DCGM_FI_DEV_GPU_UTIL", "gpu utilisation", "gauge", "%", 0.01),
    _dcgm("DCGM_FI_DEV_POWER_MGMT_LIMIT", "gpu limit watts", "gauge", "W"),
    _dcgm("DCGM_FI_DEV_GPU_TEMP", "celsius", "gauge", "°C"),
)
