"""Lists from the API server as bytes: paged, bounded in time and attempts, and told well when they fail.

Pages follow the API's concepts of large result sets (``limit`` and ``continue``): an expired token (410) restarts the
list, at last in one piece. 429, 5xx and broken connections are tried again with growing pauses, or after the pause
that the server asks for.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec
import urllib3

from powerplane.adapters.cluster_access import INSTEAD, ClusterAccess
from powerplane.adapters.cluster_http import TRANSPORT_ERRORS, Answer, Request, fetch, message, reason
from powerplane.adapters.cluster_kinds import KINDS, ListedKind
from powerplane.models.errors import UnreachableError

ATTEMPTS = 4
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a list is worked at.

    Parameters
    ----------
    page_size : int
        Objects asked for at a time, 1 or more.
    timeout_s : float
        For one page: to connect, and until its last byte.
    attempts : int
        For one page.
    sleep : callable
        Pauses for some seconds.
    """

    page_size: int = 500
    timeout_s: float = 30.0
    attempts: int = ATTEMPTS
    sleep: Callable[[float], None] = time.sleep


class _ListMeta(msgspec.Struct, frozen=True, rename={"continue_": "continue"}):
    continue_: str = ""


class _Page(msgspec.Struct, frozen=True):
    items: list[msgspec.Raw] | None
    metadata: _ListMeta = _ListMeta()


class _ExpiredError(Exception):
    """The continue token is too old."""


def list_items(access: ClusterAccess, kind: ListedKind, patience: Patience) -> Iterator[list[msgspec.Raw]]:
    """Yield what is listed so far, growing page by page; an expired token starts it afresh.

    Parameters
    ----------
    access : ClusterAccess
    kind : ListedKind
    patience : Patience

    Yields
    ------
    list of msgspec.Raw
        Every object read yet, as JSON; the last one yielded is the whole list. An absent kind yields nothing.

    Raises
    ------
    UnreachableError
        When the server does not answer in time, refuses, or answers with something else than a list.
    """
    for limit in (patience.page_size, patience.page_size, 0):
        try:
            yield from _pages(access, kind, patience, limit)
        except _ExpiredError:
            continue
        return
    raise UnreachableError(
        f"the API server {access.server} lets the list of {kind.resource} expire each time (410)",
        f"try again, or read larger pages: `--page-size {10 * patience.page_size}`",
    )


def list_all(access: ClusterAccess, kind: ListedKind, patience: Patience) -> list[msgspec.Raw]:
    """Return the whole list; empty where the kind does not exist.

    Parameters
    ----------
    access : ClusterAccess
    kind : ListedKind
    patience : Patience

    Raises
    ------
    UnreachableError
        As ``list_items`` does.
    """
    whole: list[msgspec.Raw] = []
    for so_far in list_items(access, kind, patience):
        whole = so_far
    return whole


def _pages(access: ClusterAccess, kind: ListedKind, patience: Patience, limit: int) -> Iterator[list[msgspec.Raw]]:
    items: list[msgspec.Raw] = []
    token = ""
    while True:
        answer = _fetch(access, kind, patience, limit, token)
        if answer is None:
            return
        page = _decode(access, kind, answer)
        items.extend(page.items or ())
        yield items
        if not (token := page.metadata.continue_):
            return


def _fetch(access: ClusterAccess, kind: ListedKind, patience: Patience, limit: int, token: str) -> bytes | None:
    """One page's bytes; None where the server does not know the kind."""
    trouble = ""
    for attempt in range(patience.attempts):
        pause = FIRST_PAUSE_S * 2**attempt
        try:
            answer = _get(access, kind, patience.timeout_s, limit, token)
        except TRANSPORT_ERRORS as error:
            trouble = reason(error, patience.timeout_s)
            if isinstance(error, urllib3.exceptions.SSLError | urllib3.exceptions.NameResolutionError):
                raise _unreachable(access, kind, trouble, attempt + 1) from error
        else:
            if answer.status != 429 and answer.status < 500:
                return _judge(access, kind, answer)
            trouble = f"HTTP {answer.status} {message(answer.body)}".rstrip()
            pause = pause if answer.retry_after_s is None else answer.retry_after_s
        if attempt + 1 < patience.attempts:
            patience.sleep(min(pause, LONGEST_PAUSE_S))
    raise _unreachable(access, kind, trouble, patience.attempts)


def _get(access: ClusterAccess, kind: ListedKind, timeout_s: float, limit: int, token: str) -> Answer:
    query = [("fieldSelector", kind.field_selector)] if kind.field_selector else []
    query += [("limit", str(limit))] if limit else []
    query += [("continue", token)] if token else []
    return fetch(access, Request("GET", kind.path, query), timeout_s)


def _judge(access: ClusterAccess, kind: ListedKind, answer: Answer) -> bytes | None:
    """The body of a good answer; None for an absent kind."""
    if answer.status == 200:
        return answer.body
    if answer.status == 410:
        raise _ExpiredError
    if answer.status == 404 and not kind.needed:
        return None
    told = f"the API server {access.server} "
    if answer.status == 401:
        raise UnreachableError(
            f"{told}does not accept the credentials (401)",
            f"log in again, until `{access.kubectl} get nodes` answers",
        )
    if answer.status == 403:
        raise UnreachableError(
            f"{told}forbids to list {kind.resource} (403): {message(answer.body)}", _grant(access, kind)
        )
    raise UnreachableError(
        f"{told}answers GET {kind.path} with HTTP {answer.status} {message(answer.body)}".rstrip(),
        f"check that `{access.kubectl} get {kind.resource} -A` answers, {INSTEAD}",
    )


def _grant(access: ClusterAccess, kind: ListedKind) -> str:
    resources = ",".join(listed.resource for listed in KINDS)
    return (
        f"check with `{access.kubectl} auth can-i list {kind.resource} --all-namespaces`; "
        "reading is granted, without Secrets, by\n"
        f"    kubectl create clusterrole powerplane-reader --verb=list --resource={resources}\n"
        "    kubectl create clusterrolebinding powerplane-reader --clusterrole=powerplane-reader --user=NAME\n"
        "  (or --serviceaccount=NAMESPACE:NAME)"
    )


def _decode(access: ClusterAccess, kind: ListedKind, body: bytes) -> _Page:
    try:
        return msgspec.json.decode(body, type=_Page)
    except msgspec.DecodeError as error:
        raise UnreachableError(
            f"{access.server} answers GET {kind.path} with something else than a list: {error}",
            f"check that {access.server} is a Kubernetes API server: `{access.kubectl} version`",
        ) from error


def _unreachable(access: ClusterAccess, kind: ListedKind, trouble: str, attempts: int) -> UnreachableError:
    return UnreachableError(
        f"the API server {access.server} cannot be read: {trouble} (GET {kind.path}, tried {attempts} times)",
        f"check that `{access.kubectl} get {kind.resource} -A` answers, {INSTEAD}",
    )
