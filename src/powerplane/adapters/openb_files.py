"""The csv files of Alibaba's 2023 GPU trace ("openb"), in columns.

Format: alibaba/clusterdata, cluster-trace-gpu-v2023/csv. Published with Q. Weng et al., "Beware of Fragmentation:
Scheduling GPU-Sharing Workloads with Fragmentation Gradient Descent", USENIX ATC 2023.
"""

import csv
import gzip
import io
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from powerplane.models.errors import InputError

Integers = NDArray[np.int64]

ORIGIN = "download cluster-trace-gpu-v2023/csv of github.com/alibaba/clusterdata, and name its folder"
WHOLE_CARD = 1000
"""Thousandths of a card."""


@dataclass(frozen=True, slots=True, eq=False)
class TraceNodes:
    """Nodes of the trace: names, CPU in milli-cores, memory in MiB, cards and their model; each of length N."""

    names: tuple[str, ...]
    cpu_milli: Integers
    memory_mib: Integers
    cards: Integers
    model: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class TracePods:
    """Pods of the trace, each column of length P.

    Parameters
    ----------
    names : tuple of str
    cpu_milli, memory_mib : int64 arrays
    cards : int64 array
        Cards that the pod is on.
    card_milli : int64 array
        Thousandths that it takes of each of them; less than 1000 only where it is on one.
    models : tuple of tuple of str
        Models it may run on; empty for any.
    qos : tuple of str
        LS, BE, Burstable or Guaranteed; "" where the variant does not say.
    """

    names: tuple[str, ...]
    cpu_milli: Integers
    memory_mib: Integers
    cards: Integers
    card_milli: Integers
    models: tuple[tuple[str, ...], ...]
    qos: tuple[str, ...]

    @property
    def gpu_milli(self) -> Integers:
        """Thousandths of cards that each pod takes in all."""
        return self.cards * self.card_milli


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of a csv file, which knows where it stands."""

    path: Path
    line: int
    fields: dict[str, str]

    def name(self, column: str) -> str:
        if not (value := self.fields[column].strip()):
            raise self.refusal(f"{column} is empty")
        return value

    def amount(self, column: str) -> int:
        text = self.fields[column].strip()
        if not (text.isascii() and text.isdigit() and len(text) <= 12):
            raise self.refusal(f"{column} is {text!r}, not a whole number of 0 or more")
        return int(text)

    def refusal(self, what: str) -> InputError:
        return InputError(f"{self.path}, line {self.line}: {what}", f"mend the line, or {ORIGIN}")


def read_nodes(data_dir: Path, variant: str) -> TraceNodes:
    """Read ``openb_node_list_<variant>.csv`` (or .csv.gz).

    Raises
    ------
    InputError
        When the file is missing or a line is malformed, naming the line.
    """
    rows = _rows(data_dir, f"openb_node_list_{variant}", ("sn", "cpu_milli", "memory_mib", "gpu", "model"))
    nodes = TraceNodes(
        names=_unique(rows, "sn"),
        cpu_milli=_column(rows, "cpu_milli"),
        memory_mib=_column(rows, "memory_mib"),
        cards=_column(rows, "gpu"),
        model=tuple(row.fields["model"].strip() for row in rows),
    )
    for row, cards, model, cpu in zip(rows, nodes.cards, nodes.model, nodes.cpu_milli, strict=True):
        if bool(model) != bool(cards):
            raise row.refusal(f"gpu is {cards} and model is {model!r}")
        if not cpu or not row.amount("memory_mib"):
            raise row.refusal("the node has no CPU or no memory")
    return nodes


def read_pods(data_dir: Path, variant: str) -> TracePods:
    """Read ``openb_pod_list_<variant>.csv`` (or .csv.gz); ``gpu_spec`` and ``qos`` may be missing.

    Raises
    ------
    InputError
        When the file is missing or a line is malformed, naming the line.
    """
    needed = ("name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli")
    rows = _rows(data_dir, f"openb_pod_list_{variant}", needed)
    pods = TracePods(
        names=_unique(rows, "name"),
        cpu_milli=_column(rows, "cpu_milli"),
        memory_mib=_column(rows, "memory_mib"),
        cards=_column(rows, "num_gpu"),
        card_milli=_column(rows, "gpu_milli"),
        models=tuple(_models(row.fields.get("gpu_spec", "")) for row in rows),
        qos=tuple(row.fields.get("qos", "").strip() for row in rows),
    )
    for row, cards, milli in zip(rows, pods.cards.tolist(), pods.card_milli.tolist(), strict=True):
        if milli > WHOLE_CARD or (cards > 1 and milli != WHOLE_CARD) or bool(cards) != bool(milli):
            raise row.refusal(f"num_gpu is {cards} and gpu_milli is {milli}, which is no share of cards")
    return pods


def _models(spec: str) -> tuple[str, ...]:
    return tuple(sorted({model.strip() for model in spec.split("|")} - {""}))


def _rows(data_dir: Path, stem: str, needed: tuple[str, ...]) -> list[_Row]:
    path = _find(data_dir, stem)
    reader = csv.reader(io.StringIO(_text(path)), strict=True)
    rows: list[_Row] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        if missing := [name for name in needed if name not in header]:
            raise InputError(f"{path}, line 1: there is no column {missing[0]!r}", ORIGIN)
        for values in reader:
            if len(values) != len(header):
                what = f"{len(values)} fields, where the header has {len(header)}"
                raise InputError(f"{path}, line {reader.line_num}: {what}", f"mend the line, or {ORIGIN}")
            rows.append(_Row(path, reader.line_num, dict(zip(header, values, strict=True))))
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}", f"mend the line, or {ORIGIN}") from error
    if not rows:
        raise InputError(f"{path} has no lines below its header", ORIGIN)
    return rows


def _find(data_dir: Path, stem: str) -> Path:
    if not data_dir.is_dir():
        raise InputError(f"there is no folder {data_dir}", ORIGIN)
    for path in (data_dir / f"{stem}.csv", data_dir / f"{stem}.csv.gz"):
        if path.is_file():
            return path
    kind = stem.rpartition("_list_")[0]
    variants = sorted(
        {path.name.split(".")[0].rpartition("_list_")[2] for path in data_dir.glob(f"{kind}_list_*.csv*")}
    )
    there = f"choose one of: {', '.join(variants)}" if variants else ORIGIN
    raise InputError(f"{data_dir} has neither {stem}.csv nor {stem}.csv.gz", there)


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}", ORIGIN) from error


def _unique(rows: list[_Row], column: str) -> tuple[str, ...]:
    first: dict[str, int] = {}
    for row in rows:
        name = row.name(column)
        if first.setdefault(name, row.line) != row.line:
            raise row.refusal(f"{name!r} stands in line {first[name]} already")
    return tuple(first)


def _column(rows: list[_Row], column: str) -> Integers:
    return np.array([row.amount(column) for row in rows], dtype=np.int64)
