"""A certificate that a port shows: what it says of itself, and whether a client would take it."""

import hashlib
import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

HANDSHAKE_ROUNDS = 6


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says.

    Parameters
    ----------
    fingerprint : str
        SHA-256 of the whole of it, in hex.
    authority : str
        Identifier of the key that signed it, in hex; "" where it does not say.
    from_s, until_s : float
        Between which it holds, in Unix seconds.
    """

    fingerprint: str
    authority: str
    from_s: float
    until_s: float

    def trouble(self, now_s: float) -> str:
        """Why it does not hold at a time; "" where it does."""
        if now_s >= self.until_s:
            return "it has expired"
        return "it does not hold yet" if now_s < self.from_s else ""


@dataclass(frozen=True, slots=True)
class Face:
    """A certificate with its key, ready to be shown."""

    context: ssl.SSLContext
    certificate: Certificate


def read_certificate(pem: bytes) -> Certificate:
    """Read the first certificate of a chain.

    Raises
    ------
    ValueError
        Where there is none that can be read.
    """
    found = x509.load_pem_x509_certificate(pem)
    return Certificate(
        hashlib.sha256(found.public_bytes(Encoding.DER)).hexdigest(),
        authority_of(found),
        found.not_valid_before_utc.timestamp(),
        found.not_valid_after_utc.timestamp(),
    )


def authority_of(certificate: x509.Certificate) -> str:
    """Identifier of the key that signed a certificate (RFC 5280, 4.2.1.1), in hex; "" where it does not say."""
    try:
        told = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except (x509.ExtensionNotFound, ValueError):
        return ""
    return told.hex() if told else ""


def make_face(chain_pem: bytes, key_pem: bytes) -> Face:
    """Return a pair, ready to be shown over TLS 1.2 and above.

    Raises
    ------
    OSError
        Where they do not belong together (`ssl.SSLError` is one).
    ValueError
        Where there is no certificate.
    """
    context = new_context()
    with _file(chain_pem) as chain, _file(key_pem) as key:
        context.load_cert_chain(chain, key)
    return Face(context, read_certificate(chain_pem))


def new_context() -> ssl.SSLContext:
    """Return a server's context without a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    # A resumed session would not show its certificate again, so a client taken off the CA could stay.
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET
    return context


def refusal(context: ssl.SSLContext, host: str, bundle: bytes) -> str:
    """Why a client that trusts a bundle would not talk to who serves a context; "" where it would.

    Both sides are played in memory, so that it is TLS itself that judges: times, names, and whether key, certificate
    and authority belong together. As in Go, a common name is no name, and any certificate of the bundle may be the
    last of the chain. An empty bundle stands for the authorities of the system.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.hostname_checks_common_name = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        if bundle:
            client.load_verify_locations(cadata=bundle.decode("ascii"))
        else:
            client.load_default_certs()
        return _played(client, context, host)
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except (ssl.SSLError, ValueError) as error:
        return str(error).splitlines()[0]


def _played(client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> str:
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(back, there, server_hostname=host)
    answering = server.wrap_bio(there, back, server_side=True)
    for _ in range(HANDSHAKE_ROUNDS):
        try:
            asking.do_handshake()
            return ""
        except ssl.SSLWantReadError:
            pass
        with suppress(ssl.SSLWantReadError):
            answering.do_handshake()
    return "the handshake does not end"


@contextmanager
def _file(content: bytes) -> Iterator[str]:
    """Content as a file that only this process can open, and that is gone afterwards; `ssl` reads keys by path only."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, content)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "pem")
            path.touch(0o600)
            path.write_bytes(content)
            yield str(path)
