"""The parts of ``powerplane doctor`` about the API server and about rights, each from what was read to what is told."""

from typing import Any

from tests.cli.doctor_world import (
    REFUSED,
    SILENT,
    api_seen,
    shipped,
    spoilt,
    text,
    trouble,
)

from powerplane.adapters.cluster_look import Found, Told
from powerplane.cli.doctor_cluster.api import GUARDS, examine_api, version_of
from powerplane.cli.doctor_cluster.rights import examine_rights
from powerplane.cli.doctor_cluster.seen import Grip, Half
from powerplane.models.rights import ACCOUNTS


def test_an_api_server_of_today_with_all_that_is_shipped_is_told_to_be_well() -> None:
    report = examine_api(api_seen())
    assert trouble(report) == set()
    assert "consumableCapacity" in text(report, "features")


def test_an_api_server_that_does_not_answer_or_is_too_old_stops_enforcement() -> None:
    assert trouble(examine_api(api_seen(git_version="", version=SILENT))) == {("api server", "fail")}
    assert ("api server", "fail") in trouble(examine_api(api_seen(git_version="v1.29.4")))
    assert [version_of(each) for each in ("v1.36.3", "1.30+k3s", "what")] == [(1, 36), (1, 30), (0, 0)]


def test_a_definition_that_is_absent_old_lacking_or_unseen_is_named() -> None:
    first = api_seen().definitions[0]
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"told": Told(404)}, "fail", "not installed"),
        ({"told": REFUSED}, "warn", "may not be seen"),
        ({"established": False}, "fail", "not served"),
        ({"served": ("v1",)}, "fail", "not as v1alpha1"),
        ({"missing": ("spec.a", "spec.b")}, "fail", "spec.a, spec.b"),
        ({"stored": ("v1alpha0", "v1alpha1")}, "warn", "v1alpha0"),
    ]
    for parts, level, words in cases:
        report = examine_api(api_seen(definitions=spoilt(first, **parts)))
        assert trouble(report) == {("definitions", level)}
        assert first.plural in text(report, "definitions")
        assert words in text(report, "definitions")


def test_features_that_are_missing_are_told_with_what_cannot_be_had_and_are_no_fault() -> None:
    report = examine_api(api_seen(git_version="v1.31.0", claims=False, has_resize=None, groups=frozenset()))
    assert trouble(report) == set()
    told = text(report, "features")
    assert "consumableCapacity (the lock Claims cannot be had)" in told
    assert "not tried: inPlaceResize" in told


def test_the_guards_that_are_looked_for_are_those_that_are_shipped_and_missing_ones_are_named() -> None:
    assert sorted(GUARDS) == sorted(
        each["metadata"]["name"] for each in shipped("admission-policies.yaml", "ValidatingAdmissionPolicy")
    )
    report = examine_api(api_seen(guards=Found(api_seen().guards.items[1:])))
    assert trouble(report) == {("guards", "warn")}
    assert GUARDS[0] in text(report, "guards")


WELL = [Grip(account.name) for account in ACCOUNTS]


def test_rights_that_are_as_shipped_are_told_to_be_so() -> None:
    assert trouble(examine_rights(Grip("you"), WELL)) == set()


def test_a_right_that_an_account_lacks_stops_enforcement_and_one_too_many_is_warned_of() -> None:
    grips = [
        Grip("powerplane", lacks=("list nodes",)),
        Grip("powerplane-alerts", too_much=("list secrets (every credential)",)),
        *WELL[1:3],
    ]
    report = examine_rights(Grip("you"), grips)
    assert trouble(report) == {("rights of powerplane", "fail"), ("rights of powerplane-alerts", "warn")}
    assert "list nodes kubectl apply -f deploy/rbac.yaml" in text(report, "rights of powerplane")


def test_rights_that_are_there_in_part_are_told_with_their_own_file() -> None:
    half = Half("deploy/more.yaml", "does more", ("get secrets/some",))
    report = examine_rights(Grip("you"), [Grip("powerplane", halves=(half,)), *WELL[1:]])
    assert trouble(report) == {("rights of powerplane", "fail")}
    assert "kubectl apply -f deploy/more.yaml" in text(report, "rights of powerplane")


def test_an_account_that_is_not_there_matters_only_where_nothing_works_without_it() -> None:
    report = examine_rights(Grip("you"), [Grip(account.name, there=False) for account in ACCOUNTS])
    assert trouble(report) == {("rights of powerplane", "fail")}


def test_what_whoever_runs_it_may_not_see_is_said() -> None:
    report = examine_rights(Grip("you", lacks=("list pods",)), [Grip("powerplane", trouble="HTTP 403")])
    assert trouble(report) == {("your rights", "warn"), ("rights of powerplane", "warn")}
    assert "list pods" in text(report, "your rights")
