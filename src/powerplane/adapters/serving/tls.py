"""The extender's certificate, read again while it serves, and the clients that it lets in.

kube-scheduler knows no other way to authenticate to an extender than its client certificate, so that is checked:
signed by the given authority, and made out to one of the given names.

A new certificate is never loaded into the context that serves: where certificate and key do not match, OpenSSL leaves
that context with neither, and every handshake fails. A fresh context is built instead; only a good one takes the
place of the old, for connections from then on.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from powerplane.models.errors import InputError

SCHEDULER_NAME = "system:kube-scheduler"
"""The name that Kubernetes gives the scheduler's own certificate."""

_log = logging.getLogger(__name__)

Signature = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where the certificate is, and who may connect.

    Parameters
    ----------
    certificate, key : Path
        The extender's own chain and key, in PEM.
    client_ca : Path or None
        Authorities of the clients' certificates, in PEM. None: clients need no certificate.
    client_names : tuple of str
        Names of which a client's certificate must have one, as its common name or as an alternative name (DNS, URI,
        IP address or e-mail). Empty: every certificate of the authority will do.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None
    client_names: tuple[str, ...] = (SCHEDULER_NAME,)

    def all(self) -> tuple[Path, ...]:
        """Return every file."""
        return (self.certificate, self.key, *(() if self.client_ca is None else (self.client_ca,)))


class RotatingTls:
    """A context to listen with, behind which the newest good certificate serves.

    Parameters
    ----------
    files : TlsFiles
        Read now, and again when `refresh` finds them changed.
    on_reload : callable, optional
        Told after each change whether it could be taken; once for each change that could not.

    Raises
    ------
    InputError
        Where the files cannot be used at the start.
    """

    def __init__(self, files: TlsFiles, on_reload: Callable[[bool], None] = lambda _: None) -> None:
        self._files = files
        self._on_reload = on_reload
        self._signature = _signature(files)
        self._refused: Signature | None = None
        try:
            self._current = build_context(files)
            self.listening = build_context(files)
        except (OSError, ValueError) as error:
            raise InputError(
                f"the certificate in {files.certificate} and {files.key} cannot be used: {_reason(error)}",
                "give a PEM certificate with the key that belongs to it, and the clients' CA",
            ) from error
        self.listening.sni_callback = self._swap

    def _swap(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        """Give a handshake the current context; OpenSSL asks for every client, with a server name or without."""
        connection.context = self._current

    def refresh(self) -> None:
        """Look at the files, and take them into use if they changed and are good."""
        signature = _signature(self._files)
        if signature == self._signature:
            if self._refused is not None:
                self._refused = None
                self._on_reload(True)
            return
        try:
            fresh = build_context(self._files)
        except (OSError, ValueError) as error:
            if signature != self._refused:  # told once for each state of the files, tried again each time
                _log.error("new certificate not used, the old one serves on: %s", _reason(error))
                self._on_reload(False)
            self._refused = signature
            return
        self._current, self._signature, self._refused = fresh, signature, None
        _log.info("new certificate in use")
        self._on_reload(True)

    async def watch(self, interval_s: float = 2.0) -> None:
        """Refresh for ever. Kubernetes swaps a symbolic link, which changes the inode that the path leads to."""
        while True:
            await asyncio.sleep(interval_s)
            await asyncio.to_thread(self.refresh)


def build_context(files: TlsFiles) -> ssl.SSLContext:
    """Return a server's context of these files, for TLS 1.2 and above.

    Raises
    ------
    OSError
        For files that are missing, cut off, or do not belong together (`ssl.SSLError` is one).
    ValueError
        For a file of authorities that holds none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    # A resumed session would not show its certificate again, so a client taken off the CA could stay.
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET
    context.load_cert_chain(files.certificate, files.key)
    if files.client_ca is not None:
        context.load_verify_locations(files.client_ca)
        if not context.cert_store_stats()["x509"]:
            raise ValueError(f"{files.client_ca} holds no certificate")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def certificate_names(certificate: Mapping[str, Any]) -> frozenset[str]:
    """Return the common names and alternative names of a peer's certificate, as `ssl` decodes it."""
    subject = (pair for part in certificate.get("subject", ()) for pair in part)
    common = {value for key, value in subject if key == "commonName"}
    return frozenset(common | {value for _, value in certificate.get("subjectAltName", ())})


def _signature(files: TlsFiles) -> Signature:
    return tuple(_file_signature(path) for path in files.all())


def _file_signature(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]
