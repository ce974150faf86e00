"""At the moment of acting it is asked again who lets a pod be moved: a plan's word for it counts for nothing."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.actuator.allowing import Leaves
from powerplane.actuator.facts import Move, PodFact
from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject, PowerCappingPolicyObject

NAMES = st.sampled_from(["shop", "Shop", "shop%2Fbank", "../bank", "bank\x00", "*"]) | st.text(min_size=1, max_size=12)


def tenants(namespace, **spec):
    body = {"mode": "Enforce", "levers": ["migrate", "evict"], "cap": {"watts": "1kW"}, **spec}
    return msgspec.convert(
        {"metadata": {"name": "own", "namespace": namespace}, "spec": body}, PowerCappingPolicyObject
    )


def asked(namespace, lever="migrate"):
    move = Move(namespace, "web-1", "u1", "n1", "n2", owner="o", lever=lever)
    return move, PodFact("u1", namespace, "web-1", node="n1", owner="o", labels=(("app", "web"),))


@given(NAMES, NAMES, st.sampled_from(["migrate", "evict"]))
def test_a_tenants_policy_lets_nobody_elses_pods_be_moved(mine, theirs, lever):
    leaves = Leaves([tenants(mine)], {theirs: {"kubernetes.io/metadata.name": mine}})
    assert (leaves.forbids(*asked(theirs, lever)) == "") == (mine == theirs != "powerplane-system")


@pytest.mark.parametrize("namespace", ["powerplane-system", "ignored"])
def test_our_own_pods_and_those_of_namespaces_left_out_are_never_moved_by_any_policy(namespace):
    everything = msgspec.convert(
        {
            "metadata": {"name": "all"},
            "spec": {"mode": "Enforce", "levers": ["migrate"], "cap": {"watts": "1kW"}, "priority": 10**6},
        },
        ClusterPowerCappingPolicyObject,
    )
    leaves = Leaves([everything, tenants(namespace)], {"ignored": {"powerplane.dev/admission": "ignore"}})
    assert leaves.forbids(*asked(namespace)) in ("OurOwn", "OptedOut")
    assert leaves.forbids(*asked("shop")) == ""
