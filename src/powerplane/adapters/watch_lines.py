"""What a watch says, line by line: changes, bookmarks and errors, decoded into narrow structs.

The forms are those of the Kubernetes API concepts, "Efficient detection of changes": a list's pages, and one JSON
object a line with ``type`` and ``object``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from socket import MSG_PEEK, socket
from typing import Any, Generic, TypeVar

import msgspec
import urllib3
from urllib3.util import wait_for_read

T = TypeVar("T")

Change = tuple[str, T]
"""``ADDED``, ``MODIFIED`` or ``DELETED``, and the object as it is now, or was last."""

READ_BYTES = 1 << 16
MOST_LINES = 500
"""Lines that are gathered into one batch, so that a storm is not handed on one by one, nor waited for to end."""


CHUNK_END = 2
"""Bytes after each chunk (RFC 9112, 7.1)."""

RECORD_OF_CHUNK_END = 64
"""At most so many bytes make a TLS record of these: header, they, padding to a block, and tag (RFC 5246, RFC 8446)."""

BAD_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises: also for bytes that are no text, and for nesting without end."""


class LineError(Exception):
    """A line that is not what the API promises."""


class _Added(msgspec.Struct, Generic[T], frozen=True, tag="ADDED", tag_field="type"):
    object: T


class _Modified(msgspec.Struct, Generic[T], frozen=True, tag="MODIFIED", tag_field="type"):
    object: T


class _Deleted(msgspec.Struct, Generic[T], frozen=True, tag="DELETED", tag_field="type"):
    object: T


class _Meta(msgspec.Struct, frozen=True, rename={"resource_version": "resourceVersion", "continue_": "continue"}):
    resource_version: str = ""
    continue_: str = ""
    namespace: str = ""
    name: str = ""


class _Versioned(msgspec.Struct, frozen=True):
    metadata: _Meta = _Meta()


class _Bookmark(msgspec.Struct, frozen=True, tag="BOOKMARK", tag_field="type"):
    object: _Versioned


class WatchError(msgspec.Struct, frozen=True):
    """The Status object of an ``ERROR`` line."""

    code: int = 0
    message: str = ""


class _Error(msgspec.Struct, frozen=True, tag="ERROR", tag_field="type"):
    object: WatchError


class _AnyLine(msgspec.Struct, frozen=True):
    type: str
    object: _Versioned = _Versioned()


class _RawPage(msgspec.Struct, frozen=True):
    items: list[msgspec.Raw] | None
    metadata: _Meta = _Meta()


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of a list: its objects, those that could not be read, where it goes on, and as of when it holds."""

    objects: list[T]
    unreadable: tuple[str, ...]
    token: str
    resource_version: str


@dataclass(frozen=True, slots=True)
class Gathered(Generic[T]):
    """What some lines add up to; ``error`` is the last of them, if it is one."""

    changes: tuple[Change[T], ...]
    unreadable: tuple[str, ...]
    resource_version: str
    error: WatchError | None


class Decoders(Generic[T]):
    """Decoders of one kind's pages and lines.

    Parameters
    ----------
    kind : type
        A msgspec struct with the fields that are wanted.
    reduce : callable, optional
        What is kept of each object, made as soon as it is read.
    """

    def __init__(self, kind: type[T], reduce: Callable[[Any], Any] | None = None) -> None:
        # Types made at run time: what the type checker calls a variable, msgspec takes as it comes.
        generic: Any = kind
        self._reduce: Callable[[Any], Any] = reduce or _whole
        self._item: msgspec.json.Decoder[T] = msgspec.json.Decoder(kind)
        self._line = msgspec.json.Decoder(_Added[generic] | _Modified[generic] | _Deleted[generic] | _Bookmark | _Error)
        self._any = msgspec.json.Decoder(_AnyLine)
        self._page = msgspec.json.Decoder(_RawPage)

    def page(self, body: bytes) -> Page[T]:
        """Decode one page of a list; objects that do not fit are left out and named.

        Raises
        ------
        LineError
            When it is not a list.
        """
        try:
            raw = self._page.decode(body)
        except BAD_JSON as error:
            raise LineError(f"not a list: {error}") from error
        objects: list[T] = []
        unreadable: list[str] = []
        for item in raw.items or ():
            try:
                objects.append(self._reduce(self._item.decode(item)))
            except BAD_JSON as error:
                unreadable.append(_named(item, error))
        return Page(objects, tuple(unreadable), raw.metadata.continue_, raw.metadata.resource_version)

    def gather(self, lines: list[bytes], resource_version: str) -> Gathered[T]:
        """Decode lines of a watch, up to the first error.

        Parameters
        ----------
        lines : list of bytes
        resource_version : str
            As of before the first of them.

        Raises
        ------
        LineError
            At a line that is no event; those before it are then lost, so list again.
        """
        changes: list[Change[T]] = []
        unreadable: list[str] = []
        last = b""
        for line in lines:
            try:
                event = self._line.decode(line)
            except BAD_JSON as error:
                unreadable.append(self._unfit(line, error))
                last = line
                continue
            if isinstance(event, _Error):
                return Gathered(tuple(changes), tuple(unreadable), self._version(last, resource_version), event.object)
            last = line
            if not isinstance(event, _Bookmark):
                changes.append((type(event).__struct_config__.tag, self._reduce(event.object)))
        return Gathered(tuple(changes), tuple(unreadable), self._version(last, resource_version), None)

    def _unfit(self, line: bytes, error: Exception) -> str:
        """The name of an object that does not fit its struct, in a line that is one for all that."""
        try:
            known = self._any.decode(line)
        except BAD_JSON:
            raise LineError(f"not an event: {error}") from error
        if known.type not in {"ADDED", "MODIFIED", "DELETED"} or not known.object.metadata.name:
            raise LineError(f"not an event: {error}") from error
        return _told(known.object.metadata, error)

    def _version(self, line: bytes, before: str) -> str:
        try:
            return (self._any.decode(line).object.metadata.resource_version if line else "") or before
        except BAD_JSON as error:
            raise LineError(f"an event without a version: {error}") from error


def _whole(found: Any) -> Any:
    return found


def read_lines(response: urllib3.BaseHTTPResponse, longest: int) -> Iterator[list[bytes]]:
    """Yield the lines of a body as they come: those at hand together, at least one at a time.

    What stands after the last line's end when the body ends is dropped: that line broke off.

    Parameters
    ----------
    response : urllib3.BaseHTTPResponse
    longest : int
        Bytes of a line.

    Raises
    ------
    LineError
        At a line longer than that.
    urllib3.exceptions.HTTPError, OSError
        When the connection breaks or says nothing for too long.
    """
    rest = b""
    lines: list[bytes] = []
    try:
        while part := response.read1(READ_BYTES):
            head, mark, tail = part.rpartition(b"\n")
            if mark:
                lines += [line for line in (rest + head).split(b"\n") if line.strip()]
                rest = tail
            else:
                rest += part
            if len(rest) > longest:
                raise LineError(f"a line of more than {longest} bytes")
            if lines and (len(lines) >= MOST_LINES or not _more(response)):
                yield lines
                lines = []
    except (urllib3.exceptions.HTTPError, OSError):
        # What came before it broke is as good as ever.
        if lines:
            yield lines
        raise
    if lines:
        yield lines


def _more(response: urllib3.BaseHTTPResponse) -> bool:
    """Whether more can be read at once. No more than a guess: what is buffered within the client is not seen.

    The end of a chunk that stands there alone is nothing to read on for: what comes after it may come in minutes.
    """
    sock = getattr(response.connection, "sock", None)
    if sock is None:
        return False
    pending = getattr(sock, "pending", None)
    if pending is not None and (left := pending()):
        return bool(left > CHUNK_END)
    least = CHUNK_END if pending is None else RECORD_OF_CHUNK_END
    # Past TLS, at what the kernel holds; it is left there.
    return wait_for_read(sock, timeout=0) and len(socket.recv(sock, least + 1, MSG_PEEK)) > least


def _named(item: msgspec.Raw, error: Exception) -> str:
    try:
        return _told(msgspec.json.decode(item, type=_Versioned).metadata, error)
    except BAD_JSON:
        return f"an object without a name: {error}"


def _told(meta: _Meta, error: Exception) -> str:
    return f"{meta.namespace}/{meta.name}: {error}" if meta.namespace else f"{meta.name}: {error}"
