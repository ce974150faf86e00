"""A small simulated cluster for the operator: two racks, one of which can be made to draw too much."""

from pathlib import Path

from tests.simulator.worlds import study_of

from powerplane.bench.operating.hands import SimulatedHands
from powerplane.bench.operating.plans import Shelf, Tally
from powerplane.bench.operating.watches import Sinks, Watches
from powerplane.simulator.scenario_file import Study
from powerplane.simulator.world import World

TWO_RACKS = """\
seed: 5
duration: 1h
step: 5s
starts: Monday 08:00
cluster:
  types:
    web: {cores: 16, memory: 64Gi, curve: [[0, 100], [1, 400]]}
  rows:
  - {name: row-1, racks: 2, nodes: {web: 3}, feeds: [feed-a]}
  limits:
    rack: {budget: 700W}
    feed: {budget: 3kW, breaker: {rating: 3kW, curve: [[1.05, 1800], [2, 45]]}}
workloads:
- {name: shop, replicas: 16, requests: {cpu: 2, memory: 4Gi}, use: 100%, mayBeDown: 20%, priority: 10}
events:
- {at: 5m, budget: {domain: row-1-rack-01, to: 560W}}
"""
RACK = "row-1-rack-01"


def small_study(directory: Path) -> Study:
    return study_of(TWO_RACKS, directory)


class Kept:
    """Keeps what watches told, as whoever watches would."""

    def __init__(self, sinks: Sinks) -> None:
        self.pods, self.plans = {}, {}
        sinks.pods.append(self._take(self.pods, lambda each: each.metadata.uid))
        sinks.plans.append(self._take(self.plans, lambda each: each.metadata.name))

    @staticmethod
    def _take(kept, key):
        def take(batch):
            for what, each in batch.changes:
                kept.pop(key(each), None)
                if what != "DELETED":
                    kept[key(each)] = each

        return take


class Held:
    """A cluster with its API server and nobody to operate it but the test."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sinks, self.tally = Sinks(), Tally()
        self.kept = Kept(self.sinks)
        self.watches = Watches(world, self.sinks)
        self.shelf = Shelf(self.watches, self.sinks, self.tally)
        self.hands = SimulatedHands(world, self.watches, self.shelf, self.sinks, self.tally)
        self.watches.tell()

    def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds / 5)):
            self.world.step(5.0)
            self.watches.tell()

    def a_pod_on(self, node: str):
        return next(pod for pod in self.kept.pods.values() if pod.spec.node_name == node)
