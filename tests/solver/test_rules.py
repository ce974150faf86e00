"""Rules between pods, as the solver gets them."""

import pytest
from tests.models.snapshots import TinyNode, TinyPod, disruption_budget, tiny_snapshot

from powerplane.solver.formulate import formulate

NODES = [TinyNode("a1", {"zone": "a"}), TinyNode("a2", {"zone": "a"}), TinyNode("b1", {"zone": "b"}), TinyNode("none")]
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def term(key="zone", app="x", **more):
    return {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}} | more


def affinity(*terms):
    return {"affinity": {"podAffinity": {REQUIRED: list(terms)}}}


def anti_affinity(*terms):
    return {"affinity": {"podAntiAffinity": {REQUIRED: list(terms)}}}


def constraint(key="zone", app="x", **more):
    return {
        "maxSkew": 1,
        "topologyKey": key,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": app}},
    } | more


def spread(*constraints):
    return {"topologySpreadConstraints": list(constraints)}


def rules_of(*pods, nodes=NODES, **more):
    formulation = formulate(tiny_snapshot(nodes, pods, **more))
    return formulation, formulation.problem.rules


def pods_in(formulation, members):
    return {row for row, one in enumerate(formulation.classes.of_pod.tolist()) if one in members.tolist()}


def allowed(formulation, pod):
    one = formulation.classes.of_pod[pod]
    return formulation.problem.allowed[formulation.problem.allowed_set[one]].tolist()


def test_an_anti_affinity_has_its_carriers_targets_and_zones():
    carrier = TinyPod("carrier", "a1", cpu=2, spec=anti_affinity(term()))
    formulation, (rule,) = rules_of(carrier, TinyPod("target", "b1", labels={"app": "x"}), TinyPod("other", "b1"))
    assert rule.kind == "anti-affinity"
    assert (pods_in(formulation, rule.carriers), pods_in(formulation, rule.targets)) == ({0}, {1})
    assert (rule.zone.tolist(), rule.zone_count) == ([0, 0, 1, -1], 2)


def test_the_anti_affinity_of_a_pod_that_cannot_move_repels_too():
    carrier = TinyPod("carrier", "a1", unmovable="DaemonSet", spec=anti_affinity(term()))
    formulation, (rule,) = rules_of(carrier, TinyPod("target", "b1", labels={"app": "x"}))
    assert pods_in(formulation, rule.carriers) == {0}


def test_equal_terms_of_different_workloads_are_one_rule():
    pods = [TinyPod(f"p{i}", "a1", cpu=i + 1, labels={"app": "x"}, spec=anti_affinity(term())) for i in range(3)]
    formulation, (rule,) = rules_of(*pods)
    assert pods_in(formulation, rule.carriers) == pods_in(formulation, rule.targets) == {0, 1, 2}
    assert "and others" in rule.name


def test_terms_over_different_keys_are_different_rules():
    nodes = [TinyNode("n1", {"zone": "a", "host": "1"})]
    pod = TinyPod("p", "n1", labels={"app": "x"}, spec=anti_affinity(term(), term("host")))
    assert {rule.name.rpartition(" ")[2] for rule in rules_of(pod, nodes=nodes)[1]} == {"zone", "host"}


def test_the_rules_of_pods_that_wait_for_a_node_are_left_out():
    assert rules_of(TinyPod("waits", spec=anti_affinity(term())), TinyPod("x", "a1", labels={"app": "x"}))[1] == ()


def test_a_rule_without_any_pod_to_count_is_left_out():
    assert rules_of(TinyPod("p", "a1", spec=anti_affinity(term())))[1] == ()
    assert rules_of(TinyPod("p", "a1", spec=spread(constraint())))[1] == ()


def test_a_preferred_term_is_no_rule():
    preferred = {"weight": 1, "podAffinityTerm": term()}
    spec = {"affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [preferred]}}}
    assert rules_of(TinyPod("p", "a1", labels={"app": "x"}, spec=spec))[1] == ()


def test_a_namespace_selector_chooses_the_pods_of_the_namespaces_that_it_matches():
    chosen = term(namespaceSelector={"matchLabels": {"team": "t"}})
    pods = [
        TinyPod("carrier", "a1", cpu=2, spec=anti_affinity(chosen)),
        *(TinyPod("x", "b1", namespace=name, labels={"app": "x"}) for name in ("default", "red", "blue")),
    ]
    formulation, (rule,) = rules_of(*pods, namespace_labels={"red": {"team": "t"}, "blue": {"team": "u"}})
    assert pods_in(formulation, rule.targets) == {2}


def test_match_label_keys_tell_the_revisions_of_a_workload_apart():
    spec = anti_affinity(term(matchLabelKeys=["hash"]))
    pods = [TinyPod(f"p{i}", "a1", labels={"app": "x", "hash": str(i // 2)}, spec=spec) for i in range(4)]
    formulation, rules = rules_of(*pods)
    assert sorted(map(sorted, (pods_in(formulation, rule.targets) for rule in rules))) == [[0, 1], [2, 3]]


def test_an_affinity_counts_only_pods_that_all_terms_of_the_carrier_name():
    both = affinity(term(), term(app="", labelSelector={"matchLabels": {"tier": "db"}}))
    pods = [
        TinyPod("carrier", "a1", cpu=2, spec=both),
        TinyPod("half", "a1", labels={"app": "x"}),
        TinyPod("whole", "a1", labels={"app": "x", "tier": "db"}),
    ]
    formulation, (rule,) = rules_of(*pods)
    assert rule.kind == "affinity"
    assert pods_in(formulation, rule.targets) == {2}


def test_a_node_without_the_key_takes_no_carrier_of_affinity_or_spread_but_of_anti_affinity():
    target = TinyPod("x", "b1", cpu=2, labels={"app": "x"})
    for spec, last in ((affinity(term()), False), (spread(constraint()), False), (anti_affinity(term()), True)):
        formulation, _ = rules_of(TinyPod("carrier", "a1", spec=spec), target)
        assert allowed(formulation, 0) == [True, True, True, last]


def test_a_pod_whose_affinity_no_pod_meets_lands_nowhere_unless_it_meets_it_itself():
    formulation, rules = rules_of(TinyPod("lonely", "a1", spec=affinity(term())))
    assert (allowed(formulation, 0), rules) == ([False] * 4, ())
    formulation, rules = rules_of(TinyPod("first", "a1", labels={"app": "x"}, spec=affinity(term())))
    assert any(allowed(formulation, 0))
    assert len(rules) == 1


def test_a_spread_has_its_skew_its_least_zones_and_counts_its_own_namespace_only():
    one = constraint(maxSkew=2, minDomains=3)
    pods = [
        TinyPod("carrier", "a1", labels={"app": "x"}, spec=spread(one)),
        TinyPod("other", "a1", namespace="other", labels={"app": "x"}),
    ]
    formulation, (rule,) = rules_of(*pods)
    assert (rule.kind, rule.max_skew, rule.min_zones) == ("spread", 2, 3)
    assert pods_in(formulation, rule.targets) == {0}
    assert rule.counted.tolist() == [True, True, True, False]


def test_only_pods_that_can_move_carry_a_spread():
    fixed = TinyPod("fixed", "a1", labels={"app": "x"}, unmovable="mirror pod", spec=spread(constraint()))
    assert rules_of(fixed, TinyPod("x", "a1", cpu=2, labels={"app": "x"}))[1] == ()
    formulation, (rule,) = rules_of(fixed, TinyPod("p", "a1", labels={"app": "x"}, spec=spread(constraint())))
    assert pods_in(formulation, rule.carriers) == {1}
    assert pods_in(formulation, rule.targets) == {0, 1}


def test_a_spread_counts_only_nodes_with_the_keys_of_all_the_pods_constraints():
    nodes = [TinyNode("n1", {"zone": "a", "host": "1"}), TinyNode("n2", {"zone": "b"})]
    spec = spread(constraint(), constraint("host"))
    _, rules = rules_of(TinyPod("p", "n1", labels={"app": "x"}, spec=spec), nodes=nodes)
    assert [rule.counted.tolist() for rule in rules] == [[True, False]] * 2


@pytest.mark.parametrize(
    ("policies", "counted"),
    [
        ({}, [True, False, True]),
        ({"nodeAffinityPolicy": "Honor", "nodeTaintsPolicy": "Ignore"}, [True, False, True]),
        ({"nodeAffinityPolicy": "Ignore"}, [True, True, True]),
        ({"nodeTaintsPolicy": "Honor"}, [True, False, False]),
        ({"nodeAffinityPolicy": "Ignore", "nodeTaintsPolicy": "Honor"}, [True, True, False]),
    ],
)
def test_inclusion_policies_choose_the_nodes_that_a_spread_counts(policies, counted):
    nodes = [
        TinyNode("plain", {"zone": "a", "disk": "ssd"}),
        TinyNode("hdd", {"zone": "b", "disk": "hdd"}),
        TinyNode("tainted", {"zone": "c", "disk": "ssd"}, taints=(("k", "", "NoSchedule"),)),
    ]
    spec = spread(constraint(**policies)) | {"nodeSelector": {"disk": "ssd"}}
    _, (rule,) = rules_of(TinyPod("p", "plain", labels={"app": "x"}, spec=spec), nodes=nodes)
    assert rule.counted.tolist() == counted


def test_a_disruption_budget_holds_for_the_movable_pods_that_it_alone_covers():
    pods = [
        TinyPod("a", "a1", labels={"app": "x"}),
        TinyPod("b", "a1", labels={"app": "x", "tier": "db"}),
        TinyPod("c", "a1", labels={"app": "x"}, unmovable="local storage"),
        TinyPod("d", "a1"),
    ]
    budgets = [
        disruption_budget("app", {"matchLabels": {"app": "x"}}, 2),
        disruption_budget("tier", {"matchLabels": {"tier": "db"}}, 1),
    ]
    formulation, _ = rules_of(*pods, disruption_budgets=budgets)
    (budget,) = formulation.problem.disruption_budgets
    assert (budget.name, budget.allowed) == ("PodDisruptionBudget default/app", 2)
    assert pods_in(formulation, budget.classes) == {0}
