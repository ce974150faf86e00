"""What came of a simulation, as rows of a table, as data, and in one sentence."""

import msgspec
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from powerplane.cli.report import words
from powerplane.models.plain import printable
from powerplane.simulator.outcomes import Figures, Outcome
from powerplane.simulator.scenario_file import Study

HELD = "every budget holds throughout"


class Wire(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of what `-o json` shows."""


class TripRow(Wire, frozen=True):
    """A breaker that tripped."""

    domain: str
    at_seconds: float


class EventRow(Wire, frozen=True):
    """Something that happened."""

    at_seconds: float
    text: str


class OverloadRow(Wire, frozen=True):
    """A stretch of time for which a breaker carried more than its rating."""

    domain: str
    from_seconds: float
    seconds: float
    mean_times_rating: float
    most_times_rating: float
    heat: float
    tripped: bool


class PolicyRow(Wire, frozen=True):
    """One policy's figures. Shares are from 0 to 1."""

    policy: str
    over_budget_domain_minutes: float
    domains_over_budget: int
    breaker_trips: int
    most_pods_down: int
    pod_minutes_down: float
    pod_minutes_waiting: float
    work_lost: float
    work_lost_to_limits: float
    device_work_lost: float
    moves: int
    energy_kwh: float
    peak_share_of_budget: float
    peak_domain: str
    trips: tuple[TripRow, ...]
    overloads: tuple[OverloadRow, ...]
    events: tuple[EventRow, ...]


class SimulationReport(Wire, frozen=True):
    """All policies of a scenario."""

    scenario: str
    seed: int
    seconds: float
    nodes: int
    policies: tuple[PolicyRow, ...]


def report_of(study: Study, outcomes: tuple[Outcome, ...]) -> SimulationReport:
    """Return everything as data."""
    return SimulationReport(
        scenario=study.name,
        seed=study.spec.seed,
        seconds=study.spec.duration_s,
        nodes=len(study.spec.base.nodes),
        policies=tuple(_policy(outcome) for outcome in outcomes),
    )


def figure_rows(outcomes: tuple[Outcome, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the table: a figure, and its value under each policy."""
    figures = [outcome.figures for outcome in outcomes]
    rows = [
        ("minutes over budget, all domains", [f"{f.over_minutes:,.1f}" for f in figures]),
        ("domains ever over budget", [f"{f.over_domains:,}" for f in figures]),
        ("highest share of a budget", [_peak(f) for f in figures]),
        ("breaker trips", [f"{f.trips:,}" for f in figures]),
        ("pods down, at worst", [f"{f.most_lost:,}" for f in figures]),
        ("pod-minutes down", [f"{f.lost_pod_minutes:,.0f}" for f in figures]),
        ("pod-minutes waiting for a node", [f"{f.waiting_pod_minutes:,.0f}" for f in figures]),
        ("CPU work lost", [_share(f.work_lost) for f in figures]),
        ("of which to limits", [_share(f.work_limited) for f in figures]),
        ("accelerators' work lost", [_share(f.device_work_lost) for f in figures]),
        ("pods moved", [f"{f.moves:,}" for f in figures]),
        ("energy", [f"{f.energy_kwh:,.1f} kWh" for f in figures]),
    ]
    if not any(f.device_work_lost for f in figures):
        rows = [row for row in rows if row[0] != "accelerators' work lost"]
    return tuple((name, tuple(values)) for name, values in rows)


def sentence(outcomes: tuple[Outcome, ...]) -> str:
    """Say what came of it: under the first policy, and under the last."""
    first, last = outcomes[0], outcomes[-1]
    told = f"{'Left alone' if first.policy == 'none' else f'Under {first.policy}'}, {_deed(first)}"
    return f"{told}." if len(outcomes) == 1 else f"{told}; under {last.policy}, {_deed(last)}."


def print_simulation(study: Study, outcomes: tuple[Outcome, ...], console: Console) -> None:
    """Print the table and, last, the sentence."""
    table = Table(title=escape(printable(study.name)), box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("")
    for outcome in outcomes:
        table.add_column(outcome.policy, justify="right", no_wrap=True)
    for name, values in figure_rows(outcomes):
        table.add_row(name, *(escape(value) for value in values))
    console.print(table)
    console.print(escape(printable(sentence(outcomes))), style="bold", highlight=False)


def _deed(outcome: Outcome) -> str:
    figures = outcome.figures
    if figures.trips:
        breakers = words.count(figures.trips, "breaker")
        return f"{breakers} trip{'s' if figures.trips == 1 else ''} and {_pods_down(figures)}"
    paid = [words.count(figures.moves, "move")] if figures.moves else []
    if figures.work_limited >= 5e-5:
        paid.append(f"{_share(figures.work_limited)} of the work lost to limits")
    price = f" for {' and '.join(paid)}" if paid else ""
    down = f", though {_pods_down(figures)}" if figures.most_lost else ""
    if figures.over_minutes > 0:
        return f"no breaker trips, with {figures.over_minutes:,.1f} minutes over budgets{price}{down}"
    return f"{HELD if figures.peak_share else 'nothing has a budget'}{price}{down}"


def _pods_down(figures: Figures) -> str:
    return f"{words.count(figures.most_lost, 'pod')} go{'es' if figures.most_lost == 1 else ''} down"


def _peak(figures: Figures) -> str:
    return f"{words.share(figures.peak_share)} ({printable(figures.peak_domain)})" if figures.peak_share else "-"


def _share(value: float) -> str:
    return "0" if value < 5e-6 else f"{100 * value:.2f} %" if value < 0.1 else f"{100 * value:.1f} %"


def _policy(outcome: Outcome) -> PolicyRow:
    figures = outcome.figures
    return PolicyRow(
        policy=outcome.policy,
        over_budget_domain_minutes=figures.over_minutes,
        domains_over_budget=figures.over_domains,
        breaker_trips=figures.trips,
        most_pods_down=figures.most_lost,
        pod_minutes_down=figures.lost_pod_minutes,
        pod_minutes_waiting=figures.waiting_pod_minutes,
        work_lost=figures.work_lost,
        work_lost_to_limits=figures.work_limited,
        device_work_lost=figures.device_work_lost,
        moves=figures.moves,
        energy_kwh=figures.energy_kwh,
        peak_share_of_budget=figures.peak_share,
        peak_domain=figures.peak_domain,
        trips=tuple(
            TripRow(domain=each.domain, at_seconds=each.from_s + each.lasted_s)
            for each in outcome.overloads
            if each.tripped
        ),
        overloads=tuple(
            OverloadRow(
                domain=each.domain,
                from_seconds=each.from_s,
                seconds=each.lasted_s,
                mean_times_rating=each.mean_times,
                most_times_rating=each.most_times,
                heat=each.heat,
                tripped=each.tripped,
            )
            for each in outcome.overloads
        ),
        events=tuple(EventRow(at_seconds=note.at_s, text=note.text) for note in outcome.notes),
    )
