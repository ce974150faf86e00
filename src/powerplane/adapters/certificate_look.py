"""Certificates as those see them who are to trust them: a bundle of authorities, and what a port shows.

Nothing but the standard library's own reading is used: what it takes, TLS takes.
"""

import base64
import binascii
import re
import socket
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

MARKED = re.compile(rb"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Certificate:
    """How long a certificate holds.

    Parameters
    ----------
    subject : str
    from_s, until_s : float
        Unix seconds.
    """

    subject: str
    from_s: float
    until_s: float


@dataclass(frozen=True, slots=True)
class Bundle:
    """Certificates that are trusted.

    Parameters
    ----------
    authorities : tuple of Certificate
    others : int
        Certificates that are no authorities.
    trouble : str
        Why it cannot be read; "" where it can.
    pem : str
    """

    authorities: tuple[Certificate, ...] = ()
    others: int = 0
    trouble: str = ""
    pem: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a port shows to one who trusts a bundle.

    Parameters
    ----------
    certificate : Certificate or None
        None where it is not trusted, or there is no answer.
    refused : str
        Why it is not trusted.
    trouble : str
        Why there is no answer.
    """

    certificate: Certificate | None = None
    refused: str = ""
    trouble: str = ""


def read_bundle(encoded: str) -> Bundle:
    """Read ``caBundle``: PEM in base64."""
    try:
        text = base64.b64decode(encoded, validate=True)
        pem = "\n".join(each.decode("ascii") for each in MARKED.findall(text))
    except (binascii.Error, ValueError):
        return Bundle(trouble="it is no base64 of PEM")
    if not pem:
        return Bundle(trouble="there is no certificate in it")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=pem)
    except ssl.SSLError as error:
        return Bundle(trouble=f"it cannot be read as certificates: {error.reason or error}")
    count = context.cert_store_stats()
    found = tuple(_certificate(each) for each in context.get_ca_certs())
    return Bundle(found, count["x509"] - count["x509_ca"], "", pem)


def look_at_port(host: str, port: int, pem: str, server_name: str, timeout_s: float) -> Shown:
    """Connect as an API server does, and say what is shown; nothing is asked.

    Parameters
    ----------
    host, port : str, int
    pem : str
        Authorities that are trusted, and no others.
    server_name : str
        That the certificate must be made out to.
    timeout_s : float
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=pem)
        with socket.create_connection((host, port), timeout_s) as plain:
            plain.settimeout(timeout_s)
            with context.wrap_socket(plain, server_hostname=server_name) as secured:
                shown = secured.getpeercert()
    except ssl.SSLCertVerificationError as error:
        return Shown(refused=error.verify_message)
    except OSError as error:
        return Shown(trouble=error.strerror or str(error) or type(error).__name__)
    return Shown(_certificate(shown or {}))


def address_of(url: str) -> tuple[str, int]:
    """Host and port of an https URL.

    Raises
    ------
    ValueError
        For anything else.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError(f"{url!r} is no https URL")
    return parts.hostname, parts.port or 443


def _certificate(told: Any) -> Certificate:
    names = [value for part in told.get("subject", ()) for key, value in part if key == "commonName"]
    first, last = (ssl.cert_time_to_seconds(told[key]) if key in told else 0 for key in ("notBefore", "notAfter"))
    return Certificate(names[0] if names else "", first, last)
