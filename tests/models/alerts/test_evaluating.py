from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.alerts.alert import AlertKey
from powerplane.models.alerts.draws import NodeDraw, rows_of
from powerplane.models.alerts.evaluating import CLEAR_SHARE, View, find, standing_of
from powerplane.models.alerts.pods import SeenPod
from powerplane.models.alerts.would_do import WouldDo
from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject, PowerCappingPolicyObject
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.api.tree import read_tree
from powerplane.models.incidence import compile_incidence

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
NODES = ("n1", "n2")


def domain(name, budget="", **spec):
    body = {"metadata": {"name": name}, "spec": {"kind": "rack", **({"budget": budget} if budget else {}), **spec}}
    return msgspec.convert(body, PowerDomainObject)


def policy(mode="Observe", watts="900W", domains=("rack-1",), **spec):
    racks = [{"domainNames": list(domains), "maxPower": watts}]
    body = {"metadata": {"name": "watch"}, "spec": {"mode": mode, "rackConstraints": racks, **spec}}
    return msgspec.convert(body, ClusterPowerCappingPolicyObject)


def measured(*watts):
    return {name: NodeDraw(w * 1000, w * 1000, measured=True) for name, w in zip(NODES, watts, strict=False)}


def view(domains, draws, policies=(), pods=(), namespaces=None):
    reading = read_tree(domains, [(name, {}) for name in NODES])
    assert reading.topology is not None, reading.defects
    incidence = compile_incidence(reading.topology, NODES)
    rows = rows_of(reading.topology, incidence, NODES, draws)
    return View(rows, tuple(domains), tuple(policies), tuple(pods), namespaces or {})


RACK = domain("rack-1", "1kW", nodeNames=["n1", "n2"])
OF_POLICY = AlertKey("DomainOverBudget", "rack-1", "/watch")
OF_DOMAIN = AlertKey("DomainOverBudget", "rack-1", "")


def pod(name, mw, node="n1", priority=0, namespace="ns", **labels):
    return SeenPod(namespace, name, node, labels, priority, mw)


@pytest.mark.parametrize("mode", ["Observe", "Recommend"])
def test_a_passive_policy_alerts_by_its_own_figure_and_says_by_how_much(mode):
    found = find(view([RACK], measured(500, 450), [policy(mode)]), NOW)[OF_POLICY]
    assert (found.standing, found.severity, found.over_mw, found.mode) == ("over", "warning", 50_000, mode)


@pytest.mark.parametrize("mode", ["Initial", "Enforce"])
def test_an_acting_policy_alerts_of_nothing(mode):
    found = find(view([RACK], measured(500, 450), [policy(mode)]), NOW)
    assert OF_POLICY not in found
    assert OF_DOMAIN not in found


def test_a_domain_that_no_policy_is_for_alerts_by_its_own_budget():
    found = find(view([RACK], measured(600, 450)), NOW)[OF_DOMAIN]
    assert (found.standing, found.severity, found.over_mw) == ("over", "critical", 50_000)


def test_what_passes_the_domains_own_budget_is_critical_under_a_policy_too():
    assert find(view([RACK], measured(600, 450), [policy()]), NOW)[OF_POLICY].severity == "critical"


def test_no_passive_policy_raises_a_limit():
    found = find(view([RACK], measured(600, 450), [policy(watts="5kW")]), NOW)[OF_POLICY]
    assert found.limit_mw == 1_000_000


def test_an_acting_policy_lowers_the_limit_of_a_passive_one():
    acting = msgspec.structs.replace(policy("Enforce", "800W"), metadata=RACK.metadata)
    assert find(view([RACK], measured(400, 450), [policy(), acting]), NOW)[OF_POLICY].limit_mw == 800_000


def test_what_would_have_been_done_is_by_the_policys_first_lever():
    pods = [pod("low", 60_000), pod("high", 80_000, priority=9), pod("elsewhere", 500_000, node="n9")]
    seen = view([RACK], measured(500, 450), [policy(levers=["evict", "throttle"])], pods)
    remedy = WouldDo(seen)(find(seen, NOW)[OF_POLICY]).remedy
    assert (remedy.lever, remedy.pods, remedy.enough) == ("evict", ("ns/low",), True)


def test_of_a_lost_feed_the_whole_watts_of_the_pods_behind_it_count():
    feeds = [domain(f"feed-{x}", "1kW", kind="feed") for x in "ab"]
    rack = domain("rack-1", parents=["feed-a", "feed-b"], feedLoad="Shared", nodeNames=list(NODES))
    key = AlertKey("DomainOverIfFeedLost", "feed-a", "/watch")
    watch = policy(domains=["feed-a"], watts="1kW", levers=["evict"])
    seen = view([*feeds, rack], measured(600, 600), [watch], [pod("a", 210_000), pod("b", 100_000)])
    assert WouldDo(seen)(find(seen, NOW)[key]).remedy.pods == ("ns/a",)


def test_without_a_policy_nothing_would_be_done():
    seen = view([RACK], measured(600, 450), (), [pod("a", 60_000)])
    assert WouldDo(seen)(find(seen, NOW)[OF_DOMAIN]).remedy.lever == ""


def test_a_node_that_is_not_measured_may_bring_over_what_is_almost_over():
    draws = {"n1": NodeDraw(895_000, 895_000, measured=True), "n2": NodeDraw(0, 300_000, measured=False)}
    assert find(view([RACK], draws, [policy()]), NOW)[AlertKey("DrawUnknown", "rack-1", "/watch")].standing == "over"


def test_a_node_that_is_not_measured_is_never_nothing_and_never_a_reason_to_fire_or_resolve():
    draws = {"n1": NodeDraw(500_000, 500_000, measured=True), "n2": NodeDraw(100_000, 900_000, measured=False)}
    found = find(view([RACK], draws, [policy()]), NOW)
    assert found[OF_POLICY].standing == "between"
    unknown = found[AlertKey("DrawUnknown", "rack-1", "/watch")]
    assert (unknown.standing, unknown.detail) == ("over", "1 of 2 nodes are not measured")


def test_a_node_that_is_not_measured_does_not_matter_where_the_rest_decides():
    draws = {"n1": NodeDraw(950_000, 950_000, measured=True), "n2": NodeDraw(0, None, measured=False)}
    found = find(view([RACK], draws, [policy()]), NOW)
    assert found[OF_POLICY].standing == "over"
    assert found[AlertKey("DrawUnknown", "rack-1", "/watch")].standing == "under"


def test_noise_between_the_margin_and_the_limit_is_no_unknown_draw():
    found = find(view([RACK], measured(445, 450), [policy()]), NOW)
    assert found[OF_POLICY].standing == "between"
    assert found[AlertKey("DrawUnknown", "rack-1", "/watch")].standing == "under"


def test_the_loss_of_a_feed_is_foreseen_and_is_no_alert_of_its_own_while_the_feed_is_over_anyway():
    feeds = [domain(f"feed-{x}", "1kW", kind="feed") for x in "ab"]
    rack = domain("rack-1", parents=["feed-a", "feed-b"], feedLoad="Shared", nodeNames=list(NODES))
    key = AlertKey("DomainOverIfFeedLost", "feed-a", "")
    found = find(view([*feeds, rack], measured(600, 600)), NOW)
    assert (found[key].standing, found[key].severity, found[key].over_mw) == ("over", "warning", 200_000)
    assert found[AlertKey("DomainOverBudget", "feed-a", "")].standing == "under"
    assert find(view([*feeds, rack], measured(1200, 1200)), NOW)[key].standing == "between"


def test_a_cap_on_pods_counts_the_pods_that_the_policy_is_for():
    body = {
        "metadata": {"name": "team", "namespace": "ns"},
        "spec": {"cap": {"watts": "100W"}, "selector": {"matchLabels": {"app": "a"}}, "levers": ["capReplicas"]},
    }
    own = msgspec.convert(body, PowerCappingPolicyObject)
    pods = [
        pod("a", 80_000, app="a"),
        pod("b", 40_000, app="a"),
        pod("c", 900_000, app="b"),
        pod("d", 900_000, namespace="other", app="a"),
    ]
    seen = view([RACK], measured(1, 1), [own], pods)
    found = WouldDo(seen)(find(seen, NOW)[AlertKey("PodsOverCap", "team", "ns/team")])
    assert (found.standing, found.over_mw, found.remedy.pods) == ("over", 20_000, ("ns/a",))


def test_a_cluster_policys_cap_looks_at_the_namespaces_that_it_names():
    spec = {"cap": {"watts": "100W"}, "namespaceSelector": {"matchLabels": {"team": "x"}}}
    body = {"metadata": {"name": "all"}, "spec": spec}
    across = msgspec.convert(body, ClusterPowerCappingPolicyObject)
    pods = [pod("a", 70_000), pod("b", 900_000, namespace="other")]
    found = find(view([RACK], measured(1, 1), [across], pods, {"ns": {"team": "x"}, "other": {}}), NOW)
    assert found[AlertKey("PodsOverCap", "all", "/all")].draw_mw == 70_000


def test_a_schedule_decides_which_limit_holds():
    night = {"start": "22:00", "end": "06:00", "rackConstraints": [{"domainNames": ["rack-1"], "maxPower": "500W"}]}
    watch = policy(schedule=[night])
    assert find(view([RACK], measured(300, 300), [watch]), NOW)[OF_POLICY].standing == "under"
    at_night = NOW.replace(hour=23)
    assert find(view([RACK], measured(300, 300), [watch]), at_night)[OF_POLICY].over_mw == 100_000


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(1, 10**7))
def test_over_and_under_are_never_both_possible_and_have_the_margin_between_them(least, more, limit):
    stands = standing_of(least, least + more, limit)
    assert (stands == "over") == (least > limit)
    if stands == "under":
        assert least + more <= limit * (1 - CLEAR_SHARE)
    assert standing_of(least, None, limit) != "under"
