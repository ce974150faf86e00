"""Events of the cluster (events.k8s.io/v1), as ``kubectl describe`` and ``kubectl events`` show them.

An episode of an alert is one Event for what fires, whose series counts how often it was told, and one for what
resolved. Their names follow from the episode, so sending one twice makes no second.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from powerplane.adapters.alerts.sink import Sent
from powerplane.adapters.cluster_writes import Writer, Written
from powerplane.models.alerts.alert import Notice
from powerplane.models.alerts.grouping import Bundle
from powerplane.models.alerts.words import deed, headline
from powerplane.models.api.kinds import API_VERSION

CONTROLLER = "powerplane.dev/alerts"
LONGEST_NOTE = 1024
LONGEST_INSTANCE = 128
LONGEST_STEM = 200
NAMESPACE = "default"
"""Where events of objects without a namespace stand."""

Uids = Callable[[str, str], str]
"""From ``PowerDomain`` and a name, or a policy's kind and ``namespace/name``, to the object's UID; "" if unknown."""


class Events:
    """A sink.

    Parameters
    ----------
    writer : Writer
        Of one attempt: what is tried again is the outbox's to say.
    instance : str
        This replica's name.
    uids : callable, optional
        ``kubectl describe`` finds an object's events by its UID.
    """

    name = "events"

    def __init__(self, writer: Writer, instance: str, uids: Uids = lambda _kind, _name: "") -> None:
        self._writer = writer
        self._instance = instance[:LONGEST_INSTANCE] or "powerplane"
        self._uids = uids

    def send(self, bundle: Bundle) -> Sent:
        """Write the event of each alert; those that stand already are left."""
        came_to = Sent("ok")
        for notice in bundle.notices:
            sent = self._write(notice)
            if sent.outcome == "failed":
                return sent
            if sent.outcome == "refused":
                came_to = sent
        return came_to

    def _write(self, notice: Notice) -> Sent:
        body = event_of(notice, self._instance, self._uids)
        path = f"/apis/events.k8s.io/v1/namespaces/{quote(body['metadata']['namespace'], safe='')}/events"
        written = self._writer.create(path, body)
        if written.conflict and "series" in body:
            # Set, not added to: told twice it is the same.
            one = f"{path}/{quote(body['metadata']['name'], safe='')}"
            written = self._writer.merge_patch(one, {"series": body["series"]})
        elif written.conflict:
            return Sent("ok")
        return _sent(written)


def event_of(notice: Notice, instance: str, uids: Uids) -> dict[str, Any]:
    """Return a notice as an Event."""
    finding, over = notice.finding, notice.what == "resolved"
    regarding = _regarding(notice, uids)
    moment = _micro(notice.at_s)
    note = f"{headline(notice)}. {'' if over else deed(finding)}".strip()
    body: dict[str, Any] = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "namespace": regarding.get("namespace", NAMESPACE),
            "name": f"{finding.key.subject[:LONGEST_STEM].rstrip('-.')}.{notice.episode}{'.over' if over else ''}",
        },
        "eventTime": moment,
        "reportingController": CONTROLLER,
        "reportingInstance": instance,
        "action": "Observe" if finding.mode != "Recommend" else "Recommend",
        "reason": f"{finding.key.kind}Resolved" if over else finding.key.kind,
        "regarding": regarding,
        "note": note if len(note) <= LONGEST_NOTE else f"{note[: LONGEST_NOTE - 1]}…",
        "type": "Normal" if over or notice.what == "test" else "Warning",
    }
    # A series is of two or more (events.k8s.io/v1 validation).
    if not over and notice.sequence > 1:
        body["series"] = {"count": notice.sequence, "lastObservedTime": moment}
    return body


def _regarding(notice: Notice, uids: Uids) -> dict[str, str]:
    key = notice.finding.key
    kind, namespace, name = "PowerDomain", "", key.subject
    if key.kind == "PodsOverCap":
        namespace = key.policy.partition("/")[0]
        kind = "PowerCappingPolicy" if namespace else "ClusterPowerCappingPolicy"
    uid = uids(kind, f"{namespace}/{name}" if kind != "PowerDomain" else name)
    named = {"apiVersion": API_VERSION, "kind": kind, "namespace": namespace, "name": name, "uid": uid}
    return {field: value for field, value in named.items() if value}


def _sent(written: Written) -> Sent:
    outcomes: Mapping[str, Any] = {"ok": "ok", "failed": "failed", "conflict": "failed"}
    return Sent(outcomes.get(written.outcome, "refused"), written.told)


def _micro(seconds: float) -> str:
    """Write Unix seconds as MicroTime."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
