"""Plans that empty a node that is to sleep: all its pods or none, within budgets, while nothing presses."""

from dataclasses import replace

import msgspec
import pytest
from tests.models.snapshots import TinyNode, TinyPod, rack, tiny_snapshot
from tests.recommender.world import Cluster, Watching

from powerplane.models.sleeping import SLEEP_ANNOTATION
from powerplane.models.snapshot import NO_BUDGET
from powerplane.recommender.allowing import Leave
from powerplane.recommender.draining import DrainHow, drain, emptied, staying
from powerplane.recommender.narrowing import Limits
from powerplane.recommender.planning import make_plan
from powerplane.recommender.solving_worker import Question, answer
from powerplane.recommender.trees import trees_of

YES = Leave(("", "all"), "migrate")


class All:
    """Lets all pods be moved, or none."""

    def __init__(self, leave=YES):
        self.leave = leave

    def of_templates(self, snapshot):
        return (self.leave,) * len(snapshot.templates)


class Here:
    starts = 1

    def solve(self, snapshot, deadline_s, seed):
        return answer(Question(snapshot, deadline_s, seed))


def asked(snapshot, *names):
    wish = {"annotations": {SLEEP_ANNOTATION: "wanted"}}
    nodes = tuple(
        msgspec.structs.replace(node, metadata=msgspec.structs.replace(node.metadata, **wish))
        if node.metadata.name in names
        else node
        for node in snapshot.nodes
    )
    return replace(snapshot, nodes=nodes)


def floor(pods, budgets=(None, None, None), **more):
    nodes = [TinyNode(f"n{number}") for number in (1, 2, 3)]
    racks = [rack(f"r{number}", [f"n{number}"], watts) for number, watts in zip((1, 2, 3), budgets, strict=True)]
    return tiny_snapshot(nodes, pods, racks, **more)


def drained(snapshot, allowing=None, **limits):
    trees = trees_of(snapshot.topology)
    return list(drain(snapshot, allowing or All(), trees, Limits(**limits), DrainHow(Here(), 2.0, 0)))


def busy_pods(count=2, **more):
    return [TinyPod(f"p{number}", "n1", **more) for number in range(count)]


def test_all_pods_leave_a_node_that_is_asked_for_idle_ones_too_and_none_goes_to_another_that_is():
    idle = [TinyPod("idle", "n1", use=0.0)]
    (proposal,) = drained(asked(floor([*busy_pods(), *idle]), "n1", "n3"))
    assert proposal.outcome == "plan"
    assert {(move.pod, move.target) for move in proposal.plan.moves} == {(p, "n2") for p in ("p0", "p1", "idle")}
    assert {move.because for move in proposal.plan.moves} == {("sleep n1",)}
    assert set(proposal.leaves) == {move.uid for move in proposal.plan.moves}


def test_where_budgets_leave_no_room_nobody_is_moved():
    (proposal,) = drained(asked(floor(busy_pods(3), budgets=(None, 160, 160)), "n1"))
    assert proposal.outcome == "none"


def test_a_pod_that_nobody_may_move_keeps_all_others_where_they_are():
    kept = TinyPod("kept", "n1", unmovable="do-not-disrupt")
    (proposal,) = drained(asked(floor([*busy_pods(), kept]), "n1"))
    assert proposal.outcome == "none"
    assert "default/kept (do-not-disrupt)" in proposal.why
    (proposal,) = drained(asked(floor(busy_pods()), "n1"), All(None))
    assert "no policy in mode Enforce lets it be moved" in proposal.why


def test_pods_of_the_node_itself_stay_and_a_node_with_nothing_else_is_done():
    own = TinyPod("log", "n1", unmovable="DaemonSet")
    (proposal,) = drained(asked(floor([*busy_pods(1), own]), "n1"))
    assert [move.pod for move in proposal.plan.moves] == ["p0"]
    assert drained(asked(floor([own]), "n1")) == []
    assert drained(floor(busy_pods())) == []


def test_a_node_of_a_busy_tree_waits():
    assert drained(asked(floor(busy_pods()), "n1"), busy={"r1"}) == []


@pytest.mark.parametrize("use", [0.0, 0.5, 1.0])
def test_what_is_solved_holds_only_where_the_node_is_empty(use):
    snapshot = floor(busy_pods(2, use=use))
    closed = [name == "n1" for name in snapshot.node_names]
    problem = emptied(snapshot, 0, closed)
    assert problem.node_budget_mw[0] == 100_000
    assert problem.node_budget_mw[1] == NO_BUDGET
    plan = make_plan(problem, objective="disruption", deadline_s=1.0, seed=0, say=lambda _: None, clock=lambda: 0.0)
    assert {move.source for move in plan.moves} == {"n1"}
    assert len(plan.moves) == 2
    assert staying(snapshot, [YES] * len(snapshot.templates), 0) == []


def test_a_round_publishes_what_empties_a_node_once_nothing_else_is_wanted():
    cluster = Cluster({"r1": None, "r2": None})
    cluster.enforce()
    cluster.run("web", "r1-n0", 3)
    world = Watching(cluster)
    nodes = cluster.nodes

    def wished():
        found = nodes()
        found[0]["metadata"].setdefault("annotations", {})[SLEEP_ANNOTATION] = "wanted"
        return found

    for _ in range(4):
        world.look(5.0)
    assert not cluster.plans
    cluster.nodes = wished
    for _ in range(16):
        world.look(5.0)
    (plan,) = cluster.plans.values()
    assert {move.source for move in plan.spec.moves} == {"r1-n0"}
    assert len(plan.spec.moves) == 3
    assert {move.because for move in plan.spec.moves} == {("sleep r1-n0",)}
