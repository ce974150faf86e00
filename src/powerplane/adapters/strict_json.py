"""JSON from outside, read defensively: no key twice, no endless depth, no time that grows faster than the bytes.

A key that stands twice would let two readers see two objects, so it is refused.
"""

import json
from collections.abc import Iterable
from typing import Any, Final, TypeVar

import msgspec

T = TypeVar("T")

UNTYPED: Final = msgspec.json.Decoder()
_ENCODER: Final = msgspec.json.Encoder()
_GO_ESCAPES: Final = tuple(
    (letter.encode(), b"\\u%04x" % ord(letter)) for letter in ("&", "<", ">", "\u2028", "\u2029")
)
"""By encoding/json, with SetEscapeHTML as it is by default."""


class MalformedError(ValueError):
    """A body that is not what the protocol says; its text is a short sentence for the sender."""


def read_once(raw: bytes, what: str) -> Any:
    """Return JSON of any form, in which no key is there twice.

    What encodes to the same bytes again has lost no key. Go's encoder writes some letters as escapes and ends the line;
    these letters stand in strings alone, so that writing them so afterwards is the same. Other forms of the same JSON,
    such as pretty-printed ones, take the slower way.

    Raises
    ------
    MalformedError
        For what is no JSON, is nested too deep, or has a key twice.
    """
    value = read(UNTYPED, raw, what)
    if not _encodes_to(value, raw):
        try:
            json.loads(raw, object_pairs_hook=_once, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise MalformedError(told(error, what)) from error
    return value


def _encodes_to(value: Any, raw: bytes) -> bool:
    raw = raw.removesuffix(b"\n")
    encoded = _ENCODER.encode(value)
    if encoded == raw:
        return True
    if len(encoded) > len(raw):
        return False
    for letter, escape in _GO_ESCAPES:
        encoded = encoded.replace(letter, escape)
        if len(encoded) == len(raw):
            return encoded == raw
    return False


def refuse_twice(raw: bytes, what: str) -> None:
    """Refuse JSON in which a key is there twice; see `read_once`."""
    read_once(raw, what)


def _once(pairs: Iterable[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise MalformedError("a key is there twice")
        seen.add(key)


def _refuse_constant(text: str) -> None:
    raise MalformedError(f"{text} is no JSON")


def read(decoder: msgspec.json.Decoder[T], raw: bytes | msgspec.Raw, what: str) -> T:
    """Decode, and tell what is wrong as a `MalformedError`."""
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise MalformedError(told(error, what)) from error


def convert(value: Any, form: type[T], what: str) -> T:
    """Convert, and tell what is wrong as a `MalformedError`."""
    try:
        return msgspec.convert(value, form)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise MalformedError(told(error, what)) from error


def told(error: Exception, what: str) -> str:
    """One short line; the sender's own text in it is cut, and has no control characters."""
    if isinstance(error, RecursionError):
        return f"{what} is nested too deep"
    line = "".join(letter if letter.isprintable() else "?" for letter in str(error))
    return f"{what}: {line[:200]}"
