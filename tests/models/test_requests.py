"""What a pod asks of its node: the scheduler's rule, case by case."""

from fractions import Fraction

import msgspec
import pytest

from powerplane.models.errors import InputError
from powerplane.models.objects import PodSpec, PodStatus
from powerplane.models.requests import held_beyond, pod_requests, whole_units


def requests_of(**spec):
    return pod_requests(msgspec.convert(spec, PodSpec))


def requests_while(status, **spec):
    read = msgspec.convert(spec, PodSpec)
    return pod_requests(read, held_beyond(read, msgspec.convert(status, PodStatus)))


def given(name, has, granted=None):
    return {"name": name, "resources": {"requests": has}, "allocatedResources": has if granted is None else granted}


def container(cpu, /, sidecar=False, **limits):
    resources = {"requests": {} if cpu is None else {"cpu": cpu}, "limits": limits}
    return {"resources": resources} | ({"restartPolicy": "Always"} if sidecar else {})


def test_containers_add_up():
    assert requests_of(containers=[container("250m"), container("1")])["cpu"] == Fraction(5, 4)


def test_a_large_init_container_counts_when_it_needs_more_than_the_rest():
    assert requests_of(containers=[container("1")], initContainers=[container("3"), container("2")])["cpu"] == 3


def test_a_small_init_container_does_not_add_to_the_containers():
    assert requests_of(containers=[container("1")], initContainers=[container("500m")])["cpu"] == 1


def test_a_sidecar_adds_to_the_containers():
    assert requests_of(containers=[container("1")], initContainers=[container("2", sidecar=True)])["cpu"] == 3


def test_an_init_container_runs_beside_the_sidecars_started_before_it():
    inits = [container("1", sidecar=True), container("4"), container("1", sidecar=True)]
    assert requests_of(containers=[container("1")], initContainers=inits)["cpu"] == 5


def test_an_init_container_does_not_wait_for_sidecars_started_after_it():
    inits = [container("4"), container("1", sidecar=True)]
    assert requests_of(containers=[container("2")], initContainers=inits)["cpu"] == 4


def test_overhead_comes_on_top_of_everything():
    assert requests_of(containers=[container("1")], initContainers=[container("3")], overhead={"cpu": "250m"})[
        "cpu"
    ] == Fraction(13, 4)


def test_requests_of_the_pod_as_a_whole_stand_in_for_its_containers():
    whole = {"requests": {"cpu": "5"}}
    found = requests_of(containers=[container("1", memory="1Gi")], resources=whole, overhead={"cpu": "1"})
    assert found["cpu"] == 6
    assert found["memory"] == 2**30


def test_a_limit_without_a_request_counts_as_the_request():
    assert requests_of(containers=[container(None, cpu="2")])["cpu"] == 2


def test_a_request_goes_before_its_limit():
    assert requests_of(containers=[container("1", cpu="2")])["cpu"] == 1


def test_every_pod_takes_one_pod():
    assert requests_of() == {"pods": 1}


def test_sums_are_rounded_once_and_up():
    # 0.4 + 0.4 milli-cores are 0.8, which is one; rounding each would give two.
    total = requests_of(containers=[container("400u"), container("400u")])["cpu"]
    assert whole_units("cpu", total) == 1


@pytest.mark.parametrize("quantity", ["-1", "-1m", "-0.5"])
def test_a_negative_request_is_refused_by_its_text(quantity):
    with pytest.raises(InputError, match=f"cpu of {quantity} is negative"):
        requests_of(containers=[container(quantity)])


def test_a_request_that_no_node_could_hold_is_refused():
    with pytest.raises(InputError, match=r"memory of .* is beyond any node"):
        whole_units("memory", Fraction(2**53 + 1))


NAMED = [{"name": "main", **container("1")}]


@pytest.mark.parametrize("status", [given("main", {"cpu": "3"}), given("main", {"cpu": "1"}, {"cpu": "3"})])
def test_a_container_that_is_being_made_smaller_counts_at_what_it_holds(status):
    assert requests_while({"containerStatuses": [status]}, containers=NAMED)["cpu"] == 3


def test_a_container_that_is_being_made_larger_counts_at_what_it_asks_for():
    assert requests_while({"containerStatuses": [given("main", {"cpu": "500m"})]}, containers=NAMED)["cpu"] == 1


def test_a_sidecar_that_is_being_made_smaller_counts_at_what_it_holds_and_an_init_container_does_not():
    inits = [{"name": "side", **container("1", sidecar=True)}, {"name": "once", **container("1")}]
    status = {"initContainerStatuses": [given("side", {"cpu": "2"}), given("once", {"cpu": "9"})]}
    assert requests_while(status, containers=NAMED, initContainers=inits)["cpu"] == 3


def test_a_whole_pod_that_is_being_made_smaller_counts_at_what_it_holds():
    status = {"resources": {"requests": {"cpu": "4"}}, "allocatedResources": {"cpu": "5"}}
    stated = {"requests": {"cpu": "2"}}
    assert requests_while(status, containers=NAMED, resources=stated)["cpu"] == 5


def test_a_pod_that_holds_what_it_asks_for_holds_nothing_beyond():
    spec = msgspec.convert({"containers": NAMED}, PodSpec)
    status = msgspec.convert({"containerStatuses": [given("main", {"cpu": "1"})]}, PodStatus)
    assert held_beyond(spec, status) == ()
