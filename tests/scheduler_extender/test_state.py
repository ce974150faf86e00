import asyncio

import msgspec
import pytest
from tests.scheduler_extender.small import W, ask, fact, offered, topology, tree, waiting
from tests.scheduler_extender.small_state import NAMES, RACKS, state_of

from powerplane.models.pod_watts import PREDICTED_ANNOTATION
from powerplane.models.power_tree import NodeFigures, compile_tree
from powerplane.models.requests import WATTS_RESOURCE
from powerplane.scheduler_extender.choosing import AMPLE, CROWD
from powerplane.scheduler_extender.facts import UNREADABLE_MW, SeenPod, pod_fact
from powerplane.scheduler_extender.rules import HoldRules
from powerplane.scheduler_extender.trust import TrustRules
from powerplane.scheduler_extender.wire import BindArgs, PreemptArgs, Victims


def test_a_pod_without_watts_passes_everywhere(clock):
    state = state_of(tree(RACKS), clock)
    assert state.filter(ask(waiting("p", None), NAMES)).names is None
    assert state.ledger.holds == {}


def seen(uid, node="", watts=None, noted=None):
    """A pod as the watch's JSON brings it."""
    requests = {} if watts is None else {WATTS_RESOURCE: str(watts)}
    annotations = {"a": "b"} | ({} if noted is None else {PREDICTED_ANNOTATION: str(noted)})
    body = {
        "metadata": {"name": uid, "namespace": "default", "uid": uid, "annotations": annotations},
        "spec": {"nodeName": node, "containers": [{"resources": {"requests": requests}}]},
    }
    return pod_fact(msgspec.json.decode(msgspec.json.encode(body), type=SeenPod))


def test_watts_that_are_noted_on_a_pod_hold_and_count_like_requested_ones(clock):
    state = state_of(tree(RACKS, rack_w=500), clock)
    answer = state.filter(ask(waiting("p", None, annotations={PREDICTED_ANNOTATION: "100"}), NAMES))
    assert answer.names is not None
    assert state.ledger.holds["p"].mw.tolist() == [100 * W] * len(answer.names)
    state.see_pod(seen("p", "a", noted=100))
    assert state.ledger.used_mw.tolist() == [100 * W, 0, 0, 0]
    assert (state.ledger.silent_pods, sum(state.ledger.without_watts.values())) == (0, 0)


def test_of_a_pods_note_and_request_the_larger_counts(clock):
    state = state_of(tree(RACKS), clock)
    for uid, watts, noted in (("low", 100, 5), ("high", 100, 150), ("garbage", 100, "a lot")):
        state.see_pod(seen(uid, "b", watts, noted))
    assert state.ledger.used_mw.tolist() == [0, 350 * W, 0, 0]


def test_with_ample_room_every_node_is_offered(clock):
    state = state_of(tree(RACKS, rack_w=100 * (AMPLE + 1)), clock)
    assert state.filter(ask(waiting("p", 100), NAMES)).names is None


def test_with_little_room_the_node_that_the_pod_fills_best_is_offered_alone(clock):
    state = state_of(tree(RACKS, rack_w=500), clock)
    state.see_pod(fact("x", "c", 150))
    assert offered(state.filter(ask(waiting("p", 100), NAMES)), NAMES) in (("c",), ("d",))


def test_a_pod_that_did_not_get_where_it_was_let_is_let_elsewhere_next(clock):
    state = state_of(tree(RACKS, rack_w=500), clock)
    seen = []
    for version in range(1, 5):
        (name,) = offered(state.filter(ask(waiting("p", 100, resource_version=str(2 * version)), NAMES)), NAMES)
        assert name not in seen[-1:]
        seen.append(name)
        state.see_pod(fact("p", refusal=f"no node: {version}", version=2 * version + 1))
    assert offered(state.filter(ask(waiting("p", 100), ("a",))), ("a",)) == ("a",)
    assert offered(state.filter(ask(waiting("p", 100), ("a",))), ("a",)) == ("a",)


def test_two_pods_never_get_the_same_headroom(clock):
    state = state_of(tree(RACKS, rack_w=150), clock)
    first = offered(state.filter(ask(waiting("p", 100), NAMES)), NAMES)
    second = offered(state.filter(ask(waiting("q", 100), NAMES)), NAMES)
    third = state.filter(ask(waiting("r", 100), NAMES))
    assert set(first) <= set("ab") if set(second) <= set("cd") else set(first) <= set("cd")
    assert third.names == ()
    assert set(third.failed) | set(third.unresolvable) == set(NAMES)


def test_the_same_pod_asked_about_again_is_charged_once(clock):
    state = state_of(tree(RACKS, rack_w=150), clock)
    for _ in range(5):
        assert offered(state.filter(ask(waiting("p", 100), NAMES)), NAMES)
    assert len(state.ledger.holds) == 1


def test_a_bound_pod_takes_the_place_of_its_hold(clock):
    state = state_of(tree(RACKS, rack_w=150), clock)
    state.filter(ask(waiting("p", 100), ("a", "b")))
    state.see_pod(fact("p", "a", 100))
    assert state.ledger.holds == {}
    assert state.filter(ask(waiting("q", 100), ("b",))).names == ()


@pytest.mark.parametrize("ends", ["gone", "finished", "refused", "leaving"])
def test_a_hold_ends_when_its_pod_will_not_be_bound(clock, ends):
    state = state_of(tree(RACKS, rack_w=150), clock)
    state.filter(ask(waiting("p", 100), ("a",)))
    if ends == "gone":
        state.lose_pod("p")
    else:
        state.see_pod(fact("p", "", 100, **({"refusal": "no node"} if ends == "refused" else {ends: True})))
    assert state.ledger.holds == {}


def test_a_refusal_from_before_the_filter_lets_nothing_go(clock):
    state = state_of(tree(RACKS, rack_w=150), clock)
    state.filter(ask(waiting("p", 100, resource_version="7"), ("a",)))
    state.see_pod(fact("p", refusal="no node", version=7))
    assert "p" in state.ledger.holds


def test_a_refusal_that_stood_there_already_lets_nothing_go_and_another_does(clock):
    state = state_of(tree(RACKS, rack_w=150), clock)
    state.filter(ask(waiting("p", 100, resource_version="7", refusal="0/4 nodes"), ("a",)))
    state.see_pod(fact("p", refusal="0/4 nodes", version=8))
    assert "p" in state.ledger.holds
    state.see_pod(fact("p", refusal="0/5 nodes", version=9))
    assert "p" not in state.ledger.holds


def test_a_nomination_that_stood_there_already_narrows_nothing_and_a_new_one_does(clock):
    state = state_of(tree(RACKS, rack_w=10**5), clock)
    state.filter(ask(waiting("p", 100, resource_version="7", nominated="a"), NAMES))
    state.see_pod(fact("p", nominated="a", version=8))
    assert len(state.ledger.holds["p"].nodes) == 4
    state.see_pod(fact("p", nominated="c", version=9))
    assert state.ledger.holds["p"].nodes.tolist() == [2]


def test_a_hold_lapses_but_not_while_the_watch_is_out_of_step(clock):
    state = state_of(tree(RACKS), clock, rules=HoldRules(lapse_s=30))
    state.filter(ask(waiting("p", 100), ("a",)))
    clock.now += 31
    assert state.lapse(seen_until_s=clock.now - 2) == 0
    assert state.lapse(seen_until_s=clock.now) == 1
    assert state.ledger.holds == {}


def test_a_nominated_pod_counts_on_its_node_alone(clock):
    state = state_of(tree(RACKS, rack_w=150), clock)
    state.filter(ask(waiting("p", 100), NAMES))
    state.see_pod(fact("p", nominated="c", refusal="no node", version=9))
    assert state.ledger.holds["p"].nodes.tolist() == [2]


def test_unknown_nodes_are_refused_with_a_reason(clock):
    state = state_of(tree(RACKS), clock)
    answer = state.filter(ask(waiting("p", 100), ("stranger",)))
    assert answer.names == ()
    assert list(answer.unresolvable) == ["stranger"]


def test_reasons_are_few_and_without_numbers(clock):
    state = state_of(tree({f"r{i}": [f"n{i}", f"m{i}"] for i in range(20)}, rack_w=50, node_w=40), clock)
    names = [node.name for node in state.ledger.tree.nodes]
    answer = state.filter(ask(waiting("p", 100), names))
    reasons = set(answer.failed.values()) | set(answer.unresolvable.values())
    assert len(reasons) == 1
    assert not any(letter.isdigit() for reason in reasons for letter in reason)


def test_where_pods_of_lower_priority_are_in_the_way_preemption_may_help_elsewhere_not(clock):
    state = state_of(tree(RACKS, node_w=100), clock)
    state.see_pod(fact("low", "a", 80, priority=1))
    state.see_pod(fact("equal", "b", 80, priority=5))
    pod = msgspec.structs.replace(waiting("p", 100), spec=msgspec.structs.replace(waiting("p", 100).spec, priority=5))
    answer = state.filter(ask(pod, ("a", "b")))
    assert set(answer.failed) == {"a"}
    assert set(answer.unresolvable) == {"b"}


def test_a_tree_that_is_none_lets_nobody_in(clock):
    state = state_of(tree(RACKS), clock)
    state.use_tree(compile_tree(None, ()), holds=False)
    assert state.filter(ask(waiting("p", 100), NAMES)).error


def test_a_request_that_cannot_be_read_fits_nowhere(clock):
    state = state_of(tree(RACKS), clock)
    answer = state.filter(ask(waiting("p", "1e99"), NAMES))
    assert answer.names == ()
    assert UNREADABLE_MW > 10**9


def test_a_namespace_whose_pods_are_never_bound_holds_little(clock):
    rules = HoldRules(lapse_s=30, trust=TrustRules(lapses=4, holds=2, within_s=300))
    state = state_of(tree(RACKS, rack_w=10**5), clock, rules=rules)
    for number in range(6):
        assert not state.filter(ask(waiting(f"p{number}"), NAMES)).error
    clock.now += 31
    state.lapse(seen_until_s=clock.now)
    assert not state.filter(ask(waiting("p6"), NAMES)).error
    assert not state.filter(ask(waiting("p7"), NAMES)).error
    assert "never bound" in state.filter(ask(waiting("p8"), NAMES)).error
    assert not state.filter(ask(waiting("p7"), NAMES)).error
    assert not state.filter(ask(waiting("other", namespace="else"), NAMES)).error
    clock.now += 301
    assert not state.filter(ask(waiting("p8"), NAMES)).error


def test_where_only_nodes_are_small_pods_on_their_way_are_offered_different_nodes(clock):
    racks = {f"r{i}": [f"n{i}-{j}" for j in range(40)] for i in range(10)}
    names = [name for nodes in racks.values() for name in nodes]
    state = state_of(tree(racks, node_w=150, rack_w=10**5), clock)
    taken = set()
    for number in range(8):
        offer = offered(state.filter(ask(waiting(f"p{number}", 100), names)), names)
        assert len(offer) >= 4
        assert not taken & set(offer)
        taken |= set(offer)


def test_once_many_pods_are_on_their_way_each_is_offered_a_node_of_its_own_across_the_racks(clock):
    racks = {f"r{i}": [f"n{i}-{j}" for j in range(40)] for i in range(10)}
    names = [name for nodes in racks.values() for name in nodes]
    state = state_of(tree(racks, node_w=150, rack_w=10**5), clock)
    offers = [offered(state.filter(ask(waiting(f"p{number}", 100), names)), names) for number in range(48)]
    single = [offer[0] for offer in offers[CROWD:]]
    assert all(len(offer) == 1 for offer in offers[CROWD:])
    assert len(set(single)) == len(single)
    assert len({name.partition("-")[0] for name in single}) >= 7


# -- scores, preemption, binding, waking


def test_scores_are_within_bounds_and_follow_the_headroom_of_forty_nodes(clock):
    racks = {f"r{i:02}": [f"n{i:02}"] for i in range(40)}
    figures = [NodeFigures(f"n{i:02}", (i + 2) * 100 * W) for i in range(40)]
    state = state_of(compile_tree(topology(racks, rack_w=10**5), figures), clock)
    names = [figure.name for figure in figures]
    found = {each["Host"]: each["Score"] for each in msgspec.json.decode(state.prioritize(ask(waiting("p"), names)))}
    assert set(found) == set(names)
    assert all(0 <= score <= 10 for score in found.values())
    assert [found[name] for name in names] == sorted(found.values())
    assert len(set(found.values())) > 4


def test_a_proposal_that_leaves_the_rack_full_is_added_to_or_dropped(clock):
    state = state_of(tree(RACKS, rack_w=300), clock)
    for uid, node, watts in (("a1", "a", 100), ("a2", "a", 100), ("b1", "b", 100), ("c1", "c", 300)):
        state.see_pod(fact(uid, node, watts))
    pod = msgspec.structs.replace(waiting("p", 200), spec=msgspec.structs.replace(waiting("p", 200).spec, priority=9))
    answer = state.preempt(PreemptArgs(pod, {"a": Victims(("a1",)), "b": Victims(("b1",)), "c": Victims(())}))
    assert {node: set(victims.uids) for node, victims in answer.victims.items()} == {"a": {"a1", "a2"}, "c": {"c1"}}


def test_binding_holds_the_node_alone_and_refuses_what_does_not_fit(clock):
    done = []

    async def bind(args):
        done.append(args.node)
        return ""

    state = state_of(tree(RACKS, rack_w=10**5), clock, bind=bind)
    state.filter(ask(waiting("p", 100), NAMES))
    assert asyncio.run(state.bind(BindArgs("p", "default", "p", "b"))) == ""
    assert state.ledger.holds["p"].nodes.tolist() == [1]
    assert asyncio.run(state.bind(BindArgs("q", "default", "q", "b"))) != ""
    state.see_pod(fact("q", watts=10**6))
    assert asyncio.run(state.bind(BindArgs("q", "default", "q", "b"))) != ""
    assert done == ["b"]


def test_without_the_right_to_bind_it_says_so(clock):
    assert "bindVerb" in asyncio.run(state_of(tree(RACKS), clock).bind(BindArgs("p", "default", "p", "b")))


def test_a_refused_pod_is_woken_once_when_room_comes_and_not_for_nothing(clock):
    state = state_of(tree(RACKS, rack_w=150), clock)
    state.see_pod(fact("x", "a", 100))
    state.see_pod(fact("y", "c", 100))
    assert state.filter(ask(waiting("p", 100), NAMES)).names == ()
    assert state.waking.node(state.ledger) is None
    state.lose_pod("y")
    assert state.waking.node(state.ledger) in ("c", "d")
    assert state.waking.node(state.ledger) is None
    state.see_pod(fact("p", "c", 100))
    state.lose_pod("x")
    assert state.waking.node(state.ledger) is None


def test_a_raised_budget_wakes(clock):
    state = state_of(tree(RACKS, rack_w=50), clock)
    assert state.filter(ask(waiting("p", 100), NAMES)).names == ()
    state.use_tree(tree(RACKS, rack_w=150))
    assert state.waking.node(state.ledger) is not None


def test_the_resource_is_spelled_as_the_cluster_spells_it():
    assert WATTS_RESOURCE == "powerplane.dev/watts"
