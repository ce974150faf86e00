"""The extender's own level of a question, which has Go's names, in any case, and none of them twice."""

import re
from typing import Any, Final

import msgspec

from powerplane.adapters.strict_json import MalformedError, read
from powerplane.scheduler_extender.limits import Limits

NULL: Final = b"null"
MOST_MEMBERS: Final = 64
"""Members at the extender's own level; the protocol has nine, and each unknown one costs time."""

_BLANK: Final = re.compile(rb"[ \t\r\n]*")


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
