"""A cluster's objects in memory, and replicas that are led through their rounds one request at a time.

The keeper is the real one, with real keys; only requests are played, so that a test may do anything between any two of
them: let another replica go on, let time pass, end the process.
"""

import datetime
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from prometheus_client import CollectorRegistry

from powerplane.adapters.serving.own_certificate import Face, read_certificate
from powerplane.adapters.serving.tls import SwappedTls
from powerplane.adapters.webhook_lease import Report, read_reports
from powerplane.admission.certificates.bundle import Bundle, read_bundle, write_bundle
from powerplane.admission.certificates.keeper import Keeper, Means
from powerplane.admission.certificates.keys import Keys, read_keys, write_keys
from powerplane.admission.certificates.metrics import CertificateMetrics
from powerplane.admission.certificates.place import Hook, Registration, SeenSecret, TroubleError
from powerplane.admission.certificates.rotation import Terms

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
LATE_S = 30.0
"""API servers see a change of a configuration so late at the most."""

TERMS = Terms(("webhook.example",))
PATHS = ("mutatingwebhookconfigurations/a", "validatingwebhookconfigurations/b")


class CrashError(BaseException):
    """The process ends here."""


class World:
    """The objects, and the time."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.version = 1
        self.data: dict[str, bytes] = {}
        self.asked = ""
        self.bundles: dict[str, tuple[int, bytes]] = dict.fromkeys(PATHS, (1, b""))
        self.annotations: dict[str, str] = {}
        self.lease_spec: dict[str, Any] = {}
        self.seen: list[tuple[float, str, bytes]] = [(float("-inf"), path, b"") for path in PATHS]
        self.writes: list[str] = []

    def put_bundle(self, path: str, pem: bytes) -> None:
        self.bundles[path] = (self.bundles[path][0] + 1, pem)
        self.seen.append((self.now_s, path, pem))

    def seen_by_clients(self) -> list[bytes]:
        """Every bundle that some API server may go by at this moment."""
        found = []
        for path in PATHS:
            changes = [(at_s, pem) for at_s, each, pem in self.seen if each == path]
            found += [pem for at_s, pem in changes if at_s > self.now_s - LATE_S]
            found.append([pem for at_s, pem in changes if at_s <= self.now_s - LATE_S][-1])
        return found


_signed: dict[tuple[bytes, bytes], bool] = {}


def refused(leaf_pem: bytes, bundle: bytes, now: datetime.datetime) -> str:
    """Whether a client refuses, worked out apart from TLS, which knows only the time of day."""
    leaf = x509.load_pem_x509_certificate(leaf_pem)
    for pem in read_bundle(bundle).values():
        authority = x509.load_pem_x509_certificate(pem)
        if (leaf_pem, pem) not in _signed:
            try:
                leaf.verify_directly_issued_by(authority)
                _signed[leaf_pem, pem] = True
            except (ValueError, TypeError, InvalidSignature):
                _signed[leaf_pem, pem] = False
        hold = all(each.not_valid_before_utc <= now < each.not_valid_after_utc for each in (leaf, authority))
        if _signed[leaf_pem, pem] and hold:
            return ""
    return "nobody trusted signed it"


class Puppet:
    """A replica that does one request whenever it is told to."""

    def __init__(self, world: World, name: str, skew_s: float = 0.0) -> None:
        self.world = world
        self.name = name
        self.skew_s = skew_s
        self.leading = True
        self.injected = False
        self.refusing: set[str] = set()
        self.pems: dict[str, bytes] = {}
        self._thread: threading.Thread | None = None
        self.begin()

    def begin(self, terms: Terms | None = TERMS) -> None:
        """Start anew, as a process does."""
        self.tls = SwappedTls()
        self.registry = CollectorRegistry()
        means = Means(
            self,
            lambda: self.tls,
            CertificateMetrics(self.registry),
            lambda: self.leading,
            lambda: self.world.now_s,
            self.now,
            lambda: True,
            lambda face, hook: refused(self.pems[face.certificate.fingerprint], hook.bundle, self.now()),
            self.make,
        )
        self.keeper = Keeper(self.name, terms, means)

    def now(self) -> datetime.datetime:
        return START + datetime.timedelta(seconds=self.world.now_s + self.skew_s)

    def make(self, pem: bytes, _key: bytes) -> Face:
        certificate = read_certificate(pem)
        self.pems[certificate.fingerprint] = pem
        return Face(cast(ssl.SSLContext, None), certificate)

    @property
    def shown(self) -> bytes | None:
        """What it shows, in PEM."""
        return None if self.tls.face is None else self.pems[self.tls.face.certificate.fingerprint]

    @property
    def is_asked(self) -> bool:
        """Whether a Service sends clients here: it says that it is ready."""
        return self.keeper.standing()[0]

    def advance(self) -> bool:
        """Do one request, and all that is done before the next; False where a round ends."""
        return self._advance(self.keeper.round)

    def _act(self, act: Callable[[], None]) -> None:
        while self._advance(act):
            pass

    def _advance(self, act: Callable[[], None]) -> bool:
        if self._thread is None:
            self._go, self._back, self._crashing, self._error = (
                threading.Semaphore(0),
                threading.Semaphore(0),
                False,
                [],
            )
            self._done = False
            self._thread = threading.Thread(target=self._work, args=(act,), daemon=True)
            self._thread.start()
            self._back.acquire()
        if not self._done:
            self._go.release()
            self._back.acquire()
        return not self._finish()

    def _finish(self) -> bool:
        if self._done and self._thread is not None:
            self._thread.join()
            self._thread = None
            if self._error:
                raise self._error[0]
        return self._done

    def round(self) -> None:
        """Go on to the end of a round."""
        self._act(self.keeper.round)

    def leave(self) -> None:
        """Take one's leave, as a process that is stopped does."""
        self._act(self.keeper.leave)

    def figure(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"powerplane_certificates_{name}", labels) or 0.0

    def crash(self) -> None:
        """End before the next request, and start anew."""
        if self._thread is not None:
            self._crashing = True
            self._go.release()
            self._back.acquire()
            self._finish()
        self.begin()

    def _work(self, act: Callable[[], None]) -> None:
        try:
            act()
        except CrashError:
            pass
        except BaseException as error:
            self._error.append(error)
        self._done = True
        self._back.release()

    def _gate(self, what: Any) -> None:
        self._back.release()
        self._go.acquire()
        if self._crashing:
            raise CrashError
        if what in self.refusing:
            raise TroubleError(what, "not now")

    def secret(self) -> SeenSecret:
        self._gate("secret")
        return SeenSecret(str(self.world.version), read_keys(self.world.data), self.world.asked)  # type: ignore[arg-type]  # any text may stand there

    def put_secret(self, seen: SeenSecret, keys: Keys) -> None:
        self._gate("secret")
        if seen.version != str(self.world.version):
            raise TroubleError("secret", "somebody else was faster")
        self.world.version += 1
        self.world.data, self.world.asked = write_keys(keys), ""
        self.world.writes.append(self.name)

    def registrations(self) -> tuple[Registration, ...]:
        self._gate("configuration")
        return tuple(
            Registration(path, str(version), (Hook(path, "webhook.example", pem),), self.injected)
            for path, (version, pem) in self.world.bundles.items()
        )

    def put_bundles(self, seen: Registration, bundles: Sequence[Bundle]) -> None:
        self._gate("configuration")
        if seen.version != str(self.world.bundles[seen.path][0]):
            raise TroubleError("configuration", "somebody else was faster")
        self.world.put_bundle(seen.path, write_bundle(bundles[0]))
        self.world.writes.append(self.name)

    def reports(self) -> dict[str, Report]:
        self._gate("lease")
        return read_reports(self.world.annotations)

    def report(self, patch: Mapping[str, Any]) -> None:
        self._gate("lease")
        for key, text in patch["metadata"]["annotations"].items():
            self.world.annotations.pop(key, None)
            if text is not None:
                self.world.annotations[key] = text
        self.world.lease_spec |= patch.get("spec", {})
