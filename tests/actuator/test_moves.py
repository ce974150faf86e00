"""Moves over a small model of the API server: what must hold whatever fails, and in whatever order things happen."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.actuator.model_cluster import CORES, ModelCluster
from tests.actuator.replica import Replica

from powerplane.models.marks import DETACHED_ANNOTATION, HOLD_FOR_ANNOTATION, MOVE_GATE

OVER = ("Done", "Failed", "Expired", "Stopped")


def turn(cluster, *replicas, seconds=1.0):
    """One turn of everybody."""
    for replica in replicas:
        replica.deliver()
        replica.look()
        replica.drain()
    cluster.control()
    cluster.schedule()
    cluster.run()
    cluster.end_leaving()
    cluster.control()
    cluster.now_s += seconds


def settle(cluster, replica, turns=60, seconds=1.0):
    """Turn until all plans are over and nothing of ours is left, and no longer than that."""
    for _ in range(turns):
        turn(cluster, replica, seconds=seconds)
        if not left(cluster):
            return


def left(cluster):
    """What is still open, or of ours."""
    pods = cluster.pods.values()
    return (
        [name for name in cluster.plans if cluster.status(name).get("phase") not in OVER]
        + [p["metadata"]["name"] for p in pods if HOLD_FOR_ANNOTATION in p["metadata"].get("annotations", {})]
        + [p["metadata"]["name"] for p in pods if {"name": MOVE_GATE} in p["spec"].get("schedulingGates", [])]
        + [p["metadata"]["name"] for p in pods if DETACHED_ANNOTATION in p["metadata"].get("annotations", {})]
        + [p["metadata"]["name"] for p in pods if not p["spec"].get("nodeName")]
    )


class Interleavings(RuleBasedStateMachine):
    """Plans are carried out while everything fails that may; at the end all is healed, and must come to rest."""

    def __init__(self):
        super().__init__()
        self.cluster = ModelCluster()
        self.cluster.add_owner("web", "ReplicaSet", 4, ["n0", "n1"], unavailable=1)
        self.cluster.add_owner("api", "ReplicaSet", 3, ["n0"], surges=True)
        self.cluster.add_owner("db", "StatefulSet", 2, ["n1"], unavailable=1)
        self.token = 1
        self.replica = Replica(self.cluster, self.token)
        self.old = []
        self.published = 0

    # -- plans

    @precondition(lambda self: self.published < 3)
    @rule(data=st.data(), waves=st.booleans(), lasts_s=st.sampled_from((3600, 3600, 20)), lever=st.booleans())
    def publish(self, data, waves, lasts_s, lever):
        cluster = self.cluster
        pods = [p for p in cluster.pods.values() if cluster.owners_of(p)]
        found = [p for p in pods if p["spec"].get("nodeName") and not cluster.leaving(p)]
        places = st.lists(st.integers(0, len(found) - 1), unique=True, min_size=1, max_size=4)
        pods = [found[i] for i in data.draw(places)] if found else []
        moves = []
        for i, pod in enumerate(pods):
            to = data.draw(st.sampled_from([n for n in sorted(cluster.nodes) if n != pod["spec"]["nodeName"]]))
            kind = "evict" if lever and i == 0 else "migrate"
            moves.append(cluster.move(pod, to, wave=i // 2 if waves else 0, lever=kind))
        self.published += 1
        trees = data.draw(st.sampled_from((["t1"], ["t2"], [])))
        cluster.publish(f"p{self.published}", moves, lasts_s=lasts_s, trees=trees)

    @precondition(lambda self: self.cluster.plans)
    @rule(data=st.data())
    def delete_plan(self, data):
        if data.draw(st.integers(0, 4)) == 0:
            name = data.draw(st.sampled_from(sorted(self.cluster.plans)))
            self.cluster.delete_plan(name)
            for pod in list(self.cluster.pods.values()):
                if any(each["uid"] == f"plan-{name}" for each in self.cluster.owners_of(pod)):
                    self.cluster.drop(pod["metadata"]["uid"])

    # -- the actuator

    @rule(most=st.sampled_from((1, 2, 5, 1000)))
    def deliver(self, most):
        self.replica.deliver(most)

    @rule()
    def look(self):
        self.replica.look()

    @precondition(lambda self: self.replica.line)
    @rule(data=st.data())
    def act(self, data):
        self.replica.step(data.draw(st.integers(0, len(self.replica.line) - 1)))

    @rule()
    def turn(self):
        turn(self.cluster, self.replica)

    @rule(which=st.sampled_from((1, 2)))
    def lose(self, which):
        self.replica.lost = which

    @rule(late=st.booleans())
    def crash(self, late):
        """Another one leads; the one before may still have errands in line, and try to go on."""
        self.replica.leads = False
        self.old.append(self.replica)
        self.token += 1
        self.replica = Replica(self.cluster, self.token)
        if late:
            for old in self.old:
                old.drain()

    # -- the world

    @rule()
    def control(self):
        self.cluster.control()

    @rule()
    def schedule(self):
        self.cluster.schedule()

    @rule()
    def run(self):
        self.cluster.run()

    @rule()
    def end_leaving(self):
        self.cluster.end_leaving()

    @rule(seconds=st.sampled_from((0.5, 5.0, 40.0, 130.0)))
    def wait(self, seconds):
        self.cluster.now_s += seconds

    @rule(data=st.data(), ready=st.booleans(), cordoned=st.booleans())
    def change_node(self, data, ready, cordoned):
        self.cluster.set_node(data.draw(st.sampled_from(sorted(self.cluster.nodes))), ready=ready, cordoned=cordoned)

    @rule(data=st.data(), replicas=st.integers(0, 4))
    def scale(self, data, replicas):
        owner = data.draw(st.sampled_from(sorted(self.cluster.owners.values(), key=lambda o: o.uid)))
        owner.replicas = replicas

    @precondition(lambda self: self.cluster.pods)
    @rule(data=st.data())
    def delete_pod(self, data):
        pod = self.cluster.pods[data.draw(st.sampled_from(sorted(self.cluster.pods)))]
        if not self.cluster.leaving(pod):
            self.cluster.delete(pod)

    @rule(data=st.data(), count=st.integers(1, CORES))
    def fill(self, data, count):
        """Somebody else's pods take a node."""
        node = data.draw(st.sampled_from(sorted(self.cluster.nodes)))
        name = f"other{len(self.cluster.owners)}"
        if len(self.cluster.owners) < 5:
            self.cluster.add_owner(name, "ReplicaSet", max(0, min(count, CORES - self.cluster.used(node))), [node])

    @rule(stop=st.booleans())
    def stop(self, stop):
        self.cluster.stop = "a test" if stop else ""

    @rule(pause=st.booleans())
    def pause(self, pause):
        self.cluster.pause = "the webhook is silent" if pause else ""

    @rule(rolls_out=st.booleans())
    def roll_out(self, rolls_out):
        self.cluster.rolls_out = rolls_out

    @rule(webhook=st.booleans())
    def break_webhook(self, webhook):
        self.cluster.webhook = webhook

    # -- what must hold

    @invariant()
    def nothing_forbidden_was_done(self):
        assert not self.cluster.judge.wrongs

    @invariant()
    def nobody_follows_two_moves(self):
        plans = self.cluster.plans.values()
        moves = [move for plan in plans for move in plan["status"].get("moves", ())]
        successors = [move["successorUid"] for move in moves if "successorUid" in move]
        assert len(set(successors)) == len(successors)

    def teardown(self):
        cluster = self.cluster
        cluster.pause = ""
        for name in cluster.nodes:
            cluster.set_node(name, ready=True, cordoned=False)
        for owner in cluster.owners.values():
            owner.replicas = min(owner.replicas, 4)
        self.replica.lost = 0
        settle(cluster, self.replica, turns=200, seconds=15.0)
        assert not left(cluster), (left(cluster), {name: cluster.status(name) for name in cluster.plans})
        assert not cluster.judge.wrongs
        for owner in cluster.owners.values():
            running = [p for p in cluster.of(owner) if p["spec"].get("nodeName") and not cluster.leaving(p)]
            assert len(running) == owner.replicas, owner
        for name in cluster.plans:
            status = cluster.status(name)
            steps = {each["uid"]: each["step"] for each in status["moves"]}
            wanted = {each["uid"] for each in cluster.plans[name]["spec"]["moves"]}
            assert set(steps) == wanted
            assert set(steps.values()) <= {"Done", "RolledBack", "Failed", "Skipped"}


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(
    max_examples=200,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.reuse, Phase.generate, Phase.shrink),
)


class Longer(Interleavings):
    """The same for longer."""


TestLonger = pytest.mark.slow(Longer.TestCase)
TestLonger.settings = settings(TestInterleavings.settings, max_examples=3000, stateful_step_count=80)


def moved_cluster():
    cluster = ModelCluster()
    cluster.add_owner("web", "ReplicaSet", 3, ["n0"], unavailable=1)
    pods = list(cluster.pods.values())
    cluster.publish("p", [cluster.move(pod, "n2") for pod in pods])
    return cluster, pods


def test_a_plan_moves_every_pod_to_its_target_and_is_done():
    cluster, pods = moved_cluster()
    settle(cluster, Replica(cluster, 1))
    assert not left(cluster)
    assert cluster.status("p")["phase"] == "Done"
    assert {p["spec"]["nodeName"] for p in cluster.pods.values()} == {"n2"}
    assert cluster.judge.evicted == {pod["metadata"]["uid"]: 1 for pod in pods}
    assert {each["node"] for each in cluster.status("p")["moves"]} == {"n2"}
