"""Measured watts of nodes, asked of Prometheus in one instant query.

An instant query answers with the time of its evaluation, and with samples up to five minutes old as if they were new.
So the query asks for the samples' own times beside their values; the age of a node's watts is the age of the oldest
sample they rest on, by Prometheus' own clock. What cannot be true is refused and counted, and no answer is an error,
never 0 W.
"""

import io
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.exceptions import HTTPError
from urllib3.util.retry import Retry

from powerplane.adapters.bounded_head import BoundedHead

MOST_WATTS = 10_000_000.0
"""More than any building's feed: a node that says so is wrong about its unit."""

MOST_BYTES = 1 << 26
FUTURE_S = 60.0
"""How much later than its evaluation a sample may claim to be, before its clock is not believed."""

PART = "powerplane_part"

STATUS = re.compile(r"HTTP Status Code (\d+) \(")
"""Begins what the client library says of an answer that is no success; the whole body follows."""


class NodeWatt(NamedTuple):
    """What a node drew, and how long ago that was measured, in seconds."""

    watts: float
    age_s: float


@dataclass(frozen=True, slots=True)
class WattsQuery:
    """What to ask.

    Parameters
    ----------
    watts : str
        PromQL: one series a node, in watts.
    stamps : str
        PromQL: one series a node, the Unix time of the oldest sample that its watts rest on.
    label : str
        The label that names the node, in both.
    """

    watts: str
    stamps: str
    label: str

    @classmethod
    def of_selector(cls, selector: str, label: str = "node") -> "WattsQuery":
        """Sum a selector's series by node: ``kepler_node_cpu_watts{zone="package"}``."""
        return cls(f"sum by ({label}) ({selector})", f"min by ({label}) (timestamp({selector}))", label)

    @property
    def promql(self) -> str:
        """Both in one expression, told apart by a label."""
        parts = (("watts", self.watts), ("stamp", self.stamps))
        return " or ".join(f'label_replace({query}, "{PART}", "{part}", "", "")' for part, query in parts)


@dataclass(frozen=True, slots=True)
class WattsReading:
    """What an attempt brought.

    Parameters
    ----------
    nodes : dict of str to NodeWatt
        Every node with a usable figure; a node that is not here is unknown, and not 0 W.
    refused : dict of str to int
        Series that were not used, by reason: ``nan``, ``negative``, ``absurd``, ``unlabelled``, ``doubled``,
        ``undated``, ``future``.
    error : str
        Why there is no answer at all; "" where there is one.
    last_good_age_s : float or None
        Seconds since the last answer, 0 for this one; None before the first.
    """

    nodes: dict[str, NodeWatt] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    error: str = ""
    last_good_age_s: float | None = None


class NodeWatts:
    """A source of nodes' watts. Not for several threads at once.

    Parameters
    ----------
    url : str
        Of Prometheus, or of what speaks its API.
    query : WattsQuery
    timeout_s : float
        For the whole answer.
    headers : mapping, optional
        Such as ``Authorization``. They are sent to this address only: no redirect is followed, and neither proxies
        nor credentials are taken from the environment.
    ca_file : str, optional
        Certificates to trust, instead of the usual ones.
    clock : callable
        Monotonic seconds.
    """

    def __init__(
        self,
        url: str,
        query: WattsQuery,
        *,
        timeout_s: float = 5.0,
        headers: Mapping[str, str] | None = None,
        ca_file: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._query = query
        self._clock = clock
        self._last_good_s: float | None = None
        session = BoundedSession(timeout_s, clock)
        session.verify = ca_file or True
        self._prometheus = PrometheusConnect(
            url.rstrip("/"), headers=dict(headers or {}), retry=Retry(0), session=session, timeout=timeout_s
        )
        self.refused: Counter[str] = Counter()
        """Refused series from the start, by reason."""
        self.failures = 0
        """Attempts without an answer, from the start."""

    def read(self) -> WattsReading:
        """Ask once; whatever goes wrong is told in the reading."""
        try:
            nodes, refused = _nodes(self._prometheus.custom_query(self._query.promql), self._query.label)
        # The last one: the body is read from urllib3 itself.
        except (requests.RequestException, PrometheusApiClientException, OSError, HTTPError) as error:
            return self._failed(in_short(error))
        # Not the JSON that Prometheus answers with.
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            return self._failed(f"not an answer of Prometheus: {error!r:.200}")
        self._last_good_s = self._clock()
        self.refused.update(refused)
        return WattsReading(nodes, dict(refused), "", 0.0)

    def close(self) -> None:
        """Close the connections."""
        self._prometheus.close()

    def _failed(self, told: str) -> WattsReading:
        self.failures += 1
        age_s = None if self._last_good_s is None else self._clock() - self._last_good_s
        return WattsReading(error=told, last_good_age_s=age_s)


class BoundedSession(requests.Session):
    """One that reads an answer within a time and a size, from where it was told to and nowhere else.

    Parameters
    ----------
    timeout_s : float
        For a whole answer, where a request does not bring its own.
    clock : callable
        Monotonic seconds.
    most_bytes : int, optional
        Of an answer; ``MOST_BYTES`` by default.
    """

    def __init__(self, timeout_s: float, clock: Callable[[], float], most_bytes: int | None = None) -> None:
        super().__init__()
        self.trust_env = False
        self.mount("http://", BoundedHead())
        self.mount("https://", BoundedHead())
        self._timeout_s = timeout_s
        self._clock = clock
        self._most_bytes = most_bytes

    def request(self, *args: Any, **more: Any) -> requests.Response:
        """Send, and read the whole body."""
        timeout_s = more.get("timeout") or self._timeout_s
        until = self._clock() + timeout_s
        bounded = more | {"stream": True, "allow_redirects": False, "timeout": timeout_s}
        with super().request(*args, **bounded) as answer:
            whole = requests.Response()
            whole.status_code = answer.status_code
            whole.headers = answer.headers
            whole.url = answer.url
            whole.raw = io.BytesIO(self._body(answer.raw, until, timeout_s))
        return whole

    def _body(self, raw: Any, until: float, timeout_s: float) -> bytes:
        most = MOST_BYTES if self._most_bytes is None else self._most_bytes
        parts, size = [], 0
        while part := raw.read1(1 << 16, decode_content=True):
            parts.append(part)
            size += len(part)
            if self._clock() > until:
                raise requests.Timeout(f"no complete answer within {timeout_s:g} s")
            if size > most:
                raise requests.RequestException(f"an answer of more than {most} bytes")
        return b"".join(parts)


def in_short(error: Exception) -> str:
    """Say why a question has no answer, without the body of one that is none: it may be a page, and of any length."""
    if isinstance(error, requests.exceptions.JSONDecodeError):
        return f"not an answer of Prometheus: no JSON ({error.msg} at character {error.pos})"
    if found := STATUS.match(str(error)):
        return http_words(int(found[1]))
    return str(error) or type(error).__name__


def http_words(status: int) -> str:
    """Name an HTTP status, and what to do where that is not plain."""
    if 300 <= status < 400:
        return f"HTTP {status}: it sends elsewhere, and nothing is followed; give the address that it leads to"
    if status in (requests.codes.unauthorized, requests.codes.forbidden):
        return f"HTTP {status}: it refuses who asks"
    return f"HTTP {status}"


def _nodes(series: list[dict[str, Any]], label: str) -> tuple[dict[str, NodeWatt], Counter[str]]:
    """Nodes with a usable figure, and why the others have none."""
    refused: Counter[str] = Counter()
    parts: dict[str, dict[str, list[tuple[float, float]]]] = {"watts": {}, "stamp": {}}
    for each in series:
        labels, (evaluated, text) = each["metric"], each["value"]
        if labels[PART] == "watts" and not labels.get(label):
            refused["unlabelled"] += 1
        else:
            parts[labels[PART]].setdefault(labels.get(label, ""), []).append((float(evaluated), float(text)))
    nodes: dict[str, NodeWatt] = {}
    for name, found in parts["watts"].items():
        reason = _wrong(found) or _misdated(parts["stamp"].get(name, []))
        if reason:
            refused[reason] += len(found)
            continue
        evaluated, stamp = parts["stamp"][name][0]
        nodes[name] = NodeWatt(found[0][1], max(0.0, evaluated - stamp))
    return nodes, refused


def _wrong(found: list[tuple[float, float]]) -> str:
    if len(found) > 1:
        return "doubled"
    watts = found[0][1]
    if math.isnan(watts):
        return "nan"
    if watts < 0:
        return "negative"
    return "absurd" if watts > MOST_WATTS else ""


def _misdated(stamps: list[tuple[float, float]]) -> str:
    if len(stamps) != 1 or not math.isfinite(stamps[0][1]):
        return "undated"
    evaluated, stamp = stamps[0]
    return "future" if stamp > evaluated + FUTURE_S else ""
