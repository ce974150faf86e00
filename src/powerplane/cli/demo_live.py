"""The demo's two runs played back side by side: on a terminal as moving panels, elsewhere as lines."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from powerplane.cli.demo_words import clock
from powerplane.simulator.history import Run
from powerplane.simulator.scenario import Scenario

FRAMES_PER_SECOND = 10
LINE_EVERY_S = 120
WIDEST_PANEL, BESIDE_BAR, EVENTS_SHOWN = 52, 29, 3
PANEL_HEIGHT = 18
FULL_BAR = 1.25
"""Times a breaker's rating at which a feed's bar is full."""
LEVELS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """What is shown: the story, and its runs without PowerPlane and with it."""

    story: Scenario
    alone: Run
    guarded: Run


def play(stage: Stage, console: Console, speed: float) -> None:
    """Play both runs back on a terminal.

    Parameters
    ----------
    speed : float
        Simulated seconds per second of the viewer's.
    """
    began, last = time.monotonic(), stage.alone.seconds - 1
    width = min((console.width - 1) // 2, WIDEST_PANEL)
    with Live(_scene(stage, 0, width), console=console, auto_refresh=False) as live:
        while (second := int((time.monotonic() - began) * speed)) < last:
            live.update(_scene(stage, second, width), refresh=True)
            time.sleep(1 / FRAMES_PER_SECOND)
        live.update(_scene(stage, last, width), refresh=True)


def tell_lines(stage: Stage) -> Iterator[str]:
    """Tell both runs in lines: what happened, and every two minutes how the surviving feed stands."""
    events = [(event.seconds, "without", event.text) for event in stage.alone.events]
    events += [(event.seconds, "with", event.text) for event in stage.guarded.events]
    events += [
        (second, name, _standing(stage, run, second))
        for second in range(0, stage.alone.seconds, LINE_EVERY_S)
        for name, run in (("without", stage.alone), ("with", stage.guarded))
    ]
    for second, name, text in sorted(events, key=lambda line: line[0]):
        yield f"{clock(second):>5}  {name:<7}  {text}"


def _standing(stage: Stage, run: Run, second: int) -> str:
    feed = stage.story.survivor
    i = run.domains.index(feed)
    if run.dark[second, i]:
        return f"{feed} is dark; {run.down[second]:,} pods down"
    load, rating = run.domain_mw[second, i] / 1e6, run.rating_mw[second, i] / 1e6
    return f"{feed} {load:.1f} of {rating:.1f} kW, breaker {run.heat[second, i]:.0%} of the heat that trips it"


def _scene(stage: Stage, second: int, width: int) -> RenderableType:
    sides = (("without PowerPlane", stage.alone), ("with PowerPlane", stage.guarded))
    return Columns([_side(stage, title, run, second, width) for title, run in sides])


def _side(stage: Stage, title: str, run: Run, second: int, width: int) -> Panel:
    topology = stage.story.snapshot.topology
    lines = [_header(stage.story, run, second)]
    for domain in topology.domains:
        if domain.kind == "feed":
            lines.append(_load(run, domain.name, second, width - BESIDE_BAR))
        elif domain.kind == "row":
            racks = [rack.name for rack in topology.domains if rack.kind == "rack" and domain.name in rack.parents]
            lines.append(_racks(run, domain.name, racks, second))
        if domain.name == stage.story.survivor:
            lines.append(_heat(run, domain.name, second, width - BESIDE_BAR))
    return Panel(Group(*lines, Text(), *_recent(run, second)), title=title, width=width, height=PANEL_HEIGHT)


def _header(story: Scenario, run: Run, second: int) -> Text:
    heat = next(room.heat for room in story.climates if story.lost_feed in room.feeds)
    text = Text(f"{clock(second):>5}  {heat.celsius_at(second):.0f} °C  ", no_wrap=True)
    down, moving = int(run.down[second]), int(run.moving[second])
    text.append(f"{down:,} pods down", style="bold red" if down else "green")
    return text.append(f", {moving} moving" if moving else "")


def _load(run: Run, feed: str, second: int, width: int) -> Text:
    i = run.domains.index(feed)
    if run.dark[second, i]:
        return Text(f"{feed}  {'·' * width}  no power", style="bold red", no_wrap=True)
    load, rating = run.domain_mw[second, i] / 1e6, run.rating_mw[second, i] / 1e6
    style = _style(load / rating)
    bar = _bar(load / rating / FULL_BAR, width)
    return Text.assemble(f"{feed}  ", (bar, style), (f"  {load:4.1f} of {rating:4.1f} kW", style), no_wrap=True)


def _heat(run: Run, feed: str, second: int, width: int) -> Text:
    i = run.domains.index(feed)
    share = float(run.heat[second, i])
    if run.dark[second, i]:
        return Text("  its breaker tripped", style="bold red")
    style = "red" if share > 0.5 else "yellow" if share > 0 else "dim"
    return Text(f"  heat  {_bar(share, width)}  {share:4.0%} of a trip", style=style, no_wrap=True)


def _racks(run: Run, row: str, racks: list[str], second: int) -> Text:
    text = Text(f"{row}   ", no_wrap=True)
    for rack in racks:
        i = run.domains.index(rack)
        load = run.domain_mw[second, i] / run.budget_mw[second, i]
        text.append("·" if run.dark[second, i] else _level(load), style="red" if run.dark[second, i] else _style(load))
        text.append(" ")
    return text.append(f" {run.domain_mw[second, run.domains.index(row)] / 1e6:4.1f} kW")


def _recent(run: Run, second: int) -> list[Text]:
    past = [event for event in run.events if event.seconds <= second][-EVENTS_SHOWN:]
    lines = [Text(f"{clock(event.seconds):>5}  {event.text}", style="dim") for event in past]
    return lines + [Text()] * (EVENTS_SHOWN - len(lines))


def _bar(share: float, width: int) -> str:
    full = min(round(share * width), width)
    return "█" * full + "░" * (width - full)


def _level(share: float) -> str:
    return LEVELS[min(int(share * len(LEVELS)), len(LEVELS) - 1)]


def _style(share: float) -> str:
    return "bold red" if share > 1 else "yellow" if share > 0.95 else "green"
