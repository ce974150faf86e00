"""The page of a simulation: policies side by side, watts over time, and breakers' curves with their overloads."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from powerplane.cli.report import words
from powerplane.cli.report.charts import Panel, draw_panel, round_ticks
from powerplane.cli.report.overload_chart import legend_mark, overload_chart
from powerplane.cli.report.render import environment
from powerplane.cli.report.time_panels import thin
from powerplane.cli.report.wave_panels import frame
from powerplane.models.topology import PowerTopology
from powerplane.simulator.outcomes import Outcome
from powerplane.simulator.scenario_file import Study

MOST_DOMAINS, MOST_BREAKERS, MOST_EVENTS = 8, 6, 80
PANEL_SIZE = (300.0, 120.0)
MOST_STEPS = 300
LAST_TICK = 0.97
"""Share of the axis beyond which a label would be cut off."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One domain's chart under one policy."""

    policy: str
    outcome: str
    bad: bool
    drawing: Markup


@dataclass(frozen=True, slots=True)
class DomainShots:
    """One domain under every policy."""

    name: str
    kind: str
    shots: tuple[Shot, ...]


@dataclass(frozen=True, slots=True)
class BreakerShot:
    """One breaker's curve with the overloads of every policy."""

    name: str
    rating: str
    drawing: Markup


@dataclass(frozen=True, slots=True)
class EventList:
    """What happened under one policy."""

    policy: str
    events: tuple[tuple[str, str], ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class SimulationPage:
    """Everything on the page."""

    title: str
    sentence: str
    description: str
    facts: tuple[tuple[str, str], ...]
    policies: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    domains: tuple[DomainShots, ...]
    domains_left_out: int
    breakers: tuple[BreakerShot, ...]
    breakers_left_out: int
    marks: tuple[tuple[str, Markup], ...]
    events: tuple[EventList, ...]


def simulation_page(
    study: Study, outcomes: tuple[Outcome, ...], rows: tuple[tuple[str, tuple[str, ...]], ...], sentence: str
) -> str:
    """Render the page; the same arguments give the same text.

    Parameters
    ----------
    study : Study
    outcomes : tuple of Outcome
    rows : tuple of (figure, (value of each policy, ...))
    sentence : str
        What came of it, in one.
    """
    topology = study.spec.base.topology
    domains, left_out = _domains(outcomes, topology, study.spec.duration_s)
    breakers, breakers_left_out = _breakers(outcomes, topology)
    page = SimulationPage(
        title=study.name,
        sentence=sentence,
        description=study.description,
        facts=_facts(study),
        policies=tuple(outcome.policy for outcome in outcomes),
        rows=rows,
        domains=domains,
        domains_left_out=left_out,
        breakers=breakers,
        breakers_left_out=breakers_left_out,
        marks=tuple((outcome.policy, legend_mark(i)) for i, outcome in enumerate(outcomes)),
        events=tuple(_events(outcome) for outcome in outcomes),
    )
    return environment().get_template("simulation.html.j2").render(page=page)


def clock(seconds: float) -> str:
    """A moment of a run: ``1:05:00``, with days where there are any: ``2 d 3:00:00``."""
    whole = int(seconds)
    days, rest = divmod(whole, 86_400)
    text = f"{rest // 3600}:{rest % 3600 // 60:02d}:{rest % 60:02d}"
    return f"{days} d {text}" if days else text


def _facts(study: Study) -> tuple[tuple[str, str], ...]:
    spec = study.spec
    kinds = [domain.kind for domain in spec.base.topology.domains]
    devices = f", {words.count(len(spec.devices.uuid), 'accelerator')}" if spec.devices.uuid else ""
    return (
        ("Simulated", f"{clock(spec.duration_s)} h in steps of {spec.step_s:g} s, seed {spec.seed}"),
        ("Cluster", f"{words.count(len(spec.base.nodes), 'node')}{devices}; {words.kinds(kinds)}"),
        (
            "Sensors",
            f"every {study.sensors.every_s:g} s, {study.sensors.delay_s:g} s late, {100 * study.sensors.noise:g} % off",
        ),
    )


def _domains(outcomes: tuple[Outcome, ...], topology: PowerTopology, end: float) -> tuple[tuple[DomainShots, ...], int]:
    """Draw those that came closest to their limits under any policy; the same axes for all policies of a domain."""
    names = outcomes[0].domains
    limited = [i for i in range(len(names)) if any(np.isfinite(o.series.budget_watts[:, i]).any() for o in outcomes)]
    limited.sort(key=lambda i: max(_severity(outcome, i) for outcome in outcomes), reverse=True)
    shown = sorted(limited[:MOST_DOMAINS])
    drawn = []
    for i in shown:
        domain = topology.by_name[names[i]]
        rating = domain.breaker.rating_mw / 1000 if domain.breaker else None
        values = [v for o in outcomes for v in (o.series.watts[:, i].max(), o.series.watts[:, i].min())]
        values += [float(b) for o in outcomes for b in o.series.budget_watts[:, i] if np.isfinite(b)]
        span = frame([float(v) for v in values] + ([rating] if rating else []))
        shots = tuple(_shot(outcome, i, rating, span, end) for outcome in outcomes)
        drawn.append(DomainShots(names[i], domain.kind, shots))
    return tuple(drawn), len(limited) - len(shown)


def _severity(outcome: Outcome, i: int) -> tuple[bool, float]:
    watts, budgets = outcome.series.watts[:, i], outcome.series.budget_watts[:, i]
    return outcome.domains[i] in outcome.tripped, float((watts / budgets).max(initial=0.0))


def _shot(outcome: Outcome, i: int, rating: float | None, span: tuple[float, float], end: float) -> Shot:
    series, name = outcome.series, outcome.domains[i]
    at_s = series.at_s.tolist()
    draw = thin(tuple(zip(at_s, series.watts[:, i].tolist(), strict=True)), MOST_STEPS)
    budget = tuple(zip(at_s, series.budget_watts[:, i].tolist(), strict=True))
    told, bad = _told(outcome, i)
    panel = Panel(
        name=f"Watts of {name} under {outcome.policy}",
        description=told,
        draw=draw,
        budget=_changes(thin(budget, MOST_STEPS)),
        x_end=end,
        y_range=span,
        x_ticks=_ticks(end),
        size=PANEL_SIZE,
        rating=rating,
        trips=(outcome.tripped[name],) if name in outcome.tripped else (),
    )
    return Shot(outcome.policy, told, bad, draw_panel(panel))


def _told(outcome: Outcome, i: int) -> tuple[str, bool]:
    series, name = outcome.series, outcome.domains[i]
    if name in outcome.tripped:
        return f"its breaker trips at {clock(outcome.tripped[name])}", True
    over = series.watts[:, i] > series.budget_watts[:, i] * (1 + 1e-9)
    dark = bool(series.dark[:, i].any())
    if over.any():
        most = float((series.watts[:, i] - series.budget_watts[:, i]).max())
        return f"over by {words.watts(most)} at most", True
    return ("without power for a time", False) if dark else ("held throughout", False)


def _breakers(outcomes: tuple[Outcome, ...], topology: PowerTopology) -> tuple[tuple[BreakerShot, ...], int]:
    heat: dict[str, float] = {}
    for outcome in outcomes:
        for each in outcome.overloads:
            heat[each.domain] = max(heat.get(each.domain, 0.0), each.heat + each.tripped)
    names = sorted(heat, key=lambda name: heat[name], reverse=True)
    shots = []
    for name in names[:MOST_BREAKERS]:
        breaker = topology.by_name[name].breaker
        if breaker is not None:
            runs = [[each for each in outcome.overloads if each.domain == name] for outcome in outcomes]
            drawing = overload_chart(name, breaker, runs)
            shots.append(BreakerShot(name, words.watts(breaker.rating_mw / 1000), drawing))
    return tuple(shots), max(0, len(names) - MOST_BREAKERS)


def _events(outcome: Outcome) -> EventList:
    shown = outcome.notes[:MOST_EVENTS]
    return EventList(
        outcome.policy, tuple((clock(note.at_s), note.text) for note in shown), len(outcome.notes) - len(shown)
    )


def _changes(points: Iterable[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    kept: list[tuple[float, float]] = []
    for at_s, value in points:
        if np.isfinite(value) and (not kept or kept[-1][1] != value):
            kept.append((at_s, value))
    return tuple(kept)


def _ticks(end: float) -> tuple[tuple[float, str], ...]:
    unit, name = (60.0, "min") if end < 3 * 3600 else (3600.0, "h") if end < 4 * 86_400 else (86_400.0, "d")
    ticks = [tick for tick in round_ticks(0.0, end / unit, most=6) if tick * unit <= LAST_TICK * end]
    return tuple((tick * unit, f"{tick:g} {name}" if tick else "0") for tick in ticks)
