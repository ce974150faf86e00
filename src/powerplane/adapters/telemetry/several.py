"""Several sources as one: BMCs beside a Prometheus, or two of it, asked at the same time."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, runtime_checkable

from powerplane.models.telemetry.readings import PowerSource, SourceReading


@runtime_checkable
class ClosableSource(Protocol):
    """A source that holds connections."""

    def close(self) -> None:
        """Close them."""
        ...


@runtime_checkable
class TellingSource(Protocol):
    """A source that remembers why a part of its last reading is not there."""

    @property
    def errors(self) -> Mapping[str, str]:
        """In words, by what could not be read: a node, or a metric."""
        ...


class SeveralSources:
    """Asks each, and hands on what all said, in their order.

    Parameters
    ----------
    sources : sequence of PowerSource
        One or more.
    """

    def __init__(self, sources: Sequence[PowerSource]) -> None:
        self._sources = tuple(sources)
        self._pool = ThreadPoolExecutor(len(self._sources), thread_name_prefix="sources")

    def read(self, now_s: float, window_s: float) -> tuple[SourceReading, ...]:
        """Ask once; see ``PowerSource.read``."""
        answers = self._pool.map(lambda source: source.read(now_s, window_s), self._sources)
        return tuple(reading for readings in answers for reading in readings)

    @property
    def errors(self) -> dict[str, str]:
        """What went wrong in the last reading, of all that tell it."""
        telling = [source for source in self._sources if isinstance(source, TellingSource)]
        return {what: why for source in telling for what, why in source.errors.items()}

    def close(self) -> None:
        """Close all that hold connections."""
        for source in self._sources:
            if isinstance(source, ClosableSource):
                source.close()
        self._pool.shutdown()
