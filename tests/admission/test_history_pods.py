"""Whose pods are whose: by the same names as the webhook has for new pods."""

import json

import pytest
from tests.adapters.api_server import Api, kubeconfig, refuse
from tests.admission.applying import container, pod

from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.cluster_lists import Patience
from powerplane.admission.history_pods import list_managed, list_pods, read_pod
from powerplane.models.errors import UnreachableError

PATIENCE = Patience(page_size=2, timeout_s=5.0, attempts=1)


def named(made, name="p"):
    made["metadata"] |= {"name": name, "namespace": "shop"}
    return made


def seen(made):
    return read_pod(json.dumps(named(made)).encode())[1]


def test_a_deployments_pod_is_the_deployments():
    made = pod(container(cpu="2"), owner=("ReplicaSet", "web-5d8"))
    made["metadata"]["labels"]["pod-template-hash"] = "5d8"
    assert (seen(made).owner, seen(made).containers) == ("shop/Deployment/web", ("c",))


@pytest.mark.parametrize(("owner", "known"), [(None, ""), (("Job", "run-x"), ""), (("Job", "j-28812345"), "CronJob/j")])
def test_bare_pods_and_jobs_of_their_own_are_known_by_their_class_alone(owner, known):
    found = seen(pod(container(cpu="2"), owner=owner))
    assert found.owner == (f"shop/{known}" if known else "")
    assert found.alike == "shop i cpu=2000"


def test_a_nodes_own_pods_are_nobodys():
    found = seen(pod(container(cpu="2"), owner=("Node", "n1")))
    assert (found.owner, found.alike) == ("", "")


def test_quantities_that_cannot_be_read_make_no_class():
    assert seen(pod(container(cpu="much"), owner=("StatefulSet", "s"))).alike == ""


@pytest.fixture
def api():
    server = Api()
    yield server
    server.close()


@pytest.fixture
def access(api, tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    opened = open_cluster(kubeconfig(tmp_path / "config", api.address))
    yield opened
    opened.api.rest_client.close()


def test_pods_are_listed_page_by_page(api, access):
    api.objects["pods"] = [named(pod(owner=("StatefulSet", "s")), f"s-{at}") for at in range(5)]
    found = list_pods(access, PATIENCE)
    assert [name for name, _ in found] == [("shop", f"s-{at}") for at in range(5)]
    assert {each.owner for _, each in found} == {"shop/StatefulSet/s"}


def autoscaler(name, mode=None):
    spec = {"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}}
    policy = {"updatePolicy": {"updateMode": mode}} if mode else {}
    return {"metadata": {"name": f"of-{name}", "namespace": "shop"}, "spec": spec | policy}


def test_workloads_of_autoscalers_that_act_are_theirs(api, access):
    api.objects["verticalpodautoscalers"] = [autoscaler("a"), autoscaler("b", "Initial"), autoscaler("c", "Off")]
    assert list_managed(access, PATIENCE) == {"shop/Deployment/a", "shop/Deployment/b"}


def test_a_cluster_without_autoscalers_has_none_and_one_that_refuses_is_told(api, access):
    assert list_managed(access, PATIENCE) == frozenset()
    api.objects["verticalpodautoscalers"] = []
    api.trouble["verticalpodautoscalers"] = refuse(403)
    with pytest.raises(UnreachableError):
        list_managed(access, PATIENCE)
