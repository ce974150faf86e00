"""A scenario's cluster: its nodes, their accelerators, and the power tree above them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from hashlib import blake2b
from uuid import UUID

import numpy as np

from powerplane.models import catalogue
from powerplane.models.breakers import Breaker
from powerplane.models.curves import PowerCurve
from powerplane.models.errors import InputError
from powerplane.models.objects import Node, NodeStatus, ObjectMeta
from powerplane.models.quantities import parse_decimal, parse_quantity
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.topology import SHARED, PowerDomain, PowerTopology
from powerplane.simulator.physics import UNKNOWN_KNEE
from powerplane.simulator.place import Place
from powerplane.simulator.scenario_shape import ClusterEntry, LimitEntry, RowEntry, TypeEntry
from powerplane.simulator.spec import Devices

HOSTNAME, TYPE, RACK = "kubernetes.io/hostname", "node.kubernetes.io/instance-type", "topology.powerplane.dev/rack"
GPU_PRODUCT, GPU_RESOURCE = "nvidia.com/gpu.product", "nvidia.com/gpu"
FANS_OF_PEAK = 0.1
MOST_NODES = 20_000
PODS_PER_NODE = 250


@dataclass(frozen=True, slots=True)
class NodeType:
    """A kind of node, read."""

    name: str
    cores: float
    memory: int
    curve: PowerCurve
    fan_watts: float
    model: str = ""
    accelerators: int = 0
    accelerator_watts: float = 0.0

    @property
    def peak_watts(self) -> float:
        """What it draws at most: curve, fans at full speed and accelerators."""
        return self.curve.peak_mw / 1000 + self.fan_watts + self.accelerators * self.accelerator_watts


@dataclass(frozen=True, slots=True, eq=False)
class Hardware:
    """All nodes and what feeds them.

    Parameters
    ----------
    nodes : tuple of Node
    types : tuple of NodeType
        Of each node.
    topology : PowerTopology
    rows : dict
        Names of each row's nodes.
    devices : Devices
    """

    nodes: tuple[Node, ...]
    types: tuple[NodeType, ...]
    topology: PowerTopology
    rows: dict[str, tuple[str, ...]]
    devices: Devices


def build_hardware(entry: ClusterEntry, place: Place, seed: int) -> Hardware:
    """Build the nodes and the tree.

    Raises
    ------
    InputError
        For what the file states and what cannot be; with the place.
    """
    types = {name: _type(name, each, place.at("types").at(name)) for name, each in entry.types.items()}
    seats = list(_seats(entry, types, place))
    if not seats:
        raise place.at("rows").wrong("the cluster has no nodes", "give a row racks, and nodes to its racks")
    if len(seats) > MOST_NODES:
        raise place.at("rows").wrong(f"the cluster has {len(seats):,} nodes", f"simulate {MOST_NODES:,} at most")
    nodes = tuple(_node(name, kind, rack, seed) for name, kind, rack, _ in seats)
    by_rack: dict[str, list[str]] = {}
    rows: dict[str, list[str]] = {row.name: [] for row in entry.rows}
    for name, _, rack, row in seats:
        by_rack.setdefault(rack, []).append(name)
        rows[row].append(name)
    kinds = tuple(kind for _, kind, _, _ in seats)
    topology = _topology(entry, place, by_rack)
    peaks = {name: kind.peak_watts for name, kind, _, _ in seats}
    limited = _limit(topology, entry, peaks, place.at("limits"))
    return Hardware(nodes, kinds, limited, {row: tuple(names) for row, names in rows.items()}, _devices(kinds, seed))


def rack_name(row: str, number: int) -> str:
    """Name of a row's rack, from 1."""
    return f"{row}-rack-{number:02d}"


def _seats(entry: ClusterEntry, types: dict[str, NodeType], place: Place) -> Iterator[tuple[str, NodeType, str, str]]:
    for i, row in enumerate(entry.rows):
        here = place.at("rows").at(i)
        for kind in row.nodes:
            if kind not in types:
                raise here.at("nodes").wrong(f"no node type {kind!r}", f"types are: {', '.join(types)}")
        counts = {kind: here.at("nodes").at(kind).count(number) for kind, number in row.nodes.items()}
        for rack in range(1, here.at("racks").count(row.racks, least=1, most=10_000) + 1):
            names = [kind for kind, number in counts.items() for _ in range(number)]
            for number, kind in enumerate(names, start=1):
                yield f"{row.name}-{rack:02d}-{number:02d}", types[kind], rack_name(row.name, rack), row.name


def _type(name: str, entry: TypeEntry, place: Place) -> NodeType:
    if (entry.server is None) == (entry.curve is None):
        raise place.wrong("it has neither a server nor a curve, or both", "name one of the two")
    try:
        server = catalogue.server_curve(entry.server) if entry.server else None
    except InputError as error:
        raise place.at("server").wrong(error.problem, "see docs/reference/catalogue.md") from error
    curve = server or _curve(name, entry, place.at("curve"))
    threads = next((row.threads for row in catalogue.load_catalogue().servers if row.name == entry.server), None)
    if entry.cores is None and threads is None:
        raise place.wrong("it has no cores", "give cores, or a server of the catalogue")
    cores = place.at("cores").number(entry.cores if entry.cores is not None else str(threads), least=0.1, most=4096)
    try:
        memory = int(parse_quantity(entry.memory))
    except InputError as error:
        raise place.at("memory").wrong(error.problem, error.next_step) from error
    fans = place.at("fans").watts(entry.fans) if entry.fans else FANS_OF_PEAK * curve.peak_mw / 1000
    found = NodeType(name, cores, memory, curve, fans)
    if entry.accelerators is None:
        return found
    here = place.at("accelerators")
    card = catalogue.gpu(entry.accelerators.model)
    if card is None:
        raise here.wrong(
            f"the catalogue has no accelerator {entry.accelerators.model!r}", "see docs/reference/catalogue.md"
        )
    count = here.at("count").count(entry.accelerators.count, least=1, most=64)
    return replace(found, model=card.model, accelerators=count, accelerator_watts=card.max_watts)


def _curve(name: str, entry: TypeEntry, place: Place) -> PowerCurve:
    try:
        points = [(parse_decimal(str(u)), parse_decimal(str(w))) for u, w in entry.curve or ()]
        return PowerCurve(name, tuple(Fraction(u) for u, _ in points), tuple(int(-(-w * 1000 // 1)) for _, w in points))
    except InputError as error:
        raise place.wrong(error.problem, error.next_step) from error


def _node(name: str, kind: NodeType, rack: str, seed: int) -> Node:
    labels = {HOSTNAME: name, TYPE: kind.name, RACK: rack}
    offers: dict[str, str | int | float] = {
        "cpu": f"{round(kind.cores * 1000)}m",
        "memory": str(kind.memory),
        "ephemeral-storage": "1Ti",
        "pods": str(PODS_PER_NODE),
    }
    if kind.accelerators:
        labels[GPU_PRODUCT] = kind.model
        offers[GPU_RESOURCE] = str(kind.accelerators)
    meta = ObjectMeta(name=name, uid=uid(seed, f"node/{name}"), labels=labels)
    return Node(metadata=meta, status=NodeStatus(allocatable=offers))


def uid(seed: int, what: str) -> str:
    """UID of a thing, the same for the same seed."""
    return str(UUID(bytes=blake2b(f"{seed}/{what}".encode(), digest_size=16).digest(), version=4))


def _topology(entry: ClusterEntry, place: Place, by_rack: dict[str, list[str]]) -> PowerTopology:
    domains: dict[str, PowerDomain] = {}
    for i, row in enumerate(entry.rows):
        here = place.at("rows").at(i)
        if not 1 <= len(set(row.feeds)) == len(row.feeds) <= 2:
            told = ", ".join(row.feeds) or "none"
            raise here.at("feeds").wrong(f"the feeds are: {told}", "name one feed, or two that share the load")
        for feed in row.feeds:
            domains.setdefault(feed, PowerDomain(feed, "feed", NO_BUDGET))
        if row.name in domains:
            raise here.at("name").wrong(f"two domains are named {row.name!r}", "give each a name of its own")
        domains[row.name] = PowerDomain(row.name, "row", NO_BUDGET)
        for rack in _racks(row, by_rack):
            shared = SHARED if len(row.feeds) > 1 else ""
            parents = (row.name, *row.feeds)
            domains[rack] = PowerDomain(rack, "rack", NO_BUDGET, parents, tuple(by_rack[rack]), feed_load=shared)
    try:
        return PowerTopology(tuple(domains.values()))
    except InputError as error:
        raise place.at("rows").wrong(error.problem, error.next_step) from error


def _racks(row: RowEntry, by_rack: dict[str, list[str]]) -> Iterator[str]:
    number = 1
    while (rack := rack_name(row.name, number)) in by_rack:
        yield rack
        number += 1


def _limit(topology: PowerTopology, entry: ClusterEntry, peaks: dict[str, float], place: Place) -> PowerTopology:
    limits = entry.limits
    by_name = limits.by_name or {}
    if unknown := sorted(set(by_name) - set(topology.by_name)):
        raise place.at("byName").wrong(
            f"no domain {unknown[0]!r}", f"some are: {', '.join(list(topology.by_name)[:8])}"
        )
    general = {"feed": limits.feed, "row": limits.row, "rack": limits.rack}

    def limited(domain: PowerDomain) -> PowerDomain:
        own = by_name.get(domain.name)
        found = own or general[domain.kind]
        here = place.at("byName").at(domain.name) if own else place.at(domain.kind)
        below = sum(peaks[node] for node in topology.nodes_under(domain.name)) if found else 0.0
        return _limited(domain, found, below, here) if found else domain

    return PowerTopology(tuple(limited(domain) for domain in topology.domains))


def _limited(domain: PowerDomain, entry: LimitEntry, peak: float, place: Place) -> PowerDomain:
    budget = NO_BUDGET
    if entry.budget is not None:
        budget = int(place.at("budget").watts(entry.budget, of=peak) * 1000)
    breaker = None
    if entry.breaker is not None:
        here = place.at("breaker")
        rating = int(here.at("rating").watts(entry.breaker.rating, of=peak) * 1000)
        try:
            points = tuple((float(parse_decimal(str(x))), float(parse_decimal(str(s)))) for x, s in entry.breaker.curve)
            breaker = Breaker(rating, points)
        except InputError as error:
            raise here.wrong(error.problem, error.next_step) from error
    return replace(domain, budget_mw=budget, breaker=breaker)


def _devices(kinds: tuple[NodeType, ...], seed: int) -> Devices:
    node = np.array([row for row, kind in enumerate(kinds) for _ in range(kind.accelerators)], dtype=np.int64)
    models = tuple(kinds[row].model for row in node.tolist())
    cards = {model: catalogue.gpu(model) for model in set(models)}
    rows = [card for model in models if (card := cards[model]) is not None]
    return Devices(
        node=node,
        model=models,
        uuid=tuple(f"GPU-{uid(seed, f'device/{i}')}" for i in range(len(models))),
        idle_watts=np.array([row.idle_watts for row in rows]),
        most_watts=np.array([row.max_watts for row in rows]),
        lowest_limit_watts=np.array([row.min_limit_watts or row.idle_watts for row in rows]),
        knee=np.array([row.knee or UNKNOWN_KNEE for row in rows]),
    )
