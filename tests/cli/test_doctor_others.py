"""``powerplane doctor``: other controllers that bite, what our accounts may do, and the command without a cluster."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.api_server import kubeconfig
from tests.cli.doctor_world import (
    NOW_S,
    REFUSED,
    cluster,
    found,
    hook_body,
    hooks,
    lease,
    node,
    pod,
    policy,
    text,
    trouble,
)

from powerplane.adapters.cluster_http import Request
from powerplane.adapters.cluster_look import ClusterLook, Found, Told
from powerplane.adapters.lease_look import ASKED_ANNOTATION, Lease
from powerplane.cli.doctor_cluster.examining import tried
from powerplane.cli.doctor_cluster.others import examine_others
from powerplane.cli.doctor_cluster.reading import signs_of
from powerplane.cli.doctor_cluster.reviews import read_accounts, read_own
from powerplane.cli.doctor_cluster.seen import ConfigMap, DoctorPod, Named, OthersSeen
from powerplane.cli.doctor_cluster.standing import standings
from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject
from powerplane.models.objects import Node
from powerplane.models.rights import ACCOUNTS, DANGEROUS, DOCTOR, NAMESPACE, OWN_CERTIFICATES, Right
from powerplane.node_watts.facts import CLOSED_TAINT

POOL = found(Named, {"metadata": {"name": "spot"}})


def others(seen: OthersSeen, site: Any = None, hook: Any = None) -> Any:
    site = site or cluster()
    return examine_others(seen, hook or hooks(), site, standings(site))


def test_a_cluster_with_nothing_else_is_told_to_have_nothing_that_bites() -> None:
    report = others(OthersSeen())
    assert trouble(report) == set()
    assert "none that bites" in text(report, "other controllers")


def test_karpenter_without_an_overlay_stops_enforcement_while_the_webhook_is_on() -> None:
    karpenter = frozenset({"karpenter.sh"})
    assert trouble(others(OthersSeen(karpenter, POOL))) == {("Karpenter", "fail")}
    assert trouble(others(OthersSeen(karpenter, POOL), hook=hooks(configurations=Found()))) == {("Karpenter", "warn")}
    assert trouble(others(OthersSeen(karpenter, POOL, POOL))) == set()
    assert trouble(others(OthersSeen(karpenter))) == set()
    assert trouble(others(OthersSeen(karpenter, Found((), REFUSED)))) == {("Karpenter", "warn")}


def labelled(name: str, app: str) -> dict[str, Any]:
    made = pod(name)
    made["metadata"]["labels"] = {"app.kubernetes.io/name": app}
    return made


def test_the_autoscaler_and_the_descheduler_are_known_by_their_pods_labels_or_status() -> None:
    pods = found(DoctorPod, labelled("a", "descheduler"), labelled("b", "aws-cluster-autoscaler"))
    report = others(OthersSeen(), cluster(pods=pods))
    assert trouble(report) == {("descheduler", "warn"), ("cluster-autoscaler", "warn")}
    assert CLOSED_TAINT in text(report, "descheduler")
    assert "startup-taint" in text(report, "cluster-autoscaler")
    status = found(Named, {"metadata": {"name": "cluster-autoscaler-status"}})
    assert trouble(others(OthersSeen(autoscaler=status))) == {("cluster-autoscaler", "warn")}


def test_kueue_is_warned_of_unless_its_configuration_names_us() -> None:
    kueue = frozenset({"kueue.x-k8s.io"})
    told = {
        "metadata": {"name": "k"},
        "data": {"controller_manager_config.yaml": "excludeResourcePrefixes: [powerplane.dev/]"},
    }
    assert trouble(others(OthersSeen(kueue, kueue=found(ConfigMap, told)))) == set()
    assert trouble(others(OthersSeen(kueue, kueue=Found((), Told(404))))) == {("Kueue", "warn")}
    refused = others(OthersSeen(kueue, kueue=Found((), REFUSED)))
    assert "may not be seen" in text(refused, "Kueue")


def test_a_scheduler_that_never_asks_matters_where_a_policy_rests_on_the_extender() -> None:
    pods = found(DoctorPod, pod("a", schedulerName="volcano"))
    assert trouble(others(OthersSeen(), cluster(pods=pods))) == set()
    stated = found(ClusterPowerCappingPolicyObject, policy("p", lock="Extender"))
    report = others(OthersSeen(frozenset({"scheduling.volcano.sh"})), cluster(pods=pods, cluster_policies=stated))
    assert trouble(report) == {("other schedulers", "warn")}
    assert "volcano (1 pod with watts)" in text(report, "other schedulers")


def test_vpa_is_told_to_be_harmless() -> None:
    assert trouble(others(OthersSeen(frozenset({"autoscaling.k8s.io"})))) == set()


def test_webhooks_that_come_after_ours_matter_where_ours_is_not_asked_again() -> None:
    other = {"metadata": {"name": "sidecars"}, "webhooks": [{**hook_body(), "name": "it"}]}
    quiet = {"metadata": {"name": "volumes"}, "webhooks": [{"name": "x", "rules": []}]}
    assert "sidecars change new pods" in text(others(OthersSeen(), hook=hooks(None, other, quiet)), "other webhooks")
    once = hooks(hook_body() | {"reinvocationPolicy": "Never"}, other)
    assert trouble(others(OthersSeen(), hook=once)) == {("other webhooks", "warn")}


def test_taints_that_end_pods_and_ours_that_nobody_takes_off_are_named() -> None:
    ill = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}
    out, closed = {"key": "team/out", "effect": "NoExecute"}, {"key": CLOSED_TAINT, "effect": "NoSchedule"}
    nodes = found(Node, node("n1", taints=[ill, closed]), node("n2", taints=[out]))
    report = others(OthersSeen(), cluster(nodes=nodes))
    assert trouble(report) == {("NoExecute taints", "warn")}
    assert "team/out (NoExecute) ends pods past their disruption budgets on n2" in text(report, "NoExecute taints")
    left = others(OthersSeen(), cluster(nodes=nodes, leases=found(Lease)))
    assert ("our taint", "warn") in trouble(left)


def test_signs_of_locks_come_from_the_nodes_that_take_pods_and_from_leases_that_live() -> None:
    nodes = found(Node, node("n1"), node("n2", watts=False), node("n3", watts=False, unschedulable=True))
    asked = {ASKED_ANNOTATION: "2025-12-31T23:59:00+00:00"}
    leases = found(Lease, lease("powerplane", **asked), lease("powerplane-gates", renewed="2025-12-31T00:00:00Z"))
    signs = signs_of(nodes, leases, NOW_S)
    assert (signs.nodes, signs.listing, signs.asked_ago_s, signs.claims, signs.releaser) == (2, 1, 60.0, False, False)


class Judge(ClusterLook):
    """An API server that allows some rights."""

    def __init__(self, allowed: set[Right], absent: str = "") -> None:
        self.allowed = allowed
        self.absent = absent

    def ask(self, request: Request) -> Told:
        if request.method == "GET":
            return Told(404 if self.absent and request.path.endswith(self.absent) else 200)
        assert request.body is not None
        asked = request.body["spec"]["resourceAttributes"]  # type: ignore[call-overload] # a mapping, as it is sent
        resource = "/".join(part for part in (asked["resource"], asked["subresource"]) if part)
        right = Right(asked["verb"], resource, asked["group"], asked["namespace"], asked["name"])
        return Told(201, json.dumps({"status": {"allowed": right in self.allowed}}).encode())


def test_each_right_of_the_table_is_asked_for_as_it_is_granted() -> None:
    needed = {right for account in ACCOUNTS for right in account.rights}
    assert all(not grip.lacks and not grip.too_much for grip in read_accounts(Judge(needed)))
    wake = Right("patch", "nodes")
    lacking = {grip.name: grip.lacks for grip in read_accounts(Judge(needed - {wake}))}
    assert lacking["powerplane"] == lacking["powerplane-node-writer"] == ("patch nodes",)
    assert not lacking["powerplane-alerts"]


def test_a_file_that_may_be_left_away_is_told_of_only_where_it_is_granted_in_part() -> None:
    needed = {right for account in ACCOUNTS for right in account.rights}
    secret = Right("get", "secrets", "", NAMESPACE, "powerplane-webhook")

    def halves(*more: Right) -> dict[str, tuple[str, ...]]:
        (grip,) = [each for each in read_accounts(Judge({*needed, *more})) if each.name == "powerplane"]
        return {half.file: half.lacks for half in grip.halves}

    assert halves() == {}
    assert halves(*OWN_CERTIFICATES.rights) == {}
    lacking = halves(*(right for right in OWN_CERTIFICATES.rights if right != secret))
    assert lacking == {OWN_CERTIFICATES.file: (str(secret),)}


def test_what_no_account_may_do_is_told_with_why_and_absent_accounts_are_not_asked_about() -> None:
    right, why = DANGEROUS[0]
    grips = {grip.name: grip for grip in read_accounts(Judge({right}, absent="powerplane-alerts"))}
    assert grips["powerplane"].too_much == (f"{right} ({why})",)
    assert (grips["powerplane-alerts"].there, grips["powerplane-alerts"].lacks) == (False, ())


def test_what_whoever_runs_it_lacks_is_asked_of_the_api_server() -> None:
    assert read_own(Judge(set(DOCTOR))).lacks == ()
    assert read_own(Judge(set(DOCTOR[1:]))).lacks == (str(DOCTOR[0]),)


def test_objects_that_cannot_be_read_are_told_of_and_what_rests_on_them_says_so() -> None:
    def broken() -> Any:
        raise ValueError("what nobody foresaw")

    assert tried(broken, lambda why: why.trouble) == "ValueError: what nobody foresaw"
    assert tried(lambda: 7, lambda _: 8) == 7


@pytest.fixture
def nowhere(tmp_path: Path) -> Path:
    """A kubeconfig that leads to a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return kubeconfig(tmp_path / "config", f"http://127.0.0.1:{port}")


def test_an_api_server_that_does_not_answer_stops_enforcement_and_is_all_that_is_told(
    program: Any, nowhere: Path
) -> None:
    done = program("doctor", "--kubeconfig", nowhere, "-o", "json", env={"NO_PROXY": "*", "no_proxy": "*"})
    view = json.loads(done.out)
    assert (done.code, view["status"]) == (3, "fail")
    assert [section["name"] for section in view["sections"]] == ["api", "telemetry"]
    assert "refused" in view["sections"][0]["findings"][0]["text"]


def test_without_a_cluster_and_without_a_source_there_is_nothing_to_look_at(program: Any, tmp_path: Path) -> None:
    missing = program("doctor", "--kubeconfig", tmp_path / "none")
    assert (missing.code, missing.out) == (1, "")
    assert "does not exist" in missing.err
    neither = program("doctor", "--no-cluster")
    assert neither.code == 2
    assert "--prometheus" in neither.err
