"""The parts of ``powerplane doctor`` about the webhook, its certificate and clocks."""

from typing import Any

import pytest
from tests.cli.doctor_world import (
    NOW_S,
    REFUSED,
    certificate,
    cluster,
    found,
    hook_body,
    hooks,
    lease,
    policy,
    reports,
    shipped,
    text,
    trouble,
)

from powerplane.adapters.certificate_look import Bundle, Shown
from powerplane.adapters.cluster_look import Found, Told
from powerplane.adapters.lease_look import Lease
from powerplane.cli.doctor_cluster.certificates import examine_certificates
from powerplane.cli.doctor_cluster.seen import EndpointSlice, HookConfiguration, Probe
from powerplane.cli.doctor_cluster.trial import labels_for, place, trial_pod
from powerplane.cli.doctor_cluster.webhook import examine_webhook, our_hook
from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject
from powerplane.models.objects import LabelSelector, Namespace, Requirement


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
        "name": "objects.powerplane.dev",
        "failurePolicy": "Fail",
        "clientConfig": {"caBundle": "BB=="},
    }
    judging = found(HookConfiguration, {"metadata": {"name": "powerplane"}, "webhooks": [strict]})
    report = examine_webhook(hooks(judging=judging), cluster())
    assert trouble(report) == {("judging", "warn")}
    told = text(report, "judging")
    for words in (
        "rollouts.powerplane.dev is not there",
        "failurePolicy of objects.powerplane.dev is Fail",
        "caBundle of objects",
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
