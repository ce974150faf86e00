"""What goes wrong with telemetry, each switchable for one exporter, some of its nodes and some time.

>>> Lies("ipmi", frozenset({"node-7"}), from_s=60, until_s=120, times=10)  # doctest: +SKIP
"""

from dataclasses import dataclass
from math import inf, nan

GPU_BLANK = 9_223_372_036_854_775_794.0
"""What DCGM says where it has no value (its README shows it on /metrics)."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong with an exporter.

    Parameters
    ----------
    source : str
        Of which exporter: "ipmi", "kepler", …
    nodes : frozenset of str or None
        On which nodes; None for all.
    from_s, until_s : float
        From when until when, by the exporter's clock.
    what : str
        Which of its sensors, by the name of its channel; "" for all.
    """

    source: str
    nodes: frozenset[str] | None = None
    from_s: float = -inf
    until_s: float = inf
    what: str = ""

    def holds(self, source: str, what: str, at_s: float) -> bool:
        """Whether it concerns a sensor at a time."""
        return self.source == source and self.what in ("", what) and self.from_s <= at_s < self.until_s


@dataclass(frozen=True, slots=True)
class Missing(Fault):
    """The exporter answers, without these series."""


@dataclass(frozen=True, slots=True)
class Down(Fault):
    """The exporter answers with an error."""


@dataclass(frozen=True, slots=True)
class Late(Fault):
    """The exporter takes its time to answer."""

    seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Frozen(Fault):
    """The last reading is said again and again."""


@dataclass(frozen=True, slots=True)
class Lies(Fault):
    """Readings are a multiple of what they should be: another unit, a wrong divisor."""

    times: float = 10.0


@dataclass(frozen=True, slots=True)
class Says(Fault):
    """Readings are one value instead: NaN, a negative one, an absurd one, ``GPU_BLANK``.

    Parameters
    ----------
    value : float
    share : float
        Of the readings: less than 1 for spikes.
    """

    value: float = nan
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Skewed(Fault):
    """Samples carry the time of a clock that is wrong by so many seconds."""

    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Restarted(Fault):
    """The exporter restarts when this begins: its counters start from 0."""


@dataclass(frozen=True, slots=True)
class Doubled(Fault):
    """Every series comes a second time, with one label more, as from a second replica."""
