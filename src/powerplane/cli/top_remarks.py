"""What ``powerplane top`` says in words: how it stands, what is broken and why, and what no domain holds."""

from collections.abc import Iterator
from datetime import UTC, datetime

from rich.text import Text

from powerplane.cli.report import words
from powerplane.cli.top_view import DomainState, DomainView, StateCount, TopView
from powerplane.models.plain import printable

STYLES: dict[DomainState, str] = {
    "held": "green",
    "at risk": "yellow",
    "broken": "bold red",
    "broken by assumption": "bold magenta",
    "no budget": "",
}
MOST_REMARKS = 4
"""Domains told of in words for each kind of trouble; the others are counted."""
MOST_NAMES = 5
FIRST_MOMENT_S = 1e9
"""Times before 2001 are no times of day."""

USUAL = ("late", "reset")
"""Verdicts that a healthy cluster brings all the time, and that are mended within the series: the kubelet dates its
counters by its own housekeeping, and a processor's energy counter wraps within the hour."""


def headline(view: TopView) -> Text:
    """When, how much in all, and on what that rests."""
    nodes = words.count(sum((view.node_states.measured, view.node_states.held, view.node_states.worst)), "node")
    return Text.assemble(
        (_moment(view.at_seconds), "dim"),
        f"  {nodes}: ",
        (words.watts(view.draw_watts), "bold"),
        "  ",
        *_states(view.node_states),
    )


def remarks(view: TopView) -> list[Text]:
    """Return what has to be said, a line each, the verdict last."""
    return [*_unanswered(view), *_trouble(view), *_outside(view), *_found(view), *_assumed(view), _verdict(view)]


def _moment(at_s: float) -> str:
    """A time of day; of a recording that counts from its own beginning, seconds."""
    if at_s < FIRST_MOMENT_S:
        return f"{at_s:g} s after the recording began"
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _states(count: StateCount) -> Iterator[tuple[str, str]]:
    yield f"{count.measured:,} measured", "green" if count.measured else ""
    if count.held:
        yield f", {count.held:,} held", "yellow"
    if count.worst:
        yield f", {count.worst:,} at the worst case", STYLES["broken by assumption"]


def _unanswered(view: TopView) -> Iterator[Text]:
    if view.trouble:
        yield Text(f"▲ {printable(view.trouble)}", style="bold red")
        yield Text("  last samples are held until three scrapes are missed, then nodes count at the worst case")
    elif not view.node_states.measured + view.node_states.held and view.node_states.worst:
        yield Text("▲ nothing measures any node: `powerplane doctor` says what is there and what to install", "yellow")


def _trouble(view: TopView) -> Iterator[Text]:
    for state, tell in (("broken", _broken), ("broken by assumption", _maybe_broken), ("at risk", _at_risk)):
        found = [domain for domain in view.domains if domain.state == state]
        for domain in found[:MOST_REMARKS]:
            yield Text.assemble(("▲ " if "broken" in state else "△ ", STYLES[domain.state]), tell(domain))
        if (more := len(found) - MOST_REMARKS) > 0:
            yield Text(f"  … and {words.count(more, 'domain')} more {state}", style="dim")
    yield from _nodes_above(view)


def _nodes_above(view: TopView) -> Iterator[Text]:
    domains = {domain.name for domain in view.domains}
    assumed = [name for name in view.broken_by_assumption if name not in domains]
    measured = [name for name in view.broken if name not in {*domains, *assumed}]
    if measured:
        yield Text.assemble(("▲ ", STYLES["broken"]), f"above their own budgets: {_names(measured)}")
    if assumed:
        yield Text.assemble(
            ("▲ ", STYLES["broken by assumption"]),
            f"without a usable sample, and above their own budgets at the worst case: {_names(assumed)}",
        )


def _broken(domain: DomainView) -> str:
    text = f"{_title(domain)} draws {words.watts(-(domain.headroom_watts or 0))} above its budget"
    trips = domain.breaker and domain.breaker.trips_in_seconds
    return f"{text}; its breaker would bear it for {words.seconds(trips)}" if trips else text


def _maybe_broken(domain: DomainView) -> str:
    over, unmeasured = words.watts(-(domain.headroom_watts or 0)), domain.node_states.worst
    because = f"{words.count(unmeasured, 'node')} without a usable sample count at the worst case"
    return f"{_title(domain)} may draw {over} above its budget: {because}"


def _at_risk(domain: DomainView) -> str:
    loss = domain.if_lost
    if loss is None:
        return _title(domain)
    text = f"{_title(domain)} would be {words.watts(-(loss.headroom_watts or 0))} above its budget without {loss.feed}"
    return (
        f"{text}; its breaker would bear it for {words.seconds(loss.trips_in_seconds)}"
        if loss.trips_in_seconds
        else text
    )


def _title(domain: DomainView) -> str:
    name = printable(domain.name)
    return name if domain.kind in domain.name else f"{printable(domain.kind)} {name}"


def _outside(view: TopView) -> Iterator[Text]:
    if view.outside:
        nodes = words.count(len(view.outside), "node")
        yield Text(f"△ {nodes} in no domain, so that no rack, row or feed holds them: {_names(view.outside)}", "yellow")


def _found(view: TopView) -> Iterator[Text]:
    found = {what: count for what, count in view.found.items() if what.rpartition(": ")[2] not in USUAL}
    if found:
        told = ", ".join(f"{printable(what)} {count:,}" for what, count in found.items())
        yield Text(f"bad series: {told} (powerplane doctor says more)", style="dim")


def _assumed(view: TopView) -> Iterator[Text]:
    for note in view.assumptions:
        yield Text.assemble(("assumed: ", "dim"), printable(note))


def _verdict(view: TopView) -> Text:
    if view.broken:
        one, assumed = len(view.broken) == 1, len(view.broken_by_assumption)
        told = f"{words.count(len(view.broken), 'budget')} {'is' if one else 'are'} broken now"
        if assumed == len(view.broken):
            return Text(f"{told}, by what is assumed of nodes that are not measured", STYLES["broken by assumption"])
        return Text(f"{told}, {assumed:,} of them by assumption" if assumed else told, STYLES["broken"])
    budgets = sum(domain.budget_watts is not None for domain in view.domains)
    if not budgets:
        return Text("no domain has a budget, so that nothing can be broken: give --topology FILE", style="yellow")
    return Text("every budget holds now", style="bold green")


def _names(names: tuple[str, ...] | list[str]) -> str:
    shown = ", ".join(printable(name) for name in names[:MOST_NAMES])
    return shown if len(names) <= MOST_NAMES else f"{shown} and {len(names) - MOST_NAMES:,} more"


def span(seconds: float) -> str:
    """Say how old something is in one unit: ``9 s``, ``4 min``, ``3 h``, ``12 d``."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
