"""Which pods are one class, and which are not."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.snapshots import TinyNode, TinyPod, disruption_budget, tiny_snapshot

from powerplane.models.classes import classify
from powerplane.models.eligibility import NodeIndex
from powerplane.models.pricing import Pricing
from powerplane.models.traits import trait_templates

NODES = [TinyNode("n1", {"zone": "a"}), TinyNode("n2", {"zone": "b"}, taints=(("gpu", "", "NoSchedule"),))]


def classes_of(pods, nodes=NODES, disruption_budgets=(), pricing=None):
    snapshot = tiny_snapshot(nodes, pods, disruption_budgets=disruption_budgets)
    return classify(snapshot, trait_templates(snapshot, NodeIndex(snapshot.nodes)), pricing or Pricing())


def count(*pods, **more):
    return len(classes_of(pods, **more))


def anti_affinity(**labels):
    term = {"topologyKey": "zone", "labelSelector": {"matchLabels": labels}}
    return {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


def spread(when="DoNotSchedule", **labels):
    one = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": when, "labelSelector": {"matchLabels": labels}}
    return {"topologySpreadConstraints": [one]}


def test_labels_that_no_selector_reads_do_not_part_pods():
    pods = [TinyPod(f"db-{i}", "n1", labels={"statefulset.kubernetes.io/pod-name": f"db-{i}"}) for i in range(5)]
    assert count(*pods) == 1


def test_owners_do_not_part_pods_whose_figures_are_the_same():
    assert count(TinyPod("a", "n1", owner="Deployment/a"), TinyPod("b", "n1", owner="Deployment/b")) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"cpu": 2},
        {"use": 0.5},
        {"accelerator_watts": 10},
        {"priority": 1000},
        {"age_s": 5},
        {"owner": ""},
        {"host_ports": (("TCP", "0.0.0.0", 80),)},
        {"unmovable": "DaemonSet"},
        {"spec": {"tolerations": [{"key": "gpu", "operator": "Exists"}]}},
        {"spec": anti_affinity(app="x")},
    ],
)
def test_what_matters_to_placement_or_price_parts_pods(other):
    pods = (TinyPod("a", "n1"), TinyPod("b", "n1", **other), TinyPod("target", "n1", cpu=3, labels={"app": "x"}))
    assert count(*pods) == 3


def test_constraints_that_allow_the_same_nodes_do_not_part_pods():
    assert count(TinyPod("a", "n1"), TinyPod("b", "n1", spec={"nodeSelector": {"zone": "a"}})) == 1


def test_a_label_that_an_anti_affinity_names_parts_pods():
    carrier = TinyPod("carrier", "n1", cpu=2, spec=anti_affinity(app="x"))
    assert count(carrier, TinyPod("a", "n1", labels={"app": "x"}), TinyPod("b", "n1", labels={"app": "y"})) == 3


def test_a_namespace_that_a_rule_looks_in_parts_pods():
    carrier = TinyPod("carrier", "n1", cpu=2, spec=anti_affinity(app="x"))
    named = [TinyPod("a", "n1", labels={"app": "x"}), TinyPod("a", "n1", namespace="other", labels={"app": "x"})]
    assert count(carrier, *named) == 3


def test_a_rule_that_no_move_could_break_parts_no_pods():
    fixed = [TinyPod(f"f{i}", "n1", labels={"app": str(i)}, unmovable="DaemonSet") for i in range(2)]
    assert count(*fixed, TinyPod("carrier", "n1", cpu=2, unmovable="DaemonSet", spec=anti_affinity(app="1"))) == 2


def test_a_soft_spread_constraint_parts_no_pods():
    assert count(TinyPod("a", "n1"), TinyPod("b", "n1", spec=spread("ScheduleAnyway"))) == 1


def test_a_disruption_budget_parts_the_pods_that_it_covers():
    pods = (TinyPod("a", "n1", labels={"app": "x"}), TinyPod("b", "n1"))
    assert count(*pods, disruption_budgets=[disruption_budget("x", {"matchLabels": {"app": "x"}}, 1)]) == 2


def test_a_spent_disruption_budget_holds_its_pods_and_is_named():
    classes = classes_of([TinyPod("a", "n1")], disruption_budgets=[disruption_budget("tight", {}, 0)])
    assert not classes.movable.any()
    assert classes.reasons == ("PodDisruptionBudget default/tight allows no disruption",)


def test_two_disruption_budgets_hold_the_pods_that_both_cover():
    budgets = [disruption_budget("one", {}, 5), disruption_budget("two", {"matchLabels": {"app": "x"}}, 5)]
    classes = classes_of([TinyPod("a", "n1", labels={"app": "x"}), TinyPod("b", "n1")], disruption_budgets=budgets)
    by_pod = [classes.reasons[one] for one in classes.of_pod]
    assert by_pod[1] == ""
    assert "default/one, default/two" in by_pod[0]


@pytest.mark.parametrize(("selector", "namespace"), [(None, "default"), ({}, "other")])
def test_a_disruption_budget_without_selector_or_of_another_namespace_covers_nothing(selector, namespace):
    budgets = [disruption_budget("none", selector, 0, namespace)]
    assert classes_of([TinyPod("a", "n1")], disruption_budgets=budgets).movable.all()


def test_the_reason_of_a_template_comes_before_that_of_a_budget():
    pods = [TinyPod("a", "n1", unmovable="DaemonSet")]
    assert classes_of(pods, disruption_budgets=[disruption_budget("b", {}, 0)]).reasons == ("DaemonSet",)


def test_age_and_priority_do_not_part_pods_that_never_move():
    fixed = {"unmovable": "mirror pod"}
    assert count(TinyPod("a", "n1", **fixed), TinyPod("b", "n1", age_s=1, priority=9, **fixed)) == 1


def test_pods_that_wait_for_a_node_have_no_class():
    classes = classes_of([TinyPod("waits"), TinyPod("runs", "n1")])
    assert classes.of_pod.tolist() == [-1, 0]


def test_no_pod_costs_tenfold_where_no_owner_is_recorded():
    assert classes_of([TinyPod("a", "n1", owner="")]).move_cost.tolist() == [1001]
    pods = [TinyPod("a", "n1", owner=""), TinyPod("b", "n1")]
    assert sorted(classes_of(pods).move_cost.tolist()) == [1001, 10_010]


def test_classes_are_named_by_owner_or_pod_and_never_alike():
    pods = [TinyPod("a", "n1"), TinyPod("b", "n1", cpu=2), TinyPod("bare", "n1", owner="", cpu=3)]
    assert set(classes_of(pods).names) == {
        "default/Deployment/app",
        "default/Deployment/app #2",
        "default/bare",
    }


FIGURES = st.builds(
    dict,
    node=st.sampled_from(["", "n1", "n2"]),
    cpu=st.sampled_from([1, 2]),
    use=st.sampled_from([0, 0.5]),
    priority=st.sampled_from([0, 10]),
    labels=st.sampled_from([{}, {"app": "x"}, {"app": "y"}]),
    unmovable=st.sampled_from(["", "DaemonSet"]),
    spec=st.sampled_from([{}, anti_affinity(app="x"), spread(app="y"), {"nodeSelector": {"zone": "b"}}]),
)


@given(st.lists(FIGURES, max_size=12))
def test_every_bound_pod_is_in_a_class_with_its_own_figures(figures):
    snapshot = tiny_snapshot(NODES, [TinyPod(f"p{i}", **one) for i, one in enumerate(figures)])
    classes = classify(snapshot, trait_templates(snapshot, NodeIndex(snapshot.nodes)))
    bound = [row for row in range(len(figures)) if snapshot.pods.node[row] >= 0]
    assert set(classes.of_pod[bound].tolist()) == set(range(len(classes)))
    assert Counter(classes.of_pod.tolist())[-1] == len(figures) - len(bound)
    for row in bound:
        one = classes.of_pod[row]
        own, shared = (snapshot.templates[t] for t in (snapshot.pods.template[row], classes.template[one]))
        assert own.requests == shared.requests
        assert bool(classes.movable[one]) == (not own.unmovable)
        assert classes.use_ucores[one] == snapshot.pods.use_ucores[row]
