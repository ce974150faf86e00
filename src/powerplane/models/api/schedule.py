"""Which limits of a policy hold at a moment: its own, or those of its schedule."""

from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from powerplane.models.api.capping_policy import DAYS, PowerCap, PowerCappingPolicySpec, RackConstraint, ScheduledCap


@lru_cache(maxsize=256)
def zone_of(name: str) -> ZoneInfo | None:
    """Return a time zone by its name; None where there is none of that name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def holds_at(entry: ScheduledCap, now: datetime) -> bool:
    """Whether an entry of a schedule holds at a moment.

    Parameters
    ----------
    entry : ScheduledCap
        From ``start`` until before ``end`` on the wall clock of its zone; over midnight where ``end`` is not after
        ``start``, and then the day that counts is the one on which it started.
    now : datetime
        With a time zone.

    Raises
    ------
    ValueError
        For a moment without a time zone, which would be read in the machine's own.

    Notes
    -----
    An entry in a zone that is not known holds at all hours. The wall clock decides on days of 23 and 25 hours too.
    """
    if now.tzinfo is None:
        raise ValueError("a schedule needs a moment with a time zone")
    zone = zone_of(entry.time_zone)
    if zone is None:
        return True
    local = now.astimezone(zone)
    clock = f"{local:%H:%M}"
    if entry.start < entry.end:
        return entry.start <= clock < entry.end and _on(entry, local)
    return (clock >= entry.start and _on(entry, local)) or (clock < entry.end and _on(entry, local - timedelta(days=1)))


def _on(entry: ScheduledCap, local: datetime) -> bool:
    return not entry.days or DAYS[local.weekday()] in entry.days


def caps_at(spec: PowerCappingPolicySpec, now: datetime) -> tuple[PowerCap, ...]:
    """Return the caps that hold at a moment; where there are several the lowest counts.

    Those of the schedule stand in the place of the policy's own, except one whose zone is not known: it holds beside
    whatever else does.
    """
    holding = [entry for entry in spec.schedule if entry.cap is not None and holds_at(entry, now)]
    timed = tuple(entry.cap for entry in holding if entry.cap is not None)
    replaced = any(zone_of(entry.time_zone) for entry in holding)
    return timed if replaced or spec.cap is None else (spec.cap, *timed)


def rack_constraints_at(spec: PowerCappingPolicySpec, now: datetime) -> tuple[RackConstraint, ...]:
    """Return the constraints on racks that hold at a moment, by the same rule as ``caps_at``."""
    holding = [entry for entry in spec.schedule if entry.rack_constraints and holds_at(entry, now)]
    timed = tuple(one for entry in holding for one in entry.rack_constraints)
    replaced = any(zone_of(entry.time_zone) for entry in holding)
    return timed if replaced else (*spec.rack_constraints, *timed)
