"""The few messages between a kubelet and a driver, in protocol buffers' form.

Source: Kubernetes, ``k8s.io/kubelet/pkg/apis/dra/v1`` and ``pluginregistration/v1`` (api.proto); Protocol Buffers,
"Encoding". All that is read or written of them are texts, lists of texts and messages of texts, so no generated code is
needed.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

VARINT, TEXT = 0, 2
FIXED = {1: 8, 5: 4}
"""Bytes of the kinds whose length is fixed."""

LONGEST_VARINT = 10

PLUGIN_TYPE = "DRAPlugin"
DRA_VERSION = "v1.DRAPlugin"
DRA_SERVICE = "k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin"
REGISTRATION_SERVICE = "pluginregistration.Registration"


class WireError(ValueError):
    """Bytes that are no such message."""


class Registered(NamedTuple):
    """What a kubelet says of a registration."""

    ok: bool
    error: str


def plugin_info(driver: str, endpoint: str) -> bytes:
    """Return a PluginInfo: who is here, where, and what is spoken."""
    return _text(1, PLUGIN_TYPE) + _text(2, driver) + _text(3, endpoint) + _text(4, DRA_VERSION)


def read_registered(message: bytes) -> Registered:
    """Read a RegistrationStatus."""
    ok, error = False, ""
    for number, value in _fields(message):
        if number == 1 and isinstance(value, int):
            ok = bool(value)
        elif number == 2 and isinstance(value, bytes):
            error = value.decode(errors="replace")
    return Registered(ok, error)


def read_claims(message: bytes) -> tuple[str, ...]:
    """Return the UIDs of the claims in a request to prepare, or to unprepare.

    Raises
    ------
    WireError
        For bytes that are no such request.
    """
    found = []
    for number, value in _fields(message):
        if number == 1 and isinstance(value, bytes):
            uids = [each for place, each in _fields(value) if place == 2 and isinstance(each, bytes)]
            found.append(uids[-1].decode(errors="replace") if uids else "")
    return tuple(found)


def done(uids: Sequence[str]) -> bytes:
    """Return the answer to either request: every claim is done, with no device to hand on."""
    return b"".join(_nested(1, _text(1, uid) + _nested(2, b"")) for uid in uids)


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field that is a number or has a length; others are passed over."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        length, at = _varint(message, at) if kind == TEXT else (FIXED.get(kind, -1), at)
        if length < 0 or at + length > len(message):
            raise WireError("a field that ends nowhere, or of no known kind")
        if kind == TEXT:
            yield number, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(LONGEST_VARINT):
        if at + place >= len(message):
            break
        byte = message[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise WireError("a number that ends nowhere")


def _number(value: int) -> bytes:
    parts = bytearray()
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _nested(number: int, body: bytes) -> bytes:
    return _number(number << 3 | TEXT) + _number(len(body)) + body


def _text(number: int, text: str) -> bytes:
    return _nested(number, text.encode())
