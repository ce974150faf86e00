"""The webhook's sign of life: a Lease that each replica renews while API servers can be answered by it.

What evicts pods looks here first: an eviction while nobody gives the successor its watts would break a budget unseen.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from powerplane.adapters.lease_look import Lease

WEBHOOK_LEASE: Final = "powerplane-webhook"
BEAT_S: Final = 10.0
STALE_S: Final = 60.0
"""Not renewed for this long: no replica is ready."""

KEEP_S: Final = 2 * 86400.0
"""After this long a replica that never took its leave is not remembered any more."""

REPORTS: Final = "powerplane.dev/replica-"
"""Each replica's own annotation; after it a digest of the replica's name, which may be longer than a key may."""


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a replica says of itself.

    Parameters
    ----------
    replica : str
    at : str
        When it last said so, in RFC 3339, by its own clock.
    certificate, authority : str
        Fingerprint of what it shows, and who signed that; "" while it shows none.
    ready : bool
    """

    replica: str
    at: str
    certificate: str = ""
    authority: str = ""
    ready: bool = False


def report_key(replica: str) -> str:
    """The annotation of one replica."""
    return REPORTS + hashlib.sha256(replica.encode()).hexdigest()[:16]


def read_reports(annotations: Mapping[str, str] | None) -> dict[str, Report]:
    """Return the reports of a Lease by their annotations; what cannot be read is left out."""
    found = {}
    for key, text in (annotations or {}).items():
        if key.startswith(REPORTS):
            try:
                found[key] = msgspec.json.decode(text, type=Report)
            except msgspec.DecodeError:
                continue
    return found


def beat(report: Report, now: datetime, seen: Mapping[str, Report]) -> dict[str, Any]:
    """Return the merge patch by which a replica reports: it renews the Lease where it is ready, else it only tells.

    Parameters
    ----------
    report : Report
    now : datetime
    seen : mapping of str to Report
        All that the Lease holds: the ones that are long gone are taken off it.
    """
    annotations: dict[str, str | None] = {
        key: None for key, each in seen.items() if now.timestamp() - _seconds(each.at) > KEEP_S
    }
    annotations[report_key(report.replica)] = msgspec.json.encode(report).decode()
    body: dict[str, Any] = {"metadata": {"annotations": annotations}}
    if report.ready:
        body["spec"] = {
            "holderIdentity": report.replica,
            "leaseDurationSeconds": int(STALE_S),
            "renewTime": told(now),
        }
    return body


def farewell(replica: str) -> dict[str, Any]:
    """Return the merge patch by which a replica takes its leave."""
    return {"metadata": {"annotations": {report_key(replica): None}}}


def told(now: datetime) -> str:
    """A moment as Leases write it."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def admission_is_alive(lease: Lease | None, now: datetime) -> bool:
    """Whether some replica of the webhook was ready within the last minute.

    Parameters
    ----------
    lease : Lease or None
        `WEBHOOK_LEASE` as it stands; None where there is none, which is nobody.
    now : datetime
        The time of day. A renewal further ahead than a minute is not believed either: one of two clocks is wrong.
    """
    if lease is None or not lease.holder or lease.renewed_s is None:
        return False
    return abs(now.timestamp() - lease.renewed_s) < STALE_S


def _seconds(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0
