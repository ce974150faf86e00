"""Objects asked of the API server by a command: once, within a time, and told well where that fails."""

from typing import TypeVar

import msgspec

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_http import TRANSPORT_ERRORS, Request, fetch, reason, why_not
from powerplane.models.errors import InputError, UnreachableError

TIMEOUT_S = 30.0

T = TypeVar("T")


class _Items(msgspec.Struct, frozen=True):
    items: tuple[msgspec.Raw, ...] | None = None


def list_of(access: ClusterAccess, path: str, kind: type[T], *query: tuple[str, str]) -> list[T]:
    """Return the objects of a list.

    Parameters
    ----------
    access : ClusterAccess
    path : str
    kind : type
        Struct of an item.
    query : tuples of str

    Raises
    ------
    InputError
        Where the server refuses, or answers with something else.
    UnreachableError
        Where it does not answer.
    """
    answer = get_bytes(access, path, *query)
    try:
        items = msgspec.json.decode(answer, type=_Items).items
        return [msgspec.json.decode(item, type=kind) for item in items or ()]
    except msgspec.DecodeError as error:
        raise InputError(f"{path} of {access.server} cannot be read: {error}", f"check {path}, and versions") from error


def get_bytes(access: ClusterAccess, path: str, *query: tuple[str, str]) -> bytes:
    """Return the answer to a GET; see ``list_of``."""
    try:
        answer = fetch(access, Request("GET", path, query), TIMEOUT_S)
    except TRANSPORT_ERRORS as error:
        told = reason(error, TIMEOUT_S)
        raise UnreachableError(
            f"{access.server} does not answer: {told}", "check --kubeconfig and --context"
        ) from error
    if answer.status != 200:
        raise InputError(f"{path} cannot be read: {why_not(answer.status, answer.body)}", "ask somebody who may")
    return answer.body
