"""The gate of moves: set once, never on what must not wait, and off again where whoever should lift it is gone."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.adapters.api_server import kubeconfig
from tests.adapters.test_cluster_writes import Recorder
from tests.admission.applying import apply, container, pod

from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.cluster_writes import Writer
from powerplane.adapters.lease_look import Lease, LeaseMeta, LeaseSpec
from powerplane.adapters.watch import Batch
from powerplane.admission.gates.books import GateBooks
from powerplane.admission.gates.facts import SeenPod, pod_fact
from powerplane.admission.gates.gating import GATE, hold_successor
from powerplane.admission.gates.moving import Behind, MoveGates, let_successor_go
from powerplane.models.errors import InputError
from powerplane.models.marks import HOLD_GATE, MOVE_GATE
from powerplane.models.objects import Pod
from powerplane.models.requests import WATTS_RESOURCE


class Watched:
    """Gates of moves under a clock that goes on by hand, and an actuator that may live."""

    def __init__(self):
        self.clock_s = 1000.0
        self.beats = 0
        self.gates = MoveGates(lambda: self.clock_s)

    def tell(self, *pods, replace=False, what="ADDED"):
        self.gates.pods(Batch(replace, tuple((what, msgspec.convert(each, SeenPod)) for each in pods)))

    def after(self, seconds, *, alive=False, holder="me"):
        """Who is let go, looking every five seconds."""
        until_s, overdue = self.clock_s + seconds, []
        while self.clock_s < until_s:
            self.clock_s = min(self.clock_s + 5, until_s)
            self.beats += alive
            lease = Lease(LeaseMeta(resource_version=str(self.beats)), LeaseSpec(holder_identity=holder))
            if self.gates.is_due():
                overdue = self.gates.overdue(lease)
        return [each.name for each in overdue]


def waiting(name="p", *others, gate=MOVE_GATE):
    gates = [{"name": each} for each in (*others, gate)]
    return {"metadata": {"uid": f"u-{name}", "namespace": "default", "name": name}, "spec": {"schedulingGates": gates}}


def decoded(made):
    return msgspec.convert(made, Pod).spec


@given(st.lists(st.sampled_from([GATE, "kueue.x-k8s.io/admission"]), unique=True))
def test_a_successor_waits_behind_one_gate_of_moves_beside_whatever_else_holds_it(others):
    made = pod(container())
    made["spec"]["schedulingGates"] = [{"name": each} for each in others]
    after = apply(made, hold_successor(apply(made, []), decoded(made)))
    assert [each["name"] for each in after["spec"]["schedulingGates"]] == [*others, MOVE_GATE]
    assert hold_successor(apply(after, []), decoded(after)) == []


def test_what_belongs_to_the_system_is_not_held():
    made = pod(container())
    made["spec"]["priorityClassName"] = "system-node-critical"
    assert hold_successor(made, decoded(made)) == []


def test_gates_of_another_shape_are_left_to_the_api_server():
    made = pod(container())
    made["spec"]["schedulingGates"] = {"name": "x"}
    with pytest.raises(InputError):
        hold_successor(made, decoded(pod(container())))


def test_nobody_is_let_go_while_an_actuator_lives_and_the_wait_is_short():
    seen = Watched()
    seen.tell(waiting())
    assert seen.after(295, alive=True) == []
    assert seen.after(10, alive=True) == ["p"]


def test_everybody_is_let_go_once_no_actuator_has_lived_for_a_minute():
    seen = Watched()
    seen.tell(waiting("p"), waiting("q"))
    assert seen.after(100, alive=True) == []
    assert seen.after(55) == []
    assert seen.after(10) == ["p", "q"]
    assert seen.after(5, alive=True) == []


def test_a_lease_that_nobody_holds_is_no_actuator_however_often_it_is_written():
    seen = Watched()
    seen.tell(waiting())
    assert seen.after(65, alive=True, holder="") == ["p"]


def test_an_actuator_counts_as_gone_only_after_it_was_looked_at_for_a_minute():
    seen = Watched()
    seen.clock_s += 3600
    seen.tell(waiting())
    assert seen.after(55) == []
    assert seen.after(10) == ["p"]


def test_who_is_let_go_deleted_or_gone_from_the_list_waits_no_more():
    seen = Watched()
    seen.tell(waiting("free"), waiting("deleted"), waiting("leaving"), waiting("gone"), waiting("stays"))
    seen.tell({**waiting("free"), "spec": {}}, what="MODIFIED")
    seen.tell(waiting("deleted"), what="DELETED")
    leaving = waiting("leaving")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    seen.tell(leaving, what="MODIFIED")
    seen.tell(waiting("stays"), replace=True)
    assert seen.after(65) == ["stays"]


def test_a_list_anew_does_not_make_a_wait_begin_anew():
    seen = Watched()
    seen.tell(waiting())
    seen.after(290, alive=True)
    seen.tell(waiting(), replace=True)
    assert seen.after(15, alive=True) == ["p"]


def test_the_gate_is_lifted_at_its_place_from_the_pod_that_was_seen_and_no_other(tmp_path):
    seen = Watched()
    seen.tell(waiting("p", "theirs"))
    seen.clock_s += 400
    (held,) = seen.gates.overdue(None)
    assert held == Behind("u-p", "default", "p", 1)
    server = Recorder()
    try:
        writer = Writer(open_cluster(kubeconfig(tmp_path / "config", server.address), None), 2.0, attempts=1)
        assert let_successor_go(writer, held) == ""
        verb, path, _, _, body = server.requests[0]
    finally:
        server.close()
    assert (verb, path) == ("PATCH", "/api/v1/namespaces/default/pods/p")
    assert body == [
        {"op": "test", "path": "/metadata/uid", "value": "u-p"},
        {"op": "test", "path": "/spec/schedulingGates/1", "value": {"name": MOVE_GATE}},
        {"op": "remove", "path": "/spec/schedulingGates/1"},
    ]


@pytest.mark.parametrize("gate", [MOVE_GATE, HOLD_GATE])
def test_a_nominated_pod_behind_a_gate_of_moves_holds_its_watts_at_its_node(gate):
    books = GateBooks()
    held = waiting("p", gate=gate) | {"status": {"nominatedNodeName": "n1"}}
    held["spec"]["containers"] = [container(**{WATTS_RESOURCE: "40"})]
    books.pods(Batch(False, (("ADDED", msgspec.convert(held, SeenPod)),)))
    moment = books.moment()
    assert (moment.sums["n1"].stated_mw, moment.waiting, moment.on_their_way) == (40_000, (), ())
    books.pods(Batch(False, (("MODIFIED", msgspec.convert(held | {"status": {}}, SeenPod)),)))
    assert books.moment().sums == {}


def test_the_gate_of_moves_is_another_controllers_gate_to_whoever_gives_watts():
    only = pod_fact(msgspec.convert(waiting("p"), SeenPod))
    assert only is None or not only.waits
    both = pod_fact(msgspec.convert(waiting("p", gate=GATE) | {"spec": {"schedulingGates": [
        {"name": MOVE_GATE}, {"name": GATE}]}}, SeenPod))  # fmt: skip
    assert both.waits
    assert (both.gate, both.other_gates) == (1, 1)
