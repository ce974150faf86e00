"""What the Secret holds: the authority that signs, the one that will, those that did, and the certificate to show.

| key | holds |
|---|---|
| ``tls.crt``, ``tls.key`` | the certificate that every replica shows |
| ``ca.crt``, ``ca.key`` | the authority that signed it |
| ``next.crt``, ``next.key`` | the authority that follows, while clients are told of it |
| ``old.crt`` | authorities whose certificates some replica may still show; their keys are gone |
"""

from base64 import b64decode, b64encode
from binascii import Error as NoBase64Error
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from powerplane.admission.certificates.authority import Pair, is_authority, read_pair
from powerplane.admission.certificates.bundle import Bundle, authorities, bundle_of, read_bundle, write_bundle

Data = Mapping[str, bytes]
FIELDS: Final = ("tls.crt", "tls.key", "ca.crt", "ca.key", "next.crt", "next.key", "old.crt")


@dataclass(frozen=True, slots=True)
class Keys:
    """The Secret, read. What cannot be used is None: it is made anew.

    Parameters
    ----------
    authority, following : Pair or None
    old : Bundle
    leaf : Pair or None
    """

    authority: Pair | None = None
    following: Pair | None = None
    old: Bundle = field(default_factory=dict)
    leaf: Pair | None = None

    @property
    def trusted(self) -> Bundle:
        """What clients must trust."""
        pairs = [each.certificate for each in (self.authority, self.following) if each is not None]
        return {**self.old, **bundle_of(*pairs)}


def read_keys(data: Data) -> Keys:
    """Read the Secret's data.

    An authority whose key cannot be used signs nothing any more; it stays trusted for what it signed.
    """
    authority = _read_authority(data, "ca")
    old = {**read_bundle(data.get("old.crt", b""))}
    if authority is None:
        old |= read_bundle(data.get("ca.crt", b""))
    own = Keys(authority, None, {}, None).trusted
    return Keys(
        authority,
        _read_authority(data, "next"),
        {each: pem for each, pem in authorities(old).items() if each not in own},
        read_pair(data.get("tls.crt", b""), data.get("tls.key", b"")),
    )


def _read_authority(data: Data, name: str) -> Pair | None:
    pair = read_pair(data.get(f"{name}.crt", b""), data.get(f"{name}.key", b""))
    return pair if pair is not None and is_authority(pair.certificate) else None


def write_keys(keys: Keys) -> dict[str, bytes]:
    """Return the Secret's data; fields that hold nothing are left out."""
    data: dict[str, bytes] = {}
    for name, pair in (("tls", keys.leaf), ("ca", keys.authority), ("next", keys.following)):
        if pair is not None:
            data |= {f"{name}.crt": pair.pem, f"{name}.key": pair.key_pem}
    if keys.old:
        data["old.crt"] = write_bundle(keys.old)
    return data


def decode_data(encoded: Mapping[str, str] | None) -> dict[str, bytes]:
    """Return a Secret's data as bytes; what is no base64 is left out."""
    data = {}
    for name in FIELDS:
        try:
            data[name] = b64decode((encoded or {}).get(name, ""), validate=True)
        except (NoBase64Error, ValueError):
            continue
    return data


def encode_data(data: Data) -> dict[str, str | None]:
    """Return data as a merge patch takes it: what is not there is removed."""
    return {name: b64encode(data[name]).decode() if name in data else None for name in FIELDS}
