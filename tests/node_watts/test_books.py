"""Nodes and pods from the watch's JSON to columns, added up by hand."""

import time

import msgspec
import numpy as np
import pytest

from powerplane.adapters.cluster_writes import Written
from powerplane.adapters.watch import Batch
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.api.tree import read_tree
from powerplane.models.drift import Sample
from powerplane.models.pod_reading import GatedPodSpec
from powerplane.models.pod_watts import WattsNote
from powerplane.node_watts.books import Books
from powerplane.node_watts.facts import CLOSED_TAINT, SeenNode, SeenNodeStatus, SeenPod, node_fact
from powerplane.node_watts.lie import EXPECTED, lie_of
from powerplane.node_watts.seen import Write
from powerplane.node_watts.view import MOST_WATTS, Viewer
from powerplane.node_watts.writing import carry_out, outcome_of

WATTS = "powerplane.dev/watts"


def seen_node(name, watts=None, capacity="same", version="1", taints=(), labels=None, **spec):
    offers = {"cpu": "8", "memory": "1Ki", "pods": "10"}
    allocatable = offers | ({} if watts is None else {WATTS: str(watts)})
    own = offers | ({} if capacity is None else {WATTS: str(capacity)}) if capacity != "same" else allocatable
    body = {
        "metadata": {"name": name, "resourceVersion": version, "labels": labels or {}},
        "spec": {"taints": list(taints), **spec},
        "status": {"capacity": own, "allocatable": allocatable},
    }
    return msgspec.convert(body, SeenNode)


def seen_pod(uid, watts=None, node="", cpu="1", phase="Running", refused=False, nominated="", owner="", **spec):
    requests = {"cpu": cpu} | ({} if watts is None else {WATTS: str(watts)})
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    body = {
        "metadata": {
            "name": uid,
            "namespace": "default",
            "uid": uid,
            "ownerReferences": [{"kind": owner, "name": "o", "uid": "o", "controller": True}] if owner else [],
        },
        "spec": {"nodeName": node, "containers": [{"resources": {"requests": requests}}], **spec},
        "status": {
            "phase": phase,
            "nominatedNodeName": nominated,
            "conditions": [condition] if refused else [],
        },
    }
    return msgspec.convert(body, SeenPod)


def filled(nodes, pods=()):
    books = Books()
    books.nodes.sink(Batch(True, tuple(("ADDED", node) for node in nodes)))
    books.pods.sink(Batch(True, tuple(("ADDED", pod) for pod in pods)))
    return books


def rack(watts="1000W", names=("a", "b"), **node):
    body = {
        "metadata": {"name": "r1"},
        "spec": {"kind": "rack", "budget": watts, "nodeNames": list(names), "node": node},
    }
    return msgspec.convert(body, PowerDomainObject)


def look(books, domains=(), samples=None, now=0.0, viewer=None, budgets=None):
    nodes, _ = books.everything()
    labels = [(name, node.labels) for name, node in sorted(nodes.items())]
    lie = lie_of(read_tree(domains, labels), nodes)
    return (viewer or Viewer(books)).look(lie, budgets or {}, samples or {}, now)


def test_bound_nominated_and_unstated_pods_are_counted_apart():
    pods = [
        seen_pod("p1", 50, "a"),
        seen_pod("p2", 30, "a"),
        seen_pod("p3", 20, nominated="a"),
        seen_pod("p4", None, "b", cpu="2"),
        seen_pod("over", 99, "a", phase="Succeeded"),
    ]
    found = look(filled([seen_node("a", 100), seen_node("b", 60)], pods), [rack(idle="100W", peak="300W")])
    assert found.seen.bound.tolist() == [80, 0]
    assert found.seen.nominated.tolist() == [20, 0]
    assert found.seen.keep.tolist() == [100, 0]
    assert found.unstated_pods == 1
    # A quarter of b's cores, of its 200 W above idle.
    assert found.base_mw.tolist() == [100_000, 150_000]
    assert found.seen.rows.limit.tolist() == [750]
    assert found.seen.free[:, 0].tolist() == [5000, 6000]


def test_pods_that_should_have_watts_and_have_none_are_counted_by_namespace_until_they_go():
    pods = [
        seen_pod("late", node="a"),
        seen_pod("job", node="a", owner="Job"),
        seen_pod("agent", node="a", owner="DaemonSet"),
        seen_pod("static", node="a", owner="Node"),
        seen_pod("given", 50, "a"),
        seen_pod("waiting"),
    ]
    books = filled([seen_node("a")], pods)
    assert look(books).without_watts == {"default": 2}
    assert look(books).unstated_pods == 4
    books.pods.sink(Batch(False, (("MODIFIED", seen_pod("waiting", node="a")), ("DELETED", pods[0]))))
    assert look(books).without_watts == {"default": 2}
    books.pods.sink(Batch(True, (("ADDED", seen_pod("given", 50, "a")),)))
    assert sum(look(books).without_watts.values()) == 0


def test_a_refused_pod_and_one_that_came_without_watts_are_looked_at_at_once_and_others_in_their_time():
    told = []
    books = Books(lambda: told.append(1))
    late = ("MODIFIED", seen_pod("late", node="a"))
    for change, calls in (
        (("ADDED", seen_pod("given", 50, "a")), 0),
        (("ADDED", seen_pod("late")), 0),
        (late, 1),
        (late, 1),
        (("ADDED", seen_pod("refused", 50, refused=True)), 2),
    ):
        books.pods.sink(Batch(False, (change,)))
        assert len(told) == calls, change


def test_a_pod_that_came_without_watts_lowers_what_its_node_and_rack_may_list_by_what_it_will_draw():
    nodes, domains = [seen_node("a", 100), seen_node("b", 60)], [rack(idle="100W", peak="300W", budget="260W")]
    before = look(filled(nodes), domains).seen
    after = look(filled(nodes, [seen_pod("late", node="b", cpu="2")]), domains).seen
    assert (before.cap.tolist(), after.cap.tolist()) == ([160, 160], [160, 110])
    assert (before.rows.limit.tolist(), after.rows.limit.tolist()) == ([800], [750])


def test_a_pod_that_states_too_few_watts_to_be_believed_counts_as_one_without_and_its_request_stays():
    nodes, domains = [seen_node("a", 100), seen_node("b", 60)], [rack(idle="100W", peak="300W", budget="260W")]
    lies = [seen_pod("none", 0, node="b", cpu="2"), seen_pod("few", 1, node="a", cpu="6")]
    books = filled(nodes, lies)
    found = look(books, domains)
    # A quarter and three quarters of 200 W; the request of 1 W the scheduler counts.
    assert found.base_mw.tolist() == [250_000, 150_000]
    assert found.seen.bound.tolist() == [1, 0]
    assert (found.unstated_pods, found.without_watts) == (2, {"default": 2})
    books.pods.sink(Batch(True, ()))
    assert look(books, domains).base_mw.tolist() == [100_000, 100_000]


def noting(pod, watts):
    return msgspec.structs.replace(
        pod, metadata=msgspec.structs.replace(pod.metadata, annotations=WattsNote(str(watts)))
    )


def test_watts_that_a_pod_notes_beyond_its_request_are_taken_off_what_its_node_and_rack_may_list():
    told = []
    nodes, domains = [seen_node("a", 100), seen_node("b", 60)], [rack(idle="100W", peak="300W", budget="260W")]
    books = filled(nodes, [seen_pod("given", 50, "a"), noting(seen_pod("more", 30, "a"), 45)])
    first = look(books, domains)
    assert first.seen.bound.tolist() == [80, 0]
    assert (first.seen.cap.tolist(), first.seen.rows.limit.tolist()) == ([145, 160], [785])
    books._tell = lambda: told.append(1)
    books.pods.sink(Batch(False, (("ADDED", noting(seen_pod("noted", node="b"), 70)),)))
    assert told, "its node's number has to fall at once"
    second = look(books, domains)
    assert second.seen.bound.tolist() == [80, 0]
    assert (second.seen.cap.tolist(), second.seen.rows.limit.tolist()) == ([145, 90], [715])
    assert (second.unstated_pods, sum(second.without_watts.values())) == (0, 0)
    books.pods.sink(Batch(False, (("DELETED", noting(seen_pod("noted", node="b"), 70)),)))
    assert look(books, domains).seen.cap.tolist() == [145, 160]


def test_a_note_of_less_than_the_request_lowers_nothing():
    books = filled([seen_node("a", 100)], [noting(seen_pod("given", 50, "a"), 5)])
    assert look(books, [rack(names=("a",))]).seen.rows.limit.tolist() == [1000]
    assert look(books).seen.bound.tolist() == [50]


def test_a_pod_of_cards_without_watts_counts_by_its_cards_until_it_goes():
    gpu = "nvidia.com/gpu"

    def book(pods):
        given = seen_node("a")
        offers = {**given.status.allocatable, gpu: "4"}
        return filled(
            [msgspec.structs.replace(given, status=msgspec.convert({"allocatable": offers}, SeenNodeStatus))], pods
        )

    def late(uid, cards):
        resources = {"requests": {"cpu": "1", gpu: str(cards)}}
        return msgspec.structs.replace(
            seen_pod(uid),
            spec=msgspec.convert({"nodeName": "a", "containers": [{"resources": resources}]}, GatedPodSpec),
        )

    # 4 cards of 700 W each of the 3,600 W above idle, and 100 W for each of 8 cores.
    domains = [rack(watts="9kW", names=["a"], idle="400W", peak="4kW")]
    books = book([late("p", 2), late("q", 1)])
    assert look(books, domains).base_mw.tolist() == [(400 + 3 * 700 + 2 * 100) * 1000]
    books.pods.sink(Batch(False, (("DELETED", late("p", 2)),)))
    assert look(books, domains).base_mw.tolist() == [(400 + 700 + 100) * 1000]
    books.pods.sink(Batch(True, (("ADDED", late("r", 40)),)))
    assert look(books, domains).base_mw.tolist() == [4_000_000]


def test_sums_follow_changes_deletions_and_whole_lists():
    books = filled([seen_node("a"), seen_node("b")], [seen_pod("p1", 50, "a"), seen_pod("p2", 30, "b")])
    books.pods.sink(Batch(False, (("MODIFIED", seen_pod("p1", 70, "a")), ("DELETED", seen_pod("p2", 30, "b")))))
    assert look(books).seen.bound.tolist() == [70, 0]
    books.pods.sink(Batch(True, (("ADDED", seen_pod("p3", 10, "b")),)))
    assert look(books).seen.bound.tolist() == [0, 10]
    books.pods.sink(Batch(False, (("MODIFIED", seen_pod("p3", 10, "b", phase="Failed")),)))
    assert look(books).seen.bound.tolist() == [0, 0]
    assert all(sums.pods == sums.watts == sums.cpu == 0 for sums in books.sums.values())


def test_a_node_that_is_gone_counts_for_as_long_as_pods_are_bound_to_it():
    books = filled([seen_node("a", 100), seen_node("b", 100)], [seen_pod("p", 70, "a")])
    shape = books.everything()[1]
    books.nodes.sink(Batch(False, (("DELETED", seen_node("a", 100)), ("DELETED", seen_node("b", 100)))))
    seen = look(books, [rack()]).seen
    assert (seen.names, seen.absent.tolist(), seen.bound.tolist(), seen.listed.tolist()) == (("a",), [True], [70], [0])
    assert seen.rows.load(seen.bound).tolist() == [70]
    assert books.everything()[1] != shape
    books.pods.sink(Batch(True, ()))
    assert look(books, [rack()]).seen.names == ()


def test_only_pods_that_the_scheduler_refused_and_may_schedule_are_waiting():
    gate = [{"name": "powerplane.dev/power"}]
    pods = [
        seen_pod("new", 50),
        seen_pod("refused", 50, refused=True),
        seen_pod("gated", 50, refused=True, schedulingGates=gate),
        seen_pod("expected", 50, refused=True, nominated="a"),
        seen_pod("plain", None, refused=True),
        seen_pod("alike", 50, refused=True),
        seen_pod("other", 50, refused=True, nodeSelector={"zone": "x"}),
    ]
    books = filled([seen_node("a", 50, labels={"zone": "x"}), seen_node("b")], pods)
    demands = look(books).seen.demands
    assert sorted((demand.watts, demand.count) for demand in demands) == [(50, 1), (50, 2)]
    allowed = look(books).seen.allowed
    single = next(demand for demand in demands if demand.count == 1)
    assert allowed[single.allowed_row].tolist() == [True, False]


def test_a_node_is_given_what_it_lacks_for_pods_that_are_nominated_to_it():
    pods = [
        seen_pod("p1", 60, "a"),
        seen_pod("moved", 50, nominated="a", refused=True),
        seen_pod("fits", 9, nominated="b"),
    ]
    seen = look(filled([seen_node("a", 80), seen_node("b", 80)], pods)).seen
    assert seen.keep.tolist() == [80, 9]
    assert [(each.watts, each.count, each.priority) for each in seen.demands] == [(30, 1, EXPECTED)]
    assert seen.allowed.tolist() == [[True, False]]
    leaving = msgspec.structs.replace(
        pods[0], metadata=msgspec.structs.replace(pods[0].metadata, deletion_timestamp="x")
    )
    assert look(filled([seen_node("a", 80), seen_node("b", 80)], [leaving, *pods[1:]])).seen.demands == ()


def test_taints_keep_waiting_pods_off_but_ours_does_not_count():
    taint = {"key": "gpu", "effect": "NoSchedule"}
    ours = {"key": CLOSED_TAINT, "effect": "NoSchedule"}
    books = filled(
        [seen_node("a", taints=[taint]), seen_node("b", taints=[ours]), seen_node("c", unschedulable=True)],
        [seen_pod("p", 50, refused=True)],
    )
    seen = look(books).seen
    assert seen.allowed[0].tolist() == [False, True, False]
    assert seen.closed.tolist() == [False, True, False]


def test_a_zero_or_a_capacity_of_its_own_is_untrue_and_no_key_is_not():
    nodes = [
        seen_node("a", 0),
        seen_node("b", 50, capacity=80),
        seen_node("c"),
        seen_node("d", 50),
        seen_node("e", None, 70),
    ]
    seen = look(filled(nodes)).seen
    assert seen.untrue.tolist() == [True, True, False, False, True]
    assert seen.listed.tolist() == [0, 50, 0, 50, 0]
    assert seen.upper.tolist() == [0, 80, 0, 50, 70]


def test_a_node_that_no_budget_holds_may_list_what_any_server_can_draw():
    seen = look(filled([seen_node("a")])).seen
    assert seen.cap.tolist() == [MOST_WATTS]
    assert seen.rows.limit.tolist() == []


def test_budgets_of_nodes_and_policies_and_drift_lower_what_is_left():
    books = filled([seen_node("a"), seen_node("b")], [seen_pod("p", 40, "a")])
    domains = [rack(idle="100W", peak="500W", budget="300W")]
    viewer = Viewer(books)
    assert look(books, domains, viewer=viewer).seen.cap.tolist() == [200, 200]
    found = look(books, domains, {"a": Sample(190_000, 1.0)}, 1.0, viewer, {"r1": 600_000})
    assert found.base_mw.tolist() == [150_000, 100_000]
    assert found.seen.cap.tolist() == [150, 200]
    assert found.seen.rows.limit.tolist() == [350]
    stale = look(books, domains, {"a": Sample(190_000, 1.0)}, 100.0, viewer)
    assert stale.base_mw.tolist() == [460_000, 100_000]


def test_halves_of_a_watt_are_rounded_against_us():
    seen = look(filled([seen_node("a"), seen_node("b")]), [rack("1000W", idle="100.001W", budget="200W")]).seen
    assert seen.rows.limit.tolist() == [799]
    assert seen.cap.tolist() == [99, 99]


class Recorder:
    """Answers as told, and keeps what it was asked."""

    def __init__(self, status=200):
        self.status, self.asked = status, []

    def patch_node_status(self, *args):
        self.asked.append(args)
        return Written(self.status, b"")

    def merge_patch(self, *args):
        self.asked.append(args)
        return Written(self.status, b"")


def test_both_numbers_are_written_for_the_version_that_was_seen_and_zero_removes_the_key():
    recorder = Recorder()
    assert carry_out(recorder, Write("a", "7", "watts", 120), None)[0] == "done"
    carry_out(recorder, Write("a", "8", "watts", 0), None)
    assert recorder.asked == [("a", {WATTS: "120"}, None, "7"), ("a", {WATTS: None}, None, "8")]


def test_closing_and_opening_keep_the_taints_of_others():
    other = {"key": "gpu", "effect": "NoSchedule", "timeAdded": "2026-01-01T00:00:00Z"}
    recorder = Recorder()
    node = node_fact(seen_node("a", version="7", taints=[other]))
    carry_out(recorder, Write("a", "7", "close"), node)
    body = recorder.asked[0][1]
    assert body["metadata"] == {"resourceVersion": "7"}
    assert body["spec"]["taints"] == [other, {"key": CLOSED_TAINT, "effect": "NoSchedule"}]
    closed = node_fact(seen_node("a", version="8", taints=body["spec"]["taints"]))
    assert closed.closed
    carry_out(recorder, Write("a", "8", "open"), closed)
    assert recorder.asked[1][1]["spec"]["taints"] == [other]
    assert carry_out(recorder, Write("a", "9", "open"), closed) == ("refused", "the node has changed")


@pytest.mark.parametrize(
    ("status", "outcome"), [(200, "done"), (409, "refused"), (404, "refused"), (0, "unknown"), (504, "unknown")]
)
def test_only_what_is_sure_counts_as_refused(status, outcome):
    assert outcome_of(Written(status, b"")) == outcome


def test_a_look_at_five_thousand_nodes_is_quick_enough_for_a_tick():
    nodes = [seen_node(f"n{i:04d}", 100) for i in range(5000)]
    pods = [seen_pod(f"p{i}", 5, f"n{i % 5000:04d}") for i in range(20_000)]
    books = filled(nodes, pods)
    names = sorted(books.nodes.kept)
    lie = lie_of(read_tree([rack("500000W", tuple(names[:2000]))], [(name, {}) for name in names]), books.nodes.kept)
    viewer = Viewer(books)
    started = time.process_time()
    seen = viewer.look(lie, {}, {}, 0.0).seen
    assert time.process_time() - started < 1.5
    assert int(seen.bound.sum()) == 100_000
    assert np.all(seen.listed == 100)
