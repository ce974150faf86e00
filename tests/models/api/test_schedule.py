"""Schedules by the wall clock of their zone, on days with 23 and 25 hours, too."""

from datetime import UTC, datetime

import msgspec
import pytest

from powerplane.models.api.capping_policy import PowerCappingPolicySpec, ScheduledCap
from powerplane.models.api.schedule import caps_at, holds_at, rack_constraints_at


def entry(start="17:00", end="21:00", zone="Etc/UTC", days=(), **more):
    return {"start": start, "end": end, "timeZone": zone, "days": list(days)} | (more or {"cap": {"watts": "1kW"}})


def at(text):
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("written", "moment", "holds"),
    [
        (entry(), "2026-03-02T16:59:59Z", False),
        (entry(), "2026-03-02T17:00:00Z", True),
        (entry(), "2026-03-02T20:59:59Z", True),
        (entry(), "2026-03-02T21:00:00Z", False),
        (entry(days=["Mon"]), "2026-03-02T18:00:00Z", True),
        (entry(days=["Tue", "Sun"]), "2026-03-02T18:00:00Z", False),
        # over midnight: the day is the one on which it started
        (entry("22:00", "06:00", days=["Mon"]), "2026-03-02T23:00:00Z", True),
        (entry("22:00", "06:00", days=["Mon"]), "2026-03-03T05:59:00Z", True),
        (entry("22:00", "06:00", days=["Mon"]), "2026-03-03T06:00:00Z", False),
        (entry("22:00", "06:00", days=["Mon"]), "2026-03-02T05:00:00Z", False),
        (entry("18:00", "00:00"), "2026-03-02T23:59:00Z", True),
        (entry("18:00", "00:00"), "2026-03-03T00:00:00Z", False),
        # from a time until the same time: all day, that day
        (entry("00:00", "00:00", days=["Mon"]), "2026-03-02T12:00:00Z", True),
        (entry("00:00", "00:00", days=["Mon"]), "2026-03-03T00:00:00Z", False),
        # the moment's own zone does not matter
        (entry(), "2026-03-02T13:00:00-05:00", True),
        (entry(zone="Europe/Berlin"), "2026-01-15T16:00:00Z", True),
        (entry(zone="Europe/Berlin"), "2026-07-15T15:00:00Z", True),
        (entry(zone="Europe/Berlin"), "2026-07-15T14:59:00Z", False),
        # 2026-03-29 has no 02:30 in Berlin, 2026-10-25 has it twice
        (entry("02:15", "03:15", zone="Europe/Berlin"), "2026-03-29T00:59:00Z", False),
        (entry("02:15", "03:15", zone="Europe/Berlin"), "2026-03-29T01:05:00Z", True),
        (entry("02:15", "02:45", zone="Europe/Berlin"), "2026-10-25T00:30:00Z", True),
        (entry("02:15", "02:45", zone="Europe/Berlin"), "2026-10-25T01:30:00Z", True),
        (entry("02:15", "02:45", zone="Europe/Berlin"), "2026-10-25T01:50:00Z", False),
        # a zone that nobody knows: at all hours
        (entry(zone="Mars/Olympus"), "2026-03-02T03:00:00Z", True),
        (entry(zone="../../etc/passwd"), "2026-03-02T03:00:00Z", True),
        (entry(zone="Europe"), "2026-03-02T03:00:00Z", True),
    ],
)
def test_an_entry_holds_from_its_start_until_before_its_end(written, moment, holds):
    assert holds_at(msgspec.convert(written, ScheduledCap), at(moment)) is holds


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        holds_at(msgspec.convert(entry(), ScheduledCap), datetime(2026, 3, 2))


def limits(moment, **spec):
    read = msgspec.convert(spec, PowerCappingPolicySpec)
    now = moment.astimezone(UTC)
    return [cap.watts for cap in caps_at(read, now)], [one.max_power for one in rack_constraints_at(read, now)]


EVENING, NIGHT = at("2026-03-02T18:00:00Z"), at("2026-03-02T23:00:00Z")
RACKS = [{"domainNames": ["r"], "maxPower": "12kW"}]
LESS = [{"domainNames": ["r"], "maxPower": "8kW"}]
BASE = {"cap": {"watts": "2kW"}, "rackConstraints": RACKS}


def test_limits_of_the_schedule_stand_in_the_place_of_the_policy_s_own():
    spec = {**BASE, "schedule": [entry(), entry("18:00", "19:00", rackConstraints=LESS)]}
    assert limits(EVENING, **spec) == (["1kW"], ["8kW"])
    assert limits(NIGHT, **spec) == (["2kW"], ["12kW"])


def test_an_entry_replaces_only_what_it_names_and_entries_that_overlap_all_hold():
    spec = {**BASE, "schedule": [entry(), entry(cap={"watts": "3kW"})]}
    assert limits(EVENING, **spec) == (["1kW", "3kW"], ["12kW"])


def test_an_entry_in_an_unknown_zone_holds_beside_the_policy_s_own():
    spec = {**BASE, "schedule": [entry(zone="Mars/Olympus", rackConstraints=LESS, cap={"watts": "9kW"})]}
    assert limits(NIGHT, **spec) == (["2kW", "9kW"], ["12kW", "8kW"])


def test_without_a_schedule_or_a_cap_there_is_what_there_is():
    assert limits(NIGHT, cap={"watts": "2kW"}) == (["2kW"], [])
    assert limits(NIGHT, schedule=[entry()]) == ([], [])
    assert limits(EVENING, schedule=[entry()]) == (["1kW"], [])
