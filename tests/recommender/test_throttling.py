"""Who is held down in place, and how far: what must hold whatever pods there are."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.models.snapshots import BENT, LINE, TinyNode, TinyPod, rack, tiny_snapshot

from powerplane.models.cpu_limits import ContainerCpu, cpus_of, qos_of
from powerplane.models.draws import node_draws_mw
from powerplane.models.objects import Pod
from powerplane.recommender.narrowing import overload_mw
from powerplane.recommender.throttle_candidates import candidate_of
from powerplane.recommender.throttle_check import faults_of, pod_faults
from powerplane.recommender.throttling import choose, lowered


def pod(name="p0", containers=(("1", None),), memory=None, annotations=None, restarts=(), statuses=True, **more):
    """A running pod; of each container its request and limit in CPU."""
    owner = {"kind": more.pop("kind", "ReplicaSet"), "name": "o", "uid": "o", "controller": True}
    namespace = more.pop("namespace", "default")

    def resources(request, limit):
        both = {"requests": request, "limits": limit}
        return {
            kind: {"cpu": cpu} | ({"memory": memory} if memory else {})
            for kind, cpu in both.items()
            if cpu is not None or memory
            if cpu is not None
        }

    made = []
    for i, (request, limit) in enumerate(containers):
        policy = [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}] if i in restarts else []
        made.append({"name": f"c{i}", "resources": resources(request, limit), "resizePolicy": policy})
    told = [{"name": each["name"], "resources": each["resources"]} for each in made] if statuses else []
    return msgspec.convert(
        {
            "metadata": {
                "name": name,
                "namespace": namespace,
                "uid": f"uid-{name}",
                "annotations": annotations or {},
                "ownerReferences": [owner],
            },
            "spec": {"containers": made, **more},
            "status": {"phase": "Running", "containerStatuses": told},
        },
        Pod,
    )


def milli(amount):
    return f"{amount}m"


@st.composite
def clusters(draw):
    """Nodes with pods on them, some of several containers, under a budget that they break or keep."""
    count = draw(st.integers(1, 3))
    nodes = [TinyNode(f"n{i}", curve=draw(st.sampled_from((LINE, BENT)))) for i in range(count)]
    pods, tiny = [], []
    for i in range(draw(st.integers(1, 8))):
        containers = []
        for _ in range(draw(st.integers(1, 3))):
            request = draw(st.integers(1, 1500))
            limit = draw(st.none() | st.just(request) | st.integers(request, 3000))
            containers.append((milli(request), None if limit is None else milli(limit)))
        memory = draw(st.sampled_from((None, "1Gi")))
        restarts = draw(st.sampled_from(((), (), (0,))))
        made = pod(f"p{i}", containers, memory, restarts=restarts)
        asked = sum(each.request for each in cpus_of(made.spec)) / 1000
        use = draw(st.floats(0, 1.5)) * asked
        tiny.append(TinyPod(f"p{i}", f"n{i % count}", use=use, priority=draw(st.integers(0, 2))))
        pods.append(made)
    plain = tiny_snapshot(nodes, tiny)
    share = draw(st.floats(0.5, 1.1))
    budget = float(node_draws_mw(plain).sum()) / 1000 * share
    own = draw(st.none() | st.floats(80, 300))
    nodes[0] = TinyNode("n0", curve=nodes[0].curve, budget_watts=own)
    return tiny_snapshot(nodes, tiny, [rack("r1", [node.name for node in nodes], budget)]), pods


def candidates(snapshot, pods):
    table = snapshot.pods
    found = [
        candidate_of(
            each,
            row,
            int(table.node[row]),
            snapshot.templates[table.template[row]].priority,
            int(table.use_ucores[row]),
        )
        for row, each in enumerate(pods)
    ]
    return [each for each in found if each is not None]


def by_uid(snapshot, pods):
    return dict(zip(snapshot.pods.uids, pods, strict=True))


def matched(snapshot, pods):
    """The same pods under the UIDs of the snapshot."""
    return [
        msgspec.structs.replace(each, metadata=msgspec.structs.replace(each.metadata, uid=uid))
        for uid, each in zip(snapshot.pods.uids, pods, strict=True)
    ]


@settings(max_examples=80, deadline=None)
@given(clusters())
def test_nobody_is_left_less_than_may_be_nobody_is_given_more_and_no_qos_class_changes(cluster):
    snapshot, pods = cluster[0], matched(*cluster)
    cuts = choose(snapshot, candidates(snapshot, pods))
    found = by_uid(snapshot, pods)
    for cut in cuts:
        own = found[cut.candidate.uid]
        now = {each.container: each for each in cpus_of(own.spec)}
        for each in cut.cpus:
            had = now[each.container]
            assert each.limit is not None
            assert had.limit is None or each.limit <= had.limit
            assert each.limit >= min(had.floor, had.limit or had.floor)
            assert (each.request or 0) <= (had.request or 0)
            assert each.request is None or each.request <= each.limit
        given_now = {each.container: each for each in cut.cpus}
        assert qos_of(own.spec, tuple(given_now.get(name, each) for name, each in now.items())) == qos_of(own.spec)
    assert faults_of(snapshot, lowered(snapshot, cuts), found, cuts) == ()


@settings(max_examples=80, deadline=None)
@given(clusters())
def test_what_is_foretold_covers_the_excess_or_nobody_who_is_left_could_lose_more(cluster):
    snapshot, pods = cluster[0], matched(*cluster)
    every = candidates(snapshot, pods)
    cuts = choose(snapshot, every)
    after = lowered(snapshot, cuts)
    before_mw = node_draws_mw(snapshot)
    assert (node_draws_mw(after) <= before_mw).all()
    assert sum(cut.watts_mw for cut in cuts) == int(before_mw.sum() - node_draws_mw(after).sum())
    if overload_mw(after):
        # Whoever could help is at its lowest.
        lowest = [each.row for each in every if each.spare]
        floor = after.pods.use_ucores.copy()
        for each in every:
            floor[each.row] = min(int(floor[each.row]), max(each.lowest * 1000, 0))
        assert overload_mw(after) <= overload_mw(snapshot)
        least = lowered(snapshot, cuts)
        least.pods.use_ucores[:] = floor
        assert lowest == [] or overload_mw(least) == overload_mw(after)


@settings(max_examples=40, deadline=None)
@given(clusters(), st.randoms(use_true_random=False))
def test_the_choice_is_the_same_in_whatever_order_pods_come(cluster, random):
    snapshot, pods = cluster[0], matched(*cluster)
    every = candidates(snapshot, pods)
    shuffled = list(every)
    random.shuffle(shuffled)
    assert choose(snapshot, every) == choose(snapshot, shuffled)


@settings(max_examples=40, deadline=None)
@given(clusters())
def test_without_any_excess_nobody_is_held_down_and_no_cut_is_deeper_than_needed(cluster):
    snapshot, pods = cluster[0], matched(*cluster)
    cuts = choose(snapshot, candidates(snapshot, pods))
    if not overload_mw(snapshot):
        assert cuts == ()
    after = lowered(snapshot, cuts)
    if cuts and not overload_mw(after):
        last = max(cuts, key=lambda cut: (cut.candidate.priority, cut.candidate.uid))
        shallower = after.pods.use_ucores.copy()
        shallower[last.candidate.row] = snapshot.pods.use_ucores[last.candidate.row]
        undone = lowered(snapshot, [cut for cut in cuts if cut is not last])
        assert np.array_equal(undone.pods.use_ucores, shallower)


def test_pods_of_low_priority_lose_first_and_among_them_those_whose_core_is_worth_most():
    nodes = [TinyNode("flat", curve=BENT), TinyNode("steep", curve=BENT)]
    # At a use of 0.4 cores of four the bent curve is steep, above 2 cores it is flat.
    tiny = [
        TinyPod("steep", "steep", cpu=0.4),
        TinyPod("flat", "flat", cpu=1),
        TinyPod("other", "flat", cpu=3, priority=9),
        TinyPod("high", "steep", cpu=0.0, use=0.0, priority=9),
    ]
    plain = tiny_snapshot(nodes, tiny)
    total = float(node_draws_mw(plain).sum()) / 1000
    snapshot = tiny_snapshot(nodes, tiny, [rack("r1", ["flat", "steep"], total - 10)])
    pods = matched(snapshot, [pod("steep", [("400m", None)]), pod("flat"), pod("other", [("3", None)]), pod("high")])
    (cut,) = choose(snapshot, candidates(snapshot, pods))
    assert pods[0].metadata.uid == cut.candidate.uid
    assert not overload_mw(lowered(snapshot, (cut,)))


@pytest.mark.parametrize("spared", ["a", "b"])
def test_of_pods_of_one_priority_those_go_first_that_do_less_with_a_watt(spared):
    tiny = [TinyPod("a", "n", cpu=1), TinyPod("b", "n", cpu=1)]
    nodes = [TinyNode("n", curve=BENT)]
    total = float(node_draws_mw(tiny_snapshot(nodes, tiny)).sum()) / 1000
    snapshot = tiny_snapshot(nodes, tiny, [rack("r1", ["n"], total - 5)])
    pods = matched(snapshot, [pod("a"), pod("b")])
    names = {each.metadata.uid: each.metadata.name for each in pods}
    found = [replace(each, worth=500 * (names[each.uid] == spared)) for each in candidates(snapshot, pods)]
    (cut,) = choose(snapshot, found)
    assert names[cut.candidate.uid] != spared


def test_a_pod_that_is_held_down_already_goes_no_lower_than_half_of_what_it_asked_for_at_first():
    note = '{"cpu":[{"container":"c0","requestMilli":1000}],"usedMilli":1000}'
    throttled = pod("p", [("600m", "600m")], annotations={"powerplane.dev/throttled": note})
    made = candidate_of(throttled, 0, 0, 0, 600_000)
    assert made.lowest == 500
    assert made.at(500) == (ContainerCpu("c0", 500, 500),)


def test_requests_stay_below_limits_where_the_pod_would_become_guaranteed():
    burstable = pod("p", [("1", "2")], memory="1Gi")
    made = candidate_of(burstable, 0, 0, 0, 2_000_000)
    (cpu,) = made.at(800)
    assert (cpu.request, cpu.limit) == (799, 800)
    assert list(pod_faults(burstable, (ContainerCpu("c0", 800, 800),))) == ["its QoS class changes"]


def test_a_guaranteed_pod_stays_so():
    guaranteed = pod("p", [("1", "1")], memory="1Gi")
    assert candidate_of(guaranteed, 0, 0, 0, 1_000_000).at(700) == (ContainerCpu("c0", 700, 700),)


@pytest.mark.parametrize(
    "left_alone",
    [
        pod("p", [("1", None)], restarts=(0,)),
        pod("p", [(None, None)]),
        pod("p", [("1", None)], statuses=False),
        pod("p", [("1", None)], annotations={"powerplane.dev/do-not-disrupt": "true"}),
        pod("p", [("1", None)], annotations={"powerplane.dev/do-not-disrupt": "true"}, kind="DaemonSet"),
        pod("p", [("1", None)], namespace="kube-system"),
        pod("p", [("1", None)], resources={"requests": {"cpu": "2"}}),
        pod("p", [("1", None)], initContainers=[{"name": "side", "restartPolicy": "Always"}]),
    ],
    ids=[
        "restarts",
        "asks for nothing",
        "kubelet does not resize",
        "do not disrupt",
        "do not disrupt a DaemonSet's",
        "the system's",
        "pod level",
        "sidecar unbounded",
    ],
)
def test_pods_whose_use_cannot_be_bounded_in_place_are_left_alone(left_alone):
    assert candidate_of(left_alone, 0, 0, 0, 1_000_000) is None


def test_containers_that_would_be_restarted_keep_what_they_have_and_count_with_their_limit():
    made = candidate_of(pod("p", [("1", "2"), ("1", "1")], restarts=(0,)), 0, 0, 0, 3_000_000)
    assert made.lowest == 2500
    assert made.at(2700) == (ContainerCpu("c1", 700, 700),)


def test_the_limit_of_a_sidecar_counts_beside():
    side = {"name": "side", "restartPolicy": "Always", "resources": {"limits": {"cpu": "250m"}}}
    assert candidate_of(pod("p", initContainers=[side]), 0, 0, 0, 1_000_000).lowest == 750


@pytest.mark.parametrize(
    ("new", "told"),
    [
        (ContainerCpu("c0", 1000, 3000), "limit raised"),
        (ContainerCpu("c0", 1500, 1500), "request raised"),
        (ContainerCpu("c0", 900, 800), "more than it may use"),
        (ContainerCpu("c0", 400, 400), "left less"),
        (ContainerCpu("c0", None, 800), "taken away"),
        (ContainerCpu("c0", 800, None), "limit raised"),
        (ContainerCpu("c9", 800, 800), "no container"),
    ],
)
def test_the_checker_finds_what_may_not_be(new, told):
    assert any(told in each for each in pod_faults(pod("p", [("1", "2")]), (new,)))
