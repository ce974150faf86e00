"""What is told about the webhook's certificates, in Prometheus' form; until when one is shown is told by its port."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from powerplane.admission.certificates.keys import Keys

PREFIX: Final = "powerplane_certificates_"


class CertificateMetrics:
    """Counts and gauges of one replica.

    Parameters
    ----------
    registry : CollectorRegistry
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._steps = Counter(
            f"{PREFIX}steps", "Writes by which one certificate follows another.", ("step",), registry=registry
        )
        self._failures = Counter(
            f"{PREFIX}failures", "Requests about certificates that failed, by object.", ("object",), registry=registry
        )
        self._trusted = Gauge(
            f"{PREFIX}trusted",
            "1 while API servers can be answered: the certificate that is shown verifies against caBundle.",
            registry=registry,
        )
        self._leads = Gauge(f"{PREFIX}leading", "1 where this replica makes the certificates.", registry=registry)
        self._until = Gauge(
            f"{PREFIX}authority_expiration_timestamp_seconds",
            "Until when the authority holds that signs; told where this replica makes the certificates.",
            registry=registry,
        )

    def stands(self, *, ok: bool) -> None:
        """Tell whether API servers can be answered."""
        self._trusted.set(int(ok))

    def leads(self, leading: bool) -> None:
        """Tell whether this replica makes the certificates."""
        self._leads.set(int(leading))

    def failed(self, what: str) -> None:
        """Count a request that failed."""
        self._failures.labels(what).inc()

    def stepped(self, step: str, keys: Keys) -> None:
        """Count a step, from these keys."""
        if step != "wait":
            self._steps.labels(step).inc()
        if keys.authority is not None:
            self._until.set(keys.authority.certificate.not_valid_after_utc.timestamp())
