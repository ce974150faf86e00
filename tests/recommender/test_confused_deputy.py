"""A tenant's policy moves nobody but the tenant's own pods, whatever it calls itself and whatever it selects."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.recommender.crowded import crowded
from tests.recommender.test_allowing import own_policy
from tests.recommender.world import Watching

from powerplane.models.api.capping_policy import PowerCappingPolicyObject
from powerplane.recommender.allowing import Allowing

NAMES = st.sampled_from(
    [
        "shop",
        "Shop",
        "shop ",
        "shop%2Fbank",
        "bank%2e",
        "../bank",
        "shop/bank",
        "bank\x00",
        "bank\u200b",
        "*",
        "default",
    ]
) | st.text(min_size=1, max_size=12)
SELECTORS = st.sampled_from(
    [
        None,
        {},
        {"matchLabels": {"kubernetes.io/metadata.name": "bank"}},
        {"matchExpressions": [{"key": "app", "operator": "Exists"}]},
        {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": []}]},
    ]
)


@given(NAMES, NAMES, SELECTORS, st.sampled_from(["evict", "migrate"]), st.integers(-(10**6), 10**6))
def test_by_whatever_name_a_namespaced_policy_lets_only_pods_of_its_own_namespace_be_moved(
    mine, theirs, selector, lever, priority
):
    more = {} if selector is None else {"selector": selector}
    policy = own_policy(namespace=mine, levers=(lever,), priority=priority, **more)
    labels = {"kubernetes.io/metadata.name": theirs, "app": "web"}
    found = Allowing([policy]).of(theirs, labels, {"app": "web"})
    assert found is None or mine == theirs


def test_a_selector_of_namespaces_in_a_tenants_policy_is_not_read():
    body = {
        "metadata": {"name": "own", "namespace": "shop"},
        "spec": {
            "mode": "Enforce",
            "levers": ["evict"],
            "cap": {"watts": "1kW"},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "bank"}},
        },
    }
    policy = msgspec.convert(body, PowerCappingPolicyObject)
    assert Allowing([policy]).of("bank", {"kubernetes.io/metadata.name": "bank"}, {}) is None


def test_a_plan_for_a_broken_rack_takes_no_pod_of_a_namespace_whose_tenants_allow_nothing():
    cluster = crowded()
    cluster.policies.clear()
    cluster.namespaces |= {"shop": {}, "bank": {}}
    for name, pod in cluster.pods.items():
        pod["metadata"]["namespace"] = "shop" if name.startswith("web") else "bank"
    spec = {"mode": "Enforce", "levers": ["migrate"], "cap": {"watts": "1kW"}, "priority": 10**6}
    cluster.policies.append({"metadata": {"name": "own", "namespace": "shop", "uid": "u"}, "spec": spec})
    watching = Watching(cluster)
    for _ in range(10):
        watching.look(5)
    (body,) = watching.outside.published
    assert {move["namespace"] for move in body["spec"]["moves"]} == {"shop"}
