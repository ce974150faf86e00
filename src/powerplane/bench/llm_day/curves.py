"""The day's curves as a picture: the highest draw of any rack and any feed in each ten minutes, by policy, in SVG."""

from collections.abc import Sequence

from powerplane.bench.llm_day.served import Served

COLOURS = {
    "none": "#9a9a9a",
    "static": "#b58900",
    "by-hand": "#cb4b16",
    "throttle": "#268bd2",
    "plan": "#859900",
    "plan+throttle": "#2aa198",
    "operate": "#6c71c4",
    "operate+throttle": "#d33682",
}
WIDTH, HEIGHT, LEFT, TOP, GAP = 860, 210, 52, 34, 46
LOWEST, HIGHEST = 0.4, 1.6
"""Shares between which a panel shows loads."""

HOURS = 24
FEED_LOST = (14, 16)
LEGEND_STEP = 122


def render_curves(days: Sequence[Served], first_trip: float) -> str:
    """Return one picture of days with the same servers and seed.

    Parameters
    ----------
    days : sequence of Served
        One a policy, of at least two points.
    first_trip : float
        Times a breaker's rating from which it trips in the end.
    """
    order = list(COLOURS)
    shown = sorted((day for day in days if len(day.racks) > 1), key=lambda day: order.index(day.policy))
    panels = (
        _panel(
            0,
            "highest draw of any rack in ten minutes, share of its budget",
            [(day.policy, day.racks) for day in shown],
            {1.0: "budget"},
        ),
        _panel(
            1,
            "highest draw of any feed in ten minutes, share of its breaker's rating",
            [(day.policy, day.feeds) for day in shown],
            {1.0: "rating", first_trip: "its curve begins"},
        ),
    )
    height = TOP + 2 * (HEIGHT + GAP)
    legend = "".join(
        f'<rect x="{LEFT + LEGEND_STEP * i}" y="8" width="12" height="4" fill="{COLOURS[day.policy]}"/>'
        f'<text x="{LEFT + 16 + LEGEND_STEP * i}" y="14">{day.policy}</text>'
        for i, day in enumerate(shown)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 16} {height}" '
        f'font-family="sans-serif" font-size="11" fill="#333">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{legend}\n{"".join(panels)}</svg>\n'
    )


def _panel(number: int, title: str, lines: Sequence[tuple[str, Sequence[float]]], marks: dict[float, str]) -> str:
    top = TOP + number * (HEIGHT + GAP)
    parts = [f'<text x="{LEFT}" y="{top - 4}">{title}</text>\n', _lost_feed(top), _axes(top)]
    for share, what in marks.items():
        y = _y(share, top)
        parts.append(f'<path d="M{LEFT} {y:.1f}h{WIDTH}" stroke="#dc322f" stroke-dasharray="5 3" fill="none"/>')
        parts.append(f'<text x="{LEFT + WIDTH - 4}" y="{y - 3:.1f}" text-anchor="end" fill="#dc322f">{what}</text>\n')
    for policy, values in lines:
        step = WIDTH / (len(values) - 1)
        points = " ".join(f"{LEFT + i * step:.1f},{_y(value, top):.1f}" for i, value in enumerate(values))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[policy]}" stroke-width="1.3"/>\n')
    return "".join(parts)


def _axes(top: float) -> str:
    parts = [f'<path d="M{LEFT} {top}v{HEIGHT}h{WIDTH}" stroke="#666" fill="none"/>\n']
    for hour in range(0, HOURS + 1, 4):
        x = LEFT + WIDTH * hour / HOURS
        parts.append(f'<text x="{x:.1f}" y="{top + HEIGHT + 14}" text-anchor="middle">{hour}:00</text>')
    for tenth in range(round(10 * LOWEST), round(10 * HIGHEST) + 1, 2):
        y = _y(tenth / 10, top) + 4
        parts.append(f'<text x="{LEFT - 6}" y="{y:.1f}" text-anchor="end">{10 * tenth} %</text>')
    return "".join([*parts, "\n"])


def _lost_feed(top: float) -> str:
    begin, end = (LEFT + WIDTH * hour / HOURS for hour in FEED_LOST)
    return (
        f'<rect x="{begin:.1f}" y="{top}" width="{end - begin:.1f}" height="{HEIGHT}" fill="#eee"/>'
        f'<text x="{begin + 4:.1f}" y="{top + HEIGHT - 6}" fill="#777">feed-a lost</text>\n'
    )


def _y(share: float, top: float) -> float:
    """Height of a share in a panel; what is outside of it stands at its edge."""
    return top + HEIGHT * (HIGHEST - min(max(share, LOWEST), HIGHEST)) / (HIGHEST - LOWEST)
