"""Alerts as events of the cluster.

An episode of an alert is one Event for what fires, whose series counts how often it was told, and one for what
resolved. Their names follow from the episode, so sending one twice makes no second.
"""

from collections.abc import Callable, Mapping
from typing import Any

from powerplane.adapters.alerts.sink import Sent
from powerplane.adapters.cluster_events import ClusterEvent, write_event
from powerplane.adapters.cluster_writes import Writer, Written
from powerplane.models.alerts.alert import Notice
from powerplane.models.alerts.grouping import Bundle
from powerplane.models.alerts.words import deed, headline
from powerplane.models.api.kinds import API_VERSION

CONTROLLER = "powerplane.dev/alerts"

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
        self._instance = instance
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
        return _sent(write_event(self._writer, event_of(notice, self._instance, self._uids)))


def event_of(notice: Notice, instance: str, uids: Uids) -> dict[str, Any]:
    """Return a notice as an Event."""
    finding, over = notice.finding, notice.what == "resolved"
    event = ClusterEvent(
        stem=finding.key.subject,
        suffix=f"{notice.episode}{'.over' if over else ''}",
        regarding=_regarding(notice, uids),
        controller=CONTROLLER,
        action="Observe" if finding.mode != "Recommend" else "Recommend",
        reason=f"{finding.key.kind}Resolved" if over else finding.key.kind,
        note=f"{headline(notice)}. {'' if over else deed(finding)}".strip(),
        warning=not over and notice.what != "test",
        at_s=notice.at_s,
        count=1 if over else notice.sequence,
    )
    return event.body(instance)


def _regarding(notice: Notice, uids: Uids) -> dict[str, str]:
    key = notice.finding.key
    kind, namespace, name = "PowerDomain", "", key.subject
    if key.kind == "PodsOverCap":
        namespace = key.policy.partition("/")[0]
        kind = "PowerCappingPolicy" if namespace else "ClusterPowerCappingPolicy"
    uid = uids(kind, f"{namespace}/{name}" if kind != "PowerDomain" else name)
    return {"apiVersion": API_VERSION, "kind": kind, "namespace": namespace, "name": name, "uid": uid}


def _sent(written: Written) -> Sent:
    outcomes: Mapping[str, Any] = {"ok": "ok", "failed": "failed", "conflict": "failed"}
    return Sent(outcomes.get(written.outcome, "refused"), written.told)
