"""A port's certificate, read again while it serves, and the clients that it lets in.

kube-scheduler knows no other way to authenticate to an extender than its client certificate, so that is checked:
signed by the given authority, and made out to one of the given names.

A new certificate is never loaded into the context that serves: where certificate and key do not match, OpenSSL leaves
that context with neither, and every handshake fails. A fresh context is built instead; only a good one takes the
place of the old, for connections from then on.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from powerplane.adapters.serving.own_certificate import Face, new_context, read_certificate
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
        The port's own chain and key, in PEM.
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


Judge = Callable[[Face | None, Face], str]
"""Says of the certificate that is shown (None: none yet) and a new one why the new one is not to be shown; or ""."""


def take_any(_shown: Face | None, _fresh: Face) -> str:
    """Judge nothing."""
    return ""


class ServerTls(Protocol):
    """Certificates that a port shows, however they come."""

    @property
    def listening(self) -> ssl.SSLContext:
        """The context to listen with."""
        ...

    def tell(self, events: "TlsEvents") -> None:
        """Count there what happens from now on."""
        ...

    async def watch(self, interval_s: float) -> None:
        """Take new certificates as they come, for ever."""
        ...


class TlsEvents(Protocol):
    """Where changes of a certificate are counted."""

    def reloaded(self, *, ok: bool) -> None:
        """Count a change of the certificate that was taken, or could not be."""
        ...

    def shows(self, until_s: float) -> None:
        """Note until when the certificate holds that is shown now, in Unix seconds."""
        ...


class SwappedTls:
    """A context to listen with, behind which another can be put at any time.

    Until there is one, every handshake fails.
    """

    def __init__(self) -> None:
        self.listening: ssl.SSLContext = new_context()
        self.listening.sni_callback = self._swap
        self.face: Face | None = None
        self._events: TlsEvents | None = None

    def _swap(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        """Give a handshake the current context; OpenSSL asks for every client, with a server name or without."""
        if self.face is not None:
            connection.context = self.face.context

    def show(self, face: Face) -> None:
        """Show this to every connection from now on."""
        self.face = face
        if self._events is not None:
            self._events.shows(face.certificate.until_s)

    def tell(self, events: TlsEvents) -> None:
        """Count there what happens from now on."""
        self._events = events
        if self.face is not None:
            events.shows(self.face.certificate.until_s)

    def reloaded(self, *, ok: bool) -> None:
        """Count a change that was taken, or could not be."""
        if self._events is not None:
            self._events.reloaded(ok=ok)

    async def watch(self, interval_s: float) -> None:  # noqa: ARG002  # whoever calls `show` looks by itself
        """Nothing is to be looked at here."""
        await asyncio.Event().wait()


class RotatingTls(SwappedTls):
    """Shows the newest good certificate of some files.

    Parameters
    ----------
    files : TlsFiles
        Read now, and again when `refresh` finds them changed.
    on_reload : callable, optional
        Told after each change whether it could be taken; once for each change that could not.
    judge : Judge, optional
        Asked before a new certificate takes the place of one that is shown.
    now : callable, optional
        Unix seconds.

    Raises
    ------
    InputError
        Where the files cannot be used at the start.
    """

    def __init__(
        self,
        files: TlsFiles,
        on_reload: Callable[[bool], None] = lambda _: None,
        judge: Judge = take_any,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self._files = files
        self._on_reload = on_reload
        self._judge = judge
        self._now = now
        self._signature = _signature(files)
        self._refused: Signature | None = None
        try:
            self.show(self._read())
            self.listening = build_context(files)
        except (OSError, ValueError) as error:
            raise InputError(
                f"the certificate in {files.certificate} and {files.key} cannot be used: {_reason(error)}",
                "give a PEM certificate with the key that belongs to it, and the clients' CA",
            ) from error
        self.listening.sni_callback = self._swap

    def _read(self) -> Face:
        face = Face(build_context(self._files), read_certificate(self._files.certificate.read_bytes()))
        if trouble := face.certificate.trouble(self._now()) or (self.face and self._judge(self.face, face)):
            raise ValueError(trouble)
        return face

    def _took(self, ok: bool) -> None:
        self.reloaded(ok=ok)
        self._on_reload(ok)

    def refresh(self) -> None:
        """Look at the files, and take them into use if they changed and are good."""
        signature = _signature(self._files)
        if signature == self._signature:
            if self._refused is not None:
                self._refused = None
                self._took(True)
            return
        try:
            fresh = self._read()
        except (OSError, ValueError) as error:
            if signature != self._refused:  # told once for each state of the files, tried again each time
                _log.error("new certificate not used, the old one serves on: %s", _reason(error))
                self._took(False)
            self._refused = signature
            return
        self._signature, self._refused = signature, None
        self.show(fresh)
        _log.info("new certificate in use")
        self._took(True)

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
    context = new_context()
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
