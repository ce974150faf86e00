"""The adapter that reads a live cluster, and the program on it, against a real API server with RBAC."""

import json
import re
from pathlib import Path

import pytest
import yaml
from tests.cli.conftest import run_program
from tests.rig.cluster import bound, make_nodes, make_pods, node, pod
from tests.rig.pki import Authority
from tests.rig.processes import wait_for
from tests.rig.proxy import Proxy
from tests.rig.test_watch import compact

from powerplane.adapters.cluster import read_cluster
from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.cluster_kinds import KINDS, ListedKind
from powerplane.adapters.cluster_lists import Patience, list_items
from powerplane.models.errors import UnreachableError

pytestmark = pytest.mark.rig

RBAC = "/apis/rbac.authorization.k8s.io/v1"
AUTHORIZATION = "rbac.authorization.k8s.io"


def names(items):
    return [(each["metadata"].get("namespace", ""), each["metadata"]["name"]) for each in map(json.loads, items)]


def rules(kinds):
    found = []
    for kind in kinds:
        group = "" if kind.group_version == "v1" else kind.group_version.partition("/")[0]
        found.append({"apiGroups": [group], "resources": [kind.file], "verbs": ["list"]})
    return found


@pytest.fixture
def grant(rig):
    """Grants a user some rules over all namespaces, until the end of the test."""
    granted = []

    def grant(user, allowed):
        name = f"powerplane-{user}"
        granted.append(name)
        rig.api.post(f"{RBAC}/clusterroles", {"metadata": {"name": name}, "rules": allowed})
        reference = {"apiGroup": AUTHORIZATION, "kind": "ClusterRole", "name": name}
        subjects = [{"apiGroup": AUTHORIZATION, "kind": "User", "name": user}]
        binding = {"metadata": {"name": name}, "roleRef": reference, "subjects": subjects}
        rig.api.post(f"{RBAC}/clusterrolebindings", binding)
        return rig.kubeconfig_for(user)

    yield grant
    for name in granted:
        rig.api.delete(f"{RBAC}/clusterrolebindings/{name}")
        rig.api.delete(f"{RBAC}/clusterroles/{name}")


@pytest.fixture
def filled(rig):
    """Twenty nodes, thirty pods that wait."""
    rig.api.post_all("/api/v1/nodes", [node(f"n{number:02d}") for number in range(20)])
    make_pods(rig, [pod(f"p{number:02d}", nodeSelector={"nowhere": "yes"}) for number in range(30)])
    return rig


def test_every_kind_comes_whole_and_in_order_by_pages_of_seven(filled):
    lists = read_cluster(filled.kubeconfig, page_size=7)
    assert set(lists) == {kind.file for kind in KINDS}
    for kind in KINDS:
        expected = [
            (each["metadata"].get("namespace", ""), each["metadata"]["name"]) for each in filled.api.items(kind.path)
        ]
        assert names(lists[kind.file]) == expected
    assert (len(lists["nodes"]), len(lists["pods"])) == (20, 30)


def test_a_continue_token_that_expires_between_two_pages_starts_the_list_afresh(filled):
    grown = []

    def expire(kind, count):
        grown.append((kind, count))
        if (kind, count) == ("pods", 7) and grown.count(("pods", 7)) == 1:
            make_pods(filled, [pod("late", nodeSelector={"nowhere": "yes"})])
            compact(filled)
            # A new server has no copy of the past, so that it must ask etcd, which has forgotten it.
            filled.kill("kube-apiserver")
            filled.revive("kube-apiserver")

    found = names(read_cluster(filled.kubeconfig, page_size=7, on_progress=expire)["pods"])
    assert found == sorted(set(found)), "each once"
    assert ("default", "late") in found
    assert len(found) == 31
    assert grown.count(("pods", 7)) == 2, "the list was started afresh"


def test_the_real_server_answers_an_expired_token_with_410(filled):
    first = filled.api.get("/api/v1/pods?limit=7")
    filled.api.delete("/api/v1/namespaces/default/pods/p00")
    compact(filled)
    filled.kill("kube-apiserver")
    filled.revive("kube-apiserver")
    answer = filled.api.call("GET", f"/api/v1/pods?limit=7&continue={first['metadata']['continue']}")
    assert answer.status == 410


def test_a_user_without_rights_is_told_who_is_forbidden_what(filled):
    with pytest.raises(UnreachableError) as caught:
        read_cluster(filled.kubeconfig_for("nobody"))
    assert 'forbids to list nodes (403): nodes is forbidden: User "nobody" cannot list resource "nodes"' in str(
        caught.value
    )


def test_a_user_who_lacks_one_kind_is_told_which_and_the_grant_that_is_printed_is_enough(filled, grant):
    config = grant("almost", rules(kind for kind in KINDS if kind.file != "priorityclasses"))
    with pytest.raises(UnreachableError) as caught:
        read_cluster(config)
    told = str(caught.value)
    assert "forbids to list priorityclasses.scheduling.k8s.io (403)" in told
    listed = re.search(r"create clusterrole powerplane-reader --verb=list --resource=(\S+)", told)
    printed = {tuple((*each.split(".", 1), "")[:2]) for each in listed[1].split(",")}
    grant("reader", [{"apiGroups": [group], "resources": [name], "verbs": ["list"]} for name, group in printed])
    lists = read_cluster(filled.kubeconfig_for("reader"))
    assert len(lists["pods"]) == 30


def test_a_kind_that_is_not_served_is_left_out(filled):
    access = open_cluster(filled.kubeconfig)
    absent = ListedKind("poddisruptionbudgets", "PodDisruptionBudget", "policy/v1beta1")
    assert list(list_items(access, absent, Patience())) == []
    access.api.rest_client.close()


def test_a_slow_network_is_waited_for_and_a_too_slow_one_is_told(filled, tmp_path):
    for bytes_per_s, fits in ((200_000, True), (5_000, False)):
        with Proxy(filled.ports["kube-apiserver"], bytes_per_s) as proxy:
            access = open_cluster(proxy.kubeconfig(filled.kubeconfig, tmp_path / "config"))
            patience = Patience(page_size=500, timeout_s=3.0, attempts=2)
            pods = next(kind for kind in KINDS if kind.file == "pods")
            if fits:
                assert len(list(list_items(access, pods, patience))[-1]) == 30
            else:
                with pytest.raises(UnreachableError, match="no complete answer within 3 s"):
                    list(list_items(access, pods, patience))
            access.api.rest_client.close()


def edited(source: Path, target: Path, edit) -> Path:
    content = json.loads(source.read_text())
    edit(content)
    target.write_text(json.dumps(content))
    return target


def test_a_server_with_a_certificate_of_another_authority_is_not_believed(filled, tmp_path):
    other = Authority(tmp_path / "other", "other-ca")

    def edit(content):
        content["clusters"][0]["cluster"] = {"server": filled.server, "certificate-authority": str(other.file)}

    config = edited(filled.kubeconfig, tmp_path / "config", edit)
    with pytest.raises(UnreachableError, match=r"certificate verify failed.*tried 1 times"):
        read_cluster(config)


def test_a_user_with_a_certificate_of_another_authority_is_not_accepted(filled, tmp_path):
    pair = Authority(tmp_path / "other", "other-ca").issue("admin", ("system:masters",))

    def edit(content):
        content["users"][0]["user"] = {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}

    config = edited(filled.kubeconfig, tmp_path / "config", edit)
    with pytest.raises(UnreachableError, match=r"does not accept the credentials \(401\)"):
        read_cluster(config)


def test_a_server_that_is_down_is_told(filled):
    filled.kill("kube-apiserver")
    try:
        with pytest.raises(UnreachableError, match=re.escape(f"{filled.server} cannot be read")):
            read_cluster(filled.kubeconfig)
    finally:
        filled.revive("kube-apiserver")


def test_a_person_snapshots_and_plans_a_hot_rack_on_the_real_cluster(rig, grant, tmp_path):
    """Ten pods of 4 of 32 cores: rack-1 draws 2 × 100 W + 125 W; each pod 12.5 W; 300 W are two pods too few."""
    make_nodes(rig, [node("n1"), node("n2")])
    container = {"name": "c", "image": "none", "resources": {"requests": {"cpu": "4"}}}
    container["env"] = [{"name": "PASSWORD", "value": "hunter2"}]
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    spec = {"replicas": 10, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    rig.api.post("/apis/apps/v1/namespaces/default/deployments", {"metadata": {"name": "web"}, "spec": spec})
    assert wait_for(lambda: len(bound(rig)) == 10, 60)
    make_nodes(rig, [node("n3"), node("n4")])
    phases = lambda: {each["status"]["phase"] for each in rig.api.items("/api/v1/pods")}  # noqa: E731  # named for what is waited for
    assert wait_for(lambda: phases() == {"Running"}, 90)
    domains = [
        {"name": "rack-1", "kind": "rack", "budget": "300W", "nodes": ["n1", "n2"]},
        {"name": "rack-2", "kind": "rack", "budget": "1kW", "nodes": ["n3", "n4"]},
    ]
    power = {"curves": {"server": [[0, 100], [1, 200]]}, "nodes": {"default": {"curve": "server"}}}
    (tmp_path / "topology.yaml").write_text(yaml.safe_dump({"domains": domains}))
    (tmp_path / "power.yaml").write_text(yaml.safe_dump(power))
    files = ("--topology", tmp_path / "topology.yaml", "--power", tmp_path / "power.yaml")
    config = grant("planner", rules(KINDS))
    done = run_program("plan", "--kubeconfig", config, *files, "-o", "json")
    assert done.code == 0, done.err
    plan = json.loads(done.out)
    assert plan["status"] == "optimal"
    assert len(plan["moves"]) == 2
    assert {(move["from"] in {"n1", "n2"}, move["to"] in {"n3", "n4"}) for move in plan["moves"]} == {(True, True)}
    written = run_program("snapshot", tmp_path / "snapshot", "--kubeconfig", config, *files)
    assert written.code == 0, written.err
    again = run_program("plan", "--snapshot", tmp_path / "snapshot", "-o", "json")
    assert json.loads(again.out)["cost"] == plan["cost"]
    assert not [file for file in (tmp_path / "snapshot").iterdir() if b"hunter2" in file.read_bytes()]


def test_a_person_without_rights_is_told_what_to_type(filled, tmp_path):
    config = filled.kubeconfig_for("nobody")
    done = run_program("snapshot", tmp_path / "new", "--kubeconfig", config, "--power", "catalogue")
    assert (done.code, done.out) == (1, "")
    assert 'User "nobody" cannot list resource "nodes"' in done.err
    assert "kubectl create clusterrole powerplane-reader" in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "new").exists()
