"""The results page: Markdown tables, medians with the worst beside them, losses in bold."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from powerplane.bench.measurement import Measurement
from powerplane.bench.suite import Case, TraceSpec
from powerplane.bench.verdict import OURS, judge

LABELS = {
    OURS: "PowerPlane",
    "greedy": "greedy repair",
    "first-fit": "first fit decreasing",
    "best-fit": "best fit decreasing",
    "first-fit-anew": "first fit, racks anew",
    "best-fit-anew": "best fit, racks anew",
    "twin": "PuLP model",
    "drain": "repair, then drain",
    "repack": "first fit, all anew",
}

INTRODUCTION = """\
# Results

This page is written by `python -m powerplane.bench.run`; [README.md](README.md) says what the cells are and how to \
read the columns.

Figures are the median over the seeds, with the worst in brackets where it differs. A *win*, *tie* or *loss* compares \
PowerPlane, seed by seed, with the best of all other rows: first by watts left above budgets, then by cost (for the \
energy objective, by the draw with empty nodes asleep). Losses are in bold. A baseline is judged by its end state \
alone; only PowerPlane and the PuLP model have their whole plan checked, at every point of every wave.
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, and how a run's figure is read and printed; None prints a dash."""

    heading: str
    value: Callable[[Measurement], float | None]
    form: str


COLUMNS = (
    Column("moves", lambda run: run.moves, "{:.0f}"),
    Column("cost", lambda run: run.cost, "{:.3f}"),
    Column("bound", lambda run: run.bound, "{:.3f}"),
    Column("gap", lambda run: run.gap if run.holds else None, "{:.2%}"),
    Column("overload W", lambda run: run.overload_watts, "{:.1f}"),
    Column("first feasible s", lambda run: run.first_s, "{:.2f}"),
    Column("solve s", lambda run: run.solve_seconds, "{:.2f}"),
    Column("peak MiB", lambda run: run.rss_mib, "{:.0f}"),
)
ENERGY_COLUMNS = (
    Column("draw, empty asleep W", lambda run: run.asleep_watts, "{:.1f}"),
    Column("draw W", lambda run: run.draw_watts, "{:.1f}"),
    *COLUMNS,
)


@dataclass(frozen=True, slots=True)
class Page:
    """All that the page shows.

    Parameters
    ----------
    head : tuple of (str, str)
        What was measured on, when and under which load: a name and a line each.
    cases : tuple of Case
        In the order of the page.
    runs : tuple of Measurement
    programs : tuple of tuple of str
        Rows of the whole-process table.
    skipped : tuple of str
        What was left out and why, a sentence each.
    """

    head: tuple[tuple[str, str], ...]
    cases: tuple[Case, ...]
    runs: tuple[Measurement, ...]
    programs: tuple[tuple[str, ...], ...]
    skipped: tuple[str, ...]


def render(page: Page) -> str:
    """Return the page as Markdown."""
    shown = [case for case in page.cases if runs_of(page, case)]
    parts = [INTRODUCTION, "\n".join(f"- {name}: {line}" for name, line in page.head), "", _summary(page, shown)]
    for title, objective in (("Least disruption", "disruption"), ("Least energy", "energy")):
        sections = [_section(page, case) for case in shown if case.objective == objective]
        if sections:
            parts += [f"## {title}\n", *sections]
    if page.programs:
        parts += ["## Whole programs\n", table(("program", "wall s", "peak MiB", "exit code"), page.programs), ""]
    if page.skipped:
        parts += ["## Left out\n", *(f"- {sentence}" for sentence in page.skipped), ""]
    return "\n".join(parts).rstrip() + "\n"


def runs_of(page: Page, case: Case) -> list[Measurement]:
    """Runs of one case, in the order of its methods, then seeds."""
    runs = [run for run in page.runs if run.cell == case.name]
    return sorted(runs, key=lambda run: (case.methods.index(run.method), run.seed))


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(headings)} |", f"|{'|'.join('---' for _ in headings)}|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def spread(values: Sequence[float | None], form: str) -> str:
    """Median of the values that there are, the worst (largest) in brackets where it prints otherwise."""
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    middle, worst = form.format(median(known)), form.format(max(known))
    missing = f", none in {len(values) - len(known)}" if len(known) < len(values) else ""
    return middle + (f" ({worst})" if worst != middle else "") + missing


def _summary(page: Page, shown: Sequence[Case]) -> str:
    rows = []
    for case in shown:
        runs = runs_of(page, case)
        ours = [run for run in runs if run.method == OURS]
        checked = f"{sum(run.checked is True for run in ours)} of {len(ours)}"
        gap = spread([run.gap if run.holds else None for run in ours], "{:.2%}")
        rows.append((case.name, str(judge(runs)), gap, spread([run.first_s for run in ours], "{:.2f}"), checked))
    headings = ("cell", "against the best other row", "gap", "first feasible s", "plans checked")
    return f"## In short\n\n{table(headings, rows)}\n"


def _section(page: Page, case: Case) -> str:
    runs = runs_of(page, case)
    columns = ENERGY_COLUMNS if case.objective == "energy" else COLUMNS
    headings = ("method", *(column.heading for column in columns), "holds", "checked")
    rows = [_row([run for run in runs if run.method == method], columns) for method in _methods(runs)]
    notes = sorted({f"- {LABELS[run.method]}, seed {run.seed}: {run.note}" for run in runs if run.note})
    return "\n".join(
        [
            f"### {case.name}\n",
            f"{_description(case, runs)} PowerPlane: {judge(runs)}.\n",
            table(headings, rows),
            *(["", *notes] if notes else []),
            "",
        ]
    )


def _methods(runs: Sequence[Measurement]) -> list[str]:
    return list(dict.fromkeys(run.method for run in runs))


def _description(case: Case, runs: Sequence[Measurement]) -> str:
    first = next((run for run in runs if run.nodes), None)
    size = f"{first.pods:,} pods in {first.classes} classes on {first.nodes:,} nodes, " if first else ""
    over = spread([run.found_overload_watts for run in runs if run.nodes], "{:.0f}")
    seeds = f"{len(case.seeds)} seeds" if len(case.seeds) > 1 else "1 seed"
    limit = f"{seeds}, {case.seconds:g} s for each method"
    if isinstance(case.spec, TraceSpec):
        return f"{size}over budget by {over} W; every {case.spec.cut_every}. rack loses 10 %; {limit}."
    spec = case.spec
    return (
        f"{size}over budget by {over} W; utilisation {spec.utilisation:.0%}, cut {spec.cut:.0%}, "
        f"slack {spec.slack:.0%}, racks of {spec.rack_size}; {limit}."
    )


def _row(runs: Sequence[Measurement], columns: Sequence[Column]) -> list[str]:
    finished = [run for run in runs if run.status != "failed" and not run.unplaced]
    cells = [spread([column.value(run) for run in finished], column.form) for column in columns]
    holds = f"{sum(run.holds for run in runs)} of {len(runs)}"
    if lost := sum(run.unplaced > 0 for run in runs):
        holds += f", pods without a node in {lost}"
    if failed := sum(run.status == "failed" for run in runs):
        holds += f", no result in {failed}"
    verdicts = [run.checked for run in finished if run.checked is not None]
    checked = f"{sum(verdicts)} of {len(verdicts)}" if verdicts else "–"
    return [LABELS[runs[0].method], *cells, holds, checked]
