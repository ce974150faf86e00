"""One POST to a receiver: bounded in time and size both ways, to an address that was judged, with no redirect followed.

Nothing of the environment is used: no proxy, no netrc, no certificates of its choosing. What goes wrong is told without
the URL's path, which may be a secret.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from powerplane.adapters.alerts.guard import ForbiddenError, Resolver, judged_address, resolve
from powerplane.adapters.alerts.secret import Secret, redact
from powerplane.adapters.alerts.sink import Sent
from powerplane.adapters.bounded_head import BoundedHead
from powerplane.adapters.prometheus import BoundedSession, http_words
from powerplane.models.errors import UsageError

MOST_ANSWER_BYTES = 1 << 16
MOST_BODY_BYTES = 1 << 20
PORTS = {"http": 80, "https": 443}
MAY_PASS = frozenset((408, 425, 429))
LONGEST_TOLD = 200


@dataclass(frozen=True, slots=True)
class Target:
    """Where to post.

    Parameters
    ----------
    url : Secret
        All of it: a webhook's URL may be its only credential.
    private_hosts : frozenset of str
        Names and addresses that may be private or loopback.
    ca_file : str or None
        Certificates to trust, instead of the usual ones.
    headers : mapping of str to Secret
    timeout_s : float
        For the whole of an attempt, but for the name's resolution, which is the system's to bound.
    """

    url: Secret
    private_hosts: frozenset[str] = frozenset()
    ca_file: str | None = None
    headers: Mapping[str, Secret] = field(default_factory=dict)
    timeout_s: float = 10.0


def checked_url(text: str, option: str, *, private_hosts: frozenset[str] = frozenset()) -> Secret:
    """Return a URL that can be posted to.

    Raises
    ------
    UsageError
        When it is none, carries credentials, or would be sent in the clear to a host that is not on the list.
    """
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = None, None
    if parts is None or parts.scheme not in PORTS or not host or not text.isascii() or not text.isprintable():
        raise UsageError(f"{option} is not an address", f"give one such as {option} https://host/path")
    if parts.username is not None or parts.password is not None:
        raise UsageError(f"{option} carries credentials, which would end up in messages", "leave them out")
    if parts.scheme == "http" and host not in private_hosts:
        raise UsageError(
            f"{option} is not https", f"give its https address, or --allow-host {host} if it is within your own network"
        )
    return Secret(text)


class Poster:
    """Posts to one target. Not for several threads at once.

    Parameters
    ----------
    target : Target
    resolver : Resolver
    clock : callable
        Monotonic seconds.
    """

    def __init__(
        self, target: Target, *, resolver: Resolver = resolve, clock: Callable[[], float] = time.monotonic
    ) -> None:
        parts = urlsplit(target.url.reveal())
        self._target = target
        self._resolver = resolver
        self._host = parts.hostname or ""
        self._port = parts.port or PORTS[parts.scheme]
        # As it is written in the URL, with its brackets, and its port where that is not the usual one.
        self._host_header = parts.netloc
        self._pinned = _Pinned(self._host)
        self._session = BoundedSession(target.timeout_s, clock, MOST_ANSWER_BYTES)
        self._session.mount("http://", self._pinned)
        self._session.mount("https://", self._pinned)
        self._session.verify = target.ca_file or True

    @property
    def host(self) -> str:
        """The host, which may be told."""
        return self._host

    def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> Sent:
        """Post JSON once."""
        if len(body) > MOST_BODY_BYTES:
            return Sent("refused", f"a message of {len(body)} bytes is not sent: {MOST_BODY_BYTES} are the most")
        private = self._host in self._target.private_hosts
        secret = {name: value.reveal() for name, value in self._target.headers.items()}
        named = {"Content-Type": "application/json", "User-Agent": "powerplane", "Host": self._host_header}
        try:
            self._pinned.address = judged_address(self._host, self._port, private=private, resolver=self._resolver)
            answer = self._session.post(
                self._target.url.reveal(), data=body, headers={**named, **secret, **(headers or {})}
            )
        except ForbiddenError as error:
            return Sent("refused", str(error))
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            return Sent("failed", self._safe(_words(error, self._target.timeout_s)))
        return self._judged(answer)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _judged(self, answer: requests.Response) -> Sent:
        status = answer.status_code
        if 200 <= status < 300:
            return Sent("ok")
        body = answer.content[:LONGEST_TOLD].decode(errors="replace")
        told = " ".join(f"{http_words(status)} {self._safe(body)}".split())
        may_pass = status in MAY_PASS or status >= 500
        return Sent("failed" if may_pass else "refused", told, _seconds(answer.headers.get("Retry-After")))

    def _safe(self, text: str) -> str:
        url = self._target.url
        path = urlsplit(url.reveal()).path
        hidden = [url, *self._target.headers.values(), *([Secret(path)] if len(path) > 1 else [])]
        shown = redact(text, *hidden)
        return "".join(c if c.isprintable() else " " for c in shown)[:LONGEST_TOLD]


class _Pinned(BoundedHead):
    """Connects to the address that it is told, whatever the name in the URL; certificates are still for that name."""

    def __init__(self, host: str) -> None:
        super().__init__()
        self._host = host
        self.address = ""

    def build_connection_pool_key_attributes(self, *args: Any, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Put the address in the place of the name."""
        host, pool = super().build_connection_pool_key_attributes(*args, **more)
        if host["scheme"] == "https":
            pool |= {"server_hostname": self._host, "assert_hostname": self._host}
        return {**host, "host": self.address}, pool


def _words(error: Exception, timeout_s: float) -> str:
    """Say why there is no answer, without quoting the URL, as the libraries do."""
    if isinstance(error, requests.Timeout | TimeoutError | urllib3.exceptions.TimeoutError):
        return f"no complete answer within {timeout_s:g} s"
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text or "doesn't match" in text:
        return "its certificate is not to be trusted for that name"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror and not isinstance(cause, requests.RequestException):
            return cause.strerror
        reason = getattr(cause, "reason", None)
        nested = next((each for each in cause.args if isinstance(each, BaseException)), None)
        cause = (reason if isinstance(reason, BaseException) else None) or nested or cause.__cause__
    return type(error).__name__


def _seconds(text: str | None) -> float | None:
    try:
        seconds = float(text) if text else None
    except ValueError:
        return None
    return seconds if seconds is not None and 0 <= seconds < float("inf") else None
