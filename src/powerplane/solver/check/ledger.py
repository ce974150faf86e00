"""Where every pod is, and what every node carries and draws there: sums in plain integers and fractions."""

from collections import defaultdict
from fractions import Fraction

from powerplane.models.snapshot import NO_BUDGET, Snapshot
from powerplane.solver.check.loads import Loads, walk
from powerplane.solver.check.power import Piece, milliwatts, pieces_of, slopes
from powerplane.solver.check.replay import Wave


class Cluster:
    """The snapshot in plain Python: what never changes while a plan runs.

    Attributes
    ----------
    allocatable : list of list of int
        By node, in the snapshot's units.
    capacity_ucores : list of int
        By node.
    node_budget_mw : list of int or None
        By node; None where it has no budget.
    curves : list of tuple of Piece
        By node.
    loads : Loads
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.names = snapshot.node_names
        self.allocatable: list[list[int]] = snapshot.allocatable.tolist()
        cpu = snapshot.resources.index("cpu")
        self.capacity_ucores = [1000 * offered[cpu] for offered in self.allocatable]
        self.node_budget_mw = [None if b == NO_BUDGET else b for b in snapshot.node_budget_mw.tolist()]
        cut: dict[tuple[int, int], tuple[Piece, ...]] = {}
        for curve, capacity in zip(snapshot.node_curve, self.capacity_ucores, strict=True):
            if (id(curve), capacity) not in cut:
                cut[id(curve), capacity] = pieces_of(curve, capacity)
        self.curves = [cut[id(c), size] for c, size in zip(snapshot.node_curve, self.capacity_ucores, strict=True)]
        self.loads: Loads = walk(snapshot.topology, self.names)

    def draw_mw(self, node: int, use_ucores: int, accelerator_mw: int) -> Fraction:
        """Draw of a node in milliwatts."""
        return accelerator_mw + milliwatts(self.curves[node], use_ucores)

    def slopes(self, node: int, low_ucores: int, high_ucores: int) -> tuple[Fraction, Fraction]:
        """Flattest and steepest slope of a node's draw between two uses."""
        return slopes(self.curves[node], low_ucores, high_ucores)

    def pod_name(self, pod: int) -> str:
        """Namespace and name of a pod."""
        return f"{self.snapshot.pods.namespaces[pod]}/{self.snapshot.pods.names[pod]}"


class Ledger:
    """What is where, now.

    Attributes
    ----------
    requests : list of list of int
        By node and resource.
    use_ucores, accelerator_mw : list of int
        By node.
    draw_mw : list of Fraction
        By node.
    seats : list of dict
        By template: how many of its pods are on which node.
    """

    def __init__(self, cluster: Cluster, places: list[int]) -> None:
        snapshot, pods = cluster.snapshot, cluster.snapshot.pods
        count = len(cluster.names)
        self.cluster = cluster
        self.places = places
        self.requests = [[0] * len(snapshot.resources) for _ in range(count)]
        self.use_ucores, self.accelerator_mw = [0] * count, [0] * count
        self.seats: list[dict[int, int]] = [defaultdict(int) for _ in snapshot.templates]
        columns = (places, pods.template.tolist(), pods.use_ucores.tolist(), pods.accelerator_mw.tolist())
        for node, template, use, accelerator in zip(*columns, strict=True):
            if node >= 0:
                self._add(node, template, use, accelerator, 1)
        self.draw_mw = [self._draw(node) for node in range(count)]

    def carry_out(self, wave: Wave) -> None:
        """Let every step of a wave happen."""
        for step in wave.steps:
            for node, sign in ((step.source, -1), (step.target, 1)):
                self._add(node, step.template, step.use_ucores, step.accelerator_mw, sign)
            self.places[step.pod] = step.target
        for node in {node for step in wave.steps for node in (step.source, step.target)}:
            self.draw_mw[node] = self._draw(node)

    def _add(self, node: int, template: int, use: int, accelerator: int, sign: int) -> None:
        held = self.requests[node]
        for resource, amount in enumerate(self.cluster.snapshot.templates[template].requests):
            held[resource] += sign * amount
        self.use_ucores[node] += sign * use
        self.accelerator_mw[node] += sign * accelerator
        self.seats[template][node] += sign

    def _draw(self, node: int) -> Fraction:
        return self.cluster.draw_mw(node, self.use_ucores[node], self.accelerator_mw[node])
