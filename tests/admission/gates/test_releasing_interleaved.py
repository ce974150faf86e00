"""Budgets under every interleaving of what people, writes, clocks and other replicas do, judged by adding up."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.admission.gates.gate_world import NODES, RACKS, SIZES_W, World
from tests.admission.gates.rolling import own, rollout


class Interleavings(RuleBasedStateMachine):
    """Pods come and go, budgets change, writes fail or are told late, releasers die: the judge adds up every budget."""

    def __init__(self):
        super().__init__()
        self.world = World()
        self.made = 0
        self.unwritten = []

    @rule(
        size=st.sampled_from(SIZES_W),
        namespace=st.sampled_from("ab"),
        priority=st.integers(0, 1),
        rack=st.sampled_from((None, None, *RACKS)),
        count=st.integers(1, 6),
    )
    def create(self, size, namespace, priority, rack, count):
        for _ in range(count):
            self.made += 1
            spec = {"nodeSelector": {"rack": rack}} if rack else {}
            self.world.create(f"p{self.made}", size, namespace=namespace, priority=priority, **spec)

    @rule()
    def look(self):
        releases = self.world.look().releases
        self.unwritten = [each for each in self.unwritten if each not in releases] + list(releases)
        self._judge(releases)

    @precondition(lambda self: self.unwritten)
    @rule(data=st.data(), lost=st.sampled_from(("no", "no", "no", "answer", "request", "refused")))
    def write(self, data, lost):
        release = data.draw(st.sampled_from(self.unwritten))
        self.unwritten.remove(release)
        world = self.world
        if lost == "refused":
            world.releaser.note(release, "refused", world.clock_s)
            return
        done = lost != "request" and world.write(release)
        outcome = "unknown" if lost in ("answer", "request") else "done" if done else "stale"
        world.releaser.note(release, outcome, world.clock_s)

    @precondition(lambda self: self._free())
    @rule(data=st.data())
    def bind(self, data):
        name = data.draw(st.sampled_from(self._free()))
        self.world.bind(name, data.draw(st.sampled_from(self.world.reach(name))))

    @precondition(lambda self: self.world.pods)
    @rule(data=st.data())
    def delete(self, data):
        del self.world.pods[data.draw(st.sampled_from(sorted(self.world.pods)))]

    @precondition(lambda self: self.world.pods)
    @rule(data=st.data())
    def touch(self, data):
        self.world.touch(data.draw(st.sampled_from(sorted(self.world.pods))))

    @rule(rack=st.sampled_from(sorted(RACKS)), watts=st.integers(1, 1200))
    def change_rack(self, rack, watts):
        self.world.rack_w[rack] = watts

    @rule(surge=st.integers(0, 4), there=st.integers(0, 8), updated=st.integers(0, 4), size=st.sampled_from(SIZES_W))
    def roll_out(self, surge, there, updated, size):
        rollout(self.world, surge=surge, there=there, updated=updated)
        self.made += 1
        own(self.world, f"p{self.made}", size)

    @rule(feed=st.integers(300, 2500), row=st.integers(300, 2500), node=st.integers(100, 600))
    def change_above_and_below(self, feed, row, node):
        self.world.feed_w, self.world.row_w, self.world.node_w = feed, row, node

    @rule(seconds=st.sampled_from((0.5, 2.0, 30.0, 100.0)))
    def wait(self, seconds):
        self.world.clock_s += seconds

    @rule()
    def restart(self):
        # What the dead one had decided and not written yet is never written: the lease is taken over later than that.
        self.unwritten = []
        self.world.restart()

    def _free(self):
        pods = self.world.pods
        return [name for name in sorted(pods) if not pods[name]["spec"].get("nodeName") and self.world.reach(name)]

    def _judge(self, releases):
        """No budget above or below what was just let go can be exceeded, wherever everybody comes to stand."""
        world = self.world
        on_its_way = {each.pod.name: each.nodes or NODES for each in self.unwritten if each.reason == "headroom"}
        for name, (watts, members) in world.budgets().items():
            touched = any(
                set(each.nodes or NODES) & set(members) and each.pod.draw.stated_mw and each.pod.name in world.pods
                for each in releases
                if each.reason == "headroom"
            )
            if touched:
                assert world.worst_w(members, on_its_way) <= watts, name

    @invariant()
    def every_grant_is_of_a_pod_that_waits(self):
        world = self.world
        assert all(world.releaser.waited_s(g.release.pod, world.seen()) >= 0 for g in world.releaser.grants.values())


class Patient(Interleavings):
    """The same where nobody is ever overdue, so that every release is by headroom."""

    def __init__(self):
        super().__init__()
        self.world.most_s = 1e9


TestInterleavings = Patient.TestCase
TestInterleavings.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
