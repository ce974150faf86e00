"""``powerplane serve --webhook-port`` and ``--release-gates``: the webhook and the releaser in the same process."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter
from prometheus_client import CollectorRegistry

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.measured import Measured
from powerplane.adapters.serving.listener import Listener, ListenerSettings
from powerplane.adapters.serving.server import Background
from powerplane.adapters.serving.tls import RotatingTls, TlsFiles
from powerplane.admission.app import LIMITS, AdmissionApp
from powerplane.admission.certificates.run import CertificateRun, CertificateSettings
from powerplane.admission.gates.release_run import ReleaseRun, ReleaseSettings
from powerplane.admission.history.feed import HistoryFeed, HistoryMetrics
from powerplane.admission.history.wire import NOTHING_KNOWN, Opening
from powerplane.admission.lock_watch import LockWatch
from powerplane.admission.metrics import AdmissionMetrics
from powerplane.admission.run import AdmissionRun
from powerplane.models.errors import UsageError

WEBHOOK = Group("The webhook", sort_key=5)

WebhookPort = Annotated[
    int | None,
    Parameter(group=WEBHOOK, help="Port of the API server's reviews; without it there is no webhook."),
]
WebhookHost = Annotated[str, Parameter(group=WEBHOOK, help="Its address.")]
WebhookCert = Annotated[
    Path | None,
    Parameter(group=WEBHOOK, help="Its certificate, for the Service's name; read again when it changes."),
]
WebhookKey = Annotated[Path | None, Parameter(group=WEBHOOK, help="Its key.")]
ReleaseGates = Annotated[
    bool,
    Parameter(
        group=WEBHOOK,
        negative=(),
        help="Let pods go that wait for watts behind a gate, as headroom comes; needs the right to patch pods.",
    ),
]


@dataclass(frozen=True, slots=True)
class WebhookOptions:
    """What the command line says of the webhook."""

    port: int | None
    host: str
    certificate: Path | None
    key: Path | None
    secret: str | None = None

    def settings(self) -> ListenerSettings | None:
        """Where it listens; None for nowhere.

        Raises
        ------
        UsageError
            For a port without a certificate: an API server talks TLS only.
        """
        given = (self.certificate, self.key, self.secret)
        if self.port is None:
            if any(each is not None for each in given):
                raise UsageError(
                    "--webhook-cert, --webhook-key and --webhook-secret need --webhook-port",
                    "give a port, such as 8443",
                )
            return None
        if self.secret is not None and given[:2] != (None, None):
            raise UsageError(
                "--webhook-secret makes a certificate, --webhook-cert and --webhook-key give one",
                "give one or the other",
            )
        if self.secret is None and None in given[:2]:
            raise UsageError(
                "--webhook-port needs a certificate: an API server talks TLS only",
                "give --webhook-cert and --webhook-key made out to the webhook's Service, or --webhook-secret",
            )
        # An API server shows no certificate unless its administrator made it (so nobody could be let in by one), and
        # what is answered changes nothing here.
        pair = (self.certificate, self.key)
        tls = TlsFiles(pair[0], pair[1], None, ()) if pair[0] is not None and pair[1] is not None else None
        return ListenerSettings(host=self.host, port=self.port, tls=tls, insecure=True, limits=LIMITS)


@dataclass(frozen=True, slots=True)
class Webhook:
    """The webhook's port, made in the event loop, and what keeps its table and its certificate up to date."""

    listen: Callable[[], Listener]
    background: tuple[Background, ...]


def make_webhook(
    access: ClusterAccess,
    settings: ListenerSettings,
    metrics: AdmissionMetrics,
    locks: LockWatch,
    certificates: CertificateSettings,
    *,
    history: Opening | None = None,
) -> Webhook:
    """Put a webhook together; nothing is asked or listened on yet.

    Raises
    ------
    InputError
        For a certificate in files that cannot be used.
    """
    feed = HistoryFeed(history, lambda: run.fills) if history is not None else None
    run = AdmissionRun(access, feed.histories if feed else lambda: NOTHING_KNOWN, locks=locks)
    metrics.offers(run.offered)
    kept = CertificateRun(access, certificates, metrics.registry, lambda: run.table() is not None)
    if isinstance(settings.tls, TlsFiles):
        kept.tls = RotatingTls(settings.tls, judge=kept.judge)
    settings = replace(settings, tls=kept.tls)
    app = AdmissionApp(run.table, metrics, certified=kept.ready)
    background: tuple[Background, ...] = (run.run, kept.run)
    if feed is not None:
        metrics.registry.register(HistoryMetrics(feed))
        background = (*background, feed.run)
    return Webhook(lambda: Listener(app, settings, metrics, app.at_once), background)


async def run_releaser(
    access: ClusterAccess, settings: ReleaseSettings, registry: CollectorRegistry, measured: Measured | None = None
) -> None:
    """Let gated pods go, on threads of its own, until cancelled."""
    releaser = ReleaseRun(access, settings, registry, measured=measured)
    releaser.start()
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.to_thread(releaser.stop)
