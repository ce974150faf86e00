"""The claim on a new pod."""

from dataclasses import replace

import pytest
from tests.admission.applying import apply, container, pod, review
from tests.admission.test_deciding import everywhere, table

from powerplane.admission.deciding import decide
from powerplane.admission.review import read_review
from powerplane.admission.table import reaches_of
from powerplane.models.api.capping_policy import AdmissionChoice
from powerplane.models.pod_watts import PREDICTED_ANNOTATION
from powerplane.models.requests import WATTS_RESOURCE

LEVELS = ("rack", "row")


def known(levels=LEVELS, lock="Claims", offered="Auto", *, listed=False):
    reaches = reaches_of([everywhere(admission=AdmissionChoice(lock=lock))])
    return replace(table(), reaches=reaches, levels=levels, offered=offered, listed=listed)


def requests(made):
    return made["spec"]["containers"][0]["resources"]["requests"]


def claimed(made, rules=None):
    decision = decide(read_review(review(made)), rules or known())
    return apply(made, list(decision.verdict.patch)), decision


def template(made):
    (claim,) = made["spec"]["resourceClaims"]
    assert claim["name"] == "powerplane-watts"
    return claim["resourceClaimTemplateName"]


def test_a_pod_claims_its_watts_at_every_level_and_requests_none():
    after, decision = claimed(pod(container(cpu="2")))
    assert template(after) == "powerplane-20w.rack.row"
    assert after["spec"]["containers"][0]["resources"]["claims"] == [{"name": "powerplane-watts"}]
    assert after["metadata"]["annotations"] == {PREDICTED_ANNOTATION: "20"}
    assert WATTS_RESOURCE not in after["spec"]["containers"][0]["resources"]["requests"]
    assert decision.watts == 20


def test_a_policy_that_leaves_the_lock_to_the_cluster_gets_claims_where_that_offers_them():
    after, _ = claimed(pod(container(cpu="2")), known(lock="Auto", offered="Claims"))
    assert template(after) == "powerplane-20w.rack.row"


def test_watts_are_rounded_up_to_the_grid_and_noted_as_they_are():
    after, _ = claimed(pod(container(cpu="10100m")))
    assert template(after) == "powerplane-105w.rack.row"
    assert after["metadata"]["annotations"] == {PREDICTED_ANNOTATION: "101"}


@pytest.mark.parametrize(
    ("there", "then"),
    [
        ("powerplane-5w.rack.row", "powerplane-20w.rack.row"),
        ("powerplane-300w.rack", "powerplane-20w.rack.row"),
        ("mine", "powerplane-20w.rack.row"),
        ("powerplane-300w.rack.row", "powerplane-300w.rack.row"),
    ],
)
def test_a_claim_by_our_name_stays_where_it_is_enough_and_is_put_right_where_it_is_not(there, then):
    made = pod(container(cpu="2"), resourceClaims=[{"name": "powerplane-watts", "resourceClaimTemplateName": there}])
    assert template(claimed(made)[0]) == then


def test_a_claim_of_the_tenants_own_by_our_name_is_replaced_and_others_stay():
    gpu = {"name": "gpu", "resourceClaimName": "one"}
    made = pod(container(cpu="2"), resourceClaims=[gpu, {"name": "powerplane-watts", "resourceClaimName": "mine"}])
    after, _ = claimed(made)
    ours = {"name": "powerplane-watts", "resourceClaimTemplateName": "powerplane-20w.rack.row"}
    assert after["spec"]["resourceClaims"] == [gpu, ours]


def test_where_nodes_list_watts_they_are_requested_as_well_so_that_one_account_counts_pods_of_every_lock():
    after, decision = claimed(pod(container(cpu="10100m")), known(listed=True))
    assert template(after) == "powerplane-105w.rack.row"
    assert requests(after)[WATTS_RESOURCE] == "101"
    assert decision.watts == 101


def test_a_pod_that_requests_more_watts_than_foretold_claims_them_all():
    made = pod(container(cpu="2", **{WATTS_RESOURCE: "300"}))
    made["spec"]["containers"][0]["resources"]["limits"] = {WATTS_RESOURCE: "300"}
    after, decision = claimed(made, known(listed=True))
    assert template(after) == "powerplane-300w.rack.row"
    assert requests(after)[WATTS_RESOURCE] == "300"
    assert decision.watts == 300


@pytest.mark.parametrize("listed", [True, False])
def test_a_second_turn_changes_nothing(listed):
    after, _ = claimed(pod(container(cpu="2")), known(listed=listed))
    again, decision = claimed(after, known(listed=listed))
    assert (again, decision.result) == (after, "kept")


def test_where_no_budget_is_held_nothing_is_claimed_and_watts_are_noted():
    after, _ = claimed(pod(container(cpu="2")), known(levels=()))
    assert "resourceClaims" not in after["spec"]
    assert after["metadata"]["annotations"] == {PREDICTED_ANNOTATION: "20"}


@pytest.mark.parametrize("listed", [True, False])
def test_the_systems_own_pods_never_wait_for_a_claim_nor_for_watts_on_nodes(listed):
    after, _ = claimed(pod(container(cpu="2"), priorityClassName="system-node-critical"), known(listed=listed))
    assert "resourceClaims" not in after["spec"]
    assert WATTS_RESOURCE not in requests(after)
    assert after["metadata"]["annotations"] == {PREDICTED_ANNOTATION: "20"}


@pytest.mark.parametrize("claims", ["x", {"name": "y"}, 7])
def test_claims_that_are_no_list_are_left_to_the_api_server(claims):
    made = pod(container(cpu="2"))
    made["spec"]["containers"][0]["resources"]["claims"] = claims
    _, decision = claimed(made)
    assert decision.result == "unreadable"
