"""Alertmanager: ``POST /api/v2/alerts`` (its OpenAPI document, ``postableAlerts``).

It holds what fires only until ``endsAt``, so what fires is told again and again (``renew``), each time until some
minutes later: if we are gone for good, our alerts end by themselves. What has resolved is told with its ``endsAt``
in the past. An alert is the same as long as its labels are, so figures stand in annotations.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from powerplane.adapters.alerts.posting import Poster
from powerplane.adapters.alerts.sink import Sent
from powerplane.models.alerts.alert import Notice, Severity
from powerplane.models.alerts.grouping import Bundle
from powerplane.models.alerts.words import deed, headline

PATH = "/api/v2/alerts"
MOST_IN_POST = 100


class Alertmanager:
    """A sink.

    Parameters
    ----------
    poster : Poster
        To the server's address with ``PATH``.
    hold_s : float
        How long an alert outlives the last word about it: several times the pause between two.
    now : callable
        Unix seconds.
    """

    name = "alertmanager"

    def __init__(self, poster: Poster, *, hold_s: float = 300.0, now: Callable[[], float] = time.time) -> None:
        self._poster = poster
        self._hold_s = hold_s
        self._now = now

    def send(self, bundle: Bundle) -> Sent:
        """Tell it of all alerts of a bundle."""
        return self._post(bundle.notices)

    def renew(self, firing: tuple[Notice, ...]) -> Sent:
        """Tell it again of what fires."""
        for start in range(0, len(firing), MOST_IN_POST):
            sent = self._post(firing[start : start + MOST_IN_POST])
            if sent.outcome != "ok":
                return sent
        return Sent("ok")

    def _post(self, notices: Iterable[Notice]) -> Sent:
        now_s = self._now()
        return self._poster.post(msgspec.json.encode([each for one in notices for each in self._alerts(one, now_s)]))

    def _alerts(self, notice: Notice, now_s: float) -> Iterator[dict[str, Any]]:
        if notice.what == "worsened":
            # The severity is a label, so that routes can tell; with another one it is another alert.
            yield _alert(notice, "warning", notice.at_s)
        ends_s = min(notice.at_s, now_s) if notice.what == "resolved" else now_s + self._hold_s
        yield _alert(notice, notice.finding.severity, ends_s)


def _alert(notice: Notice, severity: Severity, ends_s: float) -> dict[str, Any]:
    finding = notice.finding
    namespace, _, policy = finding.key.policy.partition("/")
    labels = {
        "alertname": f"PowerPlane{finding.key.kind}",
        "severity": severity,
        "domain": "" if finding.key.kind == "PodsOverCap" else finding.key.subject,
        "level": finding.level,
        "policy": policy,
        "policy_namespace": namespace,
        "mode": finding.mode,
        "job": "powerplane",
    }
    annotations = {"summary": headline(notice), "description": deed(finding)}
    return {
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": {name: value for name, value in annotations.items() if value},
        # Alertmanager refuses an alert that ends no later than it starts.
        "startsAt": rfc3339(min(notice.began_s, ends_s - 1)),
        "endsAt": rfc3339(ends_s),
    }


def rfc3339(seconds: float) -> str:
    """Write Unix seconds as RFC 3339, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
