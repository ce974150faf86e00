"""What is carried from one round of readings to the next, as values that are never changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from powerplane.models.telemetry.readings import Entity, Floats, Meaning


def none() -> Floats:
    """No figures."""
    return np.empty(0, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class SeriesMemory:
    """The last good samples of one metric of one source.

    Parameters
    ----------
    rows : dict of int by Entity
    at_s, value : float64 arrays, shape (E,)
        The last good sample of each thing, by the source's clock and in the exported unit.
    newest_s, lead_s : float64 arrays, shape (E,)
        When its newest sample says that it was taken, good or bad, and how far that was ahead of the source's clock.
    since_s : float64 array, shape (E,)
        Since when the value has been the same to the bit (of a counter: since when it has stood still).
    seen_s : float64 array, shape (E,)
        When it was last in an answer, by our clock.
    interval_s : float
        Time between two samples.
    """

    rows: Mapping[Entity, int] = field(default_factory=dict)
    at_s: Floats = field(default_factory=none)
    value: Floats = field(default_factory=none)
    since_s: Floats = field(default_factory=none)
    newest_s: Floats = field(default_factory=none)
    lead_s: Floats = field(default_factory=none)
    seen_s: Floats = field(default_factory=none)
    interval_s: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class SourceMemory:
    """What is remembered of one source.

    Parameters
    ----------
    source : str
    metrics : dict of SeriesMemory by Meaning
    evaluated_s, received_s : float or None
        Of its last answer, the latter when that came first; None before.
    """

    source: str = ""
    metrics: Mapping[Meaning, SeriesMemory] = field(default_factory=dict)
    evaluated_s: float | None = None
    received_s: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """How the nodes' use of CPU has changed while a source's reading stayed the same; arrays of shape (N,)."""

    watts: Floats
    low_cores: Floats
    high_cores: Floats


@dataclass(frozen=True, slots=True, eq=False)
class NodeMemory:
    """The last good reading of nodes; arrays of shape (N,).

    Parameters
    ----------
    rows : dict of int by node
    watts : float64 array
        NaN where there was none.
    at_s, until_s : float64 arrays
        When the reading was true, by our clock, and until when it is held; minus infinity where there was none.
    source : tuple of str
    rest_watts : float64 array
        What the node draws outside of its parts, as learned from a wall reading beside them; NaN before.
    least_parts : float64 array
        The least that its processors and memory have drawn; NaN before.
    dark_since_s : float64 array
        Since when the wall says dark, by our clock; NaN where it does not.
    runs : dict of Run by candidate
    round_s : float
        When the last round was, by our clock; minus infinity before the first.
    """

    rows: Mapping[str, int] = field(default_factory=dict)
    watts: Floats = field(default_factory=none)
    at_s: Floats = field(default_factory=none)
    until_s: Floats = field(default_factory=none)
    source: tuple[str, ...] = ()
    rest_watts: Floats = field(default_factory=none)
    least_parts: Floats = field(default_factory=none)
    dark_since_s: Floats = field(default_factory=none)
    runs: Mapping[str, Run] = field(default_factory=dict)
    round_s: float = float("-inf")

    def of(self, names: tuple[str, ...]) -> "NodeMemory":
        """What is remembered of some nodes, in their order; of new ones nothing."""
        if names == tuple(self.rows):
            return self
        row = np.array([self.rows.get(name, -1) for name in names], dtype=np.int64)

        def taken(column: Floats, blank: float) -> Floats:
            return np.append(column, blank)[row]

        nan = float("nan")
        sources = (*self.source, "")
        return NodeMemory(
            rows={name: place for place, name in enumerate(names)},
            watts=taken(self.watts, nan),
            at_s=taken(self.at_s, -np.inf),
            until_s=taken(self.until_s, -np.inf),
            source=tuple(sources[place] for place in row.tolist()),
            rest_watts=taken(self.rest_watts, nan),
            least_parts=taken(self.least_parts, nan),
            dark_since_s=taken(self.dark_since_s, nan),
            runs={
                key: Run(taken(run.watts, nan), taken(run.low_cores, nan), taken(run.high_cores, nan))
                for key, run in self.runs.items()
            },
            round_s=self.round_s,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """All that is carried from round to round; ``Memory()`` before the first.

    Parameters
    ----------
    sources : dict of SourceMemory by source, and its number where it answers more than once
    nodes : NodeMemory
    """

    sources: Mapping[str, SourceMemory] = field(default_factory=dict)
    nodes: NodeMemory = field(default_factory=NodeMemory)
