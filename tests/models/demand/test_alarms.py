"""Alarms held against breaches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.demand.alarms import NO_ALARMS, AlarmRecord, judge_alarms


def flags(text):
    return np.array([mark == "x" for mark in text])


@pytest.mark.parametrize(
    ("alarm", "over", "found"),
    [
        ("..x.........", "....xx......", AlarmRecord(1, 0, 0, (2,))),
        ("x...........", "......x.....", AlarmRecord(0, 1, 1, ())),
        ("............", "....xx......", AlarmRecord(0, 1, 0, ())),
        ("xx..........", "............", AlarmRecord(0, 0, 1, ())),
        ("....x.......", "....x.......", AlarmRecord(0, 1, 0, ())),
        ("xxxx........", "....x.......", AlarmRecord(1, 0, 0, (4,))),
        ("..x.......x.", "....x.......", AlarmRecord(1, 0, 1, (2,))),
        ("..x.........", "....x.x.....", AlarmRecord(1, 0, 0, (2,))),
        ("............", "............", NO_ALARMS),
        ("x...........", "x...........", AlarmRecord(0, 1, 0, ())),
    ],
)
def test_alarms_and_breaches_are_counted_by_runs(alarm, over, found):
    assert judge_alarms(flags(alarm), flags(over), horizon=4, quiet=2) == found


@given(st.lists(st.booleans(), min_size=1, max_size=80), st.data())
def test_every_breach_is_a_hit_or_a_miss_and_leads_stay_within_the_horizon(over, data):
    alarm = np.array(data.draw(st.lists(st.booleans(), min_size=len(over), max_size=len(over))))
    record = judge_alarms(alarm, np.array(over), horizon=5, quiet=1)
    starts = sum(now and not before for now, before in zip(over, [False, *over[:-1]], strict=True))
    assert record.hits + record.misses == starts
    assert len(record.lead_steps) == record.hits
    assert all(1 <= lead <= 5 for lead in record.lead_steps)
    silent = judge_alarms(np.zeros(len(over), dtype=bool), np.array(over), horizon=5, quiet=1)
    assert (silent.hits, silent.false_alarms) == (0, 0)
