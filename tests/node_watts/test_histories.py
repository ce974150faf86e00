"""Random histories: whatever is late, lost, cut, deleted or killed, budgets and bound pods hold at every instant."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.node_watts.world import LATE_S, WRITE_S, Flight, TrueNode, TruePod, feeds_world

from powerplane.node_watts.controller import Controller, ControllerSettings
from powerplane.solver.partition_fill import Change

names = st.sampled_from(["n0", "n1", "n2", "n3"])
late = st.sampled_from([0.0, 0.1, 0.4, LATE_S])


class History(RuleBasedStateMachine):
    """Everything that may happen, in any order."""

    close_first = True

    @initialize(limit=st.integers(50, 300), least=st.sampled_from([1, 20]))
    def start(self, limit, least):
        self.world = feeds_world(limit)
        self.settings = ControllerSettings(
            settle_s=2 * LATE_S + 0.1,
            write_timeout_s=WRITE_S,
            close_first=self.close_first,
            level_s=10.0,
            change=Change(least_watts=least),
        )
        self.turn = 0
        self.restart()

    def restart(self):
        self.turn += 1
        self.controller = Controller(self.settings, self.world.now_s)

    @rule(node_late=late, pods_late=late, slow=st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=8))
    def decide(self, node_late, pods_late, slow):
        decisions = self.controller.decide(self.world.seen(node_late, pods_late), self.world.now_s)
        for i, write in enumerate(decisions.writes):
            part, lost = slow[i % len(slow)]
            # An answer that is lost is given up at the timeout, and may have landed any time before.
            self.world.flights.append(Flight(write, self.world.now_s + part * WRITE_S, lost, self.turn))

    @rule(seconds=st.sampled_from([0.05, 0.3, 1.0, 2.5, 8.0]))
    def wait(self, seconds):
        until = self.world.now_s + seconds
        self.land()
        while self.world.now_s < until:
            self.world.now_s = min([until, *(flight.lands_s for flight in self.world.flights)])
            self.land()

    def land(self):
        """Let land what is due: no write comes later than its own time."""
        for flight, outcome in self.world.land():
            if flight.controller == self.turn:
                self.controller.note(flight.write, outcome, self.world.now_s)
        self.world.remember()
        self.held()

    @rule(node_late=late, pods_late=late, scheduler_late=late, ticks=st.integers(1, 8))
    def live(self, node_late, pods_late, scheduler_late, ticks):
        """Let some time pass in which everything goes on, each at its own lag."""
        for _ in range(ticks):
            self.decide(node_late, pods_late, [(0.05, False)])
            self.wait(0.3)
            for uid in sorted(self.world.pods):
                for name in self.world.names:
                    self.world.bind(uid, name, scheduler_late)
            self.world.remember()
            self.wait(0.7)

    @rule(watts=st.integers(1, 250), nominated=st.none() | names)
    def pod_comes(self, watts, nominated):
        self.world.pods[f"p{self.world.next()}"] = TruePod(watts, nominated=nominated)
        self.world.remember()

    @precondition(lambda self: any(not pod.node for pod in self.world.pods.values()))
    @rule(data=st.data(), name=names, scheduler_late=late)
    def scheduler_binds(self, data, name, scheduler_late):
        waiting = sorted(uid for uid, pod in self.world.pods.items() if not pod.node)
        self.world.bind(data.draw(st.sampled_from(waiting)), name, scheduler_late)
        self.world.remember()

    @rule(name=names, scheduler_late=late)
    def pod_comes_and_is_bound_by_an_old_number(self, name, scheduler_late):
        """As large as the number allows that the scheduler still believes in."""
        node = self.world.ago(scheduler_late).nodes.get(name)
        spare = ((node.listed or 0) if node else 0) - self.world.bound(name)
        if spare > 0:
            uid = f"p{self.world.next()}"
            self.world.pods[uid] = TruePod(spare)
            self.world.bind(uid, name, scheduler_late)
            self.world.remember()

    @rule(data=st.data(), watts=st.integers(60, 200), ticks=st.integers(2, 12), scheduler_late=late)
    def pod_comes_and_what_others_give_is_bound_away(self, data, watts, ticks, scheduler_late):
        """The moment between a shrink and the growth that it is for."""
        self.pod_comes(watts, None)
        for _ in range(ticks):
            self.decide(0.0, 0.0, [(0.05, False)])
            self.wait(0.2)
            if data.draw(st.booleans()):
                self.pod_comes_and_is_bound_by_an_old_number(data.draw(names), scheduler_late)

    @rule(watts=st.integers(20, 200), part=st.floats(0.3, 1), ticks=st.integers(1, 4))
    def controller_is_killed_with_writes_on_their_way(self, watts, part, ticks):
        self.pod_comes(watts, None)
        self.decide(0.0, 0.0, [(part, False)])
        self.restart()
        self.pod_comes(watts, None)
        for _ in range(ticks):
            self.decide(0.0, 0.0, [(0.05, False)])
            self.wait(0.7)

    @precondition(lambda self: self.world.pods)
    @rule(data=st.data())
    def pod_goes(self, data):
        del self.world.pods[data.draw(st.sampled_from(sorted(self.world.pods)))]
        self.world.remember()

    @rule(row=st.integers(0, 5), watts=st.integers(0, 600))
    def budget_changes(self, row, watts):
        rows = [row] if row < 2 else [2, 3] if row < 4 else [4, 5]
        for one in rows:
            self.world.limits[one] = 2 * watts
        self.world.forgive()

    @rule(name=names, watts=st.integers(0, 300))
    def node_budget_changes(self, name, watts):
        self.world.caps[self.world.names.index(name)] = watts

    @rule(name=names, pods_stay=st.booleans(), after=st.sampled_from([0.0, 0.3, 3.0]))
    def node_registers_again(self, name, pods_stay, after):
        self.world.nodes.pop(name, None)
        if not pods_stay:
            self.world.pods = {uid: pod for uid, pod in self.world.pods.items() if pod.node != name}
        self.world.remember()
        if after:
            self.wait(after)
        self.world.make(name)
        self.world.remember()

    @rule(name=names)
    def machine_is_new_and_its_kubelet_zeroes_the_node(self, name):
        self.world.pods = {uid: pod for uid, pod in self.world.pods.items() if pod.node != name}
        self.world.make(name, listed=0)
        self.world.remember()

    @rule(name=names)
    def somebody_else_writes_the_node(self, name):
        if name in self.world.nodes:
            node = self.world.nodes[name]
            self.world.nodes[name] = TrueNode(self.world.next(), node.listed, node.closed)
            self.world.remember()

    @rule()
    def controller_is_killed_and_another_starts(self):
        self.restart()

    @invariant()
    def held(self):
        if hasattr(self, "world"):
            self.world.check(kubelets=self.close_first)


class WithoutClosing(History):
    """Numbers lowered at once: sums hold all the same; a pod bound in that moment may be above its node's number."""

    close_first = False


quick = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # fmt: skip
TestHistories = History.TestCase
TestHistories.settings = quick
TestWithoutClosing = WithoutClosing.TestCase
TestWithoutClosing.settings = quick


class Long(History):
    """The same for longer."""


TestLongHistories = pytest.mark.slow(Long.TestCase)
TestLongHistories.settings = settings(quick, max_examples=400, stateful_step_count=60)
