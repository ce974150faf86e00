"""Requests to one Redfish service: bounded in time, size and attempts, logged in by password or by session."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
import requests
from urllib3 import disable_warnings
from urllib3.exceptions import HTTPError, InsecureRequestWarning

from powerplane.adapters.prometheus import BoundedSession

SESSIONS = "/redfish/v1/SessionService/Sessions"
MOST_BYTES = 1 << 22
ATTEMPTS = 2
PAUSE_S = 0.2

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


class RedfishError(Exception):
    """No reading; ``reason`` is what it is counted as."""

    def __init__(self, reason: str, told: str) -> None:
        super().__init__(told)
        self.reason = reason


class RedfishHttp:
    """Sends requests to one service. Not for several threads at once.

    Parameters
    ----------
    endpoint : Endpoint
    timeout_s : float
        For all requests after one ``begin`` together.
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
        self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._clock = clock
        self._sleep = sleep
        self._until = 0.0
        self._session_path = ""
        self._http = BoundedSession(timeout_s, clock, MOST_BYTES)
        if endpoint.insecure:
            # Who wrote that any certificate is taken knows it; a line a request would bury everything else.
            disable_warnings(InsecureRequestWarning)
        self._http.verify = not endpoint.insecure and (endpoint.ca_file or True)
        self._http.headers.update({"Accept": "application/json", "OData-Version": "4.0"})
        if endpoint.user and not endpoint.session:
            self._http.auth = (endpoint.user, endpoint.password)

    def begin(self) -> None:
        """Start the time that the requests to come have together."""
        self._until = self._clock() + self._timeout_s

    def get(self, path: str) -> Json | None:
        """Return a resource; None where the service does not have it.

        Raises
        ------
        RedfishError
            Counted as "unanswered", "refused" or "malformed".
        """
        answer = self._send("GET", path)
        if answer.status_code == requests.codes.not_found:
            return None
        try:
            return msgspec.json.decode(answer.raw.read(), type=Json)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise RedfishError("malformed", f"{path} is no JSON object: {error}") from error

    def rest(self) -> None:
        """Close the connection, and keep the session; the next request opens another."""
        self._http.close()

    def close(self) -> None:
        """End the session, so that the BMC, which has few, can give it to others."""
        if self._session_path:
            self.begin()
            with suppress(RedfishError):
                self._send("DELETE", self._session_path)
        self._http.close()

    def _send(self, method: str, path: str) -> requests.Response:
        """Send, and once more where the service was busy or had forgotten the session."""
        told = ""
        for attempt in range(ATTEMPTS):
            if self._endpoint.session and self._endpoint.user and not self._session_path:
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
                forgotten = answer.status_code == requests.codes.unauthorized and bool(self._session_path)
                if answer.status_code in (requests.codes.unauthorized, requests.codes.forbidden) and not forgotten:
                    # Once is enough: a password that is tried again and again locks the account.
                    raise RedfishError("refused", told)
                self._session_path = "" if forgotten else self._session_path
            if attempt + 1 < ATTEMPTS:
                self._sleep(PAUSE_S)
        raise RedfishError("unanswered", told)

    def _log_in(self) -> None:
        self._http.headers.pop("X-Auth-Token", None)
        account = {"UserName": self._endpoint.user, "Password": self._endpoint.password}
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
        path = f"/{location.split('://')[-1].partition('/')[2]}" if "://" in location else location
        self._session_path = path or SESSIONS

    def _once(self, method: str, path: str, **more: Any) -> requests.Response:
        left_s = self._until - self._clock()
        if left_s <= 0:
            raise requests.Timeout(f"no complete answer within {self._timeout_s:g} s")
        return self._http.request(method, f"{self._endpoint.url.rstrip('/')}{path}", timeout=left_s, **more)
