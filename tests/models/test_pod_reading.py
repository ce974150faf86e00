"""What is read alike of every watched pod and node."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.errors import InputError
from powerplane.models.objects import PodSpec
from powerplane.models.pod_reading import (
    GatedPodSpec,
    SeenCondition,
    offered_units,
    readable_requests,
    room_asked,
    room_offered,
    wish_of,
)
from powerplane.models.quantities import LARGEST


def spec(kind=PodSpec, **fields):
    return msgspec.convert(fields, kind)


def requesting(**requests):
    return spec(containers=[{"name": "c", "resources": {"requests": requests}}])


def test_pods_that_ask_for_the_same_have_the_same_wish_whatever_the_order_of_their_labels():
    one = spec(nodeSelector={"a": "1", "b": "2"}, tolerations=[{"key": "k"}])
    other = spec(nodeSelector={"b": "2", "a": "1"}, tolerations=[{"key": "k"}], priority=7)
    assert wish_of(one) == wish_of(other)
    assert wish_of(one).node_selector == (("a", "1"), ("b", "2"))


@pytest.mark.parametrize(
    "fields",
    [
        {"nodeSelector": {"a": "2"}},
        {"tolerations": [{"key": "k"}]},
        {
            "affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]
                    }
                }
            }
        },
    ],
)
def test_pods_that_may_go_elsewhere_have_another_wish(fields):
    assert wish_of(spec(**fields)).key != wish_of(spec(nodeSelector={"a": "1"})).key


def test_what_is_told_beside_the_spec_parts_pods_of_one_wish():
    plain = spec(nodeSelector={"a": "1"})
    assert wish_of(plain, 1, (2, 3)).key != wish_of(plain, 1, (2, 4)).key
    assert wish_of(plain, 1, (2, 3)).key == wish_of(plain, 1, (2, 3)).key


def test_between_pods_rules_do_not_part_wishes():
    rule = {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]}
    assert wish_of(spec(affinity={"podAntiAffinity": rule})).affinity == wish_of(spec(affinity={})).affinity


def test_requests_that_cannot_be_read_are_none():
    assert readable_requests(requesting(cpu="much")) == {}
    assert room_asked(readable_requests(requesting(cpu="1500m", memory="1Ki"))) == (1500, 1024, 1)


def test_more_than_can_be_summed_up_is_refused_of_a_pod_and_bounded_of_a_node():
    with pytest.raises(InputError):
        room_asked(readable_requests(requesting(memory="1e30")))
    assert room_offered({"cpu": "1e30", "memory": "-1", "pods": "what"}) == (LARGEST, 0, 0)


@given(st.integers(0, 10**9), st.sampled_from(["cpu", "memory", "pods"]))
def test_what_a_node_offers_is_rounded_down(milli, resource):
    units = offered_units(resource, f"{milli}m")
    assert units == (milli if resource == "cpu" else milli // 1000)


def test_gates_are_read_by_name():
    gated = spec(GatedPodSpec, schedulingGates=[{"name": "a/b", "new": 1}])
    assert [gate.name for gate in gated.scheduling_gates] == ["a/b"]


def test_only_the_schedulers_own_word_refuses():
    refused = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    assert msgspec.convert(refused, SeenCondition).refuses
    for other in ({"type": "Ready"}, {"status": "True"}, {"reason": "SchedulingGated"}):
        assert not msgspec.convert(refused | other, SeenCondition).refuses
