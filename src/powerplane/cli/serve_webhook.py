"""``powerplane serve --webhook-port`` and ``--release-gates``: the webhook and the releaser in the same process."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter
from prometheus_client import CollectorRegistry

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.serving.listener import Listener, ListenerSettings
from powerplane.adapters.serving.tls import TlsFiles
from powerplane.admission.app import LIMITS, AdmissionApp
from powerplane.admission.lock_watch import LockWatch
from powerplane.admission.metrics import AdmissionMetrics
from powerplane.admission.release_run import ReleaseRun, ReleaseSettings
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

    def settings(self) -> ListenerSettings | None:
        """Where it listens; None for nowhere.

        Raises
        ------
        UsageError
            For a port without a certificate: an API server talks TLS only.
        """
        if self.port is None:
            if self.certificate is not None or self.key is not None:
                raise UsageError("--webhook-cert and --webhook-key need --webhook-port", "give a port, such as 8443")
            return None
        if self.certificate is None or self.key is None:
            raise UsageError(
                "--webhook-port needs --webhook-cert and --webhook-key: an API server talks TLS only",
                "give a certificate that is made out to the webhook's Service, and its key",
            )
        # An API server shows no certificate unless its administrator made it (so nobody could be let in by one), and
        # what is answered changes nothing here.
        tls = TlsFiles(self.certificate, self.key, None, ())
        return ListenerSettings(host=self.host, port=self.port, tls=tls, insecure=True, limits=LIMITS)


@dataclass(frozen=True, slots=True)
class Webhook:
    """The webhook's port, made in the event loop, and what keeps its table up to date."""

    listen: Callable[[], Listener]
    run: AdmissionRun


def make_webhook(
    access: ClusterAccess, settings: ListenerSettings, metrics: AdmissionMetrics, locks: LockWatch
) -> Webhook:
    """Put a webhook together; nothing is asked or listened on yet."""
    run = AdmissionRun(access, locks=locks)
    return Webhook(lambda: Listener(AdmissionApp(run.table, metrics), settings, metrics), run)


async def run_releaser(access: ClusterAccess, settings: ReleaseSettings, registry: CollectorRegistry) -> None:
    """Let gated pods go, on threads of its own, until cancelled."""
    releaser = ReleaseRun(access, settings, registry)
    releaser.start()
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.to_thread(releaser.stop)
