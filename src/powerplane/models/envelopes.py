"""Power envelopes: what a server or an accelerator of one kind draws, from idle to peak."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from powerplane.models.curves import PowerCurve

LEVELS = tuple(Fraction(level, 10) for level in range(11))
"""The load levels of SPECpower_ssj2008: 0 (active idle), 10, …, 100 %."""


@dataclass(frozen=True, slots=True)
class ServerEnvelope:
    """A server's wall power over its utilisation, with its fans, disks and power supplies, without accelerators.

    Parameters
    ----------
    name, system, cpu : str
        The catalogue's name, the product, and the processor.
    sockets, cores, threads : int
        ``threads`` is what Kubernetes counts as CPUs.
    memory_gib : int
        Memory as measured; much less of it than a busy host carries.
    curve : PowerCurve
    shape : "published" or "typical"
        Whether the knots between idle and peak are the result's own.
    source : str
    """

    name: str
    system: str
    cpu: str
    sockets: int
    cores: int
    threads: int
    memory_gib: int
    curve: PowerCurve
    shape: Literal["published", "typical"]
    source: str


@dataclass(frozen=True, slots=True)
class GpuEnvelope:
    """What one accelerator card draws and how far it can be limited, in watts.

    Parameters
    ----------
    model : str
        The product as node labels spell it (``nvidia.com/gpu.product``).
    aliases : tuple of str
    idle_watts, max_watts : float
        Without work, and at the highest power limit.
    min_limit_watts : float or None
        Lowest power limit that the driver takes; None where it is not published.
    knee : float or None
        Lowest share of ``max_watts`` at which work was measured to slow by less than 10 %; None where not measured.
    basis : "typical" or "assumed"
        typical: the limits are the vendor's, the idle draw a round figure. assumed: the card is not disclosed.
    source : str
    """

    model: str
    aliases: tuple[str, ...]
    idle_watts: float
    max_watts: float
    min_limit_watts: float | None
    knee: float | None
    basis: Literal["typical", "assumed"]
    source: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All rows, and the shape given to curves of which only the ends are published.

    Parameters
    ----------
    servers : tuple of ServerEnvelope
        In order of threads.
    gpus : tuple of GpuEnvelope
    typical_shape : tuple of float
        Share of the way from idle to peak at each of ``LEVELS``.
    shape_curves : int
        How many published curves it is the median of.
    """

    servers: tuple[ServerEnvelope, ...]
    gpus: tuple[GpuEnvelope, ...]
    typical_shape: tuple[float, ...]
    shape_curves: int
