"""The figures by which samples are judged, each with its reason."""

from dataclasses import dataclass, field

from powerplane.models.drift import MISSED
from powerplane.models.telemetry.readings import Quantity

MOST: dict[Quantity, float] = {
    "node watts": 200_000.0,
    "cpu watts": 50_000.0,
    "dram watts": 20_000.0,
    "gpu watts": 20_000.0,
    "pod watts": 200_000.0,
    "node cpu cores": 10_000.0,
    "pod cpu cores": 10_000.0,
}
"""More than any such thing there is: a whole liquid-cooled rack of one system draws 130 kW."""

NODE_QUANTITIES: tuple[Quantity, ...] = ("node watts", "cpu watts", "dram watts", "gpu watts", "node cpu cores")
"""What nodes and their devices are known by: a series of these that vanishes is missed."""

NOISY: tuple[Quantity, ...] = ("node watts", "cpu watts", "dram watts", "gpu watts")
"""What no sensor reads twice the same to the bit for long."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How samples are judged.

    Parameters
    ----------
    scrape_s : float
        Time between two samples where it cannot be told from the samples themselves.
    slowest_scrape_s : float
        No sensor is taken to be read more rarely than that, however far apart its samples are.
    missed : int
        Scrapes after which a sample is no longer held (Prometheus' own five minutes hide a swing from idle to peak).
    future_s : float
        How much later than its answer a sample may claim to be; clocks kept by NTP differ by far less.
    skew_s : float
        How far a source's clock may be from ours before it is told.
    rate_s : float
        The span over which a counter's rate is taken, at the least: exporters refresh in steps of their own.
    gap_s : float
        Two samples of a counter farther apart than that say nothing about the present.
    frozen_s : float
        How long a reading with decimals may stay the same to the bit.
    frozen_whole_s : float
        The same for a reading in whole watts, which a quiet node may well repeat.
    still_s : float
        How long a counter of energy may stand still.
    frozen_busy_s : float
        The same for a node whose use of CPU changes meanwhile by ``busy_share`` of its envelope's reach.
    busy_cores_share : float
        Change of CPU in use, as a share of the most seen in the while, that a power reading must follow.
    low_share : float
        Part of what its load asks for below which no lit node is; of its idle draw, where the load is not known.
    load_share : float
        Part of the way from idle to peak that a node must at least go with its load: it may be under a power limit.
    device_low_share : float
        The same for an accelerator, as part of its peak.
    device_busy_share : float
        Part of its peak that an accelerator draws at the least when it is busy all of the time.
    high_share : float
        Times its peak above which no node is; times its CPUs above which its pods do not use them together.
    agree_share : float
        How far two sources may differ, as a share of the higher, before it is told.
    below_parts_share : float
        By how much of the parts a wall reading may be below their sum: the two are not of the same moment.
    outvoted_times : float
        How far one source must be from two that agree for it to be refused.
    loss_share : float
        What power supplies and fans add to each watt of the parts.
    dram_share : float
        What memory adds to each watt of the processors where no source tells it.
    rest_share : float
        Least part of its idle draw that a node draws outside of its parts, until it has been learned.
    learn_s : float
        Time constant by which a learned rest falls.
    forget_s : float
        How long a device that has vanished is missed.
    dark_s : float
        How long a node must read as dark at the wall.
    dark_share : float
        Part of its idle draw below which a node may be dark: what its management controller draws.
    most : dict of float by quantity
        More than any such thing.
    """

    scrape_s: float = 15.0
    slowest_scrape_s: float = 60.0
    missed: int = MISSED
    future_s: float = 5.0
    skew_s: float = 5.0
    rate_s: float = 45.0
    gap_s: float = 300.0
    frozen_s: float = 180.0
    frozen_whole_s: float = 900.0
    still_s: float = 45.0
    frozen_busy_s: float = 90.0
    busy_cores_share: float = 0.25
    low_share: float = 0.5
    load_share: float = 0.6
    device_low_share: float = 0.01
    device_busy_share: float = 0.12
    high_share: float = 1.25
    agree_share: float = 0.25
    below_parts_share: float = 0.1
    outvoted_times: float = 5.0
    loss_share: float = 0.08
    dram_share: float = 0.1
    rest_share: float = 0.6
    learn_s: float = 3600.0
    forget_s: float = 3600.0
    dark_s: float = 45.0
    dark_share: float = 0.1
    most: dict[Quantity, float] = field(default_factory=lambda: dict(MOST))


DEFAULT_RULES = Rules()
