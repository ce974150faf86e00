"""What a port tells about its certificate and its clients, in Prometheus' form."""

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest


class PortMetrics:
    """Counts of one port, and the registry that they stand in; to be added to by whoever answers there.

    Parameters
    ----------
    prefix : str
        Of every name.
    registry : CollectorRegistry
    """

    def __init__(self, prefix: str, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._reloads = Counter(f"{prefix}tls_reloads", "Certificates read again.", ("result",), registry=registry)
        self._stale = Gauge(
            f"{prefix}tls_stale", "1 while the files cannot be used and older ones serve.", registry=registry
        )
        self._until = Gauge(
            f"{prefix}tls_expiration_timestamp_seconds",
            "Until when the certificate holds that is shown; 0 while there is none.",
            registry=registry,
        )
        self._strangers = Counter(
            f"{prefix}clients_refused", "Connections closed for their certificate's name.", registry=registry
        )

    def reloaded(self, *, ok: bool) -> None:
        """Count a change of the certificate's files that was taken, or could not be."""
        self._reloads.labels("ok" if ok else "refused").inc()
        self._stale.set(0 if ok else 1)

    def shows(self, until_s: float) -> None:
        """Note until when the certificate holds that is shown now, in Unix seconds."""
        self._until.set(until_s)

    def stranger(self) -> None:
        """Count a connection that was closed because its certificate is another's."""
        self._strangers.inc()

    def render(self) -> bytes:
        """Return every figure in Prometheus' text form."""
        return generate_latest(self.registry)
