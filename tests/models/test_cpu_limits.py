"""What a pod's containers ask for in CPU, how low each may go, which QoS class they make, and what is kept of it."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.cpu_limits import Before, ContainerCpu, before_of, changed, cpus_of, in_place, qos_of
from powerplane.models.objects import Container, PodSpec

MILLI = st.none() | st.integers(0, 10**6)


def spec(*containers, init=()):
    def of(each):
        requests, limits = each
        return {"resources": {"requests": requests, "limits": limits}}

    made = [{"name": f"c{i}", **of(each)} for i, each in enumerate(containers)]
    return msgspec.convert({"containers": made, "initContainers": [of(each) for each in init]}, PodSpec)


def test_amounts_are_read_in_thousandths_of_a_core_rounded_up():
    assert cpus_of(spec(({"cpu": "1.0001"}, {"cpu": "2"}), ({}, {"memory": "1Gi"}))) == (
        ContainerCpu("c0", 1001, 2000),
        ContainerCpu("c1"),
    )


def test_a_pod_whose_amounts_cannot_be_read_has_none():
    assert cpus_of(spec(({"cpu": "much"}, {}))) == ()


@pytest.mark.parametrize(
    ("request_", "limit", "floor"), [(1000, 4000, 500), (None, 800, 400), (15, None, 10), (1001, None, 501), (5, 5, 10)]
)
def test_no_container_is_to_be_left_less_than_half_of_what_it_asked_for_nor_than_ten_thousandths(
    request_, limit, floor
):
    assert ContainerCpu("c", request_, limit).floor == floor


def test_of_a_container_that_asks_for_nothing_nobody_knows_how_low_it_may_go():
    assert ContainerCpu("c").floor is None


@pytest.mark.parametrize(
    ("containers", "init", "qos"),
    [
        ([({}, {})], (), "BestEffort"),
        ([({"cpu": "0"}, {})], (), "BestEffort"),
        ([({"cpu": "1"}, {})], (), "Burstable"),
        ([({"cpu": "1", "memory": "1Gi"}, {"cpu": "1000m", "memory": "1024Mi"})], (), "Guaranteed"),
        ([({}, {"cpu": "1", "memory": "1Gi"})], (), "Guaranteed"),
        ([({"cpu": "1"}, {"cpu": "1", "memory": "1Gi"}), ({}, {})], (), "Burstable"),
        ([({}, {"cpu": "1", "memory": "1Gi"})], [({"cpu": "1"}, {})], "Burstable"),
        ([({"cpu": "1", "memory": "1Gi"}, {"cpu": "2", "memory": "1Gi"})], (), "Burstable"),
        ([({"nvidia.com/gpu": "1"}, {"nvidia.com/gpu": "1"})], (), "BestEffort"),
    ],
)
def test_the_qos_class_is_the_one_that_kubernetes_documents(containers, init, qos):
    assert qos_of(spec(*containers, init=init)) == qos


def test_other_cpu_makes_another_class_where_it_would():
    pod = spec(({"cpu": "1", "memory": "1Gi"}, {"cpu": "2", "memory": "1Gi"}))
    assert qos_of(pod, (ContainerCpu("c0", 800, 800),)) == "Guaranteed"
    assert qos_of(pod, (ContainerCpu("c0", 799, 800),)) == "Burstable"


def test_a_container_that_is_restarted_for_cpu_alone_is_not_resized_in_place():
    def of(resource):
        policy = [{"resourceName": resource, "restartPolicy": "RestartContainer"}]
        return msgspec.convert({"resizePolicy": policy}, Container)

    assert not in_place(of("cpu"))
    assert in_place(of("memory"))
    assert in_place(Container())


def test_containers_that_are_given_nothing_new_keep_what_they_have():
    had = (ContainerCpu("a", 1, 2), ContainerCpu("b", 3, 4))
    assert changed(had, (ContainerCpu("b", 2, 2),)) == (had[0], ContainerCpu("b", 2, 2))


@given(st.lists(st.builds(ContainerCpu, st.text(max_size=20), MILLI, MILLI), max_size=5), st.integers(0, 10**6))
def test_what_a_pod_had_is_kept_on_it_as_it_was(cpus, used):
    before = Before(tuple(cpus), used)
    assert before_of(before.told()) == before


@given(st.text(max_size=60))
def test_a_note_that_is_garbage_is_no_note(text):
    found = before_of(text)
    assert found is None or before_of(found.told()) == found


def test_a_note_of_less_than_nothing_is_no_note():
    assert before_of('{"cpu":[{"container":"c","limitMilli":-1}],"usedMilli":5}') is None
