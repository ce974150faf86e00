"""From objects to columns: every rule, and every input that is refused."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.api_objects import BORN, LINE, node, owned_by, pod, replica_set, snapshot_of

from powerplane.models.build import NodePower
from powerplane.models.errors import InputError
from powerplane.models.objects import Namespace
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.topology import PowerDomain, PowerTopology
from powerplane.models.usage import UsageRow

RACK = PowerTopology((PowerDomain("rack-1", "rack", NO_BUDGET, nodes=("n1",)),))


def refusal(*pods, **changes):
    with pytest.raises(InputError) as caught:
        snapshot_of(*pods, **changes)
    assert caught.value.next_step
    return caught.value.problem


# What is taken over ----------------------------------------------------------------------------------------------


def test_pods_stand_in_the_order_of_the_source_on_their_nodes():
    snapshot = snapshot_of(pod("b", on="n2"), pod("a"), pod("c", on=""), nodes=(node("n1"), node("n2")))
    assert snapshot.pods.names == ("b", "a", "c")
    assert snapshot.pods.uids == ("uid-b", "uid-a", "uid-c")
    assert snapshot.pods.namespaces == ("default",) * 3
    assert snapshot.pods.node.tolist() == [1, 0, -1]
    assert snapshot.node_names == ("n1", "n2")


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_is_over_holds_nothing_wherever_it_was(phase):
    snapshot = snapshot_of(pod("done", on="a-node-that-is-gone", cpu="garbage", phase=phase), pod("p1"))
    assert snapshot.pods.names == ("p1",)


@pytest.mark.parametrize("phase", ["Pending", "Unknown", "Running", ""])
def test_a_pod_that_is_not_over_counts(phase):
    assert len(snapshot_of(pod(phase=phase)).pods) == 1


def test_amounts_are_in_whole_units_and_resources_in_their_order():
    requests = {"nvidia.com/gpu": "1", "cpu": "1500m", "memory": "1Gi", "example.com/fpga": "2"}
    snapshot = snapshot_of(
        pod(spec={"containers": [{"resources": {"requests": requests}}]}),
        nodes=(
            node("n1", {"cpu": "3920500u", "memory": "16Gi", "pods": 110, "nvidia.com/gpu": "4", "unasked": "9"}),
            node("n2", {"cpu": 2, "pods": "110", "ephemeral-storage": "1k"}),
        ),
    )
    assert snapshot.resources == ("cpu", "memory", "ephemeral-storage", "pods", "example.com/fpga", "nvidia.com/gpu")
    assert snapshot.templates[0].requests == (1500, 2**30, 0, 1, 2, 1)
    # What a node offers is rounded down; what it does not list, it does not offer.
    assert snapshot.allocatable.tolist() == [[3920, 16 * 2**30, 0, 110, 0, 4], [2000, 0, 1000, 110, 0, 0]]
    assert snapshot.allocatable.dtype == np.int64


def test_replicas_share_a_template_whatever_their_volumes_are_called():
    pods = [
        pod(f"p{i}", on=on, spec={"nodeName": on, "volumes": [{"name": f"kube-api-access-{i}"}]})
        for i, on in enumerate(("n1", "", "n1"))
    ]
    snapshot = snapshot_of(*pods)
    assert len(snapshot.templates) == 1
    assert snapshot.pods.template.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "changes",
    [
        {"cpu": "2"},
        {"labels": {"app": "other"}},
        {"namespace": "other"},
        {"ownerReferences": owned_by("ReplicaSet", "other")},
        {"annotations": {"karpenter.sh/do-not-disrupt": "true"}},
        {"deletionTimestamp": BORN},
        {"spec": {"nodeSelector": {"disk": "ssd"}}},
        {"spec": {"tolerations": [{"key": "gpu"}]}},
        {"spec": {"priority": 7}},
        {"spec": {"volumes": [{"name": "logs", "hostPath": {}}]}},
    ],
)
def test_pods_that_kubernetes_would_tell_apart_do_not_share_a_template(changes):
    snapshot = snapshot_of(pod("p1"), pod("p2", **changes))
    assert snapshot.pods.template.tolist() == [0, 1]


def test_labels_in_another_order_are_the_same_labels():
    snapshot = snapshot_of(pod("p1", labels={"a": "1", "b": "2"}), pod("p2", labels={"b": "2", "a": "1"}))
    assert [template.labels for template in snapshot.templates] == [(("a", "1"), ("b", "2"))]


def test_the_owner_is_the_deployment_behind_the_replica_set():
    assert snapshot_of(pod(), replica_sets=(replica_set("web-1", "web"),)).templates[0].owner == "Deployment/web"


def test_the_owner_is_the_controller_where_nothing_is_known_of_what_is_behind_it():
    assert snapshot_of(pod()).templates[0].owner == "ReplicaSet/web-1"


def test_an_owner_that_does_not_control_the_pod_is_none():
    assert snapshot_of(pod(ownerReferences=[{"kind": "Thing", "name": "x", "uid": "u"}])).templates[0].owner == ""


def test_bare_pods_are_movable_and_counted_in_an_assumption():
    snapshot = snapshot_of(pod("p1", ownerReferences=None), pod("p2"), pod("p3", ownerReferences=None))
    assert [template.unmovable for template in snapshot.templates] == ["", ""]
    assert any(sentence.startswith("Pods without a controller: 2;") for sentence in snapshot.assumptions)


def test_nothing_is_assumed_where_nothing_is_open():
    assert snapshot_of(pod(), usage=[UsageRow("default", "p1", 5)]).assumptions == ()


def test_host_ports_are_those_of_containers_and_sidecars():
    ports = [{"hostPort": 80}, {"containerPort": 9}, {"hostPort": 53, "protocol": "UDP", "hostIP": "127.0.0.1"}]
    inits = [{"restartPolicy": "Always", "ports": [{"hostPort": 81}]}, {"ports": [{"hostPort": 82}]}]
    snapshot = snapshot_of(pod(spec={"containers": [{"ports": ports}], "initContainers": inits}))
    assert snapshot.templates[0].host_ports == (
        ("TCP", "0.0.0.0", 80),
        ("TCP", "0.0.0.0", 81),
        ("UDP", "127.0.0.1", 53),
    )


def test_only_what_is_required_of_affinity_and_spread_is_kept():
    soft = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
    hard = soft | {"whenUnsatisfiable": "DoNotSchedule"}
    preferred = {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}, "nodeAffinity": {}}
    template = snapshot_of(pod(spec={"affinity": preferred, "topologySpreadConstraints": [soft, hard]})).templates[0]
    assert template.affinity is None
    assert [constraint.when_unsatisfiable for constraint in template.spread] == ["DoNotSchedule"]


def test_a_moment_that_is_given_stands():
    assert snapshot_of(pod(), as_of_s=42).as_of_s == 42


def test_without_one_the_moment_is_the_newest_start_or_creation():
    older = pod("p1", creationTimestamp="1970-01-01T00:00:07Z")
    newer = pod("p2", creationTimestamp="1970-01-01T00:00:09Z")
    snapshot = snapshot_of(newer, older, pod("p3", creationTimestamp=None))
    assert snapshot.as_of_s == 9
    assert snapshot.pods.started_s.tolist() == [9, 7, 0]


def test_the_digest_changes_with_a_uid_or_a_place_and_with_nothing_else():
    nodes = (node("n1"), node("n2"))
    plain = snapshot_of(pod("p1"), pod("p2"), nodes=nodes).digest
    assert snapshot_of(pod("p2"), pod("p1", cpu="2"), nodes=nodes).digest == plain
    assert snapshot_of(pod("p1"), pod("p2", on="n2"), nodes=nodes).digest != plain
    assert snapshot_of(pod("p1"), pod("p2", on=""), nodes=nodes).digest != plain
    assert snapshot_of(pod("p1"), pod("p2", uid="another"), nodes=nodes).digest != plain
    assert snapshot_of(pod("p1"), pod("p2"), nodes=(*nodes, node("n3"))).digest != plain
    assert len(plain) == 16


def test_namespaces_carry_their_name_as_a_label_and_their_own():
    listed = {"metadata": {"name": "shop", "labels": {"team": "a"}}}
    labels = snapshot_of(pod(), namespaces=(msgspec.convert(listed, Namespace),)).namespace_labels
    assert labels == {
        "default": {"kubernetes.io/metadata.name": "default"},
        "shop": {"kubernetes.io/metadata.name": "shop", "team": "a"},
    }


def test_an_empty_cluster_of_nodes_without_pods_is_fine():
    snapshot = snapshot_of()
    assert len(snapshot.pods) == 0
    assert snapshot.as_of_s == 0
    assert snapshot.templates == ()


# What is refused -------------------------------------------------------------------------------------------------


def test_a_cluster_without_nodes_is_refused():
    assert refusal(pod(), nodes=()) == "the cluster has no nodes"


def test_two_nodes_of_one_name_are_refused_by_it():
    assert refusal(nodes=(node("n1"), node("n1"))) == "two nodes are named 'n1'"


def test_a_pod_on_a_node_that_is_not_there_is_refused_naming_both():
    assert refusal(pod(on="gone")) == "pod default/p1 is on node 'gone', which the cluster does not have"


def test_two_pods_of_one_uid_are_refused_naming_both():
    assert refusal(pod("p1", uid="u"), pod("p2", uid="u")) == "pods default/p1 and default/p2 have the same UID 'u'"


def test_pods_without_uids_are_told_apart_by_their_names():
    assert snapshot_of(pod("p1", uid=""), pod("p2", uid="")).pods.uids == ("default/p1", "default/p2")


def test_two_pods_of_one_name_are_refused_by_it():
    assert refusal(pod("p1", uid="u"), pod("p1", uid="v")) == "two pods are named default/p1"


def test_pods_of_one_name_in_two_namespaces_are_two_pods():
    assert len(snapshot_of(pod("p1"), pod("p1", namespace="other", uid="v")).pods) == 2


def test_a_pod_without_a_name_or_namespace_is_refused():
    assert "pod 2 of the list has no name" in refusal(pod("p1"), pod(""))
    assert "pod 'p1' has no namespace" in refusal(pod(namespace=""))


@pytest.mark.parametrize("quantity", ["-1", "NaN", "inf", "many", "", "1e99"])
def test_a_request_that_cannot_be_used_is_refused_naming_the_pod(quantity):
    problem = refusal(pod("good"), pod("bad", cpu=quantity))
    assert problem.startswith("pod default/bad: ")
    assert quantity in problem


def test_a_moment_that_cannot_be_read_is_refused_naming_the_pod():
    assert "pod default/p1: 'soon'" in refusal(pod(creationTimestamp="soon"))


@pytest.mark.parametrize("resource", ["cpu", "pods"])
@pytest.mark.parametrize("amount", [None, "0"])
def test_a_node_without_cpu_or_pods_is_refused_by_name(resource, amount):
    offers = {"cpu": "4", "pods": "110"} | {resource: amount}
    problem = refusal(nodes=(node("n1", {key: value for key, value in offers.items() if value is not None}),))
    assert "node 'n1'" in problem
    assert f"allocatable {resource}" in problem


@pytest.mark.parametrize("amount", ["-4", "lots", "1E"])
def test_a_node_whose_amounts_cannot_be_used_is_refused_by_name(amount):
    problem = refusal(nodes=(node("n1", {"cpu": "4", "pods": "110", "memory": amount}),))
    assert problem.startswith("node 'n1': ")
    assert amount in problem


def test_a_node_without_a_curve_is_refused_and_told_how_to_give_every_node_one():
    with pytest.raises(InputError, match="node 'n1' has no power curve") as caught:
        snapshot_of(pod(), power={})
    assert "default" in caught.value.next_step


def test_a_node_in_no_rack_is_refused_by_name():
    assert "node 'n2' is in no rack" in refusal(nodes=(node("n1"), node("n2")), topology=RACK)


def test_a_node_budget_below_its_idle_draw_is_refused_with_both_figures():
    problem = refusal(power={"n1": NodePower(LINE, 99_999)})
    assert problem == "node 'n1' may draw 99.999 W, but it draws 100 W even when idle"


def test_requests_whose_sum_is_no_longer_exact_are_refused():
    pods = [pod(f"p{i}", spec={"overhead": {"memory": str(2**53)}}) for i in range(600)]
    assert "of memory in all" in refusal(*pods)


def test_a_node_whose_watts_times_cores_are_no_longer_exact_is_refused():
    assert "beyond any machine" in refusal(nodes=(node("n1", {"cpu": "9T", "pods": "1"}),))


# Whatever is asked -----------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.sampled_from(["n1", "n2", ""]), st.integers(0, 5000)), max_size=12))
def test_every_pod_keeps_its_node_and_its_request(asked):
    pods = [pod(f"p{i}", on=on, cpu=f"{milli}m") for i, (on, milli) in enumerate(asked)]
    snapshot = snapshot_of(*pods, nodes=(node("n1"), node("n2")))
    found = [
        (("n1", "n2", "")[row], snapshot.templates[template].requests[0])
        for row, template in zip(snapshot.pods.node, snapshot.pods.template, strict=True)
    ]
    assert found == asked
    assert len(snapshot.templates) == len({milli for _, milli in asked})


WATTS = "powerplane.dev/watts"


def test_watts_that_no_node_offers_are_held_against_none():
    asking = pod(spec={"containers": [{"resources": {"requests": {WATTS: "20", "example.com/fpga": "1"}}}]})
    assert snapshot_of(asking).resources[4:] == ("example.com/fpga",)
    offers = {"cpu": "4", "pods": "110", WATTS: "300"}
    assert snapshot_of(asking, nodes=[node("n1", offers), node("n2")]).resources[4:] == ("example.com/fpga", WATTS)
