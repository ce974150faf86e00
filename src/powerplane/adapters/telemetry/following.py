"""Rounds of readings, one after the other: the source is asked, what it says is judged, and what must be is kept."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from powerplane.adapters.site import Site
from powerplane.models.telemetry.coverage import spacing_s, with_told_aliases
from powerplane.models.telemetry.facts import NodeFacts
from powerplane.models.telemetry.node_readings import NodeReadings, PodReadings
from powerplane.models.telemetry.readings import PowerSource, SourceReading
from powerplane.models.telemetry.remembered import Memory
from powerplane.models.telemetry.rounds import follow
from powerplane.models.telemetry.rules import DEFAULT_RULES, NOISY, Rules

FIRST_WINDOW_S, WINDOW_S = 300.0, 200.0
"""What is asked for at first, long enough to see that a sensor is frozen; and later, longer than three slow scrapes."""
MOST_MOMENTS = 60
"""Of a recording, so many moments before its last are followed."""
LEAST_INTERVAL_S, USUAL_INTERVAL_S = 1.0, 15.0


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A source of watts.

    Parameters
    ----------
    source : PowerSource
    moments : tuple of float
        Of a recording, when there are samples, in its own Unix seconds; empty for a live source.
    where : str
        What it is, for messages.
    """

    source: PowerSource
    moments: tuple[float, ...]
    where: str


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """What one round brought.

    Parameters
    ----------
    answers : tuple of SourceReading
        As they came.
    facts : tuple of NodeFacts
        Every node, with the names that the answers themselves tell.
    nodes : NodeReadings
    pods : PodReadings
    trouble : str
        Why no source answered at all; "" where one did.
    """

    answers: tuple[SourceReading, ...]
    facts: tuple[NodeFacts, ...]
    nodes: NodeReadings
    pods: PodReadings
    trouble: str = ""

    @property
    def interval_s(self) -> float:
        """Time between two scrapes of the fastest metric of watts, within the limits of what is sensible."""
        spacings = [
            spacing
            for answer in self.answers
            for block in answer.blocks
            if block.meaning.quantity in NOISY and (spacing := spacing_s(block)) > 0
        ]
        return min(max(min(spacings, default=USUAL_INTERVAL_S), LEAST_INTERVAL_S), DEFAULT_RULES.slowest_scrape_s)


@dataclass(slots=True)
class Follower:
    """Follows a source. Not for several threads at once.

    Parameters
    ----------
    opened : Opened
    clock : callable
        Unix seconds by our clock.
    rules : Rules
    first_window_s : float
        How far back the first question goes.
    """

    opened: Opened
    clock: Callable[[], float]
    rules: Rules = DEFAULT_RULES
    first_window_s: float = FIRST_WINDOW_S
    _memory: Memory = field(default_factory=Memory)

    def now(self, site: Site) -> Round:
        """Ask a live source once."""
        return self._round(site, self.clock())

    def replay(self, site: Site) -> Iterator[Round]:
        """Follow a recording up to its last moment, a round for each of its last moments."""
        for at_s in self.opened.moments[-MOST_MOMENTS:]:
            yield self._round(site, at_s)

    def _round(self, site: Site, now_s: float) -> Round:
        window_s = WINDOW_S if self._memory.sources else self.first_window_s
        answers = self.opened.source.read(now_s, window_s)
        # A live source takes its time to answer.
        told_s = now_s if self.opened.moments else self.clock()
        facts = with_told_aliases(site.facts, answers)
        self._memory, nodes, pods = follow(self._memory, answers, facts, told_s, self.rules)
        return Round(answers, facts, nodes, pods, _trouble(answers))


def _trouble(answers: Sequence[SourceReading]) -> str:
    errors = [answer.error for answer in answers if answer.error]
    return errors[0] if errors and len(errors) == len(answers) else ""
