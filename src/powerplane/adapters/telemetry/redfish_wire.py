"""One Redfish service: where it tells the power of its node, and what it tells.

Newer services have ``EnvironmentMetrics`` (Redfish 2020.4 on), older ones ``Power`` with its ``PowerControl``; some
have neither, but power supplies with metrics. What answered once is asked again, so that a round costs one request.
The first member of ``PowerControl`` is the whole chassis; others are parts of it on many machines, and never added.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
import requests
from urllib3.exceptions import HTTPError

from powerplane.adapters.prometheus import BoundedSession

ROOT = "/redfish/v1"
SESSIONS = f"{ROOT}/SessionService/Sessions"
MOST_BYTES = 1 << 22
ATTEMPTS = 2
PAUSE_S = 0.2
MOST_MEMBERS = 64
"""Of a collection that are looked at."""

ENVIRONMENT, CONTROL, SUPPLIES = (
    "EnvironmentMetrics.PowerWatts",
    "PowerControl.PowerConsumedWatts",
    "PowerSupplyMetrics.InputPowerWatts",
)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A node's BMC.

    Parameters
    ----------
    node : str
        Name of the Kubernetes node.
    url : str
        Such as ``https://10.1.0.7``.
    user, password : str
        An account that may read; none where ``user`` is "".
    session : bool
        Whether to log in once and keep a token, instead of sending the password with each request.
    ca_file : str
        Certificate to trust; the usual ones where "".
    insecure : bool
        Whether any certificate is taken. The password can then be read by whoever stands between.
    chassis : str
        Id of the chassis to read; the only one with a reading by default.
    """

    node: str
    url: str
    user: str = ""
    password: str = field(default="", repr=False)
    session: bool = False
    ca_file: str = ""
    insecure: bool = False
    chassis: str = ""


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


class RedfishError(Exception):
    """No reading; ``reason`` is what it is counted as."""

    def __init__(self, reason: str, told: str) -> None:
        super().__init__(told)
        self.reason = reason


class RedfishService:
    """Reads one service. Not for several threads at once.

    Parameters
    ----------
    endpoint : Endpoint
    timeout_s : float
        For one reading, all its requests together.
    clock, sleep : callable
        Monotonic seconds; pause before a second attempt.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.endpoint = endpoint
        self._timeout_s = timeout_s
        self._clock = clock
        self._sleep = sleep
        self._until = 0.0
        self._found: Found | None = None
        self._session_path = ""
        self._http = BoundedSession(timeout_s, clock, MOST_BYTES)
        self._http.verify = not endpoint.insecure and (endpoint.ca_file or True)
        self._http.headers.update({"Accept": "application/json", "OData-Version": "4.0"})
        if endpoint.user and not endpoint.session:
            self._http.auth = (endpoint.user, endpoint.password)

    def read(self) -> tuple[Found, tuple[float, ...]]:
        """Return where the power stands, and its watts: one figure, or one a power supply.

        Raises
        ------
        RedfishError
        """
        self._until = self._clock() + self._timeout_s
        if self._found:
            try:
                return self._found, self._watts(self._found)
            except RedfishError as error:
                if error.reason != "no power reading":
                    raise
                # A firmware update may have moved it.
                self._found = None
        found, watts = self._discovered()
        self._found = found
        return found, watts

    def close(self) -> None:
        """End the session, so that the BMC, which has few, can give it to others."""
        if self._session_path:
            self._until = self._clock() + self._timeout_s
            with suppress(RedfishError):
                self._send("DELETE", self._session_path)
        self._http.close()

    def _discovered(self) -> tuple[Found, tuple[float, ...]]:
        readable = []
        for chassis in self._chassis():
            for found in self._candidates(chassis):
                try:
                    watts = self._watts(found)
                except RedfishError as error:
                    if error.reason != "no power reading":
                        raise
                    continue
                readable.append((found, watts))
                break
        if not readable:
            raise RedfishError("no power reading", "no chassis tells its power")
        if len(readable) > 1:
            raise RedfishError("several chassis", f"{len(readable)} chassis tell a power; name one of them")
        return readable[0]

    def _chassis(self) -> list[Json]:
        """Every chassis that may be the node: the one named, else those of its systems, else all."""
        if self.endpoint.chassis:
            return [self._get(f"{ROOT}/Chassis/{self.endpoint.chassis}")]
        paths = list(_members(self._get(f"{ROOT}/Chassis")))
        if len(paths) > 1:
            of_systems = {
                _path(link)
                for system in _members(self._get(f"{ROOT}/Systems", {}))
                for link in _list(_dict(self._get(system, {}).get("Links")).get("Chassis"))
            }
            paths = [path for path in paths if path in of_systems] or paths
        return [self._get(path) for path in paths]

    def _candidates(self, chassis: Json) -> Iterator[Found]:
        """Where a chassis may tell its power, the best first."""
        placement = _dict(_dict(chassis.get("Location")).get("Placement"))
        address = _dict(_dict(chassis.get("Location")).get("PostalAddress"))
        place = (
            _text(address.get("DataCenter") or address.get("Building")),
            _text(address.get("Room")),
            _text(placement.get("Row")),
            _text(placement.get("Rack")),
        )
        if path := _path(chassis.get("EnvironmentMetrics")):
            yield Found(ENVIRONMENT, (path,), place)
        if path := _path(chassis.get("Power")):
            yield Found(CONTROL, (path,), place)
        if path := _path(chassis.get("PowerSubsystem")):
            supplies = _members(self._get(_path(self._get(path, {}).get("PowerSupplies")), {}))
            metrics = tuple(_path(self._get(supply, {}).get("Metrics")) for supply in supplies)
            if metrics and all(metrics):
                yield Found(SUPPLIES, metrics, place)

    def _watts(self, found: Found) -> tuple[float, ...]:
        return tuple(_reading(found.property, self._get(path)) for path in found.paths)

    def _get(self, path: str, otherwise: Json | None = None) -> Json:
        """Return a resource; ``otherwise`` where the service does not have it."""
        if not path and otherwise is not None:
            return otherwise
        answer = self._send("GET", path)
        if answer.status_code == requests.codes.not_found:
            if otherwise is not None:
                return otherwise
            raise RedfishError("no power reading", f"{path} is not there")
        try:
            return msgspec.json.decode(answer.raw.read(), type=Json)
        except msgspec.MsgspecError as error:
            raise RedfishError("malformed", f"{path} is no JSON object: {error}") from error

    def _send(self, method: str, path: str) -> requests.Response:
        """Send, and once more where the service was busy or had forgotten the session."""
        told = ""
        for attempt in range(ATTEMPTS):
            if self.endpoint.session and self.endpoint.user and not self._session_path:
                self._log_in()
            try:
                answer = self._once(method, path)
            except (requests.RequestException, OSError, HTTPError) as error:
                told = str(error) or type(error).__name__
                if isinstance(error, requests.Timeout | requests.exceptions.SSLError):
                    break
            else:
                if answer.status_code in (requests.codes.ok, requests.codes.no_content, requests.codes.not_found):
                    return answer
                told = f"HTTP {answer.status_code} to {method} {path}"
                if answer.status_code in (401, 403) and not (answer.status_code == 401 and self._session_path):
                    raise RedfishError("refused", told)
                self._session_path = "" if answer.status_code == 401 else self._session_path
            if attempt + 1 < ATTEMPTS:
                self._sleep(PAUSE_S)
        raise RedfishError("unanswered", told)

    def _log_in(self) -> None:
        self._http.headers.pop("X-Auth-Token", None)
        account = {"UserName": self.endpoint.user, "Password": self.endpoint.password}
        try:
            answer = self._once("POST", SESSIONS, json=account)
        except (requests.RequestException, OSError, HTTPError) as error:
            raise RedfishError("unanswered", str(error) or type(error).__name__) from error
        token = answer.headers.get("X-Auth-Token", "")
        if answer.status_code not in (requests.codes.ok, requests.codes.created) or not token:
            raise RedfishError("refused", f"HTTP {answer.status_code} to a log-in")
        self._http.headers["X-Auth-Token"] = token
        location = answer.headers.get("Location", "")
        # Some answer with a whole address; the path is what counts, since nothing is sent elsewhere.
        self._session_path = f"/{location.split('://')[-1].partition('/')[2]}" if "://" in location else location
        self._session_path = self._session_path or SESSIONS

    def _once(self, method: str, path: str, **more: Any) -> requests.Response:
        left_s = self._until - self._clock()
        if left_s <= 0:
            raise requests.Timeout(f"no complete answer within {self._timeout_s:g} s")
        return self._http.request(method, f"{self.endpoint.url.rstrip('/')}{path}", timeout=left_s, **more)


def _reading(name: str, resource: Json) -> float:
    """Watts in a resource."""
    if name == CONTROL:
        controls = _list(resource.get("PowerControl"))
        value = _dict(controls[0]).get("PowerConsumedWatts") if controls else None
    else:
        value = _dict(resource.get(name.partition(".")[2])).get("Reading")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RedfishError("no power reading", f"{name} has no figure")
    return float(value)


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
