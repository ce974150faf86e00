"""Published power envelopes of servers and accelerators: what to assume until a node's own telemetry says better.

The figures are facts of SPECpower_ssj2008 results and of vendors' datasheets; every row names its source. Where a
result is known by its idle and its peak alone, the knots between have the *typical shape*: at each load level the
median, over all published eleven-point curves of the catalogue, of (watts - idle) / (peak - idle).
"""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from math import log2

from powerplane.models.catalogue_file import read_catalogue, spelled
from powerplane.models.curves import PowerCurve
from powerplane.models.envelopes import Catalogue, GpuEnvelope, ServerEnvelope
from powerplane.models.errors import InputError

MEMORY_WEIGHT = 0.25
"""What a doubling of memory counts for in the distance between two sizes; a doubling of CPUs counts 1."""


@cache
def load_catalogue() -> Catalogue:
    """Return the catalogue that the package carries, checked."""
    data = resources.files("powerplane.models") / "data"
    return read_catalogue((data / "servers.yaml").read_bytes(), (data / "gpus.yaml").read_bytes())


def server_curve(name: str) -> PowerCurve:
    """Return a server's curve by its name in the catalogue.

    Raises
    ------
    InputError
        When there is no such row.
    """
    by_name = {row.name: row for row in load_catalogue().servers}
    if name not in by_name:
        raise InputError(f"the catalogue has no server {name!r}", f"choose one of: {', '.join(sorted(by_name))}")
    return by_name[name].curve


def nearest_server(cpus: float, memory_gib: float) -> ServerEnvelope:
    """Return the server whose size is nearest to a node's.

    Parameters
    ----------
    cpus : float
        CPUs as Kubernetes counts them (hardware threads), above 0.
    memory_gib : float
        Above 0.

    Notes
    -----
    The distance is |log2(cpus / threads)| + ``MEMORY_WEIGHT`` · |log2(memory_gib / the row's)|: twice too many CPUs
    are as far as half as many. Of two equally near the smaller one, then the first by name. The envelope is the row's
    own, never scaled: a virtual machine of 4 CPUs is *not* a quarter of a server of 16, and a node larger than the
    largest row draws more than it says. Vendor and year do not count; name a server yourself when you know it.

    Raises
    ------
    InputError
        When a size is not a positive number.
    """
    if not (0 < cpus < float("inf") and 0 < memory_gib < float("inf")):
        raise InputError(
            f"a node of {cpus:g} CPUs and {memory_gib:g} GiB has no size to compare",
            "give CPUs and memory above 0, or name a server of the catalogue",
        )
    return min(load_catalogue().servers, key=lambda row: _distance(row, cpus, memory_gib))


def gpu(product: str) -> GpuEnvelope | None:
    """Return the envelope of a product as node labels name it, or None where the catalogue does not know it.

    Parameters
    ----------
    product : str
        A model or an alias; case, spaces and underscores do not matter. The suffixes that the device plugin adds for
        shared cards (``-SHARED``) and slices (``-MIG-1g.5gb``) are passed over: power is the whole card's.
    """
    return _gpus_by_spelling(load_catalogue()).get(spelled(product))


def _gpus_by_spelling(catalogue: Catalogue) -> Mapping[str, GpuEnvelope]:
    return {spelled(name): row for row in catalogue.gpus for name in (row.model, *row.aliases)}


def _distance(row: ServerEnvelope, cpus: float, memory_gib: float) -> float:
    return abs(log2(cpus / row.threads)) + MEMORY_WEIGHT * abs(log2(memory_gib / row.memory_gib))
