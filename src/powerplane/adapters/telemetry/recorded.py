"""Recorded telemetry as a source: a directory of pages as exporters served them, and answers of Prometheus as JSON.

``scrape_03s.txt`` is a page of 3 s after the recording began, ``1700000000.txt`` one of that Unix time; what a line
says of its own time goes before both. A page in a directory of its own belongs to the instance of that name, as
Prometheus would have labelled it. ``*.json`` are answers to range vectors, range queries or instant queries.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from powerplane.adapters.reading import read_file
from powerplane.adapters.telemetry.exposition import Page, parse
from powerplane.adapters.telemetry.recorded_answer import read_answer
from powerplane.adapters.telemetry.recording import Row
from powerplane.models.errors import InputError
from powerplane.models.telemetry.labels import Labels
from powerplane.models.telemetry.metrics import DEAR, SCRAPED
from powerplane.models.telemetry.metrics_use import OWNERS
from powerplane.models.telemetry.readings import Meaning, Quantity, SourceReading
from powerplane.models.telemetry.samples import MOST_AHEAD_S

PAGES = (".txt", ".prom", ".metrics")
SECONDS = (re.compile(r"(\d+(?:\.\d+)?)s(?![a-zA-Z0-9])"), re.compile(r"(\d+(?:\.\d+)?)(?!.*\d)"))
"""In a page's name: a number that says that it counts seconds, else the last number."""

OLDEST_UNIX_S, LATEST_S = 1e9, 1e11
"""No recording is of an earlier or a later time, in Unix seconds."""

EXAMPLE = "recording/scrape_00s.txt, recording/scrape_30s.txt, …, or recording/INSTANCE/scrape_00s.txt"


class RecordedSource:
    """Answers from a recording.

    Parameters
    ----------
    path : Path or str
        A directory, or one file.
    meanings : sequence of Meaning
        Rows of the declared table to read.
    began_s : float
        Unix seconds at which pages are taken to have begun whose names count from the start.

    Raises
    ------
    InputError
        Where there is no page, one cannot be read, or its name does not say when it was recorded.
    """

    def __init__(
        self, path: Path | str, meanings: Sequence[Meaning] = (*SCRAPED, *OWNERS), *, began_s: float = 0.0
    ) -> None:
        self._rows = [Row(meaning) for meaning in meanings]
        self._by_metric: dict[str, list[Row]] = {}
        for row in self._rows:
            self._by_metric.setdefault(row.meaning.metric, []).append(row)
        self._times: set[float] = set()
        self._pages: set[float] = set()
        self._refused: list[tuple[float, str, str]] = []
        self.malformed = 0
        """Lines that could not be read, in all pages."""
        for file, instance in _files(Path(path)):
            self._load(file, instance, began_s)
        for row in self._rows:
            row.settle()
        # A sample that claims to be of a time to come must not make all others old. Pages that count from the start
        # may hold samples in Unix time, against which nothing can be told.
        last_s = max(self._pages, default=0.0)
        latest_s = last_s + MOST_AHEAD_S if last_s >= OLDEST_UNIX_S else LATEST_S
        self.moments: tuple[float, ...] = tuple(sorted(at_s for at_s in self._times if abs(at_s) <= latest_s))
        """When there are samples, in Unix seconds; the last one is the moment to read at the end."""

    def read(self, now_s: float, window_s: float) -> tuple[SourceReading, ...]:
        """Return what had been seen at a moment; see ``PowerSource.read``."""
        readings: dict[str, list[Row]] = {}
        for row in self._rows:
            readings.setdefault(row.meaning.source, []).append(row)
        seen: set[Quantity] = set()
        return tuple(self._reading(source, rows, now_s, window_s, seen) for source, rows in readings.items())

    def _reading(
        self, source: str, rows: list[Row], now_s: float, window_s: float, seen: set[Quantity]
    ) -> SourceReading:
        since_s = now_s - window_s
        refused = Counter(reason for at_s, who, reason in self._refused if who == source and since_s < at_s <= now_s)
        blocks = []
        for row in rows:
            if row.meaning.sum_over and row.meaning.quantity in DEAR and row.meaning.quantity in seen:
                continue
            block, unlabelled = row.block(since_s, now_s)
            refused.update(unlabelled)
            if block:
                blocks.append(block)
                seen.add(row.meaning.quantity)
        present = {block.meaning.metric for block in blocks}
        missing = tuple(dict.fromkeys(row.meaning.metric for row in rows if row.meaning.metric not in present))
        return SourceReading(source, now_s, now_s, tuple(blocks), missing, dict(refused))

    def _load(self, file: Path, instance: str, began_s: float) -> None:
        data = read_file(file)
        if file.suffix == ".json":
            for labels, samples in read_answer(data, str(file)):
                for row in self._by_metric.get(labels.get("__name__", ""), ()):
                    row.add_series(labels, samples)
                    self._times.update(at_s for at_s, _ in samples)
            return
        at_s = _recorded_at(file, began_s)
        page = parse(data.decode("utf-8", errors="replace"), self._by_metric)
        self._times.add(at_s)
        self._pages.add(at_s)
        self._count(page, at_s)
        for sample in page.samples:
            labels = _scraped(sample.labels, instance)
            taken_s = at_s if sample.at_s is None else sample.at_s
            for row in self._by_metric[sample.name]:
                if not _other_type(page, row.meaning):
                    self._add(row, labels, sample.value, taken_s)
        for row in self._rows:
            row.end_page()

    def _add(self, row: Row, labels: Labels, value: float, at_s: float) -> None:
        row.add(labels, value, at_s)
        self._times.add(at_s)

    def _count(self, page: Page, at_s: float) -> None:
        """Note what of a page cannot be used."""
        self.malformed += page.malformed.total()
        for metric, lines in page.malformed.items():
            for row in self._by_metric.get(metric, ())[:1]:
                self._refused += [(at_s, row.meaning.source, "malformed")] * lines
        self._refused += [
            (at_s, row.meaning.source, "other type") for row in self._rows if _other_type(page, row.meaning)
        ]


def _other_type(page: Page, meaning: Meaning) -> bool:
    """Whether a page states another kind than the declared one; OpenMetrics leaves out a counter's `_total`."""
    stated = page.types.get(meaning.metric) or page.types.get(meaning.metric.removesuffix("_total"))
    return stated is not None and stated != meaning.kind and meaning.quantity != "info"


def _scraped(labels: dict[str, str], instance: str) -> dict[str, str]:
    """Labels as Prometheus would have them: its own instance, and what the exporter calls so under another name."""
    if not instance:
        return labels
    own = {"exported_instance": labels["instance"]} if labels.get("instance") else {}
    return labels | own | {"instance": instance}


def _files(path: Path) -> list[tuple[Path, str]]:
    """Files and the instance that each is of, in order of their names."""
    if path.is_file():
        return [(path, "")]
    if not path.is_dir():
        raise InputError(f"{path} does not exist", f"record pages into it: {EXAMPLE}")
    readable = (*PAGES, ".json")
    files = [(file, "") for file in sorted(path.iterdir()) if file.suffix in readable and file.is_file()]
    for directory in sorted(each for each in path.iterdir() if each.is_dir()):
        files += [(file, directory.name) for file in sorted(directory.iterdir()) if file.suffix in readable]
    if not files:
        raise InputError(f"{path} holds no recorded page", f"name them so: {EXAMPLE}")
    return files


def _recorded_at(file: Path, began_s: float) -> float:
    """When a page was recorded, by its name: seconds from the beginning, or Unix seconds."""
    found = next((match for pattern in SECONDS if (match := pattern.search(file.stem))), None)
    if not found:
        raise InputError(f"the name of {file} does not say when it was recorded", f"name it so: {EXAMPLE}")
    seconds = float(found[1])
    return seconds if seconds >= OLDEST_UNIX_S else began_s + seconds
