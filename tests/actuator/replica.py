"""One actuator over the model: it sees what was delivered to it, and may die between any two acts."""

import msgspec

from powerplane.actuator.engine import Engine, Outcome, Wrote, begins
from powerplane.actuator.facts import Grounds
from powerplane.actuator.limits import HourBudget, Limits
from powerplane.actuator.machine import Machine
from powerplane.actuator.plans import Plans
from powerplane.actuator.recall import Recall
from powerplane.actuator.seen import SeenPod
from powerplane.actuator.terms import ConfirmTerms, Terms
from powerplane.actuator.world import World
from powerplane.adapters.watch import Batch
from powerplane.models.api.placement_plan import PlacementPlanObject
from powerplane.models.objects import Node

BOOKS = Terms(confirm=ConfirmTerms(by_books=True))
KINDS = {"pods": SeenPod, "plans": PlacementPlanObject, "nodes": Node}


class Quiet:
    """Is told, and says nothing."""

    def __init__(self):
        self.outcomes = []

    def wrote(self, plan, state, wrote):
        """Is told of a write."""

    def acted(self, _errand, act, outcome):
        self.outcomes.append((act, outcome))


class Replica:
    """An engine on the model, its errands in line until somebody lets them go on."""

    def __init__(self, cluster, token, terms=BOOKS, limits=None, measured=None):
        self.cluster = cluster
        self.token = token
        self.leads = True
        self.lost = 0
        self.line = []
        self.measured = measured or {}
        clock = lambda: cluster.now_s  # noqa: E731  # one line, used thrice
        self.recall = Recall(clock)
        self.world = World()
        self.plans = Plans()
        self.hour = HourBudget(10_000)
        self.watcher = Quiet()
        machine = Machine(terms, limits or Limits(), self.recall, self.hour)
        self.engine = Engine(
            machine=machine,
            world=self.world,
            plans=self.plans,
            recall=self.recall,
            hands=self,
            watcher=self.watcher,
            submit=self.submit,
            may=self.may,
            clock=clock,
        )
        self.seen = len(cluster.events)
        self._list()

    def _list(self):
        cluster = self.cluster
        self.world.pods(Batch(True, tuple(("ADDED", self._read("pods", p)) for p in cluster.pods.values())))
        nodes = [cluster.node(name) for name in cluster.nodes]
        self.world.nodes(Batch(True, tuple(("ADDED", self._read("nodes", n)) for n in nodes)))
        self.plans.take(Batch(True, tuple(("ADDED", self._read("plans", p)) for p in cluster.plans.values())))

    @staticmethod
    def _read(kind, each):
        raw = each if isinstance(each, bytes) else msgspec.json.encode(each)
        return msgspec.json.decode(raw, type=KINDS[kind])

    def deliver(self, most=10**9):
        """Let some of what happened be seen."""
        takes = {"pods": self.world.pods, "nodes": self.world.nodes, "plans": self.plans.take}
        for kind, what, raw in self.cluster.events[self.seen : self.seen + most]:
            takes[kind](Batch(False, ((what, self._read(kind, raw)),)))
            self.seen += 1

    def grounds(self):
        cluster = self.cluster
        return Grounds(cluster.now_s, cluster.now_s, cluster.stop, cluster.pause, measured=self.measured)

    def look(self):
        return self.engine.look(self.grounds(), self.token) if self.leads else False

    def may(self, act, _token):
        if not self.leads:
            return "this replica does not lead any more"
        return (self.cluster.stop or self.cluster.pause) if begins(act) else ""

    def submit(self, errand):
        self.line.append([errand, 0])

    def step(self, place=0):
        """Do the next act of one errand."""
        errand, done = self.line[place]
        outcome = self.engine.do(errand, errand.acts[done])
        self.line[place][1] += 1
        if outcome.result != "done" or self.line[place][1] == len(errand.acts):
            del self.line[place]
            self.engine._done(errand, failed=outcome.result in ("refused", "unknown"))

    def drain(self):
        """Carry all errands out, as the threads would."""
        while self.line:
            errand, done = self.line.pop(0)
            rest = type(errand)(errand.key, errand.acts[done:], errand.token)
            self.engine.carry(rest)

    # -- hands

    def write(self, plan, state):
        if self.lost == 1:  # the request
            self.lost = 0
            return Wrote(False, told="lost")
        wrote = self.cluster.write(plan, state)
        if self.lost == 2:  # the answer
            self.lost = 0
            return Wrote(False, told="lost")
        return wrote

    def act(self, act):
        if self.lost == 1:
            self.lost = 0
            return Outcome("unknown", "lost")
        outcome = self.cluster.act(act)
        if self.lost == 2:
            self.lost = 0
            return Outcome("unknown", "lost")
        return outcome
