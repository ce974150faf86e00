"""What each wave does: the watts of domains that give or take load, against their budgets."""

from collections.abc import Sequence

from markupsafe import Markup

from powerplane.cli.report import words
from powerplane.cli.report.charts import Panel, draw_panel
from powerplane.cli.report.draws import Draws
from powerplane.models.plan import DomainDraw, Plan

MOST_PANELS = 12
MOST_WAVE_TICKS = 9


def wave_panels(plan: Plan, draws: Draws) -> tuple[tuple[tuple[DomainDraw, Markup], ...], int]:
    """Draw a panel for each domain that was over budget or receives load.

    Returns
    -------
    tuple
        The panels with their domains, at most ``MOST_PANELS``, those that were over first; and how many were left out.
    """
    known = {name for name, _ in draws.rows}
    involved = [d for d in plan.domains if d.name in known and _involved(d)]
    involved.sort(key=_urgency, reverse=True)
    shown = involved[:MOST_PANELS]
    return tuple((d, draw_panel(_panel(d, draws))) for d in shown), len(involved) - len(shown)


def _involved(domain: DomainDraw) -> bool:
    received = domain.after_watts - domain.before_watts > words.HALF_A_MILLIWATT
    return domain.budget_watts is not None and (received or words.is_over(domain.before_watts, domain.budget_watts))


def _urgency(domain: DomainDraw) -> tuple[bool, float]:
    budget = domain.budget_watts or 1.0
    over = words.is_over(domain.before_watts, domain.budget_watts)
    return over, (domain.before_watts if over else domain.after_watts) / budget


def _panel(domain: DomainDraw, draws: Draws) -> Panel:
    watts = [float(value) for value in draws.domain_watts(domain.name, domain.lost)]
    budget = domain.budget_watts or 0.0
    situation = f", with {domain.lost} lost" if domain.lost else ""
    told = f"{words.watts(watts[0])} before, {words.watts(watts[-1])} after the last wave, {words.watts(budget)} budget"
    return Panel(
        name=f"{domain.name} after each wave",
        description=told + situation,
        draw=tuple((float(i), value) for i, value in enumerate(watts)),
        budget=((0.0, budget),),
        x_end=float(len(watts)),
        y_range=frame((*watts, budget)),
        x_ticks=_wave_ticks(draws.waves),
    )


def frame(values: Sequence[float]) -> tuple[float, float]:
    """Range that holds all values, with a margin, never below 0."""
    low, high = min(values), max(values)
    margin = 0.12 * (high - low) or 0.05 * high or 1.0
    return max(0.0, low - margin), high + margin


def _wave_ticks(waves: tuple[int, ...]) -> tuple[tuple[float, str], ...]:
    """Label the middle of each step: 0 is before; some are left out where they would collide."""
    labels = [(i + 0.5, str(wave)) for i, wave in enumerate((0, *waves))]
    every = -(-len(labels) // MOST_WAVE_TICKS)
    return tuple(labels[::every])
