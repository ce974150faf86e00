"""Marks on nodes that are to sleep: in their order, one close at a time, none while all is stopped, undone always."""

import msgspec
from tests.models.test_sleeping import patched, raw

from powerplane.actuator.seen import SeenPod
from powerplane.actuator.sleeping import SleepBooks, Sleeper
from powerplane.actuator.world import World
from powerplane.adapters.cluster_writes import Written
from powerplane.adapters.watch import Batch
from powerplane.models.objects import Node
from powerplane.models.sleeping import ASLEEP_TAINT, MARKS_ANNOTATION, READY_ANNOTATION, SLEEP_ANNOTATION

NOW = "2026-01-01T00:00:00Z"


class Nodes:
    """Nodes and pods as watches tell them, and what is written."""

    def __init__(self, count=10, wanted=("n0",)):
        self.bodies = {f"n{i}": raw(f"n{i}") for i in range(count)}
        self.pods = {}
        for name in wanted:
            self.bodies[name]["metadata"]["annotations"][SLEEP_ANNOTATION] = "wanted"
        self.books = SleepBooks(World())
        self.world = self.books._world
        self.tell()

    def tell(self):
        nodes = tuple(("ADDED", msgspec.convert(each, Node)) for each in self.bodies.values())
        self.books.take(Batch(True, nodes))
        self.world.pods(Batch(True, tuple(("ADDED", msgspec.convert(each, SeenPod)) for each in self.pods.values())))

    def pod(self, name, node, kind="ReplicaSet"):
        owner = {"kind": kind, "name": "o", "uid": "o", "controller": True}
        meta = {"namespace": "default", "name": name, "uid": name, "ownerReferences": [owner]}
        self.pods[name] = {"metadata": meta, "spec": {"nodeName": node}, "status": {"phase": "Running"}}
        self.tell()

    def turn(self, stop=""):
        marks, refused = self.books.marks(stop, NOW)
        for mark in marks:
            self.bodies[mark.node] = patched(self.bodies[mark.node], mark.patch)
        self.tell()
        return [(mark.node, mark.what) for mark in marks], refused


def test_a_node_is_closed_then_told_empty_once_only_its_own_pods_are_left_and_opened_when_it_is_not_asked_for():
    nodes = Nodes()
    nodes.pod("web", "n0")
    nodes.pod("log", "n0", "DaemonSet")
    assert nodes.turn()[0] == [("n0", "Close")]
    assert nodes.turn()[0] == []
    del nodes.pods["web"]
    nodes.tell()
    assert nodes.turn()[0] == [("n0", "Empty")]
    assert nodes.bodies["n0"]["metadata"]["annotations"][READY_ANNOTATION] == NOW
    nodes.pod("late", "n0")
    assert nodes.turn()[0] == [("n0", "NotEmpty")]
    del nodes.bodies["n0"]["metadata"]["annotations"][SLEEP_ANNOTATION]
    nodes.tell()
    assert nodes.turn(stop="a stop does not keep a node asleep")[0] == [("n0", "Open")]
    assert nodes.bodies["n0"] == raw("n0")


def test_nothing_is_closed_while_all_is_stopped():
    nodes = Nodes()
    assert nodes.turn(stop="by hand") == ([], {})
    assert nodes.turn()[0] == [("n0", "Close")]


def test_of_ten_nodes_four_are_closed_one_after_the_other_and_the_others_are_told_why_not():
    nodes = Nodes(wanted=[f"n{i}" for i in range(6)])
    for _ in range(12):
        _, refused = nodes.turn()
    closed = [each for each in nodes.bodies.values() if any(t["key"] == ASLEEP_TAINT for t in each["spec"]["taints"])]
    assert len(closed) == 4
    assert len(refused) == 2
    assert all(MARKS_ANNOTATION in each["metadata"]["annotations"] for each in closed)


def test_a_node_is_written_by_whoever_leads_and_not_again_at_once():
    nodes, sent, now = Nodes(), [], [0.0]

    class Writes:
        def json_patch(self, path, body):
            sent.append((path, body))
            return Written(200, b"{}")

    leads = [True]
    told = []
    clock = lambda: now[0]  # noqa: E731  # one line
    sleeper = Sleeper(nodes.books, Writes(), lambda _: leads[0], lambda *each: told.append(each), clock)
    for _ in range(3):
        sleeper.look("", 0.0, 1, lambda do: do())
    assert [path for path, _ in sent] == ["/api/v1/nodes/n0"]
    assert told == [("Close", "ok")]
    now[0], leads[0] = 60.0, False
    sleeper.look("", 0.0, 1, lambda do: do())
    assert len(sent) == 1
