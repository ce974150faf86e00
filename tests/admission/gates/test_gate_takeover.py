"""A replica that takes over lets nobody go before it has seen whom the one before it let go."""

import json

import pytest
from tests.adapters.api_server import kubeconfig
from tests.adapters.test_cluster_writes import Recorder
from tests.admission.gates.test_gate_books import batch, pod

from powerplane.adapters.cluster_access import open_cluster
from powerplane.admission.gates.books import GateBooks
from powerplane.admission.gates.takeover import GIVE_UP_S, Takeover, list_unbound
from powerplane.models.errors import UnreachableError


def books(*pods):
    made = GateBooks()
    made.pods(batch(*pods, replace=True))
    return made


def test_a_watch_that_is_in_step_holds_nobody_up():
    known = books(pod("waits", gate=True), pod("gone", granted="headroom"), pod("runs", node="a"))
    assert Takeover(known, lambda: {"waits": True, "gone": False}, 0.0).over(0.0)


@pytest.mark.parametrize("listed", [{}, {"p": False}], ids=["it is bound already", "it is on its way"])
def test_a_pod_that_was_let_go_and_still_seems_to_wait_is_waited_for(listed):
    known = books(pod("p", gate=True), pod("other", gate=True))
    takeover = Takeover(known, lambda: {"other": True, **listed}, 0.0)
    assert not takeover.over(0.0)
    assert not takeover.over(1000.0), "its watts would be given twice"
    known.pods(batch(pod("p", granted="headroom"), what="MODIFIED"))
    assert takeover.over(1001.0)


def test_a_pod_that_the_watch_never_told_of_is_waited_for_and_not_for_ever():
    known = books()
    takeover = Takeover(known, lambda: {"p": False}, 0.0)
    assert not takeover.over(1.0)
    assert takeover.over(GIVE_UP_S)
    other = Takeover(known, lambda: {"p": False}, 0.0)
    known.pods(batch(pod("p", granted="headroom")))
    assert other.over(1.0)


def test_a_pod_that_comes_while_the_others_are_listed_owes_nothing():
    known = books()

    def listed():
        known.pods(batch(pod("new", gate=True)))
        return {}

    assert Takeover(known, listed, 0.0).over(0.0)


def test_a_pod_that_is_deleted_meanwhile_is_waited_for_no_longer():
    known = books(pod("p", gate=True))
    takeover = Takeover(known, dict, 0.0)
    assert not takeover.over(0.0)
    known.pods(batch(pod("p", gate=True), what="DELETED"))
    assert takeover.over(0.0)


class Pods(Recorder):
    """Answers each list with these pods."""

    def __init__(self, items):
        super().__init__()
        self.pod = {"kind": "PodList", "metadata": {"resourceVersion": "9"}, "items": items}


def test_the_list_is_of_pods_without_a_node_and_no_cache_answers_it(tmp_path):
    raw = {"metadata": {"name": "x", "uid": "x"}, "spec": {"containers": []}}
    gated = {**raw, "metadata": {"uid": "g"}, "spec": {"schedulingGates": [{"name": "powerplane.dev/power"}]}}
    let_go = {**raw, "metadata": {"uid": "l", "annotations": {"powerplane.dev/granted": "overdue"}}}
    server = Pods(json.loads(json.dumps([raw, gated, let_go])))
    try:
        assert list_unbound(open_cluster(kubeconfig(tmp_path / "c", server.address), None)) == {"g": True, "l": False}
        (_, path, query, *_) = server.requests[0]
        assert (path, query) == ("/api/v1/pods", {"fieldSelector": "spec.nodeName=", "limit": "1000"})
    finally:
        server.close()


def test_a_server_that_does_not_answer_is_told(tmp_path):
    server = Pods([])
    server.close()
    with pytest.raises(UnreachableError):
        list_unbound(open_cluster(kubeconfig(tmp_path / "c", server.address), None))
