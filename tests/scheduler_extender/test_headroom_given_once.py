"""No headroom is given twice, whatever happens in whatever order."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.scheduler_extender.small import W, ask, broken, fact, offered, topology, waiting
from tests.scheduler_extender.small_state import NAMES, RACKS, Clock, state_of

from powerplane.models.power_tree import NodeFigures, compile_tree


class Cluster(RuleBasedStateMachine):
    """A scheduler that takes any node it is offered, and a watch that tells late, in any order, and of failures."""

    @initialize(
        node_w=st.sampled_from([None, 250, 400]),
        rack_w=st.sampled_from([300, 400, 10**4]),
        row_w=st.sampled_from([None, 700]),
        feeds=st.sampled_from([(), (("f1", 900), ("f2", 650))]),
    )
    def begin(self, node_w, rack_w, row_w, feeds):
        self.clock = Clock()
        self.node_w = node_w
        self.shape = topology(RACKS, rack_w=rack_w, row_w=row_w, feeds=feeds)
        figures = [NodeFigures(name, (node_w or 10**9) * W) for name in NAMES]
        self.state = state_of(compile_tree(self.shape, figures), self.clock)
        self.counter = 0
        self.assumed = {}
        self.told = {}
        self.failed = {}
        self.status = {}
        self.versions = 10

    def version(self):
        self.versions += 1
        return self.versions

    @rule(watts=st.integers(100, 300), choice=st.integers(0, 3), names=st.sets(st.sampled_from(NAMES), min_size=1))
    def schedule(self, watts, choice, names):
        self.counter += 1
        self.attempt(f"p{self.counter}", watts, choice, names)

    @precondition(lambda self: self.failed)
    @rule(data=st.data(), choice=st.integers(0, 3), names=st.sets(st.sampled_from(NAMES), min_size=1))
    def schedule_again(self, data, choice, names):
        uid = data.draw(st.sampled_from(sorted(self.failed)))
        self.attempt(uid, self.failed.pop(uid), choice, names)
        if uid in self.assumed and data.draw(st.booleans()):
            self.change(uid)

    def attempt(self, uid, watts, choice, names):
        names = sorted(names)
        pod = waiting(uid, watts, resource_version=str(self.version()), **self.status.get(uid, {}))
        answer = self.state.filter(ask(pod, names))
        passed = offered(answer, names)
        assert set(passed) <= set(names)
        if passed:
            self.assumed[uid] = (passed[choice % len(passed)], watts)
        else:
            self.failed[uid] = watts

    def unbound(self):
        return sorted(set(self.assumed) - set(self.told))

    @precondition(lambda self: self.unbound())
    @rule(data=st.data())
    def touch(self, data):
        """Somebody changes a pod that is on its way; its status is still that of the attempt before."""
        self.change(data.draw(st.sampled_from(self.unbound())))

    def change(self, uid):
        watts = self.assumed[uid][1]
        self.state.see_pod(fact(uid, "", watts, version=self.version(), **self.status.get(uid, {})))

    @precondition(lambda self: self.unbound())
    @rule(data=st.data())
    def tell(self, data):
        uid = data.draw(st.sampled_from(self.unbound()))
        node, watts = self.assumed[uid]
        self.told[uid] = fact(uid, node, watts, version=self.version())
        self.state.see_pod(self.told[uid])

    @precondition(lambda self: self.unbound())
    @rule(data=st.data())
    def fail(self, data):
        uid = data.draw(st.sampled_from(self.unbound()))
        _, watts = self.assumed.pop(uid)
        self.failed[uid] = watts
        version = self.version()
        nominated = data.draw(st.sampled_from(("", *NAMES)))
        self.status[uid] = {"refusal": f"attempt {version}", "nominated": nominated}
        self.state.see_pod(fact(uid, "", watts, version=version, **self.status[uid]))

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def delete(self, data):
        uid = data.draw(st.sampled_from(sorted(self.told)))
        del self.told[uid], self.assumed[uid]
        self.state.lose_pod(uid)

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def tell_again(self, data):
        self.state.see_pod(self.told[data.draw(st.sampled_from(sorted(self.told)))])

    @rule()
    def time_passes_out_of_step(self):
        self.clock.now += 100
        self.state.lapse(seen_until_s=0.0)

    @invariant()
    def every_budget_holds(self):
        if not hasattr(self, "state"):
            return
        placed = dict.fromkeys(NAMES, 0)
        for node, watts in self.assumed.values():
            placed[node] += watts
        assert broken(self.shape, placed, self.node_w) == []


TestNoHeadroomIsGivenTwice = Cluster.TestCase
TestNoHeadroomIsGivenTwice.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
