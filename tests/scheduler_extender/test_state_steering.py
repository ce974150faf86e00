import msgspec
from tests.scheduler_extender.small import ask, fact, offered, tree, waiting
from tests.scheduler_extender.small_state import NAMES, RACKS, state_of

from powerplane.models.api.placement_plan import PlacementPlanObject
from powerplane.scheduler_extender.reasons import BEHIND
from powerplane.scheduler_extender.state import ExtenderState
from powerplane.scheduler_extender.steering import moves_of


def plan_of(*moves, name="plan"):
    """A plan of moves: (uid, owner, source, target, watts)."""
    return msgspec.convert(
        {
            "metadata": {"name": name},
            "spec": {
                "expiresAt": "2030-01-01T00:00:00Z",
                "moves": [
                    {
                        "namespace": "default",
                        "pod": uid,
                        "uid": uid,
                        "ownerUid": owner,
                        "from": source,
                        "to": to,
                        "watts": watts,
                    }
                    for uid, owner, source, to, watts in moves
                ],
            },
        },
        PlacementPlanObject,
    )


def see(state, plan, until_s=10**6):
    state.see_plan(plan.metadata.name, moves_of(plan), until_s)


def test_the_successor_of_a_moved_pod_is_offered_its_target_alone(clock):
    state = state_of(tree(RACKS, rack_w=10**5), clock)
    state.see_pod(fact("old", "a", 100, owner="rs"))
    see(state, plan_of(("old", "rs", "a", "d", 100)))
    state.see_pod(fact("too-early", owner="rs"))
    assert state.filter(ask(waiting("too-early", owner="rs"), NAMES)).names is None
    state.see_pod(fact("old", "a", 100, owner="rs", leaving=True))
    assert state.filter(ask(waiting("new", owner="rs"), NAMES)).names == ("d",)
    assert state.filter(ask(waiting("more", owner="rs"), NAMES)).names is None
    state.see_pod(fact("new", "d", 100, owner="rs"))
    assert (state.tallies.steered, len(state.steering)) == (1, 0)


def test_a_successor_that_comes_before_the_news_of_its_leaver_is_told_to_come_again(clock):
    state = state_of(tree(RACKS, rack_w=10**5), clock)
    state.see_pod(fact("old", "a", 100, owner="rs"))
    see(state, plan_of(("old", "rs", "a", "d", 100)))
    assert state.filter(ask(waiting("new", owner="rs"), NAMES)).error == BEHIND
    assert not state.filter(ask(waiting("other", owner="else"), NAMES)).error
    state.lose_pod("old")
    assert state.filter(ask(waiting("new", owner="rs"), NAMES)).names == ("d",)


def test_the_target_is_kept_free_for_the_successor(clock):
    state = state_of(tree(RACKS, rack_w=150), clock)
    see(state, plan_of(("old", "rs", "a", "d", 100)))
    assert state.filter(ask(waiting("other"), ("c", "d"))).names == ()
    assert state.filter(ask(waiting("new", owner="rs"), NAMES)).names == ("d",)


def test_a_successor_that_fails_leaves_the_target_free_for_the_next(clock):
    state = state_of(tree(RACKS, rack_w=150), clock)
    see(state, plan_of(("old", "rs", "a", "d", 100)))
    assert state.filter(ask(waiting("new", owner="rs"), NAMES)).names == ("d",)
    state.lose_pod("new")
    assert state.filter(ask(waiting("other"), ("c", "d"))).names == ()
    assert state.filter(ask(waiting("next", owner="rs"), NAMES)).names == ("d",)


def test_steering_is_soft_where_the_target_is_not_to_be_had(clock):
    state = state_of(tree(RACKS, rack_w=10**5), clock)
    see(state, plan_of(("old", "rs", "a", "d", 100)))
    assert offered(state.filter(ask(waiting("new", owner="rs"), ("a", "b"))), ("a", "b")) == ("a", "b")


def test_a_successor_asked_about_for_another_node_alone_is_sent_back_once(clock):
    state = state_of(tree(RACKS, rack_w=10**5), clock)
    see(state, plan_of(("old", "rs", "a", "d", 100)))
    assert state.filter(ask(waiting("new", owner="rs"), ("b",))).error
    assert state.filter(ask(waiting("new", owner="rs"), NAMES)).names == ("d",)
    assert state.filter(ask(waiting("new", owner="rs"), ("b",))).names is None
    state.lose_pod("new")
    assert state.filter(ask(waiting("next", owner="rs"), ("b",))).error


def test_moves_and_nominated_pods_seen_before_the_nodes_are_held_once_these_are_known(clock):
    state = ExtenderState(clock)
    see(state, plan_of(("old", "rs", "a", "d", 100)))
    state.see_pod(fact("p", nominated="b"))
    assert state.ledger.holds == {}
    state.use_tree(tree(RACKS, rack_w=150))
    assert {key: hold.nodes.tolist() for key, hold in state.ledger.holds.items()} == {"move:plan/old": [3], "p": [1]}


def test_a_bare_successor_of_the_same_name_is_steered_too(clock):
    state = state_of(tree(RACKS, rack_w=10**5), clock)
    see(state, plan_of(("web-0", "", "a", "c", 100)))
    assert state.filter(ask(waiting("new-uid", name="web-0"), NAMES)).names == ("c",)


def test_a_pod_of_another_owner_or_namespace_is_not_steered(clock):
    state = state_of(tree(RACKS, rack_w=10**5), clock)
    see(state, plan_of(("old", "rs", "a", "d", 100)))
    assert state.filter(ask(waiting("x", owner="forged"), NAMES)).names is None
    assert state.filter(ask(waiting("y", owner="rs", namespace="else"), NAMES)).names is None


def test_a_plan_that_expires_or_goes_frees_what_it_held(clock):
    state = state_of(tree(RACKS, rack_w=150), clock)
    see(state, plan_of(("old", "rs", "a", "d", 100)), until_s=clock.now + 5)
    clock.now += 6
    state.lapse(seen_until_s=0.0)
    assert state.ledger.holds == {}
    see(state, plan_of(("old", "rs", "a", "d", 100)))
    assert state.ledger.holds
    state.lose_plan("plan")
    assert state.ledger.holds == {}
    assert len(state.steering) == 0
