from dataclasses import replace

from tests.admission.applying import container, pod, review

from powerplane.adapters.node_rates import Rates
from powerplane.admission.deciding import decide
from powerplane.admission.own_caps import OLD_S, own_caps, until_s
from powerplane.admission.planned import Targets
from powerplane.admission.predicting import Predictor
from powerplane.admission.review import read_review
from powerplane.admission.table import Table, reaches_of
from powerplane.models.api.capping_policy import (
    ClusterPowerCappingPolicyObject,
    ClusterPowerCappingPolicySpec,
    PowerCap,
)
from powerplane.models.api.capping_status import CappingPolicyStatus
from powerplane.models.objects import LabelSelector, ObjectMeta

NOW_S = 1_790_000_000.0
AT = "2026-09-21T14:13:20Z"


def capping(headroom: int | None, mode="Enforce", levers=("evict",), cap=100, at=AT, **spec):
    made = ClusterPowerCappingPolicySpec(cap=PowerCap(watts="100W"), mode=mode, levers=levers, **spec)
    status = CappingPolicyStatus(cap_watts=cap, headroom_watts=headroom, measured_at=at)
    return ClusterPowerCappingPolicyObject(ObjectMeta(name="cap"), made, status)


def gates(*policies, made=None, now_s=NOW_S + 10, targets=None) -> list[str]:
    """Gates that a new pod of 20 W is given."""
    table = Table({}, reaches_of(policies), Predictor(Rates(10_000), {}), targets=targets or Targets())
    table = replace(table, caps=own_caps(policies, now_s))
    decision = decide(read_review(review(made or pod(container(cpu="2")))), table)
    operations = decision.verdict.patch or ()
    added = [each["value"] for each in operations if "schedulingGates" in each["path"]]
    return [gate["name"] for value in added for gate in (value if isinstance(value, list) else [value])]


def test_a_pod_waits_where_its_policys_cap_has_no_room_or_hardly_any():
    assert gates(capping(-5)) == ["powerplane.dev/power"]
    assert gates(capping(19)) == ["powerplane.dev/power"]
    assert gates(capping(99, cap=1000)) == ["powerplane.dev/power"]
    assert gates(capping(20)) == []


def test_only_a_cap_that_is_held_by_evictions_keeps_pods_waiting():
    assert gates(capping(-5, "Initial")) == []
    assert gates(capping(-5, levers=("migrate",))) == []
    assert gates(capping(None)) == []
    assert gates(capping(-5, at="soon")) == []


def test_figures_that_are_old_keep_nobody_waiting():
    assert gates(capping(-5), now_s=NOW_S + OLD_S - 1) != []
    assert gates(capping(-5), now_s=NOW_S + OLD_S) == []
    assert until_s(own_caps([capping(-5)], NOW_S)) == NOW_S + OLD_S


def test_pods_of_others_do_not_wait():
    others = capping(-5, selector=LabelSelector(match_labels={"team": "batch"}))
    everyone = ClusterPowerCappingPolicyObject(
        ObjectMeta(name="all"), ClusterPowerCappingPolicySpec(cap=PowerCap(watts="1MW"), mode="Enforce")
    )
    assert gates(others, everyone) == []


def test_a_pod_that_comes_in_place_of_a_moved_one_waits_for_its_move_alone():
    made = pod(container(cpu="2"), owner=("ReplicaSet", "web-1"))
    (owner,) = made["metadata"]["ownerReferences"]
    targets = Targets(held_owners=frozenset({("default", owner["uid"])}))
    assert gates(capping(-5), made=made, targets=targets) == ["powerplane.dev/move"]


def test_a_pod_of_the_system_never_waits():
    made = pod(container(cpu="2"))
    made["spec"]["priorityClassName"] = "system-cluster-critical"
    assert gates(capping(-5), made=made) == []
