"""What is watched, what comes of it, how patiently, and how it does."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from powerplane.adapters.watch_lines import Change

F = TypeVar("F")
K = TypeVar("K")
T = TypeVar("T")

DELETED: Final = "DELETED"


@dataclass(frozen=True, slots=True)
class Watched(Generic[T]):
    """What is watched.

    Parameters
    ----------
    path : str
        Of the list, over all namespaces or in one: ``/api/v1/pods``.
    kind : str
        For messages.
    decode : type
        A msgspec struct with the fields that are wanted: everything else is skipped unread.
    field_selector, label_selector : str
        As the API takes them.
    reduce : callable, optional
        What is kept of each object, and handed on in its place: made as soon as it is read, so that a long list never
        stands whole in memory.
    """

    path: str
    kind: str
    decode: type[T]
    field_selector: str = ""
    label_selector: str = ""
    reduce: Callable[[Any], Any] | None = None

    @property
    def selectors(self) -> list[tuple[str, str]]:
        """The query's part that narrows it."""
        pairs = (("fieldSelector", self.field_selector), ("labelSelector", self.label_selector))
        return [(key, value) for key, value in pairs if value]


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """Changes in the order in which they came.

    Parameters
    ----------
    replace : bool
        Whether this is the whole list, so that what is not in it is gone.
    changes : tuple of (str, object)
        ``ADDED``, ``MODIFIED`` or ``DELETED``, and the object. The same object may come twice.
    """

    replace: bool
    changes: tuple[Change[T], ...]

    def into(self, kept: dict[K, T], key: Callable[[T], K]) -> None:
        """Bring what is kept up to date; under the lock of whoever keeps it."""
        if self.replace:
            kept.clear()
        for what, each in self.changes:
            # Taken out first, so that what changed last stands last.
            kept.pop(key(each), None)
            if what != DELETED:
                kept[key(each)] = each

    def facts(self, key: Callable[[T], K], fact: Callable[[T], F | None]) -> list[tuple[K, F | None]]:
        """Return what is to be kept of each object, by key; None for one that went."""
        return [(key(each), None if what == DELETED else fact(each)) for what, each in self.changes]

    def gone(self, told: Iterable[tuple[K, object]], kept: Iterable[K]) -> list[K]:
        """Return the keys that are kept and that a whole list leaves out; none where this is no list.

        Parameters
        ----------
        told : iterable of (key, fact)
            See ``facts``.
        kept : iterable of keys
        """
        if not self.replace:
            return []
        there = {key for key, _ in told}
        return [key for key in kept if key not in there]


def by_uid(each: Any) -> str:
    """Key of objects of which one may follow another of the same name."""
    return str(each.metadata.uid)


def by_name(each: Any) -> str:
    """Key of objects without a namespace."""
    return str(each.metadata.name)


def by_names(each: Any) -> tuple[str, str]:
    """Key of objects that may have one: namespace and name."""
    return each.metadata.namespace, each.metadata.name


@dataclass(frozen=True, slots=True)
class WatchPatience:
    """How hard the server is tried.

    Parameters
    ----------
    page_size : int
        Objects asked for at a time.
    page_timeout_s : float
        For one page, to its last byte.
    connect_s : float
        Until a connection stands.
    watch_s : float
        How long one watch is asked to last, ±20 %. It bounds how long a dead connection goes unnoticed, since the
        server ends the watch by itself, with a bookmark shortly before.
    grace_s : float
        How much longer than that nothing at all may come.
    first_pause_s, longest_pause_s : float
        Between attempts: doubled from failure to failure, and shortened at random by up to half.
    refused_pause_s : float
        The longest after 401, 403 and 404, which a person has to mend, unless the server has just started: it begins
        with the first pause and is doubled from refusal to refusal.
    settled_s : float
        A watch that ends sooner counts as a failure.
    futile : int
        Failures in a row after which the list is read again.
    longest_line : int
        Bytes.
    rest_s : float
        In a storm, how long more may gather before it is read; never more than half of the time. 0: read at once. A
        thread that wakes for every line holds up the others of its process.
    """

    page_size: int = 500
    page_timeout_s: float = 30.0
    connect_s: float = 5.0
    watch_s: float = 30.0
    grace_s: float = 10.0
    first_pause_s: float = 0.2
    longest_pause_s: float = 10.0
    refused_pause_s: float = 15.0
    settled_s: float = 1.0
    futile: int = 4
    longest_line: int = 1 << 24
    rest_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ReflectorStatus:
    """How a reflector does.

    Parameters
    ----------
    synced : bool
        Whether a whole list has been handed on, ever.
    last_contact_s : float or None
        By the clock passed in: when the state was last known to be the server's.
    resource_version : str
    events, batches, relists, reconnects : int
        Counted from the start. The first list is no relist.
    malformed, unreadable : int
        Lines and pages that were not what the API promises; objects that did not fit the struct and are left out (of
        an object that no longer fits, the last version that did is what stays).
    sink_failures : int
        Exceptions of the sink; each leads to a new list.
    failures : int
        Failed attempts in a row.
    last_error : str
        "" while all is well.
    """

    synced: bool = False
    last_contact_s: float | None = None
    resource_version: str = ""
    events: int = 0
    batches: int = 0
    relists: int = 0
    reconnects: int = 0
    malformed: int = 0
    unreadable: int = 0
    sink_failures: int = 0
    failures: int = 0
    last_error: str = ""
