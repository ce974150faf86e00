"""Bundles of authorities that clients trust: sets of certificates in PEM, each by its fingerprint."""

import hashlib
import re
from collections.abc import Mapping
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from powerplane.admission.certificates.authority import is_authority

Bundle = Mapping[str, bytes]
"""Certificates by fingerprint, each in PEM."""

LONGEST_BYTES: Final = 1 << 18
_MARKED = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def read_bundle(pem: bytes) -> Bundle:
    """Return every certificate that can be read; the rest is nothing that a client could trust."""
    found: dict[str, bytes] = {}
    for block in _MARKED.findall(pem[:LONGEST_BYTES]):
        try:
            certificate = x509.load_pem_x509_certificate(block)
        except ValueError:
            continue
        found |= bundle_of(certificate)
    return found


def bundle_of(*certificates: x509.Certificate) -> Bundle:
    """Return these as a bundle."""
    ders = [(each.public_bytes(Encoding.DER), each.public_bytes(Encoding.PEM)) for each in certificates]
    return {hashlib.sha256(der).hexdigest(): pem for der, pem in ders}


def authorities(bundle: Bundle) -> Bundle:
    """Return those that may sign others: a server's own certificate is nothing to hand on."""
    return {each: pem for each, pem in bundle.items() if is_authority(x509.load_pem_x509_certificate(pem))}


def write_bundle(bundle: Bundle) -> bytes:
    """Return a bundle as one text, in a fixed order, so that equal bundles are equal texts."""
    return b"".join(bundle[each] for each in sorted(bundle))
