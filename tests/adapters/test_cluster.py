import gzip
import json
import socket
import time
from pathlib import Path

import pytest
from tests.adapters.api_server import Api, drip, expire, kubeconfig, page, refuse, send, truncate

from powerplane.adapters.cluster import CATALOGUE, read_cluster, read_lists, snapshot_cluster
from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.cluster_kinds import KINDS
from powerplane.adapters.cluster_lists import Patience
from powerplane.adapters.snapshot_directory import read_snapshot
from powerplane.models.errors import InputError, UnreachableError, UsageError
from powerplane.models.snapshot import NO_BUDGET

SECRETS = ("hunter2", "s3cr3t")


def node(name, **labels):
    return {
        "metadata": {"name": name, "labels": labels, "managedFields": [{"manager": "kubelet"}]},
        "status": {"allocatable": {"cpu": "96", "memory": "384Gi", "pods": "110"}, "images": [{"names": ["big"]}]},
    }


def pod(name, on="n1"):
    told = {"env": [{"name": "PASSWORD", "value": "hunter2"}], "command": ["run", "--token=s3cr3t"], "args": ["s3cr3t"]}
    container = {"name": "c", "resources": {"requests": {"cpu": "2"}}} | told
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": '{"env":"hunter2"}', "kept": "yes"}
    return {
        "metadata": {"name": name, "namespace": "d", "uid": name, "annotations": annotations, "managedFields": [{}]},
        "spec": {"nodeName": on, "containers": [container], "initContainers": [container], "priority": 3},
        "status": {"phase": "Running"},
    }


@pytest.fixture(autouse=True)
def _no_proxy_and_no_cluster(monkeypatch, tmp_path):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def api():
    server = Api()
    server.objects["nodes"] = [node("n1"), node("n2")]
    server.objects["pods"] = [pod(f"p{number}") for number in range(7)]
    yield server
    server.close()


@pytest.fixture
def config(api, tmp_path):
    return kubeconfig(tmp_path / "config", api.address)


@pytest.fixture
def pauses():
    return []


@pytest.fixture
def read(api, config, pauses):
    """Reads the cluster without sleeping, and notes the pauses it would have made."""

    def read(**patience):
        access = open_cluster(config)
        try:
            return read_lists(access, Patience(**{"timeout_s": 5.0, "sleep": pauses.append} | patience))
        finally:
            access.api.rest_client.close()

    return read


def names(items):
    return [json.loads(item)["metadata"]["name"] for item in items]


def test_pages_add_up_to_the_whole_list_in_order(api, read):
    lists = read(page_size=3)
    assert names(lists["pods"]) == [f"p{number}" for number in range(7)]
    assert api.counts()["pods"] == 3


def test_kinds_that_the_server_does_not_know_are_left_out(read):
    assert set(read()) == {"nodes", "pods"}


def test_every_kind_of_a_snapshot_is_asked_for_and_no_secret(api, read):
    api.objects |= {kind.file: [] for kind in KINDS}
    assert set(read()) == {kind.file for kind in KINDS}
    assert {resource for resource, _ in api.asked} == {kind.file for kind in KINDS}
    assert not {"secrets", "configmaps"} & {resource for resource, _ in api.asked}


def test_what_containers_are_told_does_not_leave_the_reader(api, read):
    template = {"metadata": pod("t")["metadata"], "spec": pod("t")["spec"]}
    api.objects["deployments"] = [{"metadata": {"name": "d", "namespace": "d"}, "spec": {"template": template}}]
    text = b"".join(item for items in read().values() for item in items).decode()
    assert not [secret for secret in SECRETS if secret in text]
    assert "managedFields" not in text
    assert "images" not in text


def test_all_else_stays_as_kubectl_prints_it(read):
    found = json.loads(read()["pods"][0])
    assert (found["apiVersion"], found["kind"]) == ("v1", "Pod")
    assert found["metadata"]["annotations"] == {"kept": "yes"}
    assert found["spec"]["containers"] == [{"name": "c", "resources": {"requests": {"cpu": "2"}}}]
    assert found["spec"]["priority"] == 3


def test_an_expired_token_restarts_the_list_without_doubles(api, read):
    api.trouble["pods"] = expire(1)
    assert names(read(page_size=3)["pods"]) == [f"p{number}" for number in range(7)]


def test_a_list_that_keeps_expiring_is_read_in_one_piece_at_last(api, read):
    api.trouble["pods"] = expire(2)
    assert len(read(page_size=3)["pods"]) == 7
    assert api.asked[[resource for resource, _ in api.asked].index("pods") :][4][1] == {}


def test_a_list_that_expires_even_in_one_piece_is_given_up(api, read):
    api.trouble["pods"] = refuse(410)
    with pytest.raises(UnreachableError, match="expire each time"):
        read()
    assert api.counts()["pods"] == 3


@pytest.mark.parametrize("code", [429, 500, 503])
def test_passing_trouble_is_tried_again_with_growing_pauses(api, read, pauses, code):
    api.trouble["pods"] = refuse(code, times=2)
    assert len(read()["pods"]) == 7
    assert pauses == [0.5, 1.0]


def test_the_pause_that_the_server_asks_for_is_kept(api, read, pauses):
    api.trouble["pods"] = refuse(429, times=1, headers={"Retry-After": "3"})
    read()
    assert pauses == [3.0]


def test_no_server_can_make_it_pause_for_an_hour(api, read, pauses):
    api.trouble["pods"] = refuse(429, times=1, headers={"Retry-After": "3600"})
    read()
    assert pauses == [30.0]


def test_lasting_trouble_is_told_after_a_bounded_number_of_attempts(api, read):
    api.trouble["pods"] = refuse(503, "apiserver is shutting down")
    with pytest.raises(UnreachableError, match=r"HTTP 503 apiserver is shutting down.*tried 4 times") as caught:
        read()
    assert api.address in str(caught.value)
    assert api.counts()["pods"] == 4


def test_compressed_pages_are_read(api, read):
    def compress(handler, query, _):
        body = gzip.compress(page(api.objects["pods"], query))
        send(handler, 200, body, {"Content-Encoding": "gzip"})
        return True

    api.trouble["pods"] = compress
    assert len(read(page_size=2)["pods"]) == 7
    assert all(headers["Accept-Encoding"] == "gzip" for headers in api.headers)


def test_a_body_that_breaks_off_is_read_again(api, read, pauses):
    api.trouble["pods"] = truncate(1)
    assert len(read()["pods"]) == 7
    assert len(pauses) == 1


def test_a_server_that_drips_is_cut_off_in_time(api, read):
    api.trouble["pods"] = drip(0.05)
    began = time.monotonic()
    with pytest.raises(UnreachableError, match=r"no complete answer within 0\.4 s"):
        read(timeout_s=0.4, attempts=2)
    assert time.monotonic() - began < 5


def test_a_server_that_says_nothing_is_given_up_in_time(api, read):
    def hang(*_):
        time.sleep(1)
        return True

    api.trouble["nodes"] = hang
    with pytest.raises(UnreachableError, match=r"no complete answer within 0\.2 s"):
        read(timeout_s=0.2, attempts=2)


def test_a_forbidden_kind_is_named_with_what_to_type(api, read):
    api.objects["replicasets"] = []
    api.trouble["replicasets"] = refuse(403, 'replicasets.apps is forbidden: User "u" cannot list')
    with pytest.raises(UnreachableError, match=r"forbids to list replicasets\.apps \(403\): .*User") as caught:
        read()
    assert "kubectl --context here auth can-i list replicasets.apps --all-namespaces" in caught.value.next_step
    assert "kubectl create clusterrole powerplane-reader --verb=list --resource=nodes,pods," in caught.value.next_step
    assert "secrets" not in caught.value.next_step
    assert api.counts()["replicasets"] == 1


def test_credentials_that_are_not_accepted_are_told(api, config, tmp_path):
    kubeconfig(tmp_path / "config", api.address, token="stale")
    with pytest.raises(UnreachableError, match=r"does not accept the credentials \(401\)"):
        read_cluster(config)


def test_a_server_without_nodes_is_no_kubernetes(api, read):
    del api.objects["nodes"]
    with pytest.raises(UnreachableError, match="GET /api/v1/nodes with HTTP 404"):
        read()


def test_a_page_that_is_no_list_is_told(api, read):
    api.trouble["nodes"] = lambda handler, *_: send(handler, 200, b"<html>log in</html>") or True
    with pytest.raises(UnreachableError, match="something else than a list"):
        read()


def test_an_address_where_nobody_listens_is_named(tmp_path, pauses):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        access = open_cluster(kubeconfig(tmp_path / "config", address))
        with pytest.raises(UnreachableError, match="tried 4 times") as caught:
            read_lists(access, Patience(sleep=pauses.append))
    assert address in caught.value.problem
    assert "powerplane plan --snapshot" in caught.value.next_step
    assert pauses == [0.5, 1.0, 2.0]


def test_progress_is_told_page_by_page(config):
    told = []
    read_cluster(config, page_size=3, on_progress=lambda kind, count: told.append((kind, count)))
    assert told == [("nodes", 2), ("pods", 3), ("pods", 6), ("pods", 7)]


def test_a_missing_kubeconfig_is_named(tmp_path):
    with pytest.raises(InputError, match="nosuch does not exist"):
        read_cluster(tmp_path / "nosuch")


def test_no_kubeconfig_anywhere_is_told():
    with pytest.raises(InputError, match="there is no kubeconfig"):
        read_cluster()


def test_an_unknown_context_is_told_with_those_there_are(config):
    with pytest.raises(InputError, match="no context 'nowhere'") as caught:
        read_cluster(config, "nowhere")
    assert "here, there" in caught.value.next_step


def test_the_kubeconfig_is_found_where_kubectl_finds_it(api, config, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(config))
    assert len(read_cluster()["nodes"]) == 2


@pytest.mark.parametrize("text", ["", "a: [", "[]", "contexts: 3", "apiVersion: v1\nkind: Config\ncontexts: []\n"])
def test_a_broken_kubeconfig_is_named(tmp_path, text):
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(InputError, match="kubeconfig"):
        read_cluster(path)


@pytest.mark.parametrize("wrong", [{"page_size": 0}, {"timeout_s": 0}, {"timeout_s": float("nan")}])
def test_pages_and_timeouts_that_make_no_sense_are_refused(config, wrong):
    with pytest.raises(UsageError):
        read_cluster(config, **wrong)


def test_a_snapshot_of_a_labelled_cluster_can_be_read_back(api, config, tmp_path):
    place = {"powerplane.dev/row": "row-1", "powerplane.dev/feed": "feed-a"}
    api.objects["nodes"] = [
        node("n1", **{"powerplane.dev/rack": "rack-1"} | place),
        node("n2", **{"topology.kubernetes.io/rack": "rack-2"} | place),
    ]
    api.objects["namespaces"] = [{"metadata": {"name": "d", "labels": {"team": "x"}}}]
    snapshot_cluster(tmp_path / "out", config, power=CATALOGUE)
    found = read_snapshot(tmp_path / "out")
    assert [(domain.kind, domain.name, domain.parents) for domain in found.topology.domains] == [
        ("feed", "feed-a", ()),
        ("row", "row-1", ("feed-a",)),
        ("rack", "rack-1", ("row-1",)),
        ("rack", "rack-2", ("row-1",)),
    ]
    assert {domain.budget_mw for domain in found.topology.domains} == {NO_BUDGET}
    assert {curve.name for curve in found.node_curve} == {"sugon-i620g30-8160"}
    assert len(found.pods) == 7
    assert found.namespace_labels["d"]["team"] == "x"


def test_a_snapshot_takes_the_files_it_is_given(config, tmp_path):
    topology, power, usage = (tmp_path / name for name in ("topology.yaml", "power.yaml", "usage.csv"))
    topology.write_text("domains: [{name: r, kind: rack, budget: 2kW, nodes: [n1, n2]}]")
    power.write_text("{curves: {c: [[0, 90], [1, 350]]}, nodes: {default: {curve: c}}}")
    usage.write_text("namespace,pod,cpu_cores,accelerator_watts\nd,p0,1.5,\n")
    snapshot_cluster(tmp_path / "out", config, topology=topology, power=power, usage=usage)
    found = read_snapshot(tmp_path / "out")
    assert found.topology.domains[0].budget_mw == 2_000_000
    assert found.pods.use_ucores[0] == 1_500_000


def test_without_racks_or_a_topology_it_says_what_to_write(config, tmp_path):
    with pytest.raises(InputError, match=r"node 'n1' has no label that names its rack \(2 of 2 nodes\)") as caught:
        snapshot_cluster(tmp_path / "out", config, power=CATALOGUE)
    assert "kubectl label node n1 powerplane.dev/rack=" in caught.value.next_step
    assert not (tmp_path / "out").exists()


def test_without_power_it_says_what_to_pass(config, tmp_path):
    with pytest.raises(InputError, match="nothing says what the nodes draw") as caught:
        snapshot_cluster(tmp_path / "out", config)
    assert "--power catalogue" in caught.value.next_step


def test_a_power_file_that_is_empty_is_not_taken_for_none(config, tmp_path):
    (tmp_path / "power.yaml").write_text("")
    (tmp_path / "topology.yaml").write_text("domains: [{name: r, kind: rack, nodes: [n1, n2]}]")
    with pytest.raises(InputError, match=r"power\.yaml"):
        snapshot_cluster(tmp_path / "out", config, topology=tmp_path / "topology.yaml", power=tmp_path / "power.yaml")
    assert not (tmp_path / "out").exists()


def test_a_rack_in_two_rows_is_refused(api, config, tmp_path):
    api.objects["nodes"] = [
        node(name, **{"powerplane.dev/rack": "rack-1", "powerplane.dev/row": row})
        for name, row in (("n1", "row-1"), ("n2", "row-2"))
    ]
    with pytest.raises(InputError, match="'rack rack-1' hangs in row row-1 by the labels of node 'n1'"):
        snapshot_cluster(tmp_path / "out", config, power=CATALOGUE)


def test_a_row_and_a_rack_of_one_name_are_refused(api, config, tmp_path):
    api.objects["nodes"] = [node("n1", **{"powerplane.dev/rack": "one", "powerplane.dev/row": "one"})]
    with pytest.raises(InputError, match="both a rack and a row 'one'"):
        snapshot_cluster(tmp_path / "out", config, power=CATALOGUE)


def test_cards_raise_the_idle_draw_of_the_catalogues_curve(api, config, tmp_path):
    labels = {"powerplane.dev/rack": "r", "nvidia.com/gpu.product": "Tesla-T4", "nvidia.com/gpu.count": "4"}
    api.objects["nodes"] = [node("n1", **labels), node("n2", **{"powerplane.dev/rack": "r"})]
    snapshot_cluster(tmp_path / "out", config, power=CATALOGUE)
    with_cards, without = read_snapshot(tmp_path / "out").node_curve
    assert with_cards.idle_mw == without.idle_mw + 40_000


def test_cards_that_the_catalogue_does_not_know_are_refused(api, config, tmp_path):
    labels = {"powerplane.dev/rack": "r", "nvidia.com/gpu.product": "Voodoo-2", "nvidia.com/gpu.count": "4"}
    api.objects["nodes"] = [node("n1", **labels)]
    with pytest.raises(InputError, match="4 accelerators of product 'Voodoo-2'"):
        snapshot_cluster(tmp_path / "out", config, power=CATALOGUE)


def test_a_cluster_without_nodes_is_refused(api, config, tmp_path):
    api.objects["nodes"] = []
    with pytest.raises(InputError, match="no nodes"):
        snapshot_cluster(tmp_path / "out", config, power=CATALOGUE)


def test_a_directory_with_anything_in_it_is_not_overwritten(api, config, tmp_path):
    out = Path(tmp_path / "out")
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    api.objects["nodes"] = [node("n1", **{"powerplane.dev/rack": "r"})]
    with pytest.raises(UsageError):
        snapshot_cluster(out, config, power=CATALOGUE)
    assert (out / "mine.txt").read_text() == "keep"
