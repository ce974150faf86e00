"""Who may be moved, and by whose leave."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.models.snapshots import TinyNode, TinyPod, tiny_snapshot

from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject, PowerCappingPolicyObject
from powerplane.recommender.allowing import NO_LEAVE, Allowing, Leave, only_allowed

LIMIT = [{"domainSelector": {}, "maxPower": "1MW"}]
MODES = ("Observe", "Recommend", "Initial", "Enforce")
LEVERS = ("capReplicas", "throttle", "limitPower", "migrate", "evict")


def cluster_policy(name="all", mode="Enforce", levers=("migrate",), priority=0, **spec):
    body = {"mode": mode, "levers": list(levers), "priority": priority, "rackConstraints": LIMIT, **spec}
    return msgspec.convert({"metadata": {"name": name}, "spec": body}, ClusterPowerCappingPolicyObject)


def own_policy(name="own", namespace="default", mode="Enforce", levers=("evict",), priority=0, **spec):
    body = {"mode": mode, "levers": list(levers), "priority": priority, "cap": {"watts": "1kW"}, **spec}
    meta = {"name": name, "namespace": namespace}
    return msgspec.convert({"metadata": meta, "spec": body}, PowerCappingPolicyObject)


@given(st.sampled_from(MODES), st.lists(st.sampled_from(LEVERS), unique=True))
def test_only_enforcing_policies_with_a_lever_that_moves_let_a_pod_be_moved(mode, levers):
    found = Allowing([cluster_policy(mode=mode, levers=levers)]).of("default", {}, {})
    moving = [lever for lever in levers if lever in ("migrate", "evict")]
    assert (found is not None) == (mode == "Enforce" and bool(moving))
    if found is not None:
        assert found.lever == moving[0]


def test_a_cluster_policy_stands_before_a_namespaced_one_and_high_priority_before_low():
    policies = [own_policy(priority=1000), cluster_policy("low", priority=1), cluster_policy("high", priority=2)]
    assert Allowing(policies).of("default", {}, {}) == Leave(("", "high"), "migrate")
    assert Allowing(policies[:1]).of("default", {}, {}) == Leave(("default", "own"), "evict")


def test_a_namespaced_policy_reaches_no_other_namespace():
    assert Allowing([own_policy()]).of("other", {}, {}) is None


def test_selectors_of_namespaces_and_of_pods_both_count():
    policy = cluster_policy(
        namespaceSelector={"matchLabels": {"team": "a"}}, selector={"matchLabels": {"tier": "batch"}}
    )
    allowing = Allowing([policy])
    assert allowing.of("default", {"team": "a"}, {"tier": "batch"})
    assert not allowing.of("default", {"team": "b"}, {"tier": "batch"})
    assert not allowing.of("default", {"team": "a"}, {"tier": "web"})


def test_our_own_namespace_and_ignored_ones_are_never_touched():
    allowing = Allowing([cluster_policy()])
    assert allowing.of("powerplane-system", {}, {}) is None
    assert allowing.of("default", {"powerplane.dev/admission": "ignore"}, {}) is None


def test_templates_that_nobody_lets_be_moved_are_pinned_and_what_was_pinned_keeps_its_reason():
    pods = [TinyPod("a", "n1", labels={"x": "1"}), TinyPod("b", "n1", unmovable="DaemonSet"), TinyPod("c", "n1")]
    snapshot = tiny_snapshot([TinyNode("n1")], pods)
    allowing = Allowing([cluster_policy(selector={"matchLabels": {"x": "1"}})])
    found = only_allowed(snapshot, allowing.of_templates(snapshot))
    reasons = [found.templates[row].unmovable for row in found.pods.template.tolist()]
    assert reasons == ["", "DaemonSet", NO_LEAVE]
