"""What measures machines: node_exporter, the IPMI exporter, Telegraf and DCGM's.

Names and labels: node_exporter's collectors (rapl_linux.go, hwmon_linux.go, cpu_linux.go), ipmi_exporter's
``docs/metrics.md``, dcgm-exporter's ``etc/default-counters.csv`` and its renderer,
Telegraf's ``plugins/inputs/redfish``.
"""

from collections.abc import Mapping

import numpy as np

from powerplane.simulator.exporter.family import Family, Labels
from powerplane.simulator.exporter.kepler import CONTAINER
from powerplane.simulator.exporter.layout import IDLE_MODES, MODES, Layout, cpu_of
from powerplane.simulator.exporter.page import Exporter
from powerplane.simulator.sensors.bank import Said
from powerplane.simulator.sensors.channels import Floats

DRIVER = "570.86.15"


def _labels(**own: str) -> Labels:
    def labels(_layout: Layout, _row: int) -> Mapping[str, str]:
        return own

    return labels


def _cpu(layout: Layout, row: int) -> Mapping[str, str]:
    cpu, mode = cpu_of(layout, row)
    return {"cpu": str(cpu), "mode": MODES[mode][0]}


def _cpu_seconds(said: Said, layout: Layout) -> Floats:
    """Seconds of every CPU and mode: a node's busy time spread evenly over its CPUs."""
    node = layout.universes["cpu"].node
    mode = np.arange(len(node)) - np.searchsorted(node, node)
    mode %= len(MODES)
    cores = np.maximum(np.round(said.truth.cores), 1)
    busy = said.readings["node-exporter", "cpu"].value / cores
    idle = np.maximum(said.readings["node-exporter", "cores"].value / cores - busy, 0.0)
    share = np.array([share for _, share in MODES])[mode]
    seconds: Floats = np.round(np.where(mode < IDLE_MODES, idle[node], busy[node]) * share, 2)
    return seconds


def _uname(layout: Layout, row: int) -> Mapping[str, str]:
    return {
        "domainname": "(none)",
        "machine": "x86_64",
        "nodename": layout.node_name(row),
        "release": "6.1.0",
        "sysname": "Linux",
        "version": "#1 SMP",
    }


def _gpu(layout: Layout, row: int) -> Mapping[str, str]:
    truth = layout.truth
    index = int(layout.gpu_index[row])
    labels = {
        "DCGM_FI_DRIVER_VERSION": DRIVER,
        "UUID": truth.gpu_uuid[row],
        "device": f"nvidia{index}",
        "gpu": str(index),
        "hostname": layout.node_name(int(truth.gpu_node[row])),
        "modelName": truth.gpu_model[row],
        "pci_bus_id": f"00000000:{16 + index:02X}:00.0",
    }
    pod = int(truth.gpu_pod[row])
    if pod < 0:
        return labels
    return labels | {"container": CONTAINER, "namespace": truth.pod_namespace[pod], "pod": truth.pod_name[pod]}


_METER, _CORETEMP = "platform_acpi000d:00", "platform_coretemp_0"
_POWERCAP = "/sys/class/powercap/intel-rapl:0"

NODE_EXPORTER = Exporter(
    "node-exporter",
    9100,
    {
        "node_cpu_seconds_total": ("counter", "Seconds the CPUs spent in each mode."),
        "node_hwmon_power_average_watt": ("gauge", "Hardware monitor for power usage in watts (average)"),
        "node_hwmon_temp_celsius": ("gauge", "Hardware monitor for temperature (input)"),
        "node_rapl_dram_joules_total": ("counter", "Current RAPL dram value in joules"),
        "node_rapl_package_joules_total": ("counter", "Current RAPL package value in joules"),
        "node_uname_info": ("gauge", "Labeled system information as provided by the uname system call."),
    },
    (
        Family("node_cpu_seconds_total", "cpu", "cpu", _cpu, _cpu_seconds),
        Family("node_hwmon_power_average_watt", "node", "power", _labels(chip=_METER, sensor="power1")),
        Family("node_hwmon_temp_celsius", "node", "celsius", _labels(chip=_CORETEMP, sensor="temp1")),
        Family("node_rapl_dram_joules_total", "node", "dram", _labels(index="0", path=f"{_POWERCAP}:0")),
        Family("node_rapl_package_joules_total", "node", "package", _labels(index="0", path=_POWERCAP)),
        Family("node_uname_info", "node", "", _uname),
    ),
    says_node=True,
)
"""Names its node in ``node_uname_info`` alone; its other series are known by their instance."""

IPMI = Exporter(
    "ipmi",
    9290,
    {
        "ipmi_dcmi_power_consumption_current_watts": ("gauge", "Current power consumption in Watts."),
        "ipmi_fan_speed_rpm": ("gauge", "Fan speed in rotations per minute."),
        "ipmi_temperature_celsius": ("gauge", "Temperature reading in degree Celsius."),
        "ipmi_up": ("gauge", "'1' if a scrape of the IPMI device was successful, '0' otherwise."),
    },
    (
        Family("ipmi_dcmi_power_consumption_current_watts", "node", "power", _labels()),
        Family("ipmi_fan_speed_rpm", "node", "fan", _labels(id="48", name="FAN1")),
        Family("ipmi_temperature_celsius", "node", "celsius", _labels(id="1", name="CPU1 Temp")),
        Family("ipmi_up", "node", "", _labels(collector="dcmi")),
        Family("ipmi_up", "node", "", _labels(collector="ipmi")),
    ),
)


def _chassis(layout: Layout, row: int) -> Mapping[str, str]:
    node = layout.node_name(row)
    place = layout.places.get(node, {})
    return {
        "address": layout.addresses[row],
        "datacenter": "",
        "member_id": "0",
        "name": "Server Power Control",
        "rack": place.get("Rack", ""),
        "room": "",
        "row": place.get("Row", ""),
        "source": node,
    }


TELEGRAF = Exporter(
    "telegraf",
    9273,
    {"redfish_power_powercontrol_power_consumed_watts": ("gauge", "Telegraf collected metric")},
    (Family("redfish_power_powercontrol_power_consumed_watts", "node", "power", _chassis),),
    says_node=True,
    per_node=False,
)
"""Telegraf's ``inputs.redfish``: one of it asks every management controller, every 10 s."""

DCGM = Exporter(
    "dcgm",
    9400,
    {
        "DCGM_FI_DEV_GPU_TEMP": ("gauge", "GPU temperature (in C)."),
        "DCGM_FI_DEV_POWER_USAGE": ("gauge", "Power draw (in W)."),
        "DCGM_FI_DEV_POWER_MGMT_LIMIT": ("gauge", "Current power limit (in W)."),
        "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": ("counter", "Total energy consumption since boot (in mJ)."),
        "DCGM_FI_DEV_GPU_UTIL": ("gauge", "GPU utilization (in %)."),
    },
    (
        Family("DCGM_FI_DEV_GPU_TEMP", "gpu", "celsius", _gpu),
        Family("DCGM_FI_DEV_POWER_USAGE", "gpu", "power", _gpu),
        Family("DCGM_FI_DEV_POWER_MGMT_LIMIT", "gpu", "limit", _gpu),
        Family("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "gpu", "energy", _gpu),
        Family("DCGM_FI_DEV_GPU_UTIL", "gpu", "utilisation", _gpu),
    ),
    says_node=True,
    gpu_only=True,
)
