"""Single questions to an API server, for whoever reports on it: each bounded in time, none tried again.

What is refused, what is not there and what does not answer are told apart, since each is mended in its own way.
"""

import math
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Generic, TypeVar

import msgspec
import urllib3

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_http import TRANSPORT_ERRORS, Request, fetch, is_well, reason, why_not

T = TypeVar("T")

PAGE = 1000
AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a question.

    Parameters
    ----------
    status : int
        The HTTP status; 0 where no answer came.
    body : bytes
        The answer, or the reason in words where none came.
    seconds : float
        How long it took.
    at_s : float or None
        The server's clock by its ``Date``, in whole Unix seconds.
    """

    status: int
    body: bytes = b""
    seconds: float = 0.0
    at_s: float | None = None

    @property
    def ok(self) -> bool:
        """Whether it was answered well."""
        return is_well(self.status)

    @property
    def absent(self) -> bool:
        """Whether there is no such thing."""
        return self.status == 404

    @property
    def refused(self) -> bool:
        """Whether who asks may not know."""
        return self.status in {401, 403}

    @property
    def trouble(self) -> str:
        """Why it was not answered well, in words; "" where it was."""
        return why_not(self.status, self.body)


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """Objects of one kind, as far as they may be seen.

    Parameters
    ----------
    items : tuple
    told : Told
        Of the last question.
    """

    items: tuple[T, ...] = ()
    told: Told = Told(200)

    @property
    def seen(self) -> bool:
        """Whether all of them are here; also where the server knows no such kind."""
        return self.told.ok or self.told.absent

    @property
    def trouble(self) -> str:
        """Why they are not all here; "" where they are."""
        return "" if self.seen else self.told.trouble


class _ListMeta(msgspec.Struct, frozen=True, rename={"continue_": "continue"}):
    continue_: str = ""


class _Page(msgspec.Struct, frozen=True):
    items: list[msgspec.Raw] | None = None
    metadata: _ListMeta = _ListMeta()


class ClusterLook:
    """Asks one API server; may be used from several threads.

    Parameters
    ----------
    access : ClusterAccess
    timeout_s : float
        For one question.
    total_s : float
        For all of them: after this none is asked any more.
    """

    def __init__(self, access: ClusterAccess, timeout_s: float = 5.0, total_s: float = math.inf) -> None:
        self.access = access
        self._timeout_s = timeout_s
        self._until_s = time.monotonic() + total_s

    def ask(self, request: Request) -> Told:
        """Ask one question."""
        if time.monotonic() > self._until_s:
            return Told(0, f"{request.method} {request.path}: not asked: the time for all questions is up".encode())
        dates: list[str] = []

        def note(response: urllib3.BaseHTTPResponse) -> None:
            dates.append(response.headers.get("Date") or "")

        start = time.monotonic()
        try:
            answer = fetch(self.access, request, self._timeout_s, on_response=note)
        except TRANSPORT_ERRORS as error:
            told = f"{request.method} {request.path}: {reason(error, self._timeout_s)}"
            return Told(0, told.encode(), time.monotonic() - start)
        return Told(answer.status, answer.body, time.monotonic() - start, _moment(dates[0]))

    def get(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Told:
        """Ask for one thing."""
        return self.ask(Request("GET", path, query))

    def ask_all(self, requests: Iterable[Request]) -> list[Told]:
        """Ask several questions at once; answers in their order."""
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="look") as pool:
            return list(pool.map(self.ask, requests))

    def read(self, path: str, struct: type[T]) -> Found[T]:
        """Ask for one object; none where it is not there."""
        told = self.get(path)
        try:
            return Found((msgspec.json.decode(told.body, type=struct),) if told.ok else (), told)
        except msgspec.MsgspecError as error:
            return Found((), Told(0, f"{path}: {error}".encode()))

    def listed(self, path: str, struct: type[T], query: Sequence[tuple[str, str]] = ()) -> Found[T]:
        """Ask for a whole list, page by page; with the first page that fails it ends, with what is there by then."""
        decode = msgspec.json.Decoder(struct).decode
        items: list[T] = []
        token = ""
        while True:
            more = [("continue", token)] if token else []
            told = self.get(path, [("limit", str(PAGE)), *query, *more])
            if not told.ok:
                return Found(tuple(items), told)
            try:
                page = msgspec.json.decode(told.body, type=_Page)
                items += [decode(raw) for raw in page.items or ()]
            except msgspec.MsgspecError as error:
                return Found(tuple(items), Told(0, f"{path}: {error}".encode()))
            if not (token := page.metadata.continue_):
                return Found(tuple(items), Told(told.status, b"", told.seconds, told.at_s))


def _moment(date: str) -> float | None:
    """Unix seconds of an HTTP date; None where it is none."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, IndexError):
        return None
