"""``powerplane forecast`` on a screen: a row a domain, the soonest breach first, and what has to be said in words."""

from collections.abc import Iterator
from datetime import UTC, datetime

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from powerplane.cli.forecast_view import DomainForecast, ForecastState, ForecastView
from powerplane.cli.report import words
from powerplane.models.plain import printable

STYLES: dict[ForecastState, str] = {
    "broken": "bold red",
    "foreseen": "bold red",
    "foreseen with a feed lost": "yellow",
    "held": "green",
    "not known": "magenta",
    "no budget": "",
}
MOST_ROWS, MOST_NAMES = 60, 5
FIRST_MOMENT_S = 1e9
"""Times before 2001 are no times of day."""

MUCH_MISSING = 0.05


def print_forecast_table(view: ForecastView, console: Console) -> None:
    """Print the table and the words below it, the verdict last."""
    # Sentences stay whole, whatever the width: who searches them by line finds them.
    console.print(headline(view), soft_wrap=True)
    console.print(domains_table(view))
    for line in remarks(view):
        console.print(line, soft_wrap=True)


def headline(view: ForecastView) -> Text:
    """From when, how far, by whom."""
    measured = ", ".join(f"{printable(name)} {nodes:,}" for name, nodes in view.sources.items()) or "nobody"
    return Text.assemble(
        (moment(view.at_seconds), "dim"),
        f": the next {in_words(view.ahead_seconds)}, in steps of {in_words(view.step_seconds)}; measured by {measured}",
    )


def domains_table(view: ForecastView) -> Table:
    """Return the table; the last column tells what a row rests on."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("domain", overflow="fold")
    for heading in ("draw now", "expected", "upper, 95 %", "budget", "breach", "probability"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("with a feed lost", overflow="fold")
    table.add_column("history", overflow="fold")
    for domain in view.domains[:MOST_ROWS]:
        table.add_row(*_cells(domain, view))
    if (more := len(view.domains) - MOST_ROWS) > 0:
        table.caption = Text(f"… and {words.count(more, 'domain')} more: -o json lists all", style="dim")
        table.caption_justify = "left"
    return table


def _cells(domain: DomainForecast, view: ForecastView) -> tuple[Text, ...]:
    style, budget = STYLES[domain.state], domain.budget_watts
    return (
        Text.assemble(printable(domain.name), (_kind(domain), "dim")),
        _amount(domain.now_watts, budget),
        _amount(domain.expected_watts, budget),
        _amount(domain.upper_watts, budget),
        Text("none" if budget is None else words.watts(budget)),
        Text(_when(domain.breach_at_seconds, view), style),
        Text("" if budget is None else chance(domain.breach_probability), style),
        Text(loss_words(domain, view)),
        Text(history_words(domain), "" if domain.method == "seasons" else "yellow"),
    )


def remarks(view: ForecastView) -> Iterator[Text]:
    """Yield what has to be said, a line each, the verdict last."""
    if view.unmeasured:
        nodes = words.count(len(view.unmeasured), "node")
        verb = "counts at its" if len(view.unmeasured) == 1 else "count at their"
        yield Text(f"△ {nodes} without a sample to believe {verb} worst case: {_names(view.unmeasured)}", "yellow")
    short = [each.name for each in view.domains if each.method == "last value"]
    if short:
        stays = "is told to stay" if len(short) == 1 else "are told to stay"
        yield Text(
            f"△ {words.count(len(short), 'domain')} with too little history for a daily season (less than 1.4 days) "
            f"{stays} at the last value, with wide intervals: {_names(short)}",
            "yellow",
        )
    if not view.weekly and len(short) < len(view.domains):
        yield Text("△ less than 9 days of history: days of the week are not told apart", "yellow")
    holes = [each for each in view.domains if each.gap_share > MUCH_MISSING and each.method != "worst case"]
    if holes:
        worst = max(holes, key=lambda each: each.gap_share)
        text = f"△ gaps in the history: {words.share(worst.gap_share)} of that of {printable(worst.name)} is missing"
        more = f", and part of that of {words.count(len(holes) - 1, 'domain')} more" if len(holes) > 1 else ""
        yield Text(text + more, "yellow")
    unknown = [each.name for each in view.domains if each.state == "not known"]
    if unknown:
        yield Text(f"△ how likely a breach is cannot be told from so little history: {_names(unknown)}", "magenta")
    if view.outside:
        nodes = words.count(len(view.outside), "node")
        yield Text(f"△ {nodes} in no domain, so that no budget holds them: {_names(view.outside)}", "yellow")
    for note in view.assumptions:
        yield Text.assemble(("assumed: ", "dim"), printable(note))
    yield verdict(view)


def verdict(view: ForecastView) -> Text:
    """Say in one sentence what is foreseen."""
    ahead = f"within {in_words(view.ahead_seconds)}"
    if all(each.budget_watts is None for each in view.domains):
        return Text("no domain has a budget, so that nothing can be broken: give --topology FILE", style="yellow")
    if view.foreseen:
        first = next(each for each in view.domains if each.name in view.foreseen)
        budgets = words.count(len(view.foreseen), "budget")
        is_are = "is" if len(view.foreseen) == 1 else "are"
        told = f"{budgets} {is_are} foreseen broken {ahead}, "
        assumed = ", by what is assumed of nodes without data" if first.by_assumption else ""
        name = printable(first.name)
        if first.state == "broken":
            return Text(f"{told}{name} now{assumed}", style="bold red")
        when, likely = _when(first.breach_at_seconds, view), chance(first.breach_probability)
        return Text(f"{told}the first {when}: {name}, with a probability of {likely}{assumed}", style="bold red")
    lost = [each for each in view.domains if each.state == "foreseen with a feed lost"]
    if lost:
        return Text(
            f"no budget is foreseen broken {ahead} while all feeds live; {len(lost):,} would be with one lost", "yellow"
        )
    if any(each.state == "not known" for each in view.domains):
        return Text(f"no budget is foreseen broken {ahead}, as far as so little history can tell", "yellow")
    return Text(f"no budget is foreseen broken {ahead}", style="bold green")


def loss_words(domain: DomainForecast, view: ForecastView) -> str:
    """What the likeliest loss would do; nothing without a budget or where no loss adds to the draw."""
    loss = domain.if_lost
    if loss is None or domain.budget_watts is None:
        return ""
    feed = printable(loss.feed)
    if loss.breach_at_seconds is None:
        return f"{chance(loss.breach_probability)} ({feed})"
    if loss.breach_at_seconds <= view.at_seconds:
        return f"△ at once ({feed})"
    return f"△ {_when(loss.breach_at_seconds, view)}, {chance(loss.breach_probability)} ({feed})"


def outcome(domain: DomainForecast, view: ForecastView) -> str:
    """What is foreseen of one domain, in words."""
    if domain.budget_watts is None:
        return "no budget"
    if domain.state == "broken":
        assumed = ", by what is assumed of nodes without data" if domain.by_assumption else ""
        return f"above its budget of {words.watts(domain.budget_watts)} now{assumed}"
    budget, likely = words.watts(domain.budget_watts), chance(domain.breach_probability)
    if domain.state == "foreseen":
        return f"passes its budget of {budget} {_when(domain.breach_at_seconds, view)}, with a probability of {likely}"
    if domain.breach_probability is None:
        return f"whether it passes its budget of {budget} is not known"
    return f"passes its budget of {budget} with a probability of {likely}"


def history_words(domain: DomainForecast) -> str:
    """What a row rests on."""
    if domain.method == "worst case":
        return "none: worst case"
    gaps = f", {words.share(domain.gap_share)} missing" if domain.gap_share > MUCH_MISSING else ""
    worst = f", {domain.unmeasured_nodes:,} of {domain.nodes:,} at worst case" if domain.unmeasured_nodes else ""
    last = ", last value" if domain.method == "last value" else ""
    hours = 24 * domain.history_days
    length = f"{hours:.0f} h" if 3 <= hours < 48 else in_words(3600 * hours)
    return f"{length}{last}{gaps}{worst}"


def chance(probability: float | None) -> str:
    """Format a probability, never as certain unless it is."""
    if probability is None:
        return "not known"
    if probability in (0.0, 1.0):
        return f"{probability:.0%}".replace("%", " %")
    return "< 1 %" if probability < 0.01 else "> 99 %" if probability > 0.99 else f"{100 * probability:.0f} %"


def in_words(seconds: float) -> str:
    """Say how long something is: ``45 s``, ``15 min``, ``2 h 30 min``, ``14 d``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds >= 2 * 86_400:
        days = seconds / 86_400
        return f"{days:.0f} d" if days >= 10 or days == round(days) else f"{days:.1f} d"
    hours, minutes = divmod(round(seconds / 60), 60)
    return " ".join(part for part in (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "") if part)


def moment(at_s: float) -> str:
    """A time of day; of a recording that counts from its own beginning, seconds."""
    if at_s < FIRST_MOMENT_S:
        return f"{at_s:g} s after the recording began"
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _when(at_s: float | None, view: ForecastView) -> str:
    if at_s is None:
        return ""
    away_s = at_s - view.at_seconds
    return "now" if away_s <= 0 else f"in {in_words(away_s)}"


def _amount(watts: float, budget: float | None) -> Text:
    over = words.is_over(watts, budget)
    return Text(f"▲ {words.watts(watts)}" if over else words.watts(watts), style="bold red" if over else "")


def _kind(domain: DomainForecast) -> str:
    return "" if domain.kind in domain.name else f" {printable(domain.kind)}"


def _names(names: tuple[str, ...] | list[str]) -> str:
    shown = ", ".join(printable(name) for name in names[:MOST_NAMES])
    return shown if len(names) <= MOST_NAMES else f"{shown} and {len(names) - MOST_NAMES:,} more"
