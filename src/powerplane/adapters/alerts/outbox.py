"""What is still to be delivered, and what fires, in one append-only file that outlives the process.

A file and not an object of the cluster: alerts matter most when the API server does not answer, each would cost etcd a
write, and a file needs no rights. It is lost with its volume; then what fires is told anew, and what resolved meanwhile
is not told (Alertmanager ends it by itself).

A moment's notices and the episodes that they belong to are one line, so that either both are there after a crash or
neither is, and then the moment is looked at again. A line that broke off is passed over. What is delivered is noted
after it was, so a crash between the two delivers twice, under the same id.
"""

import fcntl
import logging
import os
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from powerplane.models.alerts.alert import AlertKey, Notice, Told
from powerplane.models.alerts.grouping import Bundle
from powerplane.models.alerts.tracking import Episode, Tracks
from powerplane.models.errors import InputError

LOG = logging.getLogger(__name__)

MOST_PENDING = 1000
"""Bundles that wait for one sink; the oldest make room for newer ones, which is counted."""

MOST_BYTES = 1 << 28
REWRITE_BYTES = 1 << 22
LOOK_AHEAD = 50


class Entry(Told, frozen=True):
    """A bundle for one sink.

    Parameters
    ----------
    sink : str
    put_s : float
        Unix seconds.
    bundle : Bundle
    """

    sink: str
    put_s: float
    bundle: Bundle

    @property
    def key(self) -> tuple[str, str]:
        """What it is known by."""
        return self.sink, self.bundle.id


class _Line(Told, frozen=True):
    """What changed at one moment."""

    episodes: tuple[Episode, ...] = ()
    ended: tuple[AlertKey, ...] = ()
    put: tuple[Entry, ...] = ()
    done: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class _State:
    episodes: dict[AlertKey, Episode]
    pending: dict[tuple[str, str], Entry]

    def take(self, line: _Line) -> None:
        for episode in line.episodes:
            self.episodes[episode.finding.key] = episode
        for key in line.ended:
            self.episodes.pop(key, None)
        for entry in line.put:
            self.pending[entry.key] = entry
        for done in line.done:
            self.pending.pop(done, None)


class Outbox:
    """The outbox. For several threads of one process; a second process is refused.

    Parameters
    ----------
    path : Path or None
        The file, made where it is not there; None: nothing outlives the process.
    sinks : sequence of str
        Names of those that are delivered to; what waits for others is let go.
    most_pending : int
        For one sink.

    Raises
    ------
    InputError
        When the file cannot be used, or another process uses it.
    """

    def __init__(self, path: Path | None, sinks: Sequence[str], *, most_pending: int = MOST_PENDING) -> None:
        self._path = path
        self._sinks = tuple(sinks)
        self._most = most_pending
        self._state = _State({}, {})
        self._lock = threading.Lock()
        self._held: BinaryIO | None = None
        self._file: BinaryIO | None = None
        self._bytes = 0
        self.lost: Counter[str] = Counter()
        """What was let go of or could not be kept: ``overflow``, ``unknown_sink``, ``unreadable``, ``unwritten``."""
        if path is not None:
            self._open(path)

    def episodes(self) -> dict[AlertKey, Episode]:
        """What fires."""
        with self._lock:
            return dict(self._state.episodes)

    def firing(self) -> tuple[Notice, ...]:
        """What fires, as it was last told."""
        return tuple(
            Notice(each.id, each.sequence, "repeated", each.told_s, each.began_s, each.finding)
            for each in self.episodes().values()
        )

    def pending(self, sink: str) -> tuple[Entry, ...]:
        """What waits for a sink, the oldest first."""
        with self._lock:
            return tuple(entry for entry in self._state.pending.values() if entry.sink == sink)

    def ready(self, sink: str) -> list[Entry]:
        """What may be sent to a sink now, the oldest first: nothing that an earlier notice of its episode waits for."""
        found, before = [], set[str]()
        for entry in self.pending(sink)[:LOOK_AHEAD]:
            episodes = {notice.episode for notice in entry.bundle.notices}
            if not episodes & before:
                found.append(entry)
            before |= episodes
        return found

    def commit(self, tracks: Tracks, bundles: Iterable[Bundle], now_s: float) -> None:
        """Keep what a moment came to.

        Parameters
        ----------
        tracks : mapping of AlertKey to Tracked
            After the moment.
        bundles : iterable of Bundle
            For every sink.
        now_s : float
            Unix seconds.
        """
        firing = {key: tracked.episode for key, tracked in tracks.items() if tracked.episode is not None}
        with self._lock:
            known = self._state.episodes
            changed = tuple(episode for key, episode in firing.items() if known.get(key) != episode)
            ended = tuple(key for key in known if key not in firing)
            put = tuple(Entry(sink, now_s, bundle) for bundle in bundles for sink in self._sinks)
            if not (changed or ended or put):
                return
            overflow = self._overflow(put)
            self.lost["overflow"] += len(overflow)
            self._keep(_Line(changed, ended, put, overflow), durably=True)

    def done(self, entry: Entry) -> None:
        """Let go of an entry: it was delivered, or given up."""
        with self._lock:
            self._keep(_Line(done=(entry.key,)), durably=False)

    def close(self) -> None:
        """Give the file up."""
        with self._lock:
            for file in (self._file, self._held):
                if file is not None:
                    file.close()
            self._file = self._held = None

    def _overflow(self, put: Sequence[Entry]) -> tuple[tuple[str, str], ...]:
        waiting = [*self._state.pending.values(), *put]
        counts = Counter(entry.sink for entry in waiting)
        over: list[tuple[str, str]] = []
        for entry in waiting:
            if counts[entry.sink] > self._most:
                counts[entry.sink] -= 1
                over.append(entry.key)
        return tuple(over)

    # -- the file

    def _open(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._held = path.with_name(path.name + ".lock").open("ab")
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._read(path)
            self._rewrite(path)
        except BlockingIOError as error:
            self._give_up()
            raise InputError(f"another process uses the outbox {path}", "end it, or name another file") from error
        except OSError as error:
            self._give_up()
            raise InputError(
                f"cannot use the outbox {path}: {error.strerror or error}", "name a file on a writable volume"
            ) from error

    def _give_up(self) -> None:
        if self._held is not None:
            self._held.close()

    def _read(self, path: Path) -> None:
        if not path.exists():
            return
        if path.stat().st_size > MOST_BYTES:
            raise OSError(f"it has more than {MOST_BYTES} bytes")
        decode = msgspec.json.Decoder(_Line).decode
        with path.open("rb") as file:
            for text in file:
                try:
                    self._state.take(decode(text))
                except (msgspec.MsgspecError, ValueError, RecursionError):
                    # The last line, of a crash (a byte that is no text is a ValueError); or somebody's hand.
                    self.lost["unreadable"] += 1
        strangers = [key for key in self._state.pending if key[0] not in self._sinks]
        self.lost["unknown_sink"] += len(strangers)
        for key in strangers:
            del self._state.pending[key]

    def _keep(self, line: _Line, *, durably: bool) -> None:
        """Take a change in, and write it; what cannot be written is held in memory, and written with the next."""
        self._state.take(line)
        if self._path is None:
            return
        try:
            if self._file is None or self._bytes > REWRITE_BYTES:
                self._rewrite(self._path)
                return
            text = msgspec.json.encode(line) + b"\n"
            self._file.write(text)
            self._file.flush()
            self._bytes += len(text)
            if durably:
                os.fsync(self._file.fileno())
        except OSError as error:
            # Alerts go out all the same. What stands at the end of the file may be half a line: it is made anew.
            self.lost["unwritten"] += 1
            LOG.warning("the outbox cannot be written: %s", error.strerror or error)
            broken, self._file = self._file, None
            _close(broken)

    def _rewrite(self, path: Path) -> None:
        """Write all that is so into a new file, and put it in the place of the old one."""
        whole = _Line(tuple(self._state.episodes.values()), put=tuple(self._state.pending.values()))
        fresh = path.with_name(path.name + ".new")
        text = msgspec.json.encode(whole) + b"\n"
        with fresh.open("wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        _sync_directory(path.parent)
        old, self._file = self._file, path.open("ab")
        # Twice what there is before it is made anew: else a full outbox would be written with every change.
        self._bytes = -len(text)
        _close(old)


def _close(file: BinaryIO | None) -> None:
    if file is not None:
        try:
            file.close()
        except OSError:
            LOG.debug("the outbox' old file could not be closed")


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
