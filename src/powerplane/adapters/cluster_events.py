"""Events of the cluster (events.k8s.io/v1), as ``kubectl describe`` and ``kubectl events`` show them.

An event's name is given by whoever writes it and follows from what happened, so that writing one twice makes no second:
the series of the one that stands says how often it was told.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from powerplane.adapters.cluster_writes import Writer, Written
from powerplane.models.plain import printable

DEFAULT_NAMESPACE: Final = "default"
"""Where events of objects without a namespace stand."""

LONGEST_NOTE: Final = 1024
LONGEST_INSTANCE: Final = 128
LONGEST_STEM: Final = 200


@dataclass(frozen=True, slots=True)
class ClusterEvent:
    """What happened to one object.

    Parameters
    ----------
    stem, suffix : str
        The event's name: a readable part, which is cut where it is long, and what makes it the only one.
    regarding : mapping of str to str
        ``apiVersion``, ``kind``, ``namespace``, ``name``, ``uid``; empty ones are left out.
    controller : str
        Under ``powerplane.dev/``, or the admission policies refuse it.
    action, reason, note : str
        What was done, why in a word, and in words, which are cut where they are long.
    warning : bool
    at_s : float
        When, in Unix seconds.
    count : int
        How often it was told until now.
    """

    stem: str
    suffix: str
    regarding: Mapping[str, str]
    controller: str
    action: str
    reason: str
    note: str
    warning: bool
    at_s: float
    count: int = 1

    def body(self, instance: str) -> dict[str, Any]:
        """Return the object as it is posted.

        Parameters
        ----------
        instance : str
            This replica's name.
        """
        moment = _micro(self.at_s)
        regarding = {field: value for field, value in self.regarding.items() if value}
        said = printable(self.note)
        note = said if len(said) <= LONGEST_NOTE else f"{said[: LONGEST_NOTE - 1]}…"
        body: dict[str, Any] = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {
                "namespace": regarding.get("namespace", DEFAULT_NAMESPACE),
                "name": f"{self.stem[:LONGEST_STEM].rstrip('-.')}.{self.suffix}",
            },
            "eventTime": moment,
            "reportingController": self.controller,
            "reportingInstance": instance[:LONGEST_INSTANCE] or "powerplane",
            "action": self.action,
            "reason": self.reason,
            "regarding": regarding,
            "note": note,
            "type": "Warning" if self.warning else "Normal",
        }
        # A series is of two or more (events.k8s.io/v1 validation).
        if self.count > 1:
            body["series"] = {"count": self.count, "lastObservedTime": moment}
        return body


def write_event(writer: Writer, body: Mapping[str, Any]) -> Written:
    """Write an event, or the series of the one that stands already."""
    meta = body["metadata"]
    path = f"/apis/events.k8s.io/v1/namespaces/{quote(meta['namespace'], safe='')}/events"
    written = writer.create(path, body)
    if not written.conflict:
        return written
    if "series" not in body:
        return Written(200, b"")
    # Set, not added to: told twice it is the same.
    return writer.merge_patch(f"{path}/{quote(meta['name'], safe='')}", {"series": body["series"]})


def _micro(seconds: float) -> str:
    """Write Unix seconds as MicroTime."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
