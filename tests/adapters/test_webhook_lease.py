"""The webhook's sign of life."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from powerplane.adapters.lease_look import Lease
from powerplane.adapters.webhook_lease import (
    KEEP_S,
    STALE_S,
    Report,
    admission_is_alive,
    beat,
    farewell,
    read_reports,
    report_key,
    told,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def lease(spec=None, annotations=None):
    return msgspec.convert({"metadata": {"annotations": annotations or {}}, "spec": spec}, Lease)


def report(name="a", ready=True, at=NOW):
    return Report(name, told(at), "f" * 64, "ab", ready)


@pytest.mark.parametrize(
    ("age_s", "alive"), [(0, True), (59, True), (60, False), (3600, False), (-59, True), (-61, False)]
)
def test_a_replica_that_was_ready_within_a_minute_is_a_sign_of_life(age_s, alive):
    spec = beat(report(), NOW, {})["spec"]
    assert admission_is_alive(lease(spec), NOW + timedelta(seconds=age_s)) is alive


@pytest.mark.parametrize("seen", [None, lease(), lease({}), lease({"holderIdentity": "", "renewTime": told(NOW)})])
def test_no_lease_and_one_that_nobody_renewed_are_none(seen):
    assert not admission_is_alive(seen, NOW)
    assert not admission_is_alive(lease({"holderIdentity": "a", "renewTime": "soon"}), NOW)


def test_a_replica_that_is_not_ready_tells_and_does_not_renew():
    patch = beat(report(ready=False), NOW, {})
    assert "spec" not in patch
    assert read_reports(patch["metadata"]["annotations"]) == {report_key("a"): report(ready=False)}


def test_replicas_have_an_annotation_each_whatever_their_names_and_long_gone_ones_are_taken_off():
    names = ("a", "b" * 253)
    assert len({report_key(name) for name in names}) == 2
    assert all(len(report_key(name).partition("/")[2]) <= 63 for name in names)
    seen = {report_key("b"): report("b", at=NOW - timedelta(seconds=KEEP_S + 1)), report_key("c"): report("c")}
    annotations = beat(report(), NOW, seen)["metadata"]["annotations"]
    assert annotations[report_key("b")] is None
    assert report_key("c") not in annotations
    assert farewell("a") == {"metadata": {"annotations": {report_key("a"): None}}}


def test_what_is_no_report_is_passed_over():
    assert read_reports({report_key("a"): "{", "powerplane.dev/scheduler-asked": "x"}) == {}
    assert read_reports(None) == {}


def test_the_time_after_which_it_is_stale_is_a_minute():
    assert (STALE_S, beat(report(), NOW, {})["spec"]["leaseDurationSeconds"]) == (60, 60)
