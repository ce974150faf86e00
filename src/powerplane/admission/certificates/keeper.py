"""What each replica does about its certificate, round by round: look, take, tell; and where it leads, the next step."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from powerplane.adapters.serving.own_certificate import Face, make_face, refusal
from powerplane.adapters.serving.tls import SwappedTls
from powerplane.adapters.webhook_lease import BEAT_S, Report, beat, farewell, report_key, told
from powerplane.admission.certificates.authority import Pair
from powerplane.admission.certificates.bundle import bundle_of
from powerplane.admission.certificates.metrics import CertificateMetrics
from powerplane.admission.certificates.place import Hook, Place, Registration, SeenSecret, TroubleError
from powerplane.admission.certificates.rotation import (
    Hindsight,
    Sight,
    Step,
    Terms,
    changed_bundle,
    changed_keys,
    next_step,
)

STALE_S: Final = 60.0
"""A round takes a dozen seconds at the most, and the next begins soon."""

UNKNOWN: Final = "unknown"
"""Stands for the authority of a certificate that does not name it."""

Refusal = Callable[[Face, Hook], str]
_log = logging.getLogger(__name__)


def refused_by(face: Face, hook: Hook) -> str:
    """Why an API server would refuse a certificate; "" where it would not."""
    return refusal(face.context, hook.host, hook.bundle)


@dataclass(frozen=True, slots=True)
class Means:
    """What a keeper works with.

    Parameters
    ----------
    place : Place
    tls : callable
        Returns what the webhook's port shows.
    metrics : CertificateMetrics
    leading : callable
        Whether this replica may write at this instant.
    clock, now : callable
        Monotonic seconds; the time of day.
    table : callable
        Whether there is enough to answer from.
    refused : Refusal
    make : callable
        Makes a face of certificate and key, in PEM.
    """

    place: Place
    tls: Callable[[], SwappedTls]
    metrics: CertificateMetrics
    leading: Callable[[], bool]
    clock: Callable[[], float]
    now: Callable[[], datetime]
    table: Callable[[], bool]
    refused: Refusal = refused_by
    make: Callable[[bytes, bytes], Face] = make_face


class Keeper:
    """Looks after one replica's certificate; one thread calls `round`, any may ask `standing` and `judge`.

    Parameters
    ----------
    replica : str
        Unlike any other's name.
    terms : Terms or None
        Of the certificates that are made here. None: they come as files.
    means : Means
    """

    def __init__(self, replica: str, terms: Terms | None, means: Means) -> None:
        self._replica = replica
        self._terms = terms
        self._means = means
        self._registrations: tuple[Registration, ...] | None = None
        self._standing = (False, "certificates have not been looked at yet")
        self._began_s = means.clock()
        self._hindsight: Hindsight | None = None
        self._reported: Report | None = None
        self._reported_s = float("-inf")
        self._looked_s = float("-inf")
        self._joined = terms is None
        self._refused = ""
        self._trouble: dict[str, str] = {}

    def standing(self) -> tuple[bool, str]:
        """Whether API servers can be answered under this certificate, and if not, what is missing.

        While there is no configuration nobody asks: that is no reason to be taken out of the Service, but no sign of
        life either. What was seen a minute ago counts no more: nobody looks after certificates.
        """
        if self._means.clock() - self._began_s > STALE_S:
            return False, "certificates have not been looked at for a minute"
        return self._standing

    def judge(self, shown: Face | None, fresh: Face) -> str:
        """Why a new certificate is not to be shown: it would be refused where the one that is shown is not."""
        for hook in self._hooks():
            if (why := self._means.refused(fresh, hook)) and shown is not None and not self._means.refused(shown, hook):
                return f"API servers would refuse it for {hook.host}: {why}"
        return ""

    def round(self) -> None:
        """Look at everything once, and do what is to be done; whatever fails is tried again in the next round."""
        began_s = self._means.clock()
        secret = self._look_at_secret() if self._terms is not None else None
        fresh = self._look_at_registrations()
        if secret is not None and secret.keys.leaf is not None:
            self._take(secret.keys.leaf)
        self._standing, self._began_s = self._stand(), began_s
        self._means.metrics.stands(ok=self._standing[0])
        self._tell()
        leads = self._means.leading()
        self._means.metrics.leads(leads)
        if self._terms is not None and secret is not None and fresh is not None and leads:
            self._lead(self._terms, secret, fresh)
        else:
            self._hindsight = None  # what one did not look at may have changed, and changed back

    def leave(self) -> None:
        """Take one's leave: nobody has to wait for this replica any more."""
        try:
            self._means.place.report(farewell(self._replica))
        except TroubleError as error:
            self._failed(error)

    def _look_at_secret(self) -> SeenSecret | None:
        try:
            seen = self._means.place.secret()
        except TroubleError as error:
            self._failed(error)
            return None
        self._went_well("secret")
        self._looked_s = self._means.clock()
        self._join(seen.keys.leaf)
        return seen

    def _join(self, leaf: Pair | None) -> None:
        """Note whether whoever makes certificates waits for this replica.

        A report that stood before a look which found that certificate is seen by whoever writes another after it; one
        that is old may be thought to be of a replica that is gone.
        """
        if self._terms is None:
            return
        if self._means.clock() - self._reported_s > self._terms.forget_s / 2:
            self._joined = False
        elif leaf is not None and self._reported is not None:
            self._joined |= self._reported.certificate in bundle_of(leaf.certificate)

    def _look_at_registrations(self) -> tuple[Registration, ...] | None:
        try:
            found = self._means.place.registrations()
        except TroubleError as error:
            self._failed(error)
            return None
        self._went_well("configuration")
        self._registrations = found
        return found

    def _take(self, leaf: Pair) -> None:
        shown = self._means.tls().face
        (fingerprint,) = bundle_of(leaf.certificate)
        if shown is not None and shown.certificate.fingerprint == fingerprint:
            if self._refused:
                self._means.tls().reloaded(ok=True)
            self._refused = ""
            return
        try:
            fresh = self._means.make(leaf.pem, leaf.key_pem)
            why = fresh.certificate.trouble(self._means.now().timestamp()) or self.judge(shown, fresh)
        except (OSError, ValueError) as error:
            why = type(error).__name__  # what it says may quote what it read
        if why:
            if self._refused != fingerprint:
                _log.error("new certificate not used: %s", why)
                self._means.tls().reloaded(ok=False)
            self._refused = fingerprint
            return
        self._refused = ""
        self._means.tls().show(fresh)
        self._means.tls().reloaded(ok=True)
        _log.info("new certificate in use")

    def _stand(self) -> tuple[bool, str]:
        face = self._means.tls().face
        if not self._means.table():
            return False, "the watches are not in step yet"
        if face is None:
            return False, f"there is no certificate yet{self._because('secret')}"
        if self._registrations is None:
            return False, f"the webhook configurations have not been read yet{self._because('configuration')}"
        for hook in self._hooks():
            if why := self._means.refused(face, hook):
                return False, f"API servers refuse our certificate for {hook.host} ({hook.name}): {why}"
        if not self._joined:
            return False, f"other replicas do not know of this one yet{self._because('lease')}"
        if self._terms is not None and self._means.clock() - self._looked_s > self._terms.forget_s / 2:
            return False, f"the Secret has not been read for long{self._because('secret')}"
        return True, ""

    def _tell(self) -> None:
        """Report when there is news, and every ten seconds."""
        face, now = self._means.tls().face, self._means.now()
        certificate = face.certificate if face is not None else None
        report = Report(
            self._replica,
            told(now),
            certificate.fingerprint if certificate else "",
            (certificate.authority or UNKNOWN) if certificate else "",
            self._standing[0] and bool(self._hooks()),
        )
        before = self._reported
        same = before is not None and (before.certificate, before.ready) == (report.certificate, report.ready)
        if same and self._means.clock() - self._reported_s < BEAT_S:
            return
        try:
            seen = self._means.place.reports()
            self._means.place.report(beat(report, now, seen))
        except TroubleError as error:
            self._failed(error)
            return
        written = seen.get(report_key(self._replica))
        if before is not None and written is not None and written.at != before.at:
            self._failed(TroubleError("lease", f"another replica is named {self._replica}: give each its --identity"))
        else:
            self._went_well("lease")
        self._reported, self._reported_s = report, self._means.clock()

    def _lead(self, terms: Terms, secret: SeenSecret, registrations: tuple[Registration, ...]) -> None:
        if any(each.injected for each in registrations):
            self._failed(TroubleError("configuration", "cert-manager writes caBundle: drop --webhook-secret, or that"))
            return
        try:
            reports = self._means.place.reports()
            bundles = tuple(hook.trusted for each in registrations for hook in each.hooks)
            sight = Sight(secret.keys, bundles, reports, secret.asked)
            hindsight = self._hindsight = self._hindsight or Hindsight(self._means.clock)
            hindsight.note(sight)
            now = self._means.now()
            step = next_step(sight, hindsight, terms, now)
            keys = changed_keys(step, sight, terms, now)
            if keys is not None:
                self._means.place.put_secret(secret, keys)
            elif step in ("publish", "drop"):
                self._change_bundles(step, secret, registrations)
        except TroubleError as error:
            self._failed(error)
            return
        self._means.metrics.stepped(step, secret.keys)
        if step != "wait":
            _log.info("certificates: %s", step)

    def _change_bundles(self, step: Step, secret: SeenSecret, registrations: tuple[Registration, ...]) -> None:
        for each in registrations:
            before = [hook.trusted for hook in each.hooks]
            after = [changed_bundle(step, secret.keys, bundle) for bundle in before]
            if after != before:
                self._means.place.put_bundles(each, after)

    def _hooks(self) -> list[Hook]:
        return [hook for each in self._registrations or () for hook in each.hooks]

    def _because(self, what: str) -> str:
        return f": {self._trouble[what]}" if what in self._trouble else ""

    def _failed(self, error: TroubleError) -> None:
        self._means.metrics.failed(error.what)
        if self._trouble.get(error.what) != str(error):  # told once for each reason
            _log.warning("certificates: %s", error)
        self._trouble[error.what] = str(error)

    def _went_well(self, what: str) -> None:
        self._trouble.pop(what, None)
