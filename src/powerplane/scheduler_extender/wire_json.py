"""JSON from outside, read defensively: no key twice, no endless depth, no time that grows faster than the bytes.

A key that stands twice would let two readers see two pods, so it is refused.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, Final, TypeVar

import msgspec

from powerplane.scheduler_extender.limits import Limits

T = TypeVar("T")

NULL: Final = b"null"
MOST_MEMBERS: Final = 64
"""Members at the extender's own level; the protocol has nine, and each unknown one costs time."""

_BLANK: Final = re.compile(rb"[ \t\r\n]*")


class MalformedError(ValueError):
    """A body that is not what the protocol says; its text is a short sentence for the sender."""


class _Question(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    """The members of every request, unread; in Go's order, which is the order on the wire."""

    pod: msgspec.Raw = msgspec.Raw()
    nodes: msgspec.Raw = msgspec.Raw()
    node_names: msgspec.Raw = msgspec.Raw()
    node_name_to_victims: msgspec.Raw = msgspec.Raw()
    node_name_to_meta_victims: msgspec.Raw = msgspec.Raw()
    pod_name: msgspec.Raw = msgspec.Raw()
    pod_namespace: msgspec.Raw = msgspec.Raw()
    pod_uid: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="PodUID")
    node: msgspec.Raw = msgspec.Raw()


_FIELDS: Final = tuple(field.encode_name for field in msgspec.structs.fields(_Question))
_QUESTION: Final = msgspec.json.Decoder(_Question)
MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
UNTYPED: Final = msgspec.json.Decoder()
_ENCODER: Final = msgspec.json.Encoder()

Members = dict[str, bytes]
"""The extender's own level of a request: Go's name to the JSON beneath it; nulls are left out."""


def read_members(body: bytes, limits: Limits) -> Members:
    """Return the extender's own level: as kube-scheduler writes it if it can be, else with names in any case.

    Raises
    ------
    MalformedError
        For what is no object, has a key twice, or is large and not as kube-scheduler writes it.
    """
    question = read(_QUESTION, body, "the body")
    strict = {name: bytes(raw) for name, raw in zip(_FIELDS, msgspec.structs.astuple(question), strict=True)}
    strict = {name: raw for name, raw in strict.items() if raw}
    if _is_whole(body, strict):
        return _without_null(strict)
    if len(body) > limits.odd_body_bytes:
        raise MalformedError("the body is too large to be read in a form that kube-scheduler does not write")
    return _without_null(_any_case(body))


def _any_case(body: bytes) -> Members:
    """Members by name in any case, as Go's decoder takes them; a name that is there twice is refused."""
    found = {name: bytes(raw) for name, raw in read(MEMBERS, body, "the body").items()}
    if len(found) > MOST_MEMBERS:
        raise MalformedError(f"the body has more than {MOST_MEMBERS} members")
    if found and not _is_whole(body, found):
        raise MalformedError("a key is there twice, or is written with escapes")
    canonical = {name.lower(): name for name in _FIELDS}
    members: Members = {}
    for name, raw in found.items():
        known = canonical.get(name.lower())
        if known in members:
            raise MalformedError(f"{known} is there twice, in different case")
        if known is not None:
            members[known] = raw
    return members


def _is_whole(body: bytes, members: Members) -> bool:
    """Whether the object is these members in this order and nothing else, so that no key can be there twice."""
    position, opening = 0, b"{"
    for name, raw in members.items():
        for token in (opening, b'"%s"' % name.encode(), b":", raw):
            position = _blank_end(body, position)
            if not body.startswith(token, position):
                return False
            position += len(token)
        opening = b","
    position = _blank_end(body, position)
    return body.startswith(b"}", position) and _blank_end(body, position + 1) == len(body)


def _blank_end(body: bytes, position: int) -> int:
    blank = _BLANK.match(body, position)  # a loop over bytes would take seconds for a body of blanks
    return blank.end() if blank else position


def _without_null(members: Members) -> Members:
    return {name: raw for name, raw in members.items() if raw != NULL}


def folded(members: dict[str, Any], what: str) -> dict[str, Any]:
    """Return members by their names in lower case; refuse two that differ in case alone."""
    lower = {name.lower(): value for name, value in members.items()}
    if len(lower) < len(members):
        raise MalformedError(f"{what} has a key twice, in different case")
    return lower


def refuse_twice(raw: bytes, what: str) -> None:
    """Refuse JSON in which a key is there twice.

    What encodes to the same bytes again has lost no key. Go writes ``&``, ``<`` and ``>`` as escapes, which the encoder
    does not, so that such pods, and pretty-printed ones, take the slower way.
    """
    if _ENCODER.encode(read(UNTYPED, raw, what)) == raw:
        return
    try:
        json.loads(raw, object_pairs_hook=_once, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedError(told(error, what)) from error


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
