"""An authority of the webhook's own and the certificates that it signs: P-256, names in the certificate, no more."""

import datetime
import ipaddress
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from powerplane.adapters.serving.own_certificate import authority_of

BACKDATED_S: Final = 300.0
"""Clocks of those who verify may be behind by so much; of short lives a tenth."""

RENEW_AT: Final = 2 / 3
"""Of its life, at which a certificate is followed by another."""

PRODUCT: Final = "powerplane-webhook"


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key.

    Parameters
    ----------
    certificate : x509.Certificate
    key : ec.EllipticCurvePrivateKey
        Shown nowhere, and told by the certificate already.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False, compare=False)

    @property
    def pem(self) -> bytes:
        """The certificate, in PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key, in PEM."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def identifier(self) -> str:
        """Of the key, in hex: what the certificates that it signs name as their authority."""
        return x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()).digest.hex()

    @property
    def signer(self) -> str:
        """Identifier of the key that signed it."""
        return authority_of(self.certificate)

    @property
    def names(self) -> frozenset[str]:
        """Host names and addresses that it is for."""
        return names_of(self.certificate)

    def holds(self, now: datetime.datetime) -> bool:
        """Whether it holds at a time."""
        return self.certificate.not_valid_before_utc <= now < self.certificate.not_valid_after_utc

    def is_due(self, now: datetime.datetime) -> bool:
        """Whether another should follow."""
        start, end = self.certificate.not_valid_before_utc, self.certificate.not_valid_after_utc
        return now >= start + (end - start) * RENEW_AT


def make_authority(now: datetime.datetime, life_s: float) -> Pair:
    """Make an authority, which can sign certificates of servers and no other authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    # Authorities of one name in one bundle would have to be told apart by whoever verifies.
    name = _name(f"{PRODUCT}-{identifier.digest.hex()[:12]}")
    certificate = (
        _builder(name, name, key, now, life_s)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    return Pair(certificate, key)


def issue(authority: Pair, names: tuple[str, ...], now: datetime.datetime, life_s: float) -> Pair:
    """Make a server's certificate.

    Parameters
    ----------
    authority : Pair
    names : tuple of str
        Host names and addresses that clients ask for.
    now : datetime
    life_s : float
        It ends with its authority's at the latest.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    above = authority.certificate
    builder = _builder(_name(PRODUCT), above.subject, key, now, life_s, latest=above.not_valid_after_utc)
    certificate = (
        builder.add_extension(x509.SubjectAlternativeName([_alternative(each) for each in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return Pair(certificate, key)


def read_pair(pem: bytes, key_pem: bytes) -> Pair | None:
    """Read a pair; None where it cannot be read, or is none."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = load_pem_private_key(key_pem, password=None)
        belongs = certificate.public_key() == key.public_key()
    # Keys come in many broken forms, and the library tells some of them by errors of its own.
    except Exception:
        return None
    return Pair(certificate, key) if belongs and isinstance(key, ec.EllipticCurvePrivateKey) else None


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it may sign others."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def names_of(certificate: x509.Certificate) -> frozenset[str]:
    """Host names and addresses that a certificate is for."""
    try:
        told = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return frozenset()
    hosts = told.get_values_for_type(x509.DNSName)
    return frozenset([*hosts, *map(str, told.get_values_for_type(x509.IPAddress))])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime.datetime,
    life_s: float,
    *,
    latest: datetime.datetime | None = None,
) -> x509.CertificateBuilder:
    start = now - datetime.timedelta(seconds=min(BACKDATED_S, life_s / 10))
    end = now + datetime.timedelta(seconds=life_s)
    return (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end if latest is None else min(end, latest))
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
