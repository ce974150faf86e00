"""What pods used, at equal steps of some hours, from the first source that has it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, runtime_checkable

from powerplane.models.telemetry.metrics import SCRAPED
from powerplane.models.telemetry.readings import Meaning, Quantity, SeriesBlock


@runtime_checkable
class Historian(Protocol):
    """A source that can be asked for values at equal steps."""

    def history(self, meaning: Meaning, start_s: float, end_s: float, step_s: float) -> SeriesBlock:
        """Ask for one metric."""
        ...


def pod_rows(quantity: Quantity, sources: Sequence[str]) -> tuple[Meaning, ...]:
    """Rows of what a Prometheus scrapes that tell a quantity of pods, the best first."""
    return tuple(
        row for source in sources for row in SCRAPED if row.source == source and row.quantity == quantity and row.pod
    )


def first_history(
    source: Historian,
    rows: Iterable[Meaning],
    span: tuple[float, float, float],
    before: Callable[[Meaning], None] = lambda _: None,
) -> list[SeriesBlock]:
    """Ask for rows in turn, and return the first that has a series; empty where none has.

    Parameters
    ----------
    source : Historian
    rows : iterable of Meaning
    span : (float, float, float)
        Start, end and step, in seconds; see ``PrometheusSource.history``.
    before : callable, optional
        Called before each question.

    Raises
    ------
    UnreachableError
        When there is no usable answer.
    """
    for row in rows:
        before(row)
        block = source.history(row, *span)
        if block.entities:
            return [block]
    return []
