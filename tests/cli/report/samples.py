"""Clusters and plans of any size, made in memory; their watts are added up by a second, plainer way."""

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from powerplane.models.breakers import Breaker
from powerplane.models.curves import PowerCurve
from powerplane.models.frames import Comparison, DrawFrame
from powerplane.models.objects import Node, ObjectMeta
from powerplane.models.plan import Conflict, DomainDraw, Move, Plan
from powerplane.models.snapshot import NO_BUDGET, PodTable, PodTemplate, Snapshot
from powerplane.models.topology import PowerDomain, PowerTopology

CURVE = PowerCurve(
    "server", (Fraction(0), Fraction(1, 10), Fraction(1, 2), Fraction(1)), (90000, 180000, 300000, 450000)
)
CORES = 32


@dataclass(frozen=True)
class Cluster:
    """Racks in rows on two shared feeds, some of them cut below their draw."""

    racks: int
    nodes_a_rack: int
    pods_a_node: int = 6
    rows: int = 2
    node_budgets: bool = False
    hot: float = 0.25
    pod_prefix: str = "web"
    seed: int = 1

    def rack(self, node: int) -> int:
        return node // self.nodes_a_rack

    @property
    def nodes(self) -> int:
        return self.racks * self.nodes_a_rack


def watts(use_ucores: int) -> float:
    """Draw of a node by its curve, interpolated plainly."""
    utilisation = use_ucores / (CORES * 1e6)
    return float(np.interp(utilisation, [float(u) for u in CURVE.utilisation], [w / 1000 for w in CURVE.milliwatts]))


def make_snapshot(cluster: Cluster) -> Snapshot:
    rng = np.random.default_rng(cluster.seed)
    n, pods = cluster.nodes, cluster.nodes * cluster.pods_a_node
    load = np.repeat(rng.uniform(0.3, 0.95, n) / cluster.pods_a_node, cluster.pods_a_node)
    use = (load * CORES * 1e6).astype(np.int64)
    names = tuple(f"node-{i:04d}" for i in range(n))
    before = node_watts(use, np.arange(pods) // cluster.pods_a_node, n)
    return Snapshot(
        digest="3f9c2a7be01d",
        as_of_s=1_790_000_000,
        resources=("cpu", "memory", "ephemeral-storage", "pods"),
        nodes=tuple(Node(metadata=ObjectMeta(name=name)) for name in names),
        allocatable=np.tile(np.array([CORES * 1000, 2**37, 2**37, 110], dtype=np.int64), (n, 1)),
        node_curve=(CURVE,) * n,
        node_budget_mw=make_node_budgets(cluster, before),
        topology=make_topology(cluster, names, before),
        templates=(PodTemplate("shop", "Deployment/web", (), (1000, 2**30, 0, 1)),),
        pods=PodTable(
            namespaces=("shop",) * pods,
            names=tuple(f"{cluster.pod_prefix}-{i:05d}" for i in range(pods)),
            uids=tuple(f"uid-{i}" for i in range(pods)),
            node=(np.arange(pods) // cluster.pods_a_node).astype(np.int32),
            template=np.zeros(pods, dtype=np.int32),
            use_ucores=use,
            accelerator_mw=np.zeros(pods, dtype=np.int64),
            measured=np.ones(pods, dtype=np.bool_),
            started_s=np.zeros(pods, dtype=np.int64),
        ),
        disruption_budgets=(),
        namespace_labels={"shop": {}},
    )


def make_node_budgets(cluster: Cluster, before: list[float]) -> np.ndarray:
    """Every node has room, but for the first of each hot rack, which is cut 1 W below its draw."""
    budgets = np.full(cluster.nodes, 460_000 if cluster.node_budgets else NO_BUDGET, dtype=np.int64)
    if cluster.node_budgets:
        for rack in hot_racks(cluster):
            node = rack * cluster.nodes_a_rack
            budgets[node] = int(before[node] * 1000) - 1000
    return budgets


def hot_racks(cluster: Cluster) -> list[int]:
    every = max(1, round(1 / cluster.hot)) if cluster.hot else cluster.racks + 1
    return list(range(every - 1, cluster.racks, every))


def node_watts(use: np.ndarray, node: np.ndarray, count: int) -> list[float]:
    total: dict[int, int] = defaultdict(int)
    for amount, where in zip(use.tolist(), node.tolist(), strict=True):
        total[where] += amount
    return [watts(total[i]) for i in range(count)]


def make_topology(cluster: Cluster, names: tuple[str, ...], before: list[float]) -> PowerTopology:
    """Every rack has 8 % to spare, but for the hot ones, which are cut 4 % below their draw."""
    size = cluster.nodes_a_rack
    sums = [sum(before[r * size : (r + 1) * size]) for r in range(cluster.racks)]
    hot = set(hot_racks(cluster))
    racks = []
    for r, draw in enumerate(sums):
        budget = int(draw * (960 if r in hot else 1080))
        breaker = Breaker(int(budget * 1.15), ((1.05, 600.0), (1.5, 30.0)))
        parents = (f"row-{r % cluster.rows + 1}", "feed-a", "feed-b")
        nodes = names[r * size : (r + 1) * size]
        racks.append(PowerDomain(f"rack-{r + 1:03d}", "rack", budget, parents, nodes, breaker, "shared"))
    total = int(sum(sums) * 1000)
    feeds = tuple(PowerDomain(f"feed-{x}", "feed", int(total * 1.1)) for x in "ab")
    rows = tuple(PowerDomain(f"row-{i + 1}", "row", int(total / cluster.rows * 1.2)) for i in range(cluster.rows))
    return PowerTopology((*feeds, *rows, *racks))


def make_plan(cluster: Cluster, snapshot: Snapshot, **changes: object) -> Plan:
    """Move pods from racks over budget to racks with most headroom, one by one, 4 moves a wave."""
    pods, by_name = snapshot.pods, snapshot.topology.by_name
    place = pods.node.astype(np.int64).copy()
    use: dict[int, int] = defaultdict(int)
    for pod, where in enumerate(place.tolist()):
        use[where] += int(pods.use_ucores[pod])
    start = {i: watts(use[i]) for i in range(cluster.nodes)}
    rack_names = [f"rack-{r + 1:03d}" for r in range(cluster.racks)]
    nodes_of = {name: [i for i in range(cluster.nodes) if rack_names[cluster.rack(i)] == name] for name in rack_names}

    def draw(rack: str) -> float:
        return sum(watts(use[i]) for i in nodes_of[rack])

    draws = {rack: draw(rack) for rack in rack_names}
    spare = {rack: by_name[rack].budget_mw / 1000 - draws[rack] for rack in rack_names}
    pods_of: dict[int, list[int]] = defaultdict(list)
    for pod, where in enumerate(place.tolist()):
        pods_of[where].append(pod)
    moves: list[Move] = []
    cool = [rack for rack in rack_names if spare[rack] > 0]
    for rack in rack_names:
        for turn in range(cluster.nodes_a_rack * cluster.pods_a_node):
            if spare[rack] >= 0 or not cool:
                break
            node = nodes_of[rack][turn % cluster.nodes_a_rack]
            pod = pods_of[node][turn // cluster.nodes_a_rack]
            best = max(cool, key=lambda name: spare[name])
            target = min(nodes_of[best], key=lambda i: use[i])
            amount = int(pods.use_ucores[pod])
            left = watts(use[node]) - watts(use[node] - amount)
            use[node] -= amount
            use[target] += amount
            for changed in (rack, best):
                draws[changed] = draw(changed)
                spare[changed] = by_name[changed].budget_mw / 1000 - draws[changed]
            names = snapshot.node_names
            uid = pods.uids[pod]
            wave = len(moves) // max(4, cluster.racks // 4) + 1
            moves.append(
                Move(
                    namespace="shop",
                    pod=pods.names[pod],
                    uid=uid,
                    source=names[node],
                    target=names[target],
                    watts=left,
                    wave=wave,
                    because=(rack,),
                )
            )
    after = {i: watts(use[i]) for i in range(cluster.nodes)}
    domains = tuple(domain_draw(d, cluster, start, after) for d in snapshot.topology.domains)
    overload = sum(max(0.0, d.after_watts - (d.budget_watts or 0)) for d in domains)
    figures: dict[str, object] = {
        "status": "feasible",
        "objective": "disruption",
        "cost": float(len(moves)),
        "bound": len(moves) / 1.004,
        "gap": 0.004,
        "seed": 7,
        "seconds": 3.21,
        "snapshot": snapshot.digest,
        "overload_watts": overload if overload > 0.001 else 0.0,
        "assumptions": ("12 pods without usage count by their requests.",),
        "moves": tuple(moves),
        "domains": domains,
    }
    return Plan(**(figures | changes))


def domain_draw(domain: PowerDomain, cluster: Cluster, start: dict[int, float], after: dict[int, float]) -> DomainDraw:
    if domain.kind == "rack":
        nodes = [i for i in range(cluster.nodes) if f"rack-{cluster.rack(i) + 1:03d}" == domain.name]
    elif domain.kind == "row":
        nodes = [i for i in range(cluster.nodes) if f"row-{cluster.rack(i) % cluster.rows + 1}" == domain.name]
    else:
        nodes = list(range(cluster.nodes))
    return DomainDraw(
        name=domain.name,
        kind=domain.kind,
        budget_watts=domain.budget_mw / 1000,
        before_watts=sum(start[i] for i in nodes),
        after_watts=sum(after[i] for i in nodes),
        lost={"feed-a": "feed-b", "feed-b": "feed-a"}.get(domain.name, ""),
    )


def make_comparison(snapshot: Snapshot) -> Comparison:
    """Four racks over 20 minutes: a surge at 300 s; without help the first goes dark, with help it is held."""
    racks = [d for d in snapshot.topology.domains if d.kind == "rack"][:4]

    def run(helped: bool) -> tuple[DrawFrame, ...]:
        frames = []
        for step in range(600):
            t = step * 2.0
            for i, rack in enumerate(racks):
                budget = rack.budget_mw / 1000
                surge = 0.25 * min(1.0, max(0.0, (t - 300) / 120)) if i == 0 else 0.03 * np.sin(t / 90 + i)
                if helped and i == 0 and t > 380:
                    surge = max(0.02, surge - (t - 380) / 400)
                dark = i == 0 and not helped and t >= 700
                watts_now = 0.0 if dark else budget * (0.93 + float(surge) + 0.006 * np.sin(step * 1.7 + i))
                frames.append(DrawFrame(t, rack.name, float(watts_now), budget, dark))
        return tuple(frames)

    facts = (
        ("Breakers tripped", "1 (rack-001, at 11 min 40 s)", "0"),
        ("Pods lost", "96", "0"),
        ("Pods moved", "0", "11"),
        ("Time above budget", "370 s", "104 s"),
    )
    return Comparison(run(False), run(True), facts)


def sample(plan: dict[str, object] | None = None, **size: object) -> tuple[Snapshot, Plan]:
    """Make a snapshot and a plan for it; keyword arguments of Cluster, and ``plan`` to change the plan."""
    cluster = Cluster(**({"racks": 4, "nodes_a_rack": 8} | size))
    snapshot = make_snapshot(cluster)
    return snapshot, make_plan(cluster, snapshot, **(plan or {}))


INFEASIBLE: dict[str, object] = {
    "status": "infeasible",
    "conflict": Conflict(
        members=("budget of row-1 (4.1 kW)", "budget of row-2 (4.2 kW)", "the idle draw of 40 nodes (3.6 kW)"),
        remedies=("raise the budget of row-1 by 310 W", "raise the budget of row-2 by 310 W"),
    ),
}
