"""The catalogue's files: YAML rows into checked envelopes."""

from math import ceil
from statistics import median
from typing import Literal

import msgspec

from powerplane.models.curves import PowerCurve
from powerplane.models.envelopes import LEVELS, Catalogue, GpuEnvelope, ServerEnvelope
from powerplane.models.errors import InputError


class _ServerRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    system: str
    cpu: str
    sockets: int
    cores: int
    threads: int
    memory_gib: int
    idle_watts: float
    peak_watts: float
    source: str
    curve: tuple[float, ...] | None = None


class _ShapeRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    system: str
    curve: tuple[float, ...]
    source: str


class _ServerFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    servers: tuple[_ServerRow, ...]
    shape_curves: tuple[_ShapeRow, ...]


class _GpuRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    model: str
    idle_watts: float
    max_watts: float
    basis: Literal["typical", "assumed"]
    source: str
    aliases: tuple[str, ...] = ()
    min_limit_watts: float | None = None
    knee: float | None = None


class _GpuFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    gpus: tuple[_GpuRow, ...]


def read_catalogue(servers_yaml: bytes, gpus_yaml: bytes) -> Catalogue:
    """Read and check the two files of a catalogue.

    Raises
    ------
    InputError
        For a row that lacks a field, a curve that falls, an idle not below the peak, a limit out of order, or a name
        given twice.
    """
    mend = "correct the row; docs/reference/catalogue.md says what each field means"
    try:
        server_file = msgspec.yaml.decode(servers_yaml, type=_ServerFile)
        gpu_file = msgspec.yaml.decode(gpus_yaml, type=_GpuFile)
    except msgspec.DecodeError as error:
        raise InputError(f"the catalogue cannot be read: {error}", mend) from error
    published = [row.curve for row in server_file.servers if row.curve] + [
        row.curve for row in server_file.shape_curves
    ]
    shape = typical_shape(published)
    servers = tuple(
        sorted((_server(row, shape) for row in server_file.servers), key=lambda row: (row.threads, row.name))
    )
    gpus = tuple(_gpu(row) for row in gpu_file.gpus)
    _check_unique([row.name for row in servers], mend)
    _check_unique([spelled(name) for row in gpus for name in (row.model, *row.aliases)], mend)
    return Catalogue(servers, gpus, shape, len(published))


def typical_shape(curves: list[tuple[float, ...]]) -> tuple[float, ...]:
    """Return the median, per load level, of how far each curve has come from its idle to its peak.

    Parameters
    ----------
    curves : list of tuple of float, each of length 11
        Watts at ``LEVELS``.
    """
    for curve in curves:
        if len(curve) != len(LEVELS) or curve[-1] <= curve[0]:
            raise InputError(
                f"the curve {list(curve)} has not eleven watts that rise from idle to peak",
                "give the watts at 0, 10, …, 100 %",
            )
    ways = [[(watts - curve[0]) / (curve[-1] - curve[0]) for watts in curve] for curve in curves]
    return tuple(median(way[level] for way in ways) for level in range(len(LEVELS)))


def spelled(product: str) -> str:
    """Return a product's name without what differs between those who write it: case, blanks, sharing, slices."""
    plain = "-".join(product.strip().lower().replace("_", " ").replace("-", " ").split())
    return plain.split("-mig-")[0].removesuffix("-shared")


def _server(row: _ServerRow, shape: tuple[float, ...]) -> ServerEnvelope:
    mend = f"correct the row {row.name!r} of the catalogue"
    if not 0 < row.idle_watts < row.peak_watts:
        raise InputError(f"server {row.name!r} idles at {row.idle_watts:g} W and peaks at {row.peak_watts:g} W", mend)
    if min(row.sockets, row.memory_gib) < 1 or not row.sockets <= row.cores <= row.threads or not row.source:
        raise InputError(f"server {row.name!r} lacks a size or a source", mend)
    if row.curve and (row.curve[0], row.curve[-1]) != (row.idle_watts, row.peak_watts):
        raise InputError(f"server {row.name!r} has a curve that does not run from its idle to its peak", mend)
    watts = row.curve or [row.idle_watts + way * (row.peak_watts - row.idle_watts) for way in shape]
    return ServerEnvelope(
        name=row.name,
        system=row.system,
        cpu=row.cpu,
        sockets=row.sockets,
        cores=row.cores,
        threads=row.threads,
        memory_gib=row.memory_gib,
        curve=PowerCurve(row.name, LEVELS, tuple(ceil(round(value * 1000, 6)) for value in watts)),
        shape="published" if row.curve else "typical",
        source=row.source,
    )


def _gpu(row: _GpuRow) -> GpuEnvelope:
    mend = f"correct the row {row.model!r} of the catalogue"
    lowest = row.min_limit_watts if row.min_limit_watts is not None else row.idle_watts
    if not 0 < row.idle_watts < row.max_watts or not row.idle_watts <= lowest <= row.max_watts:
        raise InputError(
            f"accelerator {row.model!r} idles at {row.idle_watts:g} W and takes limits from {lowest:g} to "
            f"{row.max_watts:g} W, which is out of order",
            mend,
        )
    if row.knee is not None and not lowest / row.max_watts <= row.knee <= 1:
        raise InputError(f"accelerator {row.model!r} has its knee at {row.knee:g} of its highest limit", mend)
    if not row.source:
        raise InputError(f"accelerator {row.model!r} has no source", mend)
    return GpuEnvelope(
        model=row.model,
        aliases=row.aliases,
        idle_watts=row.idle_watts,
        max_watts=row.max_watts,
        min_limit_watts=row.min_limit_watts,
        knee=row.knee,
        basis=row.basis,
        source=row.source,
    )


def _check_unique(names: list[str], mend: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"the catalogue names {twice[0]!r} twice", mend)
