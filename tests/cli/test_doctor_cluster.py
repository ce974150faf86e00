"""The parts of ``powerplane doctor`` about the cluster, each from what was read to what is told."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from tests.cli.doctor_world import (
    BEFORE,
    LEASES,
    NOW_S,
    REFUSED,
    SILENT,
    api_seen,
    certificate,
    cluster,
    domain,
    found,
    hook_body,
    hooks,
    lease,
    node,
    pod,
    policy,
    reports,
    spoilt,
    text,
    trouble,
)

from powerplane.adapters.certificate_look import Bundle, Shown
from powerplane.adapters.cluster_look import Found, Told
from powerplane.adapters.lease_look import Lease
from powerplane.cli.doctor_cluster.api import GUARDS, examine_api, version_of
from powerplane.cli.doctor_cluster.certificates import examine_certificates
from powerplane.cli.doctor_cluster.examining import alone
from powerplane.cli.doctor_cluster.extender import examine_extender
from powerplane.cli.doctor_cluster.policies import examine_policies
from powerplane.cli.doctor_cluster.rights import examine_rights
from powerplane.cli.doctor_cluster.seen import DoctorPod, EndpointSlice, Grip, Half, HookConfiguration, Probe
from powerplane.cli.doctor_cluster.standing import standings
from powerplane.cli.doctor_cluster.topology import examine_topology
from powerplane.cli.doctor_cluster.trial import labels_for, place, trial_pod
from powerplane.cli.doctor_cluster.webhook import examine_webhook, our_hook
from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject, PowerCappingPolicyObject
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.objects import LabelSelector, Namespace, Node, Requirement
from powerplane.models.rights import ACCOUNTS

DEPLOY = Path(__file__).parents[2] / "deploy"


def shipped(file: str, kind: str) -> list[dict[str, Any]]:
    documents = yaml.safe_load_all((DEPLOY / file).read_text(encoding="utf-8"))
    return [each for each in documents if each["kind"] == kind]


# -- the API server


def test_an_api_server_of_today_with_all_that_is_shipped_is_told_to_be_well() -> None:
    report = examine_api(api_seen())
    assert trouble(report) == set()
    assert "consumableCapacity" in text(report, "features")


def test_an_api_server_that_does_not_answer_or_is_too_old_stops_enforcement() -> None:
    assert trouble(examine_api(api_seen(git_version="", version=SILENT))) == {("api server", "fail")}
    assert ("api server", "fail") in trouble(examine_api(api_seen(git_version="v1.29.4")))
    assert [version_of(each) for each in ("v1.36.3", "1.30+k3s", "what")] == [(1, 36), (1, 30), (0, 0)]


def test_a_definition_that_is_absent_old_lacking_or_unseen_is_named() -> None:
    first = api_seen().definitions[0]
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"told": Told(404)}, "fail", "not installed"),
        ({"told": REFUSED}, "warn", "may not be seen"),
        ({"established": False}, "fail", "not served"),
        ({"served": ("v1",)}, "fail", "not as v1alpha1"),
        ({"missing": ("spec.a", "spec.b")}, "fail", "spec.a, spec.b"),
        ({"stored": ("v1alpha0", "v1alpha1")}, "warn", "v1alpha0"),
    ]
    for parts, level, words in cases:
        report = examine_api(api_seen(definitions=spoilt(first, **parts)))
        assert trouble(report) == {("definitions", level)}
        assert first.plural in text(report, "definitions")
        assert words in text(report, "definitions")


def test_features_that_are_missing_are_told_with_what_cannot_be_had_and_are_no_fault() -> None:
    report = examine_api(api_seen(git_version="v1.31.0", claims=False, has_resize=None, groups=frozenset()))
    assert trouble(report) == set()
    told = text(report, "features")
    assert "consumableCapacity (the lock Claims cannot be had)" in told
    assert "not tried: inPlaceResize" in told


def test_the_guards_that_are_looked_for_are_those_that_are_shipped_and_missing_ones_are_named() -> None:
    assert sorted(GUARDS) == sorted(
        each["metadata"]["name"] for each in shipped("admission-policies.yaml", "ValidatingAdmissionPolicy")
    )
    report = examine_api(api_seen(guards=Found(api_seen().guards.items[1:])))
    assert trouble(report) == {("guards", "warn")}
    assert GUARDS[0] in text(report, "guards")


# -- rights

WELL = [Grip(account.name) for account in ACCOUNTS]


def test_rights_that_are_as_shipped_are_told_to_be_so() -> None:
    assert trouble(examine_rights(Grip("you"), WELL)) == set()


def test_a_right_that_an_account_lacks_stops_enforcement_and_one_too_many_is_warned_of() -> None:
    grips = [
        Grip("powerplane", lacks=("list nodes",)),
        Grip("powerplane-alerts", too_much=("list secrets (every credential)",)),
        *WELL[1:3],
    ]
    report = examine_rights(Grip("you"), grips)
    assert trouble(report) == {("rights of powerplane", "fail"), ("rights of powerplane-alerts", "warn")}
    assert "list nodes kubectl apply -f deploy/rbac.yaml" in text(report, "rights of powerplane")


def test_rights_that_are_there_in_part_are_told_with_their_own_file() -> None:
    half = Half("deploy/more.yaml", "does more", ("get secrets/some",))
    report = examine_rights(Grip("you"), [Grip("powerplane", halves=(half,)), *WELL[1:]])
    assert trouble(report) == {("rights of powerplane", "fail")}
    assert "kubectl apply -f deploy/more.yaml" in text(report, "rights of powerplane")


def test_an_account_that_is_not_there_matters_only_where_nothing_works_without_it() -> None:
    report = examine_rights(Grip("you"), [Grip(account.name, there=False) for account in ACCOUNTS])
    assert trouble(report) == {("rights of powerplane", "fail")}


def test_what_whoever_runs_it_may_not_see_is_said() -> None:
    report = examine_rights(Grip("you", lacks=("list pods",)), [Grip("powerplane", trouble="HTTP 403")])
    assert trouble(report) == {("your rights", "warn"), ("rights of powerplane", "warn")}
    assert "list pods" in text(report, "your rights")


# -- the webhook


def test_the_shipped_webhook_is_as_shipped_and_called_by_its_service() -> None:
    (body,) = [
        each
        for each in shipped("webhook.yaml", "MutatingWebhookConfiguration")
        if each["metadata"]["name"] == "powerplane"
    ]
    hook = our_hook(hooks(configurations=found(HookConfiguration, body)))
    assert hook is not None
    assert hook.client_config.service is not None
    ready = {"metadata": {"name": "s"}, "endpoints": [{"addresses": ["10.0.0.1"]}, {"addresses": ["10.0.0.2"]}]}
    judges = shipped("webhook.yaml", "ValidatingWebhookConfiguration")
    seen = hooks(
        configurations=found(HookConfiguration, body),
        judging=found(HookConfiguration, *judges),
        endpoints=found(EndpointSlice, ready),
        proxied=Told(200, b"ok", 0.01),
        shown=None,
    )
    report = examine_webhook(seen, cluster())
    assert trouble(report) == set()
    assert "2 replicas" in text(report, "replicas")
    assert trouble(examine_certificates(seen, cluster())) == set()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"failurePolicy": "Fail"}, "no pod can be created anywhere"),
        ({"timeoutSeconds": 30}, "timeoutSeconds is 30"),
        ({"reinvocationPolicy": "Never"}, "get no watts"),
        ({"sideEffects": "Some"}, "dry runs are refused"),
        ({"objectSelector": {"matchLabels": {"a": "b"}}}, "dodge"),
        ({"namespaceSelector": {}}, "takes kube-system"),
        ({"namespaceSelector": {"matchLabels": {"power": "yes"}}}, "leaves ordinary namespaces out"),
        ({"matchConditions": []}, "not-a-mirror, not-bound"),
        ({"rules": [{"apiGroups": [""], "operations": ["UPDATE"], "resources": ["pods"]}]}, "not asked about new pods"),
    ],
)
def test_a_registration_that_differs_from_the_shipped_one_is_told_with_what_that_does(
    change: dict[str, Any], words: str
) -> None:
    report = examine_webhook(hooks(hook_body() | change), cluster())
    assert trouble(report) == {("registration", "warn")}
    assert words in text(report, "registration")


def test_a_webhook_that_is_not_registered_or_may_not_be_seen_is_told() -> None:
    assert trouble(examine_webhook(hooks(configurations=Found()), cluster())) == {("registration", "fail")}
    unseen = examine_webhook(hooks(configurations=Found((), REFUSED)), cluster())
    assert trouble(unseen) == {("registration", "warn")}
    assert "30 W" in text(unseen, "self test")


def test_webhooks_that_judge_are_warned_of_where_they_are_missing_strict_or_trust_another_authority() -> None:
    strict = {
        **hook_body(),
        "name": "fit.powerplane.dev",
        "failurePolicy": "Fail",
        "clientConfig": {"caBundle": "BB=="},
    }
    judging = found(HookConfiguration, {"metadata": {"name": "powerplane"}, "webhooks": [strict]})
    report = examine_webhook(hooks(judging=judging), cluster())
    assert trouble(report) == {("judging", "warn")}
    told = text(report, "judging")
    for words in (
        "rollouts.powerplane.dev is not there",
        "failurePolicy of fit.powerplane.dev is Fail",
        "caBundle of fit",
    ):
        assert words in told


def test_replicas_that_are_not_ready_stop_enforcement_and_a_single_one_is_warned_of() -> None:
    service = {"service": {"name": "powerplane-webhook", "namespace": "powerplane-system"}, "caBundle": "AA=="}
    down = {"addresses": ["10.0.0.1"], "conditions": {"ready": False}}
    for endpoints, wanted in (([down], "fail"), ([down, {"addresses": ["10.0.0.2"]}], "warn")):
        slices = found(EndpointSlice, {"metadata": {"name": "s"}, "endpoints": endpoints})
        report = examine_webhook(hooks(hook_body() | {"clientConfig": service}, endpoints=slices), cluster())
        assert trouble(report) == {("replicas", wanted)}


def test_a_heartbeat_that_is_old_or_from_the_future_stops_enforcement_and_one_that_is_missing_is_warned_of() -> None:
    for renewed in ("2025-12-31T23:58:00.000000Z", "2026-01-01T00:02:00.000000Z"):
        leases = found(Lease, lease("powerplane-webhook", renewed=renewed))
        assert trouble(examine_webhook(hooks(), cluster(leases=leases))) == {("heartbeat", "fail")}
    assert trouble(examine_webhook(hooks(), cluster(leases=found(Lease)))) == {("heartbeat", "warn")}
    assert trouble(examine_webhook(hooks(), cluster(leases=Found((), REFUSED)))) == {("heartbeat", "warn")}


def test_replicas_that_say_that_they_are_not_ready_are_named() -> None:
    for told, level in (({"one": True, "two": False}, "warn"), ({"two": False}, "fail"), ({}, "fail")):
        leases = found(Lease, lease("powerplane-webhook", **reports(**told)))
        report = examine_webhook(hooks(), cluster(leases=leases))
        assert trouble(report) == {("heartbeat", level)}
        assert ("two" in text(report, "heartbeat")) == bool(told)


def test_a_pod_that_comes_in_without_watts_stops_enforcement_unless_it_waits() -> None:
    told = Told(201, b"", 0.01)
    assert trouble(examine_webhook(hooks(probe=Probe("shop", told, 0)), cluster())) == {("self test", "fail")}
    assert trouble(examine_webhook(hooks(probe=Probe("shop", told, 0, gated=True)), cluster())) == set()
    assert trouble(examine_webhook(hooks(probe=Probe("shop", Told(201, b"", 1.5), 9)), cluster())) == {
        ("self test", "warn")
    }
    assert trouble(examine_webhook(hooks(probe=Probe("shop", REFUSED)), cluster())) == {("self test", "warn")}
    assert trouble(examine_webhook(hooks(probe=Probe()), cluster())) == set()


def test_a_pod_is_tried_where_a_policy_acts_and_nowhere_else() -> None:
    assert place(cluster()) == ("shop", {})
    chosen = {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "In", "values": ["x"]}]}
    acting = found(ClusterPowerCappingPolicyObject, policy("p", selector=chosen))
    assert place(cluster(cluster_policies=acting)) == ("shop", {"app": "web", "tier": "x"})
    passive = found(ClusterPowerCappingPolicyObject, policy("p", "Observe"))
    assert place(cluster(cluster_policies=passive)) is None
    out = found(Namespace, {"metadata": {"name": "shop", "labels": {"powerplane.dev/admission": "ignore"}}})
    assert place(cluster(namespaces=out)) is None
    assert labels_for(LabelSelector(match_expressions=(Requirement("a", "Gt", ("1",)),))) is None
    assert trial_pod({"a": "b"})["metadata"]["labels"] == {"a": "b"}


# -- the extender


def asked(seen: Any) -> Any:
    return examine_extender(seen, standings(seen))


def test_a_scheduler_that_asked_is_told_and_one_that_did_not_matters_where_a_policy_rests_on_it() -> None:
    assert trouble(asked(cluster())) == set()
    silent = found(Lease, lease("powerplane"), *LEASES[1:])
    assert trouble(asked(cluster(leases=silent))) == set()
    stated = found(ClusterPowerCappingPolicyObject, policy("p", lock="Extender"))
    assert trouble(asked(cluster(leases=silent, cluster_policies=stated))) == {("asked by the scheduler", "fail")}
    no_lock = cluster(nodes=found(Node, node("n1", watts=False)), leases=found(Lease, lease("powerplane")))
    assert trouble(asked(no_lock)) == {("asked by the scheduler", "warn")}


def test_an_extender_that_nobody_runs_is_warned_of_and_stops_policies_that_state_it() -> None:
    for ours in (lease("powerplane", holder=""), lease("powerplane", renewed=BEFORE, written=BEFORE)):
        leases = found(Lease, ours, *LEASES[1:])
        assert trouble(asked(cluster(leases=leases))) == {("replicas", "warn")}
        stated = found(ClusterPowerCappingPolicyObject, policy("p", lock="Extender"))
        assert trouble(asked(cluster(leases=leases, cluster_policies=stated))) == {("replicas", "fail")}
    assert trouble(asked(cluster(leases=Found((), REFUSED)))) == {("replicas", "warn")}


# -- certificates and clocks


def test_certificates_that_hold_and_clocks_that_agree_are_told_to() -> None:
    assert trouble(examine_certificates(hooks(), cluster())) == set()


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        ({"bundle": Bundle(trouble="there is no certificate in it")}, ("caBundle", "fail")),
        ({"bundle": Bundle((), 1, pem="pem")}, ("caBundle", "warn")),
        ({"bundle": Bundle((certificate(-1),), pem="pem")}, ("caBundle", "fail")),
        ({"bundle": Bundle((certificate(1),), pem="pem")}, ("caBundle", "warn")),
        ({"shown": Shown(certificate(1))}, ("webhook's certificate", "warn")),
        ({"shown": Shown(refused="certificate has expired")}, ("webhook's certificate", "fail")),
        ({"shown": Shown(trouble="Connection refused")}, ("webhook's port", "fail")),
    ],
)
def test_a_certificate_that_does_not_hold_or_should_have_been_renewed_is_told(
    parts: dict[str, Any], wanted: tuple[str, str]
) -> None:
    assert trouble(examine_certificates(hooks(**parts), cluster())) == {wanted}


def test_a_bundle_with_an_old_authority_beside_the_new_one_is_well() -> None:
    bundle = Bundle((certificate(-1), certificate(20)), pem="pem")
    assert trouble(examine_certificates(hooks(bundle=bundle), cluster())) == set()


def test_clocks_that_differ_from_the_api_servers_are_named() -> None:
    ours = examine_certificates(hooks(), cluster(now_s=NOW_S - 60))
    assert ("your clock", "warn") in trouble(ours)
    assert "60 s behind" in text(ours, "your clock")
    assert trouble(examine_certificates(hooks(), cluster(server_s=None))) == {("your clock", "warn")}
    nodes = found(
        Lease, lease("n1", "n1", renewed="2026-01-01T00:00:20Z"), lease("n2", "n2", written="2026-01-01T00:01:00Z")
    )
    report = examine_certificates(hooks(), cluster(node_leases=nodes))
    assert trouble(report) == {("clocks", "warn")}
    assert "n2 60 s behind, n1 20 s ahead" in text(report, "clocks")


# -- the topology


def test_a_topology_without_holes_is_told_to_be_one() -> None:
    assert trouble(examine_topology(cluster())) == set()


def test_each_hole_of_the_topology_is_named_with_its_nodes_or_domains() -> None:
    nodes = found(Node, node("n1"), node("n2"), node("n3", labels={}), node("n4", labels={"rack": "r2"}))
    bare = domain("r2", budget="")
    del bare["spec"]["node"]
    report = examine_topology(cluster(nodes=nodes, domains=found(PowerDomainObject, domain("r1", "249W"), bare)))
    assert trouble(report) == {
        ("nodes in no domain", "warn"),
        ("domains without a budget", "warn"),
        ("nodes without idle and peak", "warn"),
        ("budgets", "warn"),
    }
    assert "n3" in text(report, "nodes in no domain")
    assert "r2" in text(report, "domains without a budget")
    assert "n4" in text(report, "nodes without idle and peak")
    assert "rack r1 by 1 W" in text(report, "budgets")


def test_a_domain_is_held_by_a_budget_above_it_or_by_those_of_all_below_it() -> None:
    row = {"metadata": {"name": "row"}, "spec": {"kind": "row", "budget": "2kW"}}
    above = found(PowerDomainObject, row, domain("r1", budget="", parents=["row"]))
    assert trouble(examine_topology(cluster(domains=above))) == set()
    open_row = {"metadata": {"name": "row"}, "spec": {"kind": "row"}}
    below = found(PowerDomainObject, open_row, domain("r1", parents=["row"]))
    assert trouble(examine_topology(cluster(domains=below))) == set()


def test_a_node_above_its_own_budget_is_named() -> None:
    tight = domain("r1", node={"idle": "100W", "peak": "300W", "budget": "120W"})
    report = examine_topology(cluster(domains=found(PowerDomainObject, tight)))
    assert "node n1 by 30 W" in text(report, "budgets")


def test_two_racks_that_claim_a_node_are_named_and_stop_enforcement() -> None:
    both = found(PowerDomainObject, domain("r1"), domain("r2", nodeSelector={"matchLabels": {"rack": "r1"}}))
    report = examine_topology(cluster(domains=both))
    assert ("domains", "fail") in trouble(report)
    assert "r2" in text(report, "domains")
    assert "no tree is in force" in text(report, "domains")


def test_a_cluster_without_domains_and_one_whose_nodes_may_not_be_seen_are_told() -> None:
    assert trouble(examine_topology(cluster(domains=Found()))) == {("domains", "warn")}
    assert trouble(examine_topology(cluster(nodes=Found((), REFUSED)))) == {("domains", "warn")}
    assert trouble(examine_topology(cluster(pods=Found((), REFUSED)))) == {("budgets", "warn")}


# -- policies


def policies(seen: Any) -> Any:
    return examine_policies(seen, standings(seen))


def test_each_acting_policy_is_told_its_lock_and_why() -> None:
    report = policies(cluster())
    assert trouble(report) == set()
    assert "all (Initial, 1 pod) is held by Partition: every node that takes pods (2) lists watts" in text(
        report, "lock"
    )


def test_a_policy_that_nothing_holds_for_and_one_whose_lock_is_not_there_stop_enforcement() -> None:
    bare = cluster(nodes=found(Node, node("n1", watts=False)), leases=found(Lease, lease("powerplane")))
    assert trouble(policies(bare)) == {("lock", "fail")}
    assert "powerplane node-watts run" in text(policies(bare), "lock")
    for lock in ("Claims", "Gate", "Extender"):
        stated = found(ClusterPowerCappingPolicyObject, policy("p", lock=lock))
        report = policies(cluster(cluster_policies=stated, leases=found(Lease)))
        assert trouble(report) == {("lock", "fail")}
        assert f"asks for {lock}" in text(report, "lock")


def test_locks_that_differ_are_warned_of_where_no_account_sees_the_pods_of_all() -> None:
    mixed = found(ClusterPowerCappingPolicyObject, policy("p", lock="Extender"), policy("q", lock="Gate"))
    assert trouble(policies(cluster(cluster_policies=mixed))) == set()
    bare = found(Node, node("n1"), node("n2", watts=False))
    report = policies(cluster(cluster_policies=mixed, nodes=bare))
    assert trouble(report) == {("lock", "warn")}
    assert "hold by Extender and Gate" in text(report, "lock")
    passive = found(ClusterPowerCappingPolicyObject, policy("p", lock="Extender"), policy("q", "Observe", lock="Gate"))
    assert trouble(policies(cluster(cluster_policies=passive, nodes=bare))) == set()


def test_a_lock_is_called_missing_only_by_who_can_see() -> None:
    for kind in ("nodes", "leases"):
        report = policies(cluster(**{kind: Found((), REFUSED)}))
        assert trouble(report) == {("lock", "warn")}
        assert "may not be seen" in text(report, "lock")


def test_pods_that_came_in_without_watts_while_a_policy_acted_are_counted_and_older_ones_are_not() -> None:
    older = pod("older", watts=0, at="2025-12-30T00:00:00Z")
    daemon = pod("daemon", watts=0)
    daemon["metadata"]["ownerReferences"] = [{"kind": "DaemonSet", "name": "d", "uid": "d", "controller": True}]
    done = pod("done", watts=0) | {"status": {"phase": "Succeeded"}}
    noted = pod("noted", watts=0)
    noted["metadata"]["annotations"] = {"powerplane.dev/predicted-watts": "40"}
    pods = found(DoctorPod, pod("a"), pod("late", watts=0), older, daemon, done, noted)
    report = policies(cluster(pods=pods))
    assert trouble(report) == {("pods without watts", "warn")}
    assert "1 pod came in without watts though all acts on them: shop/late" in text(report, "pods without watts")


def test_a_pod_of_two_policies_counts_to_the_one_that_decides() -> None:
    own = policy("mine", lock="Gate", priority=100)
    own["metadata"]["namespace"] = "shop"
    seen = cluster(policies=found(PowerCappingPolicyObject, own), pods=found(DoctorPod, pod("a", watts=0)))
    by_name = {each.name: each for each in standings(seen)}
    assert (by_name["all"].pods, by_name["mine"].pods) == (1, 0)


def test_pods_that_wait_are_counted_and_stop_enforcement_where_nobody_lets_them_go() -> None:
    held = pod("held", at="2025-12-31T23:00:00Z", nodeName="", schedulingGates=[{"name": "powerplane.dev/power"}])
    report = policies(cluster(pods=found(DoctorPod, held)))
    assert trouble(report) == {("waiting pods", "warn")}
    assert "the oldest, shop/held, for 60 min" in text(report, "waiting pods")
    nobody = policies(cluster(pods=found(DoctorPod, held), leases=found(Lease, *LEASES[:1])))
    assert trouble(nobody) == {("waiting pods", "fail")}
    assert "powerplane release --all" in text(nobody, "waiting pods")


def test_passive_policies_are_told_to_hold_nothing() -> None:
    report = policies(cluster(cluster_policies=found(ClusterPowerCappingPolicyObject, policy("p", "Observe"))))
    assert trouble(report) == set()
    assert "hold nothing" in text(report, "policies")
    assert trouble(policies(cluster(cluster_policies=Found((), REFUSED)))) == {("policies", "warn")}


# -- the whole


def test_a_part_that_fails_says_so_and_hides_no_other() -> None:
    def broken() -> Any:
        raise KeyError("what nobody foresaw")

    report = alone("api", "API server", broken)
    assert trouble(report) == {("looking", "warn")}
    assert "what nobody foresaw" in text(report, "looking")


def test_every_finding_that_is_no_ok_says_what_to_type_next() -> None:
    nothing = cluster(
        **{
            name: Found((), REFUSED)
            for name in (
                "nodes",
                "pods",
                "namespaces",
                "domains",
                "cluster_policies",
                "policies",
                "leases",
                "node_leases",
            )
        }
    )
    reports = [
        examine_api(api_seen(git_version="")),
        examine_webhook(hooks(configurations=Found()), nothing),
        asked(nothing),
        examine_certificates(hooks(), nothing),
        examine_topology(nothing),
        policies(nothing),
    ]
    for report in reports:
        assert trouble(report)
        assert all(bool(each.next) == (each.level != "ok") for each in report.view.findings)
        assert msgspec.json.encode(report.view)
