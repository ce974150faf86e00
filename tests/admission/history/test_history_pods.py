"""Whose pods are whose: by the same names as the webhook has for new pods."""

import json

import msgspec
import pytest
from tests.adapters.api_server import Api, kubeconfig, refuse
from tests.admission.applying import container, pod

from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.cluster_lists import Patience
from powerplane.adapters.watch import Batch
from powerplane.admission.history.pods import REMEMBER_S, ListedPod, PodBook, list_managed, seen_pod
from powerplane.models.errors import UnreachableError

PATIENCE = Patience(page_size=2, timeout_s=5.0, attempts=1)


def named(made, name="p"):
    made["metadata"] |= {"name": name, "namespace": "shop"}
    return made


def seen(made):
    return seen_pod(msgspec.json.decode(json.dumps(named(made)), type=ListedPod))[1]


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


def test_a_pod_that_is_gone_is_remembered_until_its_last_samples_are_read():
    now_s = [0.0]
    book = PodBook(lambda: now_s[0])
    one, two, three = ((("shop", name), seen(pod(owner=("StatefulSet", name)))) for name in ("one", "two", "three"))
    book.sink(Batch(True, (("ADDED", one), ("ADDED", two), ("ADDED", three))))
    now_s[0] = 10.0
    book.sink(Batch(False, (("DELETED", one), ("MODIFIED", two))))
    assert set(book.pods()) == {("shop", "one"), ("shop", "two"), ("shop", "three")}
    now_s[0] = 20.0
    book.sink(Batch(True, (("ADDED", two),)))
    now_s[0] = REMEMBER_S + 15
    assert set(book.pods()) == {("shop", "two"), ("shop", "three")}
    now_s[0] = REMEMBER_S + 25
    assert set(book.pods()) == {("shop", "two")}


def test_a_name_that_comes_again_is_the_new_pods():
    book = PodBook(lambda: 0.0)
    old, new = ((("shop", "x"), seen(pod(owner=("StatefulSet", name)))) for name in ("old", "new"))
    book.sink(Batch(False, (("ADDED", old), ("DELETED", old), ("ADDED", new))))
    assert book.pods()["shop", "x"].owner == "shop/StatefulSet/new"


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
