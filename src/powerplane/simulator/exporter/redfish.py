"""Management controllers as Redfish shows them: the resources that a client reads power from (DSP0266, DSP2046).

Each node has a service of its own under ``/bmc/NODE``, as it has an address of its own in a real rack; ``/redfish/v1``
itself shows all nodes as chassis of one service, as an enclosure's or a rack's manager does.
"""

from collections.abc import Mapping
from typing import Any

from powerplane.simulator.sensors.bank import Said

ROOT = "/redfish/v1"
Resource = dict[str, Any]


def resource(said: Said, path: str, places: Mapping[str, Mapping[str, str]]) -> Resource | None:
    """Return the resource under a path, None where there is none.

    Parameters
    ----------
    said : Said
    path : str
        ``/redfish/v1…``, or ``/bmc/NODE/redfish/v1…``.
    places : mapping of str to (mapping of str to str)
        Of nodes: ``Row`` and ``Rack``, as their chassis tell them.
    """
    prefix, found, rest = path.partition(ROOT)
    if not found or rest[:1] not in ("", "/"):
        return None
    node = prefix.removeprefix("/bmc/") if prefix else ""
    names = {"1": node} if prefix else {}
    if prefix and node not in said.truth.nodes:
        return None
    parts = [part for part in rest.split("/") if part]
    base = prefix + ROOT
    match parts:
        case []:
            return _service(base)
        case ["Chassis"]:
            return _collection(base, list(names) or list(said.truth.nodes))
        case ["Chassis", name, *what]:
            node = names.get(name, "") if prefix else name
            row = said.truth.nodes.index(node) if node in said.truth.nodes else -1
            if row < 0:
                return None
            return _chassis(said, row, f"{base}/Chassis/{name}", what, places.get(node, {}))
    return None


def _service(base: str) -> Resource:
    return {
        "@odata.id": base,
        "@odata.type": "#ServiceRoot.v1_15_0.ServiceRoot",
        "Id": "RootService",
        "Name": "Root Service",
        "RedfishVersion": "1.15.0",
        "Chassis": {"@odata.id": f"{base}/Chassis"},
    }


def _collection(base: str, names: list[str]) -> Resource:
    return {
        "@odata.id": f"{base}/Chassis",
        "@odata.type": "#ChassisCollection.ChassisCollection",
        "Name": "Chassis Collection",
        "Members@odata.count": len(names),
        "Members": [{"@odata.id": f"{base}/Chassis/{name}"} for name in names],
    }


def _chassis(said: Said, row: int, at: str, what: list[str], place: Mapping[str, str]) -> Resource | None:
    spoken = said.readings["redfish", "power"]
    watts = float(spoken.value[row]) if spoken.there[row] else None
    match what:
        case []:
            return {
                "@odata.id": at,
                "@odata.type": "#Chassis.v1_25_0.Chassis",
                "Id": at.rpartition("/")[2],
                "Name": said.truth.nodes[row],
                "ChassisType": "RackMount",
                "PowerState": "On" if said.truth.lit[row] else "Off",
                "Location": {"Placement": dict(place)},
                "Power": {"@odata.id": f"{at}/Power"},
                "EnvironmentMetrics": {"@odata.id": f"{at}/EnvironmentMetrics"},
            }
        case ["Power"]:
            return _power(at, watts)
        case ["EnvironmentMetrics"]:
            celsius = said.readings["redfish", "celsius"]
            return {
                "@odata.id": f"{at}/EnvironmentMetrics",
                "@odata.type": "#EnvironmentMetrics.v1_3_0.EnvironmentMetrics",
                "Id": "EnvironmentMetrics",
                "Name": "Environment Metrics",
                "PowerWatts": {"Reading": watts},
                "TemperatureCelsius": {"Reading": float(celsius.value[row]) if celsius.there[row] else None},
            }
    return None


def _power(at: str, watts: float | None) -> Resource:
    """Chassis' ``Power`` (deprecated in favour of PowerSubsystem, and still what most controllers answer)."""
    return {
        "@odata.id": f"{at}/Power",
        "@odata.type": "#Power.v1_7_1.Power",
        "Id": "Power",
        "Name": "Power",
        "PowerControl": [
            {
                "@odata.id": f"{at}/Power#/PowerControl/0",
                "MemberId": "0",
                "Name": "Server Power Control",
                "PowerConsumedWatts": watts,
                "PowerLimit": {"LimitInWatts": None, "LimitException": "NoAction", "CorrectionInMs": 0},
                "Status": {"State": "Enabled", "Health": "OK"},
            }
        ],
    }
