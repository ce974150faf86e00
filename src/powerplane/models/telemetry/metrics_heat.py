"""The declared table's rows of heat beside watts."""

from dataclasses import replace

from powerplane.models.telemetry.metric_labels import TELEGRAF_NODE, hwmon, ipmi
from powerplane.models.telemetry.readings import Meaning, Quantity

_CORETEMP = (("chip", "~platform_coretemp_.*"), ("sensor", "temp1"))
"""The packages of Intel's processors; AMD's have no name that tells them from other chips."""

PACKAGE_TEMPERATURE = "~CPU1 Temp|CPU2 Temp|CPU Temp|CPU1_Temp|CPU2_Temp|Temp CPU1|Temp CPU2|02-CPU 1|03-CPU 2"


def _telegraf_heat(metric: str, quantity: Quantity, unit: str, where: tuple[tuple[str, str], ...]) -> Meaning:
    """Return what Telegraf reads of Redfish's Thermal, or of ThermalSubsystem, which replaces that."""
    return Meaning(metric, "telegraf", quantity, "gauge", unit, node=TELEGRAF_NODE, device=("name",), where=where)


HEAT = (
    replace(
        ipmi("ipmi_temperature_celsius", "ipmi-sensor", "celsius", "°C", (("name", PACKAGE_TEMPERATURE),)),
        device=("name",),
    ),
    replace(hwmon("node_hwmon_temp_celsius", "celsius", "°C", _CORETEMP), device=("chip",)),
    replace(hwmon("node_hwmon_fan_rpm", "fan rpm", "rpm", ()), device=("chip", "sensor")),
    _telegraf_heat("redfish_thermal_fans_reading_rpm", "fan rpm", "rpm", ()),
    _telegraf_heat("redfish_thermalsubsys_fans_reading_rpm", "fan rpm", "rpm", ()),
    _telegraf_heat("redfish_thermal_temperatures_reading_celsius", "celsius", "°C", (("name", PACKAGE_TEMPERATURE),)),
    _telegraf_heat(
        "redfish_thermalsubsys_temperatures_reading_celsius", "celsius", "°C", (("name", PACKAGE_TEMPERATURE),)
    ),
)
"""Heat beside watts: read by `fit` alone, since no plan and no round of watts rests on it."""
