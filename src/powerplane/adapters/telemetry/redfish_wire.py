"""One Redfish service: where it tells the power of its node, and what it tells.

Newer services have ``EnvironmentMetrics`` (Redfish 2020.4 on), older ones ``Power`` with its ``PowerControl``; some
have neither, but power supplies with metrics. What answered once is asked again, so that a round costs one request.
The first member of ``PowerControl`` is the whole chassis; others are parts of it on many machines, and never added.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from powerplane.adapters.telemetry.redfish_http import Json, RedfishError, RedfishHttp

ROOT = "/redfish/v1"
MOST_MEMBERS = 64
"""Of a collection that are looked at."""

ENVIRONMENT, CONTROL, SUPPLIES = (
    "EnvironmentMetrics.PowerWatts",
    "PowerControl.PowerConsumedWatts",
    "PowerSupplyMetrics.InputPowerWatts",
)
NO_READING = "no power reading"


@dataclass(frozen=True, slots=True)
class Found:
    """Where a service tells its power.

    Parameters
    ----------
    property : str
        Which of the three: ``ENVIRONMENT``, ``CONTROL``, ``SUPPLIES``.
    paths : tuple of str
        Resources that hold it: one, or one a power supply.
    place : tuple of str
        Data centre, room, row and rack; "" where the chassis does not say.
    """

    property: str
    paths: tuple[str, ...]
    place: tuple[str, str, str, str]


class RedfishService:
    """Reads one service. Not for several threads at once.

    Parameters
    ----------
    http : RedfishHttp
    chassis : str
        Id of the chassis to read; the only one with a reading where "".
    """

    def __init__(self, http: RedfishHttp, chassis: str = "") -> None:
        self._http = http
        self._chassis_id = chassis
        self._found: Found | None = None

    def read(self) -> tuple[Found, tuple[float, ...]]:
        """Return where the power stands, and its watts: one figure, or one a power supply.

        Raises
        ------
        RedfishError
        """
        self._http.begin()
        if self._found:
            try:
                return self._found, self._watts(self._found)
            except RedfishError as error:
                if error.reason != NO_READING:
                    raise
                # A firmware update may have moved it.
                self._found = None
        self._found, watts = self._discovered()
        return self._found, watts

    def rest(self) -> None:
        """Close the connection until the next reading."""
        self._http.rest()

    def close(self) -> None:
        """End the session."""
        self._http.close()

    def _discovered(self) -> tuple[Found, tuple[float, ...]]:
        readable = [first for chassis in self._chassis() if (first := self._first(chassis))]
        if not readable:
            raise RedfishError(NO_READING, "no chassis tells its power")
        if len(readable) > 1:
            raise RedfishError("several chassis", f"{len(readable)} chassis tell a power; name one of them")
        return readable[0]

    def _first(self, chassis: Json) -> tuple[Found, tuple[float, ...]] | None:
        """The best reading of a chassis; None where it has none."""
        for found in self._candidates(chassis):
            try:
                return found, self._watts(found)
            except RedfishError as error:
                if error.reason != NO_READING:
                    raise
        return None

    def _chassis(self) -> list[Json]:
        """Every chassis that may be the node: the one named, else those of its systems, else all."""
        if self._chassis_id:
            return [self._needed(f"{ROOT}/Chassis/{self._chassis_id}")]
        paths = list(_members(self._needed(f"{ROOT}/Chassis")))
        if len(paths) > 1:
            of_systems = {
                _path(link)
                for system in _members(self._got(f"{ROOT}/Systems"))
                for link in _list(_dict(self._got(system).get("Links")).get("Chassis"))
            }
            paths = [path for path in paths if path in of_systems] or paths
        return [self._needed(path) for path in paths]

    def _candidates(self, chassis: Json) -> Iterator[Found]:
        """Where a chassis may tell its power, the best first."""
        place = _place(chassis)
        if path := _path(chassis.get("EnvironmentMetrics")):
            yield Found(ENVIRONMENT, (path,), place)
        if path := _path(chassis.get("Power")):
            yield Found(CONTROL, (path,), place)
        if path := _path(chassis.get("PowerSubsystem")):
            supplies = _members(self._got(_path(self._got(path).get("PowerSupplies"))))
            metrics = tuple(_path(self._got(supply).get("Metrics")) for supply in supplies)
            # One that does not tell would make the sum too low.
            if metrics and all(metrics):
                yield Found(SUPPLIES, metrics, place)

    def _watts(self, found: Found) -> tuple[float, ...]:
        return tuple(_reading(found.property, self._needed(path)) for path in found.paths)

    def _got(self, path: str) -> Json:
        """Return a resource; an empty one where there is none."""
        return (self._http.get(path) if path else None) or {}

    def _needed(self, path: str) -> Json:
        resource = self._http.get(path)
        if resource is None:
            raise RedfishError(NO_READING, f"{path} is not there")
        return resource


def _reading(name: str, resource: Json) -> float:
    """Watts in a resource."""
    if name == CONTROL:
        controls = _list(resource.get("PowerControl"))
        value = _dict(controls[0]).get("PowerConsumedWatts") if controls else None
    else:
        value = _dict(resource.get(name.partition(".")[2])).get("Reading")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RedfishError(NO_READING, f"{name} has no figure")
    return float(value)


def _place(chassis: Json) -> tuple[str, str, str, str]:
    placement = _dict(_dict(chassis.get("Location")).get("Placement"))
    address = _dict(_dict(chassis.get("Location")).get("PostalAddress"))
    centre = _text(address.get("DataCenter")) or _text(address.get("Building"))
    return centre, _text(address.get("Room")), _text(placement.get("Row")), _text(placement.get("Rack"))


def _members(collection: Json) -> Iterator[str]:
    for member in _list(collection.get("Members"))[:MOST_MEMBERS]:
        if path := _path(member):
            yield path


def _path(link: Any) -> str:
    """Where a link leads, on this service: a path from its root, and nothing else."""
    path = _text(_dict(link).get("@odata.id"))
    return path.partition("#")[0] if path.startswith("/") and not path.startswith("//") else ""


def _dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
