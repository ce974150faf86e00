"""The keeper at work: rounds on a thread of its own, and the Lease by which one replica writes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from prometheus_client import CollectorRegistry

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.lease import LeaseElector, uptime_s
from powerplane.adapters.round_thread import RoundThread
from powerplane.adapters.serving.own_certificate import Face
from powerplane.adapters.serving.tls import SwappedTls
from powerplane.admission.certificates.cluster import CONFIGURATIONS, ClusterPlace
from powerplane.admission.certificates.keeper import Keeper, Means
from powerplane.admission.certificates.metrics import CertificateMetrics
from powerplane.admission.certificates.rotation import Terms

LEASE: Final = "powerplane-certificates"
SECRET: Final = "powerplane-webhook"
EVERY_S: Final = 5.0
SOON_S: Final = 0.5
SOON_ROUNDS: Final = 20


@dataclass(frozen=True, slots=True)
class CertificateSettings:
    """How certificates are looked after.

    Parameters
    ----------
    identity, namespace : str
        Of this replica; of the Secret and the Leases.
    secret : str
        "" where certificates come as files.
    terms : Terms or None
        Of those that are made here; None with files.
    configurations : tuple of str
        Webhook configurations, each a plural and a name.
    every_s : float
        Between two rounds once all is well.
    """

    identity: str
    namespace: str
    secret: str = ""
    terms: Terms | None = None
    configurations: tuple[str, ...] = CONFIGURATIONS
    every_s: float = EVERY_S


class CertificateRun:
    """Looks after the certificate of the webhook's port.

    Parameters
    ----------
    access : ClusterAccess
    settings : CertificateSettings
    registry : CollectorRegistry
    table : callable
        Whether there is enough to answer from.
    """

    def __init__(
        self,
        access: ClusterAccess,
        settings: CertificateSettings,
        registry: CollectorRegistry,
        table: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._elector: LeaseElector | None = None
        self.tls = SwappedTls()
        if settings.terms is not None:
            self._elector = _elector(access, settings, settings.terms)
        self._keeper = Keeper(
            settings.identity,
            settings.terms,
            Means(
                ClusterPlace(access, settings.namespace, settings.secret, settings.configurations),
                lambda: self.tls,
                CertificateMetrics(registry),
                self._elector.leading if self._elector is not None else lambda: False,
                uptime_s,
                lambda: datetime.now(UTC),
                table,
            ),
        )
        self._waited_rounds = 0
        self._rounds = RoundThread("certificates", self._keeper.round, lambda: None, tick_s=self._tick_s)

    def judge(self, shown: Face | None, fresh: Face) -> str:
        """Why a new certificate is not to be shown; see `Keeper.judge`."""
        return self._keeper.judge(shown, fresh)

    def ready(self) -> tuple[bool, str]:
        """Whether API servers can be answered, and if not, what is missing."""
        return self._keeper.standing()

    async def run(self) -> None:
        """Look after them until cancelled."""
        if self._elector is not None:
            self._elector.start()
        self._rounds.start()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.to_thread(self._stop)

    def _stop(self) -> None:
        self._rounds.stop(self._settings.every_s)
        self._keeper.leave()
        if self._elector is not None:
            self._elector.stop()

    def _tick_s(self) -> float:
        """Soon where certificates are waited for, but not for ever."""
        self._waited_rounds = 0 if self._keeper.standing()[0] else self._waited_rounds + 1
        return SOON_S if 0 < self._waited_rounds <= SOON_ROUNDS else self._settings.every_s


def _elector(access: ClusterAccess, settings: CertificateSettings, terms: Terms) -> LeaseElector:
    """Nothing here is in a hurry, so that a Lease is renewed every five seconds; sooner where little is waited."""
    duration_s = int(min(30.0, max(6.0, terms.settle_s / 2)))
    return LeaseElector(
        access,
        settings.namespace,
        LEASE,
        settings.identity,
        duration_s=duration_s,
        renew_deadline_s=duration_s * 2 / 3,
        retry_s=duration_s / 6,
    )
