"""Whose moves are to blame for too many watts after a plan."""

from dataclasses import dataclass

import pytest

from powerplane.models.blame import lacking


@dataclass(frozen=True)
class Ended:
    step: str
    reason: str = ""


DONE, ASTRAY, LOST = Ended("Done"), Ended("Done", "LandedElsewhere"), Ended("RolledBack", "TargetLost")


@pytest.mark.parametrize("why", ["StillOver", "MoreThanForetold"])
def test_where_all_went_as_planned_all_are_to_blame(why):
    assert lacking({"a": DONE, "b": Ended("Ready"), "c": Ended("Done", "NoSuccessor")}, why) == {"a", "b", "c"}


@pytest.mark.parametrize("other", [ASTRAY, LOST])
def test_what_is_over_still_is_the_fault_of_those_that_did_not_go_as_planned(other):
    assert lacking({"a": DONE, "b": other}, "StillOver") == {"b"}


def test_more_than_was_foretold_is_the_fault_of_all():
    assert lacking({"a": DONE, "b": ASTRAY}, "MoreThanForetold") == {"a", "b"}
