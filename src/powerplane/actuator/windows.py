"""Maintenance windows: hours of the week in which pods may be moved."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import get_args

from powerplane.models.api.capping_policy import DAYS, Day, ScheduledCap
from powerplane.models.api.schedule import holds_at, zone_of
from powerplane.models.errors import UsageError

_TIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_WINDOW = re.compile(rf"(?:(?P<days>[A-Za-z,-]+) )?(?P<start>{_TIME})-(?P<end>{_TIME})(?: (?P<zone>\S+))?")

Window = ScheduledCap
"""Days, start, end and zone, with the meaning that a policy's schedule gives them."""


def read_window(text: str) -> Window:
    """Read a window.

    Parameters
    ----------
    text : str
        Days, hours and zone, such as "Mon-Fri 22:00-06:00 Europe/Berlin"; every day and UTC where they are left out.
        One that goes over midnight belongs to the day on which it starts.

    Raises
    ------
    UsageError
    """
    match = _WINDOW.fullmatch(text.strip())
    if match is None:
        raise _unreadable(text)
    zone = match["zone"] or "Etc/UTC"
    if zone_of(zone) is None:
        raise UsageError(f"there is no time zone {zone!r}", "name one as Europe/Berlin")
    return Window(match["start"], match["end"], _days(match["days"], text), zone)


def is_open(windows: Iterable[Window], now: datetime) -> bool:
    """Whether pods may be moved at a moment: in any of the windows, or always where there is none."""
    every = tuple(windows)
    return not every or any(holds_at(each, now) for each in every)


def _days(text: str | None, whole: str) -> tuple[Day, ...]:
    found: list[Day] = []
    for part in text.split(",") if text else ():
        first, dash, last = (each.capitalize() for each in part.partition("-"))
        if first not in get_args(Day) or (dash and last not in get_args(Day)):
            raise _unreadable(whole)
        begin, end = DAYS.index(_day(first)), DAYS.index(_day(last if dash else first))
        found += [DAYS[each % len(DAYS)] for each in range(begin, end + 1 + len(DAYS) * (end < begin))]
    return tuple(dict.fromkeys(found))


def _day(text: str) -> Day:
    return next(day for day in DAYS if day == text)


def _unreadable(text: str) -> UsageError:
    return UsageError(f"{text[:64]!r} is no maintenance window", 'write it as "Mon-Fri 22:00-06:00 Europe/Berlin"')
