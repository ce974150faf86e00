"""Leader election on a Lease of the cluster: a thread that renews it, and an answer to "is it still ours?".

The rules are in ``lease_election``; the object is coordination.k8s.io/v1 Lease, as client-go's leader election writes
it, so that ``kubectl get lease`` shows who leads and others may stand by.
"""

import logging
import random
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_http import TRANSPORT_ERRORS, Answer, Request, fetch, message, reason
from powerplane.adapters.cluster_writes import FIELD_MANAGER
from powerplane.adapters.lease_election import Election, LeaseRecord, LostRaceError, Terms

LOG = logging.getLogger(__name__)

STOP_S = 3.0


def uptime_s() -> float:
    """Seconds since the machine started, time asleep included where the system can say it (Linux)."""
    kind = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if kind is None else time.clock_gettime(kind)


@dataclass(frozen=True, slots=True)
class LeaseStatus:
    """How the election goes.

    Parameters
    ----------
    holder : str
        Who held the Lease when it was last seen.
    rounds, lost_races, failures : int
        Attempts; those in which somebody else was faster; those without a usable answer.
    last_error : str
        "" after a round that went well.
    """

    holder: str = ""
    rounds: int = 0
    lost_races: int = 0
    failures: int = 0
    last_error: str = ""


class LeaseElector:
    """Stands for election on a thread of its own.

    Parameters
    ----------
    access : ClusterAccess
    namespace, name : str
        Of the Lease. Who has to make it leads only ``duration_s`` later, since it may have been deleted from under a
        holder; a chart ships it empty, so that nobody waits and nobody needs the right to make it. A Lease that is
        deleted counts from 1 again for candidates which never saw it: do not delete it.
    identity : str
        The pod's name; a random part is added, since two processes with one identity would both lead.
    duration_s, renew_deadline_s, retry_s : see ``lease_election.Terms``
    clock : callable
        Monotonic seconds, going on while the machine sleeps.
    on_change : callable, optional
        Called on the elector's thread with (leading, token) when that changed. It comes late where the thread is
        stuck: before acting ask ``leading``, and send the token along.
    now : callable
        The time of day, for those who read the Lease.
    chance : random.Random, optional
        For the pauses, ±20 %.
    annotations : callable, optional
        What to write on the Lease with each renewal; other annotations and labels stay. Whoever comes to lead writes
        none at first, so that what the one before has written can be read.

    Raises
    ------
    ValueError
        Unless retry < renew deadline < duration.
    """

    def __init__(
        self,
        access: ClusterAccess,
        namespace: str,
        name: str,
        identity: str,
        *,
        duration_s: int = 6,
        renew_deadline_s: float = 4.0,
        retry_s: float = 1.0,
        clock: Callable[[], float] = uptime_s,
        on_change: Callable[[bool, int], None] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        chance: random.Random | None = None,
        annotations: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self.identity = f"{identity}_{uuid.uuid4().hex[:8]}"
        self._terms = Terms(duration_s, renew_deadline_s, retry_s)
        store = ClusterLease(access, namespace, name, renew_deadline_s / 3, now, annotations=annotations)
        self._election = Election(store, self.identity, self._terms, clock)
        self._on_change = on_change
        self._chance = chance or random.Random()
        self._status = LeaseStatus()
        self._told = (False, 0)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"lease-{name}", daemon=True)

    @property
    def token(self) -> int:
        """The fencing token of the last time that this candidate led; 0 before."""
        return self._election.token

    @property
    def status(self) -> LeaseStatus:
        """How it goes; may be read from any thread."""
        return self._status

    def leading(self) -> bool:
        """Whether this candidate leads at this instant, even if its thread is stuck."""
        return self._election.leading()

    def start(self) -> None:
        """Begin. Once only."""
        self._thread.start()

    def stop(self) -> None:
        """Give the Lease up and end; waits a few seconds for the server to hear of it. Stop acting before."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._attempt(self._election.round)
            self._tell()
            self._stopping.wait(self._terms.retry_s * self._chance.uniform(0.8, 1.2))
        # First those who act on it are told, then it is given to somebody else.
        self._election.resign()
        self._tell()
        self._attempt(self._election.release)

    def _attempt(self, act: Callable[[], None]) -> None:
        status = replace(self._status, rounds=self._status.rounds + 1, last_error="")
        try:
            act()
        except LostRaceError:
            status = replace(status, lost_races=status.lost_races + 1)
        # Whatever goes wrong must not end the thread: the deadline passes by itself, and the next round may go well.
        except Exception as error:
            if not isinstance(error, _NoAnswerError):
                LOG.exception("a round for the lease failed")
            LOG.warning("lease: %s", error)
            status = replace(status, failures=status.failures + 1, last_error=str(error) or type(error).__name__)
        self._status = replace(status, holder=self._election.holder)

    def _tell(self) -> None:
        now = (self.leading(), self.token)
        if now == self._told:
            return
        self._told = now
        LOG.info("lease: %s", f"leading with token {now[1]}" if now[0] else "not leading")
        if self._on_change is None:
            return
        try:
            self._on_change(*now)
        # Somebody else's code: the Lease goes on being renewed, or not, whatever it does.
        except Exception:
            LOG.exception("what is told about the lease failed")


class _NoAnswerError(Exception):
    """The server did not answer, or refused."""


class _Meta(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    lease_transitions: int | None = None
    renew_time: str | None = None
    acquire_time: str | None = None


class _Lease(msgspec.Struct, frozen=True):
    metadata: _Meta = _Meta()
    spec: _Spec | None = None


class ClusterLease:
    """The Lease in the API server: a ``LeaseStore``.

    Parameters
    ----------
    access : ClusterAccess
    namespace, name : str
    timeout_s : float
        For one request; none is tried again, since the next round comes anyway.
    now : callable
        The time of day.
    annotations : callable, optional
        What to write beside; an update replaces the whole object, so that all else is written as it was seen.
    """

    def __init__(
        self,
        access: ClusterAccess,
        namespace: str,
        name: str,
        timeout_s: float,
        now: Callable[[], datetime],
        *,
        annotations: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._access = access
        self._annotations = annotations
        self._seen_meta = _Meta()
        self._name = name
        self._namespace = namespace
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace, safe='')}/leases"
        self._path = f"{self._collection}/{quote(name, safe='')}"
        self._timeout_s = timeout_s
        self._now = now

    def read(self) -> LeaseRecord | None:
        """Return what it says; None where there is none."""
        answer = self._send(Request("GET", self._path))
        if answer.status == 404:
            return None
        return self._record(answer)

    def write(self, record: LeaseRecord, seen: LeaseRecord | None) -> LeaseRecord:
        """Write it, if it is still as seen."""
        query = [("fieldManager", FIELD_MANAGER)]
        comes = bool(record.holder) and (seen is None or seen.holder != record.holder)
        beside = {} if comes else self._annotations()
        if seen is None:
            request = Request("POST", self._collection, query, self._body(record, "", beside))
        else:
            request = Request("PUT", self._path, query, self._body(record, seen.version, beside))
        answer = self._send(request)
        if seen is not None and answer.status == 404:
            # Deleted since it was seen. (A POST's 404 means that there is no such namespace.)
            raise LostRaceError
        return self._record(answer)

    def _body(self, record: LeaseRecord, version: str, beside: Mapping[str, str]) -> dict[str, Any]:
        now = self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        metadata: dict[str, Any] = {"name": self._name, "namespace": self._namespace}
        if annotations := {**(self._seen_meta.annotations or {}), **beside}:
            metadata["annotations"] = annotations
        if self._seen_meta.labels:
            metadata["labels"] = self._seen_meta.labels
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata | ({"resourceVersion": version} if version else {}),
            "spec": {
                "holderIdentity": record.holder,
                "leaseDurationSeconds": record.duration_s,
                "leaseTransitions": record.transitions,
                "acquireTime": record.acquired or now,
                "renewTime": now,
            },
        }

    def _send(self, request: Request) -> Answer:
        try:
            return fetch(self._access, request, self._timeout_s)
        except TRANSPORT_ERRORS as error:
            raise _NoAnswerError(f"{request.method} {request.path}: {reason(error, self._timeout_s)}") from error

    def _record(self, answer: Answer) -> LeaseRecord:
        if answer.status == 409:
            raise LostRaceError
        if not 200 <= answer.status < 300:
            raise _NoAnswerError(f"{self._path}: HTTP {answer.status} {message(answer.body)}".rstrip())
        try:
            lease = msgspec.json.decode(answer.body, type=_Lease)
        except msgspec.DecodeError as error:
            raise _NoAnswerError(f"{self._path}: not a Lease: {error}") from error
        self._seen_meta = lease.metadata
        spec = lease.spec or _Spec()
        return LeaseRecord(
            version=lease.metadata.resource_version,
            holder=spec.holder_identity or "",
            duration_s=spec.lease_duration_seconds or 0,
            transitions=spec.lease_transitions or 0,
            renewed=spec.renew_time or "",
            acquired=spec.acquire_time or "",
        )
