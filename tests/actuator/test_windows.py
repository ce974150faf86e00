"""Maintenance windows as people write them."""

from datetime import UTC, datetime

import pytest

from powerplane.actuator.windows import is_open, read_window
from powerplane.models.errors import UsageError

# 2026-11-23 is a Monday.


def at(day, clock):
    hours, minutes = clock.split(":")
    return datetime(2026, 11, 22 + day, int(hours), int(minutes), tzinfo=UTC)


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_starts():
    window = read_window("Mon-Fri 22:00-06:00")
    assert is_open([window], at(1, "23:00"))
    assert is_open([window], at(6, "05:59")), "Friday's, on Saturday morning"
    assert not is_open([window], at(1, "05:59")), "Sunday has none"
    assert not is_open([window], at(1, "06:00"))
    assert not is_open([window], at(6, "23:00"))


def test_its_zone_counts():
    window = read_window("22:00-23:00 Europe/Berlin")
    assert is_open([window], at(1, "21:30"))
    assert not is_open([window], at(1, "22:30"))


def test_days_may_be_listed_and_go_over_the_weekend():
    assert read_window("sat-mon,Wed 01:00-02:00").days == ("Sat", "Sun", "Mon", "Wed")


def test_without_windows_it_is_always_time_and_any_of_several_is_enough():
    assert is_open([], at(1, "12:00"))
    assert is_open([read_window("01:00-02:00"), read_window("11:00-13:00")], at(1, "12:00"))


@pytest.mark.parametrize(
    "text", ["", "22-06", "Foo 22:00-06:00", "Mon-Bar 22:00-06:00", "25:00-26:00", "22:00-23:00 Mars/X"]
)
def test_what_is_no_window_is_refused_with_an_example(text):
    with pytest.raises(UsageError):
        read_window(text)
