"""One request to the API server: its answer as bytes, bounded in time and size, with one family of errors.

Connections, certificates and credentials are the official client's; its typed models are not used, since they cost
more time and memory than everything else together. It follows no redirect and tries nothing again: callers do.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import urllib3
from kubernetes.client.exceptions import ApiException

from powerplane.adapters.cluster_access import ClusterAccess

LONGEST_BODY = 1 << 30
"""Bytes of a body that are taken, after which the server is not believed any more."""

TRANSPORT_ERRORS = (urllib3.exceptions.HTTPError, OSError)
"""What ``open_response`` and ``read_body`` raise when no whole answer came."""

JsonBody = Mapping[str, Any] | Sequence[Any]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked.

    Parameters
    ----------
    method : str
    path : str
        From the server's root, with its leading slash.
    query : sequence of (str, str)
    body : mapping or sequence, optional
        Sent as JSON.
    content_type : str
        Of the body.
    """

    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    body: JsonBody | None = None
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the HTTP status, the whole body, and the pause that the server asks for."""

    status: int
    body: bytes
    retry_after_s: float | None


class _ApiStatus(msgspec.Struct, frozen=True):
    message: str = ""
    code: int = 0


def open_response(
    access: ClusterAccess, request: Request, *, connect_s: float, quiet_s: float, gzip: bool = True
) -> urllib3.BaseHTTPResponse:
    """Send a request, and return the answer with its body unread; the caller gives the connection back.

    Parameters
    ----------
    access : ClusterAccess
    request : Request
    connect_s, quiet_s : float
        Until the connection stands; and at most between any two bytes of the answer.
    gzip : bool
        Whether the body may be compressed.

    Raises
    ------
    urllib3.exceptions.HTTPError, OSError
        When there is no answer.
    """
    headers = {"Accept": "application/json", "Accept-Encoding": "gzip" if gzip else "identity"}
    if request.body is not None:
        headers["Content-Type"] = request.content_type
    serialized = access.api.param_serialize(
        request.method,
        request.path,
        query_params=list(request.query),
        header_params=headers,
        body=request.body,
        auth_settings=["BearerToken"],
    )
    try:
        answer = access.api.call_api(*serialized, _request_timeout=(connect_s, quiet_s))
    except ApiException as error:
        # The client wraps what goes wrong with certificates, and nothing else, before there is an answer.
        raise urllib3.exceptions.SSLError(str(error.reason)) from error
    response: urllib3.BaseHTTPResponse = answer.response
    return response


def fetch(
    access: ClusterAccess,
    request: Request,
    timeout_s: float,
    *,
    gzip: bool = True,
    on_response: Callable[[urllib3.BaseHTTPResponse], None] | None = None,
) -> Answer:
    """Send a request and read its whole answer within some seconds.

    ``on_response`` is handed the answer before its body is read, for those who want to be able to break it off.

    Raises
    ------
    urllib3.exceptions.HTTPError, OSError
        When no whole answer comes in time.
    """
    until = time.monotonic() + timeout_s
    response = open_response(access, request, connect_s=timeout_s, quiet_s=timeout_s, gzip=gzip)
    try:
        if on_response:
            on_response(response)
        return Answer(response.status, _body(response, until), _seconds(response.headers.get("Retry-After")))
    finally:
        response.release_conn()


def message(body: bytes) -> str:
    """What a Status object says; "" where the body is none."""
    try:
        return msgspec.json.decode(body, type=_ApiStatus).message
    except msgspec.DecodeError:
        return ""


def is_well(status: int) -> bool:
    """Whether an answer is a success."""
    return 200 <= status < 300


def why_not(status: int, body: bytes) -> str:
    """Say why an answer is no success; "" where it is one. With status 0 none came, and the body says why."""
    if is_well(status):
        return ""
    return f"HTTP {status} {message(body)}".rstrip() if status else body.decode()


def reason(error: Exception, timeout_s: float) -> str:
    """Why there was no answer, in words."""
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        # urllib3 counts a refused connection as one that took too long.
        return str(error)
    if isinstance(error, TimeoutError | urllib3.exceptions.TimeoutError):
        return f"no complete answer within {timeout_s:g} s"
    return str(error) or type(error).__name__


def _body(response: urllib3.BaseHTTPResponse, until: float) -> bytes:
    """The whole body; a server that drips bytes is cut off, which a socket's timeout would not do."""
    parts, size = [], 0
    while part := response.read1(1 << 16, decode_content=True):
        parts.append(part)
        size += len(part)
        if time.monotonic() > until or size > LONGEST_BODY:
            response.close()
            raise TimeoutError
    return b"".join(parts)


def _seconds(retry_after: str | None) -> float | None:
    """Seconds to wait; None where nothing, or nothing usable (a date), is asked for."""
    try:
        return max(0.0, float(retry_after)) if retry_after else None
    except ValueError:
        return None
